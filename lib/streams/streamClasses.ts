/** The classes that a connection's streams are made of: what can be plugged in, and how it is put together. */
import { toFactory } from '../protocol.ts'
import { StreamReader, type StreamReaderOptions } from './streamReader.ts'
import {
  StreamReaderProtocol,
  type ClientConnectedCallback,
  type StreamReaderProtocolOptions,
  type WriterFactory,
} from './streamReaderProtocol.ts'
import type { StreamWriter } from './streamWriter.ts'

/** Any reader, whatever it iterates over. */
export type AnyReader = StreamReader<any> // oxlint-disable-line typescript/no-explicit-any

/** How the reader is made: a class like `StreamReader`, or a function with the same argument. */
export type ReaderFactory<R extends AnyReader> =
  (new (options: StreamReaderOptions) => R) | ((options: StreamReaderOptions) => R)

/** How the protocol is made: a subclass of `StreamReaderProtocol`, or a function with the same arguments. */
export type StreamProtocolFactory<R extends AnyReader, W extends StreamWriter> =
  | (new (
      reader: R,
      clientConnectedCb: ClientConnectedCallback<R, W> | undefined,
      options: StreamReaderProtocolOptions<W>,
    ) => StreamReaderProtocol<R, W>)
  | ((
      reader: R,
      clientConnectedCb: ClientConnectedCallback<R, W> | undefined,
      options: StreamReaderProtocolOptions<W>,
    ) => StreamReaderProtocol<R, W>)

/** The classes to plug in. What the handler gets has their types, with no annotation. */
export interface StreamClasses<R extends AnyReader, W extends StreamWriter> extends StreamReaderOptions {
  reader?: ReaderFactory<R> | undefined
  writer?: WriterFactory<W> | undefined
  protocol?: StreamProtocolFactory<R, W> | undefined
}

/** A connection's two halves: `const [reader, writer] = …` or `const { reader, writer } = …`. */
export type Streams<R, W> = [reader: R, writer: W] & { readonly reader: R; readonly writer: W }

/** The two halves in both their forms. */
export function toStreams<R, W>(reader: R, writer: W): Streams<R, W> {
  return Object.assign([reader, writer] as [R, W], { reader, writer })
}

/** What makes the parts of one connection. */
export function streamFactories<R extends AnyReader, W extends StreamWriter>(classes: StreamClasses<R, W>) {
  const { limit } = classes
  const reader = toFactory<[StreamReaderOptions], R>(classes.reader ?? (StreamReader as unknown as ReaderFactory<R>))
  const options: StreamReaderProtocolOptions<W> = {
    makeWriter: classes.writer && toFactory(classes.writer),
  }
  return {
    makeReader: () => reader({ limit }),
    makeProtocol: toFactory(classes.protocol ?? (StreamReaderProtocol as unknown as StreamProtocolFactory<R, W>)),
    options,
  }
}
