/** The limits that a read sets on the pace of its peer. */
import { clock, type Timer } from '../clock.ts'
import { TimeoutError } from '../errors.ts'
import type { WaitOptions } from '../wait.ts'

/** How slow a peer may be. */
export interface MinRate {
  /** Bytes per second, on the average since the read began. */
  bytesPerSecond: number
  /** For so long any rate will do, in milliseconds; 5,000 by default. */
  graceMs?: number | undefined
}

/**
 * The last argument of every read. `timeoutMs` bounds the whole of one read; a deadline over several is a signal that
 * all of them get: `signal: AbortSignal.timeout(ms)`. A read that runs out of time rejects with a TimeoutError and
 * has consumed nothing.
 */
export interface ReadOptions extends WaitOptions {
  /** The longest time without a further byte, in milliseconds: any byte that comes starts it anew. */
  readonly idleTimeoutMs?: number | undefined
  /** The least rate at which bytes must come while the read waits. */
  readonly minRate?: MinRate | undefined
}

const DEFAULT_GRACE_MS = 5000
/** How often a rate is looked at. */
const RATE_INTERVAL_MS = 250

/** Watches over one read that waits. */
export class ReadProgress {
  readonly #idleTimeoutMs: number
  readonly #bytesPerSecond: number
  readonly #graceMs: number
  readonly #operation: () => string
  readonly #fail: (error: TimeoutError) => void
  readonly #began = clock.now()
  #lastByte = this.#began
  #bytes = 0
  #timer: Timer | undefined

  /** Will call `fail` once, if the peer is too slow. Throws a RangeError for options that make no sense. */
  constructor(options: ReadOptions, operation: () => string, fail: (error: TimeoutError) => void) {
    const { idleTimeoutMs = Infinity, minRate } = options
    const { bytesPerSecond = 0, graceMs = DEFAULT_GRACE_MS } = minRate ?? {}
    if (!(idleTimeoutMs >= 0)) {
      throw new RangeError(`idleTimeoutMs must be a number of milliseconds, not ${idleTimeoutMs}`)
    }
    if (!(bytesPerSecond >= 0 && graceMs >= 0)) {
      throw new RangeError(`minRate needs numbers from 0 on, not ${bytesPerSecond} bytes/s after ${graceMs} ms`)
    }
    this.#idleTimeoutMs = idleTimeoutMs
    this.#bytesPerSecond = bytesPerSecond
    this.#graceMs = graceMs
    this.#operation = operation
    this.#fail = fail
  }

  /** The read waits from now on. */
  start(): void {
    this.#arm(Math.min(this.#idleTimeoutMs, this.#graceMs))
  }

  /** `n` more bytes have come. */
  received(n: number): void {
    this.#bytes += n
    this.#lastByte = clock.now()
  }

  /** The read is over. */
  stop(): void {
    clock.clearTimeout(this.#timer)
  }

  #look(): void {
    const now = clock.now()
    const idleLeftMs = this.#idleTimeoutMs - (now - this.#lastByte)
    if (idleLeftMs <= 0) {
      const message = `${this.#operation()} had no further byte for ${this.#idleTimeoutMs} ms`
      return this.#fail(new TimeoutError(this.#operation(), this.#idleTimeoutMs, message))
    }
    let nextMs = idleLeftMs
    if (this.#bytesPerSecond > 0) {
      const elapsedMs = now - this.#began
      if (elapsedMs >= this.#graceMs && this.#bytes * 1000 < this.#bytesPerSecond * elapsedMs) {
        const tookMs = Math.round(elapsedMs)
        const message = `${this.#operation()} got ${this.#bytes} bytes in ${tookMs} ms, below ${this.#bytesPerSecond} bytes/s`
        return this.#fail(new TimeoutError(this.#operation(), tookMs, message))
      }
      nextMs = Math.min(nextMs, Math.max(RATE_INTERVAL_MS, this.#graceMs - elapsedMs))
    }
    this.#arm(nextMs)
  }

  #arm(ms: number): void {
    this.#timer = clock.setTimeout(() => this.#look(), Math.ceil(ms))
  }
}
