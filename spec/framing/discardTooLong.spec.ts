import fc from 'fast-check'
import { FrameTooLargeError } from '../../lib/errors.ts'
import type { Codec, FrameCodec } from '../../lib/framing/codec.ts'
import { lengthPrefixed, type LengthPrefixedOptions } from '../../lib/framing/lengthPrefixed.ts'
import { MessageDecoder } from '../../lib/framing/messageDecoder.ts'
import { varintPrefixed } from '../../lib/framing/varintPrefixed.ts'
import { checkCodec } from '../../lib/testing/index.ts'
import { asLatin1, bytesOf, checkAgainstModel, decodeLog, encodeAll } from '../support/decodeLog.ts'
import { everySplit, latin1, texts } from '../support/everySplit.ts'

const discard = { onTooLong: 'discard' } as const

describe("onTooLong: 'discard' of length prefixes", () => {
  it.each<[name: string, codec: FrameCodec, stream: string, log: string[]]>([
    [
      'lengthPrefixed',
      lengthPrefixed({ maxFrameLength: 3, ...discard }),
      '\0\0\0\x02ab\0\0\0\x04\0\0\0\x01\0\0\0\0\0\0\0\x01c',
      ['ab', '?FrameTooLargeError', '', 'c', 'end'],
    ],
    [
      'one with a header that is kept',
      lengthPrefixed({
        lengthFieldOffset: 1,
        lengthFieldLength: 1,
        lengthAdjustment: 2,
        numSkip: 0,
        maxFrameLength: 3,
        ...discard,
      }),
      '-\x02ab-\x09123456789-\x03abc',
      ['-\x02ab', '?FrameTooLargeError', '-\x03abc', 'end'],
    ],
    [
      'one whose length counts its field',
      lengthPrefixed({
        lengthFieldLength: 2,
        lengthAdjustment: -2,
        maxFrameLength: 5,
        littleEndian: true,
        ...discard,
      }),
      '\x04\0ab\x06\0abcd\x05\0abc',
      ['ab', '?FrameTooLargeError', 'abc', 'end'],
    ],
    [
      'varintPrefixed',
      varintPrefixed({ maxFrameLength: 3, ...discard }),
      `\x02ab\x80\x01${'\x01'.repeat(128)}\x03abc`,
      ['ab', '?FrameTooLargeError', 'abc', 'end'],
    ],
  ])('swallows exactly the frame, however the stream is cut: %s', (_, codec, stream, log) => {
    for (const { name, chunks } of everySplit(latin1(stream))) {
      expect([name, decodeLog(codec, chunks, asLatin1)]).toEqual([name, log])
    }
  })

  it('raises the error from the header, and buffers nothing of the frame', () => {
    const decoder = new MessageDecoder(lengthPrefixed({ maxFrameLength: 1000, ...discard }))
    decoder.push(latin1('\0\0\0\x01a\0\x10\0\0'))
    expect(texts([decoder.next()!])).toEqual(['a'])
    expect(() => decoder.next()).toThrow('a frame of 1048576 bytes is over the limit of 1000')
    for (let i = 0; i < 16; i++) {
      decoder.push(Buffer.alloc(64 * 1024))
      expect([decoder.next(), decoder.buffered]).toEqual([undefined, 0])
    }
    decoder.push(latin1('\0\0\0\x01b'))
    expect(texts([...decoder])).toEqual(['b'])
  })

  it.each(['\0\0\0\x04', '\0\0\0\x04abc'])(
    'ends cleanly with a stream that ends in %j, whose loss was reported',
    (stream) => {
      const codec = lengthPrefixed({ maxFrameLength: 3, ...discard })
      expect(decodeLog(codec, [latin1(stream)], asLatin1)).toEqual(['?FrameTooLargeError', 'end'])
      expect(decodeLog(codec, [latin1(`${stream.padEnd(8, '-')}\0\0`)], asLatin1)).toEqual([
        '?FrameTooLargeError',
        '!IncompleteReadError',
      ])
    },
  )

  it.each<[hex: string, recoverable: boolean]>([
    ['0000000080000000', true],
    ['0000000100000000', true],
    ['001fffffffffff00', true],
    ['001fffffffffffff', false],
    ['0020000000000000', false],
    ['ffffffffffffffff', false],
  ])('of a length of %s is recoverable: %p, as it can be counted down or not', (hex, recoverable) => {
    const log = decodeLog(
      lengthPrefixed({ lengthFieldLength: 8, ...discard }),
      [Buffer.from(hex, 'hex'), latin1('abc')],
      asLatin1,
    )
    expect(log).toEqual(recoverable ? ['?FrameTooLargeError', 'end'] : ['!FrameTooLargeError'])
  })

  it('gives up on a length that makes no sense', () => {
    // Over the limit and, adjusted, below the place where the frame begins.
    const options: LengthPrefixedOptions = { lengthFieldLength: 1, lengthAdjustment: -9, maxFrameLength: 5, ...discard }
    expect(decodeLog(lengthPrefixed(options), [latin1('\x06abcdefgh')], asLatin1)).toEqual(['!FrameTooLargeError'])
  })

  it('takes a state per connection, and none with fail', () => {
    expect(lengthPrefixed()).not.toHaveProperty('clone')
    expect(varintPrefixed()).not.toHaveProperty('clone')
    for (const codec of [
      lengthPrefixed({ maxFrameLength: 3, ...discard }),
      varintPrefixed({ maxFrameLength: 3, ...discard }),
    ]) {
      const [a, b] = [new MessageDecoder(codec), new MessageDecoder(codec)]
      // For the varint that is three empty frames, and the header of one of 100 bytes.
      a.push(Uint8Array.of(0, 0, 0, 100))
      expect(() => [...a]).toThrow(FrameTooLargeError)
      b.push(encodeAll(codec, ['abc']))
      expect(texts([...b])).toEqual(['abc'])
    }
  })

  it('passes checkCodec, and encodes and limits as without', () => {
    const frames = ['a', '', 'three'].map(latin1)
    for (const codec of [
      lengthPrefixed({ maxFrameLength: 5, ...discard }),
      varintPrefixed({ maxFrameLength: 5, ...discard }),
    ]) {
      checkCodec(codec as Codec<Uint8Array>, frames)
      expect(() => encodeAll(codec, ['123456'])).toThrow(FrameTooLargeError)
    }
    expect(encodeAll(lengthPrefixed(discard), ['ab']).toString('latin1')).toBe('\0\0\0\x02ab')
  })

  it('finds what a reader of the definition finds, however the stream is cut', () => {
    interface Options {
      lengthFieldOffset: number
      lengthFieldLength: number
      lengthAdjustment: number
      numSkip: number
      maxFrameLength: number
    }
    checkAgainstModel<Options, Uint8Array>({
      options: fc.record<Options>({
        lengthFieldOffset: fc.nat(2),
        lengthFieldLength: fc.integer({ min: 1, max: 3 }),
        lengthAdjustment: fc.integer({ min: -3, max: 3 }),
        numSkip: fc.nat(6),
        maxFrameLength: fc.nat(6),
      }),
      stream: bytesOf('\0\0\0\0\0\x01\x02\x05\x08'),
      codec: (options) => lengthPrefixed({ ...options, ...discard }),
      show: asLatin1,
      kinds: ['end', '', '?FrameTooLargeError', '!FrameTooLargeError', '!InvalidFrameError', '!IncompleteReadError'],
      model: (bytes, { lengthFieldOffset, lengthFieldLength, lengthAdjustment, numSkip, maxFrameLength }) => {
        const limit = Math.min(maxFrameLength, 256 ** lengthFieldLength - 1 + lengthAdjustment)
        const log: string[] = []
        for (let at = 0; ;) {
          const left = bytes.length - at
          if (left <= 0) return [...log, 'end']
          if (left < Math.max(numSkip, lengthFieldOffset + lengthFieldLength)) return [...log, '!IncompleteReadError']
          const field = bytes.readUIntBE(at + lengthFieldOffset, lengthFieldLength)
          const size = numSkip + field + lengthAdjustment
          if (field > limit) {
            if (size <= 0) return [...log, '!FrameTooLargeError']
            log.push('?FrameTooLargeError')
          } else if (field + lengthAdjustment < 0 || size === 0) {
            return [...log, size === 0 && left < size ? '!IncompleteReadError' : '!InvalidFrameError']
          } else if (left < size) return [...log, '!IncompleteReadError']
          else log.push(bytes.toString('latin1', at + numSkip, at + size))
          at += size
        }
      },
      numRuns: 4000,
    })
  })
})
