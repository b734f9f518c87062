import { AsyncResource } from 'node:async_hooks'
import { clock, LONGEST_TIMER_MS, type Timer } from '../clock.ts'
import { runIn, type Context } from './context.ts'

/** Where calls are made, and who is told of their errors. */
export interface HandleHome {
  readonly context: Context | undefined
  readonly failed: (error: unknown) => void
}

/** Makes the call, unless it is cancelled. Never throws. */
export let runHandle: (handle: Handle) => void
/** Begins to wait for the time of a timer, which is in `timers` meanwhile; `due` is called then. */
export let startTimer: (timer: TimerHandle, timers: Set<TimerHandle>, due: (timer: TimerHandle) => void) => void

/** The AsyncLocalStorage of whoever asks, as asyncio keeps the contextvars. A snapshot costs a hundred times as much. */
export const asker = (): AsyncResource => new AsyncResource('millrace.Handle', NO_HOOKS)
const NO_HOOKS = { requireManualDestroy: true }

/** What a loop will call: see `Loop.callSoon`. (asyncio: `Handle`.) */
export class Handle {
  #call: (() => unknown) | undefined
  #cancelled = false
  readonly #asker: AsyncResource
  readonly #home: HandleHome

  /** @internal */
  constructor(call: () => unknown, home: HandleHome, by: AsyncResource = asker()) {
    this.#call = call
    this.#home = home
    this.#asker = by
  }

  /** It will not be called. Does nothing to what has run. */
  cancel(): void {
    this.#cancelled = true
    this.#call = undefined
  }

  cancelled(): boolean {
    return this.#cancelled
  }

  #run(): void {
    const call = this.#call
    if (call === undefined) return
    this.#call = undefined
    const { context, failed } = this.#home
    try {
      const result = this.#asker.runInAsyncScope(() => (context === undefined ? call() : runIn(context, call)))
      // Of an async function in place of a callback; the outcome of a future is somebody else's.
      if (result instanceof Promise) result.catch(failed)
    } catch (error) {
      failed(error)
    }
  }

  static {
    runHandle = (handle) => handle.#run()
  }
}

/** What a loop will call at a time: see `Loop.callAt`. (asyncio: `TimerHandle`.) */
export class TimerHandle extends Handle {
  readonly #when: number
  #timer: Timer | undefined = undefined
  #timers: Set<TimerHandle> | undefined = undefined

  /** @internal */
  constructor(call: () => unknown, home: HandleHome, when: number) {
    super(call, home)
    this.#when = when
  }

  /** In milliseconds, on the clock of `loop.time()`. */
  when(): number {
    return this.#when
  }

  override cancel(): void {
    super.cancel()
    clock.clearTimeout(this.#timer)
    this.#timers?.delete(this)
  }

  #arm(due: (timer: TimerHandle) => void): void {
    const left = this.#when - clock.now()
    const look = (): void => {
      if (this.#when > clock.now()) return this.#arm(due)
      this.#timers!.delete(this)
      due(this)
    }
    // Timers know whole milliseconds, and no more than 2^31 of them. The callback may be all that others wait for.
    this.#timer = clock.setTimeout(look, Math.min(Math.max(Math.ceil(left), 0), LONGEST_TIMER_MS), true)
  }

  static {
    startTimer = (timer, timers, due) => {
      timer.#timers = timers
      timers.add(timer)
      timer.#arm(due)
    }
  }
}

/** For a task that has begun; it cannot be taken back, but cancelled. */
export class ChildHandle extends Handle {
  readonly #cancel: () => void

  constructor(cancel: () => void) {
    super(() => {}, { context: undefined, failed() {} })
    this.#cancel = cancel
  }

  override cancel(): void {
    super.cancel()
    this.#cancel()
  }
}
