import { InvalidStateError } from '../errors.ts'
import { abortedOnEntry, DONE, rejected } from '../wait.ts'
import type { CheckpointOptions } from './checkpoint.ts'
import { WouldBlock } from './errors.ts'
import { Parked, ParkedQueue } from './parkedQueue.ts'

/**
 * A number of tokens that tasks borrow and give back, so that no more than so many do something at a time:
 *
 *     await limiter.acquire()
 *     try { … } finally { limiter.release() }
 *
 * Tokens are counted, not their owners: any task may give one back, and one that acquires twice holds two.
 * (trio: `CapacityLimiter`.)
 */
export class CapacityLimiter {
  readonly #waiting = new ParkedQueue<Parked<void>>()
  #total!: number
  #borrowed = 0

  /** Throws a TypeError or RangeError unless `tokens` is a natural number or Infinity. */
  constructor(tokens: number) {
    this.totalTokens = tokens
  }

  /** How many there are. More lets those go that wait; with fewer, nobody gets one until enough have come back. */
  get totalTokens(): number {
    return this.#total
  }

  set totalTokens(tokens: number) {
    if (typeof tokens !== 'number')
      throw new TypeError(`the tokens of a CapacityLimiter: a number, not ${typeof tokens}`)
    if (!(tokens >= 0 && (Number.isInteger(tokens) || tokens === Infinity))) {
      throw new RangeError(`the tokens of a CapacityLimiter: 0, 1, 2 … or Infinity, not ${tokens}`)
    }
    this.#total = tokens
    this.#letGo()
  }

  /** How many are out. */
  get borrowedTokens(): number {
    return this.#borrowed
  }

  /** How many can be had; below 0 if {@link totalTokens} was made less than are out. */
  get availableTokens(): number {
    return this.#total - this.#borrowed
  }

  /** How many wait. */
  get tasksWaiting(): number {
    return this.#waiting.size
  }

  /**
   * Resolves with a token borrowed, first come, first served. A checkpoint, also if there is one at once: rejects with
   * the reason if the scope or the signal is cancelled, and nothing is borrowed then.
   */
  acquire(options?: CheckpointOptions): Promise<void> {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    if (this.#borrowed >= this.#total) return this.#waiting.park(new Parked<void>(options, () => 'acquire'))
    this.#borrowed++
    return DONE
  }

  /** Borrows a token at once, or throws {@link WouldBlock}. */
  acquireNowait(): void {
    if (this.#borrowed >= this.#total) {
      throw new WouldBlock(`acquireNowait(): ${this.#borrowed} of ${this.#total} tokens are borrowed`)
    }
    this.#borrowed++
  }

  /** Gives a token back. Throws {@link InvalidStateError} if none is out. */
  release(): void {
    if (this.#borrowed === 0) {
      throw new InvalidStateError('release() without acquire(): of this CapacityLimiter no token is borrowed')
    }
    this.#borrowed--
    this.#letGo()
  }

  #letGo(): void {
    while (this.#borrowed < this.#total) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#borrowed++
      next.resolve()
    }
  }
}
