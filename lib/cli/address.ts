import { readFileSync } from 'node:fs'
import type { TlsClientOptions, TlsServerOptions } from '../tlsOptions.ts'

/** Where to connect to, or to listen. */
export type Address = { readonly host: string; readonly port: number } | { readonly path: string }

/** `HOST:PORT`, `[::1]:PORT` or `unix:PATH`. Throws a TypeError for what is neither. */
export function parseAddress(text: string): Address {
  if (text.startsWith('unix:') && text.length > 5) {
    // As for a socket in the abstract namespace.
    return { path: text.slice(5).replace(/^@/, '\0') }
  }
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d+)$/.exec(text) ?? []
  const host = bracketed ?? plain
  if (host === undefined || Number(port) > 65535) {
    throw new TypeError(`${text} is no address: give HOST:PORT or unix:PATH`)
  }
  return { host, port: Number(port) }
}

/** The options of the command line about TLS; files are PEM. */
export interface TlsFlags {
  readonly tls?: true
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly serverName?: string
  readonly insecure?: true
}

/** Any of them asks for TLS. */
export function clientTls(flags: TlsFlags): TlsClientOptions {
  const { tls, serverName, insecure } = flags
  const files = pemFiles(flags)
  if (!tls && !insecure && serverName === undefined && Object.keys(files).length === 0) return {}
  return {
    tls: { ...files, ...(insecure && { rejectUnauthorized: false }) },
    ...(serverName !== undefined && { serverHostname: serverName }),
  }
}

/** With `ca` clients must have a certificate of it. */
export function serverTls(flags: TlsFlags): TlsServerOptions {
  const files = pemFiles(flags)
  if (Object.keys(files).length === 0) return {}
  if (files.cert === undefined || files.key === undefined) throw new Error('TLS needs both --cert and --key')
  return { tls: { ...files, ...(files.ca !== undefined && { requestCert: true, rejectUnauthorized: true }) } }
}

function pemFiles({ ca, cert, key }: TlsFlags): { ca?: Buffer; cert?: Buffer; key?: Buffer } {
  return {
    ...(ca !== undefined && { ca: readFileSync(ca) }),
    ...(cert !== undefined && { cert: readFileSync(cert) }),
    ...(key !== undefined && { key: readFileSync(key) }),
  }
}
