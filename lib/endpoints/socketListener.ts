/**
 * A listening socket, and the way of a connection from there to its server:
 *
 *     accepted → [PROXY header] → [limit per peer] → [TLS, or plain as the first byte says] → admission by the server
 *
 * A server without any of these steps goes straight to the last. Each step has its time; what fails in one is closed
 * and reported by its peer's name.
 */
import type * as net from 'node:net'
import type { AnyProtocol } from '../protocol.ts'
import { formatAddress, type ExtraInfo } from '../transport.ts'
import { repeatEnd } from '../transports/repeatEnd.ts'
import { SocketTransport } from '../transports/socketTransport.ts'
import type { TlsAcceptor } from '../transports/tlsAcceptor.ts'
import type { TransportOwner } from '../transports/transportOwner.ts'
import type { Accepting, Arrival, Listener, ServerSocket } from './listener.ts'
import type { PeerLimit } from './peerLimit.ts'
import type { ProxyReceiver } from './proxyReceiver.ts'

/** The steps that there are; one of each for all listening sockets of a server. */
export interface Greeting {
  readonly proxy?: ProxyReceiver | undefined
  readonly perPeer?: PeerLimit | undefined
  readonly tls?: TlsAcceptor | undefined
}

export class SocketListener implements Listener {
  readonly address: ServerSocket
  readonly #listening: net.Server
  readonly #greeting: Greeting | undefined
  readonly #release: ((close: () => void) => void) | undefined
  #accepting!: Accepting
  #closed = false
  /** Sockets on the way: nobody else knows of them yet. */
  readonly #arriving = new Set<net.Socket>()

  /** `release` is given how to close the socket, where something is to be done around it. */
  constructor(listening: net.Server, greeting?: Greeting, release?: (close: () => void) => void) {
    this.#listening = listening
    this.#greeting = greeting
    this.#release = release
    this.address = addressOf(listening)
  }

  open(accepting: Accepting): void {
    this.#accepting = accepting
    const path = this.address.family === 'unix' ? this.address.address : undefined
    const greeting = this.#greeting
    const { proxy, perPeer, tls } = greeting ?? {}
    if (proxy === undefined && perPeer === undefined && tls === undefined) {
      this.#listening.on('connection', (socket) => accepting.accept(new SocketArrival(socket, path)))
    } else {
      this.#listening.on('connection', (socket) => void this.#greet(socket, path, greeting!))
    }
    this.#listening.on('error', (error) => accepting.overrun(error))
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    const close = (): void => void this.#listening.close()
    if (this.#release === undefined) close()
    else this.#release(close)
    for (const socket of this.#arriving) socket.destroy()
  }

  async #greet(socket: net.Socket, path: string | undefined, { proxy, perPeer, tls }: Greeting): Promise<void> {
    if (this.#closed) return void socket.destroy()
    const peer = peerOfSocket(socket)
    this.#arriving.add(socket)
    // Each step listens for itself; in between, and until there is a transport, nobody does.
    socket.on('error', () => {})
    try {
      const extraInfo = proxy && (await proxy.receive(socket, peer))
      const name = extraInfo?.peername === undefined ? peer : formatAddress(extraInfo.peername)
      const full = perPeer?.enter(socket, extraInfo?.peername)
      if (full !== undefined) {
        socket.destroy()
        return this.#accepting.overrun(new Error(`${full}: the connection from ${name} was closed`))
      }
      const secured = tls && (await tls.secure(socket, name))
      if (this.#closed) return void socket.destroy()
      this.#accepting.accept(new SocketArrival(secured ?? socket, path, { name, extraInfo }))
    } catch (error) {
      socket.destroy()
      if (!this.#closed) this.#accepting.refused(error)
    } finally {
      this.#arriving.delete(socket)
    }
  }
}

/** What its greeting has found out. */
interface Greeted {
  readonly name: string
  readonly extraInfo: Partial<ExtraInfo> | undefined
}

class SocketArrival implements Arrival {
  readonly #socket: net.Socket
  readonly #path: string | undefined
  readonly #greeted: Greeted | undefined

  constructor(socket: net.Socket, path: string | undefined, greeted?: Greeted) {
    this.#socket = socket
    this.#path = path
    this.#greeted = greeted
  }

  get peer(): string {
    return this.#greeted?.name ?? peerOfSocket(this.#socket)
  }

  begin(protocol: AnyProtocol, owner: TransportOwner): void {
    const extraInfo = this.#greeted?.extraInfo
    const mine = extraInfo === undefined ? owner : { ...owner, extraInfo }
    new SocketTransport(this.#socket, protocol, mine, this.#path).start()
    if (this.#greeted !== undefined) repeatEnd(this.#socket)
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

export function peerOfSocket({ remoteAddress, remotePort }: net.Socket): string {
  return formatAddress(remoteAddress === undefined ? '' : [remoteAddress, remotePort])
}

function addressOf(listening: net.Server): ServerSocket {
  const bound = listening.address() ?? ''
  if (typeof bound === 'string') return { family: 'unix', address: bound, port: 0, getsockname: () => bound }
  const { address, port, family } = bound
  return { family: family as 'IPv4' | 'IPv6', address, port, getsockname: () => [address, port] }
}
