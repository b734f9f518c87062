/** Message streams over sockets: framed ones, dialled and accepted, and datagrams. */
import {
  createConnection,
  createUnixConnection,
  type TcpConnectOptions,
  type UnixConnectOptions,
} from '../endpoints/connect.ts'
import { createDatagramEndpoint, type DatagramOptions } from '../endpoints/createDatagramEndpoint.ts'
import { listenTcp, listenUnix, type TcpListenOptions, type UnixListenOptions } from '../endpoints/listen.ts'
import type { Codec, Source } from '../framing/codec.ts'
import { toFactory, type AnyProtocol } from '../protocol.ts'
import { HandlerServer } from '../streams/handlerServer.ts'
import type { DatagramAddress, Transport } from '../transport.ts'
import { bound, handled, rejected } from '../wait.ts'
import { addressed, DatagramMessages, dataOnly, type Datagram, type DatagramShape } from './datagramMessages.ts'
import { FramedMessages, FramedMessageTransport } from './framedMessages.ts'
import { MessageStream, type MessageStreamOptions } from './messageStream.ts'
import {
  MessageStreamProtocol,
  type AnyMessageStream,
  type MessageStreamClass,
  type MessageStreamFactory,
} from './messageStreamProtocol.ts'

/**
 * Connects over TCP, or to a Unix socket if there is a `path`, and speaks the codec's messages. Otherwise like
 * `createConnection`.
 *
 * Bytes that cannot be a message reject the reads behind them; the connection stays open for an answer. Messages that the
 * codec discards, as its options tell it to, are `events`.
 */
export function openMessageStream<In, Out = In, S extends AnyMessageStream = MessageStream<In, Out>>(
  codec: Source<Codec<In, Out>>,
  options: (TcpConnectOptions | UnixConnectOptions) & MessageStreamClass<S>,
): Promise<S> {
  let protocol: MessageStreamProtocol<In, Out>
  try {
    protocol = new MessageStreamProtocol<In, Out>(streamFactory<In, Out, S>(options)())
  } catch (error) {
    return rejected(error)
  }
  const factory = (): AnyProtocol => new FramedMessages(codec, protocol)
  const connecting = 'path' in options ? createUnixConnection(factory, options) : createConnection(factory, options)
  return handled(connecting.then(() => protocol.stream as unknown as S))
}

/**
 * Listens over TCP, or on a Unix socket if there is a `path`, and calls `handler(stream)` for each connection. What a
 * handler's failure means is said at `startServer`; otherwise like `createServer`.
 *
 * Without a handler, streams are taken one by one from the server: `for await (const stream of server)`.
 */
export function startMessageServer<In, Out = In, S extends AnyMessageStream = MessageStream<In, Out>>(
  handler: (stream: S) => unknown,
  codec: Source<Codec<In, Out>>,
  options: (TcpListenOptions | UnixListenOptions) & MessageStreamClass<S>,
): Promise<HandlerServer<S>>
export function startMessageServer<In, Out = In, S extends AnyMessageStream = MessageStream<In, Out>>(
  codec: Source<Codec<In, Out>>,
  options: (TcpListenOptions | UnixListenOptions) & MessageStreamClass<S>,
): Promise<HandlerServer<S>>
export function startMessageServer<In, Out, S extends AnyMessageStream>(
  ...args:
    | [handler: (stream: S) => unknown, codec: Source<Codec<In, Out>>, options: ServerOptionsOf<S>]
    | [codec: Source<Codec<In, Out>>, options: ServerOptionsOf<S>]
): Promise<HandlerServer<S>> {
  const [handler, codec, options] = args.length === 3 ? args : [undefined, ...args]
  if (args.length === 3 && typeof handler !== 'function') return rejected(new TypeError('handler must be a function'))
  const served = handler && bound(handler)
  let makeStream: () => MessageStream<In, Out>
  try {
    makeStream = streamFactory<In, Out, S>(options)
    // What is wrong with the options is to be known now, and not by the first client.
    makeStream()
  } catch (error) {
    return rejected(error)
  }
  const makeServer = (listeners: ConstructorParameters<typeof HandlerServer>[0]): HandlerServer<S> =>
    new HandlerServer<S>(
      listeners,
      (offer, { report, ...serving }) => {
        const connected = (served ?? offer) as unknown as (stream: MessageStream<In, Out>) => unknown
        const below = (transport: unknown): Transport => (transport as FramedMessageTransport<In, Out>).below
        const all = { ...serving, report: (error: unknown, transport: unknown) => report?.(error, below(transport)) }
        return () => new FramedMessages(codec, new MessageStreamProtocol(makeStream(), connected, all))
      },
      options,
      handler !== undefined,
    )
  return 'path' in options ? listenUnix(makeServer, options) : listenTcp(makeServer, options)
}

type ServerOptionsOf<S extends AnyMessageStream> = (TcpListenOptions | UnixListenOptions) & MessageStreamClass<S>

/** Read limits of datagrams: what comes above is dropped until there is room. */
const DATAGRAM_HIGH = 256 * 1024

/**
 * Opens an endpoint for datagrams as a stream of messages. With `remoteAddr` a message is the bytes of a datagram, else
 * it is a {@link Datagram}: its bytes and its address. Otherwise like `createDatagramEndpoint`.
 *
 * What cannot be sent, or is refused later, is an event, and the stream stays open. A datagram counts for its bytes and 8
 * more. When the unread ones are above 256 KiB (`readBufferLimits`; `low` is `high` by default here) those that come are
 * dropped, and counted in `stream.dropped`, until there is room: nobody can hold the sender back, and the older ones are
 * nearer to being read.
 */
export function openDatagrams<S extends AnyMessageStream = MessageStream<Buffer, Uint8Array | string, Error>>(
  options: DatagramOptions & MessageStreamClass<S> & { remoteAddr: DatagramAddress },
): Promise<S>
export function openDatagrams<S extends AnyMessageStream = MessageStream<Datagram<Buffer>, Datagram, Error>>(
  options: DatagramOptions & MessageStreamClass<S> & { remoteAddr?: undefined },
): Promise<S>
export function openDatagrams<S extends AnyMessageStream>(
  options: DatagramOptions & MessageStreamClass<S>,
): Promise<S> {
  return options.remoteAddr === undefined ? openShaped(addressed, options) : openShaped(dataOnly, options)
}

function openShaped<In, Out, S extends AnyMessageStream>(
  shape: DatagramShape<In, Out>,
  options: DatagramOptions & MessageStreamClass<S>,
): Promise<S> {
  const { high, low } = options.readBufferLimits ?? {}
  const readBufferLimits = { high: high ?? low ?? DATAGRAM_HIGH, low: low ?? high ?? DATAGRAM_HIGH }
  let protocol: MessageStreamProtocol<In, Out>
  try {
    protocol = new MessageStreamProtocol<In, Out>(streamFactory<In, Out, S>({ ...options, readBufferLimits })())
  } catch (error) {
    return rejected(error)
  }
  const opening = createDatagramEndpoint(() => new DatagramMessages(shape, protocol), options)
  return handled(opening.then(() => protocol.stream as unknown as S))
}

/** What makes the stream of a connection, of the class that is plugged in. */
function streamFactory<In, Out, S extends AnyMessageStream>(
  options: MessageStreamClass<S>,
): () => MessageStream<In, Out> {
  const { readBufferLimits, writeBufferLimits, eventsBacklog } = options
  const make = toFactory<[MessageStreamOptions], S>(
    options.stream ?? (MessageStream as unknown as MessageStreamFactory<S>),
  )
  return () => make({ readBufferLimits, writeBufferLimits, eventsBacklog })
}
