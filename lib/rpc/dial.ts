/** Where a channel connects to: one way to dial, whatever it is. */
import {
  createConnection,
  createUnixConnection,
  type TcpConnectOptions,
  type UnixConnectOptions,
} from '../endpoints/connect.ts'
import { parseEndpoint } from '../endpoints/endpointScheme.ts'
import type { ErrorHandler } from '../diagnostics.ts'
import type { PeerName } from '../errors.ts'
import type { AnyProtocol } from '../protocol.ts'
import { formatAddress, type Transport } from '../transport.ts'

/** What a channel says of each attempt. */
export interface DialOptions {
  /** Aborted when the connection is not wanted any more. */
  readonly signal: AbortSignal
  /** How long it may take, in milliseconds. */
  readonly connectTimeoutMs: number
  readonly onConnectionError?: ErrorHandler<Transport> | undefined
}

/** Connects a protocol that `factory` makes, over any transport: `createConnection` and its like do so. */
export type Dial = <P extends AnyProtocol>(
  factory: () => P,
  options: DialOptions,
) => Promise<readonly [transport: Transport, protocol: P]>

/** What only one connection can have, or is the channel's to say. */
type OfOneConnection =
  'sock' | 'signal' | 'scope' | 'onConnectionLost' | 'idleTimeoutMs' | 'connectTimeoutMs' | 'onConnectionError'

export type TcpEndpoint = Omit<TcpConnectOptions, OfOneConnection | 'port'> & { port: number }
export type UnixEndpoint = Omit<UnixConnectOptions, OfOneConnection | 'path'> & { path: string }
/** A way of your own. `name` is for messages. */
export interface DialEndpoint {
  dial: Dial
  name?: PeerName | undefined
}

/** A string is what `endpointFromString` takes: `tcp://host:port`, `tls://…`, `unix:…`, `memory:…`. */
export type RpcEndpoint = string | TcpEndpoint | UnixEndpoint | DialEndpoint

/** Several endpoints, and what holds for each of them that does not say otherwise, such as `tls`. */
export type RpcEndpoints = Omit<TcpConnectOptions, OfOneConnection | 'host' | 'port'> & {
  endpoints: readonly RpcEndpoint[]
}

/** An endpoint, ready to be dialled. */
export interface Dialer {
  /** For messages: `127.0.0.1:5000`. */
  readonly name: PeerName
  readonly dial: Dial
}

/** Throws a TypeError or a RangeError for what cannot be dialled. */
export function dialersOf(target: RpcEndpoint | RpcEndpoints): readonly Dialer[] {
  if (typeof target === 'string' || !('endpoints' in target)) return [dialerOf(target)]
  const { endpoints, ...shared } = target
  if (endpoints.length === 0) throw new TypeError('a channel needs an endpoint at least')
  return endpoints.map((each) => dialerOf(each, shared))
}

function dialerOf(endpoint: RpcEndpoint, shared: Partial<TcpEndpoint> = {}): Dialer {
  if (typeof endpoint === 'string') {
    const scheme = parseEndpoint(endpoint)
    return { name: endpoint, dial: (factory, options) => scheme.connect(factory, { ...shared, ...options }) }
  }
  if ('dial' in endpoint) return { name: endpoint.name ?? 'the server', dial: endpoint.dial }
  if ('path' in endpoint) {
    const name = formatAddress(endpoint.path)
    return {
      name,
      dial: (factory, options) => createUnixConnection(factory, { ...shared, ...endpoint, ...options }),
    }
  }
  const { host = 'localhost', port } = endpoint
  if (typeof port !== 'number') throw new TypeError('an endpoint has a port, a path, or a dial function')
  return {
    name: formatAddress([host, port]),
    dial: (factory, options) => createConnection(factory, { ...shared, ...endpoint, ...options }),
  }
}
