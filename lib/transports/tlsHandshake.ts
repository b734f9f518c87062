/** Handshakes over connected sockets, and errors that say what is wrong with them. */
import type { Duplex } from 'node:stream'
import * as tls from 'node:tls'
import { clock, LONGEST_TIMER_MS } from '../clock.ts'
import { InvalidStateError, TlsHandshakeError, TimeoutError, type PeerName } from '../errors.ts'
import type {
  StartTlsOptions,
  TlsClientOptions,
  TlsConnectOptions,
  TlsOptions,
  TlsServerOptions,
} from '../tlsOptions.ts'
import type { Transport } from '../transport.ts'
import { lowerOf, setTlsBase } from './tlsBase.ts'

export const DEFAULT_HANDSHAKE_TIMEOUT_MS = 60_000

/** Of a TLS server of Node, whose own timer is not wanted: {@link limitHandshake} has ours. */
export const handshakeTimeout = LONGEST_TIMER_MS

/** Throws for options that make no sense, before anything is opened. */
export function checkTlsClient(options: TlsClientOptions): void {
  checkTime(options)
  const { tls: given, serverHostname } = options
  if (serverHostname !== undefined && !given) throw new TypeError('serverHostname is only for TLS: pass tls as well')
}

/** Throws for options that make no sense, before anything is opened. */
export function checkTlsServer(options: TlsServerOptions): void {
  checkTime(options)
  if (options.tls !== undefined && (typeof options.tls !== 'object' || options.tls === null)) {
    throw new TypeError('tls must be the options of a TLS server, with a certificate and a key')
  }
}

function checkTime(options: TlsOptions): void {
  for (const name of ['tlsHandshakeTimeoutMs', 'tlsShutdownTimeoutMs'] as const) {
    const value = options[name]
    if (value !== undefined && !(value > 0)) throw new RangeError(`${name} must be above 0, not ${value}`)
  }
}

/** Throws if `transport` cannot go over to TLS now, or not in this way. */
export function checkStartTls(transport: Transport, options: StartTlsOptions): void {
  const unsent = transport.getWriteBufferSize()
  if (transport.isClosing()) throw new InvalidStateError('startTls() on a connection that is closing')
  if (unsent > 0) throw new InvalidStateError(`startTls() with ${unsent} bytes unsent: await flush() first`)
  if (options.serverSide === true) checkTlsServer(options)
  else checkTlsClient(options)
}

/**
 * Shakes hands as the client over a connected socket. Calls `done` once, with the socket to use from now on or with the
 * error; then nothing is left open. The error is Node's own for a certificate or a key that is none. Who destroys the
 * socket gives up.
 */
export function shakeHands(
  connected: Duplex,
  peer: PeerName,
  options: TlsClientOptions & { host?: string | undefined },
  done: (error: Error | undefined, secured?: tls.TLSSocket) => void,
): void {
  const { tls: given, tlsHandshakeTimeoutMs = DEFAULT_HANDSHAKE_TIMEOUT_MS } = options
  const { servername, ...context } = (typeof given === 'object' ? given : {}) as TlsConnectOptions
  const name = servername ?? options.serverHostname ?? options.host
  // In the middle of a handshake, the end of one direction is the end.
  connected.allowHalfOpen = false
  const socket = lowerOf(connected, options)
  let secured: tls.TLSSocket
  try {
    secured = tls.connect({ ...context, socket, ...nameOf(name) })
  } catch (error) {
    socket.destroy()
    return done(error as Error)
  }
  if (options.onTlsSession !== undefined) secured.on('session', options.onTlsSession)
  const settle = (error?: Error): void => {
    clock.clearTimeout(timer)
    secured.off('error', failed)
    secured.off('secureConnect', settle)
    if (error === undefined) {
      secured.allowHalfOpen = true
      setTlsBase(secured, connected, socket, options)
      return done(undefined, secured)
    }
    // What else goes wrong with it is of no interest.
    secured.on('error', () => {})
    secured.destroy()
    socket.destroy()
    done(error)
  }
  const failed = (error: Error): void => settle(handshakeError(peer, error))
  const late = (): void => settle(new TimeoutError(`TLS handshake with ${peer}`, tlsHandshakeTimeoutMs))
  const timer = clock.setTimeout(late, tlsHandshakeTimeoutMs)
  secured.on('error', failed)
  secured.on('secureConnect', settle as () => void)
  // By whoever does not wait for it any more.
  secured.once('close', () => clock.clearTimeout(timer))
}

/** Shakes hands as the server over a connected socket; otherwise like `shakeHands`. */
export function serveHands(
  connected: Duplex,
  peer: PeerName,
  options: TlsServerOptions,
  done: (error: Error | undefined, secured?: tls.TLSSocket) => void,
): void {
  connected.allowHalfOpen = false
  const socket = lowerOf(connected, options)
  let server: tls.Server
  try {
    // A server that never listens: only its side of a handshake is wanted.
    server = tls.createServer({ ...options.tls, handshakeTimeout, pauseOnConnect: true })
  } catch (error) {
    socket.destroy()
    return done(error as Error)
  }
  let over = false
  const settle = (error: Error | undefined, secured?: tls.TLSSocket): void => {
    if (over) return
    over = true
    inTime()
    if (error === undefined) return done(undefined, secured)
    secured?.destroy()
    socket.destroy()
    done(error instanceof TimeoutError ? error : handshakeError(peer, error, secured))
  }
  const inTime = limitHandshake(peer, options, settle)
  server.on('secureConnection', (secured) => {
    secured.allowHalfOpen = true
    setTlsBase(secured, connected, socket, options)
    settle(undefined, secured)
  })
  server.on('tlsClientError', settle)
  server.emit('connection', socket)
}

/** Calls `late` if the server's side of a handshake takes too long. Returns what is to be called when it is over. */
export function limitHandshake(
  peer: PeerName,
  { tlsHandshakeTimeoutMs = DEFAULT_HANDSHAKE_TIMEOUT_MS }: TlsOptions,
  late: (error: TimeoutError) => void,
): () => void {
  const run = (): void => late(new TimeoutError(`TLS handshake with ${peer}`, tlsHandshakeTimeoutMs))
  const timer = clock.setTimeout(run, tlsHandshakeTimeoutMs)
  return () => clock.clearTimeout(timer)
}

/** An address is no name that could be asked for, but the certificate must be for it. */
function nameOf(name: string | undefined): { servername?: string; host?: string } {
  if (name === undefined || name === '') return {}
  return /^[\d.]+$|:/.test(name) ? { host: name } : { servername: name }
}

/** Node's error as one that names the peer and says what it may be. */
export function handshakeError(peer: PeerName, error: Error, socket?: tls.TLSSocket): TlsHandshakeError {
  // Node destroys a client that it does not trust, and tells only of the destruction.
  const refused = socket?.authorizationError
  const reason = refused ? `the certificate of the client is refused (${String(refused)})` : reasonOf(error)
  return new TlsHandshakeError(peer, reason, { cause: error })
}

function reasonOf(error: Error): string {
  // OpenSSL's own message begins with a thread's number and ends with a line of its source.
  const { code = '', reason = error.message } = error as { code?: string; reason?: string }
  const hint = HINTS.find(([pattern]) => pattern.test(code))?.[1]
  return hint === undefined ? reason : `${hint} (${reason})`
}

const HINTS: readonly [code: RegExp, hint: string][] = [
  [/HTTP_REQUEST/, 'the client does not speak TLS, but HTTP'],
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|UNEXPECTED_MESSAGE|BAD_RECORD_TYPE/,
    'the other end does not seem to speak TLS',
  ],
  [/CERT_HAS_EXPIRED/, 'the certificate has expired'],
  [/ALTNAME_INVALID/, 'the certificate is for another name'],
  [
    /SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/,
    'the certificate is not signed by anyone who is trusted: pass its issuer as ca',
  ],
  [/ECONNRESET|EPIPE/, 'the connection was closed in the middle of it'],
]
