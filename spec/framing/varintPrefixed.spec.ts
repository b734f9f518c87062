import fc from 'fast-check'
import { Writer } from 'protobufjs'
import { ByteQueue } from '../../lib/bytes/byteQueue.ts'
import { OutgoingBuffer } from '../../lib/bytes/outgoingBuffer.ts'
import { FrameTooLargeError, IncompleteReadError, InvalidFrameError } from '../../lib/errors.ts'
import { encodeMessage } from '../../lib/framing/codec.ts'
import { MessageDecoder } from '../../lib/framing/messageDecoder.ts'
import { readVarint, varintPrefixed, writeVarint } from '../../lib/framing/varintPrefixed.ts'
import { allocationsOf } from '../support/allocations.ts'
import { decodeChunks, everySplit, latin1, piecesOf, texts } from '../support/everySplit.ts'
import { thrownBy } from '../support/thrown.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
const decodeAll = (bytes: Uint8Array, maxFrameLength?: number) =>
  decodeChunks(varintPrefixed({ maxFrameLength }), [bytes])

function queueOf(...chunks: Uint8Array[]): ByteQueue {
  const queue = new ByteQueue()
  for (const chunk of chunks) queue.push(chunk)
  return queue
}

function varintOf(value: number): Buffer {
  const out = new OutgoingBuffer()
  writeVarint(out, value)
  return Buffer.concat(out.take())
}

// A number and its varint.
const varints: [value: number, bytes: string][] = [
  [0, '00'],
  [1, '01'],
  [127, '7f'],
  [128, '80 01'],
  [300, 'ac 02'],
  [16383, 'ff 7f'],
  [16384, '80 80 01'],
  [2 ** 31 - 1, 'ff ff ff ff 07'],
  [2 ** 31, '80 80 80 80 08'],
  [2 ** 32 - 1, 'ff ff ff ff 0f'],
  [2 ** 32, '80 80 80 80 10'],
  [2 ** 53 - 1, 'ff ff ff ff ff ff ff 0f'],
]

describe('varintPrefixed', () => {
  describe('options', () => {
    it.each([-1, 0.5, NaN, Infinity, 2 ** 53])('refuses a maxFrameLength of %p', (maxFrameLength) => {
      expect(() => varintPrefixed({ maxFrameLength })).toThrow(RangeError)
    })
  })

  describe('decode', () => {
    const stream = Buffer.concat([
      hex('00'),
      hex('03'),
      latin1('abc'),
      hex('00'),
      hex('ac 02'),
      Buffer.alloc(300, 'x'),
      hex('83 80 80 80 80 80 80 80 80 00'), // 3, padded to 10 bytes
      latin1('def'),
    ])
    const messages = ['', 'abc', '', 'x'.repeat(300), 'def']

    it('finds the messages wherever the stream is cut, empty ones too', () => {
      for (const { name, chunks } of everySplit(stream)) {
        const decoded = decodeChunks(varintPrefixed(), chunks)
        expect([name, texts(decoded.messages), decoded.error, decoded.buffered]).toEqual([name, messages, undefined, 0])
      }
    })

    it('ends with IncompleteReadError if the stream ends inside a varint or a frame', () => {
      const borders = [0, 1, 5, 6, 308, stream.length]
      for (let cut = 0; cut <= stream.length; cut++) {
        const whole = borders.findLastIndex((border) => border <= cut)
        const decoded = decodeAll(stream.subarray(0, cut))
        expect(texts(decoded.messages)).toEqual(messages.slice(0, whole))
        expect([cut, decoded.error instanceof IncompleteReadError]).toEqual([cut, !borders.includes(cut)])
        const { partial } = (decoded.error ?? { partial: Buffer.alloc(0) }) as IncompleteReadError
        expect(texts([partial])).toEqual(texts([stream.subarray(borders[whole], cut)]))
      }
    })

    it('gives views of the bytes that came, without a copy', () => {
      const bytes = Buffer.from('\x03abc\x03def')
      const decoder = new MessageDecoder(varintPrefixed())
      decoder.push(bytes)
      const found = [...decoder]
      expect(texts(found)).toEqual(['abc', 'def'])
      expect(found.every((message) => message.buffer === bytes.buffer)).toBe(true)
    })

    describe('maxFrameLength', () => {
      it.each([
        [299, false],
        [300, false],
        [301, true],
      ])('of 300 and a frame of %i', (length, refused) => {
        const decoded = decodeAll(Buffer.concat([varintOf(length), Buffer.alloc(length)]), 300)
        expect(decoded.messages.map((message) => message.length)).toEqual(refused ? [] : [length])
        expect(decoded.error instanceof FrameTooLargeError).toBe(refused)
      })

      it('is 4 MiB by default, and checked from the header alone', () => {
        const limit = 4 * 1024 * 1024
        expect(decodeAll(Buffer.concat([varintOf(limit), Buffer.alloc(limit)])).messages[0]).toHaveLength(limit)
        expect(decodeAll(varintOf(limit + 1)).error).toMatchObject({
          size: limit + 1,
          limit,
          message: 'a frame of 4194305 bytes is over the limit of 4194304',
        })
      })

      it('comes after the messages before, with the byte that ends the header', () => {
        const bytes = Buffer.concat([latin1('\x02ab'), varintOf(300), latin1('never seen')])
        for (const { name, chunks } of everySplit(bytes)) {
          const decoded = decodeChunks(varintPrefixed({ maxFrameLength: 5 }), chunks)
          let needed = 0
          expect(chunks.some((chunk) => (needed += chunk.length) >= 5)).toBe(true)
          expect([name, texts(decoded.messages), decoded.error instanceof FrameTooLargeError]).toEqual([
            name,
            ['ab'],
            true,
          ])
          expect([name, decoded.errorAfter]).toEqual([name, needed])
        }
      })
    })

    describe('a length of', () => {
      it.each([
        ['2^31', '80 80 80 80 08', 2 ** 31],
        ['2^32, which is not 0', '80 80 80 80 10', 2 ** 32],
        ['2^32 + 3, which is not 3', '83 80 80 80 10', 2 ** 32 + 3],
        ['2^53', '80 80 80 80 80 80 80 10', 2 ** 53],
        ['2^63', '80 80 80 80 80 80 80 80 80 01', 2 ** 63],
        ['2^64 - 1', 'ff ff ff ff ff ff ff ff ff 01', 2 ** 64],
        ['2^64, which is not 0', '80 80 80 80 80 80 80 80 80 02', 2 ** 64],
        ['2^70 - 1, the most that 10 bytes can say', 'ff ff ff ff ff ff ff ff ff 7f', 2 ** 70],
      ])('%s is too large, however it is cut', (_, bytes, size) => {
        for (const limit of [undefined, 2 ** 31 - 1]) {
          for (const { chunks } of everySplit(Buffer.concat([hex(bytes), latin1('abc')]))) {
            const { error, messages: found } = decodeChunks(varintPrefixed({ maxFrameLength: limit }), chunks)
            expect(found).toEqual([])
            expect(error).toBeInstanceOf(FrameTooLargeError)
            expect((error as FrameTooLargeError).size / size).toBeCloseTo(1, 12)
          }
        }
      })

      it.each([
        ['2^32', '80 80 80 80 10'],
        ['2^53 - 1', 'ff ff ff ff ff ff ff 0f'],
      ])('%s is waited for, if the limit allows it, and takes no memory', (_, bytes) => {
        const decoder = new MessageDecoder(varintPrefixed({ maxFrameLength: 2 ** 53 - 1 }))
        const memory = allocationsOf(() => {
          decoder.push(Buffer.concat([hex(bytes), latin1('abc')]))
          expect(decoder.next()).toBeUndefined()
        })
        expect(memory.bytes).toBe(0)
        decoder.end()
        expect(() => decoder.next()).toThrow(IncompleteReadError)
      })
    })

    describe('a varint', () => {
      it('of more than 10 bytes is an InvalidFrameError at the tenth, however it is cut', () => {
        const bytes = Buffer.concat([latin1('\x01a'), hex('80 80 80 80 80 80 80 80 80 80 00'), latin1('zzz')])
        for (const { name, chunks } of everySplit(bytes)) {
          const { messages: found, error, errorAfter } = decodeChunks(varintPrefixed(), chunks)
          expect([name, texts(found), error instanceof InvalidFrameError]).toEqual([name, ['a'], true])
          let needed = 0
          expect(chunks.some((chunk) => (needed += chunk.length) >= 12)).toBe(true)
          expect([name, errorAfter]).toEqual([name, needed])
        }
      })

      it('of 9 bytes that go on is waited for', () => {
        const decoder = new MessageDecoder(varintPrefixed())
        decoder.push(hex('80 80 80 80 80 80 80 80 80'))
        expect(decoder.next()).toBeUndefined()
        decoder.push(hex('00'))
        expect(decoder.next()).toHaveLength(0)
      })
    })
  })

  describe('encode', () => {
    const encoded = (message: Uint8Array | string, maxFrameLength?: number): Buffer =>
      Buffer.from(encodeMessage(varintPrefixed({ maxFrameLength }), message))

    it('writes the length as a varint, and the frame', () => {
      expect(encoded(latin1('abc')).toString('latin1')).toBe('\x03abc')
      expect(encoded('').toString('hex')).toBe('00')
      expect(encoded('ä€').toString()).toBe('\x05ä€')
      expect(encoded(Buffer.alloc(300)).subarray(0, 3).toString('hex')).toBe('ac0200')
    })

    it('refuses what is neither bytes nor text', () => {
      for (const message of [undefined, 5, {}, [1]]) expect(() => encoded(message as string)).toThrow(TypeError)
    })

    it.each([
      [4, false],
      [5, false],
      [6, true],
    ])('with a limit of 5 a frame of %i', (length, refused) => {
      const out = new OutgoingBuffer()
      out.append(Buffer.from('before'))
      const error = thrownBy(() => varintPrefixed({ maxFrameLength: 5 }).encode(Buffer.alloc(length), out))
      expect(error instanceof FrameTooLargeError).toBe(refused)
      expect(out.length).toBe(6 + (refused ? 0 : 1 + length))
    })
  })

  describe('encodeHeader', () => {
    it('writes the varint alone, and throws like encode', () => {
      const out = new OutgoingBuffer()
      varintPrefixed().encodeHeader(300, out)
      expect(() => varintPrefixed({ maxFrameLength: 5 }).encodeHeader(6, out)).toThrow(FrameTooLargeError)
      expect(Buffer.concat(out.take()).toString('hex')).toBe('ac02')
    })
  })

  describe('both ways', () => {
    it.each([
      [1, 10],
      [7, 50],
      [1000, 200],
      [64 * 1024, 200],
    ])('in chunks of %i bytes handles %i messages of 100 000 with work and memory in proportion', (size, count) => {
      const codec = varintPrefixed()
      const bytes = Buffer.concat(Array.from({ length: count }, () => encodeMessage(codec, Buffer.alloc(100_000, 1))))
      let attempts = 0
      const decoder = new MessageDecoder<Uint8Array>({ decode: (queue) => (attempts++, codec.decode(queue)) })
      let received = 0
      const memory = allocationsOf(() => {
        for (let at = 0; at < bytes.length; at += size) {
          decoder.push(bytes.subarray(at, at + size))
          for (const frame of decoder) received += frame.length
        }
      })
      expect(received).toBe(count * 100_000)
      expect(attempts).toBeLessThanOrEqual(Math.ceil(bytes.length / size) + count)
      expect(memory.bytes).toBeLessThan(2.3 * bytes.length)
    })

    it('finds the same messages and the same error as the definition, however the stream is cut', () => {
      function naive(bytes: Buffer, limit: number): { messages: string[]; end: string } {
        const found: string[] = []
        for (let at = 0; ;) {
          if (at === bytes.length) return { messages: found, end: 'clean' }
          const header = [...bytes.subarray(at, at + 10)]
          const last = header.findIndex((byte) => byte < 128)
          if (last === -1) return { messages: found, end: header.length === 10 ? 'invalid' : 'incomplete' }
          const digits = header.slice(0, last + 1).reverse()
          const length = digits.reduce((sum, byte) => sum * 128n + BigInt(byte % 128), 0n)
          if (length > BigInt(limit)) return { messages: found, end: 'too large' }
          const start = at + last + 1
          const end = start + Number(length)
          if (end > bytes.length) return { messages: found, end: 'incomplete' }
          found.push(bytes.toString('latin1', start, end))
          at = end
        }
      }
      const ends = new Map<unknown, string>([
        [undefined, 'clean'],
        [IncompleteReadError, 'incomplete'],
        [FrameTooLargeError, 'too large'],
        [InvalidFrameError, 'invalid'],
      ])
      const byte = fc.oneof(
        { weight: 4, arbitrary: fc.nat(9) },
        { weight: 4, arbitrary: fc.constant(0x80) },
        fc.nat(255),
      )
      const long = fc.constant(Array<number>(10).fill(0x80))
      const stream = fc.array(fc.oneof({ weight: 9, arbitrary: fc.tuple(byte) }, { weight: 1, arbitrary: long }), {
        maxLength: 40,
      })
      const limit = fc.oneof(fc.nat(9), fc.constant(2 ** 53 - 1))
      const seen = new Set<string>()
      fc.assert(
        fc.property(stream, limit, fc.integer({ min: 1, max: 20 }), (parts, maxFrameLength, size) => {
          const bytes = Buffer.from(parts.flat())
          const expected = naive(bytes, maxFrameLength)
          const { messages, error } = decodeChunks(varintPrefixed({ maxFrameLength }), piecesOf(bytes, size))
          expect({ messages: texts(messages), end: ends.get(error?.constructor) }).toEqual(expected)
          seen.add(`${expected.end}${expected.messages.length > 0 ? ' after messages' : ''}`)
        }),
        { numRuns: 2000, seed: 1 },
      )
      for (const end of ends.values()) {
        expect(seen).toContain(end)
        expect(seen).toContain(`${end} after messages`)
      }
    })

    it('gives back any messages', () => {
      fc.assert(
        fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), fc.integer({ min: 1, max: 400 }), (sent, size) => {
          const bytes = Buffer.concat(sent.map((each) => encodeMessage(varintPrefixed(), each)))
          const { messages, error } = decodeChunks(varintPrefixed(), piecesOf(bytes, size))
          expect(error).toBeUndefined()
          expect(texts(messages)).toEqual(texts(sent))
        }),
        { numRuns: 300 },
      )
    })
  })
})

describe('writeVarint', () => {
  it.each(varints)('writes %i', (value, bytes) => {
    expect(varintOf(value).toString('hex')).toBe(hex(bytes).toString('hex'))
  })

  it('writes what protobufjs writes', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        expect(varintOf(value).equals(Writer.create().uint64(value).finish())).toBe(true)
      }),
    )
  })

  it('goes behind what is there, also where a block ends', () => {
    const out = new OutgoingBuffer()
    out.append(Buffer.alloc(4095))
    writeVarint(out, 300)
    expect(Buffer.concat(out.take()).subarray(4095).toString('hex')).toBe('ac02')
  })
})

describe('readVarint', () => {
  it.each(varints)('reads %i at any place, and consumes nothing', (value, bytes) => {
    const { length: size } = hex(bytes)
    for (const { chunks } of everySplit(Buffer.concat([latin1('\xff\xff'), hex(bytes), latin1('\xff')]))) {
      const queue = queueOf(...chunks)
      expect(readVarint(queue, 2)).toEqual({ value, size })
      expect(queue.length).toBe(3 + size)
    }
  })

  it('gives nothing while it is cut off, also at the very end', () => {
    expect(readVarint(queueOf(), 0)).toBeUndefined()
    expect(readVarint(queueOf(hex('80 80')), 0)).toBeUndefined()
    expect(readVarint(queueOf(hex('01')), 1)).toBeUndefined()
  })

  it('throws at the place of one that does not end', () => {
    const error = thrownBy(() => readVarint(queueOf(hex('00 00 ff ff ff ff ff ff ff ff ff ff 01')), 2))
    expect(error).toBeInstanceOf(InvalidFrameError)
    expect(error).toMatchObject({ offset: 2, message: 'a varint has no end within 10 bytes' })
  })

  it('gives back what writeVarint wrote', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        expect(readVarint(queueOf(varintOf(value)), 0)?.value).toBe(value)
      }),
    )
  })
})
