import * as zlib from 'node:zlib'
import fc from 'fast-check'
import { compressed, type CompressedOptions } from '../../lib/compression/compressed.ts'
import type { CompressionFormat } from '../../lib/compression/compressionFormat.ts'
import { DecodeError, FrameTooLargeError, IncompleteReadError } from '../../lib/errors.ts'
import { encodeMessage, type Codec } from '../../lib/framing/codec.ts'
import { composed } from '../../lib/framing/composed.ts'
import { jsonObjects } from '../../lib/framing/jsonObjects.ts'
import { lengthPrefixed } from '../../lib/framing/lengthPrefixed.ts'
import { netstrings } from '../../lib/framing/netstrings.ts'
import { checkCodec } from '../../lib/testing/index.ts'
import { asLatin1, chunksOfSizes, decodeLog, encodeAll } from '../support/decodeLog.ts'
import { decodeChunks, latin1 } from '../support/everySplit.ts'

const fast = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } }
const formats: Record<
  CompressionFormat,
  { compress: (data: Uint8Array) => Buffer; decompress: (data: Uint8Array) => Buffer }
> = {
  gzip: { compress: zlib.gzipSync, decompress: zlib.gunzipSync },
  deflate: { compress: zlib.deflateSync, decompress: zlib.inflateSync },
  'deflate-raw': { compress: zlib.deflateRawSync, decompress: zlib.inflateRawSync },
  brotli: { compress: (data) => zlib.brotliCompressSync(data, fast), decompress: zlib.brotliDecompressSync },
}
const names = Object.keys(formats) as CompressionFormat[]

/** Frames as they are on the wire. */
const wire = (...frames: Uint8Array[]): Buffer => encodeAll(lengthPrefixed(), frames)
const logOf = (options: CompressedOptions, ...frames: Uint8Array[]): string[] =>
  decodeLog(compressed(lengthPrefixed(), options), [wire(...frames)], asLatin1)

describe.each(names)('compressed with %s', (format) => {
  const { compress, decompress } = formats[format]

  it('understands what zlib writes, and is understood', () => {
    const text = latin1('hello '.repeat(100))
    expect(logOf({ format }, compress(text), compress(latin1('')), compress(latin1('a')))).toEqual([
      String(text),
      '',
      'a',
      'end',
    ])
    const frame = encodeMessage(compressed(lengthPrefixed(), { format }), text).subarray(4)
    expect(frame.length).toBeLessThan(100)
    expect(decompress(frame).equals(text)).toBe(true)
  })

  it('passes checkCodec, in any frames', () => {
    const messages = ['a', '', 'b'.repeat(100)].map(latin1)
    checkCodec(compressed(lengthPrefixed({ lengthFieldLength: 1 }), { format }) as Codec<Uint8Array>, messages)
    checkCodec(compressed(netstrings(), { format }) as Codec<Uint8Array>, messages)
    checkCodec<object>(composed(compressed(lengthPrefixed(), { format }), jsonObjects()), [{ a: 1 }, []])
  })

  it.each([0, 1, 99, 100, 101, 16_384, 16_385])('has a limit of exactly maxMessageLength: %i', (limit) => {
    const frames = [limit, limit + 1, 0].map((length) => compress(Buffer.alloc(length)))
    const exact = '\0'.repeat(limit)
    expect(logOf({ format, maxMessageLength: limit }, ...frames)).toEqual([exact, '!FrameTooLargeError'])
    const log = logOf({ format, maxMessageLength: limit, onTooLong: 'discard' }, ...frames)
    expect(log).toEqual([exact, '?FrameTooLargeError', '', 'end'])
    const codec = compressed(lengthPrefixed(), { format, maxMessageLength: limit })
    expect(() => encodeMessage(codec, Buffer.alloc(limit + 1))).toThrow(FrameTooLargeError)
    expect(encodeMessage(codec, Buffer.alloc(limit)).length).toBeGreaterThan(4)
  })

  it('takes any limit, though a Buffer has one of its own', () => {
    expect(logOf({ format, maxMessageLength: Number.MAX_SAFE_INTEGER }, compress(latin1('a')))).toEqual(['a', 'end'])
  })

  it('takes no memory for a bomb: the default limit is 4 MiB', () => {
    const bomb = compress(Buffer.alloc(50_000_000))
    const before = process.memoryUsage()
    const { error } = decodeChunks(compressed(lengthPrefixed(), { format }), [wire(bomb)])
    const after = process.memoryUsage()
    expect(error).toMatchObject({ size: 4 * 1024 * 1024 + 1, limit: 4 * 1024 * 1024 })
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(20_000_000)
  })

  it('refuses a frame that is cut off, empty, or goes on behind its end, and goes on if told so', () => {
    const good = compress(latin1('good'))
    const whole = compress(latin1('hello'))
    for (const bad of [whole.subarray(0, -1), latin1(''), Buffer.concat([whole, latin1('\0x')])]) {
      const { messages, error } = decodeChunks(compressed(lengthPrefixed(), { format }), [wire(good, bad, good)])
      expect(messages.map(String)).toEqual(['good'])
      expect(error).toBeInstanceOf(DecodeError)
      expect(error).toMatchObject({ type: format, size: bad.length, recoverable: false })
      expect(logOf({ format, onInvalid: 'discard' }, good, bad, good)).toEqual(['good', '?DecodeError', 'good', 'end'])
      // One policy is not the other.
      expect(logOf({ format, onTooLong: 'discard' }, good, bad, good)).toEqual(['good', '!DecodeError'])
    }
  })

  it('gives back any messages, and of corrupt ones makes nothing but errors of ours', () => {
    const codec = compressed(lengthPrefixed(), {
      format,
      maxMessageLength: 1000,
      onTooLong: 'discard',
      onInvalid: 'discard',
    })
    let errors = 0
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 4 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (messages, sizes, place, change) => {
          const sent = [...messages.map(asLatin1), 'end']
          const stream = encodeAll(codec, messages)
          expect(decodeLog(codec, chunksOfSizes(stream, sizes), asLatin1)).toEqual(sent)
          // In the body of the first frame.
          stream[4 + (place % stream.readUInt32BE(0))]! ^= change
          const log = decodeLog(codec, chunksOfSizes(stream, sizes), asLatin1)
          expect(log.slice(1)).toEqual(sent.slice(1))
          if (log[0] === '?DecodeError') errors++
        },
      ),
      { numRuns: 200, seed: 1 },
    )
    expect(errors).toBeGreaterThan(50)
  })
})

describe('compressed', () => {
  it('is gzip by default', () => {
    expect(asLatin1(encodeMessage(compressed(lengthPrefixed()), 'a').subarray(4, 6))).toBe('\x1f\x8b')
  })

  it('refuses an unknown format by name', () => {
    expect(() => compressed(lengthPrefixed(), { format: 'zip' as CompressionFormat })).toThrow(
      new TypeError('format must be deflate, deflate-raw, gzip or brotli, not zip'),
    )
  })

  it('takes a level', () => {
    const text = Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 97).join())
    for (const format of names) {
      const [least, most] = [0, 9].map(
        (level) => encodeMessage(compressed(lengthPrefixed(), { format, level }), text).length,
      )
      expect(most).toBeLessThan(least!)
    }
    for (const level of [-1, 10, 1.5]) expect(() => compressed(lengthPrefixed(), { level })).toThrow(RangeError)
    expect(() => compressed(lengthPrefixed(), { format: 'brotli', level: 12 })).toThrow('from 0 to 11, not 12')
  })

  it('passes on what its frames have: errors, a state, an end', () => {
    const short = lengthPrefixed({ maxFrameLength: 30, onTooLong: 'discard' })
    const stream = Buffer.concat([wire(zlib.gzipSync('a'), Buffer.alloc(31), zlib.gzipSync('b'))])
    expect(decodeLog(compressed(short), [stream], asLatin1)).toEqual(['a', '?FrameTooLargeError', 'b', 'end'])
    expect(decodeChunks(compressed(lengthPrefixed()), [stream.subarray(0, 10)]).error).toBeInstanceOf(
      IncompleteReadError,
    )
    expect(compressed(lengthPrefixed())).not.toHaveProperty('clone')
  })

  it.each([-1, 1.5, NaN])('refuses a maxMessageLength of %p', (maxMessageLength) => {
    expect(() => compressed(lengthPrefixed(), { maxMessageLength })).toThrow(RangeError)
  })
})
