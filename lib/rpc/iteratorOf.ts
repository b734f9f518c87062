type AnyIterator = AsyncIterator<unknown> | Iterator<unknown>

/** What gives the messages of an iterable; `undefined` for what is none. */
export function iteratorOf(source: unknown): AnyIterator | undefined {
  if (source === null || typeof source !== 'object') return undefined
  if (Symbol.asyncIterator in source) return (source as AsyncIterable<unknown>)[Symbol.asyncIterator]()
  if (Symbol.iterator in source) return (source as Iterable<unknown>)[Symbol.iterator]()
  return undefined
}

/** Tells an iterator that nobody takes from it any more. It may fail: nobody is left to be told. */
export async function leave(iterator: Pick<AnyIterator, 'return'>): Promise<void> {
  try {
    await iterator.return?.()
  } catch {
    // As said.
  }
}

/**
 * Tells an iterable that nobody will take from it, without taking from it: one that is its own iterator, as generators
 * and `Pushable` are, has been made for us, and whoever fills it may wait.
 */
export async function leaveUnused(source: unknown): Promise<void> {
  const { next, return: end } = (source ?? {}) as Partial<AnyIterator>
  if (typeof next === 'function' && typeof end === 'function') await leave(source as AnyIterator)
}
