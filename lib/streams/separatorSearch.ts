import type { ByteQueue } from '../bytes/byteQueue.ts'
import { toBytes } from '../bytes/allocate.ts'
import { LimitOverrunError, tlsHint } from '../errors.ts'

/** One separator or several as bytes, the shortest first. Throws a RangeError if there is none, or an empty one. */
export function toSeparators(separator: Uint8Array | string | readonly (Uint8Array | string)[]): Uint8Array[] {
  const several = typeof separator === 'string' || separator instanceof Uint8Array ? [separator] : separator
  if (several.length === 0) throw new RangeError('at least one separator is needed')
  const separators = several.map(toBytes).sort((a, b) => a.length - b.length)
  if (separators[0]!.length === 0) throw new RangeError('a separator must have at least one byte')
  return separators
}

/**
 * A search that goes on where it stopped, unless bytes were put in front meanwhile: each call looks at the bytes it has
 * not seen, and takes all up to the end of the separator that ends first. Throws {@link LimitOverrunError}, taking nothing, if what is before it is longer
 * than `limit`, or can only become so.
 */
export function separatorSearch(
  separators: readonly Uint8Array[],
  limit: number,
): (queue: ByteQueue) => Uint8Array | undefined {
  const shortest = separators[0]!.length
  const longest = separators.at(-1)!.length
  let seen = 0
  let revision = -1
  return (queue) => {
    if (queue.revision !== revision) seen = 0
    revision = queue.revision
    if (queue.length - seen < shortest) return undefined
    let start = -1
    let end = Infinity
    for (const separator of separators) {
      const index = queue.indexOf(separator, seen)
      if (index === -1 || index + separator.length >= end) continue
      start = index
      end = index + separator.length
    }
    if (start > limit) {
      throw overrun(`the separator was found after ${start} bytes`, queue, start, limit)
    }
    if (start !== -1) return queue.take(end)
    seen = Math.max(0, queue.length + 1 - longest)
    if (seen > limit) throw overrun(`no separator in ${seen} bytes`, queue, seen, limit)
    return undefined
  }
}

/**
 * Like {@link separatorSearch} with a predicate in place of the separators: takes all up to and including the first
 * byte that it holds for.
 */
export function byteSearch(
  predicate: (byte: number) => boolean,
  limit: number,
): (queue: ByteQueue) => Uint8Array | undefined {
  let seen = 0
  let revision = -1
  return (queue) => {
    if (queue.revision !== revision) seen = 0
    revision = queue.revision
    for (const end = Math.min(queue.length, limit + 1); seen < end; seen++) {
      if (predicate(queue.at(seen))) return queue.take(seen + 1)
    }
    if (seen > limit) throw overrun(`no byte that ends it in ${seen} bytes`, queue, seen, limit)
    return undefined
  }
}

function overrun(what: string, queue: ByteQueue, consumed: number, limit: number): LimitOverrunError {
  const hint = queue.length < 3 ? '' : tlsHint(queue.at(0), queue.at(1), queue.at(2))
  return new LimitOverrunError(`${what}, over the limit of ${limit}${hint}`, consumed, limit)
}
