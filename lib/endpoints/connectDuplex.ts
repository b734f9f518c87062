/** `connectDuplex`: a protocol on any stream of Node's. */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ErrorHandler } from '../diagnostics.ts'
import { toFactory, type AnyProtocol, type ProtocolFactory } from '../protocol.ts'
import { DuplexTransport } from '../transports/duplexTransport.ts'
import { clientOwner, type TransportOwner } from '../transports/transportOwner.ts'
import type { ExtraInfo, Transport } from '../transport.ts'

export interface DuplexOptions {
  /** Which end of the connection this is, for the diagnostics channels; `client` by default. */
  side?: 'client' | 'server' | undefined
  /**
   * What `getExtraInfo` is to answer, above all `peername`, which names the connection in errors. By default what the
   * stream says of itself, if it has addresses like a socket. `socket` is the stream.
   */
  extraInfo?: Partial<ExtraInfo> | undefined
  /** An error that reaches nobody else, such as one that the protocol throws. Printed to stderr by default. */
  onConnectionError?: ErrorHandler<Transport> | undefined
}

/**
 * Puts a protocol on a stream that is open, or about to be: a channel of SSH, a WebSocket stream, TLS over anything,
 * `Duplex.from({ readable, writable })`. Returns its transport and the protocol, whose `connectionMade` has run;
 * nothing is received before the caller has had a turn. From now on the stream belongs to the transport.
 *
 * All rules of transports hold, but for what the stream below cannot do: with `allowHalfOpen: false` there is no
 * `writeEof()`, and the peer's end closes the connection whatever `eofReceived()` says. An error of the stream is
 * noticed also while reading is paused. It reaches `connectionLost` as a `ConnectionLostError` with the error as its
 * `cause`, and so does a stream that closes before its end. `abort({ reset: true })` destroys the stream with an error.
 *
 * Throws a TypeError for a stream that is destroyed, or that decodes text; and whatever the factory throws, when the
 * stream is left as it was.
 */
export function connectDuplex<P extends AnyProtocol>(
  protocolFactory: ProtocolFactory<P>,
  duplex: Duplex,
  options: DuplexOptions = {},
): [transport: Transport, protocol: P] {
  const protocol = toFactory<[], P>(protocolFactory)()
  const { side = 'client' } = options
  const owner: TransportOwner = { ...clientOwner(options.onConnectionError), side }
  const transport = new DuplexTransport(duplex, protocol, owner, { ...addressesOf(duplex), ...options.extraInfo })
  transport.start()
  return [transport, protocol]
}

/** A socket under another name has addresses. */
function addressesOf(duplex: Duplex): Partial<ExtraInfo> {
  const { remoteAddress, remotePort, localAddress, localPort } = duplex as Partial<Socket>
  const address = (host?: string, port?: number): [string, number] | undefined =>
    host === undefined || port === undefined ? undefined : [host, port]
  const [peername, sockname] = [address(remoteAddress, remotePort), address(localAddress, localPort)]
  return { ...(peername && { peername }), ...(sockname && { sockname }) }
}
