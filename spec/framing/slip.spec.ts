import fc from 'fast-check'
import { FrameTooLargeError, InvalidFrameError } from '../../lib/errors.ts'
import type { ByteStuffingOptions } from '../../lib/framing/byteStuffing.ts'
import { encodeMessage, type Codec } from '../../lib/framing/codec.ts'
import { slip } from '../../lib/framing/slip.ts'
import { checkCodec } from '../../lib/testing/index.ts'
import { bytesOf, checkAgainstModel, chunksOfSizes, decodeLog, encodeAll } from '../support/decodeLog.ts'
import { decodeChunks, everySplit } from '../support/everySplit.ts'
import { thrownBy } from '../support/thrown.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const bytes = (text: string): Buffer => Buffer.from(text.replace(/ /g, ''), 'hex')
const logOf = (options: ByteStuffingOptions, stream: string): string[] => decodeLog(slip(options), [bytes(stream)], hex)

describe('slip', () => {
  it.each([
    ['61 62', '61 62 c0'],
    ['c0', 'db dc c0'],
    ['db', 'db dd c0'],
    ['dc dd', 'dc dd c0'],
    ['c0 db dc', 'db dc db dd dc c0'],
    ['00 61 c0 c0 62', '00 61 db dc db dc 62 c0'],
  ])('of %j is %j', (frame, escaped) => {
    expect(hex(encodeMessage(slip(), bytes(frame)))).toBe(hex(bytes(escaped)))
    for (const { name, chunks } of everySplit(bytes(escaped))) {
      expect([name, decodeLog(slip(), chunks, hex)]).toEqual([name, [hex(bytes(frame)), 'end']])
    }
  })

  it('skips empty frames, so that a frame may begin with END as well', () => {
    expect(logOf({}, 'c0 61 c0 c0 62 c0 c0 c0')).toEqual(['61', '62', 'end'])
    expect(() => encodeMessage(slip(), '')).toThrow(InvalidFrameError)
  })

  it.each([
    ['db 61', 'an escape that is followed by byte 97'],
    ['db', 'an escape that is followed by the end of its frame'],
    ['db db', 'an escape that is followed by byte 219'],
  ])('refuses %j', (escape, message) => {
    for (const { name, chunks } of everySplit(bytes(`61 c0 62 ${escape} c0 63 c0`))) {
      const { messages, error } = decodeChunks(slip(), chunks)
      expect([name, messages.map(hex)]).toEqual([name, ['61']])
      expect(error).toBeInstanceOf(InvalidFrameError)
      expect(error).toMatchObject({ offset: 1, message })
      expect([name, decodeLog(slip({ onInvalid: 'discard' }), chunks, hex)]).toEqual([
        name,
        ['61', '?InvalidFrameError', '63', 'end'],
      ])
    }
  })

  it('is an IncompleteReadError, if the stream ends inside a frame', () => {
    for (const stream of ['61', 'db', 'db dc'])
      expect(logOf({}, `60 c0 ${stream}`)).toEqual(['60', '!IncompleteReadError'])
  })

  it.each([4, 5, 6])('with a maxFrameLength of 5 and a frame of %i, escaped or not', (length) => {
    for (const fill of [0x61, 0xc0]) {
      const frame = Buffer.alloc(length, fill)
      const stream = encodeAll(slip(), [frame, bytes('62')])
      for (const { name, chunks } of everySplit(stream)) {
        const log = (onTooLong: 'fail' | 'discard') => decodeLog(slip({ maxFrameLength: 5, onTooLong }), chunks, hex)
        expect([name, log('fail')]).toEqual([name, length > 5 ? ['!FrameTooLargeError'] : [hex(frame), '62', 'end']])
        expect([name, log('discard')]).toEqual([name, [length > 5 ? '?FrameTooLargeError' : hex(frame), '62', 'end']])
      }
      const encode = (): Uint8Array => encodeMessage(slip({ maxFrameLength: 5 }), frame)
      const refused = thrownBy(() => expect(encode()).toHaveLength(length * (fill === 0xc0 ? 2 : 1) + 1))
      expect(refused?.constructor).toBe(length > 5 ? FrameTooLargeError : undefined)
    }
  })

  it('has a limit of 64 KiB by default', () => {
    const stream = encodeAll(slip({ maxFrameLength: 1e6 }), [Buffer.alloc(65_536, 1), Buffer.alloc(65_537, 1)])
    const { messages, error } = decodeChunks(slip(), [stream])
    expect([messages.length, error]).toEqual([1, expect.objectContaining({ limit: 65_536 })])
  })

  it('passes checkCodec, and gives back any frames but empty ones', () => {
    checkCodec(slip() as Codec<Uint8Array>, ['61', 'c0', 'db db', '00 dc'].map(bytes))
    const frames = fc.array(
      bytesOf('\xc0\xdb\xdc\xdda').filter((frame) => frame.length > 0),
      { maxLength: 5 },
    )
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (sent, cut) => {
        const log = decodeLog(slip(), chunksOfSizes(encodeAll(slip(), sent), cut), hex)
        expect(log).toEqual([...sent.map(hex), 'end'])
      }),
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
        maxFrameLength: fc.nat(6),
        onTooLong: fc.constantFrom('fail', 'discard'),
        onInvalid: fc.constantFrom('fail', 'discard'),
      }),
      stream: fc
        .array(fc.constantFrom('61', '62', 'c0', 'dbdc', 'dbdd', 'db', 'dc'), { maxLength: 30 })
        .map((parts) => bytes(parts.join(''))),
      codec: slip,
      show: hex,
      kinds: [
        'end',
        'c0',
        '?FrameTooLargeError',
        '!FrameTooLargeError',
        '?InvalidFrameError',
        '!InvalidFrameError',
        '!IncompleteReadError',
      ],
      model: (stream, { maxFrameLength, onTooLong, onInvalid }) => {
        const log: string[] = []
        const parts = stream.toString('latin1').split('\xc0')
        const rest = parts.pop()!
        for (const part of parts) {
          if (part === '') continue
          const frame = part.replace(/\xdb[\xdc\xdd]/g, (pair) => (pair[1] === '\xdc' ? '\xc0' : '\xfe'))
          // More than twice the limit is too long, whatever else it is.
          const tooMany = part.length > 2 * maxFrameLength
          if (!tooMany && frame.includes('\xdb')) {
            log.push(`${onInvalid === 'fail' ? '!' : '?'}InvalidFrameError`)
            if (onInvalid === 'fail') return log
          } else if (frame.length > maxFrameLength) {
            log.push(`${onTooLong === 'fail' ? '!' : '?'}FrameTooLargeError`)
            if (onTooLong === 'fail') return log
          } else log.push(hex(Buffer.from(frame.replaceAll('\xfe', '\xdb'), 'latin1')))
        }
        if (rest === '') return [...log, 'end']
        if (rest.length <= 2 * maxFrameLength) return [...log, '!IncompleteReadError']
        return onTooLong === 'fail' ? [...log, '!FrameTooLargeError'] : [...log, '?FrameTooLargeError', 'end']
      },
      numRuns: 4000,
    })
  })
})
