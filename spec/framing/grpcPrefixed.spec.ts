import fc from 'fast-check'
import { FrameTooLargeError, InvalidFrameError } from '../../lib/errors.ts'
import { encodeMessage, type Codec } from '../../lib/framing/codec.ts'
import { grpcPrefixed, type GrpcMessage, type GrpcPrefixedOptions } from '../../lib/framing/grpcPrefixed.ts'
import { MessageDecoder } from '../../lib/framing/messageDecoder.ts'
import { checkCodec } from '../../lib/testing/index.ts'
import { bytesOf, checkAgainstModel, decodeLog, encodeAll } from '../support/decodeLog.ts'
import { decodeChunks, everySplit, latin1 } from '../support/everySplit.ts'

const show = ({ compressed, data }: GrpcMessage): string =>
  `${compressed ? 'z' : ''}${Buffer.from(data).toString('latin1')}`
const logOf = (options: GrpcPrefixedOptions, stream: string): string[] =>
  decodeLog(grpcPrefixed(options), [latin1(stream)], show)

describe('grpcPrefixed', () => {
  it('finds messages and their flag, wherever the stream is cut', () => {
    const stream = latin1('\0\0\0\0\x03abc\x01\0\0\0\x02xy\0\0\0\0\0\x01\0\0\0\0')
    for (const { name, chunks } of everySplit(stream)) {
      expect([name, decodeLog(grpcPrefixed(), chunks, show)]).toEqual([name, ['abc', 'zxy', '', 'z', 'end']])
    }
  })

  it('refuses a flag other than 0 and 1, as soon as it is there', () => {
    for (const flag of [2, 0x80, 255]) {
      const { messages, error } = decodeChunks(grpcPrefixed(), [latin1('\0\0\0\0\x01a'), Uint8Array.of(flag)])
      expect(messages).toHaveLength(1)
      expect(error).toBeInstanceOf(InvalidFrameError)
      expect((error as Error).message).toBe(`a message with the flag ${flag}: neither compressed (1) nor not (0)`)
    }
  })

  it.each(['\0', '\0\0\0\0', '\0\0\0\0\x01', '\x01\0\0\0\x02a'])(
    'of %j and no more is an IncompleteReadError',
    (stream) => {
      expect(logOf({}, `\0\0\0\0\x01x${stream}`)).toEqual(['x', '!IncompleteReadError'])
    },
  )

  it('has a limit, of 4 MiB by default', () => {
    expect(logOf({ maxFrameLength: 3 }, '\0\0\0\0\x02ab\0\0\0\0\x03abc\0\0\0\0\x04')).toEqual([
      'ab',
      'abc',
      '!FrameTooLargeError',
    ])
    const limit = 4 * 1024 * 1024
    const { messages, error } = decodeChunks(grpcPrefixed(), [
      latin1('\0\0\x40\0\0'),
      Buffer.alloc(limit),
      latin1('\0\0\x40\0\x01'),
    ])
    expect(messages.map(({ data }) => data.length)).toEqual([limit])
    expect(error).toMatchObject({ size: limit + 1, limit })
  })

  it.each([
    ['\x80\0\0\0', 2 ** 31],
    ['\xff\xff\xff\xff', 2 ** 32 - 1],
  ])('reads the length %j without a sign', (field, size) => {
    expect(decodeChunks(grpcPrefixed(), [latin1(`\0${field}`)]).error).toMatchObject({ size })
    const decoder = new MessageDecoder(grpcPrefixed({ maxFrameLength: 2 ** 53 - 1 }))
    decoder.push(latin1(`\0${field}abc`))
    expect(decoder.next()).toBeUndefined()
  })

  it("with onTooLong: 'discard' swallows exactly the message", () => {
    const options: GrpcPrefixedOptions = { maxFrameLength: 3, onTooLong: 'discard' }
    for (const { name, chunks } of everySplit(latin1('\0\0\0\0\x01a\x01\0\0\0\x05\x07\x07\x07\x07\x07\0\0\0\0\0'))) {
      expect([name, decodeLog(grpcPrefixed(options), chunks, show)]).toEqual([
        name,
        ['a', '?FrameTooLargeError', '', 'end'],
      ])
    }
    expect(logOf(options, '\0\0\0\0\x05abc')).toEqual(['?FrameTooLargeError', 'end'])
  })

  it('writes what it reads, not compressed unless it is said', () => {
    const messages = [{ data: 'abc' }, { compressed: true, data: latin1('xy') }, { compressed: false, data: '' }]
    expect(encodeAll(grpcPrefixed(), messages).toString('latin1')).toBe('\0\0\0\0\x03abc\x01\0\0\0\x02xy\0\0\0\0\0')
    expect(() => encodeMessage(grpcPrefixed({ maxFrameLength: 2 }), { data: 'abc' })).toThrow(FrameTooLargeError)
    for (const onTooLong of ['fail', 'discard'] as const) {
      const values = ['a', '', 'x'.repeat(300)].map((data, i) => ({ compressed: i === 1, data: latin1(data) }))
      checkCodec(grpcPrefixed({ onTooLong }) as unknown as Codec<(typeof values)[0]>, values)
    }
  })

  it('finds what a reader of the definition finds, however the stream is cut', () => {
    interface Options {
      maxFrameLength: number
      onTooLong: 'fail' | 'discard'
    }
    checkAgainstModel<Options, GrpcMessage>({
      options: fc.record<Options>({ maxFrameLength: fc.nat(6), onTooLong: fc.constantFrom('fail', 'discard') }),
      stream: bytesOf('\0\0\0\0\0\0\0\0\0\x01\x01\x05\x08'),
      codec: grpcPrefixed,
      show,
      kinds: [
        'end',
        '',
        'z',
        '?FrameTooLargeError',
        '!FrameTooLargeError',
        '!InvalidFrameError',
        '!IncompleteReadError',
      ],
      model: (bytes, { maxFrameLength, onTooLong }) => {
        const log: string[] = []
        for (let at = 0; ;) {
          if (at >= bytes.length) return [...log, 'end']
          if (bytes[at]! > 1) return [...log, '!InvalidFrameError']
          if (bytes.length - at < 5) return [...log, '!IncompleteReadError']
          const end = at + 5 + bytes.readUInt32BE(at + 1)
          if (end - at - 5 > maxFrameLength) {
            if (onTooLong === 'fail') return [...log, '!FrameTooLargeError']
            log.push('?FrameTooLargeError')
          } else if (end > bytes.length) return [...log, '!IncompleteReadError']
          else log.push((bytes[at] === 1 ? 'z' : '') + bytes.toString('latin1', at + 5, end))
          at = end
        }
      },
      numRuns: 4000,
    })
  })
})
