import { TcpConversation, type Sender } from '../../lib/layers/tcpConversation.ts'
import { ACK, FIN, MOST_DATA, PSH, RST, SYN } from '../../lib/layers/tcpPacket.ts'

const ends = {
  local: { address: Uint8Array.of(127, 0, 0, 1), port: 1 },
  peer: { address: Uint8Array.of(127, 0, 0, 1), port: 2 },
}

/** What it emits behind the handshake, as `sender flags seq ack length`. */
function conversation(opener: Sender = 'local', firstSeq = 0) {
  const log: string[] = []
  const names = Object.entries({ SYN, FIN, RST, PSH, ACK })
  const tcp = new TcpConversation(ends, opener, firstSeq, ({ from, seq, ack, flags, data }) => {
    const set = names.filter(([, bit]) => (flags & bit) !== 0).map(([name]) => name)
    log.push(`${from === ends.local ? 'local' : 'peer'} ${set.join('+')} ${seq} ${ack} ${data.length}`)
  })
  const handshake = log.splice(0)
  return { tcp, log, handshake }
}

describe('TcpConversation', () => {
  it('begins with a handshake', () => {
    expect(conversation('local', 100).handshake).toEqual([
      'local SYN 100 0 0',
      'peer SYN+ACK 100 101 0',
      'local ACK 101 101 0',
    ])
    expect(conversation('peer').handshake[0]).toBe('peer SYN 0 0 0')
  })

  it('numbers the bytes of both sides, and acknowledges each chunk', () => {
    const { tcp, log } = conversation()
    tcp.data('local', Buffer.alloc(10))
    tcp.data('peer', Buffer.alloc(7))
    tcp.data('local', Buffer.alloc(1))
    expect(log).toEqual([
      'local PSH+ACK 1 1 10',
      'peer ACK 1 11 0',
      'peer PSH+ACK 1 11 7',
      'local ACK 11 8 0',
      'local PSH+ACK 11 8 1',
      'peer ACK 8 12 0',
    ])
  })

  it('cuts large chunks into segments, of which the last is pushed', () => {
    const { tcp, log } = conversation()
    tcp.data('peer', Buffer.alloc(2 * MOST_DATA + 1))
    expect(log).toEqual([
      `peer ACK 1 1 ${MOST_DATA}`,
      `peer ACK ${MOST_DATA + 1} 1 ${MOST_DATA}`,
      `peer PSH+ACK ${2 * MOST_DATA + 1} 1 1`,
      `local ACK 1 ${2 * MOST_DATA + 2} 0`,
    ])
  })

  it('goes on beyond 2^32', () => {
    const { tcp, log } = conversation('local', 0xfffffffc)
    tcp.data('local', Buffer.alloc(5))
    tcp.data('local', Buffer.alloc(1))
    expect(log).toEqual([
      'local PSH+ACK 4294967293 4294967293 5',
      'peer ACK 4294967293 2 0',
      'local PSH+ACK 2 4294967293 1',
      'peer ACK 4294967293 3 0',
    ])
  })

  it('ends each side once, and the other may still send', () => {
    const { tcp, log } = conversation()
    tcp.end('local')
    tcp.end('local')
    tcp.data('local', Buffer.alloc(1))
    tcp.data('peer', Buffer.alloc(3))
    tcp.end('peer')
    tcp.reset('peer')
    expect(log).toEqual([
      'local FIN+ACK 1 1 0',
      'peer ACK 1 2 0',
      'peer PSH+ACK 1 2 3',
      'local ACK 2 4 0',
      'peer FIN+ACK 4 2 0',
      'local ACK 2 5 0',
    ])
  })

  it('has nothing behind a reset', () => {
    const { tcp, log } = conversation()
    tcp.reset('peer')
    tcp.data('local', Buffer.alloc(1))
    tcp.end('peer')
    tcp.reset('local')
    expect(log).toEqual(['peer RST+ACK 1 1 0'])
  })
})
