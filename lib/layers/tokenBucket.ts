import { clock } from '../clock.ts'

export interface TokenBucketOptions {
  /** The rate in the long run; above 0. */
  bytesPerSecond: number
  /**
   * The most that may go at once after a pause, in bytes, at least 1; a tenth of a second's worth by default. Timers are
   * a millisecond apart, so a rate that is to be reached needs a few milliseconds' worth.
   */
  burst?: number | undefined
}

/**
 * A limit of a rate: it fills with `bytesPerSecond` up to `burst`, and whoever sends takes from it. It is full to begin
 * with. It only counts: no timers, and `now` is a reading of a clock in milliseconds, as
 * long as it is always the same one.
 *
 * One bucket given to several connections is a limit for all of them together; see `throttle`.
 */
export class TokenBucket {
  readonly bytesPerSecond: number
  /** In bytes. */
  readonly burst: number
  #level: number
  #filledAt = -Infinity

  /** Throws a RangeError for a rate or a burst that makes no sense. */
  constructor({ bytesPerSecond, burst = Math.max(1, bytesPerSecond / 10) }: TokenBucketOptions) {
    if (!(bytesPerSecond > 0)) throw new RangeError(`bytesPerSecond must be above 0, not ${bytesPerSecond}`)
    if (!(burst >= 1)) throw new RangeError(`burst must be at least 1 byte, not ${burst}`)
    this.bytesPerSecond = bytesPerSecond
    this.burst = burst
    this.#level = burst
  }

  /** How many bytes may go now, rounded down: at most `burst`, and below 0 while too much was taken. */
  available(now: number = clock.now()): number {
    return Math.floor(this.#fill(now))
  }

  /** Takes `n` bytes, also if there are not so many: then it is empty for longer. */
  take(n: number, now: number = clock.now()): void {
    this.#level = this.#fill(now) - n
  }

  /** In how many milliseconds `n` bytes may go, or a burst if `n` is more than that; 0 if they may now. */
  waitMs(n: number, now: number = clock.now()): number {
    const missing = Math.min(n, this.burst) - this.#fill(now)
    return missing <= 0 ? 0 : (missing / this.bytesPerSecond) * 1000
  }

  #fill(now: number): number {
    if (now > this.#filledAt) {
      if (this.#level < this.burst) {
        const filled = this.#level + ((now - this.#filledAt) * this.bytesPerSecond) / 1000
        this.#level = Math.min(this.burst, filled)
      }
      this.#filledAt = now
    }
    return this.#level
  }
}
