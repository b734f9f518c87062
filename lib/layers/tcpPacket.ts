/**
 * Records of a pcap file, each with an IP and a TCP header made up around a piece of a stream: pure functions on bytes.
 * (The formats: draft-ietf-opsawg-pcap, RFC 791, RFC 8200, RFC 9293.)
 */

/** One end, as it is to be shown. Both ends of a packet are of one family. */
export interface PacketEnd {
  /** 4 bytes for IPv4, 16 for IPv6. */
  readonly address: Uint8Array
  readonly port: number
}

/** A segment of TCP. */
export interface Segment {
  readonly from: PacketEnd
  readonly to: PacketEnd
  /** The number of its first byte, and of the one that is expected next; modulo 2^32. */
  readonly seq: number
  readonly ack: number
  /** The sum of {@link FIN} and the like. */
  readonly flags: number
  readonly data: Uint8Array
}

export const FIN = 0x01
export const SYN = 0x02
export const RST = 0x04
export const PSH = 0x08
export const ACK = 0x10

/** The most data of one packet: half of what a chunk mostly is, and less than a packet can have. */
export const MOST_DATA = 32 * 1024

const RECORD_HEADER = 16
const IPV4_HEADER = 20
const IPV6_HEADER = 40
const TCP_HEADER = 20
/** Of a SYN: maximum segment size, a filler, window scale. */
const SYN_OPTIONS = Uint8Array.of(2, 4, MOST_DATA >> 8, MOST_DATA & 0xff, 1, 3, 3, 14)
const WINDOW = 0xffff
const HOP_LIMIT = 64
const TCP = 6

/** The head of the file: little-endian, microseconds, packets that begin with an IP header (LINKTYPE_RAW). */
export function pcapHeader(): Uint8Array {
  const header = new DataView(new ArrayBuffer(24))
  header.setUint32(0, 0xa1b2c3d4, true)
  header.setUint16(4, 2, true)
  header.setUint16(6, 4, true)
  header.setUint32(16, 0x40000, true)
  header.setUint32(20, 101, true)
  return new Uint8Array(header.buffer)
}

/** The record of one segment at a time in milliseconds since 1970. */
export function pcapRecord(timeMs: number, segment: Segment): Uint8Array {
  const isV6 = segment.from.address.length === 16
  const ipHeader = isV6 ? IPV6_HEADER : IPV4_HEADER
  const options = (segment.flags & SYN) === 0 ? 0 : SYN_OPTIONS.length
  const tcpLength = TCP_HEADER + options + segment.data.length
  const record = new Uint8Array(RECORD_HEADER + ipHeader + tcpLength)
  const view = new DataView(record.buffer)
  const micros = Math.floor(timeMs * 1000)
  view.setUint32(0, Math.floor(micros / 1e6), true)
  view.setUint32(4, micros % 1e6, true)
  view.setUint32(8, ipHeader + tcpLength, true)
  view.setUint32(12, ipHeader + tcpLength, true)
  if (isV6) putIpv6(record.subarray(RECORD_HEADER), segment, tcpLength)
  else putIpv4(record.subarray(RECORD_HEADER), segment, tcpLength)
  putTcp(record.subarray(RECORD_HEADER + ipHeader), segment, options)
  return record
}

function putIpv4(packet: Uint8Array, { from, to }: Segment, payload: number): void {
  const view = viewOf(packet)
  packet[0] = 0x45
  view.setUint16(2, IPV4_HEADER + payload)
  // Do not fragment.
  packet[6] = 0x40
  packet[8] = HOP_LIMIT
  packet[9] = TCP
  packet.set(from.address, 12)
  packet.set(to.address, 16)
  view.setUint16(10, checksum(sum(packet, 0, IPV4_HEADER)))
}

function putIpv6(packet: Uint8Array, { from, to }: Segment, payload: number): void {
  packet[0] = 0x60
  viewOf(packet).setUint16(4, payload)
  packet[6] = TCP
  packet[7] = HOP_LIMIT
  packet.set(from.address, 8)
  packet.set(to.address, 24)
}

function putTcp(tcp: Uint8Array, { from, to, seq, ack, flags, data }: Segment, options: number): void {
  const view = viewOf(tcp)
  view.setUint16(0, from.port)
  view.setUint16(2, to.port)
  view.setUint32(4, seq)
  view.setUint32(8, ack)
  tcp[12] = ((TCP_HEADER + options) / 4) << 4
  tcp[13] = flags
  view.setUint16(14, WINDOW)
  if (options > 0) tcp.set(SYN_OPTIONS, TCP_HEADER)
  tcp.set(data, TCP_HEADER + options)
  const pseudoHeader = sum(from.address) + sum(to.address) + TCP + tcp.length
  view.setUint16(16, checksum(pseudoHeader + sum(tcp)))
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

/** Of the big-endian words; what a packet can hold cannot overflow it. */
function sum(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let total = 0
  let i = start
  for (; i + 1 < end; i += 2) total += (bytes[i]! << 8) | bytes[i + 1]!
  return i < end ? total + (bytes[i]! << 8) : total
}

/** The one's complement of the sum of one's complements (RFC 1071). */
function checksum(total: number): number {
  let folded = total
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000)
  return ~folded & 0xffff
}

/** The bytes of an address in its usual form; `undefined` if it is none. A zone is left out. */
export function addressBytes(text: string): Uint8Array | undefined {
  const [address = ''] = text.split('%')
  if (!address.includes(':')) return ipv4Bytes(address)
  const [head = '', tail, ...more] = address.split('::')
  if (more.length > 0) return undefined
  const [front, back] = [ipv6Words(head), tail === undefined ? [] : ipv6Words(tail)]
  if (front === undefined || back === undefined) return undefined
  const missing = 8 - front.length - back.length
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined
  const words = [...front, ...Array.from({ length: missing }, () => 0), ...back]
  const bytes = Uint8Array.from(words.flatMap((word) => [word >> 8, word & 0xff]))
  // An IPv4 peer of a socket for both families.
  const mapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff
  return mapped ? bytes.subarray(12) : bytes
}

function ipv4Bytes(text: string): Uint8Array | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return undefined
  const parts = text.split('.').map(Number)
  return parts.every((part) => part < 256) ? Uint8Array.from(parts) : undefined
}

function ipv6Words(text: string): number[] | undefined {
  if (text === '') return []
  const words: number[] = []
  for (const part of text.split(':')) {
    const four = part.includes('.') ? ipv4Bytes(part) : undefined
    if (four !== undefined) words.push((four[0]! << 8) | four[1]!, (four[2]! << 8) | four[3]!)
    else if (/^[0-9a-f]{1,4}$/i.test(part)) words.push(Number.parseInt(part, 16))
    else return undefined
  }
  return words
}
