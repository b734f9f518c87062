import { abortedOnEntry, handled, rejected, watchSignal, forget } from '../wait.ts'
import { callAio, type AioCallOptions } from './aioCall.ts'
import { AioIteration, closeAio } from './aioIteration.ts'
import { Future, observe } from './future.ts'
import { isThenable } from './checkFunction.ts'
import { requireLoop } from './requireLoop.ts'
import { isAsyncDisposable, isAsyncIterable, runAioFuture, runAioPromise } from './runAio.ts'
import type { Task } from './task.ts'
import { isOptions, withOption } from './trailingOptions.ts'

/** What may be told about the wrapped thing, once for all its calls. */
export type AioAsTrioOptions = Pick<AioCallOptions, 'loop' | 'onCancel' | 'injectSignal'>

/** A resource whose disposal is of the other flavour. */
export interface BridgedDisposable<D> extends AsyncDisposable {
  /** The resource itself; its methods are what they were. */
  readonly value: D
}

/**
 * Makes something of asyncio's flavour usable in trio's: an async function, a {@link Future}, a promise, an async iterable,
 * or an async disposable. (trio-asyncio: `aio_as_trio`.)
 *
 * - A function becomes one that runs as a {@link Task} of the loop around its caller, with its arguments and its `this`.
 *   It can be used as a method's decorator.
 * - A future or promise becomes a promise, to be awaited.
 * - An iterable becomes one, see {@link AioIteration}; a disposable becomes `{value, [Symbol.asyncDispose]}`.
 *
 * Every call is a checkpoint: in a cancelled scope nothing is called. A cancel that comes later is passed on to what can
 * hear of it (a future; a task that awaits one, waits for something of millrace, or has asked for its signal; a call
 * with `injectSignal`) and waits for its end: then it is raised as `Cancelled`, whose `cause` is the `CancelledError`. A
 * value or an error that comes in spite of it is what comes out. What cannot hear is left behind: its error, if it has
 * one later, goes to `loop.onAbandoned`.
 *
 * Throws a TypeError at once for anything else. Its promises reject with `InvalidStateError` where there is no loop.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- of any arguments
export function aioAsTrio<This, A extends any[], T>(
  fn: (this: This, ...args: A) => Future<T>,
  options?: AioAsTrioOptions | ClassMethodDecoratorContext,
): (this: This, ...args: A) => Promise<T>
// So that overloads stay what they are.
// oxlint-disable-next-line typescript/no-explicit-any -- of any arguments
export function aioAsTrio<F extends (this: any, ...args: any[]) => Promise<unknown>>(
  fn: F,
  options?: AioAsTrioOptions | ClassMethodDecoratorContext,
): F
// oxlint-disable-next-line typescript/no-explicit-any -- of any arguments
export function aioAsTrio<This, A extends any[], T>(
  fn: (this: This, ...args: A) => PromiseLike<T>,
  options?: AioAsTrioOptions | ClassMethodDecoratorContext,
): (this: This, ...args: A) => Promise<T>
export function aioAsTrio<T>(promise: PromiseLike<T>, options?: AioAsTrioOptions): Promise<T>
export function aioAsTrio<T, S extends AsyncIterable<T> = AsyncIterable<T>>(
  source: S & AsyncIterable<T>,
  options?: AioAsTrioOptions,
): AioIteration<T, S>
export function aioAsTrio<D extends AsyncDisposable>(resource: D, options?: AioAsTrioOptions): BridgedDisposable<D>
export function aioAsTrio(source: unknown, given: object = {}): unknown {
  // That of a decorator has nothing of them.
  const options = given as AioAsTrioOptions
  if (typeof source === 'function') return wrap(source as (...args: unknown[]) => unknown, options)
  if (isThenable(source)) return wait(source, options)
  if (isAsyncIterable(source)) return new AioIteration(source, options)
  if (isAsyncDisposable(source)) return wrapDisposable(source, options)
  throw new TypeError('aioAsTrio() takes an async function, a promise, an async iterable or an async disposable')
}

export { aioAsTrio as asyncioAsTrio }

function wrap(
  fn: (...args: unknown[]) => unknown,
  options: AioAsTrioOptions,
): (...args: unknown[]) => Promise<unknown> {
  const { injectSignal } = options
  function inTrio(this: unknown, ...args: unknown[]): Promise<unknown> {
    try {
      const loop = requireLoop(`a function of aioAsTrio()`, options.loop)
      const cancellation = abortedOnEntry(undefined)
      if (cancellation !== undefined) return rejected(cancellation.reason)
      const call = (task: Task<unknown>): unknown => {
        const result = Reflect.apply(fn, this, injectSignal === true ? withSignal(args, task) : args)
        if (isAsyncIterable(result) && !isThenable(result)) throw new TypeError(WRAP_RESULT)
        return result
      }
      return callAio(loop, call, options).promise
    } catch (error) {
      return rejected(error)
    }
  }
  return Object.defineProperty(inTrio, 'name', { value: fn.name })
}

const WRAP_RESULT = 'the function of aioAsTrio() has returned an async iterable: wrap that, not the function'

function wait(source: PromiseLike<unknown>, options: AioAsTrioOptions): Promise<unknown> {
  try {
    const loop = requireLoop('aioAsTrio()', options.loop)
    return source instanceof Future ? runAioFuture(source) : runAioPromise(loop, source, options)
  } catch (error) {
    // Whoever made the promise has handed it over.
    if (source instanceof Promise) void handled(source)
    return rejected(error)
  }
}

function wrapDisposable<D extends AsyncDisposable>(value: D, options: AioAsTrioOptions): BridgedDisposable<D> {
  return {
    value,
    async [Symbol.asyncDispose]() {
      const loop = requireLoop('disposal of what aioAsTrio() has wrapped', options.loop)
      await closeAio(loop, () => value[Symbol.asyncDispose](), options)
    },
  }
}

/** A signal that the caller has given counts, too. */
function withSignal(args: readonly unknown[], task: Task<unknown>): unknown[] {
  const last = args.at(-1)
  const given = isOptions(last) ? last['signal'] : undefined
  return withOption(args, { signal: given instanceof AbortSignal ? either(given, task) : task.signal })
}

/** Not `AbortSignal.any`, which costs fifty times as much, and leaves something behind on both. */
function either(given: AbortSignal, task: Task<unknown>): AbortSignal {
  if (given.aborted) return given
  const controller = new AbortController()
  const target = { cancel: (reason: unknown) => controller.abort(reason) }
  const links = [watchSignal(given, target), watchSignal(task.signal, target)]
  observe(task, { futureDone: () => links.forEach(forget) })
  return controller.signal
}
