/** How long to wait between attempts; all times in milliseconds. */
export interface BackoffOptions {
  /** Before the first retry; 1,000 by default. */
  initialDelayMs?: number | undefined
  /** How much longer each wait is than the last; e by default, as in Twisted. */
  factor?: number | undefined
  /** The longest wait, before {@link jitter}; 60,000 by default. */
  maxDelayMs?: number | undefined
  /**
   * By what part of it each wait is longer or shorter, at random, so that clients which have lost one server do not
   * come back all at once; 0.25 by default, from 0 to 1.
   */
  jitter?: number | undefined
  /** How many retries there are until {@link Backoff.reset}; no limit by default. */
  maxRetries?: number | undefined
  /** A number from 0 on and below 1; `Math.random` by default. */
  random?: (() => number) | undefined
}

/**
 * The waits of an exponential back-off: numbers alone, no timer. (Twisted: `ReconnectingClientFactory`.)
 *
 * Throws a RangeError for numbers that make no sense.
 */
export class Backoff {
  readonly #initial: number
  readonly #factor: number
  readonly #max: number
  readonly #jitter: number
  readonly #maxRetries: number
  readonly #random: () => number
  #retries = 0

  constructor(options: BackoffOptions = {}) {
    const {
      initialDelayMs = 1000,
      factor = Math.E,
      maxDelayMs = 60_000,
      jitter = 0.25,
      maxRetries = Infinity,
    } = options
    if (!(initialDelayMs >= 0)) throw new RangeError(`initialDelayMs must be 0 at least, not ${initialDelayMs}`)
    if (!(factor >= 1)) throw new RangeError(`factor must be 1 at least, not ${factor}`)
    if (!(maxDelayMs >= initialDelayMs)) {
      throw new RangeError(`maxDelayMs must not be below initialDelayMs (${initialDelayMs}), but is ${maxDelayMs}`)
    }
    if (!(jitter >= 0 && jitter <= 1)) throw new RangeError(`jitter must be from 0 to 1, not ${jitter}`)
    if (!(maxRetries >= 0)) throw new RangeError(`maxRetries must be 0 at least, not ${maxRetries}`)
    this.#initial = initialDelayMs
    this.#factor = factor
    this.#max = maxDelayMs
    this.#jitter = jitter
    this.#maxRetries = maxRetries
    this.#random = options.random ?? Math.random
  }

  /** How many waits were handed out since the last {@link reset}. */
  get retries(): number {
    return this.#retries
  }

  /** How long to wait before the next retry, in milliseconds, or `undefined` if there is to be none. */
  next(): number | undefined {
    if (this.#retries >= this.#maxRetries) return undefined
    const longer = Math.min(this.#factor ** this.#retries++, Number.MAX_VALUE)
    const delay = Math.min(this.#max, this.#initial * longer)
    return delay * (1 + this.#jitter * (2 * this.#random() - 1))
  }

  /** From now on as at the beginning. */
  reset(): void {
    this.#retries = 0
  }
}
