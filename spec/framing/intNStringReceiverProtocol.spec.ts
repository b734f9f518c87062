import { FrameTooLargeError } from '../../lib/errors.ts'
import {
  Int16StringReceiverProtocol,
  Int32StringReceiverProtocol,
  Int8StringReceiverProtocol,
  IntNStringReceiverProtocol,
} from '../../lib/framing/intNStringReceiverProtocol.ts'
import { latin1 } from '../support/everySplit.ts'
import { netDial, netServe, type NetPeer } from '../support/netTools.ts'

/** Sends each string back in capitals. */
class Upper extends IntNStringReceiverProtocol {
  readonly prefixFormat: string = '<L'
  readonly received: Buffer[] = []
  lostWith: Error | null | undefined

  stringReceived(string: Buffer): void {
    this.received.push(string)
    this.sendString(string.toString('latin1').toUpperCase())
  }
  override connectionLost(error: Error | null): void {
    this.lostWith = error
  }
}

function upper(prefixFormat: string): Upper {
  return new (class extends Upper {
    override readonly prefixFormat = prefixFormat
  })()
}

class Short extends Upper {
  override readonly prefixFormat = '>H'
  override readonly maxLength = 5
}

async function served(protocol: Upper): Promise<{ peer: NetPeer; errors: { error: unknown }[] }> {
  const { address, errors } = await netServe(() => protocol)
  return { peer: await netDial(address), errors }
}

describe('IntNStringReceiverProtocol', () => {
  describe('prefixFormat', () => {
    it.each([
      ['>B', '\x03'],
      ['<B', '\x03'],
      ['>H', '\0\x03'],
      ['!H', '\0\x03'],
      ['<H', '\x03\0'],
      ['>I', '\0\0\0\x03'],
      ['!L', '\0\0\0\x03'],
      ['<I', '\x03\0\0\0'],
      ['<L', '\x03\0\0\0'],
      ['>Q', '\0\0\0\0\0\0\0\x03'],
      ['<Q', '\x03\0\0\0\0\0\0\0'],
    ])('%s puts the length in front, both ways', async (format, prefix) => {
      const protocol = upper(format)
      const { peer } = await served(protocol)
      peer.socket.write(latin1(`${prefix}abc${prefix}def`))
      const expected = `${prefix}ABC${prefix}DEF`
      await peer.until(() => peer.size >= expected.length)
      expect(peer.text).toBe(expected)
      expect(protocol.received.map(String)).toEqual(['abc', 'def'])
    })

    it.each(['', 'L', '<', '=L', '@I', '<X', '<b', '<LL', ' <L'])('%p is a TypeError', async (format) => {
      const { peer, errors } = await served(upper(format))
      peer.socket.write('abc')
      await peer.until(() => peer.ended || peer.closed)
      expect(errors.map(({ error }) => (error as Error).message)).toEqual([
        `prefixFormat '${format}' is not like '<L' or '>H'`,
      ])
      expect(errors[0]!.error).toBeInstanceOf(TypeError)
    })
  })

  it.each([
    ['Int8StringReceiverProtocol', Int8StringReceiverProtocol, '\x03'],
    ['Int16StringReceiverProtocol', Int16StringReceiverProtocol, '\0\x03'],
    ['Int32StringReceiverProtocol', Int32StringReceiverProtocol, '\0\0\0\x03'],
  ])('of %s is that of Twisted', async (_, Base, prefix) => {
    class Upper extends Base {
      stringReceived(string: Buffer): void {
        this.sendString(string.toString().toUpperCase())
      }
    }
    const { address } = await netServe(() => new Upper())
    const peer = await netDial(address)
    peer.socket.write(latin1(`${prefix}abc`))
    await peer.until(() => peer.size >= prefix.length + 3)
    expect(peer.text).toBe(`${prefix}ABC`)
  })

  describe('stringReceived', () => {
    it('gets empty strings too, and Buffers, whatever the chunks', async () => {
      const protocol = upper('>H')
      const { peer } = await served(protocol)
      peer.socket.setNoDelay(true)
      for (const piece of ['\0', '\0\0', '\x02a', 'b', '\0\0']) {
        peer.socket.write(piece)
        await new Promise((resolve) => setImmediate(resolve))
      }
      await peer.until(() => peer.size >= 8)
      expect(protocol.received.map(String)).toEqual(['', 'ab', ''])
      expect(protocol.received.every((string) => Buffer.isBuffer(string))).toBe(true)
    })
  })

  describe('maxLength', () => {
    it.each([
      [4, true],
      [5, true],
      [6, false],
    ])('of 5 and a string of %i', async (length, accepted) => {
      const protocol = new Short()
      const { peer, errors } = await served(protocol)
      peer.socket.end(latin1(`\0${String.fromCharCode(length)}${'x'.repeat(length)}`))
      await peer.until(() => peer.ended || peer.closed)
      expect(protocol.received).toHaveLength(accepted ? 1 : 0)
      expect(errors.map(({ error }) => error instanceof FrameTooLargeError)).toEqual(accepted ? [] : [true])
      expect(protocol.lostWith).toBe(accepted ? null : errors[0]!.error)
    })

    it('is 99 999 by default', async () => {
      const protocol = upper('>L')
      const { peer, errors } = await served(protocol)
      const prefix = (n: number): Buffer => Buffer.from([0, n >>> 16, n >>> 8, n])
      peer.socket.write(Buffer.concat([prefix(99_999), Buffer.alloc(99_999, 'x'), prefix(100_000)]))
      await peer.until(() => peer.ended || peer.closed)
      expect(protocol.received.map((string) => string.length)).toEqual([99_999])
      expect(errors.map(({ error }) => error)).toEqual([expect.objectContaining({ size: 100_000, limit: 99_999 })])
    })

    it('is never more than the prefix can say', async () => {
      const sent: unknown[] = []
      class Long extends Upper {
        override readonly prefixFormat = '>B'
        override stringReceived(): void {
          for (const length of [256, 255]) {
            try {
              this.sendString(Buffer.alloc(length))
              sent.push(length)
            } catch (error) {
              sent.push(error)
            }
          }
        }
      }
      const { peer } = await served(new Long())
      peer.socket.write('\0')
      await peer.until(() => peer.size >= 256)
      expect(sent).toEqual([expect.objectContaining({ size: 256, limit: 255 }), 255])
      expect([peer.size, peer.chunks[0]![0]]).toEqual([256, 255])
    })
  })

  describe('sendString', () => {
    it('sends text as UTF-8, and throws above maxLength, sending nothing', async () => {
      const thrown: unknown[] = []
      class Greeter extends Upper {
        override readonly prefixFormat = '>B'
        override readonly maxLength = 5
        override stringReceived(): void {
          try {
            this.sendString('äöü')
          } catch (error) {
            thrown.push(error)
          }
          this.sendString('äö')
        }
      }
      const { peer } = await served(new Greeter())
      peer.socket.write('\0')
      await peer.until(() => peer.size >= 5)
      expect(Buffer.concat(peer.chunks).toString()).toBe('\x04äö')
      expect(thrown).toEqual([expect.any(FrameTooLargeError)])
    })
  })
})
