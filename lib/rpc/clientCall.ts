/**
 * One call as its caller sees it, whatever connection it runs on: how it is given up, and what it comes to.
 *
 * Strategy: one class for all kinds of calls, so that the hot path sees one shape. What a unary call does not need is
 * not made.
 */
import { clock } from '../clock.ts'
import { rpcClient } from '../rpcEvents.ts'
import { bound, forget, mayBeCancelled, scopeOf, watchScope, watchSignal, type WaitLink } from '../wait.ts'
import type { CallOptions } from './client.ts'
import type { ClientConnection } from './clientConnection.ts'
import type { ClientMethod } from './clientMethod.ts'
import type { ClientStream } from './clientWire.ts'
import { encodeMetadata, type KeyValues } from './envelope.ts'
import { NOTHING } from './frame.ts'
import { iteratorOf, leave, leaveUnused } from './iteratorOf.ts'
import { MessageQueue, type QueueOwner } from './messageQueue.ts'
import { Metadata, metadataPairs } from './metadata.ts'
import { RpcError } from './rpcError.ts'
import { Status } from './status.ts'
import type { StreamWindow } from './streamWindow.ts'

/** Who has begun the call, and begins it again if it can: a channel. */
export interface CallOwner {
  /**
   * The call has failed. Returns whether it was taken over, to be begun again: then it is not told. `unprocessed` is
   * for calls that no handler has seen for certain.
   */
  takeOver(call: ClientCall, error: RpcError, unprocessed: boolean): boolean
  /** The call is given up while no connection has it. */
  givenUp(call: ClientCall): void
}

/** The messages of a caller, one by one. */
export interface Requests {
  next(): Promise<IteratorResult<unknown>> | IteratorResult<unknown>
}

const ignore = (): void => {}
const ENDED = {}

export class ClientCall implements ClientStream {
  id = 0
  open = false
  window: StreamWindow | undefined = undefined
  /** It has come to its end, well or not. */
  done = false
  /** Who has it; `undefined` while it waits for a connection. */
  connection: ClientConnection | undefined = undefined
  /** Wakes who waits for room to send. */
  wake: (() => void) | undefined = undefined
  readonly method: ClientMethod
  readonly request: unknown
  readonly metadata: Uint8Array
  readonly options: CallOptions | undefined
  /** As `clock.now()` tells time. */
  readonly expires: number
  /** What is left until then, to be brought up to date before the call is begun again. */
  timeoutMs: number
  /** Of a call with one response. */
  readonly promise: Promise<unknown> | undefined
  /** Of a call with many. */
  readonly responses: MessageQueue<unknown> | undefined
  readonly #owner: CallOwner
  #resolve: (message: unknown) => void = ignore
  #reject: (error: unknown) => void = ignore
  #signalWait: WaitLink | undefined = undefined
  #scopeWait: WaitLink | undefined = undefined
  /** Calls what the caller has given, as if he did it himself: it may be somebody else who begins the call. */
  readonly #asCaller: ((call: () => unknown) => unknown) | undefined
  #requests: Pick<AsyncIterator<unknown> | Iterator<unknown>, 'return'> | undefined = undefined
  /** Something that the server has sent was given out. */
  #used = false
  /** When it was begun, if anybody wants to know. */
  readonly #began: number

  /**
   * `timeoutMs` is `Infinity` for no deadline. A call whose signal has aborted is done from the beginning.
   * Throws a TypeError for metadata that are none, and a RangeError for a timeout that makes no sense.
   */
  constructor(
    method: ClientMethod,
    request: unknown,
    options: CallOptions | undefined,
    timeoutMs: number,
    owner: CallOwner,
  ) {
    this.method = method
    this.request = request
    this.options = options
    this.#owner = owner
    if (!(timeoutMs >= 0)) throw new RangeError(`timeoutMs must be a number of milliseconds, not ${timeoutMs}`)
    this.timeoutMs = timeoutMs
    this.#began = rpcClient.hasSubscribers ? clock.now() : NaN
    this.expires = timeoutMs === Infinity ? Infinity : clock.now() + timeoutMs
    this.metadata = options?.metadata === undefined ? NOTHING : encodeMetadata(metadataPairs(options.metadata))
    this.#asCaller = method.method.requestStream ? bound((call: () => unknown) => call()) : undefined
    if (method.method.responseStream) {
      this.promise = undefined
      const owner: QueueOwner = {
        consumed: (cost) => this.connection?.consumed(this, cost),
        abandoned: () => this.giveUp(Status.CANCELLED, () => this.#error(Status.CANCELLED, 'the responses were left')),
      }
      this.responses = new MessageQueue<unknown>(owner, options?.scope && { scope: options.scope })
    } else {
      this.responses = undefined
      this.promise = new Promise((resolve, reject) => {
        this.#resolve = resolve
        this.#reject = reject
      })
    }
    if (mayBeCancelled(options)) this.#watch()
    if (timeoutMs === 0) this.expire()
  }

  /** Whether it can be begun again: nothing that cannot be repeated was taken from the caller, or given to it. */
  get repeatable(): boolean {
    return !this.#used && this.#requests === undefined
  }

  /** The time that is left, for a call that is begun late, or again. */
  refreshTimeout(): void {
    if (this.expires !== Infinity) this.timeoutMs = Math.max(0, this.expires - clock.now())
  }

  // --- from the caller

  /** The call's messages; asked for once. */
  takeRequests(): Requests {
    const iterator = iteratorOf(this.request)
    if (iterator === undefined) throw new TypeError(`${this.method.method.path} takes an iterable of messages`)
    this.#requests = iterator
    const asCaller = this.#asCaller as (call: typeof next) => ReturnType<typeof next>
    const next = (): ReturnType<Requests['next']> => iterator.next()
    return { next: () => asCaller(next) }
  }

  /** They have come to their end, or failed: they need not be told that nobody takes them any more. */
  requestsEnded(): void {
    this.#requests = ENDED
  }

  /** Gives the call up, for a reason that is only made if it is not done yet. */
  giveUp(status: Status, reason: () => unknown, outcome?: Status): void {
    if (this.done) return
    if (this.connection === undefined) this.#owner.givenUp(this)
    else this.connection.cancel(this, status)
    this.fail(reason(), outcome)
  }

  /** The signal has aborted. */
  cancel(reason: unknown): void {
    this.giveUp(Status.CANCELLED, () => this.#error(Status.CANCELLED, 'the call was cancelled', reason))
  }

  /** The deadline has passed. */
  expire(): void {
    this.giveUp(Status.DEADLINE_EXCEEDED, () => this.#error(Status.DEADLINE_EXCEEDED, `the deadline has passed`))
  }

  // --- from the connection

  /** The call has failed: it may be begun again. If not, the caller is told, also of what has come with the error. */
  lose(error: RpcError, unprocessed: boolean, header?: KeyValues, trailer?: KeyValues): void {
    this.connection = undefined
    if (this.done || this.#owner.takeOver(this, error, unprocessed)) return
    this.headers(header)
    this.trailers(trailer)
    this.fail(error)
  }

  /** The response of a call with one. */
  succeed(message: unknown): void {
    if (this.done) return
    this.#end(Status.OK)
    this.#resolve(message)
  }

  /** One response of many. */
  push(message: unknown, cost: number): void {
    this.#used = true
    this.responses!.push(message, cost)
  }

  /** No more responses. */
  finish(): void {
    if (this.done) return
    this.#end(Status.OK)
    this.responses!.end()
  }

  /** The end, with an error. `outcome` is what it counts as. */
  fail(error: unknown, outcome?: Status): void {
    if (this.done) return
    if (error instanceof RpcError) this.#end(error.status, error.peer)
    else this.#end(outcome ?? Status.UNKNOWN)
    if (this.responses !== undefined) return this.responses.fail(error)
    this.promise!.catch(ignore)
    this.#reject(error)
  }

  /** What the server has sent ahead of its answer. What the caller's function throws is the call's error. */
  headers(pairs: KeyValues | undefined): void {
    if (pairs !== undefined) this.#tell(this.options?.onHeader, pairs)
  }

  trailers(pairs: KeyValues | undefined): void {
    if (pairs !== undefined) this.#tell(this.options?.onTrailer, pairs)
  }

  #tell(listener: ((metadata: Metadata) => void) | undefined, pairs: KeyValues): void {
    if (listener === undefined || this.done) return
    this.#used = true
    try {
      listener(new Metadata(pairs))
    } catch (error) {
      this.giveUp(Status.CANCELLED, () => error)
    }
  }

  #watch(): void {
    const { options } = this
    const signal = options?.signal
    const scope = scopeOf(options)
    if (signal?.aborted) return this.cancel(signal.reason)
    const cancellation = scope?.cancellation
    if (cancellation !== undefined) return this.fail(cancellation.reason, Status.CANCELLED)
    if (signal !== undefined) this.#signalWait = watchSignal(signal, this)
    if (scope !== undefined) {
      // A scope wants its own reason back.
      this.#scopeWait = watchScope(scope, {
        cancel: (reason) => this.giveUp(Status.CANCELLED, () => reason, Status.CANCELLED),
      })
    }
  }

  #end(status: Status, peer?: string): void {
    this.done = true
    if (this.#began > 0 && rpcClient.hasSubscribers) this.#publish(status, peer ?? this.connection?.peer)
    this.connection = undefined
    this.wake?.()
    forget(this.#signalWait)
    forget(this.#scopeWait)
    if (!this.method.method.requestStream) return
    // What makes the messages is to know that nobody takes them any more.
    const requests = this.#requests
    this.#asCaller!(() => void (requests === undefined ? leaveUnused(this.request) : leave(requests)))
  }

  #publish(status: Status, peer: string | undefined): void {
    const { service, name } = this.method.method
    rpcClient.publish({ service, method: name, peer, status, durationMs: clock.now() - this.#began })
  }

  #error(status: Status, message: string, cause?: unknown): RpcError {
    const { path } = this.method.method
    return new RpcError(status, message, [], { path, peer: this.connection?.peer, cause })
  }
}
