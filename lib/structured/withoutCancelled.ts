import { Cancelled } from './errors.ts'
import { ExceptionGroup } from './exceptionGroup.ts'

/**
 * What is left of an error without the {@link Cancelled} in it: alone, in a group, or in the pair that `using` makes when
 * a block and then its disposal fail. `found` is called if there were any.
 */
export function withoutCancelled(error: unknown, found: () => void): readonly { readonly error: unknown }[] {
  if (isCancelled(error)) {
    found()
    return []
  }
  if (error instanceof ExceptionGroup) {
    const [match, rest] = error.split(isCancelled)
    if (match === null) return [{ error }]
    found()
    return rest === null ? [] : [{ error: rest }]
  }
  // On Node 20 and 22 there is no such class; what the compiler makes has the name alone.
  if (error instanceof Error && error.name === 'SuppressedError' && 'suppressed' in error && 'error' in error) {
    const left = [...withoutCancelled(error.suppressed, found), ...withoutCancelled(error.error, found)]
    return left.length === 2 ? [{ error }] : left
  }
  return [{ error }]
}

/** Node makes an AbortError of its own where the signal of a scope has ended something, with our error as its cause. */
export function isCancelled(error: unknown): boolean {
  if (error instanceof Cancelled) return true
  const { name, cause } = (error ?? {}) as { readonly name?: unknown; readonly cause?: unknown }
  return name === 'AbortError' && cause instanceof Cancelled
}
