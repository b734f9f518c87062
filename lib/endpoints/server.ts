/** Who listens: one `Server` over as many listening sockets as it has addresses. */
import type * as net from 'node:net'
import type { ErrorHandler } from '../diagnostics.ts'
import { CancelledError, InvalidStateError } from '../errors.ts'
import type { AnyProtocol } from '../protocol.ts'
import { SocketTransport } from '../transports/socketTransport.ts'
import { reportTo, type TransportOwner } from '../transports/transportOwner.ts'
import type { Transport } from '../transport.ts'
import { abortedOnEntry, DONE, handled, rejected, Waiter, WaitList, type WaitOptions } from '../wait.ts'

/** One address that a server listens on. */
export interface ServerSocket {
  readonly family: 'IPv4' | 'IPv6' | 'unix'
  /** The address, or the path of a Unix socket. */
  readonly address: string
  /** 0 for a Unix socket. */
  readonly port: number
  /** `[host, port]`, or the path. */
  getsockname(): [host: string, port: number] | string
}

/** Reports about failed accepts come at most so often. */
const ACCEPT_REPORT_INTERVAL_MS = 1000

/**
 * A listening server, made by `createServer`, `startServer` and their Unix variants. Each connection gets a protocol
 * of its own; one that misbehaves never disturbs the others. (asyncio: `Server`.)
 */
export class Server implements AsyncDisposable {
  readonly #listeners: readonly net.Server[]
  readonly #factory: () => AnyProtocol
  readonly #onConnectionError: ErrorHandler<Transport> | undefined
  readonly #transports = new Set<Transport>()
  readonly #owner: TransportOwner = {
    side: 'server',
    attach: (transport) => this.#transports.add(transport),
    detach: (transport) => {
      this.#transports.delete(transport)
      this.#maybeDone()
    },
    report: (error, transport) => reportTo(this.#onConnectionError, error, transport),
  }
  readonly #closedWaiters = new WaitList()
  #serving: Waiter<never> | undefined
  #accepting = false
  #closed = false
  /** Connections that came before {@link startServing}. */
  #early: [socket: net.Socket, path: string | undefined][] = []
  #lastAcceptReport = -Infinity

  /** Takes over servers that listen already. */
  constructor(
    listeners: readonly net.Server[],
    factory: () => AnyProtocol,
    onConnectionError?: ErrorHandler<Transport>,
  ) {
    this.#listeners = listeners
    this.#factory = factory
    this.#onConnectionError = onConnectionError
    for (const listener of listeners) {
      const path = unixPath(listener)
      listener.on('connection', (socket) => this.#accept(socket, path))
      listener.on('error', (error) => this.#acceptFailed(error))
    }
  }

  /** The addresses listened on; empty once the server is closed. */
  get sockets(): readonly ServerSocket[] {
    return this.#closed ? [] : this.#listeners.map(socketOf)
  }

  /** Whether connections are accepted now. */
  isServing(): boolean {
    return this.#accepting && !this.#closed
  }

  /**
   * Begins to accept, if the server was made with `startServing: false`; else does nothing. Connections that came
   * before have waited. Rejects with {@link InvalidStateError} when closed.
   */
  startServing(): Promise<void> {
    if (this.#closed) return rejected(new InvalidStateError('startServing() on a server that is closed'))
    this.#accepting = true
    const early = this.#early
    this.#early = []
    for (const [socket, path] of early) this.#accept(socket, path)
    return DONE
  }

  /**
   * Accepts until cancelled, and never resolves. When `signal` (or the scope) ends it, the server is closed, its
   * connections are closed in good order, and after the last of them it rejects with the reason. `close()` ends it
   * with {@link CancelledError}, after the last connection too, but leaves the connections open. Only one call may
   * run at a time. (asyncio: `Server.serve_forever`.)
   */
  serveForever(options?: WaitOptions): Promise<never> {
    if (this.#closed) return rejected(new InvalidStateError('serveForever() on a server that is closed'))
    if (this.#serving !== undefined) return rejected(new InvalidStateError('serveForever() is running already'))
    void this.startServing()
    this.#serving = new Waiter<never>(options, () => 'serveForever')
    const ended = this.#serving.promise.catch(async (reason: unknown) => {
      this.#serving = undefined
      if (!this.#closed) {
        this.close()
        this.closeClients()
      }
      await this.waitClosed()
      throw reason
    })
    return handled(ended)
  }

  /**
   * Stops listening, at once. Connections stay open: see {@link closeClients}, {@link abortClients} and
   * {@link waitClosed}. May be called again.
   */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const listener of this.#listeners) listener.close()
    for (const [socket] of this.#early) socket.destroy()
    this.#early = []
    this.#serving?.reject(new CancelledError('the server was closed'))
    this.#maybeDone()
  }

  /** Calls `close()` on every open connection: what is written is still sent. */
  closeClients(): void {
    for (const transport of [...this.#transports]) transport.close()
  }

  /** Calls `abort()` on every open connection. */
  abortClients(): void {
    for (const transport of [...this.#transports]) transport.abort()
  }

  /** Resolves when the server is closed and its last connection is gone. It does not close anything itself. */
  waitClosed(options?: WaitOptions): Promise<void> {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    if (this.#closed && this.#transports.size === 0) return DONE
    return this.#closedWaiters.wait(options, () => `waitClosed (${this.#transports.size} connections open)`)
  }

  /** Closes the server and waits for its connections to end, as {@link waitClosed} does. */
  [Symbol.asyncDispose](): Promise<void> {
    this.close()
    return this.waitClosed()
  }

  #maybeDone(): void {
    if (this.#closed && this.#transports.size === 0) this.#closedWaiters.resolveAll()
  }

  #accept(socket: net.Socket, path: string | undefined): void {
    if (this.#closed) return void socket.destroy()
    if (!this.#accepting) return void this.#early.push([socket, path])
    let protocol: AnyProtocol
    try {
      protocol = this.#factory()
    } catch (error) {
      socket.destroy()
      return this.#owner.report(error, undefined)
    }
    new SocketTransport(socket, protocol, this.#owner, path).start()
  }

  /** Out of descriptors, mostly: libuv drops what it cannot take and goes on, so do we. */
  #acceptFailed(error: Error): void {
    const now = performance.now()
    if (now - this.#lastAcceptReport < ACCEPT_REPORT_INTERVAL_MS) return
    this.#lastAcceptReport = now
    this.#owner.report(error, undefined)
  }
}

function unixPath(listener: net.Server): string | undefined {
  const bound = listener.address()
  return typeof bound === 'string' ? bound : undefined
}

function socketOf(listener: net.Server): ServerSocket {
  const bound = listener.address()
  if (bound === null) throw new InvalidStateError('the listening socket is closed')
  if (typeof bound === 'string') return { family: 'unix', address: bound, port: 0, getsockname: () => bound }
  const { address, port, family } = bound
  return { family: family as 'IPv4' | 'IPv6', address, port, getsockname: () => [address, port] }
}
