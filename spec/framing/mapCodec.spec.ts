import { DecodeError, InvalidFrameError } from '../../lib/errors.ts'
import { encodeMessage } from '../../lib/framing/codec.ts'
import { lengthPrefixed } from '../../lib/framing/lengthPrefixed.ts'
import { lines } from '../../lib/framing/lines.ts'
import { mapCodec, type CodecMapping } from '../../lib/framing/mapCodec.ts'
import { MessageDecoder } from '../../lib/framing/messageDecoder.ts'
import { checkCodec } from '../../lib/testing/index.ts'
import { decodeLog, encodeAll } from '../support/decodeLog.ts'
import { decodeChunks, everySplit, latin1 } from '../support/everySplit.ts'
import { thrownBy } from '../support/thrown.ts'

/** Whole numbers in lines; a line that begins with # is a comment. */
const numbers: CodecMapping<number, number, string, string> = {
  name: 'a number',
  decode(line) {
    if (line.startsWith('#')) return undefined
    if (!/^\d+$/.test(line)) throw new SyntaxError(`'${line}' is no number`)
    return Number(line)
  },
  encode: String,
}

describe('mapCodec', () => {
  it('gives what the functions make of the messages, both ways', () => {
    const codec = mapCodec(lines(), numbers)
    expect(encodeAll(codec, [1, 20, 0]).toString()).toBe('1\n20\n0\n')
    checkCodec(codec, [1, 20, 0], { endless: true })
  })

  it('skips a message that decode makes nothing of, also the last', () => {
    for (const { name, chunks } of everySplit(latin1('#\n1\n#a\n#b\n2\n#c\n#d'))) {
      expect([name, decodeLog(mapCodec(lines(), numbers), chunks, String)]).toEqual([name, ['1', '2', 'end']])
    }
  })

  it('tells decode how many bytes the message took', () => {
    const sizes: number[] = []
    const codec = mapCodec(lengthPrefixed({ lengthFieldLength: 1 }), {
      decode: (frame, size) => void sizes.push(frame.length, size),
      encode: (frame: string) => frame,
    })
    decodeChunks(codec, [latin1('\x03abc\0')])
    expect(sizes).toEqual([3, 4, 0, 1])
  })

  it('makes a DecodeError of what decode throws, unless it is a FrameError already', () => {
    const { messages, error } = decodeChunks(mapCodec(lines(), numbers), [latin1('1\nx\n2\n')])
    expect(messages).toEqual([1])
    expect(error).toBeInstanceOf(DecodeError)
    expect(error).toMatchObject({
      type: 'a number',
      size: 2,
      recoverable: false,
      cause: { message: "'x' is no number" },
    })
    expect((error as Error).message).toBe("2 bytes do not decode as a number: 'x' is no number")

    const own = new InvalidFrameError('not this one')
    const refuse = (): never => {
      throw own
    }
    const refusing = mapCodec(lines(), { decode: refuse, encode: String })
    expect(decodeChunks(refusing, [latin1('1\n')]).error).toBe(own)

    const primitive = mapCodec(lengthPrefixed({ lengthFieldLength: 1 }), {
      decode: () => {
        throw 'a string' // oxlint-disable-line no-throw-literal -- users do
      },
      encode: String,
    })
    expect(decodeChunks(primitive, [latin1('\x02ab')]).error).toMatchObject({
      type: 'message',
      size: 2,
      cause: 'a string',
    })
  })

  it("goes on behind such a message, with onInvalid: 'discard'", () => {
    const codec = mapCodec(lines(), { ...numbers, onInvalid: 'discard' })
    for (const { name, chunks } of everySplit(latin1('1\nx\n#\n2\ny'))) {
      const log = ['1', '?DecodeError', '2', '?DecodeError', 'end']
      expect([name, decodeLog(codec, chunks, String)]).toEqual([name, log])
    }
  })

  it('passes on the errors of the codec, the recoverable ones as such', () => {
    const codec = mapCodec(lines({ maxLength: 2, onTooLong: 'discard' }), numbers)
    expect(decodeLog(codec, [latin1('1\n234\n5\n')], String)).toEqual(['1', '?FrameTooLargeError', '5', 'end'])
    expect(decodeLog(mapCodec(lines({ maxLength: 2 }), numbers), [latin1('1\n234\n')], String)).toEqual([
      '1',
      '!FrameTooLargeError',
    ])
  })

  it('has a state per connection where the codec has one, and none where it has none', () => {
    const codec = mapCodec(lines(), numbers)
    const [a, b] = [new MessageDecoder(codec), new MessageDecoder(codec)]
    a.push(latin1('123'))
    expect(a.next()).toBeUndefined()
    b.push(latin1('4\n'))
    a.push(latin1('5\n'))
    expect([b.next(), a.next()]).toEqual([4, 1235])
    expect(mapCodec(lengthPrefixed(), { decode: String, encode: String })).not.toHaveProperty('clone')
  })

  it('lets through what encode throws', () => {
    const mistake = new RangeError('mine')
    const codec = mapCodec(lines(), {
      decode: String,
      encode: () => {
        throw mistake
      },
    })
    expect(thrownBy(() => encodeMessage(codec, 'x'))).toBe(mistake)
  })
})
