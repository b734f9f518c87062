import { clock, LONGEST_TIMER_MS } from '../clock.ts'
import type { TokenBucket } from './tokenBucket.ts'

/** The most that one turn takes: then the others have theirs. */
export const MOST_PER_TURN = 64 * 1024
/** A turn waits until so many milliseconds' worth may go, so that a slow stream is not sent byte by byte. */
const LEAST_MS = 20

/** One direction of a connection that waits for a bucket. */
export interface TurnTaker {
  /** How many bytes it has; asked when it is the first. */
  readonly wanted: number
  /**
   * `available` bytes may go. It takes from the bucket what it uses, and asks for another turn if it has more. Throws
   * nothing.
   */
  turn(available: number): void
}

/** Who waits for a bucket, in the order in which they came: each has a turn, and asks for another behind the others. */
export class BucketTurns {
  static readonly #all = new WeakMap<TokenBucket, BucketTurns>()
  readonly #bucket: TokenBucket
  readonly #takers = new Set<TurnTaker>()
  #scheduled = false

  /** Those of a bucket, the same for all connections that share it. */
  static of(bucket: TokenBucket): BucketTurns {
    let turns = BucketTurns.#all.get(bucket)
    if (turns === undefined) BucketTurns.#all.set(bucket, (turns = new BucketTurns(bucket)))
    return turns
  }

  private constructor(bucket: TokenBucket) {
    this.#bucket = bucket
  }

  /** What `taker` may send at once, without a turn: nothing as long as somebody else waits. */
  availableTo(taker: TurnTaker): number {
    const others = this.#takers.size - (this.#takers.has(taker) ? 1 : 0)
    return others > 0 ? 0 : this.#bucket.available()
  }

  /** The fewest bytes that are worth a turn of somebody who has `wanted`. */
  least(wanted: number): number {
    const { bytesPerSecond, burst } = this.#bucket
    return Math.ceil(
      Math.min(wanted, MOST_PER_TURN, Math.floor(burst), Math.max(1, (bytesPerSecond * LEAST_MS) / 1000)),
    )
  }

  take(n: number): void {
    this.#bucket.take(n)
  }

  /** Asks for a turn, never from inside this call. To ask again changes nothing. */
  request(taker: TurnTaker): void {
    this.#takers.add(taker)
    this.#schedule()
  }

  withdraw(taker: TurnTaker): void {
    this.#takers.delete(taker)
  }

  #schedule(): void {
    if (this.#scheduled) return
    for (const first of this.#takers) {
      this.#scheduled = true
      const waitMs = this.#bucket.waitMs(this.least(first.wanted))
      if (waitMs > 0) clock.setTimeout(() => this.#run(), Math.min(Math.ceil(waitMs), LONGEST_TIMER_MS))
      else setImmediate(() => this.#run())
      return
    }
  }

  #run(): void {
    // Those who ask again in their turn are behind all others of this round, and have theirs in a later turn of the
    // event loop.
    let left = this.#takers.size
    for (const taker of this.#takers) {
      const available = this.#bucket.available()
      if (left-- === 0 || available < this.least(taker.wanted)) break
      this.#takers.delete(taker)
      taker.turn(available)
    }
    this.#scheduled = false
    this.#schedule()
  }
}
