/**
 * The PROXY protocol, versions 1 and 2: what a load balancer puts in front of a connection that it passes on. Bytes
 * only, no socket. Source: the PROXY protocol's document of HAProxy, 2.2 on.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { FrameTooLargeError, InvalidFrameError } from '../errors.ts'
import type { ProxyInfo } from '../transport.ts'
import { crc32c } from './crc32c.ts'

/** The longest header of version 1, its line end included. */
const LONGEST_V1 = 107
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const WORD = Buffer.from('PROXY ', 'latin1')
const FIXED_V2 = 16
const TLV_CRC32C = 0x03
/** By the high half of the family's byte: the bytes of one address. */
const ADDRESS_SIZE = [0, 4, 16, 108] as const
const UNIX = 3

type Address = ProxyInfo['source']

/**
 * The header at the beginning of `bytes`, and its length, or `undefined` if more is needed. A header of version 2 may
 * take `maxBytes`.
 *
 * Throws {@link InvalidFrameError} as soon as the bytes cannot be a header, or tell a wrong checksum, and
 * {@link FrameTooLargeError}.
 */
export function parseProxyHeader(bytes: Buffer, maxBytes: number): { info: ProxyInfo; size: number } | undefined {
  if (begins(bytes, WORD)) return parseV1(bytes)
  if (begins(bytes, SIGNATURE)) return parseV2(bytes, maxBytes)
  const start = JSON.stringify(bytes.subarray(0, 12).toString('latin1'))
  throw new InvalidFrameError(`no PROXY header: the first bytes are ${start}`)
}

/** Whether the bytes are those of `mark`, as far as they go. */
function begins(bytes: Buffer, mark: Buffer): boolean {
  const n = Math.min(bytes.length, mark.length)
  return bytes.compare(mark, 0, n, 0, n) === 0
}

function parseV1(bytes: Buffer): { info: ProxyInfo; size: number } | undefined {
  const end = bytes.subarray(0, LONGEST_V1).indexOf('\r\n')
  if (end === -1) {
    if (bytes.length < LONGEST_V1) return undefined
    throw new InvalidFrameError(`a PROXY header of version 1 has no end within ${LONGEST_V1} bytes`)
  }
  const line = bytes.toString('latin1', 0, end)
  const invalid = (): never => {
    throw new InvalidFrameError(`not a PROXY header of version 1: ${JSON.stringify(line)}`)
  }
  const [, family, ...fields] = line.split(' ') as [string, string, ...string[]]
  const told = { version: 1, command: 'PROXY', tlvs: [] } as const
  if (family === 'UNKNOWN') return { info: { ...told, source: null, destination: null }, size: end + 2 }
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : invalid()
  const [from, to, fromPort, toPort] = fields as [string, string, string, string]
  // An address may not name an interface.
  const valid = fields.length === 4 && isAddress(from) && isAddress(to) && !line.includes('%')
  if (!valid) invalid()
  const port = (text: string): number => (/^(0|[1-9]\d{0,4})$/.test(text) && +text < 65536 ? +text : invalid())
  const info: ProxyInfo = { ...told, source: [from, port(fromPort)], destination: [to, port(toPort)] }
  return { info, size: end + 2 }
}

function parseV2(bytes: Buffer, maxBytes: number): { info: ProxyInfo; size: number } | undefined {
  if (bytes.length < FIXED_V2) return undefined
  const version = bytes[12]! >> 4
  const command = (['LOCAL', 'PROXY'] as const)[bytes[12]! & 15]
  const family = bytes[13]! >> 4
  if (version !== 2) throw new InvalidFrameError(`a PROXY header of version ${version}`, 12)
  if (command === undefined) throw new InvalidFrameError(`a PROXY header with the command ${bytes[12]! & 15}`, 12)
  // Streams and datagrams are told by the other half; of a local connection nothing of it counts.
  const known = family <= UNIX && (bytes[13]! & 15) <= 2
  if (command === 'PROXY' && !known) {
    throw new InvalidFrameError(`a PROXY header with the address family 0x${bytes[13]!.toString(16)}`, 13)
  }
  const size = FIXED_V2 + bytes.readUInt16BE(14)
  if (size > maxBytes) throw new FrameTooLargeError(size, maxBytes, 'a PROXY header')
  const told = command === 'PROXY' && (bytes[13]! & 15) !== 0 ? family : 0
  const length = known ? addressesSize(family) : 0
  if (size < FIXED_V2 + length && command === 'PROXY') {
    throw new InvalidFrameError(`a PROXY header of ${size} bytes is too short for its addresses`, 14)
  }
  if (bytes.length < size) return undefined
  // A copy: what it tells is kept for as long as the connection, the rest of the chunk is not.
  const header = Buffer.from(bytes.subarray(0, size))
  const tlvs = command === 'PROXY' ? parseTlvs(header, FIXED_V2 + length) : []
  const [source, destination] = told === 0 ? [null, null] : readAddresses(header, told)
  return { info: { version: 2, command, source, destination, tlvs }, size }
}

const addressesSize = (family: number): number => 2 * ADDRESS_SIZE[family]! + (family === 1 || family === 2 ? 4 : 0)

function readAddresses(header: Buffer, family: number): [Address, Address] {
  const size = ADDRESS_SIZE[family]!
  const [from, to] = [FIXED_V2, FIXED_V2 + size].map((at) => header.subarray(at, at + size)) as [Buffer, Buffer]
  if (family === UNIX) return [readPath(from), readPath(to)]
  const write = family === 1 ? writeIPv4 : writeIPv6
  const ports = FIXED_V2 + 2 * size
  return [
    [write(from), header.readUInt16BE(ports)],
    [write(to), header.readUInt16BE(ports + 2)],
  ]
}

/** Up to the first NUL, but for one at the beginning: that is an abstract name. */
function readPath(bytes: Buffer): string {
  const end = bytes.indexOf(0, 1)
  const path = bytes.toString('utf8', 0, end === -1 ? bytes.length : end)
  return path === '\0' ? '' : path
}

const writeIPv4 = (bytes: Buffer): string => [...bytes].join('.')

/** As RFC 5952 has it: the longest run of zeros, of two at least, is left out. */
function writeIPv6(bytes: Buffer): string {
  const mapped = bytes.readUInt16BE(10) === 0xffff && bytes.subarray(0, 10).every((each) => each === 0)
  if (mapped) return `::ffff:${writeIPv4(bytes.subarray(12))}`
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16)).join(':')
  let longest = ''
  for (const [run] of groups.matchAll(/\b0(:0\b)+/g)) if (run.length > longest.length) longest = run
  if (longest === '') return groups
  const at = groups.search(new RegExp(`\\b${longest}\\b`))
  return `${groups.slice(0, at).replace(/:$/, '')}::${groups.slice(at + longest.length).replace(/^:/, '')}`
}

function parseTlvs(header: Buffer, from: number): [number, Buffer][] {
  const tlvs: [number, Buffer][] = []
  for (let at = from; at < header.length;) {
    const end = at + 3 > header.length ? Infinity : at + 3 + header.readUInt16BE(at + 1)
    if (end > header.length) throw new InvalidFrameError('the last field of a PROXY header is cut off', at)
    const [type, value] = [header[at]!, header.subarray(at + 3, end)]
    if (type === TLV_CRC32C) checkSum(header, at + 3, value)
    tlvs.push([type, value])
    at = end
  }
  return tlvs
}

/** It is made over the header with zeros in its own place. */
function checkSum(header: Buffer, at: number, value: Buffer): void {
  if (value.length !== 4) throw new InvalidFrameError(`a checksum of ${value.length} bytes in a PROXY header`, at)
  const told = value.readUInt32BE()
  const blank = Buffer.from(header).fill(0, at, at + 4)
  if (crc32c(blank) !== told) throw new InvalidFrameError('the checksum of a PROXY header is wrong', at)
}

/** What a PROXY header is to say. */
export interface ProxyHeaderOptions {
  /** 2 by default; 1 is text, and knows neither Unix sockets nor fields. */
  version?: 1 | 2 | undefined
  /** `PROXY` by default; `LOCAL` for a connection of one's own, such as a health check, in version 2. */
  command?: ProxyInfo['command'] | undefined
  /** Of the client: `[host, port]`, or the path of a Unix socket; both or none. None says that it is not known. */
  source?: Address | undefined
  destination?: Address | undefined
  /** Further fields, for version 2. */
  tlvs?: ProxyInfo['tlvs'] | undefined
  /** Whether a CRC32c goes with it, in version 2; false by default. */
  checksum?: boolean | undefined
}

/**
 * A PROXY header, to be sent as the very first bytes of a connection, before any TLS: `createConnection` takes it as
 * `proxyHeader`. Throws a TypeError for addresses that do not go together, or not with the version.
 */
export function proxyHeader(options: ProxyHeaderOptions): Buffer {
  const { version = 2, source = null, destination = null } = options
  const family = familyOf(source)
  if (family !== familyOf(destination))
    throw new TypeError('source and destination must be of one family, or both left out')
  if (version === 2) return headerV2(options, family)
  const onlyV2 =
    options.command === 'LOCAL' || options.tlvs !== undefined || options.checksum === true || family === UNIX
  if (onlyV2) throw new TypeError('version 1 has no LOCAL, no Unix sockets, no fields and no checksum: use version 2')
  if (family === 0) return Buffer.from('PROXY UNKNOWN\r\n')
  const [[from, fromPort], [to, toPort]] = [source, destination] as [[string, number], [string, number]]
  return Buffer.from(`PROXY TCP${family === 1 ? 4 : 6} ${from} ${to} ${fromPort} ${toPort}\r\n`)
}

function familyOf(address: Address): number {
  if (address === null) return 0
  if (typeof address === 'string') return UNIX
  const [host, port] = address
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new RangeError(`${port} is no port`)
  if (isIPv4(host)) return 1
  if (isIPv6(host) && !host.includes('%')) return 2
  throw new TypeError(`${JSON.stringify(host)} is no IP address`)
}

function headerV2({ command, source, destination, tlvs = [], checksum }: ProxyHeaderOptions, family: number): Buffer {
  const fields = checksum === true ? [...tlvs, [TLV_CRC32C, Buffer.alloc(4)] as const] : tlvs
  const addresses =
    family === 0 ? [] : [addressBytes(source!), addressBytes(destination!), ...portBytes(source!, destination!)]
  const rest = Buffer.concat([...addresses, ...fields.flatMap(([type, value]) => [tlvHead(type, value), value])])
  if (rest.length > 0xffff) throw new RangeError(`a PROXY header of ${FIXED_V2 + rest.length} bytes is too long`)
  const fixed = Buffer.concat([SIGNATURE, Buffer.alloc(4)])
  fixed[12] = command === 'LOCAL' ? 0x20 : 0x21
  fixed[13] = family === 0 ? 0 : (family << 4) | 1
  fixed.writeUInt16BE(rest.length, 14)
  const header = Buffer.concat([fixed, rest])
  if (checksum === true) header.writeUInt32BE(crc32c(header), header.length - 4)
  return header
}

function tlvHead(type: number, value: Uint8Array): Buffer {
  return Buffer.of(type, value.length >> 8, value.length & 255)
}

function portBytes(...addresses: NonNullable<Address>[]): Buffer[] {
  return addresses.flatMap((each) => (typeof each === 'string' ? [] : [Buffer.of(each[1] >> 8, each[1] & 255)]))
}

function addressBytes(address: NonNullable<Address>): Buffer {
  if (typeof address !== 'string') return ipBytes(address[0])
  const path = Buffer.from(address)
  if (path.length > ADDRESS_SIZE[UNIX]) throw new RangeError(`the path ${JSON.stringify(address)} is too long`)
  return Buffer.concat([path], ADDRESS_SIZE[UNIX])
}

function ipBytes(host: string): Buffer {
  if (isIPv4(host)) return Buffer.from(host.split('.').map(Number))
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(host)
  if (dotted !== null) {
    const [a, b, c, d] = dotted.slice(2).map(Number) as [number, number, number, number]
    return ipBytes(`${dotted[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`)
  }
  const [head, tail] = host.split('::').map((half) => (half === '' ? [] : half.split(':'))) as [
    string[],
    string[] | undefined,
  ]
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - head.length - tail.length }, () => '0')
  const bytes = Buffer.alloc(16)
  ;[...head, ...zeros, ...(tail ?? [])].forEach((group, i) => bytes.writeUInt16BE(parseInt(group, 16), 2 * i))
  return bytes
}
