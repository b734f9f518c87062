/** Handshakes over connected sockets, and errors that say what is wrong with them. */
import type { Duplex } from 'node:stream'
import * as tls from 'node:tls'
import { InvalidStateError, TlsHandshakeError, TimeoutError, type PeerName } from '../errors.ts'
import type {
  StartTlsOptions,
  TlsClientOptions,
  TlsConnectOptions,
  TlsOptions,
  TlsServerOptions,
} from '../tlsOptions.ts'
import type { Transport } from '../transport.ts'
import { lowerOf, setTlsBase } from './tlsBase.ts'

export const DEFAULT_HANDSHAKE_TIMEOUT_MS = 60_000

/** Throws for options that make no sense, before anything is opened. */
export function checkTlsClient(options: TlsClientOptions): void {
  checkTime(options)
  const { tls: given, serverHostname } = options
  if (serverHostname !== undefined && !given) throw new TypeError('serverHostname is only for TLS: pass tls as well')
}

/** Throws for options that make no sense, before anything is opened. */
export function checkTlsServer(options: TlsServerOptions): void {
  checkTime(options)
  if (options.tls !== undefined && (typeof options.tls !== 'object' || options.tls === null)) {
    throw new TypeError('tls must be the options of a TLS server, with a certificate and a key')
  }
}

function checkTime(options: TlsOptions): void {
  for (const name of ['tlsHandshakeTimeoutMs', 'tlsShutdownTimeoutMs'] as const) {
    const value = options[name]
    if (value !== undefined && !(value > 0)) throw new RangeError(`${name} must be above 0, not ${value}`)
  }
}

/** Throws if `transport` cannot go over to TLS now, or not in this way. */
export function checkStartTls(transport: Transport, options: StartTlsOptions): void {
  const unsent = transport.getWriteBufferSize()
  if (transport.isClosing()) throw new InvalidStateError('startTls() on a connection that is closing')
  if (unsent > 0) throw new InvalidStateError(`startTls() with ${unsent} bytes unsent: await flush() first`)
  if (options.serverSide === true) checkTlsServer(options)
  else checkTlsClient(options)
}

/**
 * Shakes hands as the client over a connected socket. Calls `done` once, with the socket to use from now on or with the
 * error; then nothing is left open. Returns how to give up.
 */
export function shakeHands(
  connected: Duplex,
  peer: PeerName,
  options: TlsClientOptions & { host?: string | undefined },
  done: (error: Error | undefined, secured?: tls.TLSSocket) => void,
): void {
  const { tls: given, tlsHandshakeTimeoutMs = DEFAULT_HANDSHAKE_TIMEOUT_MS } = options
  const { servername, ...context } = (typeof given === 'object' ? given : {}) as TlsConnectOptions
  const name = servername ?? options.serverHostname ?? options.host
  // In the middle of a handshake, the end of one direction is the end.
  connected.allowHalfOpen = false
  const socket = lowerOf(connected, options)
  const secured = tls.connect({ ...context, socket, ...nameOf(name) })
  if (options.onTlsSession !== undefined) secured.on('session', options.onTlsSession)
  const settle = (error?: Error): void => {
    clearTimeout(timer)
    secured.off('error', failed)
    secured.off('secureConnect', settle)
    if (error === undefined) {
      secured.allowHalfOpen = true
      setTlsBase(secured, connected, socket, options)
      return done(undefined, secured)
    }
    // What else goes wrong with it is of no interest.
    secured.on('error', () => {})
    secured.destroy()
    socket.destroy()
    done(error)
  }
  const failed = (error: Error): void => settle(handshakeError(peer, error))
  const late = (): void => settle(new TimeoutError(`TLS handshake with ${peer}`, tlsHandshakeTimeoutMs))
  const timer = setTimeout(late, Math.min(tlsHandshakeTimeoutMs, 0x7fffffff)).unref()
  secured.on('error', failed)
  secured.on('secureConnect', settle as () => void)
}

/** Shakes hands as the server over a connected socket; otherwise like `shakeHands`. */
export function serveHands(
  connected: Duplex,
  peer: PeerName,
  options: TlsServerOptions,
  done: (error: Error | undefined, secured?: tls.TLSSocket) => void,
): void {
  const { tlsHandshakeTimeoutMs = DEFAULT_HANDSHAKE_TIMEOUT_MS } = options
  connected.allowHalfOpen = false
  const socket = lowerOf(connected, options)
  // A server that never listens: only its side of a handshake is wanted.
  const server = tls.createServer(serverOptions(options))
  server.on('secureConnection', (secured) => {
    secured.allowHalfOpen = true
    setTlsBase(secured, connected, socket, options)
    done(undefined, secured)
  })
  server.on('tlsClientError', (error, secured) => {
    secured.destroy()
    socket.destroy()
    done(clientError(peer, error, secured, tlsHandshakeTimeoutMs))
  })
  server.emit('connection', socket)
}

/** For a `tls.Server` that is given its sockets. */
export function serverOptions({ tls: given, tlsHandshakeTimeoutMs }: TlsServerOptions): tls.TlsOptions {
  // Node has no handshake for one who has more time than a timer can be set for.
  const handshakeTimeout = Math.min(tlsHandshakeTimeoutMs ?? DEFAULT_HANDSHAKE_TIMEOUT_MS, 0x7fffffff)
  return { ...given, handshakeTimeout, pauseOnConnect: true }
}

/** What the event `tlsClientError` of a `tls.Server` tells. */
export function clientError(peer: PeerName, error: Error, socket: tls.TLSSocket, timeoutMs: number): Error {
  const late = (error as NodeJS.ErrnoException).code === 'ERR_TLS_HANDSHAKE_TIMEOUT'
  return late ? new TimeoutError(`TLS handshake with ${peer}`, timeoutMs) : handshakeError(peer, error, socket)
}

/** An address is no name that could be asked for, but the certificate must be for it. */
function nameOf(name: string | undefined): { servername?: string; host?: string } {
  if (name === undefined || name === '') return {}
  return /^[\d.]+$|:/.test(name) ? { host: name } : { servername: name }
}

/** Node's error as one that names the peer and says what it may be. */
function handshakeError(peer: PeerName, error: Error, socket?: tls.TLSSocket): TlsHandshakeError {
  // Node destroys a client that it does not trust, and tells only of the destruction.
  const refused = socket?.authorizationError
  const reason = refused ? `the certificate of the client is refused (${String(refused)})` : reasonOf(error)
  return new TlsHandshakeError(peer, reason, { cause: error })
}

function reasonOf(error: Error): string {
  // OpenSSL's own message begins with a thread's number and ends with a line of its source.
  const { code = '', reason = error.message } = error as { code?: string; reason?: string }
  const hint = HINTS.find(([pattern]) => pattern.test(code))?.[1]
  return hint === undefined ? reason : `${hint} (${reason})`
}

const HINTS: readonly [code: RegExp, hint: string][] = [
  [/HTTP_REQUEST/, 'the client does not speak TLS, but HTTP'],
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|UNEXPECTED_MESSAGE|BAD_RECORD_TYPE/,
    'the other end does not seem to speak TLS',
  ],
  [/CERT_HAS_EXPIRED/, 'the certificate has expired'],
  [/ALTNAME_INVALID/, 'the certificate is for another name'],
  [
    /SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/,
    'the certificate is not signed by anyone who is trusted: pass its issuer as ca',
  ],
  [/ECONNRESET|EPIPE/, 'the connection was closed in the middle of it'],
]
