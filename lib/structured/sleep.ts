import { clock, LONGEST_TIMER_MS, type Timer } from '../clock.ts'
import { abortedOnEntry, rejected, Waiter } from '../wait.ts'
import { checkpoint, type CheckpointOptions } from './checkpoint.ts'

/** Resolves after `ms` milliseconds, not before. Rejects with a RangeError for a time that is none, or below 0. (trio: `sleep`.) */
export function sleep(ms: number, options?: CheckpointOptions): Promise<void> {
  if (typeof ms !== 'number' || !(ms >= 0))
    return rejected(new RangeError(`ms must be a number of milliseconds, not ${String(ms)}`))
  return ms === 0 ? checkpoint(options) : sleepUntil(clock.now() + ms, options)
}

/** Resolves at that time on the clock of `currentTime()`; at once, as {@link checkpoint} does, if it has passed. (trio: `sleep_until`.) */
export function sleepUntil(time: number, options?: CheckpointOptions): Promise<void> {
  if (typeof time !== 'number' || Number.isNaN(time)) {
    return rejected(new RangeError(`time must be a time in milliseconds, not ${String(time)}`))
  }
  if (time <= clock.now()) return checkpoint(options)
  const cancellation = abortedOnEntry(options)
  if (cancellation !== undefined) return rejected(cancellation.reason)
  let timer: Timer | undefined
  const waiter = new Waiter<void>(options, undefined, () => clock.clearTimeout(timer))
  const arm = (): void => {
    const left = time - clock.now()
    // Timers know whole milliseconds, and no more than 2^31 of them. Who sleeps is still there.
    if (left <= 0) waiter.resolve()
    else timer = clock.setTimeout(arm, Math.min(Math.ceil(left), LONGEST_TIMER_MS), true)
  }
  arm()
  return waiter.promise
}

/** Ends when it is cancelled. It keeps no process alive. (trio: `sleep_forever`.) */
export function sleepForever(options?: CheckpointOptions): Promise<never> {
  return new Waiter<never>(options).promise
}
