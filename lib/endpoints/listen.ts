/** `createServer` and `createUnixServer`: from addresses to a `Server`. */
import { lookup } from 'node:dns/promises'
import * as net from 'node:net'
import * as tls from 'node:tls'
import type { ErrorHandler } from '../diagnostics.ts'
import { toFactory, type AnyProtocol, type ProtocolFactory } from '../protocol.ts'
import type { Transport } from '../transport.ts'
import type { TlsServerOptions } from '../tlsOptions.ts'
import { checkTlsServer, handshakeTimeout } from '../transports/tlsHandshake.ts'
import { abortedOnEntry, handled, rejected, Waiter, type WaitOptions } from '../wait.ts'
import { DEFAULT_BACKLOG, Server, type Listeners } from './server.ts'

/** Options that all listening functions share. */
export interface ListenOptions extends Pick<WaitOptions, 'signal' | 'scope'>, TlsServerOptions {
  /** How many connections the system keeps until they are accepted; 511 by default, as in Node. */
  backlog?: number | undefined
  /**
   * Whether connections are accepted at once; true by default. Otherwise the address is taken now, connections that
   * come are kept waiting, and `server.startServing()` lets them in.
   */
  startServing?: boolean | undefined
  /**
   * The most connections at a time; no limit by default. Those that come beyond it wait, unread, until one of the others
   * ends, and no more than `backlog` of them; the rest is closed and reported. (Node cannot leave them to the system.)
   */
  maxConnections?: number | undefined
  /**
   * A connection over which no byte has moved in either direction for so long, in milliseconds, is lost: its reads, its
   * drain and `connectionLost` get a ConnectionLostError whose cause is a TimeoutError. No limit by default.
   */
  idleTimeoutMs?: number | undefined
  /**
   * Told of errors that reach nobody else, with the connection: a protocol or a handler that fails, a factory that
   * throws, an accept that fails (without a connection). Printed to stderr by default. The server goes on.
   */
  onConnectionError?: ErrorHandler<Transport> | undefined
}

/** Where to listen over TCP. */
export interface TcpListenOptions extends ListenOptions {
  /** A name or an address, or several; all interfaces, IPv4 and IPv6, by default or if it is empty. */
  host?: string | readonly string[] | null | undefined
  /** 0 takes a free one, the same for all hosts. */
  port?: number | undefined
  /** TCP keep-alive on accepted connections; off by default. */
  keepAlive?: boolean | undefined
}

/** Where to listen on a Unix socket. */
export interface UnixListenOptions extends ListenOptions {
  path: string
}

/** How often a free port is looked for that is free on all hosts. */
const PORT_ATTEMPTS = 10

/**
 * Listens over TCP; resolves with a {@link Server} that makes one protocol per connection. Several hosts make several
 * sockets under the one server; a duplicate is bound once, IPv6 sockets take IPv6 only. TCP_NODELAY is on.
 *
 * Rejects with the system's error (`EADDRINUSE` and the like) or with the reason of `signal`; then nothing listens.
 * (asyncio: `loop.create_server`.)
 */
export function createServer(protocolFactory: ProtocolFactory, options: TcpListenOptions): Promise<Server> {
  const factory = toFactory<[], AnyProtocol>(protocolFactory)
  return listenTcp((listeners) => new Server(listeners, factory, options), options)
}

/** Listens on a Unix socket; otherwise like {@link createServer}. (asyncio: `loop.create_unix_server`.) */
export function createUnixServer(protocolFactory: ProtocolFactory, options: UnixListenOptions): Promise<Server> {
  const factory = toFactory<[], AnyProtocol>(protocolFactory)
  return listenUnix((listeners) => new Server(listeners, factory, options), options)
}

/** What becomes of the listening sockets, once all of them are bound. */
export type ServerFactory<S extends Server> = (listeners: Listeners) => S

/** {@link createServer} for a server of any kind. */
export function listenTcp<S extends Server>(makeServer: ServerFactory<S>, options: TcpListenOptions): Promise<S> {
  const { host, port = 0 } = options
  return listen(makeServer, options, async (make, signal) => {
    const addresses = await resolveHosts(host)
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted()
      try {
        return await bindAll(make, addresses, port, options)
      } catch (error) {
        const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
        if (!taken || port !== 0 || addresses.length === 1 || attempt === PORT_ATTEMPTS) throw error
      }
    }
  })
}

/** {@link createUnixServer} for a server of any kind. */
export function listenUnix<S extends Server>(makeServer: ServerFactory<S>, options: UnixListenOptions): Promise<S> {
  const { path, backlog = DEFAULT_BACKLOG } = options
  return listen(makeServer, options, async (make) => [await bind(make(), { path, backlog })])
}

type Bind = (make: () => net.Server, signal: AbortSignal) => Promise<net.Server[]>

function listen<S extends Server>(
  makeServer: ServerFactory<S>,
  options: ListenOptions & TcpListenOptions,
  bindThem: Bind,
): Promise<S> {
  for (const name of ['maxConnections', 'idleTimeoutMs'] as const) {
    const value = options[name]
    if (value !== undefined && !(value > 0)) return rejected(new RangeError(`${name} must be above 0, not ${value}`))
  }
  const aborted = abortedOnEntry(options)
  if (aborted !== undefined) return rejected(aborted.reason)
  try {
    checkTlsServer(options)
  } catch (error) {
    return rejected(error)
  }
  const sockets = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true, keepAlive: options.keepAlive ?? false }
  const make = (): net.Server =>
    options.tls === undefined
      ? net.createServer(sockets)
      : // In the middle of a handshake, the end of one direction is the end.
        tls.createServer({ ...options.tls, ...sockets, allowHalfOpen: false, handshakeTimeout })
  const cancelled = new AbortController()
  const waiter = new Waiter<S>(
    options,
    () => 'listen',
    () => cancelled.abort(),
  )
  const listening = bindThem(make, cancelled.signal).then(
    (listeners) => {
      if (waiter.settled) return listeners.forEach((listener) => listener.close())
      const server = makeServer(listeners)
      if (options.startServing !== false) void server.startServing()
      waiter.resolve(server)
    },
    (error: unknown) => waiter.reject(error),
  )
  void handled(listening)
  return waiter.promise
}

async function resolveHosts(host: TcpListenOptions['host']): Promise<string[]> {
  const hosts = typeof host === 'string' ? [host] : (host ?? [''])
  if (hosts.length === 0) throw new TypeError('host is an empty list')
  const found = new Set<string>()
  for (const name of hosts) {
    if (name === '') found.add('0.0.0.0').add('::')
    else if (net.isIP(name) !== 0) found.add(name)
    else for (const { address } of await lookup(name, { all: true })) found.add(address)
  }
  return [...found]
}

/** Binds all addresses to one port. Where `::` or an address of a name is not to be had, the others do. */
async function bindAll(
  make: () => net.Server,
  addresses: string[],
  port: number,
  options: TcpListenOptions,
): Promise<net.Server[]> {
  const { backlog = DEFAULT_BACKLOG } = options
  const bound: net.Server[] = []
  let free = port
  let unavailable: unknown
  try {
    for (const host of addresses) {
      try {
        const listener = await bind(make(), { host, port: free, backlog, ipv6Only: net.isIPv6(host) })
        bound.push(listener)
        free = (listener.address() as net.AddressInfo).port
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if (code !== 'EADDRNOTAVAIL' && code !== 'EAFNOSUPPORT') throw error
        unavailable = error
      }
    }
    if (bound.length === 0) throw unavailable
    return bound
  } catch (error) {
    for (const listener of bound) listener.close()
    throw error
  }
}

function bind(listener: net.Server, where: net.ListenOptions): Promise<net.Server> {
  return new Promise((resolve, reject) => {
    listener.once('error', reject)
    listener.listen(where, () => {
      listener.off('error', reject)
      resolve(listener)
    })
  })
}
