import * as net from 'node:net'
import { toFactory, type AnyProtocol, type ProtocolFactory } from '../protocol.ts'
import type { Transport } from '../transport.ts'
import { repeatEnd } from '../transports/repeatEnd.ts'
import { SocketTransport } from '../transports/socketTransport.ts'
import { clientOwner, type TransportOwner } from '../transports/transportOwner.ts'
import { abortedOnEntry, handled, rejected, Waiter, type WaitOptions } from '../wait.ts'
import { beginConnection } from './beginLayered.ts'
import { greet, type Greeted, type Greeting } from './greeting.ts'
import { greetingOf, type ListenOptions } from './listen.ts'

/** A connection that somebody else has accepted, and what else a server would be told. */
export interface AcceptedSocketOptions
  extends
    Pick<WaitOptions, 'signal' | 'scope'>,
    Pick<
      ListenOptions,
      | 'tls'
      | 'tlsOptional'
      | 'tlsHandshakeTimeoutMs'
      | 'proxyProtocol'
      | 'layers'
      | 'idleTimeoutMs'
      | 'onConnectionError'
    > {
  /** A connected socket; bytes that it has read are not lost. */
  sock?: net.Socket | undefined
  /** The descriptor of a connected socket, in place of `sock`; it is closed with the connection. */
  fd?: number | undefined
}

/**
 * Takes over a connection that was accepted elsewhere, as the server's side of it; resolves as `createConnection` does.
 * From now on the socket belongs to the transport. TCP_NODELAY is on.
 *
 * Rejects with a TypeError for what is no connected socket, the system's error for a descriptor that is none, and,
 * with `tls` or `proxyProtocol`, with what a server would report (TlsHandshakeError and so on); or with the reason of
 * `signal`. Then the socket is destroyed, unless the options made no sense. (asyncio: `loop.connect_accepted_socket`.)
 */
export function connectAcceptedSocket<P extends AnyProtocol>(
  protocolFactory: ProtocolFactory<P>,
  options: AcceptedSocketOptions,
): Promise<[transport: Transport, protocol: P]> {
  const { sock, fd, idleTimeoutMs } = options
  let greeting: Greeting
  try {
    if ((sock === undefined) === (fd === undefined)) throw new TypeError('give either sock or fd, and only one')
    if (sock?.pending || sock?.destroyed) throw new TypeError('sock must be a connected socket')
    if (idleTimeoutMs !== undefined && !(idleTimeoutMs > 0)) {
      throw new RangeError(`idleTimeoutMs must be above 0, not ${idleTimeoutMs}`)
    }
    greeting = greetingOf(options)
  } catch (error) {
    return rejected(error)
  }
  const factory = toFactory<[], P>(protocolFactory)
  let socket: net.Socket
  try {
    socket = sock ?? new net.Socket({ fd: fd! })
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
  const waiter = new Waiter<[Transport, P]>(options, undefined, () => socket.destroy())
  const greeted = greet(socket, greeting).then(
    (done) => {
      if (waiter.settled) return
      try {
        waiter.resolve(begin(factory, done, options))
      } catch (error) {
        done.socket.destroy()
        waiter.reject(error)
      }
    },
    (error: unknown) => waiter.reject(error),
  )
  void handled(greeted)
  return waiter.promise
}

function begin<P extends AnyProtocol>(
  factory: () => P,
  { socket, extraInfo }: Greeted,
  options: AcceptedSocketOptions,
): [Transport, P] {
  const protocol = factory()
  const owner: TransportOwner = {
    ...clientOwner(options.onConnectionError, options.idleTimeoutMs),
    side: 'server',
    extraInfo,
  }
  const start = (below: AnyProtocol): Transport => {
    const transport = new SocketTransport(socket, below, owner)
    transport.start()
    return transport
  }
  const transport = beginConnection(options.layers, protocol, owner, start)
  repeatEnd(socket)
  return [transport, protocol]
}
