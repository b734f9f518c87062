import fc from 'fast-check'
import { OutgoingBuffer } from '../../lib/bytes/outgoingBuffer.ts'
import { FrameTooLargeError, IncompleteReadError, InvalidFrameError } from '../../lib/errors.ts'
import { encodeMessage } from '../../lib/framing/codec.ts'
import { lengthPrefixed, type LengthPrefixedOptions } from '../../lib/framing/lengthPrefixed.ts'
import { MessageDecoder } from '../../lib/framing/messageDecoder.ts'
import { allocationsOf } from '../support/allocations.ts'
import { decodeChunks, everySplit, latin1, piecesOf, texts } from '../support/everySplit.ts'
import { thrownBy } from '../support/thrown.ts'

const decodeAll = (options: LengthPrefixedOptions, bytes: Uint8Array) => decodeChunks(lengthPrefixed(options), [bytes])
const encoded = (options: LengthPrefixedOptions, message: Uint8Array | string): string =>
  Buffer.from(encodeMessage(lengthPrefixed(options), message)).toString('latin1')

/** Frames with a field of `width` bytes, big-endian, as they are without any option else. */
function frames(messages: readonly string[], width = 4): Buffer {
  return Buffer.concat(
    messages.flatMap((message) => {
      const field = Buffer.alloc(width)
      field.writeUIntBE(message.length, 0, width)
      return [field, latin1(message)]
    }),
  )
}

describe('lengthPrefixed', () => {
  describe('options', () => {
    it.each([
      ['a field of no bytes', { lengthFieldLength: 0 }],
      ['a field of 9 bytes', { lengthFieldLength: 9 }],
      ['a field of 1.5 bytes', { lengthFieldLength: 1.5 }],
      ['a negative offset', { lengthFieldOffset: -1 }],
      ['half an offset', { lengthFieldOffset: 0.5 }],
      ['a negative skip', { numSkip: -1 }],
      ['a skip that is no number', { numSkip: NaN }],
      ['a negative limit', { maxFrameLength: -1 }],
      ['an infinite limit', { maxFrameLength: Infinity }],
      ['a limit of 2^53', { maxFrameLength: 2 ** 53 }],
      ['half an adjustment', { lengthAdjustment: 0.5 }],
      ['an adjustment that is no number', { lengthAdjustment: NaN }],
      ['an adjustment below all that the field can hold', { lengthFieldLength: 1, lengthAdjustment: -256 }],
    ])('refuses %s', (_, options) => {
      expect(() => lengthPrefixed(options)).toThrow(RangeError)
    })

    it('allows an adjustment by all that the field can hold', () => {
      const options = { lengthFieldLength: 1, lengthAdjustment: -255 }
      expect(encoded(options, '')).toBe('\xff')
      expect(() => encoded(options, 'a')).toThrow(FrameTooLargeError)
    })

    it('takes an explicit undefined as the default', () => {
      const codec = lengthPrefixed({
        lengthFieldOffset: undefined,
        lengthFieldLength: undefined,
        lengthAdjustment: undefined,
        numSkip: undefined,
        littleEndian: undefined,
        maxFrameLength: undefined,
      })
      expect(texts(decodeChunks(codec, [frames(['abc'])]).messages)).toEqual(['abc'])
      expect(Buffer.from(encodeMessage(codec, 'abc')).toString()).toBe('\0\0\0\x03abc')
    })
  })

  describe('decode', () => {
    // The streams of tokio-util's own tests.
    const streams: [name: string, options: LengthPrefixedOptions, stream: string, messages: string[]][] = [
      ['one frame', {}, '\0\0\0\x09abcdefghi', ['abcdefghi']],
      ['one frame, little-endian', { littleEndian: true }, '\x09\0\0\0abcdefghi', ['abcdefghi']],
      [
        'several frames',
        {},
        '\0\0\0\x09abcdefghi\0\0\0\x03123\0\0\0\x0bhello world',
        ['abcdefghi', '123', 'hello world'],
      ],
      ['a field of one byte', { lengthFieldLength: 1 }, '\x09abcdefghi', ['abcdefghi']],
      [
        'a header in front of the field, dropped',
        { lengthFieldLength: 2, lengthFieldOffset: 4 },
        'zzzz\0\x09abcdefghi',
        ['abcdefghi'],
      ],
      [
        'a header that is kept, numSkip being 0',
        { lengthFieldLength: 2, lengthFieldOffset: 2, numSkip: 0, lengthAdjustment: 4 },
        'xx\0\x09abcdefghiyy\0\x03123zz\0\x0bhello world',
        ['xx\0\x09abcdefghi', 'yy\0\x03123', 'zz\0\x0bhello world'],
      ],
      [
        'a rest of the header behind the field, dropped',
        { lengthFieldLength: 3, numSkip: 4 },
        '\0\0\x0b\x0cHello world',
        ['Hello world'],
      ],
      [
        'a length that counts its field',
        { lengthFieldLength: 2, lengthAdjustment: -2 },
        '\0\x0babcdefghi\0\x05123\0\x0dhello world',
        ['abcdefghi', '123', 'hello world'],
      ],
      [
        'a length that does not count a head of one byte, which is kept with the payload',
        { lengthFieldOffset: 1, lengthFieldLength: 2, lengthAdjustment: 1, numSkip: 3 },
        '\xca\0\x0b\xfehello world',
        ['\xfehello world'],
      ],
      ['frames of length 0', {}, '\0\0\0\0\0\0\0\x01a\0\0\0\0', ['', 'a', '']],
      [
        'a frame of length 0 after the adjustment',
        { lengthFieldLength: 1, lengthAdjustment: -1 },
        '\x01\x02a',
        ['', 'a'],
      ],
      ['a field of 8 bytes', { lengthFieldLength: 8 }, '\0\0\0\0\0\0\0\x03abc\0\0\0\0\0\0\0\x01d', ['abc', 'd']],
      ['a field of 7 bytes', { lengthFieldLength: 7, littleEndian: true }, '\x03\0\0\0\0\0\0abc', ['abc']],
      [
        'a frame shorter than what the field and the skip leave',
        { numSkip: 0, lengthAdjustment: 4 },
        '\0\0\0\x01a',
        ['\0\0\0\x01a'],
      ],
      ['nothing at all', {}, '', []],
    ]

    it.each(streams)('finds the frames wherever the stream is cut: %s', (_, options, stream, messages) => {
      for (const { name, chunks } of everySplit(latin1(stream))) {
        const decoded = decodeChunks(lengthPrefixed(options), chunks)
        expect([name, texts(decoded.messages), decoded.error, decoded.buffered]).toEqual([name, messages, undefined, 0])
      }
    })

    it.each(streams)(
      'ends with IncompleteReadError if the stream ends inside a frame: %s',
      (_, options, stream, messages) => {
        const bytes = latin1(stream)
        // How many bytes of the stream the first n messages take.
        const borders = [0]
        const decoder = new MessageDecoder(lengthPrefixed(options))
        for (let at = 0; at < bytes.length; at++) {
          decoder.push(bytes.subarray(at, at + 1))
          for (const _message of decoder) borders.push(at + 1)
        }
        expect(borders.at(-1)).toBe(bytes.length)
        for (let cut = 0; cut <= bytes.length; cut++) {
          const whole = borders.findLastIndex((border) => border <= cut)
          const left = bytes.subarray(borders[whole], cut)
          const decoded = decodeAll(options, bytes.subarray(0, cut))
          expect(texts(decoded.messages)).toEqual(messages.slice(0, whole))
          expect([cut, decoded.error instanceof IncompleteReadError]).toEqual([cut, left.length > 0])
          const { partial, expected } = (decoded.error ?? { partial: left, expected: null }) as IncompleteReadError
          expect([texts([partial]), expected]).toEqual([texts([left]), null])
        }
      },
    )

    it('ends with IncompleteReadError also if the header is all that came', () => {
      const { error } = decodeAll({}, latin1('\0\0\0\x09'))
      expect(error).toBeInstanceOf(IncompleteReadError)
      expect((error as Error).message).toBe('read 4 bytes before the end of the stream')
    })

    it('gives views of the bytes that came, without a copy', () => {
      const stream = frames(['abc', 'def'])
      const decoder = new MessageDecoder(lengthPrefixed())
      const { count } = allocationsOf(() => decoder.push(stream))
      const messages = [...decoder]
      expect(texts(messages)).toEqual(['abc', 'def'])
      expect(messages.every((message) => message.buffer === stream.buffer)).toBe(true)
      expect(count).toBe(0)
    })

    it('serves any number of streams at once: it has no state', () => {
      const codec = lengthPrefixed()
      const [a, b] = [new MessageDecoder(codec), new MessageDecoder(codec)]
      a.push(latin1('\0\0'))
      b.push(latin1('\0\0\0\x05hel'))
      a.push(latin1('\0\x01a'))
      b.push(latin1('lo'))
      expect([texts([...a]), texts([...b])]).toEqual([['a'], ['hello']])
    })

    describe('maxFrameLength', () => {
      it.each([
        [4, 'abcd', undefined],
        [5, 'abcde', undefined],
        [6, undefined, 6],
      ])('of 5 and a frame of %i', (length, message, refused) => {
        const { messages, error } = decodeAll({ maxFrameLength: 5 }, frames(['abcdefghi'.slice(0, length)]))
        expect(texts(messages)).toEqual(message === undefined ? [] : [message])
        expect((error as FrameTooLargeError | undefined)?.size).toBe(refused)
        expect(error instanceof FrameTooLargeError).toBe(refused !== undefined)
      })

      it('is 8 MiB by default', () => {
        const limit = 8 * 1024 * 1024
        const header = (n: number): Buffer => Buffer.from([n >>> 24, n >>> 16, n >>> 8, n])
        for (const length of [limit - 1, limit]) {
          const { messages } = decodeAll({}, Buffer.concat([header(length), Buffer.alloc(length)]))
          expect(messages.map((message) => message.length)).toEqual([length])
        }
        const { error } = decodeAll({}, header(limit + 1))
        expect((error as Error).message).toBe('a frame of 8388609 bytes is over the limit of 8388608')
      })

      it('of 0 lets only empty frames through', () => {
        expect(decodeAll({ maxFrameLength: 0 }, frames(['', ''])).messages).toHaveLength(2)
        expect(decodeAll({ maxFrameLength: 0 }, frames(['a'])).error).toBeInstanceOf(FrameTooLargeError)
      })

      it('is checked as soon as the header is there, and not before', () => {
        const bytes = frames(['ab', 'toolong', 'never seen'])
        for (const { name, chunks } of everySplit(bytes)) {
          const { messages, error, errorAfter } = decodeChunks(lengthPrefixed({ maxFrameLength: 5 }), chunks)
          expect([name, texts(messages), error instanceof FrameTooLargeError]).toEqual([name, ['ab'], true])
          // The second header ends at byte 10: it is refused with the chunk that brings that.
          let whole = 0
          const first = chunks.findIndex((chunk) => (whole += chunk.length) >= 10)
          expect([name, errorAfter, first >= 0]).toEqual([name, whole, true])
        }
      })

      it('is about the field as it is read, before the adjustment', () => {
        const options = { lengthFieldLength: 1, lengthAdjustment: -2, maxFrameLength: 5 }
        expect(texts(decodeAll(options, latin1('\x05abc')).messages)).toEqual(['abc'])
        expect(decodeAll(options, latin1('\x06abcd')).error).toMatchObject({ size: 6, limit: 5 })
        const longer = { lengthFieldLength: 1, lengthAdjustment: 2, maxFrameLength: 5 }
        expect(texts(decodeAll(longer, latin1('\x05abcdefg')).messages)).toEqual(['abcdefg'])
      })

      it('never exceeds what the field can hold, adjusted', () => {
        for (const [lengthAdjustment, most] of [
          [-1, 254],
          [0, 255],
          [1, 256],
        ] as const) {
          const options = { lengthFieldLength: 1, lengthAdjustment, maxFrameLength: 1000 }
          const bytes = encoded(options, Buffer.alloc(most))
          expect([bytes.length, bytes[0]]).toEqual([most + 1, '\xff'])
          expect(() => encoded(options, Buffer.alloc(most + 1))).toThrow(
            `a frame of ${most + 1} bytes is over the limit of ${most}`,
          )
        }
      })
    })

    describe('a length field of', () => {
      const huge: [hex: string, size: number][] = [
        ['0000000080000000', 2 ** 31],
        ['00000000ffffffff', 2 ** 32 - 1],
        ['0000000100000000', 2 ** 32],
        ['0000000100000001', 2 ** 32 + 1],
        ['001fffffffffffff', 2 ** 53 - 1],
        ['0020000000000000', 2 ** 53],
        ['7fffffffffffffff', 2 ** 63],
        ['8000000000000000', 2 ** 63],
        ['ffffffffffffffff', 2 ** 64],
      ]

      it.each(huge)('%s in 8 bytes is too large, in both orders: no sign, no wrapping', (hex, size) => {
        for (const littleEndian of [false, true]) {
          const field = Buffer.from(hex, 'hex')
          if (littleEndian) field.reverse()
          const { error, messages } = decodeAll({ lengthFieldLength: 8, littleEndian }, field)
          expect(messages).toEqual([])
          expect(error).toBeInstanceOf(FrameTooLargeError)
          expect((error as FrameTooLargeError).size / size).toBeCloseTo(1, 12)
        }
      })

      it.each(huge)('%s is waited for, if the limit allows it, and takes no memory', (hex, size) => {
        const decoder = new MessageDecoder(lengthPrefixed({ lengthFieldLength: 8, maxFrameLength: 2 ** 53 - 1 }))
        let error: unknown
        const { bytes } = allocationsOf(() => {
          decoder.push(Buffer.from(hex, 'hex'))
          error = thrownBy(() => expect(decoder.next()).toBeUndefined())
          decoder.push(Buffer.from('abc'))
          thrownBy(() => decoder.next())
        })
        // A block for the small chunk, no more.
        expect(bytes).toBeLessThanOrEqual(1024)
        expect(decoder.buffered).toBe(11)
        // The largest limit that can be is 2^53 - 1.
        const tooLarge = size >= 2 ** 53
        expect((error as Error | undefined)?.constructor).toBe(tooLarge ? FrameTooLargeError : undefined)
        expect(thrownBy(() => expect(decoder.next()).toBeUndefined())).toBe(error)
      })

      it.each([
        ['7fffffff', 2 ** 31 - 1],
        ['80000000', 2 ** 31],
        ['ffffffff', 2 ** 32 - 1],
      ])('%s in 4 bytes has no sign', (hex, size) => {
        expect(decodeAll({}, Buffer.from(hex, 'hex')).error).toMatchObject({ size, limit: 8 * 1024 * 1024 })
        const little = Buffer.from(hex, 'hex').reverse()
        expect(decodeAll({ littleEndian: true }, little).error).toMatchObject({ size })
        const decoder = new MessageDecoder(lengthPrefixed({ maxFrameLength: 2 ** 32 }))
        decoder.push(Buffer.from(hex, 'hex'))
        expect(decoder.next()).toBeUndefined()
      })

      it('less than the adjustment takes away is an InvalidFrameError, at the place of the field', () => {
        const options = { lengthFieldOffset: 3, lengthFieldLength: 1, lengthAdjustment: -4 }
        expect(texts(decodeAll(options, latin1('xyz\x04')).messages)).toEqual([''])
        const { error } = decodeAll(options, latin1('xyz\x03'))
        expect(error).toBeInstanceOf(InvalidFrameError)
        expect(error).toMatchObject({
          offset: 3,
          message: 'a length field of 3 bytes is negative after the adjustment by -4',
        })
      })
    })

    it('refuses a frame that takes no byte, which would repeat for ever', () => {
      // Differs from tokio-util, which gives out empty frames without end.
      for (const options of [{ numSkip: 0 }, { numSkip: 0, lengthAdjustment: -4 }]) {
        const field = Buffer.from([0, 0, 0, -(options.lengthAdjustment ?? 0)])
        const { error, messages } = decodeAll(options, field)
        expect(messages).toEqual([])
        expect(error).toBeInstanceOf(InvalidFrameError)
      }
    })

    it('gives out the messages before an error first, wherever the stream is cut', () => {
      const options = { lengthFieldLength: 1, lengthAdjustment: -1 }
      for (const { name, chunks } of everySplit(latin1('\x02a\x03bc\x01\x00\x02z'))) {
        const { messages, error } = decodeChunks(lengthPrefixed(options), chunks)
        expect([name, texts(messages), error instanceof InvalidFrameError]).toEqual([name, ['a', 'bc', ''], true])
      }
    })
  })

  describe('encode', () => {
    it.each([
      [{}, 'abcdefghi', '\0\0\0\x09abcdefghi'],
      [{ littleEndian: true }, 'abcdefghi', '\x09\0\0\0abcdefghi'],
      [{ lengthAdjustment: -2 }, 'abcdefghi', '\0\0\0\x0babcdefghi'],
      [{ lengthAdjustment: 4 }, 'abcdefghi', '\0\0\0\x05abcdefghi'],
      [{ lengthFieldLength: 1 }, 'abcdefghi', '\x09abcdefghi'],
      [{ lengthFieldLength: 3, littleEndian: true }, 'ab', '\x02\0\0ab'],
      [{ lengthFieldLength: 8 }, 'ab', '\0\0\0\0\0\0\0\x02ab'],
      [{}, '', '\0\0\0\0'],
      [{ lengthFieldOffset: 2 }, 'ab', '\0\0\0\x02ab'],
    ])('with %p writes the field and the frame', (options, message, bytes) => {
      expect(encoded(options, latin1(message))).toBe(bytes)
    })

    it('takes text as UTF-8, and counts its bytes', () => {
      expect(encoded({ lengthFieldLength: 1 }, 'ä€')).toBe(Buffer.from('\x05ä€').toString('latin1'))
    })

    it('refuses what is neither bytes nor text', () => {
      for (const message of [undefined, null, 5, {}, [1, 2], new ArrayBuffer(2)]) {
        expect(() => encoded({}, message as unknown as string)).toThrow(TypeError)
      }
    })

    it.each([
      [4, false],
      [5, false],
      [6, true],
    ])('with a limit of 5 a frame of %i', (length, refused) => {
      const codec = lengthPrefixed({ maxFrameLength: 5 })
      const out = new OutgoingBuffer()
      out.append(Buffer.from('before'))
      const error = thrownBy(() => codec.encode(Buffer.alloc(length), out))
      expect(error instanceof FrameTooLargeError).toBe(refused)
      // What is refused appends nothing.
      expect(out.length).toBe(6 + (refused ? 0 : 4 + length))
    })

    it('holds the limit against the frame, where decoding holds it against the field', () => {
      // As in tokio-util: with an adjustment the two differ, and a peer with the same options may refuse the frame.
      const options = { lengthFieldLength: 1, lengthAdjustment: -1, maxFrameLength: 5 }
      const bytes = encoded(options, 'abcde')
      expect(bytes).toBe('\x06abcde')
      expect(decodeAll(options, latin1(bytes)).error).toBeInstanceOf(FrameTooLargeError)
    })

    it('refuses a frame shorter than the adjustment, and appends nothing', () => {
      const codec = lengthPrefixed({ lengthAdjustment: 3 })
      const out = new OutgoingBuffer()
      expect(() => codec.encode('ab', out)).toThrow(InvalidFrameError)
      expect(out.length).toBe(0)
      codec.encode('abc', out)
      expect(Buffer.concat(out.take()).toString()).toBe('\0\0\0\0abc')
    })
  })

  describe('encodeHeader', () => {
    it('writes what encode puts in front of a frame', () => {
      for (const options of [{}, { littleEndian: true }, { lengthFieldLength: 2, lengthAdjustment: -2 }]) {
        const out = new OutgoingBuffer()
        lengthPrefixed(options).encodeHeader(3, out)
        out.append(Buffer.from('abc'))
        expect(Buffer.concat(out.take()).toString('latin1')).toBe(encoded(options, 'abc'))
      }
    })

    it('throws like encode, appending nothing', () => {
      const out = new OutgoingBuffer()
      expect(() => lengthPrefixed({ maxFrameLength: 2 }).encodeHeader(3, out)).toThrow(FrameTooLargeError)
      expect(() => lengthPrefixed({ lengthAdjustment: 4 }).encodeHeader(3, out)).toThrow(InvalidFrameError)
      expect(out.length).toBe(0)
    })
  })

  describe('both ways', () => {
    it.each([
      {},
      { littleEndian: true, lengthFieldLength: 2 },
      { lengthFieldLength: 1, lengthAdjustment: -1 },
      { lengthFieldLength: 8 },
    ])('gives back what was sent, with %p', (options) => {
      const sent = ['', 'a', 'hello world', '\0\0\0\x01', '']
      const bytes = latin1(sent.map((message) => encoded(options, message)).join(''))
      for (const { name, chunks } of everySplit(bytes)) {
        const { messages, error } = decodeChunks(lengthPrefixed(options), chunks)
        expect([name, texts(messages), error]).toEqual([name, sent, undefined])
      }
    })

    it.each([
      [1, 10],
      [7, 50],
      [1000, 200],
      [64 * 1024, 200],
    ])('in chunks of %i bytes handles %i messages of 100 000 with work and memory in proportion', (size, count) => {
      const message = Buffer.alloc(100_000, 1)
      const bytes = Buffer.concat(Array.from({ length: count }, () => encodeMessage(lengthPrefixed(), message)))
      const codec = lengthPrefixed()
      let attempts = 0
      const decoder = new MessageDecoder<Uint8Array>({ decode: (queue) => (attempts++, codec.decode(queue)) })
      let received = 0
      const memory = allocationsOf(() => {
        for (let at = 0; at < bytes.length; at += size) {
          decoder.push(bytes.subarray(at, at + size))
          for (const frame of decoder) received += frame.length
        }
      })
      expect(received).toBe(count * message.length)
      expect(attempts).toBeLessThanOrEqual(Math.ceil(bytes.length / size) + count)
      expect(memory.bytes).toBeLessThan(2.3 * bytes.length)
    })
  })

  describe("in Netty's words", () => {
    /** What LengthFieldBasedFrameDecoder is given, as docs/framing.md puts it for us. */
    const netty = (m: number, o: number, w: number, a: number, s: number): LengthPrefixedOptions => ({
      lengthFieldOffset: o,
      lengthFieldLength: w,
      lengthAdjustment: a + o + w - s,
      numSkip: s,
      maxFrameLength: m - (o + w + a),
    })

    // The examples of its documentation.
    const hello = 'HELLO, WORLD'
    it.each<[name: string, arguments_: [o: number, w: number, a: number, s: number], stream: string, frame: string]>([
      ['2 bytes of length, kept', [0, 2, 0, 0], `\0\x0c${hello}`, `\0\x0c${hello}`],
      ['2 bytes of length, stripped', [0, 2, 0, 2], `\0\x0c${hello}`, hello],
      ['2 bytes that count themselves, kept', [0, 2, -2, 0], `\0\x0e${hello}`, `\0\x0e${hello}`],
      ['3 bytes behind a header of 2, kept', [2, 3, 0, 0], `\xca\xfe\0\0\x0c${hello}`, `\xca\xfe\0\0\x0c${hello}`],
      ['3 bytes in front of one', [0, 3, 2, 0], `\0\0\x0c\xca\xfe${hello}`, `\0\0\x0c\xca\xfe${hello}`],
      ['2 bytes between two headers, the first stripped', [1, 2, 1, 3], `\xca\0\x0c\xfe${hello}`, `\xfe${hello}`],
      ['the same, counting all', [1, 2, -3, 3], `\xca\0\x10\xfe${hello}`, `\xfe${hello}`],
    ])('%s', (_, [o, w, a, s], stream, frame) => {
      for (const { name, chunks } of everySplit(latin1(stream + stream))) {
        // Its limit is the whole frame.
        const { messages, error } = decodeChunks(lengthPrefixed(netty(stream.length, o, w, a, s)), chunks)
        expect([name, texts(messages), error]).toEqual([name, [frame, frame], undefined])
      }
      expect(decodeAll(netty(stream.length - 1, o, w, a, s), latin1(stream)).error).toBeInstanceOf(FrameTooLargeError)
    })

    it.each([
      [2, 0, false, '\0\x0c'],
      [2, 0, true, '\0\x0e'],
      [3, 1, false, '\0\0\x0d'],
      [4, -2, true, '\0\0\0\x0e'],
    ])('LengthFieldPrepender(%i, %i, %p)', (w, a, includesItself, field) => {
      const options = { lengthFieldLength: w, lengthAdjustment: includesItself ? -a - w : -a }
      expect(encoded(options, hello)).toBe(field + hello)
    })
  })

  describe('against a decoder that reads the definition word for word', () => {
    interface Options {
      lengthFieldOffset: number
      lengthFieldLength: number
      lengthAdjustment: number
      numSkip: number
      littleEndian: boolean
      maxFrameLength: number
    }

    function naive(bytes: Buffer, options: Options): { messages: string[]; end: string } {
      const { lengthFieldOffset, lengthFieldLength, lengthAdjustment, numSkip } = options
      const most = 2n ** BigInt(8 * lengthFieldLength) - 1n + BigInt(lengthAdjustment)
      const limit = most < BigInt(options.maxFrameLength) ? most : BigInt(options.maxFrameLength)
      const messages: string[] = []
      for (let at = 0; ;) {
        const rest = bytes.subarray(at)
        if (rest.length === 0) return { messages, end: 'clean' }
        if (rest.length < Math.max(lengthFieldOffset + lengthFieldLength, numSkip))
          return { messages, end: 'incomplete' }
        const digits = [...rest.subarray(lengthFieldOffset, lengthFieldOffset + lengthFieldLength)]
        if (options.littleEndian) digits.reverse()
        const field = digits.reduce((sum, digit) => sum * 256n + BigInt(digit), 0n)
        if (field > limit) return { messages, end: 'too large' }
        const length = Number(field) + lengthAdjustment
        if (length < 0) return { messages, end: 'invalid' }
        if (rest.length < numSkip + length) return { messages, end: 'incomplete' }
        if (numSkip + length === 0) return { messages, end: 'invalid' }
        messages.push(rest.toString('latin1', numSkip, numSkip + length))
        at += numSkip + length
      }
    }

    const ends = new Map<unknown, string>([
      [undefined, 'clean'],
      [IncompleteReadError, 'incomplete'],
      [FrameTooLargeError, 'too large'],
      [InvalidFrameError, 'invalid'],
    ])
    const options: fc.Arbitrary<Options> = fc.record({
      lengthFieldOffset: fc.nat(3),
      lengthFieldLength: fc.integer({ min: 1, max: 8 }),
      lengthAdjustment: fc.integer({ min: -4, max: 4 }),
      numSkip: fc.nat(10),
      littleEndian: fc.boolean(),
      maxFrameLength: fc.oneof(fc.nat(12), fc.constant(2 ** 53 - 1)),
    })
    // Small values, so that many a field is the length of something.
    const byte = fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 3, arbitrary: fc.nat(9) }, fc.nat(255))
    const stream = fc.array(byte, { maxLength: 60 }).map((bytes) => Buffer.from(bytes))

    it('finds the same messages and the same error, however the stream is cut', () => {
      const seen = new Set<string>()
      fc.assert(
        fc.property(options, stream, fc.integer({ min: 1, max: 20 }), (chosen, bytes, size) => {
          const expected = naive(bytes, chosen)
          const { messages, error } = decodeChunks(lengthPrefixed(chosen), piecesOf(bytes, size))
          expect({ messages: texts(messages), end: ends.get(error?.constructor) }).toEqual(expected)
          seen.add(`${expected.end}${expected.messages.length > 0 ? ' after messages' : ''}`)
        }),
        { numRuns: 2000, seed: 1 },
      )
      // The streams were not all of one kind.
      for (const end of ends.values()) {
        expect(seen).toContain(end)
        expect(seen).toContain(`${end} after messages`)
      }
    })

    it('gives back any messages', () => {
      const message = fc.uint8Array({ maxLength: 300 })
      const roundTrip = fc.record({
        lengthFieldLength: fc.integer({ min: 2, max: 8 }),
        lengthAdjustment: fc.integer({ min: -20, max: 0 }),
        littleEndian: fc.boolean(),
      })
      fc.assert(
        fc.property(
          roundTrip,
          fc.array(message, { maxLength: 10 }),
          fc.integer({ min: 1, max: 400 }),
          (chosen, sent, size) => {
            const codec = lengthPrefixed(chosen)
            const bytes = Buffer.concat(sent.map((each) => encodeMessage(codec, each)))
            const { messages, error } = decodeChunks(codec, piecesOf(bytes, size))
            expect(error).toBeUndefined()
            expect(texts(messages)).toEqual(texts(sent))
          },
        ),
        { numRuns: 300 },
      )
    })
  })
})
