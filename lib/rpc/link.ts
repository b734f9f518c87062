import { clock } from '../clock.ts'
import { ConnectionLostError } from '../errors.ts'
import { peerOf, type Transport } from '../transport.ts'
import type { WaitOptions } from '../wait.ts'
import { ClientConnection, type ClientConnectionEvents, type ClientConnectionOptions } from './clientConnection.ts'
import type { Dialer, DialOptions } from './dial.ts'
import { Keepalive, type Watched } from './keepalive.ts'
import { RpcError } from './rpcError.ts'
import { Status } from './status.ts'

/** What a link needs of its channel. */
export interface LinkOptions {
  readonly connection: ClientConnectionOptions
  readonly keepaliveMs: number
  readonly keepaliveTimeoutMs: number
  /** Whether to look for signs of life also while there are no calls. */
  readonly keepaliveIdle: boolean
}

export interface LinkOwner {
  /** Whether a connection without calls keeps the process alive. */
  readonly keepsProcessAlive: boolean
  /** It takes no more calls: those that it has go on. */
  linkDraining(link: Link, reason: string): void
  /** It is gone, and all its calls with it. */
  linkLost(link: Link, error: Error | null): void
  /** Its last call has ended. */
  linkRested(link: Link): void
}

/** What a `net.Socket` can do, and other things below a transport perhaps cannot. */
interface SocketLike {
  ref?(): unknown
  unref?(): unknown
  setKeepAlive?(on: boolean, initialDelayMs: number): unknown
}

/** One connection of a channel, from the first attempt on: what keeps it, and the process, alive. */
export class Link implements ClientConnectionEvents, Watched {
  readonly dialer: Dialer
  readonly connection: ClientConnection
  /** When it was connected, as `clock.now()` tells it. */
  since = 0
  readonly #owner: LinkOwner
  readonly #options: LinkOptions
  readonly #keepalive: Keepalive
  #transport: Transport | undefined
  #socket: SocketLike | undefined
  #opened = false
  /** Lost, and what to; before it was opened nobody is told. */
  #lost: Error | null | undefined
  #death: Error | undefined

  constructor(dialer: Dialer, owner: LinkOwner, options: LinkOptions) {
    this.dialer = dialer
    this.#owner = owner
    this.#options = options
    this.connection = new ClientConnection(options.connection, this)
    this.#keepalive = new Keepalive(this, options.keepaliveMs, options.keepaliveTimeoutMs)
  }

  /** Connects. Rejects with what the dialler rejects with, or with what the connection was lost to at once. */
  async open(options: DialOptions): Promise<void> {
    const [transport] = await this.dialer.dial(() => this.connection, options)
    if (this.#lost !== undefined) throw this.#lost ?? this.#closedByPeer(transport)
    this.#transport = transport
    this.#opened = true
    this.since = clock.now()
    const { keepaliveMs } = this.#options
    this.#socket = (transport.getExtraInfo('socket') as SocketLike | null) ?? undefined
    // A peer that cannot be asked is at least noticed by the system.
    if (keepaliveMs < Infinity) this.#socket?.setKeepAlive?.(true, keepaliveMs)
    if (!this.#owner.keepsProcessAlive) this.#socket?.unref?.()
  }

  /** To be called before a call is started while there is none. */
  wake(): void {
    if (!this.#owner.keepsProcessAlive) this.#socket?.ref?.()
    this.#keepalive.start()
  }

  /** After `keepsProcessAlive` has changed. */
  updateRef(): void {
    if (this.#owner.keepsProcessAlive || this.connection.activeCalls > 0) this.#socket?.ref?.()
    else this.#socket?.unref?.()
  }

  // --- for the connection

  lost(error: Error | null): void {
    this.#keepalive.stop()
    this.#lost = this.#death ?? error
    if (this.#opened) this.#owner.linkLost(this, this.#lost ?? this.#closedByPeer(this.#transport))
  }

  draining(reason: string): void {
    this.#owner.linkDraining(this, reason)
  }

  idle(): void {
    if (!this.#owner.keepsProcessAlive) this.#socket?.unref?.()
    this.#owner.linkRested(this)
  }

  // --- for its keepalive

  get lastReceived(): number {
    return this.connection.lastReceived
  }

  get isNeeded(): boolean {
    return this.#options.keepaliveIdle || this.connection.activeCalls > 0
  }

  get canPing(): boolean {
    // While it is not listened to, its silence says nothing.
    if (this.#transport?.isReading() !== true) return false
    return this.connection.extension?.features.has('ping') ?? false
  }

  ping(options: WaitOptions): Promise<number> {
    return this.connection.ping(options)
  }

  dead(silentMs: number): void {
    const peer = peerOf(this.#transport) ?? this.dialer.name
    const message = `no sign of life from ${peer} for ${silentMs} ms`
    this.#death = new ConnectionLostError(message, peer)
    this.connection.abort(new RpcError(Status.UNAVAILABLE, message, [], { peer, cause: this.#death }))
  }

  #closedByPeer(transport: Transport | undefined): ConnectionLostError {
    const peer = peerOf(transport) ?? this.dialer.name
    return new ConnectionLostError(`${peer} has closed the connection`, peer)
  }
}
