/** Throws a TypeError for what is no function. */
export function checkFunction(operation: string, fn: unknown): void {
  if (typeof fn === 'function') return
  throw new TypeError(`${operation}() takes a function${isThenable(fn) ? ', not the promise that it returns' : ''}`)
}

export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
