import { OutgoingBuffer } from '../../lib/bytes/outgoingBuffer.ts'
import { DecodeError, FrameTooLargeError, InvalidFrameError } from '../../lib/errors.ts'
import { cobs } from '../../lib/framing/cobs.ts'
import { encodeMessage, type Codec } from '../../lib/framing/codec.ts'
import { composed, type FramingCodec } from '../../lib/framing/composed.ts'
import { delimited } from '../../lib/framing/delimited.ts'
import { grpcPrefixed } from '../../lib/framing/grpcPrefixed.ts'
import { jsonLines } from '../../lib/framing/jsonLines.ts'
import { jsonObjects } from '../../lib/framing/jsonObjects.ts'
import { lengthPrefixed } from '../../lib/framing/lengthPrefixed.ts'
import { lines } from '../../lib/framing/lines.ts'
import { mapCodec } from '../../lib/framing/mapCodec.ts'
import { netstrings } from '../../lib/framing/netstrings.ts'
import { varintPrefixed } from '../../lib/framing/varintPrefixed.ts'
import { checkCodec } from '../../lib/testing/index.ts'
import { allocationsOf } from '../support/allocations.ts'
import { asLatin1, decodeLog, encodeAll } from '../support/decodeLog.ts'
import { decodeChunks, everySplit, latin1 } from '../support/everySplit.ts'
import { thrownBy } from '../support/thrown.ts'

const byte = lengthPrefixed({ lengthFieldLength: 1 })
const show = (value: unknown): string => JSON.stringify(value)

describe('composed', () => {
  it.each<[name: string, framing: FramingCodec]>([
    ['lengthPrefixed', byte],
    ['lengthPrefixed that discards', lengthPrefixed({ onTooLong: 'discard' })],
    ['varintPrefixed', varintPrefixed()],
    ['netstrings', netstrings()],
    ['netstrings that discard', netstrings({ onTooLong: 'discard' })],
    ['cobs', cobs()],
    ['delimited', delimited({ delimiter: '\r\n', unterminated: 'error' })],
    ['the frames of frames', composed(byte, byte)],
  ])('passes checkCodec: JSON in %s', (_, framing) => {
    checkCodec(composed<object>(framing, jsonObjects()), [{ a: [1] }, [], {}])
  })

  it('writes one frame for each message', () => {
    expect(asLatin1(encodeAll(composed(byte, jsonObjects()), [{}, [1]]))).toBe('\x02{}\x03[1]')
    expect(asLatin1(encodeAll(composed(netstrings(), byte), ['abc', '']))).toBe('4:\x03abc,1:\0,')
  })

  it('refuses a frame that ends inside a message, has bytes behind it, or is empty', () => {
    for (const [stream, offset, message] of [
      ['\x02[1', 0, 'a frame of 2 bytes without a whole message'],
      ['\0', 0, 'a frame of 0 bytes without a whole message'],
      ['\x06[1] []', 3, 'a frame with 3 bytes behind its message'],
    ] as const) {
      const codec = composed(byte, jsonObjects())
      const { messages, error } = decodeChunks(codec, [latin1(`\x02{}${stream}\x02[]`)])
      expect(messages).toEqual([{}])
      expect(error).toBeInstanceOf(InvalidFrameError)
      expect(error).toMatchObject({ offset, message, recoverable: false })
      const discarding = composed(byte, jsonObjects(), { onInvalid: 'discard' })
      for (const { name, chunks } of everySplit(latin1(`\x02{}${stream}\x02[]`))) {
        expect([name, decodeLog(discarding, chunks, show)]).toEqual([name, ['{}', '?InvalidFrameError', '[]', 'end']])
      }
    }
  })

  it('skips a frame whose message the codec skips', () => {
    const codec = composed(byte, jsonLines())
    for (const { name, chunks } of everySplit(latin1('\x021\n\x01\n\x02 \n\x012\x01\n'))) {
      expect([name, decodeLog(codec, chunks, show)]).toEqual([name, ['1', '2', 'end']])
    }
  })

  it('lets a message be what is left at the end of its frame', () => {
    expect(decodeLog(composed(byte, lines()), [latin1('\x03abc\x02d\n\x01\n')], show)).toEqual([
      '"abc"',
      '"d"',
      '""',
      'end',
    ])
  })

  it('begins anew with each frame, whatever the one before left behind', () => {
    // A line over the limit is discarded to its end; that is the end of the frame, not a line in the next.
    const codec = composed(byte, lines({ maxLength: 2, onTooLong: 'discard' }), { onInvalid: 'discard' })
    expect(decodeLog(codec, [latin1('\x04abcd\x02e\n\x03fg\n')], show)).toEqual([
      '?FrameTooLargeError',
      '"e"',
      '"fg"',
      'end',
    ])
  })

  it('passes on the errors of both, and the state of the framing', () => {
    const codec = composed(
      lengthPrefixed({ lengthFieldLength: 1, maxFrameLength: 4, onTooLong: 'discard' }),
      jsonObjects(),
    )
    for (const { name, chunks } of everySplit(latin1('\x02[]\x05[1,2]\x03[3]\x02[x'))) {
      const log = ['[]', '?FrameTooLargeError', '[3]', '!InvalidFrameError']
      expect([name, decodeLog(codec, chunks, show)]).toEqual([name, log])
    }
    expect(decodeChunks(composed(byte, jsonObjects()), [latin1('\x03{x}')]).error).toBeInstanceOf(DecodeError)
    expect(composed(byte, jsonObjects())).not.toHaveProperty('clone')
  })

  it('makes a DecodeError of what is no FrameError', () => {
    const careless: Codec<number> = { decode: (input) => input.uint(0, 8), encode: (n, out) => out.uint(n, 8) }
    const { error } = decodeChunks(composed(byte, careless), [latin1('\x01a')])
    expect(error).toBeInstanceOf(DecodeError)
    expect(error).toMatchObject({ cause: expect.any(RangeError) })
  })

  it('appends nothing if either encoder throws, and works on', () => {
    const codec = composed(lengthPrefixed({ maxFrameLength: 4 }), jsonObjects())
    const out = new OutgoingBuffer()
    expect(thrownBy(() => codec.encode([1, 2], out))).toBeInstanceOf(FrameTooLargeError)
    expect(thrownBy(() => codec.encode(1 as never, out))).toBeInstanceOf(TypeError)
    expect(out.length).toBe(0)
    codec.encode([1], out)
    expect(asLatin1(Buffer.concat(out.take()))).toBe('\0\0\0\x03[1]')
  })

  it('takes no memory for a message behind a length prefix', () => {
    const codec = composed(lengthPrefixed(), byte)
    const out = new OutgoingBuffer()
    const message = latin1('abc')
    const round = (): void => {
      codec.encode(message, out)
      out.recycle()
    }
    round()
    expect(allocationsOf(() => Array.from({ length: 100 }, round)).count).toBe(0)
    // A large one is not copied.
    const large = Buffer.alloc(100_000)
    codec.encode(large.subarray(0, 255), out)
    const bare = composed(lengthPrefixed(), lengthPrefixed())
    bare.encode(large, out)
    expect(out.take().some((part) => part.buffer === large.buffer && part.length === large.length)).toBe(true)
  })

  it('takes any framing that can be mapped to bytes', () => {
    const plain = mapCodec(grpcPrefixed(), {
      decode: ({ compressed, data }) => {
        if (compressed) throw new InvalidFrameError('no compression was agreed on')
        return data
      },
      encode: (data: Uint8Array | string) => ({ data }),
    })
    const codec = composed(plain, jsonObjects())
    expect(asLatin1(encodeMessage(codec, {}))).toBe('\0\0\0\0\x02{}')
    expect(decodeLog(codec, [latin1('\0\0\0\0\x02{}\x01\0\0\0\x02{}')], show)).toEqual(['{}', '!InvalidFrameError'])
  })
})
