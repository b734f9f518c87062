/** `openConnection` and `startServer`: connections with a reader and a writer of your choice. */
import {
  createConnection,
  createUnixConnection,
  type TcpConnectOptions,
  type UnixConnectOptions,
} from '../endpoints/connect.ts'
import { listenTcp, listenUnix, type TcpListenOptions, type UnixListenOptions } from '../endpoints/listen.ts'
import type { ServerFactory } from '../endpoints/listenOn.ts'
import type { Server } from '../endpoints/server.ts'
import type { Transport } from '../transport.ts'
import { bound, handled, rejected } from '../wait.ts'
import { streamFactories, toStreams, type AnyReader, type StreamClasses, type Streams } from './streamClasses.ts'
import type { StreamReader } from './streamReader.ts'
import type { ClientConnectedCallback, StreamReaderProtocol } from './streamReaderProtocol.ts'
import { StreamServer } from './streamServer.ts'
import type { StreamWriter } from './streamWriter.ts'

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
 * Without a callback, connections are taken one by one from the server: `for await (const [reader, writer] of server)`;
 * see {@link StreamServer}.
 *
 * Otherwise like {@link createServer}. (asyncio: `start_server`.)
 */
export function startServer<R extends AnyReader = StreamReader, W extends StreamWriter = StreamWriter>(
  clientConnectedCb: ClientConnectedCallback<R, W>,
  options: TcpListenOptions & StreamClasses<R, W>,
): Promise<Server>
export function startServer<R extends AnyReader = StreamReader, W extends StreamWriter = StreamWriter>(
  options: TcpListenOptions & StreamClasses<R, W>,
): Promise<StreamServer<R, W>>
export function startServer<R extends AnyReader, W extends StreamWriter>(
  ...args: ServerArguments<R, W, TcpListenOptions>
): Promise<StreamServer<R, W>> {
  return serve(listenTcp, args)
}

/** Listens on a Unix socket; otherwise like {@link startServer}. (asyncio: `start_unix_server`.) */
export function startUnixServer<R extends AnyReader = StreamReader, W extends StreamWriter = StreamWriter>(
  clientConnectedCb: ClientConnectedCallback<R, W>,
  options: UnixListenOptions & StreamClasses<R, W>,
): Promise<Server>
export function startUnixServer<R extends AnyReader = StreamReader, W extends StreamWriter = StreamWriter>(
  options: UnixListenOptions & StreamClasses<R, W>,
): Promise<StreamServer<R, W>>
export function startUnixServer<R extends AnyReader, W extends StreamWriter>(
  ...args: ServerArguments<R, W, UnixListenOptions>
): Promise<StreamServer<R, W>> {
  return serve(listenUnix, args)
}

/** With a callback or without one. */
export type ServerArguments<R extends AnyReader, W extends StreamWriter, O> =
  | [clientConnectedCb: ClientConnectedCallback<R, W>, options: O & StreamClasses<R, W>]
  | [options: O & StreamClasses<R, W>]

/** The streams of whatever `connect` connects. */
export async function open<R extends AnyReader, W extends StreamWriter>(
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

/** {@link startServer} on whatever `listen` listens on. */
export function serve<R extends AnyReader, W extends StreamWriter, O extends object>(
  listen: (makeServer: ServerFactory<StreamServer<R, W>>, options: O) => Promise<StreamServer<R, W>>,
  args: ServerArguments<R, W, O>,
): Promise<StreamServer<R, W>> {
  const [clientConnectedCb, options] = args.length === 1 ? [undefined, args[0]] : args
  if (args.length > 1 && typeof clientConnectedCb !== 'function') {
    return rejected(new TypeError('clientConnectedCb must be a function'))
  }
  const handler = clientConnectedCb && bound(clientConnectedCb)
  return listen((listeners) => new StreamServer(listeners, options, handler), options)
}
