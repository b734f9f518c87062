import * as net from 'node:net'
import { ConnectionLostError, FrameError, IncompleteReadError } from '../errors.ts'
import type { ExtraInfo } from '../transport.ts'
import { gatherFirst } from '../transports/gatherFirst.ts'
import { parseProxyHeader } from '../transports/proxyHeader.ts'

/**
 * How PROXY headers are taken. A header is required of every connection: whoever could leave it out could also make
 * one up. Without a valid one the connection is closed and reported.
 */
export interface ProxyProtocolOptions {
  /** How long the header may take, in milliseconds; 5,000 by default. */
  timeoutMs?: number | undefined
  /**
   * Whose header is believed: the addresses of the load balancers, or a function that is asked with the peer's address
   * (`''` over a Unix socket, which a BlockList lets pass). Connections of others are closed and reported, unread. Everybody by
   * default: then nobody else must be able to reach the port.
   */
  trusted?: net.BlockList | ((address: string) => boolean) | undefined
  /** The most bytes of a header of version 2, in bytes; 4,096 by default. */
  maxHeaderBytes?: number | undefined
}

const DEFAULT_TIMEOUT_MS = 5000
const DEFAULT_MAX_HEADER_BYTES = 4096

/** Reads the PROXY header of a connection that was accepted. */
export class ProxyReceiver {
  readonly #timeoutMs: number
  readonly #trusted: ProxyProtocolOptions['trusted']
  readonly #maxBytes: number

  /** Throws a RangeError or a TypeError for options that make no sense. */
  constructor(options: true | ProxyProtocolOptions) {
    const {
      timeoutMs = DEFAULT_TIMEOUT_MS,
      trusted,
      maxHeaderBytes = DEFAULT_MAX_HEADER_BYTES,
    } = options === true ? {} : options
    if (!(timeoutMs > 0)) throw new RangeError(`timeoutMs of proxyProtocol must be above 0, not ${timeoutMs}`)
    if (!(maxHeaderBytes >= 16)) throw new RangeError(`maxHeaderBytes must be 16 at least, not ${maxHeaderBytes}`)
    if (trusted !== undefined && typeof trusted !== 'function' && !(trusted instanceof net.BlockList)) {
      throw new TypeError('trusted must be a net.BlockList or a function')
    }
    this.#timeoutMs = timeoutMs
    this.#trusted = trusted
    this.#maxBytes = maxHeaderBytes
  }

  /**
   * Resolves with what `getExtraInfo` is to say from now on; what comes behind the header is left in the socket.
   * Rejects with errors that name `peer`, the socket's own.
   */
  async receive(socket: net.Socket, peer: string): Promise<Partial<ExtraInfo>> {
    if (!this.#trusts(socket)) throw new Error(`${peer} is not trusted to send a PROXY header: it was closed`)
    const gather = { peer, what: 'PROXY header', timeoutMs: this.#timeoutMs }
    try {
      const info = await gatherFirst(socket, gather, (bytes) => {
        const found = parseProxyHeader(bytes, this.#maxBytes)
        return found && { value: found.info, used: found.size }
      })
      const { source: peername, destination: sockname } = info
      return { proxy: info, ...(peername !== null && { peername }), ...(sockname !== null && { sockname }) }
    } catch (error) {
      if (!(error instanceof FrameError || error instanceof IncompleteReadError)) throw error
      throw Object.assign(error, { message: `PROXY header of ${peer}: ${error.message}`, peer })
    }
  }

  #trusts({ remoteAddress = '', localAddress }: net.Socket): boolean {
    const trusted = this.#trusted
    if (trusted === undefined) return true
    // Reset before it was accepted: what it has sent can still be read, but not who it was.
    if (remoteAddress === '' && localAddress !== undefined) {
      throw new ConnectionLostError('a connection was reset before its peer could be asked for its address')
    }
    if (typeof trusted === 'function') return trusted(remoteAddress)
    if (remoteAddress === '') return true
    return trusted.check(remoteAddress, net.isIPv6(remoteAddress) ? 'ipv6' : 'ipv4')
  }
}
