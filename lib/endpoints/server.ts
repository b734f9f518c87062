/** Who listens: one `Server` over as many listening sockets as it has addresses. */
import { clock, LONGEST_TIMER_MS } from '../clock.ts'
import type { ErrorHandler } from '../diagnostics.ts'
import { CancelledError, InvalidStateError } from '../errors.ts'
import type { AnyProtocol } from '../protocol.ts'
import type { Layer } from '../layers/layer.ts'
import { reportTo, type TransportOwner } from '../transports/transportOwner.ts'
import type { Transport } from '../transport.ts'
import { abortedOnEntry, DONE, handled, rejected, UNCANCELLED, Waiter, WaitList, type WaitOptions } from '../wait.ts'
import { beginLayered } from './beginLayered.ts'
import { sharedController } from './sharedController.ts'
import type { Arrival, Listener, ServerSocket } from './listener.ts'

/** What a server needs to know besides its listening sockets. */
export interface ServerOptions {
  maxConnections?: number | undefined
  backlog?: number | undefined
  idleTimeoutMs?: number | undefined
  layers?: readonly Layer[] | undefined
  onConnectionError?: ErrorHandler<Transport> | undefined
}

export interface CloseOptions {
  /** How long connections may take to end by themselves, in milliseconds; what is left then is aborted. */
  graceMs: number
  /** Ends the time of grace early, as a cancel of the scope around does. */
  signal?: AbortSignal | undefined
}

/** As many connections as Node's own default lets wait in the system. */
export const DEFAULT_BACKLOG = 511
/** Reports about failed accepts come at most so often. */
const ACCEPT_REPORT_INTERVAL_MS = 1000

/**
 * A listening server, made by `createServer`, `startServer` and their Unix variants. Each connection gets a protocol
 * of its own; one that misbehaves never disturbs the others. (asyncio: `Server`.)
 */
export class Server implements AsyncDisposable {
  readonly #listeners: readonly Listener[]
  readonly #factory: () => AnyProtocol
  readonly #options: ServerOptions
  readonly #transports = new Set<Transport>()
  readonly #owner: TransportOwner
  /** The uppermost transport of each connection that has layers, by the lowest. */
  readonly #uppermost = new Map<Transport, Transport>()
  readonly #closedWaiters = new WaitList()
  readonly #doneWaiters = new WaitList()
  readonly #closing = sharedController()
  #serving: Waiter<never> | undefined
  #accepting = false
  /** Connections that came before there was room for them, the first of them first; nothing is read from them. */
  #waiting: Arrival[] = []
  #lastAcceptReport = -Infinity

  /** Takes over what listens already. */
  constructor(listeners: readonly Listener[], factory: () => AnyProtocol, options: ServerOptions = {}) {
    this.#listeners = listeners
    this.#factory = factory
    this.#options = options
    this.#owner = {
      side: 'server',
      idleTimeoutMs: options.idleTimeoutMs,
      attach: (transport) => this.#transports.add(transport),
      detach: (transport) => {
        this.#transports.delete(transport)
        if (this.#uppermost.size > 0) this.#uppermost.delete(transport)
        this.admit()
        this.settled()
      },
      report: (error, transport) => reportTo(options.onConnectionError, error, transport),
    }
    for (const listener of listeners) {
      listener.open({
        accept: (arrival) => this.#accept(arrival),
        room: () => this.#room(),
        refused: (error) => this.#owner.report(error, undefined),
        overrun: (error) => this.#acceptFailed(error),
      })
    }
  }

  /** The addresses listened on; empty once the server is closed. */
  get sockets(): readonly ServerSocket[] {
    return this.closed ? [] : this.#listeners.map(({ address }) => address)
  }

  /** Whether connections are accepted now. */
  isServing(): boolean {
    return this.#accepting && !this.closed
  }

  /** Aborted by {@link close}: for handlers to end when they next wait for a client that has nothing to say. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /**
   * Begins to accept, if the server was made with `startServing: false`; else does nothing. Connections that came
   * before have waited. Rejects with {@link InvalidStateError} when closed.
   */
  startServing(): Promise<void> {
    if (this.closed) return rejected(new InvalidStateError('startServing() on a server that is closed'))
    this.#accepting = true
    this.admit()
    return DONE
  }

  /**
   * Accepts until cancelled, and never resolves. When `signal` (or the scope) ends it, the server is closed, its
   * connections are closed in good order, and after the last of them it rejects with the reason. `close()` ends it
   * with {@link CancelledError}, after the last connection too, but leaves the connections open. Only one call may
   * run at a time. (asyncio: `Server.serve_forever`.)
   */
  serveForever(options?: WaitOptions): Promise<never> {
    if (this.closed) return rejected(new InvalidStateError('serveForever() on a server that is closed'))
    if (this.#serving !== undefined) return rejected(new InvalidStateError('serveForever() is running already'))
    if (abortedOnEntry(options) === undefined) void this.startServing()
    this.#serving = new Waiter<never>(options, () => 'serveForever')
    const ended = this.#serving.promise.catch(async (reason: unknown) => {
      this.#serving = undefined
      if (!this.closed) {
        this.close()
        this.closeClients()
      }
      await this.waitClosed({ scope: UNCANCELLED })
      throw reason
    })
    return handled(ended)
  }

  /**
   * Stops listening, at once, and aborts {@link closing}. Connections stay open: see {@link closeClients},
   * {@link abortClients} and {@link waitClosed}. Connections that no handler has seen yet are closed. May be called
   * again.
   *
   * With `graceMs` it also waits for the connections and the handlers of `startServer` to end, aborts the connections
   * that are left after that time, and resolves when the last of them is gone. It never rejects, and always settles.
   */
  close(): void
  close(options: CloseOptions): Promise<void>
  close(options?: CloseOptions): void | Promise<void> {
    if (options !== undefined && !(options.graceMs >= 0)) {
      throw new RangeError(`graceMs must be a number of milliseconds, not ${options.graceMs}`)
    }
    if (!this.closed) {
      this.#closing.abort(new CancelledError('the server was closed'))
      for (const listener of this.#listeners) listener.close()
      for (const arrival of this.#waiting) arrival.destroy()
      this.#waiting = []
      this.#serving?.reject(this.closing.reason)
      this.ended()
      this.settled()
    }
    if (options !== undefined) return this.#closeWithin(options)
  }

  async #closeWithin({ graceMs, signal }: CloseOptions): Promise<void> {
    // The timer of a wait keeps no process alive; but handlers may be all that is left, and this is to settle.
    const alive = clock.setTimeout(() => {}, LONGEST_TIMER_MS, true)
    try {
      if (!this.isDone()) await this.#doneWaiters.wait({ timeoutMs: graceMs, signal }, () => 'close')
    } catch {
      this.abortClients()
      await this.waitClosed({ scope: UNCANCELLED })
    } finally {
      clock.clearTimeout(alive)
    }
  }

  /** Calls `close()` on every open connection: what is written is still sent. */
  closeClients(): void {
    for (const transport of this.#open()) transport.close()
  }

  /** Calls `abort()` on every open connection. */
  abortClients(): void {
    for (const transport of this.#open()) transport.abort()
  }

  /** Resolves when the server is closed and its last connection is gone. It does not close anything itself. */
  waitClosed(options?: WaitOptions): Promise<void> {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    if (this.closed && this.#transports.size === 0) return DONE
    return this.#closedWaiters.wait(options, () => `waitClosed (${this.#transports.size} connections open)`)
  }

  /** Closes the server and waits for its connections to end, as {@link waitClosed} does. */
  [Symbol.asyncDispose](): Promise<void> {
    this.close()
    return this.waitClosed()
  }

  // --- for servers of another kind

  protected get closed(): boolean {
    return this.#closing.signal.aborted
  }

  /** How many connections may be taken on now, besides what `maxConnections` allows. */
  protected demand(): number {
    return Infinity
  }

  /** The server has been closed. */
  protected ended(): void {}

  /** Whether all work of the connections that there were is done; {@link settled} is called when that may have changed. */
  protected isDone(): boolean {
    return this.#transports.size === 0
  }

  protected settled(): void {
    if (!this.closed) return
    if (this.#transports.size === 0) this.#closedWaiters.resolveAll()
    if (this.isDone()) this.#doneWaiters.resolveAll()
  }

  // --- inside

  /** As their protocols know them. */
  #open(): Transport[] {
    return [...this.#transports].map((transport) => this.#uppermost.get(transport) ?? transport)
  }

  #room(): number {
    const { maxConnections = Infinity } = this.#options
    return maxConnections - this.#transports.size + this.#backlog - this.#countWaiting()
  }

  #accept(arrival: Arrival): void {
    if (this.closed) return arrival.destroy()
    if (!this.#mayAdmit() && this.#countWaiting() >= this.#backlog) {
      const { peer } = arrival
      arrival.destroy()
      return this.#acceptFailed(
        new Error(`the backlog of ${this.#backlog} is full: the connection from ${peer} was closed`),
      )
    }
    this.#waiting.push(arrival)
    this.admit()
  }

  get #backlog(): number {
    return this.#options.backlog ?? DEFAULT_BACKLOG
  }

  /** Where there are many, those that are gone are looked for. */
  #countWaiting(): number {
    if (this.#waiting.length >= this.#backlog) this.#waiting = this.#waiting.filter(({ gone }) => !gone)
    return this.#waiting.length
  }

  #mayAdmit(): boolean {
    const { maxConnections = Infinity } = this.#options
    return this.#accepting && !this.closed && this.#transports.size < maxConnections && this.demand() > 0
  }

  /** Takes on as many of the connections that wait as may be. */
  protected admit(): void {
    while (this.#waiting.length > 0 && this.#mayAdmit()) {
      const arrival = this.#waiting.shift()!
      if (!arrival.gone) this.#begin(arrival)
    }
  }

  #begin(arrival: Arrival): void {
    let protocol: AnyProtocol
    try {
      protocol = this.#factory()
    } catch (error) {
      arrival.destroy()
      return this.#owner.report(error, undefined)
    }
    const { layers } = this.#options
    if (layers === undefined || layers.length === 0) arrival.begin(protocol, this.#owner)
    else this.#beginLayered(arrival, protocol, layers)
  }

  #beginLayered(arrival: Arrival, protocol: AnyProtocol, layers: readonly Layer[]): void {
    const onTop = (top: Transport, bottom: Transport): void => void this.#uppermost.set(bottom, top)
    try {
      beginLayered(layers, protocol, this.#owner, (below) => arrival.begin(below, this.#owner), onTop)
    } catch (error) {
      this.#owner.report(error, undefined)
    }
  }

  /** Out of descriptors, mostly: libuv drops what it cannot take and goes on, so do we. */
  #acceptFailed(error: unknown): void {
    const now = clock.now()
    if (now - this.#lastAcceptReport < ACCEPT_REPORT_INTERVAL_MS) return
    this.#lastAcceptReport = now
    this.#owner.report(error, undefined)
  }
}
