/** CONTRACT: what may be said of TLS when connecting, listening, and going over to it. Types alone: all of it is Node's. */
import type * as tls from 'node:tls'
import type { WaitOptions } from './wait.ts'

/** Times of TLS, in milliseconds. */
export interface TlsTimes {
  /** How long the handshake may take; 60,000 by default. */
  tlsHandshakeTimeoutMs?: number | undefined
}

/** TLS from the dialling side. */
export interface TlsClientOptions extends TlsTimes {
  /**
   * `true`, or options of `tls.connect`: `ca`, `cert`, `key`, `ALPNProtocols`, `session`, … A server whose certificate
   * is not to be trusted is refused.
   */
  tls?: boolean | TlsConnectOptions | undefined
  /** The name that the server's certificate must have, and that it is asked for; the `host` by default. */
  serverHostname?: string | undefined
}

/** TLS from the listening side. */
export interface TlsServerOptions extends TlsTimes {
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
