/**
 * The deadlines of many calls with one timer.
 *
 * Strategy: a call costs a comparison when it begins and nothing when it ends. The timer runs at the earliest deadline
 * that there was; then all calls are looked through, and it is set to the earliest of those that are left. To look
 * through many is not done more often than every so many milliseconds, so that its cost stays below a few per cent.
 */
import { clock, LONGEST_TIMER_MS, type Timer } from '../clock.ts'

/** So many calls are looked at in a millisecond, at most, on average. */
const LOOKED_AT_PER_MS = 5000

export interface Expiring {
  /** As `clock.now()` tells time, in milliseconds; `Infinity` for none. */
  readonly expires: number
}

export class Deadlines<C extends Expiring> {
  readonly #calls: () => readonly C[]
  readonly #expired: (call: C) => void
  readonly #keepsAlive: boolean
  #timer: Timer | undefined
  /** When the timer runs. */
  #next = Infinity

  /** `expired` is called for each of `calls()` whose deadline is past; it must see to it that the call is not there again. */
  constructor(calls: () => readonly C[], expired: (call: C) => void, keepsAlive = false) {
    this.#calls = calls
    this.#expired = expired
    this.#keepsAlive = keepsAlive
  }

  /** A call that expires then has begun. */
  watch(expires: number): void {
    if (expires < this.#next) this.#arm(expires)
  }

  stop(): void {
    clock.clearTimeout(this.#timer)
    this.#timer = undefined
    this.#next = Infinity
  }

  #arm(at: number): void {
    clock.clearTimeout(this.#timer)
    this.#next = at
    const ms = Math.min(LONGEST_TIMER_MS, Math.max(0, Math.ceil(at - clock.now())))
    this.#timer = clock.setTimeout(() => this.#look(), ms, this.#keepsAlive)
  }

  #look(): void {
    const now = clock.now()
    this.#next = Infinity
    const calls = this.#calls()
    let earliest = Infinity
    const expired: C[] = []
    for (const call of calls) {
      if (call.expires <= now) expired.push(call)
      else if (call.expires < earliest) earliest = call.expires
    }
    // First: what is told of a call may begin others.
    if (earliest !== Infinity) this.#arm(Math.max(earliest, now + calls.length / LOOKED_AT_PER_MS))
    for (const call of expired) this.#expired(call)
  }
}
