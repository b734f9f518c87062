import { clock, type Timer } from '../clock.ts'
import { TimeoutError } from '../errors.ts'
import { nextTurn, UNCANCELLED, type WaitOptions } from '../wait.ts'

/** What is watched. */
export interface Watched {
  /** When something came from the peer last, as `clock.now()` tells it. */
  readonly lastReceived: number
  /** Whether it is worth knowing that the peer is alive. */
  readonly isNeeded: boolean
  /** Whether the peer can be asked. */
  readonly canPing: boolean
  ping(options: WaitOptions): Promise<unknown>
  /** Nothing has come from the peer for so long, no answer either. */
  dead(silentMs: number): void
}

/**
 * Notices that a peer is gone that did not say so. While it {@link Watched.isNeeded} and nothing has come from it for
 * `ms`, it is asked; if then nothing comes for `timeoutMs`, it is dead.
 *
 * Strategy: a call costs nothing. A timer looks now and then when something came last, and stops when nobody needs to
 * know.
 */
export class Keepalive {
  readonly #watched: Watched
  readonly #ms: number
  readonly #timeoutMs: number
  #timer: Timer | undefined
  #since = 0
  #asking = false
  #stopped = false

  /** `ms` may be `Infinity`, for never. */
  constructor(watched: Watched, ms: number, timeoutMs: number) {
    this.#watched = watched
    this.#ms = ms
    this.#timeoutMs = timeoutMs
    this.#stopped = ms === Infinity
  }

  /** The peer is needed from now on. May be called again at any time. */
  start(): void {
    if (this.#timer === undefined && !this.#asking && !this.#stopped) this.#begin()
  }

  stop(): void {
    this.#stopped = true
    clock.clearTimeout(this.#timer)
  }

  #begin(): void {
    this.#since = clock.now()
    this.#wait(this.#ms)
  }

  #wait(ms: number): void {
    this.#timer = clock.setTimeout(() => this.#look(), Math.ceil(ms))
  }

  #look(): void {
    this.#timer = undefined
    const watched = this.#watched
    if (this.#stopped || !watched.isNeeded) return
    const leftMs = Math.max(this.#since, watched.lastReceived) + this.#ms - clock.now()
    if (leftMs > 0) return this.#wait(leftMs)
    if (!watched.canPing) return this.#begin()
    this.#asking = true
    void this.#ask()
  }

  async #ask(): Promise<void> {
    const watched = this.#watched
    const before = watched.lastReceived
    let silent = false
    try {
      // The connection is others' too, not only of whoever made the call with which this began.
      await watched.ping({ timeoutMs: this.#timeoutMs, scope: UNCANCELLED })
    } catch (error) {
      // The program may have been busy all the time: what has come meanwhile is yet to be read.
      if (error instanceof TimeoutError) await nextTurn()
      // Whatever has come is a sign of life: the answer may be behind much else.
      silent = error instanceof TimeoutError && watched.lastReceived === before
    }
    this.#asking = false
    if (this.#stopped) return
    if (silent) watched.dead(this.#ms + this.#timeoutMs)
    else this.#begin()
  }
}
