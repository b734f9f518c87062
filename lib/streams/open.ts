/** `openConnection` and `startServer`: connections with a reader and a writer of your choice. */
import {
  createConnection,
  createUnixConnection,
  type TcpConnectOptions,
  type UnixConnectOptions,
} from '../endpoints/connect.ts'
import {
  createServer,
  createUnixServer,
  type ListenOptions,
  type TcpListenOptions,
  type UnixListenOptions,
} from '../endpoints/listen.ts'
import type { Server } from '../endpoints/server.ts'
import { toFactory } from '../protocol.ts'
import { reportTo } from '../transports/transportOwner.ts'
import type { Transport } from '../transport.ts'
import { handled, rejected } from '../wait.ts'
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

/**
 * Connects over TCP; resolves with the reader and the writer. Otherwise like {@link createConnection}.
 * (asyncio: `open_connection`.)
 */
export function openConnection<R extends AnyReader = StreamReader, W extends StreamWriter = StreamWriter>(
  options: TcpConnectOptions & StreamClasses<R, W>,
): Promise<Streams<R, W>> {
  return handled(open((factory) => createConnection(factory, options), options))
}

/** Connects to a Unix socket; otherwise like {@link openConnection}. (asyncio: `open_unix_connection`.) */
export function openUnixConnection<R extends AnyReader = StreamReader, W extends StreamWriter = StreamWriter>(
  options: UnixConnectOptions & StreamClasses<R, W>,
): Promise<Streams<R, W>> {
  return handled(open((factory) => createUnixConnection(factory, options), options))
}

/**
 * Listens over TCP and calls `clientConnectedCb(reader, writer)` for each connection. If it throws or rejects, the
 * error goes to `onConnectionError` and the connection is closed (aborted after a {@link TimeoutError}: its peer would
 * not take what is left); the server goes on. A cancellation (code
 * `ABORT_ERR` or name `AbortError`) closes the connection and is no error. Returning closes nothing: call `writer.close()`.
 *
 * Otherwise like {@link createServer}. (asyncio: `start_server`.)
 */
export function startServer<R extends AnyReader = StreamReader, W extends StreamWriter = StreamWriter>(
  clientConnectedCb: ClientConnectedCallback<R, W>,
  options: TcpListenOptions & StreamClasses<R, W>,
): Promise<Server> {
  return serve((factory) => createServer(factory, options), clientConnectedCb, options)
}

/** Listens on a Unix socket; otherwise like {@link startServer}. (asyncio: `start_unix_server`.) */
export function startUnixServer<R extends AnyReader = StreamReader, W extends StreamWriter = StreamWriter>(
  clientConnectedCb: ClientConnectedCallback<R, W>,
  options: UnixListenOptions & StreamClasses<R, W>,
): Promise<Server> {
  return serve((factory) => createUnixServer(factory, options), clientConnectedCb, options)
}

/** The two halves in both their forms. */
export function toStreams<R, W>(reader: R, writer: W): Streams<R, W> {
  return Object.assign([reader, writer] as [R, W], { reader, writer })
}

async function open<R extends AnyReader, W extends StreamWriter>(
  connect: (factory: () => StreamReaderProtocol<R, W>) => Promise<[Transport, StreamReaderProtocol<R, W>]>,
  classes: StreamClasses<R, W>,
): Promise<Streams<R, W>> {
  const { makeReader, makeProtocol, options } = streamFactories(classes)
  const reader = makeReader()
  const [transport, protocol] = await connect(() => makeProtocol(reader, undefined, options))
  try {
    const writer = protocol.createWriter(transport, reader)
    return toStreams(reader, writer)
  } catch (error) {
    transport.abort()
    throw error
  }
}

function serve<R extends AnyReader, W extends StreamWriter>(
  listen: (factory: () => StreamReaderProtocol<R, W>) => Promise<Server>,
  clientConnectedCb: ClientConnectedCallback<R, W>,
  options: ListenOptions & StreamClasses<R, W>,
): Promise<Server> {
  if (typeof clientConnectedCb !== 'function') return rejected(new TypeError('clientConnectedCb must be a function'))
  const { makeReader, makeProtocol, options: protocolOptions } = streamFactories(options)
  protocolOptions.report = (error, transport) => reportTo(options.onConnectionError, error, transport)
  return listen(() => makeProtocol(makeReader(), clientConnectedCb, protocolOptions))
}

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
