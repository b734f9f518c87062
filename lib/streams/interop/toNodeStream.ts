/** `toNodeStream`: Node's streams over a reader and a writer, for `pipeline` and all that takes a stream. */
import { Duplex, Readable, Writable } from 'node:stream'
import { handled } from '../../wait.ts'
import type { AnyReader } from '../streamClasses.ts'
import type { StreamWriter } from '../streamWriter.ts'
import { endWriting, isWriter, READ_SIZE, send, toError, WAITS, type StreamPair } from './halves.ts'

/**
 * A Duplex of a reader and its writer (`openConnection` gives both as one argument), a Readable of a reader, or a
 * Writable of a writer. While the stream is in use, leave the reader and the writer alone.
 *
 * Nothing is taken from the reader before it is asked for: bytes that were not read are still the reader's when the
 * stream is given up. Writing is held back as by `drain()`. A connection that is lost destroys the stream with the
 * reason.
 *
 * `end()` becomes `writeEof()`, or `close()` where there is no half-close, and `'finish'` comes when all is sent. A Duplex that has ended on both sides, or is
 * destroyed after its end(), closes the connection, and its `'close'` waits for that; one destroyed earlier aborts it,
 * with a reset if it is destroyed with an error. A Writable that is destroyed does the same. A Readable that is
 * destroyed leaves the connection as it is.
 */
export function toNodeStream(streams: StreamPair): Duplex
export function toNodeStream(reader: AnyReader, writer: StreamWriter): Duplex
export function toNodeStream(reader: AnyReader): Readable
export function toNodeStream(writer: StreamWriter): Writable
export function toNodeStream(
  first: StreamPair | AnyReader | StreamWriter,
  writer?: StreamWriter,
): Duplex | Readable | Writable {
  if ('reader' in first) return duplexOf(first.reader, first.writer)
  if (isWriter(first)) return writableOf(first)
  return writer === undefined ? readableOf(first) : duplexOf(first, writer)
}

type Callback = (error?: Error | null) => void

function readableOf(reader: AnyReader): Readable {
  const side = new ReadSide(reader)
  return new Readable({
    highWaterMark: 0,
    read() {
      side.pull(this)
    },
    destroy(error, callback) {
      side.cancel()
      callback(error)
    },
  })
}

function writableOf(writer: StreamWriter): Writable {
  const writable: Writable = new Writable({
    ...writeSide(writer),
    destroy(error, callback) {
      if (!writable.writableFinished) writer.transport.abort({ reset: error !== null })
      callback(error)
    },
  })
  whenLost(writer, writable, () => writable.destroy())
  return writable
}

function duplexOf(reader: AnyReader, writer: StreamWriter): Duplex {
  const side = new ReadSide(reader)
  const duplex: Duplex = new Duplex({
    readableHighWaterMark: 0,
    read() {
      side.pull(this)
    },
    ...writeSide(writer),
    destroy(error, callback) {
      side.cancel()
      if (error === null && duplex.writableFinished) {
        writer.close()
        settle(writer.waitClosed(WAITS), callback)
      } else {
        writer.transport.abort({ reset: error !== null })
        callback(error)
      }
    },
  })
  // After a clean end there may still be bytes to be read.
  whenLost(writer, duplex, () => {})
  return duplex
}

class ReadSide {
  readonly #reader: AnyReader
  readonly #cancelled = new AbortController()

  constructor(reader: AnyReader) {
    this.#reader = reader
  }

  pull(stream: Readable): void {
    this.#reader.read(READ_SIZE, { ...WAITS, signal: this.#cancelled.signal }).then(
      (chunk) => {
        // Given up in the very turn in which the bytes came.
        if (stream.destroyed) this.#reader.unread(chunk)
        else stream.push(chunk.length > 0 ? chunk : null)
      },
      (error: unknown) => stream.destroy(toError(error)),
    )
  }

  /** Ends a read that waits; it has taken nothing. */
  cancel(): void {
    this.#cancelled.abort()
  }
}

function writeSide(writer: StreamWriter) {
  return {
    write: (chunk: Buffer, _encoding: string, callback: Callback): void => settle(send(writer, chunk), callback),
    final: (callback: Callback): void => settle(endWriting(writer, WAITS), callback),
  }
}

function whenLost(writer: StreamWriter, stream: Writable, closed: () => void): void {
  void handled(writer.waitClosed(WAITS).then(closed, (error: unknown) => void stream.destroy(toError(error))))
}

/** Outside of the promise: what the callback throws is not to become a rejection. */
function settle(promise: Promise<void>, callback: Callback): void {
  promise.then(
    () => process.nextTick(callback),
    (error: unknown) => process.nextTick(callback, toError(error)),
  )
}
