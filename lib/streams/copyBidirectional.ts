import { ConnectionLostError } from '../errors.ts'
import { peerOf } from '../transport.ts'
import { handled, mayBeCancelled, UNCANCELLED, Waiter, type WaitOptions } from '../wait.ts'
import { endWriting, READ_SIZE, type StreamPair } from './interop/halves.ts'
import type { AnyReader } from './streamClasses.ts'
import type { StreamWriter } from './streamWriter.ts'

/** A connection's two halves, in either form. */
export type Halves = StreamPair | readonly [reader: AnyReader, writer: StreamWriter]

/**
 * Copies what each of two connections receives to the other, until both have ended; resolves with the numbers of bytes.
 * A proxy is this and two connections.
 *
 * The end of one direction is passed on, and the other goes on; where there is no half-close it ends both. Whoever reads
 * slowly slows down who writes: a direction holds what its reader and its writer may have by their marks, and a chunk.
 * The bytes are not copied in memory. When both directions have ended and all is sent, both connections are closed.
 *
 * If one connection is lost, or closed by somebody else, both are aborted with a reset, so that neither peer takes what
 * it got for the whole, and it rejects with the reason. If `signal` aborts, both stay open and no byte is lost: what was
 * read is written, and the rest can be read. Nothing else may read meanwhile. (tokio: `copy_bidirectional`.)
 */
export function copyBidirectional(a: Halves, b: Halves, options?: WaitOptions): Promise<[aToB: number, bToA: number]> {
  const [left, right] = [toSide(a), toSide(b)]
  const stop = mayBeCancelled(options) ? new AbortController() : undefined
  const counts: [number, number] = [0, 0]
  const operation = (): string =>
    `copyBidirectional between ${peerOf(left.writer.transport)} and ${peerOf(right.writer.transport)} ` +
    `(${counts.join(' and ')} bytes)`
  const waiter = new Waiter<[number, number]>(options, operation, () => stop!.abort())
  if (waiter.settled) return waiter.promise
  // The one wait above is what is cancelled.
  const waits = stop && { signal: stop.signal, scope: UNCANCELLED }
  const copied = Promise.all([
    copy(left, right, (n) => (counts[0] += n), waits),
    copy(right, left, (n) => (counts[1] += n), waits),
  ])
  copied.then(
    () => {
      for (const { writer } of [left, right]) writer.close()
      waiter.resolve(counts)
    },
    (error: unknown) => {
      if (waiter.settled) return
      for (const { writer } of [left, right]) writer.transport.abort({ reset: true })
      waiter.reject(error)
    },
  )
  return handled(waiter.promise)
}

/** One of the two connections. */
interface Side extends StreamPair {
  /** It was closed, to pass on an end that could not be passed on otherwise. */
  closed: boolean
}

async function copy(from: Side, to: Side, count: (n: number) => void, waits: WaitOptions | undefined): Promise<void> {
  const [{ reader }, { writer }] = [from, to]
  for (;;) {
    const chunk = await reader.read(READ_SIZE, waits) // oxlint-disable-line no-await-in-loop -- one after the other
    if (chunk.length === 0) break
    writer.write(chunk)
    count(chunk.length)
    if (writer.needsDrain) await writer.drain(waits) // oxlint-disable-line no-await-in-loop
  }
  // A connection that was closed on our side has no more to read either, which is no end of its peer's.
  if (from.writer.isClosing() && !from.closed) {
    const peer = peerOf(from.writer.transport)
    throw new ConnectionLostError(`the connection with ${peer} was closed while it was copied`, peer)
  }
  to.closed = !writer.canWriteEof()
  await endWriting(writer, waits)
}

function toSide(halves: Halves): Side {
  const [reader, writer] = 'reader' in halves ? [halves.reader, halves.writer] : halves
  return { reader, writer, closed: false }
}
