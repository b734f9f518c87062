import fc from 'fast-check'
import { FrameTooLargeError, InvalidFrameError } from '../../lib/errors.ts'
import { encodeMessage, type Codec } from '../../lib/framing/codec.ts'
import type { ByteStuffingOptions } from '../../lib/framing/byteStuffing.ts'
import { cobs } from '../../lib/framing/cobs.ts'
import { MessageDecoder } from '../../lib/framing/messageDecoder.ts'
import { checkCodec } from '../../lib/testing/index.ts'
import { bytesOf, checkAgainstModel, chunksOfSizes, decodeLog, encodeAll } from '../support/decodeLog.ts'
import { decodeChunks, everySplit } from '../support/everySplit.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const bytes = (text: string): Buffer => Buffer.from(text.replace(/ /g, ''), 'hex')
const logOf = (options: ByteStuffingOptions, stream: string): string[] => decodeLog(cobs(options), [bytes(stream)], hex)
/** The bytes from `first` on, `n` of them, without zeros in between up to 255. */
const run = (first: number, n: number): string => hex(Uint8Array.from({ length: n }, (_, i) => first + i))

// The examples of the paper's article in Wikipedia, and the borders of a full run.
const vectors: [frame: string, stuffed: string][] = [
  ['', '01'],
  ['00', '01 01'],
  ['00 00', '01 01 01'],
  ['00 11 00', '01 02 11 01'],
  ['11 22 00 33', '03 11 22 02 33'],
  ['11 22 33 44', '05 11 22 33 44'],
  ['11 00 00 00', '02 11 01 01 01'],
  [run(1, 253), `fe ${run(1, 253)}`],
  [run(1, 254), `ff ${run(1, 254)}`],
  [`00 ${run(1, 254)}`, `01 ff ${run(1, 254)}`],
  [run(1, 255), `ff ${run(1, 254)} 02 ff`],
  [`${run(2, 254)} 00`, `ff ${run(2, 254)} 01 01`],
  [`${run(3, 253)} 00 01`, `fe ${run(3, 253)} 02 01`],
]

describe('cobs', () => {
  it.each(vectors)('of %j is %j', (frame, stuffed) => {
    expect(hex(encodeMessage(cobs(), bytes(frame)))).toBe(hex(bytes(`${stuffed} 00`)))
    for (const { name, chunks } of everySplit(bytes(`${stuffed} 00`))) {
      expect([name, decodeLog(cobs(), chunks, hex)]).toEqual([name, [hex(bytes(frame)), 'end']])
    }
  })

  it('skips what is empty between two zeros', () => {
    expect(logOf({}, '00 00 02 61 00 00 00 01 00 00')).toEqual(['61', '', 'end'])
  })

  it('accepts a full run at the end with nothing behind it, and with a code of 1', () => {
    expect(logOf({}, `ff ${run(1, 254)} 01 00`)).toEqual([run(1, 254), 'end'])
  })

  it('refuses a code that leads beyond its frame', () => {
    for (const { name, chunks } of everySplit(bytes('02 61 00 02 62 05 63 00 02 64 00'))) {
      const { messages, error } = decodeChunks(cobs(), chunks)
      expect([name, messages.map(hex)]).toEqual([name, ['61']])
      expect(error).toBeInstanceOf(InvalidFrameError)
      expect(error).toMatchObject({ offset: 2, message: 'a COBS code of 5 leads 3 bytes beyond its frame' })
      expect([name, decodeLog(cobs({ onInvalid: 'discard' }), chunks, hex)]).toEqual([
        name,
        ['61', '?InvalidFrameError', '64', 'end'],
      ])
    }
  })

  it('is an IncompleteReadError, if the stream ends inside a frame', () => {
    for (const stream of ['01', '02 61', '03 61', '02 61 01'])
      expect(logOf({}, `02 60 00 ${stream}`)).toEqual(['60', '!IncompleteReadError'])
  })

  describe('maxFrameLength', () => {
    it.each([253, 254, 255, 508])(
      'of %i lets through as much, of whatever it consists, and one byte more not',
      (limit) => {
        for (const fill of [0, 1]) {
          const [exact, over] = [Buffer.alloc(limit, fill), Buffer.alloc(limit + 1, fill)]
          const codec = cobs({ maxFrameLength: limit })
          expect(() => encodeMessage(codec, over)).toThrow(FrameTooLargeError)
          const stream = encodeAll(cobs(), [exact, over, exact])
          expect(decodeLog(codec, [stream], hex)).toEqual([hex(exact), '!FrameTooLargeError'])
          for (const sizes of [[1], [7], [300], [1000]]) {
            const log = decodeLog(
              cobs({ maxFrameLength: limit, onTooLong: 'discard' }),
              chunksOfSizes(stream, sizes),
              hex,
            )
            expect(log).toEqual([hex(exact), '?FrameTooLargeError', hex(exact), 'end'])
          }
        }
      },
    )

    it('is 64 KiB by default', () => {
      const frames = [Buffer.alloc(65_536, 1), Buffer.alloc(65_537, 1)]
      const { messages, error } = decodeChunks(cobs(), [encodeAll(cobs({ maxFrameLength: 1e6 }), frames)])
      expect([messages.length, messages[0]!.length]).toEqual([1, 65_536])
      expect(error).toMatchObject({ limit: 65_536 })
    })

    it("with onTooLong: 'discard' buffers nothing of what it drops", () => {
      const decoder = new MessageDecoder(cobs({ maxFrameLength: 10, onTooLong: 'discard' }))
      decoder.push(Buffer.alloc(13, 1))
      expect(() => decoder.next()).toThrow(FrameTooLargeError)
      decoder.push(Buffer.alloc(10_000, 1))
      expect([decoder.next(), decoder.buffered]).toEqual([undefined, 0])
      decoder.push(bytes('00 02 61 00'))
      expect(hex(decoder.next()!)).toBe('61')
    })
  })

  it('passes checkCodec', () => {
    const frames = ['', '00', '61 00 62', run(1, 254), '01'].map(bytes)
    checkCodec(cobs() as Codec<Uint8Array>, frames)
  })

  it('gives back any frames, however the stream is cut', () => {
    const frame = fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      fc.uint8Array({ min: 1, minLength: 250, maxLength: 260 }),
      fc.uint8Array({ minLength: 500, maxLength: 520 }),
    )
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }),
        (frames, cut) => {
          const stream = encodeAll(cobs(), frames)
          expect(stream.filter((byte) => byte === 0)).toHaveLength(frames.length)
          expect(decodeLog(cobs(), chunksOfSizes(stream, cut), hex)).toEqual([...frames.map(hex), 'end'])
        },
      ),
      { numRuns: 300 },
    )
  })

  it('finds what a reader of the definition finds, however the stream is cut', () => {
    interface Options {
      maxFrameLength: number
      onTooLong: 'fail' | 'discard'
      onInvalid: 'fail' | 'discard'
    }
    checkAgainstModel<Options, Uint8Array>({
      options: fc.record<Options>({
        maxFrameLength: fc.nat(8),
        onTooLong: fc.constantFrom('fail', 'discard'),
        onInvalid: fc.constantFrom('fail', 'discard'),
      }),
      stream: bytesOf('\0\0\x01\x02\x02\x03\x04'),
      codec: cobs,
      show: hex,
      kinds: [
        'end',
        '',
        '02',
        '?FrameTooLargeError',
        '!FrameTooLargeError',
        '?InvalidFrameError',
        '!InvalidFrameError',
        '!IncompleteReadError',
      ],
      model: (stream, { maxFrameLength, onTooLong, onInvalid }) => {
        const log: string[] = []
        const parts = hex(stream)
          .match(/../g)
          ?.join(' ')
          .split(/ ?00 ?/) ?? ['']
        const rest = parts.pop()!
        // So short a frame has one code for all of it, at most, and the limit is noticed above that.
        const tooMany = (part: string): boolean => part.split(' ').length > maxFrameLength + 1
        for (const part of parts) {
          if (part === '') continue
          if (tooMany(part)) {
            log.push(`${onTooLong === 'fail' ? '!' : '?'}FrameTooLargeError`)
            if (onTooLong === 'fail') return log
            continue
          }
          let left = part.split(' ')
          const runs: string[] = []
          let corrupt = false
          while (left.length > 0) {
            const code = parseInt(left[0]!, 16)
            if (code > left.length) corrupt = true
            runs.push(left.slice(1, code).join(''))
            left = left.slice(code)
          }
          if (corrupt) {
            log.push(`${onInvalid === 'fail' ? '!' : '?'}InvalidFrameError`)
            if (onInvalid === 'fail') return log
          } else log.push(runs.join('00'))
        }
        if (rest === '') return [...log, 'end']
        if (!tooMany(rest)) return [...log, '!IncompleteReadError']
        return onTooLong === 'fail' ? [...log, '!FrameTooLargeError'] : [...log, '?FrameTooLargeError', 'end']
      },
      numRuns: 4000,
    })
  })
})
