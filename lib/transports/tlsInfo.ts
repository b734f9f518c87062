/** What a TLS connection tells of itself in `getExtraInfo`. */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

export const TLS_INFO: ReadonlySet<string> = new Set([
  'peercert',
  'cipher',
  'alpn',
  'servername',
  'tlsVersion',
  'sessionReused',
])

/** The socket as one with TLS, if it is one. */
export function securedOf(socket: Socket): TLSSocket | undefined {
  const secured = socket as Socket & Partial<Pick<TLSSocket, 'encrypted'>>
  return secured.encrypted === true ? (socket as TLSSocket) : undefined
}

/** The value of one of {@link TLS_INFO}; `undefined` where there is none. */
export function tlsInfo(secured: TLSSocket, name: string): unknown {
  if (name === 'alpn') return secured.alpnProtocol || undefined
  if (name === 'servername') return (secured as { servername?: string | false }).servername || undefined
  if (name === 'tlsVersion') return secured.getProtocol()
  if (name === 'sessionReused') return secured.isSessionReused()
  if (name === 'cipher') return secured.getCipher()
  const certificate: object | null = secured.getPeerCertificate()
  return Object.keys(certificate ?? {}).length > 0 ? certificate : undefined
}
