import type { Socket } from 'node:net'
import * as tls from 'node:tls'
import type { PeerName } from '../errors.ts'
import type { TlsServerOptions } from '../tlsOptions.ts'
import { gatherFirst } from './gatherFirst.ts'
import { setTlsBase } from './tlsBase.ts'
import {
  DEFAULT_HANDSHAKE_TIMEOUT_MS,
  handshakeError,
  handshakeTimeout,
  limitHandshake,
  serveHands,
} from './tlsHandshake.ts'

/** The first byte of every TLS connection: a record of the handshake. */
const HANDSHAKE = 0x16

type Settle = (error: Error | undefined, secured: tls.TLSSocket) => void

/**
 * TLS of the server's side over sockets that are connected: one `tls.Server` that never listens, so that certificates
 * are parsed once, and sessions can be resumed.
 */
export class TlsAcceptor {
  readonly #server: tls.Server
  readonly #optional: boolean
  readonly #timeoutMs: number
  readonly #options: TlsServerOptions
  readonly #pending = new WeakMap<Socket, Settle>()

  /** Throws what Node throws for a certificate or a key that is none. */
  constructor(options: TlsServerOptions & { tlsOptional?: boolean | undefined }) {
    this.#options = options
    this.#optional = options.tlsOptional ?? false
    this.#timeoutMs = options.tlsHandshakeTimeoutMs ?? DEFAULT_HANDSHAKE_TIMEOUT_MS
    this.#server = tls.createServer({ ...options.tls, handshakeTimeout, pauseOnConnect: true })
    this.#server.on('secureConnection', (secured) => {
      secured.allowHalfOpen = true
      // While it waits for its turn nobody else listens.
      secured.on('error', () => {})
      this.#settle(undefined, secured)
    })
    this.#server.on('tlsClientError', (error, secured) => {
      secured.destroy()
      this.#settle(error, secured)
    })
  }

  /**
   * Resolves with the socket to go on with: the same one where TLS is optional and the first byte is not that of TLS.
   * Rejects with an error that names `peer`; then the socket is still to be destroyed.
   */
  async secure(socket: Socket, peer: PeerName): Promise<Socket> {
    if (this.#optional) {
      const first = await gatherFirst(socket, { peer, what: 'first byte', timeoutMs: this.#timeoutMs }, (bytes) => ({
        value: bytes[0]!,
        used: 0,
      }))
      if (first !== HANDSHAKE) return socket
    }
    // In the middle of a handshake, the end of one direction is the end.
    socket.allowHalfOpen = false
    if (this.#options.tlsRequireCloseNotify === true) return this.#secureAbove(socket, peer)
    return new Promise<tls.TLSSocket>((resolve, reject) => {
      const inTime = limitHandshake(peer, this.#options, (error) => {
        this.#pending.delete(socket)
        reject(error)
      })
      this.#pending.set(socket, (error, secured) => {
        inTime()
        if (error !== undefined) return reject(handshakeError(peer, error, secured))
        setTlsBase(secured, socket, socket, this.#options)
        resolve(secured)
      })
      this.#server.emit('connection', socket)
    })
  }

  /** With a server for each: one that has several streams instead of sockets cannot tell which it has secured. */
  #secureAbove(socket: Socket, peer: PeerName): Promise<tls.TLSSocket> {
    const ticketKeys = this.#server.getTicketKeys()
    const options = { ...this.#options, tls: { ...this.#options.tls, ticketKeys } }
    return new Promise((resolve, reject) => {
      serveHands(socket, peer, options, (error, secured) => {
        // While it waits for its turn nobody else listens.
        secured?.on('error', () => {})
        if (error === undefined) resolve(secured!)
        else reject(error)
      })
    })
  }

  /** Node tells of the secured socket only; the one below is known to it by this name in all versions. */
  #settle(error: Error | undefined, secured: tls.TLSSocket): void {
    const socket = (secured as unknown as { _parent: Socket })._parent
    this.#pending.get(socket)?.(error, secured)
    this.#pending.delete(socket)
  }
}
