/**
 * What is done with a socket that was accepted, before there is a transport:
 *
 *     [PROXY header] → [limit per peer] → [TLS, or plain as the first byte says]
 *
 * Each step has its time, and fails with an error that names the peer.
 */
import type * as net from 'node:net'
import { formatAddress, type ExtraInfo } from '../transport.ts'
import type { TlsAcceptor } from '../transports/tlsAcceptor.ts'
import type { PeerLimit } from './peerLimit.ts'
import type { ProxyReceiver } from './proxyReceiver.ts'

/** The steps that there are; one of each for all listening sockets of a server. */
export interface Greeting {
  readonly proxy?: ProxyReceiver | undefined
  readonly perPeer?: PeerLimit | undefined
  readonly tls?: TlsAcceptor | undefined
}

/** What has come of it. */
export interface Greeted {
  /** The socket to go on with. Nothing is read from it, and nothing that it had read is lost. */
  readonly socket: net.Socket
  /** Names the other end in errors. */
  readonly peer: string
  /** What is known better than the socket knows it. */
  readonly extraInfo: Partial<ExtraInfo> | undefined
}

/** The peer has as many connections as it may have. */
export class TooManyError extends Error {}

export function hasSteps({ proxy, perPeer, tls }: Greeting): boolean {
  return proxy !== undefined || perPeer !== undefined || tls !== undefined
}

/** Takes all steps; if one fails, the socket is destroyed. Destroying it meanwhile makes the step fail. */
export async function greet(socket: net.Socket, { proxy, perPeer, tls }: Greeting): Promise<Greeted> {
  const address = peerOfSocket(socket)
  // Each step listens for itself; in between, and until there is a transport, nobody does.
  socket.on('error', () => {})
  try {
    const extraInfo = proxy && (await proxy.receive(socket, address))
    const peer = extraInfo?.peername === undefined ? address : formatAddress(extraInfo.peername)
    const full = perPeer?.enter(socket, extraInfo?.peername)
    if (full !== undefined) throw new TooManyError(`${full}: the connection from ${peer} was closed`)
    const secured = tls && (await tls.secure(socket, peer))
    return { socket: secured ?? socket, peer, extraInfo }
  } catch (error) {
    socket.destroy()
    throw error
  }
}

export function peerOfSocket({ remoteAddress, remotePort, localAddress }: net.Socket): string {
  // Reset before it was accepted: the system no longer knows who it was.
  if (remoteAddress === undefined && localAddress !== undefined) return '(unknown)'
  return formatAddress(remoteAddress === undefined ? '' : [remoteAddress, remotePort])
}
