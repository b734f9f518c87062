import * as dgram from 'node:dgram'
import { lookup } from 'node:dns/promises'
import * as net from 'node:net'
import type { ErrorHandler } from '../diagnostics.ts'
import { toFactory, type DatagramProtocol } from '../protocol.ts'
import type { DatagramAddress, DatagramTransport } from '../transport.ts'
import { reportTo } from '../transports/transportOwner.ts'
import { UdpTransport } from '../transports/udpTransport.ts'
import { abortedOnEntry, handled, rejected, Waiter, type WaitOptions } from '../wait.ts'
import { requireReusePort } from './reusePort.ts'

/** Where datagrams come from and go to; at least one of the first four. */
export interface DatagramOptions extends Pick<WaitOptions, 'signal' | 'scope'> {
  /** The local end: `[host, port]`, port 0 for any free one. */
  localAddr?: DatagramAddress | undefined
  /** The one peer of the endpoint: it receives from no other, and `sendto` needs no address. */
  remoteAddr?: DatagramAddress | undefined
  /** 4 or 6; enough by itself for an endpoint on any free port of all interfaces. */
  family?: 4 | 6 | undefined
  /** A bound socket to be taken over, in place of all of the other options that are about the socket. */
  sock?: dgram.Socket | undefined
  /** Whether other sockets may be bound to the same port, of which the last one receives; false by default. */
  reuseAddress?: boolean | undefined
  /** Whether other sockets may be bound to the same port, the system dividing what comes; for Node 22.12 and later. */
  reusePort?: boolean | undefined
  /** Whether datagrams may be sent to a broadcast address; false by default. */
  allowBroadcast?: boolean | undefined
  /** An error that reaches nobody else, such as one that the protocol throws. Printed to stderr by default. */
  onConnectionError?: ErrorHandler<DatagramTransport> | undefined
}

/** What a socket that is taken over has been told already. */
const SOCKET_OPTIONS = ['localAddr', 'remoteAddr', 'family', 'reuseAddress', 'reusePort', 'allowBroadcast'] as const

/** How the protocol comes about: a class is constructed, a function called. */
export type DatagramProtocolFactory<P extends Partial<DatagramProtocol>> = (new () => P) | (() => P)

/**
 * Opens an endpoint for datagrams (UDP); resolves with the transport and the protocol, whose `connectionMade` has run.
 *
 * Rejects with the system's error (`EADDRINUSE` and the like), with the reason of `signal`, with a TypeError for
 * addresses that do not go together, and with `NotImplementedError` for an option that this Node does not have;
 * then no socket is left. (asyncio: `loop.create_datagram_endpoint`.)
 */
export function createDatagramEndpoint<P extends Partial<DatagramProtocol>>(
  protocolFactory: DatagramProtocolFactory<P>,
  options: DatagramOptions,
): Promise<[transport: DatagramTransport, protocol: P]> {
  const factory = toFactory<[], P>(protocolFactory)
  const aborted = abortedOnEntry(options)
  if (aborted !== undefined) return rejected(aborted.reason)
  const given = SOCKET_OPTIONS.find((name) => options[name] !== undefined)
  if (options.sock !== undefined && given !== undefined) return rejected(new TypeError(`${given} with sock: give one`))
  let socket: dgram.Socket | undefined
  let cancelled = false
  const waiter = new Waiter<[DatagramTransport, P]>(
    options,
    () => 'createDatagramEndpoint',
    () => {
      cancelled = true
      if (socket !== undefined) close(socket)
    },
  )
  const opening = (async (): Promise<void> => {
    const local = options.localAddr && (await resolve(options.localAddr, options.family))
    const remote = options.remoteAddr && (await resolve(options.remoteAddr, local?.family ?? options.family))
    if (cancelled) return
    socket = options.sock ?? open(options, local ?? remote)
    try {
      if (options.sock === undefined) await prepare(socket, options, local, remote)
      if (waiter.settled) return
      const protocol = factory()
      const report = (error: unknown): void => reportTo(options.onConnectionError, error, transport)
      const transport = new UdpTransport(socket, protocol, peerOf(socket), report)
      transport.start()
      waiter.resolve([transport, protocol])
    } catch (error) {
      close(socket)
      throw error
    }
  })().catch((error: unknown) => waiter.reject(error))
  void handled(opening)
  return waiter.promise
}

interface Resolved {
  readonly host: string
  readonly port: number
  readonly family: 4 | 6
}

async function resolve([host, port]: DatagramAddress, family: 4 | 6 | undefined): Promise<Resolved> {
  const is = net.isIP(host) as 0 | 4 | 6
  if (is !== 0 && family !== undefined && is !== family) throw new TypeError(`${host} is no IPv${family} address`)
  if (is !== 0) return { host, port, family: is }
  const found = await lookup(host, { family: family ?? 0 })
  return { host: found.address, port, family: found.family as 4 | 6 }
}

function open(options: DatagramOptions, address: Resolved | undefined): dgram.Socket {
  const family = address?.family ?? options.family
  if (family === undefined) throw new TypeError('give localAddr, remoteAddr, family or sock')
  if (options.reusePort === true) requireReusePort()
  return dgram.createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    reuseAddr: options.reuseAddress ?? false,
    ipv6Only: family === 6,
    ...(options.reusePort === true && { reusePort: true }),
  })
}

/** Binds and connects; afterwards the socket has its addresses. */
function prepare(
  socket: dgram.Socket,
  options: DatagramOptions,
  local: Resolved | undefined,
  remote: Resolved | undefined,
): Promise<void> {
  return new Promise((done, fail) => {
    const settle = (error?: Error): void => {
      socket.off('error', settle)
      if (error === undefined) done()
      else fail(error)
    }
    socket.on('error', settle)
    // Paused there is no such thing: a datagram that comes before the protocol listens is lost, as datagrams may be.
    socket.bind(
      { port: local?.port ?? 0, ...(local !== undefined && { address: local.host }), exclusive: true },
      () => {
        try {
          if (options.allowBroadcast === true) socket.setBroadcast(true)
          if (remote === undefined) settle()
          else socket.connect(remote.port, remote.host, settle as () => void)
        } catch (error) {
          settle(error as Error)
        }
      },
    )
  })
}

function peerOf(socket: dgram.Socket): DatagramAddress | undefined {
  try {
    const { address, port } = socket.remoteAddress()
    return [address, port]
  } catch {
    return undefined
  }
}

function close(socket: dgram.Socket): void {
  try {
    socket.close()
  } catch {
    // It is closed already.
  }
}
