/** Throws a TypeError for what is no function. */
export function checkFunction(operation: string, fn: unknown): void {
  if (typeof fn === 'function') return
  const isPromise = typeof (fn as { then?: unknown } | null | undefined)?.then === 'function'
  throw new TypeError(`${operation}() takes a function${isPromise ? ', not the promise that it returns' : ''}`)
}
