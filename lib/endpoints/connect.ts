/** Who dials: `createConnection` and `createUnixConnection`. */
import * as net from 'node:net'
import type { ErrorHandler } from '../diagnostics.ts'
import { ConnectError } from '../errors.ts'
import { isBuffered, toFactory, type AnyProtocol, type ProtocolFactory } from '../protocol.ts'
import type { Layer } from '../layers/layer.ts'
import { onReadOf, SocketTransport } from '../transports/socketTransport.ts'
import { clientOwner } from '../transports/transportOwner.ts'
import { formatAddress, type Transport } from '../transport.ts'
import type { TlsClientOptions, TlsConnectOptions } from '../tlsOptions.ts'
import { checkTlsClient, shakeHands } from '../transports/tlsHandshake.ts'
import { abortedOnEntry, rejected, Waiter, type WaitOptions } from '../wait.ts'
import { repeatEnd } from '../transports/repeatEnd.ts'
import { beginConnection } from './beginLayered.ts'
import { peerOfSocket } from './greeting.ts'
import { checkUnixPath } from './unixPath.ts'

/** Options that all connecting functions share. */
export interface ConnectOptions extends Pick<WaitOptions, 'signal' | 'scope'>, TlsClientOptions {
  /** How long connecting may take, in milliseconds: 30,000 by default, `Infinity` for as long as the system tries. */
  connectTimeoutMs?: number | undefined
  /** The connection is lost if no byte has moved in either direction for so long, in milliseconds above 0; no limit by default. */
  idleTimeoutMs?: number | undefined
  /** Called once when the connection is gone, after `connectionLost` of its protocol, and with the same argument. */
  onConnectionLost?: ((error: Error | null) => void) | undefined
  /** What {@link proxyHeader} makes: the very first bytes that are sent, before TLS. */
  proxyHeader?: Uint8Array | undefined
  /**
   * What stands between the connection and its protocol, the lowest first; the uppermost transport is what the call
   * resolves with. If a layer throws, the call rejects with its error, and the connection is aborted.
   */
  layers?: readonly Layer[] | undefined
  /** An error that reaches nobody else, such as one that the protocol throws. Printed to stderr by default. */
  onConnectionError?: ErrorHandler<Transport> | undefined
}

/** Where to connect to over TCP: `port` (and `host`), or a connected `sock`. */
export interface TcpConnectOptions extends ConnectOptions {
  /** A name or an address; `localhost` by default. */
  host?: string | undefined
  port?: number | undefined
  /**
   * A connected socket to be taken over, in place of `host` and `port`; bytes that it has read are not lost. With `tls`
   * it needs a `serverHostname`.
   */
  sock?: net.Socket | undefined
  /** The local end: `[address, port]`, port 0 for any. */
  localAddr?: [host: string, port: number] | undefined
  /** 4 or 6 to use addresses of that family only. */
  family?: 4 | 6 | undefined
  /** Whether all addresses of the host are tried, in turn and overlapping (RFC 8305); Node's default is true. */
  autoSelectFamily?: boolean | undefined
  /** How long one address has before the next is tried as well, in milliseconds; Node's default is 250. */
  happyEyeballsDelayMs?: number | undefined
  /** TCP keep-alive; off by default. */
  keepAlive?: boolean | undefined
}

export interface UnixConnectOptions extends ConnectOptions {
  /** The path of the socket; on Linux one that begins with a NUL character is abstract. */
  path?: string | undefined
  /** A connected socket to be taken over, in place of `path`; with `tls` it needs a `serverHostname`. */
  sock?: net.Socket | undefined
}

const DEFAULT_CONNECT_TIMEOUT_MS = 30_000

/**
 * Connects over TCP; resolves with the transport and the protocol, whose `connectionMade` has run. Nothing is
 * received before the caller has had a turn with them. TCP_NODELAY is on.
 *
 * Rejects with {@link ConnectError} (its `cause` is the system's error), with {@link TimeoutError} after
 * `connectTimeoutMs`, or with the reason of `signal`; then no socket is left, nor one that was given, and the protocol
 * was never called (unless the signal aborts from inside `connectionMade`).
 * (asyncio: `loop.create_connection`.)
 */
export function createConnection<P extends AnyProtocol>(
  protocolFactory: ProtocolFactory<P>,
  options: TcpConnectOptions,
): Promise<[transport: Transport, protocol: P]> {
  const { host = 'localhost', port, sock, localAddr, family, happyEyeballsDelayMs } = options
  if ((port === undefined) === (sock === undefined)) {
    return rejected(new TypeError('give either port or sock, and only one'))
  }
  if (sock !== undefined) return adopt(protocolFactory, sock, options)
  const connect: net.TcpNetConnectOpts = {
    host,
    port: port!,
    noDelay: true,
    keepAlive: options.keepAlive ?? false,
    ...(localAddr && { localAddress: localAddr[0], localPort: localAddr[1] }),
    ...(family && { family }),
    ...(options.autoSelectFamily !== undefined && { autoSelectFamily: options.autoSelectFamily }),
    ...(happyEyeballsDelayMs !== undefined && { autoSelectFamilyAttemptTimeout: happyEyeballsDelayMs }),
  }
  return dial(protocolFactory, connect, formatAddress([host, port]), { host, ...options })
}

/** Connects to a Unix socket; otherwise like {@link createConnection}. With `tls` it needs a `serverHostname`. (asyncio: `loop.create_unix_connection`.) */
export function createUnixConnection<P extends AnyProtocol>(
  protocolFactory: ProtocolFactory<P>,
  options: UnixConnectOptions,
): Promise<[transport: Transport, protocol: P]> {
  const { path, sock } = options
  if ((path === undefined) === (sock === undefined)) {
    return rejected(new TypeError('give either path or sock, and only one'))
  }
  if (sock !== undefined) return adopt(protocolFactory, sock, options)
  try {
    checkUnixPath(path!)
  } catch (error) {
    return rejected(error)
  }
  try {
    requireName(options, 'a Unix socket')
  } catch (error) {
    return rejected(error)
  }
  return dial(protocolFactory, { path: path! }, formatAddress(path), options)
}

function dial<P extends AnyProtocol>(
  protocolFactory: ProtocolFactory<P>,
  connect: net.NetConnectOpts,
  peer: string,
  options: ConnectOptions & { host?: string | undefined },
): Promise<[Transport, P]> {
  const refused = refusalOf(options)
  if (refused !== undefined) return rejected(refused)
  const factory = toFactory<[], P>(protocolFactory)
  const aborted = abortedOnEntry(options)
  if (aborted !== undefined) return rejected(aborted.reason)
  try {
    checkTlsClient(options)
  } catch (error) {
    return rejected(error)
  }

  // Of a class it is known beforehand that it reads into memory of its own; for a function it is arranged later.
  const readsInto = !options.tls && isBuffered((protocolFactory.prototype ?? {}) as AnyProtocol)
  const socket: net.Socket = new net.Socket({
    allowHalfOpen: true,
    ...(readsInto && { onread: onReadOf(() => socket) }),
  })
  // Paused, Node does not begin to read by itself.
  socket.pause()
  const waiter = new Waiter<[Transport, P]>(
    { ...options, timeoutMs: options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS },
    () => `connect to ${peer}`,
    () => socket.destroy(),
  )
  const onError = (error: Error): void => waiter.reject(connectError(peer, error))
  socket.once('error', onError)
  const onConnect = (): void => {
    if (waiter.settled) return
    socket.off('error', onError)
    waiter.clearTimeout()
    complete(waiter, factory, socket, options, peer, 'path' in connect ? connect.path : undefined)
  }
  try {
    socket.connect(connect as net.TcpSocketConnectOpts, onConnect)
  } catch (error) {
    // Arguments that Node refuses, such as a port out of range.
    socket.destroy()
    waiter.reject(error)
  }
  // A cancelled attempt may still fail.
  socket.on('error', () => {})
  return waiter.promise
}

/** Where nobody dials a name, Node would take any certificate for `localhost`. */
function requireName({ tls, serverHostname }: ConnectOptions, over: string): void {
  const name = serverHostname ?? (tls as Partial<TlsConnectOptions> | undefined)?.servername
  if (tls && name === undefined) throw new TypeError(`tls over ${over} needs a serverHostname`)
}

function adopt<P extends AnyProtocol>(
  protocolFactory: ProtocolFactory<P>,
  socket: net.Socket,
  options: ConnectOptions,
): Promise<[Transport, P]> {
  if (socket.pending || socket.destroyed) return rejected(new TypeError('sock must be a connected socket'))
  const refused = refusalOf(options)
  if (refused !== undefined) return rejected(refused)
  const factory = toFactory<[], P>(protocolFactory)
  try {
    checkTlsClient(options)
    requireName(options, 'a sock')
  } catch (error) {
    return rejected(error)
  }
  const aborted = abortedOnEntry(options)
  if (aborted !== undefined) {
    socket.destroy()
    return rejected(aborted.reason)
  }
  socket.allowHalfOpen = true
  socket.setNoDelay(true)
  socket.pause()
  socket.on('error', () => {})
  const waiter = new Waiter<[Transport, P]>(options, undefined, () => socket.destroy())
  complete(waiter, factory, socket, options, peerOfSocket(socket))
  return waiter.promise
}

/** Says what comes before everything else, and ends the wait with what there is then: a connection, or an error. */
function complete<P extends AnyProtocol>(
  waiter: Waiter<[Transport, P]>,
  factory: () => P,
  socket: net.Socket,
  options: ConnectOptions & { host?: string | undefined; sock?: net.Socket | undefined },
  peer: string,
  path?: string,
): void {
  const ready = (connected: net.Socket): void => {
    if (waiter.settled) return
    try {
      const made = begin(factory, connected, options, path)
      // Of ours nothing was read yet.
      if (connected === options.sock || connected !== socket) repeatEnd(connected)
      waiter.resolve(made)
    } catch (error) {
      connected.destroy()
      waiter.reject(error)
    }
  }
  if (options.proxyHeader !== undefined) socket.write(options.proxyHeader)
  if (!options.tls) return ready(socket)
  shakeHands(socket, peer, options, (error, secured) => {
    if (error === undefined) ready(secured!)
    else waiter.reject(error)
  })
}

/** As servers do, before there is a connection. */
function refusalOf({ idleTimeoutMs }: ConnectOptions): RangeError | undefined {
  if (idleTimeoutMs === undefined || idleTimeoutMs > 0) return undefined
  return new RangeError(`idleTimeoutMs must be above 0, not ${idleTimeoutMs}`)
}

function begin<P extends AnyProtocol>(
  factory: () => P,
  socket: net.Socket,
  options: ConnectOptions,
  path?: string,
): [Transport, P] {
  const protocol = factory()
  const owner = clientOwner(options.onConnectionError, options.idleTimeoutMs, options.onConnectionLost)
  const start = (below: AnyProtocol): Transport => {
    const transport = new SocketTransport(socket, below, owner, path)
    transport.start()
    return transport
  }
  return [beginConnection(options.layers, protocol, owner, start), protocol]
}

/** Node's error for several addresses has an empty message: say what happened to each. */
function connectError(peer: string, error: Error): ConnectError {
  const reason =
    error instanceof AggregateError ? error.errors.map((each: Error) => each.message).join('; ') : error.message
  return new ConnectError(peer, reason, { cause: error })
}
