import { forget, handled, nextTurn, scopeOf, watchSignal, type WaitChain, type WaitLink } from '../wait.ts'
import type { CheckpointOptions } from './checkpoint.ts'
import { Cancelled } from './errors.ts'
import { endOf, look, observe, unobserve, type Future, type FutureObserver } from './future.ts'
import { isAbort } from './task.ts'

/** What a wait that is cancelled may leave behind, instead of waiting for it, if it cannot hear of that. */
export interface Leaving {
  hears(): boolean
  /** Told that nobody waits any more. */
  left(): void
}

/**
 * How trio's flavour waits for a future. Cancelled, it cancels the future, and ends when that is done: with its value or
 * error if it has one in spite of that. Who calls has looked whether the wait may begin.
 */
export class FutureWait<T> implements WaitLink, FutureObserver {
  readonly promise: Promise<T>
  chain: WaitChain | undefined = undefined
  previous: WaitLink | undefined = undefined
  next: WaitLink | undefined = undefined
  readonly #future: Future<T>
  readonly #leaving: Leaving | undefined
  #signal: WaitLink | undefined = undefined
  #resolve!: (value: T) => void
  #reject!: (error: unknown) => void
  #cancelled: { readonly reason: unknown; readonly bySignal: boolean } | undefined = undefined
  #left = false

  constructor(future: Future<T>, options: CheckpointOptions | undefined, leaving?: Leaving) {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#future = future
    this.#leaving = leaving
    look(future)
    observe(future, this)
    if (!future.done()) this.#watch(options)
  }

  /** Whether it was cancelled. */
  get wasCancelled(): boolean {
    return this.#cancelled !== undefined
  }

  /** Whether it has ended before the future. */
  get hasLeft(): boolean {
    return this.#left
  }

  cancel(reason: unknown): void {
    this.#cancel(reason, false)
  }

  futureDone(): void {
    this.#disarm()
    const end = endOf(this.#future)!
    if (end.state === 'value') return this.#resolve(end.value as T)
    void handled(this.promise)
    const { error } = end
    const cancelled = this.#cancelled
    if (cancelled === undefined || (end.state !== 'cancelled' && !isAbort(error))) return this.#reject(error)
    const { reason, bySignal } = cancelled
    this.#reject(reason instanceof Cancelled && !bySignal ? new Cancelled(error) : reason)
  }

  /** What is waited for may have cancelled it already. */
  #watch(options: CheckpointOptions | undefined): void {
    const scope = scopeOf(options)
    const signal = options?.signal
    const cancellation = scope?.cancellation
    if (signal?.aborted) return this.#cancel(signal.reason, true)
    if (cancellation !== undefined) return this.#cancel(cancellation.reason, false)
    scope?.watch(this)
    if (signal !== undefined) this.#signal = watchSignal(signal, { cancel: (reason) => this.#cancel(reason, true) })
  }

  #cancel(reason: unknown, bySignal: boolean): void {
    this.#disarm()
    this.#cancelled = { reason, bySignal }
    const leaving = this.#leaving
    this.#future.cancel(reason)
    if (leaving === undefined || leaving.hears() || this.#future.done()) return
    // It may be just about to begin a wait.
    void nextTurn().then(() => {
      if (!this.#future.done() && !leaving.hears()) this.#leave(leaving)
    })
  }

  #leave(leaving: Leaving): void {
    this.#left = true
    unobserve(this.#future, this)
    void handled(this.promise)
    this.#reject(this.#cancelled!.reason)
    leaving.left()
  }

  #disarm(): void {
    forget(this)
    forget(this.#signal)
  }
}
