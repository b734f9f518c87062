import { abortedOnEntry } from '../wait.ts'
import { requireLoop } from './requireLoop.ts'

/**
 * Calls `fn(...args)`, of trio's flavour, which may call asyncio's functions without a bridge: both are promises here. It
 * is a shortcut, and has a price: what is called so has no task, hears of a cancel as `Cancelled`, and an `await` of a
 * future is no checkpoint and does not cancel it. It does not work the other way round.
 *
 * Is a checkpoint when it is called. Rejects with `InvalidStateError` where there is no loop. (trio-asyncio: `allow_asyncio`.)
 */
// oxlint-disable-next-line typescript/no-explicit-any -- of any arguments
export async function allowAsyncio<A extends any[], T>(fn: (...args: A) => Promise<T>, ...args: A): Promise<T> {
  if (typeof fn !== 'function') throw new TypeError('allowAsyncio() takes an async function')
  requireLoop('allowAsyncio()', undefined)
  const cancellation = abortedOnEntry(undefined)
  if (cancellation !== undefined) throw cancellation.reason
  return fn(...args)
}
