import fc from 'fast-check'
import { ByteQueue } from '../../lib/bytes/byteQueue.ts'
import { FrameTooLargeError, IncompleteReadError, InvalidFrameError } from '../../lib/errors.ts'
import { encodeMessage, type Codec } from '../../lib/framing/codec.ts'
import { delimited, type DelimitedOptions } from '../../lib/framing/delimited.ts'
import { MessageDecoder } from '../../lib/framing/messageDecoder.ts'
import { checkCodec } from '../../lib/testing/index.ts'
import { CountingBytes } from '../support/countingBytes.ts'
import { asLatin1, bytesOf, checkAgainstModel, chunksOfSizes, decodeLog, encodeAll } from '../support/decodeLog.ts'
import { decodeChunks, everySplit, latin1, texts } from '../support/everySplit.ts'
import { thrownBy } from '../support/thrown.ts'

const logOf = (options: DelimitedOptions, text: string): string[] =>
  decodeLog(delimited(options), [latin1(text)], asLatin1)

describe('delimited', () => {
  describe('options', () => {
    it.each([
      ['no delimiter', { delimiter: [] }],
      ['an empty delimiter', { delimiter: '' }],
      ['an empty delimiter among others', { delimiter: ['\n', ''] }],
      ['a negative limit', { maxFrameLength: -1 }],
      ['a limit that is no number', { maxFrameLength: NaN }],
    ])('refuses %s', (_, options) => {
      expect(() => delimited(options)).toThrow(RangeError)
    })
  })

  describe('decode', () => {
    it.each<[name: string, options: DelimitedOptions, stream: string, frames: string[]]>([
      ['lines', {}, 'one\n\ntwo\nthr', ['one', '', 'two', 'thr']],
      ['a delimiter of two bytes', { delimiter: '\r\n' }, 'a\rb\nc\r\r\n\r\n\n\r\nd', ['a\rb\nc\r', '', '\n', 'd']],
      ['a delimiter that repeats its own beginning', { delimiter: 'aab' }, 'aaab-aaaab', ['a', '-aa']],
      ['either of two', { delimiter: ['\r\n', '\n'] }, 'a\r\nb\nc\rd\n', ['a', 'b', 'c\rd']],
      ['the one that ends first', { delimiter: ['b--', '-'] }, 'ab--c', ['ab', '', 'c']],
      ['of those that end together the longest', { delimiter: [';', '--;'] }, 'a--;b;', ['a', 'b']],
      ['a set of single bytes', { delimiter: [',', ';', '\n', '\r'] }, 'a,b;c\r\nd', ['a', 'b', 'c', '', 'd']],
      ['bytes', { delimiter: Uint8Array.of(0, 255) }, 'a\0b\0\xffc\0\xff', ['a\0b', 'c']],
      [
        'delimiters that are kept',
        { delimiter: ['\r\n', '\n'], stripDelimiter: false },
        'a\r\nb\n\nc',
        ['a\r\n', 'b\n', '\n', 'c'],
      ],
    ])('finds frames wherever the stream is cut: %s', (_, options, stream, frames) => {
      for (const { name, chunks } of everySplit(latin1(stream))) {
        expect([name, decodeLog(delimited(options), chunks, asLatin1)]).toEqual([name, [...frames, 'end']])
      }
    })

    it('gives views of the bytes that came, where a frame lies in one chunk', () => {
      const stream = latin1('abc\ndef\n')
      const { messages } = decodeChunks(delimited(), [stream])
      expect(texts(messages)).toEqual(['abc', 'def'])
      expect(messages.every((message) => message.buffer === stream.buffer)).toBe(true)
    })

    it('looks anew, if somebody else has read what it had looked at', () => {
      const queue = new ByteQueue()
      const codec = delimited({ delimiter: '--' })
      queue.push(latin1('abcdef'))
      expect(codec.decode(queue)).toBeUndefined()
      queue.skip(5)
      queue.push(latin1('--g--'))
      expect(asLatin1(codec.decode(queue)!)).toBe('f')
      expect(asLatin1(codec.decode(queue)!)).toBe('g')
    })

    it('has a state of its own in every clone', () => {
      const codec = delimited()
      const [a, b] = [new MessageDecoder(codec), new MessageDecoder(codec)]
      a.push(latin1('a long beginning'))
      expect([a.next(), b.next()]).toEqual([undefined, undefined])
      b.push(latin1('b\n'))
      a.push(latin1('\n'))
      expect(texts([...a, ...b])).toEqual(['a long beginning', 'b'])
    })
  })

  describe('maxFrameLength', () => {
    it.each([4, 5, 6])('of 5 and a frame of %i, however it is cut', (length) => {
      for (const delimiter of ['\n', '\r\n']) {
        const stream = latin1(`ab${delimiter}${'x'.repeat(length)}${delimiter}cd${delimiter}`)
        for (const { name, chunks } of everySplit(stream)) {
          const decoded = decodeChunks(delimited({ delimiter, maxFrameLength: 5 }), chunks)
          expect([name, texts(decoded.messages)]).toEqual([
            name,
            length > 5 ? ['ab'] : ['ab', 'x'.repeat(length), 'cd'],
          ])
          expect(decoded.error instanceof FrameTooLargeError).toBe(length > 5)
        }
      }
    })

    it('is 64 KiB by default', () => {
      const limit = 64 * 1024
      expect(decodeChunks(delimited(), [Buffer.alloc(limit, 97), latin1('\n')]).messages[0]).toHaveLength(limit)
      expect(decodeChunks(delimited(), [Buffer.alloc(limit + 1, 97)]).error).toMatchObject({ size: limit + 1, limit })
    })

    it('is noticed before the delimiter comes, as soon as there is no way out', () => {
      const decoder = new MessageDecoder(delimited({ delimiter: '\r\n', maxFrameLength: 5 }))
      decoder.push(latin1('123456'))
      // The last byte might still be the first of a delimiter, were it another.
      expect(decoder.next()).toBeUndefined()
      decoder.push(latin1('7'))
      expect(() => decoder.next()).toThrow('a frame of 6 bytes is over the limit of 5')
    })

    it('of 0 lets only empty frames through', () => {
      expect(logOf({ maxFrameLength: 0 }, '\n\na\n')).toEqual(['', '', '!FrameTooLargeError'])
    })
  })

  describe("onTooLong: 'discard'", () => {
    it('raises one error and goes on behind the next delimiter, however the stream is cut', () => {
      const options: DelimitedOptions = { delimiter: ['\r\n', '--'], maxFrameLength: 3, onTooLong: 'discard' }
      const stream = latin1('ab\r\nxxxxxxx\rxxxx-x\r\ncd--yyyy--\r\nzzzzzzzzz-\r-\r\nef\r\n')
      for (const { name, chunks } of everySplit(stream)) {
        const log = ['ab', '?FrameTooLargeError', 'cd', '?FrameTooLargeError', '', '?FrameTooLargeError', 'ef', 'end']
        expect([name, decodeLog(delimited(options), chunks, asLatin1)]).toEqual([name, log])
      }
    })

    it('buffers nothing of what it drops', () => {
      const decoder = new MessageDecoder(delimited({ delimiter: 'END', maxFrameLength: 10, onTooLong: 'discard' }))
      decoder.push(Buffer.alloc(100, 97))
      expect(() => decoder.next()).toThrow(FrameTooLargeError)
      for (let i = 0; i < 100; i++) {
        decoder.push(Buffer.alloc(1000, 97))
        expect(decoder.next()).toBeUndefined()
        expect(decoder.buffered).toBe(0)
      }
      decoder.push(latin1('xE'))
      expect([decoder.next(), decoder.buffered]).toEqual([undefined, 1])
      decoder.push(latin1('NDabcEND'))
      expect(texts([...decoder])).toEqual(['abc'])
    })

    it('ends cleanly with a stream that ends in what it drops, and a rest that is too long is such', () => {
      const options: DelimitedOptions = { delimiter: '\r\n', maxFrameLength: 3, onTooLong: 'discard' }
      for (const unterminated of ['frame', 'error'] as const) {
        expect(logOf({ ...options, unterminated }, 'a\r\nbbbbbbb\r')).toEqual(['a', '?FrameTooLargeError', 'end'])
      }
      expect(logOf(options, 'abcd')).toEqual(['?FrameTooLargeError', 'end'])
      expect(logOf({ ...options, unterminated: 'error' }, 'abcd')).toEqual(['!IncompleteReadError'])
    })
  })

  describe('unterminated', () => {
    it("of 'frame', the default, makes the rest a frame, unless it is empty", () => {
      expect(logOf({}, 'a\nb')).toEqual(['a', 'b', 'end'])
      expect(logOf({}, 'a\n')).toEqual(['a', 'end'])
      expect(logOf({ maxFrameLength: 2, delimiter: '\r\n' }, 'abc')).toEqual(['!FrameTooLargeError'])
    })

    it("of 'error' makes it an IncompleteReadError with the rest", () => {
      const { messages, error } = decodeChunks(delimited({ unterminated: 'error' }), [latin1('a\nbc')])
      expect(texts(messages)).toEqual(['a'])
      expect(error).toBeInstanceOf(IncompleteReadError)
      expect(asLatin1((error as IncompleteReadError).partial)).toBe('bc')
      expect(logOf({ unterminated: 'error' }, 'a\n')).toEqual(['a', 'end'])
    })
  })

  describe('encode', () => {
    it('appends the first delimiter', () => {
      expect(encodeAll(delimited({ delimiter: ['\r\n', '\n'] }), ['a', '', latin1('b')]).toString()).toBe(
        'a\r\n\r\nb\r\n',
      )
    })

    it.each<[frame: string, delimiter: string | string[], offset: number]>([
      ['a\nb', '\n', 1],
      ['\n', '\n', 0],
      ['a\nb', ['\r\n', '\n'], 1],
      // Together with the delimiter behind it:
      ['ba', 'aa', 1],
      ['a-', ['--'], 1],
      ['a\r', ['\n', '\r\n'], 1],
      ['xEN', ['D', 'END'], 1],
      // The delimiter itself is torn by a shorter one.
      ['x', ['ba', 'b'], 1],
    ])('refuses %j with %j, which would not come out as it went in', (frame, delimiter, offset) => {
      const error = thrownBy(() => encodeMessage(delimited({ delimiter }), frame))
      expect(error).toBeInstanceOf(InvalidFrameError)
      expect(error).toMatchObject({ offset })
    })

    it.each([
      ['a\r', '\r\n'],
      ['a\n', '\r\n'],
      ['x', ['\r\n', '\n']],
      ['ab', 'ba'],
    ])('accepts %j with %j', (frame, delimiter) => {
      const codec = delimited({ delimiter })
      expect(decodeLog(codec, [encodeAll(codec, [frame, frame])], asLatin1)).toEqual([frame, frame, 'end'])
    })

    it('throws FrameTooLargeError over the limit', () => {
      const codec = delimited({ maxFrameLength: 3 })
      expect(asLatin1(encodeMessage(codec, 'abc'))).toBe('abc\n')
      expect(() => encodeMessage(codec, 'abcd')).toThrow(FrameTooLargeError)
    })
  })

  it('passes checkCodec', () => {
    const frames = ['a', '', 'three', 'x'.repeat(80)].map(latin1)
    for (const delimiter of ['\n', '\r\n', ['END', ';']]) {
      checkCodec(delimited({ delimiter, unterminated: 'error' }) as Codec<Uint8Array>, frames)
      checkCodec(delimited({ delimiter }) as Codec<Uint8Array>, frames, { endless: true })
    }
  })

  it('looks at each chunk a few times, not again for each that follows', () => {
    const looks = (n: number): number => {
      const decoder = new MessageDecoder(delimited({ delimiter: ['\r\n', '\n', 'END'], maxFrameLength: 2 ** 30 }))
      const chunks = Array.from({ length: n }, () => new CountingBytes(1024).fill(97))
      return CountingBytes.looksOf(() => {
        for (const chunk of chunks) {
          decoder.push(chunk)
          expect(decoder.next()).toBeUndefined()
        }
      })
    }
    expect(looks(2000) / looks(1000)).toBeLessThan(2.2)
  })

  it('does not look for a rare delimiter again after each frame', () => {
    // 20 000 frames in one chunk: 20 000 searches to its end would be 400 MB.
    const searched = jest.spyOn(Buffer.prototype, 'indexOf')
    try {
      const { messages } = decodeChunks(delimited({ delimiter: ['\n', '\0'] }), [latin1('a\n'.repeat(20_000))])
      expect(messages).toHaveLength(20_000)
      const searchesFor = (byte: number) => searched.mock.calls.filter(([value]) => value === byte).length
      // All but the shortest searches are the platform's.
      expect(searchesFor(0x0a)).toBeGreaterThan(19_000)
      expect(searchesFor(0)).toBeLessThan(5)
    } finally {
      searched.mockRestore()
    }
  })

  describe('against a reader of the definition', () => {
    interface Options {
      delimiter: string[]
      maxFrameLength: number
      onTooLong: 'fail' | 'discard'
      unterminated: 'frame' | 'error'
    }

    function model(bytes: Buffer, { delimiter, maxFrameLength, onTooLong, unterminated }: Options): string[] {
      const text = bytes.toString('latin1')
      const longest = Math.max(...delimiter.map((each) => each.length))
      const log: string[] = []
      let start = 0
      const delimiterEndingAt = (end: number): string | undefined =>
        delimiter
          .filter((each) => end - each.length >= start && text.slice(end - each.length, end) === each)
          .sort((a, b) => b.length - a.length)[0]
      for (let end = start + 1; end <= text.length; end++) {
        const found = delimiterEndingAt(end)
        if (found === undefined) continue
        const frame = text.slice(start, end - found.length)
        if (frame.length <= maxFrameLength) log.push(frame)
        else if (onTooLong === 'fail') return [...log, '!FrameTooLargeError']
        else log.push('?FrameTooLargeError')
        start = end
      }
      const rest = text.slice(start)
      // Too long for certain, or too long as a frame.
      const tooLong =
        rest.length + 1 - longest > maxFrameLength || (unterminated === 'frame' && rest.length > maxFrameLength)
      if (tooLong && onTooLong === 'fail') return [...log, '!FrameTooLargeError']
      if (tooLong) return [...log, '?FrameTooLargeError', 'end']
      if (rest === '') return [...log, 'end']
      return unterminated === 'frame' ? [...log, rest, 'end'] : [...log, '!IncompleteReadError']
    }

    it('finds the same frames and the same errors, however the stream is cut', () => {
      checkAgainstModel({
        options: fc.record<Options>({
          delimiter: fc.subarray(['\n', '\r\n', '--', '-a', 'aa-', '\n\n\r'], { minLength: 1 }),
          maxFrameLength: fc.nat(12),
          onTooLong: fc.constantFrom('fail', 'discard'),
          unterminated: fc.constantFrom('frame', 'error'),
        }),
        stream: bytesOf('aaa--\r\n'),
        codec: delimited,
        model,
        show: asLatin1,
        kinds: ['end', '', '?FrameTooLargeError', '!FrameTooLargeError', '!IncompleteReadError'],
        numRuns: 4000,
      })
    })

    it('gives back any frames that it can send', () => {
      let refused = 0
      fc.assert(
        fc.property(
          fc
            .subarray(['\n', '\r\n', '--', 'aa-'], { minLength: 1 })
            .chain((each) => fc.shuffledSubarray(each, { minLength: 1 })),
          fc.array(bytesOf('abc-\r', 8), { maxLength: 6 }),
          fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
          (delimiter, frames, cut) => {
            const codec = delimited({ delimiter })
            const sent = frames.filter((frame) => thrownBy(() => encodeMessage(codec, frame)) === undefined)
            refused += frames.length - sent.length
            const log = decodeLog(codec, chunksOfSizes(encodeAll(codec, sent), cut), asLatin1)
            expect(log).toEqual([...sent.map(asLatin1), 'end'])
          },
        ),
        { numRuns: 500, seed: 1 },
      )
      expect(refused).toBeGreaterThan(0)
    })
  })
})
