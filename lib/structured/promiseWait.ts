/**
 * How trio's flavour waits for a promise that knows nothing of cancelling. All the waits for one promise share what
 * listens to it, since a promise that is never settled would keep every listener for ever.
 */
import { abortedOnEntry, rejected, Waiter } from '../wait.ts'
import type { CheckpointOptions } from './checkpoint.ts'
import { tellAbandoned, type Loop } from './loop.ts'

/** Resolves and rejects as the promise does, unless it is cancelled before. A late error goes to `loop.onAbandoned`. */
export function waitForPromise<T>(promise: PromiseLike<T>, loop: Loop, options?: CheckpointOptions): Promise<T> {
  const waits = PromiseWaits.of(promise)
  const cancellation = abortedOnEntry(options)
  if (cancellation === undefined) return waits.wait(loop, options)
  waits.abandoned(loop)
  return rejected(cancellation.reason)
}

class PromiseWaits<T> {
  static readonly #all = new WeakMap<object, PromiseWaits<unknown>>()
  readonly #waiters = new Set<Waiter<T>>()
  readonly #abandoned = new Set<Loop>()

  static of<T>(promise: PromiseLike<T>): PromiseWaits<T> {
    const existing = PromiseWaits.#all.get(promise)
    if (existing !== undefined) return existing as PromiseWaits<T>
    const waits = new PromiseWaits<T>()
    PromiseWaits.#all.set(promise, waits as PromiseWaits<unknown>)
    waits.#follow(promise)
    return waits
  }

  wait(loop: Loop, options: CheckpointOptions | undefined): Promise<T> {
    const waiter: Waiter<T> = new Waiter<T>(options, undefined, () => {
      this.#waiters.delete(waiter)
      this.abandoned(loop)
    })
    this.#waiters.add(waiter)
    return waiter.promise
  }

  abandoned(loop: Loop): void {
    // The promise may be there for longer than any loop.
    for (const other of this.#abandoned)
      if (other.isClosed() && other.onAbandoned === null) this.#abandoned.delete(other)
    this.#abandoned.add(loop)
  }

  #follow(promise: PromiseLike<T>): void {
    const settled = (settle: (waiter: Waiter<T>) => void): void => {
      PromiseWaits.#all.delete(promise)
      for (const waiter of this.#waiters) settle(waiter)
    }
    // What is no real promise may settle before its `then` returns.
    void Promise.resolve(promise).then(
      (value) => settled((waiter) => waiter.resolve(value)),
      (error: unknown) => {
        settled((waiter) => waiter.reject(error))
        for (const loop of this.#abandoned) tellAbandoned(loop, error)
      },
    )
  }
}
