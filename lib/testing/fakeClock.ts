/** Time that passes when a test says so. */
import { LONGEST_TIMER_MS, setClock, type Clock, type Timer } from '../clock.ts'
import { InvalidStateError } from '../errors.ts'
import { nextTurn } from '../wait.ts'

/** So many turns of the event loop in which nothing is set for the next one pass between two timers. */
const IDLE_TURNS = 10
/** What goes on for longer is no answer to a timer, but a loop of its own. */
const MOST_TURNS = 10_000

class FakeTimer {
  readonly callback: () => void
  readonly due: number
  constructor(callback: () => void, due: number) {
    this.callback = callback
    this.due = due
  }
}

/**
 * Stands in for the clock behind every timeout of millrace, from when it is made until it is disposed of:
 *
 * ```ts
 * using clock = new FakeClock()
 * const read = reader.readLine({ timeoutMs: 60_000 })
 * await clock.advance(60_000)
 * await read                       // rejects with a TimeoutError; no time has passed
 * ```
 *
 * Nothing else is changed: `setTimeout`, `Date` and timers inside of Node, such as those of connecting to several
 * addresses, run as ever. Timers that were set before go on in real time, and those that are still pending when the
 * clock is disposed of never run. One clock may be in place at a time, also where both builds of the package are
 * loaded: making another throws {@link InvalidStateError}.
 */
export class FakeClock implements Disposable {
  readonly #timers = new Set<FakeTimer>()
  readonly #start = Math.ceil(performance.now())
  #now = 0
  #advancing = false
  #disposed = false

  constructor() {
    const before = setClock(this.#clock)
    if (before === null) return
    setClock(before)
    throw new InvalidStateError('there is a FakeClock in place already: dispose of it first')
  }

  /** Milliseconds that were advanced so far. */
  get now(): number {
    return this.#now
  }

  /** How many timers wait to run. */
  get pending(): number {
    return this.#timers.size
  }

  /**
   * Lets `ms` milliseconds pass: runs the timers that come due, in their order, those that are set meanwhile included.
   * Between two of them, and before and after, the event loop takes turns until nothing is left for its next one, so that
   * what a timer sets off is done before the next one runs, unless it needs the network.
   *
   * Rejects with a RangeError for a time that is not 0 or more, with {@link InvalidStateError} while another call runs
   * or when the clock is disposed of, and with what a timer throws.
   */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0 && ms < Infinity)) throw new RangeError(`a clock is advanced by milliseconds from 0 on, not ${ms}`)
    if (this.#disposed) throw new InvalidStateError('advance() on a clock that is disposed of')
    if (this.#advancing) throw new InvalidStateError('advance() while the clock is being advanced')
    this.#advancing = true
    try {
      const end = this.#now + ms
      await settle()
      for (let next = this.#nextBy(end); next !== undefined; next = this.#nextBy(end)) {
        this.#now = Math.max(this.#now, next.due)
        this.#timers.delete(next)
        next.callback()
        await settle()
      }
      this.#now = end
    } finally {
      this.#advancing = false
    }
  }

  /** Puts the real clock back. May be called again. */
  [Symbol.dispose](): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#timers.clear()
    setClock(null)
  }

  /** The first to come due by then; of several the one that was set first. */
  #nextBy(end: number): FakeTimer | undefined {
    let first: FakeTimer | undefined
    for (const timer of this.#timers) {
      if (timer.due <= end && (first === undefined || timer.due < first.due)) first = timer
    }
    return first
  }

  // A field, so that there is one before the constructor's body runs.
  readonly #clock: Clock = {
    // Readings taken before this clock came are of the real one.
    now: () => this.#start + this.#now,
    setTimeout: (callback, ms) => {
      if (ms > LONGEST_TIMER_MS) return undefined
      // As everywhere: what is no time is as soon as may be.
      const timer = new FakeTimer(callback, this.#now + (ms >= 1 ? ms : 1))
      this.#timers.add(timer)
      return timer
    },
    clearTimeout: (timer: Timer | undefined) => void this.#timers.delete(timer as FakeTimer),
  }
}

async function settle(): Promise<void> {
  for (let idle = 0, all = 0; idle < IDLE_TURNS && all < MOST_TURNS; all++) {
    await nextTurn()
    idle = process.getActiveResourcesInfo().includes('Immediate') ? 0 : idle + 1
  }
}
