import { abortedOnEntry, DONE, rejected, WaitList, type WaitOptions } from '../wait.ts'
import { MessageQueue } from './messageQueue.ts'

export interface PushableOptions {
  /** With so many messages not taken, `push()` says to wait; 64 by default. */
  readonly highWaterMark?: number | undefined
}

/**
 * Messages that come from elsewhere than a generator: what is pushed in is iterated out, in order. For the requests of a
 * client's stream (`client.talk(lines)`), and for the responses of a handler (`yield* lines`).
 *
 * ```ts
 * const lines = new Pushable<Line>()
 * const answers = client.talk(lines)
 * if (!lines.push({ text: 'hello' })) await lines.drain()
 * lines.end()
 * ```
 */
export class Pushable<T> implements AsyncIterableIterator<T, undefined, undefined> {
  readonly #highWaterMark: number
  readonly #drained = new WaitList()
  readonly #queue = new MessageQueue<T>({
    consumed: (count) => {
      this.#size -= count
      this.#wake()
    },
    abandoned: () => this.#wake(),
  })
  #size = 0

  /** Throws a RangeError for a mark below 1. */
  constructor({ highWaterMark = 64 }: PushableOptions = {}) {
    if (!(highWaterMark >= 1)) throw new RangeError(`highWaterMark must be 1 at least, not ${highWaterMark}`)
    this.#highWaterMark = highWaterMark
  }

  /** Messages that nobody has taken. */
  get size(): number {
    return this.#size
  }

  /** Whether nothing more is taken: it was ended, or nobody iterates any more. What is pushed then is dropped. */
  get closed(): boolean {
    return this.#queue.ended
  }

  /** Adds a message, in any case; never waits. Returns false for a caller that should {@link drain} before the next. */
  push(message: T): boolean {
    if (this.closed) return true
    this.#size++
    this.#queue.push(message, 1)
    return this.#size < this.#highWaterMark
  }

  /** Resolves when there is room again, and also when nothing more is taken: see {@link closed}. */
  drain(options?: WaitOptions): Promise<void> {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    if (this.#hasRoom) return DONE
    return this.#drained.wait(options, () => `drain of ${this.#size} messages`)
  }

  /** The iteration ends behind what was pushed. */
  end(): void {
    this.#queue.end()
    this.#wake()
  }

  /** The iteration fails with `error` behind what was pushed. */
  fail(error: unknown): void {
    this.#queue.fail(error)
    this.#wake()
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return this.#queue.next()
  }

  return(): Promise<IteratorResult<T, undefined>> {
    return this.#queue.return()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  get #hasRoom(): boolean {
    return this.#size < this.#highWaterMark || this.closed
  }

  #wake(): void {
    if (this.#hasRoom) this.#drained.resolveAll()
  }
}
