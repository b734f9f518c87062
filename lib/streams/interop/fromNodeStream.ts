/** `fromNodeStream`: a reader and a writer of your classes over any stream of Node's. */
import { Duplex, type Readable, type Writable } from 'node:stream'
import { connectDuplex, type DuplexOptions } from '../../endpoints/connectDuplex.ts'
import { JoinedDuplex } from '../../transports/joinedDuplex.ts'
import type { Transport } from '../../transport.ts'
import { streamFactories, toStreams, type AnyReader, type StreamClasses, type Streams } from '../streamClasses.ts'
import type { StreamReader } from '../streamReader.ts'
import type { StreamReaderProtocol } from '../streamReaderProtocol.ts'
import type { StreamWriter } from '../streamWriter.ts'

/** The classes to plug in, as for `openConnection`, and what is to be known of the connection. */
export interface FromStreamOptions<R extends AnyReader, W extends StreamWriter>
  extends StreamClasses<R, W>, DuplexOptions {}

/**
 * A reader and a writer over a stream: both for a Duplex, the reader for a Readable, the writer for a Writable. The
 * stream belongs to them from now on. See {@link connectDuplex} for what the stream's end and errors become.
 *
 * A reader alone leaves the stream paused while nobody reads beyond its limit, and destroys it after its end; to be
 * rid of it earlier, destroy the stream: the reader then rejects with a ConnectionLostError. A writer alone ends the
 * stream with `close()` or `writeEof()` and destroys it with `transport.abort()`.
 *
 * Throws a TypeError for a stream that is destroyed or decodes text, or for what is no stream.
 */
export function fromNodeStream<R extends AnyReader = StreamReader, W extends StreamWriter = StreamWriter>(
  stream: Duplex,
  options?: FromStreamOptions<R, W>,
): Streams<R, W>
export function fromNodeStream<R extends AnyReader = StreamReader>(
  stream: Readable,
  options?: FromStreamOptions<R, StreamWriter>,
): R
export function fromNodeStream<W extends StreamWriter = StreamWriter>(
  stream: Writable,
  options?: FromStreamOptions<StreamReader, W>,
): W
export function fromNodeStream<R extends AnyReader, W extends StreamWriter>(
  stream: Duplex | Readable | Writable,
  options: FromStreamOptions<R, W> = {},
): Streams<R, W> | R | W {
  const readable = typeof (stream as Partial<Readable>).read === 'function'
  const writable = typeof (stream as Partial<Writable>).write === 'function'
  if (!readable && !writable) throw new TypeError('a Duplex, a Readable or a Writable is needed')
  if (stream.destroyed) throw new TypeError('the stream is destroyed')
  if (!writable) return connect(new JoinedDuplex(stream as Readable), options).reader
  const duplex = readable ? (stream as Duplex) : neverReading(stream as Writable)
  const { reader, protocol, transport } = connect(duplex, options)
  let writer: W
  try {
    writer = protocol.createWriter(transport, reader)
  } catch (error) {
    transport.abort()
    throw error
  }
  return readable ? toStreams(reader, writer) : writer
}

function connect<R extends AnyReader, W extends StreamWriter>(
  duplex: Duplex,
  classes: FromStreamOptions<R, W>,
): { reader: R; protocol: StreamReaderProtocol<R, W>; transport: Transport } {
  const { makeReader, makeProtocol, options } = streamFactories(classes)
  const reader = makeReader()
  const [transport, protocol] = connectDuplex(() => makeProtocol(reader, undefined, options), duplex, classes)
  return { reader, protocol, transport }
}

/** A Duplex of a Writable, whose reading side never ends: only the writer says when the connection does. */
function neverReading(writable: Writable): Duplex {
  const duplex = new Duplex({
    read() {},
    write: (chunk, encoding, callback) => void writable.write(chunk, encoding, callback),
    final: (callback) => void writable.end(callback),
    destroy(error, callback) {
      writable.destroy(error ?? undefined)
      callback(error)
    },
  })
  writable.on('error', (error) => duplex.destroy(error))
  writable.on('close', () => {
    if (!writable.writableFinished) duplex.destroy()
  })
  return duplex
}
