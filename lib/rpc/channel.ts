/**
 * The client's way to a service: one connection, or one for each of several endpoints, made and remade as calls need
 * them.
 *
 * Strategy: a call goes straight to the connection that took the last one, as long as that takes more and has others;
 * that is two checks. All else (a connection that rests, several of them, none) is decided off that path. Subchannels
 * connect, links keep connections alive, and what is here ties them to the calls that wait.
 */
import { clock, type Timer } from '../clock.ts'
import { InvalidStateError } from '../errors.ts'
import { reportTo } from '../transports/transportOwner.ts'
import { abortedOnEntry, DONE, rejected, WaitList, type WaitOptions } from '../wait.ts'
import { CallQueue } from './callQueue.ts'
import {
  channelSettings,
  type ChannelCloseOptions,
  type ChannelOptions,
  type ChannelSettings,
  type ChannelState,
} from './channelOptions.ts'
import { ChannelStates } from './channelStates.ts'
import type { CallOptions } from './client.ts'
import { ClientCall, type CallOwner } from './clientCall.ts'
import type { ClientConnection } from './clientConnection.ts'
import type { ClientMethod } from './clientMethod.ts'
import { dialersOf, type RpcEndpoint, type RpcEndpoints } from './dial.ts'
import type { Link } from './link.ts'
import type { Caller } from './makeClient.ts'
import { Retries } from './retry.ts'
import { RpcError } from './rpcError.ts'
import { Status } from './status.ts'
import { Subchannel, type SubchannelOwner, type SubchannelState } from './subchannel.ts'

/**
 * Carries calls to one of some endpoints. A call that comes before there is a connection waits for it; when none can be
 * made it fails with UNAVAILABLE, and so do others, at once, until the next attempt: unless they say `waitForReady`.
 * Their deadlines and signals count all the while.
 *
 * Calls that no handler has seen, since they were not sent or the server was about to leave, are carried to the next
 * connection; those that may be repeated are tried again as {@link ChannelOptions.retry} says.
 *
 * Only what is waited for keeps the process alive: calls, and an attempt to connect.
 */
export class Channel implements Caller, CallOwner, SubchannelOwner, AsyncDisposable {
  readonly #options: ChannelOptions
  readonly #settings: ChannelSettings
  readonly #subchannels: readonly Subchannel[]
  readonly #queue: CallQueue
  readonly #retries: Retries
  /** Those that an attempt which fails ends, and those that it does not. */
  readonly #readyWaiters = new WaitList()
  readonly #patientWaiters = new WaitList()
  readonly #closedWaiters = new WaitList()
  readonly #states = new ChannelStates((state) => this.#changed(state))
  /** The connection that takes a call without further ado: it has others. */
  #hot: ClientConnection | undefined
  /** Whose turn it is, of several. */
  #turn = 0
  #last: Subchannel
  /** Calls are refused. */
  #closing = false
  #aborted = false
  /** Nothing is left. */
  #isClosed = false
  #idleTimer: Timer | undefined
  /** Aborts what has not ended by then. */
  #graceTimer: Timer | undefined
  #graceEnds = Infinity
  #restedAt = 0
  #keepsProcessAlive: boolean

  /** Throws a TypeError for an endpoint that is none, and a RangeError for numbers that make no sense. */
  constructor(target: RpcEndpoint | RpcEndpoints, options: ChannelOptions = {}) {
    const dialers = dialersOf(target)
    this.#options = options
    const settings = (this.#settings = channelSettings(options))
    this.#keepsProcessAlive = options.keepProcessAlive ?? false
    const groups = settings.roundRobin ? dialers.map((dialer) => [dialer]) : [dialers]
    this.#subchannels = groups.map((group) => new Subchannel(group, settings.subchannel, this))
    this.#last = this.#subchannels[0]!
    this.#queue = new CallQueue((call) => {
      call.fail(this.#late(call))
      this.#wantsLess()
    })
    this.#retries = new Retries(options.retry ?? {}, (call) => this.#startAgain(call))
    if (!settings.lazy) this.#connectAll()
  }

  get state(): ChannelState {
    return this.#states.current
  }

  /** What the last attempt failed with, or the last connection was lost to; `undefined` for neither. */
  get lastError(): unknown {
    return this.#last.lastError
  }

  /** Calls that have begun and not ended, those included that wait for a connection. */
  get activeCalls(): number {
    let active = this.queuedCalls
    for (const { links } of this.#subchannels) for (const link of links) active += link.connection.activeCalls
    return active
  }

  /** Calls that wait for a connection, or to be tried again. */
  get queuedCalls(): number {
    return this.#queue.size + this.#retries.size
  }

  /** Begins to connect; ends a wait between attempts early. Does nothing when connected. Throws InvalidStateError when closed. */
  connect(): void {
    if (this.#closing) throw new InvalidStateError('connect() on a channel that is closed')
    for (const subchannel of this.#subchannels) subchannel.connect(true)
  }

  /**
   * Resolves when there is a connection, at once if there is one; begins to connect if nobody has. Rejects with
   * {@link RpcError} UNAVAILABLE when the attempt that it waited for has failed, or the channel is closed; with
   * `waitForReady` it waits for one that does not fail.
   */
  ready(options: WaitOptions & { readonly waitForReady?: boolean | undefined } = {}): Promise<void> {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    if (this.#closing) return rejected(this.#closedError())
    if (this.state === 'ready') return DONE
    const waiters = options.waitForReady === true ? this.#patientWaiters : this.#readyWaiters
    const ready = waiters.wait(options, () => `ready() of a channel that is ${this.state}`)
    ready.catch(() => this.#wantsLess())
    this.#connectAll()
    return ready
  }

  /** Resolves with the first of `states` that the channel is in or comes into. Begins nothing. Rejects if it can no longer. */
  waitForState(states: ChannelState | readonly ChannelState[], options?: WaitOptions): Promise<ChannelState> {
    const wanted = typeof states === 'string' ? [states] : states
    if (this.#closing && !wanted.includes('shutdown')) return rejected(this.#closedError())
    return this.#states.wait(wanted, options)
  }

  /** From now on connections keep the process alive also while there are no calls. */
  ref(): void {
    this.#setKeepsProcessAlive(true)
  }

  /** Undoes {@link ref}. */
  unref(): void {
    this.#setKeepsProcessAlive(false)
  }

  /**
   * Takes no more calls, lets those end that have begun, those included that wait for a connection, and resolves when
   * all connections are gone. May be called again: the earliest `graceMs` ends it. Cancelled, it goes on by itself.
   */
  close(options: ChannelCloseOptions = {}): Promise<void> {
    const { graceMs = Infinity } = options
    if (!(graceMs >= 0)) return rejected(new RangeError(`graceMs must be a number of milliseconds, not ${graceMs}`))
    const aborted = abortedOnEntry(options)
    this.#shutDown()
    if (!this.#isClosed && clock.now() + graceMs < this.#graceEnds) {
      this.#graceEnds = clock.now() + graceMs
      clock.clearTimeout(this.#graceTimer)
      this.#graceTimer = clock.setTimeout(() => this.abort(), graceMs, true)
    }
    if (aborted !== undefined) return rejected(aborted.reason)
    if (this.#isClosed) return DONE
    return this.#closedWaiters.wait(options, () => `close of a channel with ${this.activeCalls} calls`)
  }

  /** Closes at once: all calls fail with UNAVAILABLE. `error` is its cause. */
  abort(error?: Error): void {
    this.#aborted = true
    this.#shutDown()
    const reason = new RpcError(Status.UNAVAILABLE, 'the channel was aborted', [], { cause: error })
    for (const call of [...this.#queue.take(), ...this.#retries.takeAll()]) call.fail(reason)
    for (const subchannel of this.#subchannels) subchannel.abort(reason)
    this.#closeIfDone()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // --- calls

  /** Begins a call, now or as soon as there is a connection; whatever becomes of it, the call is told. */
  call(method: ClientMethod, request: unknown, options: CallOptions | undefined): ClientCall {
    const call = new ClientCall(method, request, options, options?.timeoutMs ?? this.#settings.timeoutMs, this)
    const hot = this.#hot
    if (hot !== undefined && hot.accepting && !call.done) hot.start(call)
    else if (this.#closing) call.fail(this.#closedError(call))
    else if (!call.done) this.#startSlowly(call, false)
    return call
  }

  /** A call has failed on a connection. Returns whether it will be tried again, so that nobody is to be told. */
  takeOver(call: ClientCall, error: RpcError, unprocessed: boolean): boolean {
    return !this.#aborted && this.#retries.take(call, error, unprocessed)
  }

  /** A call was given up while it had no connection. */
  givenUp(call: ClientCall): void {
    if (this.#queue.delete(call) || this.#retries.forget(call)) this.#wantsLess()
  }

  #startSlowly(call: ClientCall, patient: boolean): void {
    const link = this.#pick()
    if (link === undefined) return this.#enqueue(call, patient)
    const { connection } = link
    if (connection.activeCalls === 0) link.wake()
    // Before it starts: it may have ended behind that.
    if (this.#subchannels.length === 1 && !this.#closing) this.#hot = connection
    connection.start(call)
    // Its request could not be encoded.
    if (connection.activeCalls === 0) link.idle()
  }

  /** The next connection that takes calls. */
  #pick(): Link | undefined {
    const all = this.#subchannels
    for (let i = 0; i < all.length; i++) {
      const subchannel = all[this.#turn]!
      if (++this.#turn === all.length) this.#turn = 0
      const { link } = subchannel
      if (link === undefined) continue
      if (link.connection.accepting) return link
      subchannel.retire()
    }
    return undefined
  }

  #enqueue(call: ClientCall, patient: boolean): void {
    if (this.state === 'transientFailure' && !patient && call.options?.waitForReady !== true)
      return call.fail(this.#unavailable(call))
    const { maxQueuedCalls } = this.#settings
    if (this.#queue.size >= maxQueuedCalls) {
      const message = `${maxQueuedCalls} calls wait for a connection to ${this.#last.lastName} already`
      return call.fail(new RpcError(Status.RESOURCE_EXHAUSTED, message, [], { path: call.method.method.path }))
    }
    this.#queue.add(call)
    this.#connectAll()
  }

  #startAgain(call: ClientCall): void {
    if (!call.done) {
      call.refreshTimeout()
      this.#startSlowly(call, true)
    }
    if (call.done) this.#wantsLess()
  }

  // --- for the subchannels

  get awaitsConnection(): boolean {
    return this.#queue.size > 0 || this.#readyWaiters.size > 0 || this.#patientWaiters.size > 0
  }

  get wantsConnection(): boolean {
    if (this.awaitsConnection) return true
    if (this.#closing) return false
    if (!this.#settings.lazy) return true
    return this.#settings.roundRobin && this.#subchannels.some(({ link }) => link !== undefined)
  }

  get keepsProcessAlive(): boolean {
    return this.#keepsProcessAlive
  }

  subchannelChanged(subchannel: Subchannel): void {
    if (subchannel.lastError !== undefined) this.#last = subchannel
    this.#hot = undefined
    const state = this.#together()
    if (!this.#closing) this.#states.change(state)
    if (subchannel.state === 'ready') this.#connected()
    else if (state === 'transientFailure') this.#notConnected()
    this.#closeIfDone()
  }

  linkRested(link: Link): void {
    if (this.#hot === link.connection) this.#hot = undefined
    this.#restedAt = clock.now()
    if (this.#closing) this.#closeIfDone()
    else if (this.#idleTimer === undefined) this.#awaitIdle(this.#settings.idleTimeoutMs)
  }

  linkGone(): void {
    this.#closeIfDone()
  }

  // --- inside

  #connectAll(): void {
    for (const subchannel of this.#subchannels) subchannel.connect()
  }

  /** The best state of all: one that rests may yet be tried. */
  #together(): SubchannelState {
    const states = this.#subchannels.map(({ state }) => state)
    return (['ready', 'connecting', 'idle'] as const).find((state) => states.includes(state)) ?? 'transientFailure'
  }

  #changed(state: ChannelState): void {
    try {
      this.#options.onStateChange?.(state, this)
    } catch (error) {
      reportTo(this.#options.onConnectionError, error, undefined)
    }
  }

  #connected(): void {
    this.#readyWaiters.resolveAll()
    this.#patientWaiters.resolveAll()
    for (const call of this.#queue.take()) this.#startAgain(call)
    this.#restedAt = clock.now()
    if (this.activeCalls === 0 && this.#idleTimer === undefined) this.#awaitIdle(this.#settings.idleTimeoutMs)
  }

  /** All endpoints have failed. */
  #notConnected(): void {
    this.#readyWaiters.rejectAll(this.#unavailable())
    for (const call of this.#queue.take(({ options }) => options?.waitForReady !== true)) {
      const error = this.#unavailable(call)
      // A connection was never asked for it: as a call that was tried before it may be tried again.
      if (!this.#retries.has(call) || !this.takeOver(call, error, false)) call.fail(error)
    }
    this.#wantsLess()
  }

  /** Something is not waited for any more. */
  #wantsLess(): void {
    for (const subchannel of this.#subchannels) subchannel.wantsChanged()
    this.#closeIfDone()
  }

  #setKeepsProcessAlive(keeps: boolean): void {
    this.#keepsProcessAlive = keeps
    for (const { links } of this.#subchannels) for (const link of links) link.updateRef()
  }

  #awaitIdle(ms: number): void {
    this.#idleTimer = clock.setTimeout(() => this.#lookIdle(), ms)
  }

  #lookIdle(): void {
    this.#idleTimer = undefined
    // Set again when the last of them ends, and when there is a connection.
    if (this.activeCalls > 0 || this.awaitsConnection || this.#closing) return
    const leftMs = this.#restedAt + this.#settings.idleTimeoutMs - clock.now()
    if (leftMs > 0) this.#awaitIdle(leftMs)
    else for (const subchannel of this.#subchannels) subchannel.close()
  }

  // --- the end

  #shutDown(): void {
    if (this.#closing) return
    this.#closing = true
    this.#hot = undefined
    clock.clearTimeout(this.#idleTimer)
    this.#states.change('shutdown')
    const error = this.#closedError()
    this.#readyWaiters.rejectAll(error)
    this.#patientWaiters.rejectAll(error)
    this.#states.rejectAll(error)
    this.#closeIfDone()
  }

  /** Closes the connections, once no call needs another one; they end with their last call. */
  #closeIfDone(): void {
    if (!this.#closing || this.#isClosed || this.queuedCalls > 0) return
    for (const subchannel of this.#subchannels) if (subchannel.state !== 'idle') subchannel.close()
    if (this.#isClosed || this.#subchannels.some(({ links }) => links.length > 0)) return
    this.#isClosed = true
    clock.clearTimeout(this.#graceTimer)
    this.#closedWaiters.resolveAll()
  }

  // --- errors

  #unavailable(call?: ClientCall): RpcError {
    const { lastError, lastName } = this.#last
    const text = lastError instanceof Error ? lastError.message : 'there is no connection'
    return new RpcError(Status.UNAVAILABLE, text.includes(lastName) ? text : `${lastName}: ${text}`, [], {
      path: call?.method.method.path,
      peer: lastName,
      cause: lastError,
    })
  }

  #late(call: ClientCall): RpcError {
    const { lastError, lastName } = this.#last
    const why = lastError instanceof Error ? `; the last attempt: ${lastError.message}` : ''
    const message = `the deadline passed while the call waited for a connection to ${lastName}${why}`
    return new RpcError(Status.DEADLINE_EXCEEDED, message, [], { path: call.method.method.path, cause: lastError })
  }

  #closedError(call?: ClientCall): RpcError {
    return new RpcError(Status.UNAVAILABLE, 'the channel is closed', [], { path: call?.method.method.path })
  }
}
