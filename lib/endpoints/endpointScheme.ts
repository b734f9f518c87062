/** What an endpoint's string may say: one way to connect, and one to listen, by its scheme. */
import { readFile } from 'node:fs/promises'
import type { SecureContextOptions } from 'node:tls'
import { NotImplementedError } from '../errors.ts'
import type { AnyProtocol, ProtocolFactory } from '../protocol.ts'
import type { Transport } from '../transport.ts'
import { rejected } from '../wait.ts'
import { createConnection, createUnixConnection, type TcpConnectOptions } from './connect.ts'
import { connectStdio } from './connectPipe.ts'
import { listenTcp, listenUnix, type TcpListenOptions, type UnixListenOptions } from './listen.ts'
import { listenFds } from './listenFds.ts'
import { listenOn, type ServerFactory } from './listenOn.ts'
import { connectMemory, MemoryListener } from './memoryListener.ts'
import type { Server } from './server.ts'
import { StdioListener } from './stdioListener.ts'

/** All that may be said of a connection but where to; what is only for TCP means nothing to other schemes. */
export type EndpointConnectOptions = Omit<TcpConnectOptions, 'host' | 'port' | 'sock'>
/** All that may be said of listening but where; what is only for TCP, or for a path, means nothing to other schemes. */
export type EndpointListenOptions = Omit<TcpListenOptions, 'host' | 'port' | 'fd'> &
  Pick<UnixListenOptions, 'cleanupSocket'>

/** What is common to all that an endpoint may connect to, and listen on. */
export interface EndpointScheme {
  connect<P extends AnyProtocol>(factory: ProtocolFactory<P>, options: EndpointConnectOptions): Promise<[Transport, P]>
  listen<S extends Server>(makeServer: ServerFactory<S>, options: EndpointListenOptions): Promise<S>
}

/** Throws a TypeError or a RangeError that says what is wrong with `text`. */
export function parseEndpoint(text: string): EndpointScheme {
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(text) ?? []
  if (scheme === undefined) throw new TypeError(`${quote(text)} is no endpoint: it begins with no scheme, such as tcp:`)
  const parse = schemes[scheme.toLowerCase() as keyof typeof schemes]
  if (parse === undefined) {
    const known = Object.keys(schemes).join(', ')
    throw new TypeError(`${quote(text)}: the scheme ${scheme} is not known, only ${known}`)
  }
  return parse(rest!, text)
}

/** What a string may say of TLS. */
interface TlsFiles extends Pick<SecureContextOptions, 'ca' | 'cert' | 'key'> {
  ALPNProtocols?: string[]
}

type Parse = (rest: string, text: string) => EndpointScheme

const schemes: Readonly<Partial<Record<string, Parse>>> = {
  tcp(rest, text) {
    const { host, port, query } = parseAuthority(rest, text)
    takeAll(query, [], text)
    return tcp(host, port, text)
  },

  tls(rest, text) {
    const { host, port, query } = parseAuthority(rest, text)
    const given = takeAll(query, ['ca', 'cert', 'key', 'servername', 'alpn'], text)
    const { servername, alpn } = given
    const below = tcp(host, port, text)
    const read = async (): Promise<TlsFiles> => {
      const [ca, cert, key] = await Promise.all(
        [given['ca'], given['cert'], given['key']].map(async (path) => path && (await readFile(path))),
      )
      return {
        ...(ca && { ca }),
        ...(cert && { cert }),
        ...(key && { key }),
        ...(alpn && { ALPNProtocols: alpn.split(',') }),
      }
    }
    return {
      async connect(factory, options) {
        const more = typeof options.tls === 'object' ? options.tls : {}
        const tls = { ...(await read()), ...more }
        return below.connect(factory, { serverHostname: servername, ...options, tls })
      },
      async listen(makeServer, options) {
        if (servername !== undefined) throw new TypeError(`${quote(text)}: servername is only for connecting`)
        const needed = ['cert', 'key'].find((name) => given[name] === undefined)
        if (needed !== undefined && options.tls === undefined)
          throw new TypeError(`${quote(text)}: a server needs a ${needed}`)
        const tls = await read()
        // Who says whom to trust wants to see a certificate.
        const asking = tls.ca === undefined ? {} : { requestCert: true }
        return below.listen(makeServer, { ...options, tls: { ...tls, ...asking, ...options.tls } })
      },
    }
  },

  unix(rest, text) {
    if (/^\/\/[^/]/.test(rest)) {
      throw new TypeError(
        `${quote(text)}: a path behind unix:// begins with a third slash; a relative one is unix:path`,
      )
    }
    const path = decode(rest.replace(/^\/\/(?=\/)/, ''), text)
    if (path === '' || path === '@') throw new TypeError(`${quote(text)} has no path`)
    const place = { path: rest.startsWith('@') ? `\0${path.slice(1)}` : path }
    return {
      connect: (factory, options) => createUnixConnection(factory, { ...options, ...place }),
      listen: (makeServer, options) => listenUnix(makeServer, { ...options, ...place }),
    }
  },

  stdio(rest, text) {
    if (rest !== '') throw new TypeError(`${quote(text)}: nothing may follow stdio:`)
    return {
      connect: async (factory, options) => {
        refuse(options, [...SOCKET_OPTIONS, 'layers', 'onConnectionLost'], 'stdio:')
        return connectStdio(factory, { side: 'client', onConnectionError: options.onConnectionError })
      },
      listen: (makeServer, options) =>
        listenOn(makeServer, options, async () => {
          refuse(options, SOCKET_OPTIONS, 'stdio:')
          return [new StdioListener()]
        }),
    }
  },

  memory(rest, text) {
    const name = decode(rest.replace(/^\/\//, ''), text)
    if (name === '') throw new TypeError(`${quote(text)} has no name`)
    return {
      connect: async (factory, options) => {
        refuse(options, SOCKET_OPTIONS, 'memory:')
        return connectMemory(factory, name, options)
      },
      listen: (makeServer, options) =>
        listenOn(makeServer, options, async () => {
          refuse(options, SOCKET_OPTIONS, 'memory:')
          return [new MemoryListener(name)]
        }),
    }
  },

  fd(rest, text) {
    if (!/^\d{1,9}$/.test(rest)) throw new TypeError(`${quote(text)}: fd: is followed by the number of a descriptor`)
    return inherited(text, () => [Number(rest)])
  },

  systemd(rest, text) {
    const name = decode(rest, text)
    if (name === '') throw new TypeError(`${quote(text)} has no name`)
    return inherited(text, () => {
      const passed = listenFds({ unsetEnvironment: false })
      const fds = passed.filter((each) => each.name === name).map(({ fd }) => fd)
      if (fds.length > 0) return fds
      const names = passed.map((each) => each.name).join(', ') || 'none at all'
      throw new TypeError(`${quote(text)}: no socket of that name was passed, but ${names}`)
    })
  },
}

/** What needs a socket of the system below. */
const SOCKET_OPTIONS = [
  'tls',
  'tlsOptional',
  'proxyProtocol',
  'proxyHeader',
  'maxConnectionsPerPeer',
  'idleTimeoutMs',
] as const

function refuse(options: object, names: readonly string[], scheme: string): void {
  const given = names.find((name) => (options as Record<string, unknown>)[name] !== undefined)
  if (given !== undefined) throw new TypeError(`${scheme} has no ${given}: that is for sockets`)
}

function tcp(host: string, port: number, text: string): EndpointScheme {
  return {
    connect: (factory, options) => {
      if (port === 0) return rejected(new RangeError(`${quote(text)}: port 0 is only for listening`))
      return createConnection(factory, { ...options, host: host || 'localhost', port })
    },
    listen: (makeServer, options) => listenTcp(makeServer, { ...options, host, port }),
  }
}

function inherited(text: string, fds: () => number[]): EndpointScheme {
  return {
    connect: () => rejected(new NotImplementedError(`${quote(text)} is a listening socket: it is only for servers`)),
    listen: async (makeServer, options) => listenTcp(makeServer, { ...options, fd: fds() }),
  }
}

/** `//host:port?query`, an IPv6 address in brackets. */
function parseAuthority(rest: string, text: string): { host: string; port: number; query: string } {
  const match = /^\/\/(?:\[([^\]]*)\]|([^:/?#[\]]*))(?::([^:/?#]*))?\/?(?:\?(.*))?$/s.exec(rest)
  if (match === null) throw new TypeError(`${quote(text)}: a scheme is followed by //host:port, as in tcp://[::1]:80`)
  const [, bracketed, bare, port, query = ''] = match
  if (bracketed === '' || (bracketed !== undefined && !bracketed.includes(':'))) {
    throw new TypeError(`${quote(text)}: in brackets there must be an IPv6 address`)
  }
  if (!port) throw new TypeError(`${quote(text)} has no port`)
  if (!/^\d+$/.test(port) || Number(port) > 65535) throw new RangeError(`${quote(text)}: ${port} is no port`)
  return { host: bracketed ?? decode(bare!, text), port: Number(port), query }
}

/** The parameters of a query, each at most once. */
function takeAll(query: string, known: readonly string[], text: string): Partial<Record<string, string>> {
  const taken: Partial<Record<string, string>> = {}
  // A plus is one here, as everywhere else in the string, and no space.
  for (const [name, value] of new URLSearchParams(query.replaceAll('+', '%2B'))) {
    if (!known.includes(name)) {
      throw new TypeError(
        `${quote(text)}: ${quote(name)} is not known${known.length > 0 ? `, only ${known.join(', ')}` : ''}`,
      )
    }
    if (taken[name] !== undefined) throw new TypeError(`${quote(text)} has ${name} twice`)
    if (value === '') throw new TypeError(`${quote(text)}: ${name} is empty`)
    taken[name] = value
  }
  return taken
}

function decode(part: string, text: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new TypeError(`${quote(text)}: a percent sign must be followed by two hexadecimal digits`)
  }
}

const quote = (text: string): string => JSON.stringify(text)
