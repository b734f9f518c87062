/** `createServer` and `createUnixServer`: from addresses to a `Server`. */
import { lookup } from 'node:dns/promises'
import * as net from 'node:net'
import type { ErrorHandler } from '../diagnostics.ts'
import { toFactory, type AnyProtocol, type ProtocolFactory } from '../protocol.ts'
import type { Transport } from '../transport.ts'
import type { TlsServerOptions } from '../tlsOptions.ts'
import type { Layer } from '../layers/layer.ts'
import { TlsAcceptor } from '../transports/tlsAcceptor.ts'
import { checkTlsServer } from '../transports/tlsHandshake.ts'
import { rejected, type WaitOptions } from '../wait.ts'
import type { Greeting } from './greeting.ts'
import { listenOn, type ServerFactory } from './listenOn.ts'
import { PeerLimit } from './peerLimit.ts'
import { ProxyReceiver, type ProxyProtocolOptions } from './proxyReceiver.ts'
import { DEFAULT_BACKLOG, Server } from './server.ts'
import { requireReusePort } from './reusePort.ts'
import { SocketListener } from './socketListener.ts'
import { checkUnixPath, releaseOf, removeStale } from './unixPath.ts'

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
   * ends, and no more than `backlog` of them, those in a handshake or with a PROXY header under way included; the rest is
   * closed and reported. (Node cannot leave them to the system.)
   */
  maxConnections?: number | undefined
  /**
   * A connection over which no byte has moved in either direction for so long, in milliseconds, is lost: its reads, its
   * drain and `connectionLost` get a ConnectionLostError whose cause is a TimeoutError. No limit by default.
   */
  idleTimeoutMs?: number | undefined
  /**
   * What stands between each connection and its protocol, the lowest first. Closing and aborting clients goes through
   * the uppermost.
   */
  layers?: readonly Layer[] | undefined
  /**
   * Every connection begins with a PROXY header (version 1 or 2), as a load balancer sends it: see
   * {@link ProxyProtocolOptions}.
   */
  proxyProtocol?: true | ProxyProtocolOptions | undefined
  /**
   * Whether TLS, with `tls`, is up to the client: a connection whose first byte is that of a TLS handshake gets it, any
   * other is plain; `getExtraInfo('cipher')` tells. A client that sends nothing within `tlsHandshakeTimeoutMs` is closed
   * and reported, so this is not for protocols in which the server speaks first. False by default.
   */
  tlsOptional?: boolean | undefined
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
  /** Sockets that listen already, by their descriptors, in place of `host` and `port`: see {@link listenFds}. */
  fd?: number | readonly number[] | undefined
  /**
   * A server of `node:net` that listens already, in place of `host` and `port`, and has no listeners for connections: it is
   * taken over, and closed with ours.
   */
  sock?: net.Server | undefined
  /**
   * Whether other sockets, also of other processes, may listen on the same port, the system dividing what comes; for
   * Node 22.12 and later, else {@link NotImplementedError}. False by default.
   */
  reusePort?: boolean | undefined
  /** TCP keep-alive on accepted connections; off by default. */
  keepAlive?: boolean | undefined
  /**
   * The most connections at a time from one address, handshakes and those that wait included; no limit by default.
   * Those above it are closed and reported, at most one a second. Of an IPv6 address the first 64 bits count. With
   * `proxyProtocol` it goes by the address in the header.
   */
  maxConnectionsPerPeer?: number | undefined
}

/** Where to listen on a Unix socket. */
export interface UnixListenOptions extends ListenOptions {
  /**
   * The path of the socket. A socket that is there already, and on which nobody accepts, is replaced; any other file is
   * left alone (`EADDRINUSE`). On Linux a path that begins with a NUL character is abstract: no file. (Up to Node 20 such
   * a name is filled up with NULs to 108 bytes, which clients that are not written for Node must know.) One that is too
   * long is a RangeError.
   */
  path?: string | undefined
  /** Sockets that listen already, by their descriptors, in place of `path`: see {@link listenFds}. */
  fd?: number | readonly number[] | undefined
  /** Whether closing removes the file, if it still is the one that was made; true by default. (asyncio: `cleanup_socket`.) */
  cleanupSocket?: boolean | undefined
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

/** {@link createServer} for a server of any kind. */
export function listenTcp<S extends Server>(makeServer: ServerFactory<S>, options: TcpListenOptions): Promise<S> {
  const { host, port = 0, fd, sock } = options
  if (fd !== undefined || sock !== undefined) {
    if (host !== undefined || options.port !== undefined || (fd !== undefined && sock !== undefined)) {
      return rejected(new TypeError('give either host and port, or fd, or sock'))
    }
    return sock === undefined ? listenFd(makeServer, fd!, options) : listenSock(makeServer, sock, options)
  }
  return listen(makeServer, options, async (make, signal) => {
    if (options.reusePort === true) requireReusePort()
    const addresses = await resolveHosts(host)
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted()
      try {
        const bound = await bindAll(make, addresses, port, options)
        return bound.map((each) => [each])
      } catch (error) {
        const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
        if (!taken || port !== 0 || addresses.length === 1 || attempt === PORT_ATTEMPTS) throw error
      }
    }
  })
}

/** {@link createUnixServer} for a server of any kind. */
export function listenUnix<S extends Server>(makeServer: ServerFactory<S>, options: UnixListenOptions): Promise<S> {
  const { path, fd, backlog = DEFAULT_BACKLOG, cleanupSocket = true } = options
  if ((path === undefined) === (fd === undefined)) {
    return rejected(new TypeError('give either path or fd, and only one'))
  }
  if (fd !== undefined) return listenFd(makeServer, fd, options)
  return listen(makeServer, options, async (make) => {
    checkUnixPath(path!)
    const where = { path: path!, backlog }
    const bound = await bind(make(), where).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE' || !(await removeStale(path!))) throw error
      return bind(make(), where)
    })
    return [[bound, releaseOf(path!, cleanupSocket)]]
  })
}

function listenFd<S extends Server>(
  makeServer: ServerFactory<S>,
  fd: number | readonly number[],
  options: ListenOptions,
): Promise<S> {
  const { backlog = DEFAULT_BACKLOG } = options
  const fds = [fd].flat()
  if (fds.length === 0) return rejected(new TypeError('fd is an empty list: no socket was passed'))
  return listen(makeServer, options, async (make) => {
    const bound: Bound[] = []
    try {
      for (const each of fds) bound.push([await bind(make(), { fd: each, backlog } as net.ListenOptions)])
    } catch (error) {
      for (const [listening] of bound) listening.close()
      throw error
    }
    return bound
  })
}

function listenSock<S extends Server>(
  makeServer: ServerFactory<S>,
  sock: net.Server,
  options: TcpListenOptions,
): Promise<S> {
  if (!sock.listening || sock.listenerCount('connection') > 0) {
    return rejected(new TypeError('sock must be a net.Server that listens, and has no listeners for connections'))
  }
  return listen(makeServer, options, async () => [[Object.assign(sock, socketOptions(options))]])
}

/** Each with how to close it, if there is more to it. */
type Bound = [listening: net.Server, release?: ((close: () => void) => void) | undefined]
type Bind = (make: () => net.Server, signal: AbortSignal) => Promise<Bound[]>

function listen<S extends Server>(
  makeServer: ServerFactory<S>,
  options: ListenOptions & TcpListenOptions,
  bindThem: Bind,
): Promise<S> {
  const { maxConnectionsPerPeer: most } = options
  let greeting: Greeting
  try {
    if (most !== undefined && !(most > 0)) throw new RangeError(`maxConnectionsPerPeer must be above 0, not ${most}`)
    greeting = greetingOf(options)
  } catch (error) {
    return rejected(error)
  }
  const sockets = socketOptions(options)
  return listenOn(makeServer, options, async (signal) => {
    const bound = await bindThem(() => net.createServer(sockets), signal)
    return bound.map(([listening, release]) => new SocketListener(listening, greeting, release))
  })
}

/** How accepted sockets are to be: options of a `net.Server`, and its properties of the same names. */
const socketOptions = ({ keepAlive = false }: TcpListenOptions): net.ServerOpts => ({
  allowHalfOpen: true,
  pauseOnConnect: true,
  noDelay: true,
  keepAlive,
})

/** Those options that {@link greetingOf} looks at. */
export type GreetingOptions = Pick<TcpListenOptions, 'proxyProtocol' | 'tlsOptional' | 'maxConnectionsPerPeer'> &
  TlsServerOptions

/** What a connection goes through before it is one. Throws for options that make no sense, before anything is bound. */
export function greetingOf(options: GreetingOptions): Greeting {
  checkTlsServer(options)
  const { tls, tlsOptional, proxyProtocol, maxConnectionsPerPeer } = options
  if (tlsOptional === true && tls === undefined) throw new TypeError('tlsOptional is only for TLS: pass tls as well')
  return {
    proxy: proxyProtocol && new ProxyReceiver(proxyProtocol),
    perPeer: maxConnectionsPerPeer === undefined ? undefined : new PeerLimit(maxConnectionsPerPeer),
    tls: tls && new TlsAcceptor(options),
  }
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
        const listener = await bind(make(), {
          host,
          port: free,
          backlog,
          ipv6Only: net.isIPv6(host),
          ...(options.reusePort === true && { reusePort: true }),
        })
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
