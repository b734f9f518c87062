import { abortedOnEntry, rejected } from '../wait.ts'
import { callAio, type AioCallOptions } from './aioCall.ts'
import { AioIteration } from './aioIteration.ts'
import type { CheckpointOptions } from './checkpoint.ts'
import { Future } from './future.ts'
import { FutureWait } from './futureWait.ts'
import { isThenable } from './checkFunction.ts'
import type { Loop } from './loop.ts'
import { requireLoop } from './requireLoop.ts'
import { waitForPromise } from './promiseWait.ts'

export type RunAioOptions = Omit<AioCallOptions, 'injectSignal'>

/**
 * Waits for a future, by trio's rules. A cancel of the caller cancels the future, and waits until it is done, which takes
 * time if it is a task; then it is raised as `Cancelled`, whose `cause` is the `CancelledError`. A value or an error that
 * comes in spite of it is what comes out. If somebody else cancels the future, its `CancelledError` comes out as it is, and
 * no scope takes it in. (trio-asyncio: `run_aio_future`.)
 */
export function runAioFuture<T>(future: Future<T>, options?: CheckpointOptions): Promise<T> {
  if (!(future instanceof Future)) return rejected(new TypeError('runAioFuture() takes a Future'))
  // One that is not done is cancelled first.
  const cancellation = future.done() ? abortedOnEntry(options) : undefined
  if (cancellation !== undefined) return rejected(cancellation.reason)
  return new FutureWait(future, options).promise
}

/**
 * Runs an async function of asyncio's flavour as a task of the loop, or waits for a promise: as `aioAsTrio` does. (trio-asyncio:
 * `run_aio_coroutine`.)
 */
export function runAioCoroutine<T>(
  source: (() => PromiseLike<T>) | PromiseLike<T>,
  options?: RunAioOptions,
): Promise<T> {
  if (source instanceof Future) return runAioFuture(source as Future<T>, options)
  try {
    if (typeof source !== 'function' && !isThenable(source)) {
      throw new TypeError('runAioCoroutine() takes an async function or a promise')
    }
    const loop = requireLoop('runAioCoroutine()', options?.loop)
    if (typeof source !== 'function') return runAioPromise(loop, source, options)
    const cancellation = abortedOnEntry(options)
    if (cancellation !== undefined) return rejected(cancellation.reason)
    return callAio<T>(loop, source, options).promise
  } catch (error) {
    return rejected(error)
  }
}

/**
 * Goes over an asyncio iteration by trio's rules: see {@link AioIteration}. Throws a TypeError for what is not async
 * iterable. (trio-asyncio: `run_aio_generator`.)
 */
export function runAioGenerator<T, S extends AsyncIterable<T> = AsyncIterable<T>>(
  source: S & AsyncIterable<T>,
  options: RunAioOptions = {},
): AioIteration<T, S> {
  if (!isAsyncIterable(source)) throw new TypeError('runAioGenerator() takes an async iterable')
  return new AioIteration<T, S>(source, options)
}

/** Waits for a promise, which knows nothing of cancelling. */
export function runAioPromise<T>(loop: Loop, promise: PromiseLike<T>, options?: RunAioOptions): Promise<T> {
  // Who has not begun to wait does not wait for its end.
  if (options?.onCancel !== 'wait' || abortedOnEntry(options) !== undefined) {
    return waitForPromise(promise, loop, options)
  }
  return callAio<T>(loop, () => promise, options).promise
}

export const isAsyncIterable = (value: unknown): value is AsyncIterable<unknown> =>
  typeof (value as Partial<AsyncIterable<unknown>> | null | undefined)?.[Symbol.asyncIterator] === 'function'

export const isAsyncDisposable = (value: unknown): value is AsyncDisposable =>
  typeof (value as Partial<AsyncDisposable> | null | undefined)?.[Symbol.asyncDispose] === 'function'
