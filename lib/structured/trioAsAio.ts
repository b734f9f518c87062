import type { BridgedDisposable } from './aioAsTrio.ts'
import type { Future } from './future.ts'
import { isThenable } from './checkFunction.ts'
import { beginTrio, type Loop } from './loop.ts'
import { requireLoop } from './requireLoop.ts'
import { isAsyncDisposable, isAsyncIterable } from './runAio.ts'
import { TrioIteration } from './trioIteration.ts'

export interface TrioAsAioOptions {
  /** Where it runs; by default the loop of the block around the call. */
  readonly loop?: Loop | undefined
}

/**
 * Makes something of trio's flavour usable in asyncio's, and in plain callbacks: an async function, an async iterable or
 * an async disposable. (trio-asyncio: `trio_as_aio`.)
 *
 * - A function becomes one that returns a {@link Future}: with its arguments and its `this`, it runs as `runTrio` does.
 *   It can be wrapped where a class defines it, as `method = trioAsAio(async function (this: C) {…})`; a decorator works
 *   as well, but the compiler goes on believing in a Promise. Of a function with overloads the type is that of the last.
 * - An iterable becomes one whose `next()` gives futures, see {@link TrioIteration}; a disposable becomes
 *   `{value, [Symbol.asyncDispose]}`.
 *
 * Throws a TypeError at once for anything else, a promise above all: it has begun already, in whatever flavour that was.
 * Calls throw `InvalidStateError` where there is no loop.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- of any arguments
export function trioAsAio<This, A extends any[], T>(
  fn: (this: This, ...args: A) => Promise<T>,
  options?: TrioAsAioOptions | ClassMethodDecoratorContext,
): (this: This, ...args: A) => Future<T>
export function trioAsAio<T, S extends AsyncIterable<T> = AsyncIterable<T>>(
  source: S & AsyncIterable<T>,
  options?: TrioAsAioOptions,
): TrioIteration<T, S>
export function trioAsAio<D extends AsyncDisposable>(resource: D, options?: TrioAsAioOptions): BridgedDisposable<D>
export function trioAsAio(source: unknown, given: object = {}): unknown {
  // That of a decorator has nothing of them.
  const options = given as TrioAsAioOptions
  if (typeof source === 'function') return wrap(source as (...args: unknown[]) => Promise<unknown>, options)
  if (isThenable(source)) throw new TypeError('trioAsAio() takes an async function, not the promise that it returns')
  if (isAsyncIterable(source)) return new TrioIteration(source, options.loop)
  if (isAsyncDisposable(source)) return wrapDisposable(source, options)
  throw new TypeError('trioAsAio() takes an async function, an async iterable or an async disposable')
}

export { trioAsAio as trioAsAsyncio }

function wrap(
  fn: (...args: unknown[]) => Promise<unknown>,
  options: TrioAsAioOptions,
): (...args: unknown[]) => Future<unknown> {
  function inAio(this: unknown, ...args: unknown[]): Future<unknown> {
    const loop = requireLoop('a function of trioAsAio()', options.loop)
    return beginTrio(loop, fn.name, () => Reflect.apply(fn, this, args), false)
  }
  return Object.defineProperty(inAio, 'name', { value: fn.name })
}

function wrapDisposable<D extends AsyncDisposable>(value: D, options: TrioAsAioOptions): BridgedDisposable<D> {
  return {
    value,
    [Symbol.asyncDispose](): Future<void> {
      const loop = requireLoop('disposal of what trioAsAio() has wrapped', options.loop)
      return beginTrio(loop, 'asyncDispose', async () => value[Symbol.asyncDispose](), true)
    },
  }
}
