/**
 * A listening socket, and the way of a connection from there to its server:
 *
 *     accepted → [PROXY header] → [limit per peer] → [TLS, or plain as the first byte says] → admission by the server
 *
 * A server without any of these steps goes straight to the last.
 */
import type * as net from 'node:net'
import type { AnyProtocol } from '../protocol.ts'
import { repeatEnd } from '../transports/repeatEnd.ts'
import { SocketTransport } from '../transports/socketTransport.ts'
import type { TransportOwner } from '../transports/transportOwner.ts'
import type { Accepting, Arrival, Listener, ServerSocket } from './listener.ts'
import { greet, hasSteps, peerOfSocket, TooManyError, type Greeted, type Greeting } from './greeting.ts'

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
    if (greeting === undefined || !hasSteps(greeting)) {
      this.#listening.on('connection', (socket) => accepting.accept(new SocketArrival(socket, path)))
    } else {
      this.#listening.on('connection', (socket) => void this.#greet(socket, path, greeting))
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

  async #greet(socket: net.Socket, path: string | undefined, greeting: Greeting): Promise<void> {
    if (this.#closed) return void socket.destroy()
    const { size } = this.#arriving
    if (size >= this.#accepting.room()) {
      const peer = peerOfSocket(socket)
      socket.destroy()
      const message = `${size} connections are being greeted, and no more may be: the one from ${peer} was closed`
      return this.#accepting.overrun(new Error(message))
    }
    this.#arriving.add(socket)
    try {
      const greeted = await greet(socket, greeting)
      if (this.#closed) return void greeted.socket.destroy()
      this.#accepting.accept(new SocketArrival(greeted.socket, path, greeted))
    } catch (error) {
      if (error instanceof TooManyError) this.#accepting.overrun(error)
      else if (!this.#closed) this.#accepting.refused(error)
    } finally {
      this.#arriving.delete(socket)
    }
  }
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
    return this.#greeted?.peer ?? peerOfSocket(this.#socket)
  }

  get gone(): boolean {
    return this.#socket.destroyed
  }

  begin(protocol: AnyProtocol, owner: TransportOwner): void {
    const greeted = this.#greeted
    const mine = greeted?.extraInfo === undefined ? owner : { ...owner, extraInfo: greeted.extraInfo }
    new SocketTransport(this.#socket, protocol, mine, this.#path).start()
    if (greeted !== undefined) repeatEnd(this.#socket)
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

function addressOf(listening: net.Server): ServerSocket {
  const bound = listening.address() ?? ''
  if (typeof bound === 'string') return { family: 'unix', address: bound, port: 0, getsockname: () => bound }
  const { address, port, family } = bound
  return { family: family as 'IPv4' | 'IPv6', address, port, getsockname: () => [address, port] }
}
