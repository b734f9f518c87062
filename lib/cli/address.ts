import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
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

/** Where a client connects to. Any of the flags asks for TLS; throws if it cannot be had. */
export function clientEndpoint(text: string, flags: TlsFlags): Address & TlsClientOptions {
  const address = parseAddress(text)
  const { tls, serverName, insecure } = flags
  const files = pemFiles(flags)
  if (!tls && !insecure && serverName === undefined && Object.keys(files).length === 0) return address
  if ('path' in address && serverName === undefined) throw new Error('TLS over a Unix socket needs --server-name')
  return {
    ...address,
    tls: { ...files, ...(insecure && { rejectUnauthorized: false }) },
    ...(serverName !== undefined && { serverHostname: serverName }),
  }
}

/** With `ca` clients must have a certificate of it. Throws for files that are none. */
export function serverTls(flags: TlsFlags): TlsServerOptions {
  const files = pemFiles(flags)
  if (Object.keys(files).length === 0) return {}
  if (files.cert === undefined) throw new Error(NEEDS_BOTH)
  return { tls: { ...files, ...(files.ca !== undefined && { requestCert: true, rejectUnauthorized: true }) } }
}

const NEEDS_BOTH = 'TLS needs both --cert and --key'

function pemFiles({ ca, cert, key }: TlsFlags): { ca?: Buffer; cert?: Buffer; key?: Buffer } {
  if ((cert === undefined) !== (key === undefined)) throw new Error(NEEDS_BOTH)
  const files = {
    ...(ca !== undefined && { ca: readFileSync(ca) }),
    ...(cert !== undefined && { cert: readFileSync(cert) }),
    ...(key !== undefined && { key: readFileSync(key) }),
  }
  try {
    // Here, and not with each attempt to connect.
    createSecureContext(files)
    // One that has no certificates in it passes otherwise.
    if (files.ca !== undefined) void new X509Certificate(files.ca)
  } catch (error) {
    const names = [ca, cert, key].filter((file) => file !== undefined).join(', ')
    throw new Error(`${names}: ${(error as Error).message}`, { cause: error })
  }
  return files
}
