import type { Future } from './future.ts'
import { checkFunction } from './checkFunction.ts'
import { requireLoop } from './requireLoop.ts'

/**
 * Begins `fn(...args)` in trio's flavour, as a child of the loop around, and returns the future of its outcome: for
 * asyncio's flavour, and for callbacks. Cancelling the future cancels the task; the future is done when the task has
 * ended: with its value or error if it has one in spite of the cancel, else as cancelled. So it is if the task is cancelled
 * from its own side: `Cancelled` is never the outcome of a future.
 *
 * Throws a TypeError for what is no function, a promise above all, and `InvalidStateError` where there is no loop.
 * (trio-asyncio: `run_trio`.)
 */
// oxlint-disable-next-line typescript/no-explicit-any -- of any arguments
export function runTrio<A extends any[], T>(fn: (...args: A) => Promise<T>, ...args: A): Future<T> {
  checkFunction('runTrio', fn)
  return requireLoop('runTrio()', undefined).trioAsFuture(fn, ...args)
}

/**
 * Begins `fn(...args)` in trio's flavour, as a child of the loop around: an error of it ends the loop. Throws as
 * {@link runTrio} does. (trio-asyncio: `run_trio_task`.)
 */
// oxlint-disable-next-line typescript/no-explicit-any -- of any arguments
export function runTrioTask<A extends any[]>(fn: (...args: A) => Promise<unknown>, ...args: A): void {
  checkFunction('runTrioTask', fn)
  requireLoop('runTrioTask()', undefined).runTrioTask(fn, ...args)
}
