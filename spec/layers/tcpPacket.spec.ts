import { ACK, addressBytes, FIN, pcapHeader, pcapRecord, PSH, SYN, type Segment } from '../../lib/layers/tcpPacket.ts'

const hex = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString('hex')

const v4: Segment = {
  from: { address: Uint8Array.of(10, 1, 2, 3), port: 50_000 },
  to: { address: Uint8Array.of(192, 168, 250, 255), port: 80 },
  seq: 0xfffffffe,
  ack: 0x01020304,
  flags: PSH | ACK,
  data: Buffer.from('odd'),
}

describe('pcapHeader', () => {
  it('says little-endian, microseconds, packets that begin with IP', () => {
    expect(hex(pcapHeader())).toBe('d4c3b2a1' + '02000400' + '00000000' + '00000000' + '00000400' + '65000000')
  })
})

// The packets are those of another implementation, with the checksums of RFC 1071.
describe('pcapRecord', () => {
  const packet = (segment: Segment): string => hex(pcapRecord(0, segment).subarray(16))!

  it('has the time in seconds and microseconds, and the length twice', () => {
    const record = pcapRecord(1_700_000_000_123.4568, v4)
    expect(hex(record.subarray(0, 16))).toBe('00f15365' + '40e20100' + '2b000000' + '2b000000')
  })

  it('puts an IPv4 and a TCP header in front, with right checksums, also for an odd number of bytes', () => {
    expect(packet(v4)).toBe(
      '4500002b00004000400673210a010203c0a8faff' + 'c3500050fffffffe010203045018ffff4d130000' + '6f6464',
    )
  })

  it('announces segment size and window scale in a SYN', () => {
    expect(packet({ ...v4, seq: 7, ack: 0, flags: SYN, data: Buffer.alloc(0) })).toBe(
      '45000030000040004006731c0a010203c0a8faff' + 'c350005000000007000000007002ffff7e710000' + '020480000103030e',
    )
  })

  it('puts an IPv6 header in front where the addresses are long', () => {
    const segment: Segment = {
      from: { address: addressBytes('2001:db8::ff00:42:8329')!, port: 1 },
      to: { address: addressBytes('fe80::1%eth0')!, port: 65_535 },
      seq: 5,
      ack: 6,
      flags: FIN | ACK,
      data: new Uint8Array(0),
    }
    expect(packet(segment)).toBe(
      '6000000000140640' +
        '20010db8000000000000ff0000428329' +
        'fe800000000000000000000000000001' +
        '0001ffff00000005000000065011ffff01210000',
    )
  })
})

describe('addressBytes', () => {
  it.each([
    ['127.0.0.1', '7f000001'],
    ['::1', '00000000000000000000000000000001'],
    ['::', '00000000000000000000000000000000'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['1::8', '00010000000000000000000000000008'],
    ['fe80::', 'fe800000000000000000000000000000'],
    ['64:ff9b::192.0.2.33', '0064ff9b0000000000000000c0000221'],
    ['::ffff:10.0.0.1', '0a000001'],
  ])('knows %s', (text, expected) => {
    expect(hex(addressBytes(text))).toBe(expected)
  })

  it.each(['', 'memory', '1.2.3', '1.2.3.256', '1.2.3.4.5', '1:2', '1:2:3:4:5:6:7:8:9', '1::2::3', '12345::', 'g::'])(
    'does not take %j for an address',
    (text) => {
      expect(addressBytes(text)).toBeUndefined()
    },
  )
})
