/** CONTRACT: what may be said of TLS when connecting, listening, and going over to it. Types alone: all of it is Node's. */
import type * as tls from 'node:tls'
import type { WaitOptions } from './wait.ts'

/** What both sides may say, times in milliseconds. */
export interface TlsOptions {
  /** How long the handshake may take; 60,000 by default. */
  tlsHandshakeTimeoutMs?: number | undefined
  /**
   * How long, from `close()` on, the peer may take to receive what was unsent; 30,000 by default. Then the connection is
   * lost, and `connectionLost` gets a ConnectionLostError whose cause is a TimeoutError. For as long again the
   * peer is then waited for to end its side as well, in the background.
   */
  tlsShutdownTimeoutMs?: number | undefined
  /**
   * Whether the peer has to say that it has sent everything (by TLS's alert `close_notify`). If it does not, the end of
   * the stream may have been made by anyone on the way: the connection is lost then, with a ConnectionLostError, instead
   * of `eofReceived`. False by default, since many peers never say so, and because Node can tell only if TLS does its
   * work above a stream of ours, which costs speed.
   */
  tlsRequireCloseNotify?: boolean | undefined
}

/** TLS from the dialling side. */
export interface TlsClientOptions extends TlsOptions {
  /**
   * `true`, or options of `tls.connect`: `ca`, `cert`, `key`, `ALPNProtocols`, `session`, … A server whose certificate
   * is not to be trusted is refused.
   */
  tls?: boolean | TlsConnectOptions | undefined
  /** The name that the server's certificate must have, and that it is asked for; the `host` by default. */
  serverHostname?: string | undefined
  /**
   * Given each session that the server offers, some time after the handshake: as `session` of the next connection's
   * `tls` it makes the handshake shorter. (Node: the event `session`.)
   */
  onTlsSession?: ((session: Buffer) => void) | undefined
}

/** TLS from the listening side. */
export interface TlsServerOptions extends TlsOptions {
  /** Options of `tls.createServer`: `cert`, `key`, `ca`, `requestCert`, `ALPNProtocols`, `SNICallback`, … */
  tls?: tls.TlsOptions | undefined
}

/** Those options of `tls.connect` that tell nothing of where to connect to. */
export type TlsConnectOptions = tls.SecureContextOptions &
  Pick<
    tls.ConnectionOptions,
    | 'ALPNProtocols'
    | 'checkServerIdentity'
    | 'enableTrace'
    | 'minDHSize'
    | 'pskCallback'
    | 'rejectUnauthorized'
    | 'secureContext'
    | 'servername'
    | 'session'
  >

/** `tls` is what it is for `openConnection`; with `serverSide: true` what it is for `startServer`. */
export type StartTlsOptions = Pick<WaitOptions, 'signal' | 'scope'> & (StartTlsAsClient | StartTlsAsServer)

export interface StartTlsAsClient extends TlsClientOptions {
  tls: true | TlsConnectOptions
  serverSide?: false | undefined
}

export interface StartTlsAsServer extends TlsServerOptions {
  tls: tls.TlsOptions
  serverSide: true
}
