/** `toWeb`: the streams of the Web over a reader and a writer, for `fetch`, `pipeTo` and all that takes them. */
import { ReadableStream, WritableStream, type ReadableByteStreamController } from 'node:stream/web'
import { ConnectionLostError } from '../../errors.ts'
import { peerOf } from '../../transport.ts'
import type { AnyReader } from '../streamClasses.ts'
import type { StreamWriter } from '../streamWriter.ts'
import { endWriting, isWriter, READ_SIZE, send, WAITS, type StreamPair } from './halves.ts'

/**
 * The pair of a reader and its writer (`openConnection` gives both as one argument), a ReadableStream of a reader, or
 * a WritableStream of a writer. While the streams are in use, leave the reader and the writer alone.
 *
 * The ReadableStream is one of bytes: a BYOB reader has its memory filled without a further copy. Nothing is taken from
 * the reader before it is asked for, so that cancelling loses nothing. The WritableStream takes bytes, and strings as
 * UTF-8; its `ready` follows `drain()`. A connection that is lost is an error of both.
 *
 * `close()` becomes `writeEof()`, or the connection's `close()` where there is no half-close, and waits until all is sent; `abort()` aborts the
 * connection with a reset. Cancelling the ReadableStream ends a read that waits. The streams of a pair close the
 * connection once the one is closed and the other has ended or is cancelled; those of one half never do.
 */
export function toWeb(streams: StreamPair): WebStreams
export function toWeb(reader: AnyReader, writer: StreamWriter): WebStreams
export function toWeb(reader: AnyReader): ReadableStream<Uint8Array>
export function toWeb(writer: StreamWriter): WritableStream<Uint8Array | string>
export function toWeb(first: StreamPair | AnyReader | StreamWriter, second?: StreamWriter): unknown {
  if ('reader' in first) return pairOf(first.reader, first.writer)
  const nothing = async (): Promise<void> => {}
  if (isWriter(first)) return writableOf(first, nothing)
  return second === undefined ? readableOf(first, nothing) : pairOf(first, second)
}

/** What {@link toWeb} makes of a connection. */
export interface WebStreams {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array | string>
}

function pairOf(reader: AnyReader, writer: StreamWriter): WebStreams {
  let open = 2
  const halfDone = async (): Promise<void> => {
    if (--open > 0) return
    writer.close()
    await writer.waitClosed(WAITS)
  }
  return { readable: readableOf(reader, halfDone), writable: writableOf(writer, halfDone) }
}

function readableOf(reader: AnyReader, done: () => Promise<void>): ReadableStream<Uint8Array> {
  const cancelled = new AbortController()
  const options = { ...WAITS, signal: cancelled.signal }
  return new ReadableStream(
    {
      type: 'bytes',
      async pull(controller: ReadableByteStreamController) {
        const view = controller.byobRequest?.view as Uint8Array | null | undefined
        const chunk = await reader.read(view?.byteLength ?? READ_SIZE, options)
        // Cancelled in the very turn in which the bytes came.
        if (cancelled.signal.aborted) return reader.unread(chunk)
        const request = controller.byobRequest
        if (chunk.length === 0) {
          controller.close()
          request?.respond(0)
          // The stream has ended for who reads it, whatever becomes of the rest.
          done().catch(() => {})
        } else if (view === null || view === undefined) {
          // A copy: what is enqueued is detached, and a chunk may be a part of what others still read from.
          controller.enqueue(new Uint8Array(chunk))
        } else {
          new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(chunk)
          request!.respond(chunk.length)
        }
      },
      cancel() {
        cancelled.abort()
        return done()
      },
    },
    { highWaterMark: 0 },
  )
}

function writableOf(writer: StreamWriter, done: () => Promise<void>): WritableStream<Uint8Array | string> {
  return new WritableStream<Uint8Array | string>({
    start(controller) {
      const peer = peerOf(writer.transport)
      // A sink's own `abort` is only called when the write that is under way has ended, which may be never.
      const { signal } = controller as typeof controller & { readonly signal: AbortSignal }
      signal.addEventListener('abort', () => writer.transport.abort({ reset: true }))
      writer.waitClosed(WAITS).then(
        () => controller.error(new ConnectionLostError(`the connection with ${peer} is closed`, peer)),
        (error: unknown) => controller.error(error),
      )
    },
    write: (chunk) => send(writer, chunk),
    async close() {
      await endWriting(writer, WAITS)
      await done()
    },
  })
}
