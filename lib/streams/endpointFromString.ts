import {
  parseEndpoint,
  type EndpointConnectOptions,
  type EndpointListenOptions,
  type EndpointScheme,
} from '../endpoints/endpointScheme.ts'
import { Server } from '../endpoints/server.ts'
import { toFactory, type AnyProtocol, type ProtocolFactory } from '../protocol.ts'
import type { Transport } from '../transport.ts'
import { handled } from '../wait.ts'
import { open, serve, type ServerArguments } from './open.ts'
import type { AnyReader, StreamClasses, Streams } from './streamClasses.ts'
import type { StreamReader } from './streamReader.ts'
import type { ClientConnectedCallback } from './streamReaderProtocol.ts'
import type { StreamServer } from './streamServer.ts'
import type { StreamWriter } from './streamWriter.ts'

/** Where to connect to or to listen on, whatever it is: made by {@link endpointFromString}. */
export class Endpoint {
  readonly #text: string
  readonly #scheme: EndpointScheme

  constructor(text: string) {
    this.#text = text
    this.#scheme = parseEndpoint(text)
  }

  /** As {@link createConnection}. */
  createConnection<P extends AnyProtocol>(
    protocolFactory: ProtocolFactory<P>,
    options: EndpointConnectOptions = {},
  ): Promise<[transport: Transport, protocol: P]> {
    return handled(this.#scheme.connect(protocolFactory, options))
  }

  /** As {@link createServer}. */
  createServer(protocolFactory: ProtocolFactory, options: EndpointListenOptions = {}): Promise<Server> {
    const factory = toFactory<[], AnyProtocol>(protocolFactory)
    return handled(this.#scheme.listen((listeners) => new Server(listeners, factory, options), options))
  }

  /** As {@link openConnection}. */
  openConnection<R extends AnyReader = StreamReader, W extends StreamWriter = StreamWriter>(
    options: EndpointConnectOptions & StreamClasses<R, W> = {},
  ): Promise<Streams<R, W>> {
    return handled(open((factory) => this.createConnection(factory, options), options))
  }

  /** As {@link startServer}, with a callback or without. */
  startServer<R extends AnyReader = StreamReader, W extends StreamWriter = StreamWriter>(
    clientConnectedCb: ClientConnectedCallback<R, W>,
    options?: EndpointListenOptions & StreamClasses<R, W>,
  ): Promise<Server>
  startServer<R extends AnyReader = StreamReader, W extends StreamWriter = StreamWriter>(
    options?: EndpointListenOptions & StreamClasses<R, W>,
  ): Promise<StreamServer<R, W>>
  startServer<R extends AnyReader, W extends StreamWriter>(
    callbackOrOptions: ClientConnectedCallback<R, W> | (EndpointListenOptions & StreamClasses<R, W>) = {},
    options: EndpointListenOptions & StreamClasses<R, W> = {},
  ): Promise<StreamServer<R, W>> {
    const args: ServerArguments<R, W, EndpointListenOptions> =
      typeof callbackOrOptions === 'function' ? [callbackOrOptions, options] : [callbackOrOptions]
    return handled(serve<R, W, EndpointListenOptions>((make, given) => this.#scheme.listen(make, given), args))
  }

  /** The string that it was made from. */
  toString(): string {
    return this.#text
  }
}

/**
 * An endpoint from a configuration or a command line. Nothing is opened or read before it is used.
 *
 * - `tcp://host:port`, an IPv6 address in brackets. Without a host a server listens on all interfaces.
 * - `tls://host:port?ca=…&cert=…&key=…&servername=…&alpn=…`: the first three are paths of PEM files, read at each use;
 *   `alpn` is a list with commas. A server needs `cert` and `key`; with `ca` it asks its clients for certificates.
 * - `unix:///run/x.sock`, `unix:x.sock`, and `unix:@name` for an abstract name.
 * - `stdio:`: stdin and stdout. A server has one client there, who has started the process.
 * - `memory:name`: a server in this process, without sockets. It has neither TLS nor `idleTimeoutMs`.
 * - `fd:3` and `systemd:name`, for servers: sockets that were passed to this process; see {@link listenFds}.
 *
 * Characters that have another meaning are written as `%40` and so on. Throws a TypeError or a RangeError that says
 * what is wrong with the string; what a scheme cannot do rejects with {@link NotImplementedError} or a TypeError when
 * it is tried. (Twisted: `clientFromString`, `serverFromString`.)
 */
export function endpointFromString(text: string): Endpoint {
  return new Endpoint(text)
}
