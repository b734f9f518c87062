import { clock, type Timer } from '../clock.ts'
import { Backoff, type BackoffOptions } from '../endpoints/backoff.ts'
import type { ClientCall } from './clientCall.ts'
import type { RpcError } from './rpcError.ts'
import { Status } from './status.ts'

/** Which calls are tried again after they have failed, and how often. */
export interface RetryOptions {
  /** The first one included; 3 by default, 1 for none. */
  maxAttempts?: number | undefined
  /** What a call must have failed with; `[Status.UNAVAILABLE]` by default. */
  statuses?: readonly Status[] | undefined
  /** The waits between attempts; by default 50 ms, then twice as long each time, up to a second, give or take a fifth. */
  backoff?: BackoffOptions | undefined
}

const DEFAULT_BACKOFF: BackoffOptions = { initialDelayMs: 50, factor: 2, maxDelayMs: 1000, jitter: 0.2 }
/** A call that no server has seen may be tried so often; a server that goes away each time is not to be tried for ever. */
const MAX_UNPROCESSED = 10

interface Attempts {
  failed: number
  unprocessed: number
  readonly backoff: Backoff
}

/**
 * Tries calls again: those that no server has seen at once, whatever the method; those that may be repeated after a
 * wait. A call is never tried again when its deadline would pass meanwhile.
 *
 * A call that does not fail costs nothing: what is known of the others is kept here.
 */
export class Retries {
  readonly #restart: (call: ClientCall) => void
  readonly #maxAttempts: number
  readonly #statuses: ReadonlySet<number>
  readonly #backoff: BackoffOptions
  readonly #attempts = new WeakMap<ClientCall, Attempts>()
  /** Calls that wait, by the timers that end that. */
  readonly #waiting = new Map<ClientCall, Timer | undefined>()

  /** Throws a RangeError for numbers that make no sense. */
  constructor(options: RetryOptions, restart: (call: ClientCall) => void) {
    const { maxAttempts = 3, statuses = [Status.UNAVAILABLE], backoff } = options
    if (!(maxAttempts >= 1)) throw new RangeError(`maxAttempts must be 1 at least, not ${maxAttempts}`)
    this.#maxAttempts = maxAttempts
    this.#statuses = new Set(statuses)
    this.#backoff = { ...DEFAULT_BACKOFF, ...backoff }
    void new Backoff(this.#backoff)
    this.#restart = restart
  }

  /** How many calls wait to be tried again. */
  get size(): number {
    return this.#waiting.size
  }

  /** Whether it was tried before. */
  has(call: ClientCall): boolean {
    return this.#attempts.has(call)
  }

  /** Returns whether the call will be tried again. `unprocessed` says that no handler has seen it. */
  take(call: ClientCall, error: RpcError, unprocessed: boolean): boolean {
    if (!call.repeatable) return false
    let attempts = this.#attempts.get(call)
    const known = attempts !== undefined
    attempts ??= { failed: 0, unprocessed: 0, backoff: new Backoff(this.#backoff) }
    const delayMs = unprocessed ? this.#unprocessed(attempts) : this.#delayFor(call, error, attempts)
    if (delayMs === undefined || clock.now() + delayMs >= call.expires) return false
    if (!known) this.#attempts.set(call, attempts)
    const again = (): void => {
      if (this.#waiting.delete(call)) this.#restart(call)
    }
    this.#waiting.set(call, delayMs > 0 ? clock.setTimeout(again, delayMs, true) : undefined)
    // Not from inside: the connection that has failed is still telling its calls.
    if (delayMs === 0) queueMicrotask(again)
    return true
  }

  /** Forgets a call that waits. Returns whether it did. */
  forget(call: ClientCall): boolean {
    clock.clearTimeout(this.#waiting.get(call))
    return this.#waiting.delete(call)
  }

  /** Forgets all that wait, and returns them. */
  takeAll(): ClientCall[] {
    const calls = [...this.#waiting.keys()]
    for (const call of calls) this.forget(call)
    return calls
  }

  #unprocessed(attempts: Attempts): number | undefined {
    return ++attempts.unprocessed > MAX_UNPROCESSED ? undefined : 0
  }

  #delayFor(call: ClientCall, error: RpcError, attempts: Attempts): number | undefined {
    const idempotent = call.options?.idempotent ?? call.method.method.idempotent
    if (!idempotent || !this.#statuses.has(error.status)) return undefined
    return ++attempts.failed >= this.#maxAttempts ? undefined : attempts.backoff.next()
  }
}
