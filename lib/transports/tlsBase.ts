/** What a TLS socket does not know of itself: what it was put on, and how it is to end. */
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { ExtraInfo } from '../transport.ts'
import type { TlsOptions } from '../tlsOptions.ts'
import { JoinedDuplex } from './joinedDuplex.ts'
import { TransportDuplex } from './transportDuplex.ts'

export const DEFAULT_SHUTDOWN_TIMEOUT_MS = 30_000

export interface TlsBase {
  readonly shutdownTimeoutMs: number
  /** The stream that it was put on, if that is not a socket; where its addresses come from then, and its number. */
  readonly lower?: Duplex
  readonly extra?: Partial<ExtraInfo>
  readonly id?: number
  /** Resets the connection below, which Node cannot do below TLS that lies on a socket. */
  readonly reset?: () => void
  /** Lets the process end, though the connection below is open. */
  readonly unref?: () => void
  /** An end that TLS does not tell of itself may have been made by anyone. */
  readonly requiresEnd?: boolean
  /** Whether the end that has come is such a one. */
  cut?: boolean
}

/** What a layer has from the connection that it lies on. */
const ORIGIN = ['peername', 'sockname', 'name'] as const

const BASE = Symbol('millrace.tlsBase')
const BARE: TlsBase = { shutdownTimeoutMs: DEFAULT_SHUTDOWN_TIMEOUT_MS }

export function tlsBase(secured: Socket): TlsBase {
  return (secured as { [BASE]?: TlsBase })[BASE] ?? BARE
}

/** The stream to put TLS on. */
export function lowerOf(connected: Duplex, { tlsRequireCloseNotify }: TlsOptions): Duplex {
  return tlsRequireCloseNotify === true && connected instanceof Socket
    ? new JoinedDuplex(connected, connected)
    : connected
}

/** To be called for a socket that has shaken hands over `lower`, which is {@link lowerOf} `connected`. */
export function setTlsBase(secured: TLSSocket, connected: Duplex, lower: Duplex, options: TlsOptions): void {
  const { tlsShutdownTimeoutMs = DEFAULT_SHUTDOWN_TIMEOUT_MS, tlsRequireCloseNotify = false } = options
  const base: TlsBase = { shutdownTimeoutMs: tlsShutdownTimeoutMs }
  if (!(lower instanceof Socket)) {
    // With TLS above a stream the end of one direction of it is not the end of both any more.
    connected.allowHalfOpen = lower.allowHalfOpen = true
    Object.assign(base, { lower, requiresEnd: tlsRequireCloseNotify, ...originOf(connected) })
  }
  ;(secured as { [BASE]?: TlsBase })[BASE] = base
  if (!tlsRequireCloseNotify) return
  // Until a transport takes it over.
  secured.push = function (this: TLSSocket, chunk: unknown, encoding?: BufferEncoding): boolean {
    if (chunk === null) noteEnd(base)
    return Socket.prototype.push.call(this, chunk, encoding)
  }
}

/**
 * To be called when the end comes, not later: finds out whether TLS has told of it. TLS knows that it is over as soon as
 * it has the peer's word; without it, not before what is below has ended.
 */
export function noteEnd(base: TlsBase): void {
  if (base.requiresEnd === true) base.cut ??= base.lower?.readableEnded === true
}

function originOf(connected: Duplex): Pick<TlsBase, 'extra' | 'id' | 'reset' | 'unref'> {
  if (connected instanceof TransportDuplex) {
    const { transport } = connected
    const known = ORIGIN.map((name) => [name, transport.getExtraInfo(name)]).filter(([, value]) => value !== null)
    const reset = (): void => transport.abort({ reset: true })
    const socket = transport.getExtraInfo('socket') as Partial<Socket> | null
    return {
      id: transport.id,
      reset,
      unref: () => void socket?.unref?.(),
      extra: Object.fromEntries(known) as Partial<ExtraInfo>,
    }
  }
  const { remoteAddress, remotePort, localAddress, localPort } = connected as Socket
  const unref = (): void => void (connected as Socket).unref()
  if (remoteAddress === undefined) return { unref }
  const reset = (): void => void (connected as Socket).resetAndDestroy()
  return { reset, unref, extra: { peername: [remoteAddress, remotePort!], sockname: [localAddress!, localPort!] } }
}
