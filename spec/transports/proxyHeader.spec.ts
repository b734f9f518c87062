import { FrameTooLargeError, InvalidFrameError } from '../../lib/errors.ts'
import { crc32c } from '../../lib/transports/crc32c.ts'
import { parseProxyHeader, proxyHeader, type ProxyHeaderOptions } from '../../lib/transports/proxyHeader.ts'
import { thrownBy } from '../support/thrown.ts'

const LIMIT = 4096
const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex')
const SIGNATURE = '0d0a0d0a 000d0a51 5549540a '
const v2 = (rest: string): Buffer => hex(SIGNATURE + rest)

/** Each with bytes behind it that are not the header's. */
const valid: [string, Buffer, object][] = [
  [
    'TCP4',
    Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.9 56324 443\r\n'),
    { version: 1, source: ['192.0.2.7', 56324], destination: ['198.51.100.9', 443] },
  ],
  [
    'TCP6',
    Buffer.from('PROXY TCP6 2001:db8::1 ::1 0 65535\r\n'),
    { version: 1, source: ['2001:db8::1', 0], destination: ['::1', 65535] },
  ],
  ['UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n'), { version: 1, source: null, destination: null }],
  [
    'UNKNOWN with something',
    Buffer.from('PROXY UNKNOWN ffff:f 1 2 whatever\r\n'),
    { version: 1, source: null, destination: null },
  ],
  [
    'IPv4',
    v2('21 11 000c c0000207 c6336409 dc04 01bb'),
    { version: 2, command: 'PROXY', source: ['192.0.2.7', 56324], destination: ['198.51.100.9', 443], tlvs: [] },
  ],
  [
    'IPv6',
    v2('21 21 0024 20010db8000000000000000000000001 00000000000000000000000000000001 0001 ffff'),
    { source: ['2001:db8::1', 1], destination: ['::1', 65535] },
  ],
  [
    'Unix sockets',
    v2(`21 31 00d8 ${Buffer.from('/run/a').toString('hex').padEnd(216, '0')} ${'00b1'.padEnd(216, '0')}`),
    { source: '/run/a', destination: '\0\ufffd' },
  ],
  ['LOCAL', v2('20 00 0000'), { version: 2, command: 'LOCAL', source: null, destination: null, tlvs: [] }],
  [
    'LOCAL with addresses, which say nothing',
    v2('20 11 000c c0000207 c6336409 dc04 01bb'),
    { command: 'LOCAL', source: null, destination: null },
  ],
  ['LOCAL of an unknown family', v2('20 f7 0003 010203'), { command: 'LOCAL', source: null, tlvs: [] }],
  [
    'an unspecified family, with fields',
    v2('21 00 0007 01 0002 6832 04 0000'.replace('0007', '0008')),
    {
      command: 'PROXY',
      source: null,
      tlvs: [
        [1, Buffer.from('h2')],
        [4, Buffer.alloc(0)],
      ],
    },
  ],
  [
    'datagrams',
    v2('21 12 000c c0000207 c6336409 dc04 01bb'),
    { source: ['192.0.2.7', 56324], destination: ['198.51.100.9', 443] },
  ],
]

describe('parseProxyHeader', () => {
  it.each(valid)('%s: known at its last byte, and not before', (_, header, info) => {
    const bytes = Buffer.concat([header, Buffer.from('PROXY behind')])
    for (let n = 0; n < header.length; n++) expect(parseProxyHeader(bytes.subarray(0, n), LIMIT)).toBeUndefined()
    for (let n = header.length; n <= bytes.length; n++) {
      const found = parseProxyHeader(bytes.subarray(0, n), LIMIT)!
      expect(found.size).toBe(header.length)
      expect(found.info).toMatchObject(info)
    }
  })

  it('keeps none of the memory that it was given', () => {
    const bytes = v2('21 00 0005 05 0002 6162')
    const { tlvs } = parseProxyHeader(bytes, LIMIT)!.info
    bytes.fill(0)
    expect(tlvs).toEqual([[5, Buffer.from('ab')]])
  })

  it.each<[string, string | Buffer, number, RegExp]>([
    ['another first byte', 'G', 1, /no PROXY header: the first bytes are "G"/],
    ['a request', 'GET / HTTP/1.1\r\n', 1, /no PROXY header/],
    ['another word', 'PROXX TCP4 ', 5, /no PROXY header/],
    ['TLS', Buffer.of(0x16, 3, 1), 1, /no PROXY header/],
    ['an unknown family', 'PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n', Infinity, /not a PROXY header of version 1/],
    ['no family', 'PROXY \r\n', Infinity, /version 1/],
    ['too few fields', 'PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n', Infinity, /version 1/],
    ['too many', 'PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n', Infinity, /version 1/],
    ['two blanks', 'PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n', Infinity, /version 1/],
    ['an address of the other family', 'PROXY TCP4 ::1 ::1 1 2\r\n', Infinity, /version 1/],
    ['an interface', 'PROXY TCP6 fe80::1%1 ::1 1 2\r\n', Infinity, /version 1/],
    ['a port too large', 'PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n', Infinity, /version 1/],
    ['a port with a zero in front', 'PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n', Infinity, /version 1/],
    ['a port that is none', 'PROXY TCP4 1.2.3.4 1.2.3.4 1e1 2\r\n', Infinity, /version 1/],
    ['no end', `PROXY UNKNOWN ${'x'.repeat(93)}`, 107, /no end within 107 bytes/],
    ['another version', v2('11 11 000c'), 16, /of version 1/],
    ['another command', v2('22 11 000c'), 16, /the command 2/],
    ['another family', v2('21 41 000c'), 16, /family 0x41/],
    ['another protocol', v2('21 13 000c'), 16, /family 0x13/],
    ['no room for the addresses', v2('21 11 000b'), 16, /too short for its addresses/],
    ['a field that is cut off', v2('21 00 0004 01 0002 61'), 20, /the last field .* cut off/],
    ['half a field', v2('21 00 0002 01 00'), 18, /the last field .* cut off/],
  ])('throws for %s, at the first byte that shows it', (_, text, at, message) => {
    const bytes = Buffer.from(text as Buffer)
    const before = bytes.subarray(0, Math.min(at, bytes.length) - 1)
    expect(parseProxyHeader(before, LIMIT)).toBeUndefined()
    const error = thrownBy(() => parseProxyHeader(bytes.subarray(0, at), LIMIT))
    expect(error).toBeInstanceOf(InvalidFrameError)
    expect((error as Error).message).toMatch(message)
  })

  it('takes a line of 107 bytes with its end, and none of 108', () => {
    const line = (size: number): Buffer => Buffer.from(`PROXY UNKNOWN ${'x'.repeat(size - 16)}\r\n`)
    expect(parseProxyHeader(line(107), LIMIT)!.size).toBe(107)
    expect(() => parseProxyHeader(line(108), LIMIT)).toThrow(InvalidFrameError)
  })

  it('refuses a length over the limit from the length alone', () => {
    const header = v2('21 00 0ff1')
    const error = thrownBy(() => parseProxyHeader(header, LIMIT))
    expect(error).toBeInstanceOf(FrameTooLargeError)
    expect(error).toMatchObject({ size: 4097, limit: 4096 })
    expect(parseProxyHeader(v2('21 00 0ff0'), LIMIT)).toBeUndefined()
  })

  it('checks a CRC32c: one bit that is wrong anywhere is found', () => {
    const header = proxyHeader({ source: ['1.2.3.4', 1], destination: ['5.6.7.8', 2], checksum: true })
    expect(parseProxyHeader(header, LIMIT)!.info.tlvs).toEqual([[3, header.subarray(-4)]])
    for (let bit = 16 * 8; bit < header.length * 8; bit++) {
      const wrong = Buffer.from(header)
      wrong[bit >> 3]! ^= 1 << (bit & 7)
      // In its own head it is another field, or none; everywhere else the sum is wrong.
      if (bit >> 3 >= 28 && bit >> 3 < 31) continue
      expect(() => parseProxyHeader(wrong, LIMIT)).toThrow('the checksum of a PROXY header is wrong')
    }
    expect(() => parseProxyHeader(v2('21 00 0005 03 0002 6162'), LIMIT)).toThrow('a checksum of 2 bytes')
  })
})

describe('proxyHeader', () => {
  it('writes the text of version 1', () => {
    const text = (options: ProxyHeaderOptions): string => proxyHeader({ version: 1, ...options }).toString()
    expect(text({ source: ['1.2.3.4', 5], destination: ['6.7.8.9', 10] })).toBe('PROXY TCP4 1.2.3.4 6.7.8.9 5 10\r\n')
    expect(text({ source: ['::1', 5], destination: ['::2', 10] })).toBe('PROXY TCP6 ::1 ::2 5 10\r\n')
    expect(text({})).toBe('PROXY UNKNOWN\r\n')
  })

  it('writes the bytes of version 2', () => {
    const header = proxyHeader({ source: ['192.0.2.7', 56324], destination: ['198.51.100.9', 443] })
    expect(header).toEqual(v2('21 11 000c c0000207 c6336409 dc04 01bb'))
    expect(proxyHeader({ command: 'LOCAL' })).toEqual(v2('20 00 0000'))
  })

  it.each<ProxyHeaderOptions>([
    { source: ['2001:db8:0:1:1:1:1:1', 1], destination: ['::', 2] },
    { source: ['1:0:0:2::3', 1], destination: ['fe80::', 2] },
    { source: ['::ffff:1.2.3.4', 1], destination: ['2001:db8::192', 2] },
    { source: '/run/x', destination: '\0abstract' },
    { source: '', destination: `/${'y'.repeat(107)}` },
    {
      tlvs: [
        [1, Buffer.from('h2')],
        [0xe0, Buffer.alloc(300, 7)],
      ],
      checksum: true,
    },
  ])('says what is read from it again: %j', (options) => {
    const header = proxyHeader(options)
    const { info, size } = parseProxyHeader(header, LIMIT)!
    const { source = null, destination = null, tlvs = [] } = options
    expect(size).toBe(header.length)
    const address = (each: typeof source): unknown => (Array.isArray(each) ? [canonical(each[0]), each[1]] : each)
    expect([info.source, info.destination].map(address)).toEqual([source, destination].map(address))
    expect(info.tlvs.slice(0, tlvs.length)).toEqual(tlvs)
  })

  it('refuses addresses that do not go together, or not with the version', () => {
    const refused = (options: object, type: typeof RangeError | typeof TypeError): void =>
      expect(() => proxyHeader(options)).toThrow(type)
    refused({ source: ['1.2.3.4', 1] }, TypeError)
    refused({ source: ['1.2.3.4', 1], destination: ['::1', 1] }, TypeError)
    refused({ source: ['example.org', 1], destination: ['::1', 1] }, TypeError)
    refused({ source: ['::1', 65536], destination: ['::1', 1] }, RangeError)
    refused({ version: 1, source: '/a', destination: '/b' }, TypeError)
    refused({ version: 1, command: 'LOCAL' }, TypeError)
    refused({ source: 'a'.repeat(109), destination: '' }, RangeError)
    refused({ tlvs: [[1, Buffer.alloc(65_534)]] }, RangeError)
  })
})

/** As the WHATWG's URLs write it, which is RFC 5952 but for dotted quads. */
const canonical = (host: string): string => new URL(`http://[${host}]`).hostname

describe('crc32c', () => {
  it('is what RFC 3720 says of its examples', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa)
    expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43)
  })
})
