import { InvalidStateError } from '../errors.ts'
import { abortedOnEntry, rejected, Waiter, type WaitOptions } from '../wait.ts'

/** Who is told of what becomes of the messages. */
export interface QueueOwner {
  /** A message that cost so much was taken. */
  consumed(cost: number): void
  /** Nobody will take any more. */
  abandoned(): void
}

const DONE: Promise<IteratorResult<never, undefined>> = Promise.resolve({ done: true, value: undefined })

/**
 * The messages of a stream that have come and were not taken yet, as what `for await` takes from. One `next()` may wait
 * at a time: another one then rejects with {@link InvalidStateError}. One that is cancelled takes none. Leaving the loop
 * gives up the rest.
 */
export class MessageQueue<T> implements AsyncIterableIterator<T, undefined, undefined>, AsyncDisposable {
  readonly #owner: QueueOwner
  readonly #waits: Pick<WaitOptions, 'scope'> | undefined
  #messages: T[] = []
  #costs: number[] = []
  /** Those in front of it were taken. */
  #first = 0
  #waiter: Waiter<IteratorResult<T, undefined>> | undefined
  #ended = false
  #error: unknown
  #failed = false

  /** `waits` is for every `next()`, which has no options of its own. */
  constructor(owner: QueueOwner, waits?: Pick<WaitOptions, 'scope'>) {
    this.#owner = owner
    this.#waits = waits
  }

  /** Whether no more comes in. */
  get ended(): boolean {
    return this.#ended
  }

  push(message: T, cost: number): void {
    if (this.#ended) return this.#owner.consumed(cost)
    const waiter = this.#waiter
    if (waiter !== undefined) {
      this.#waiter = undefined
      this.#owner.consumed(cost)
      return waiter.resolve({ done: false, value: message })
    }
    this.#messages.push(message)
    this.#costs.push(cost)
  }

  /** No more come. Those that are there can still be taken. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#waiter?.resolve({ done: true, value: undefined })
    this.#waiter = undefined
  }

  /** No more come, for this reason: it is what the first `next()` behind the messages that are there rejects with. */
  fail(error: unknown): void {
    if (this.#ended) return
    this.#ended = true
    if (this.#waiter !== undefined) this.#waiter.reject(error)
    else {
      this.#failed = true
      this.#error = error
    }
    this.#waiter = undefined
  }

  /** Those that are there are not to be taken any more. */
  discard(): void {
    let cost = 0
    for (let i = this.#first; i < this.#costs.length; i++) cost += this.#costs[i]!
    this.#messages = []
    this.#costs = []
    this.#first = 0
    if (cost > 0) this.#owner.consumed(cost)
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const aborted = abortedOnEntry(this.#waits)
    if (aborted !== undefined) return rejected(aborted.reason)
    const first = this.#first
    if (first < this.#messages.length) {
      const message = this.#messages[first]!
      const cost = this.#costs[first]!
      this.#forget(first)
      this.#owner.consumed(cost)
      return Promise.resolve({ done: false, value: message })
    }
    if (this.#ended) return this.#atEnd()
    if (this.#waiter !== undefined) return rejected(new InvalidStateError('next() while another next() is waiting'))
    this.#waiter = new Waiter<IteratorResult<T, undefined>>(
      this.#waits,
      () => 'next',
      () => (this.#waiter = undefined),
    )
    return this.#waiter.promise
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.end()
    this.#failed = false
    this.discard()
    this.#owner.abandoned()
    return DONE
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #atEnd(): Promise<IteratorResult<T, undefined>> {
    if (!this.#failed) return DONE
    this.#failed = false
    return rejected(this.#error)
  }

  /** The one at `first` is taken. */
  #forget(first: number): void {
    this.#messages[first] = undefined as T
    this.#first = first + 1
    if (this.#first === this.#messages.length) {
      this.#messages.length = this.#costs.length = this.#first = 0
    } else if (this.#first === 1024) {
      this.#messages.splice(0, 1024)
      this.#costs.splice(0, 1024)
      this.#first = 0
    }
  }
}
