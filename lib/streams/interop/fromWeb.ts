/** `fromWeb`: a reader and a writer of your classes over the streams of the Web. */
import { Duplex, Readable, Writable } from 'node:stream'
import type {
  ReadableStream,
  ReadableStreamDefaultReader,
  WritableStream,
  WritableStreamDefaultWriter,
} from 'node:stream/web'
import { toBytes } from '../../bytes/allocate.ts'
import type { AnyReader, Streams } from '../streamClasses.ts'
import type { StreamReader } from '../streamReader.ts'
import type { StreamWriter } from '../streamWriter.ts'
import { fromNodeStream, type FromStreamOptions } from './fromNodeStream.ts'
import { toError } from './halves.ts'

/** A connection of the Web's kind: that of WebTransport, `WebSocketStream`, Deno and of every TransformStream. */
export interface WebPair {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
}

/**
 * A reader and a writer over a pair, the reader of a ReadableStream, or the writer of a WritableStream, whose chunks
 * are bytes. Both are locked from now on, and let go of when they have ended, are closed, or have failed.
 *
 * Chunks are pulled as long as the reader's limit lets them in. `writeEof()` closes the WritableStream, `close()` closes
 * it after what is written and cancels the ReadableStream, and `abort()` aborts the one and cancels the other. An error
 * of either is a `ConnectionLostError` with the reason as its `cause`. A reader alone is let go of at its end.
 *
 * Throws a TypeError, as the streams do, if one is locked already.
 */
export function fromWeb<R extends AnyReader = StreamReader, W extends StreamWriter = StreamWriter>(
  pair: WebPair,
  options?: FromStreamOptions<R, W>,
): Streams<R, W>
export function fromWeb<R extends AnyReader = StreamReader>(
  readable: ReadableStream<Uint8Array>,
  options?: FromStreamOptions<R, StreamWriter>,
): R
export function fromWeb<W extends StreamWriter = StreamWriter>(
  writable: WritableStream<Uint8Array>,
  options?: FromStreamOptions<StreamReader, W>,
): W
export function fromWeb<R extends AnyReader, W extends StreamWriter>(
  source: WebPair | ReadableStream<Uint8Array> | WritableStream<Uint8Array>,
  options: FromStreamOptions<R, W> = {},
): Streams<R, W> | R | W {
  if ('readable' in source) return fromNodeStream(duplexOf(source), options)
  if ('getReader' in source)
    return fromNodeStream(readableOf(source), options as unknown as FromStreamOptions<R, StreamWriter>)
  return fromNodeStream(writableOf(source), options as unknown as FromStreamOptions<StreamReader, W>)
}

function readableOf(source: ReadableStream<Uint8Array>): Readable {
  const side = new ReadSide(source)
  return new Readable({
    highWaterMark: 0,
    read() {
      side.pull(this)
    },
    destroy(error, callback) {
      side.release(error)
      callback(error)
    },
  })
}

function writableOf(sink: WritableStream<Uint8Array>): Writable {
  const side = new WriteSide(sink)
  const writable = new Writable({
    write: (chunk: Uint8Array, _encoding, callback) => side.write(chunk, callback),
    final: (callback) => side.close(callback),
    destroy(error, callback) {
      side.release(error)
      callback(error)
    },
  })
  side.watch(writable)
  return writable
}

function duplexOf({ readable, writable }: WebPair): Duplex {
  if (writable.locked) throw new TypeError('the WritableStream is locked')
  const reading = new ReadSide(readable)
  const writing = new WriteSide(writable)
  const duplex = new Duplex({
    readableHighWaterMark: 0,
    read() {
      reading.pull(this)
    },
    write: (chunk: Uint8Array, _encoding, callback) => writing.write(chunk, callback),
    final: (callback) => writing.close(callback),
    destroy(error, callback) {
      reading.release(error)
      writing.release(error)
      callback(error)
    },
  })
  writing.watch(duplex)
  return duplex
}

class ReadSide {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  #ended = false

  constructor(source: ReadableStream<Uint8Array>) {
    this.#reader = source.getReader()
  }

  pull(stream: Readable): void {
    this.#next().then(
      (chunk) => stream.push(chunk),
      (error: unknown) => stream.destroy(toError(error)),
    )
  }

  release(reason: Error | null): void {
    if (this.#ended) return
    quiet(this.#reader.cancel(reason ?? undefined))
    this.#reader.releaseLock()
  }

  /** `null` at the end. An empty chunk would be none to Node. */
  async #next(): Promise<Uint8Array | null> {
    for (;;) {
      const { done, value } = await this.#reader.read()
      if (done) {
        this.#ended = true
        this.#reader.releaseLock()
        return null
      }
      const bytes = toBytes(value)
      if (bytes.length > 0) return bytes
    }
  }
}

class WriteSide {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>
  #closed = false

  constructor(sink: WritableStream<Uint8Array>) {
    this.#writer = sink.getWriter()
  }

  // A copy: the chunk is the sink's to keep, or even to detach, but not the block it lies in.
  write(chunk: Uint8Array, callback: (error?: Error) => void): void {
    settle(this.#writer.write(new Uint8Array(chunk)), callback)
  }

  close(callback: (error?: Error) => void): void {
    this.#closed = true
    settle(this.#writer.close(), callback)
  }

  /** Tells `stream` of a sink that fails while nothing is written. */
  watch(stream: Writable): void {
    this.#writer.closed.catch((error: unknown) => stream.destroy(toError(error)))
  }

  release(reason: Error | null): void {
    if (!this.#closed || reason !== null) quiet(this.#writer.abort(reason ?? undefined))
    this.#writer.releaseLock()
  }
}

function quiet(promise: Promise<unknown>): void {
  promise.catch(() => {})
}

function settle(promise: Promise<void>, callback: (error?: Error) => void): void {
  promise.then(
    () => process.nextTick(callback),
    (error: unknown) => process.nextTick(callback, toError(error)),
  )
}
