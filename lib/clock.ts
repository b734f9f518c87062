/**
 * The one source of time: every timer of millrace is set here, and every reading that a timeout depends on is taken
 * here. So all of them can be run by a clock of a test's own (`FakeClock` of `millrace/testing`).
 */

/** What a clock hands out for a timer; only good for clearing it. */
export type Timer = object | number

export interface Clock {
  /** Milliseconds since some fixed moment; never goes back. */
  now(): number
  /**
   * Calls `callback` once after `ms`; a timer keeps the process alive only if it is told to. Longer than a timer can
   * be (2^31 - 1 ms, 24.8 days) is never: then no timer is set, and `undefined` comes back.
   */
  setTimeout(callback: () => void, ms: number, keepsAlive?: boolean): Timer | undefined
  /** Does nothing for a timer that has run, or for none. */
  clearTimeout(timer: Timer | undefined): void
}

/** The longest a timer of Node or of a browser can be. */
export const LONGEST_TIMER_MS = 0x7fffffff

const realClock: Clock = {
  now: () => performance.now(),
  setTimeout(callback, ms, keepsAlive = false) {
    if (ms > LONGEST_TIMER_MS) return undefined
    const timer = setTimeout(callback, ms)
    // In a browser a timer is a number; there it keeps nothing alive.
    if (!keepsAlive && typeof timer === 'object') timer.unref()
    return timer
  },
  clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout> | undefined),
}

// One slot for the process, even if both builds of the package are loaded: a clock that a test puts in governs both.
const SLOT = Symbol.for('millrace.clock')
// Sealed, since jest marks what it finds on a global of its own, while timers of a test may still run.
const slot = ((globalThis as { [SLOT]?: { clock: Clock | null } })[SLOT] ??= Object.seal({ clock: null }))

/** The clock that is in place: the real one, unless a test has put in another. */
export const clock: Clock = {
  now: () => (slot.clock ?? realClock).now(),
  setTimeout: (callback, ms, keepsAlive) => (slot.clock ?? realClock).setTimeout(callback, ms, keepsAlive),
  clearTimeout(timer) {
    slot.clock?.clearTimeout(timer)
    // The timer may be from before the other clock came.
    realClock.clearTimeout(timer)
  },
}

/** Puts in another clock, or takes it out again with `null`. Returns the one that was in place, `null` for the real one. */
export function setClock(other: Clock | null): Clock | null {
  const before = slot.clock
  slot.clock = other
  return before
}
