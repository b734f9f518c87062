import fc from 'fast-check'
import { FrameTooLargeError, InvalidFrameError } from '../../lib/errors.ts'
import { encodeMessage, type Codec } from '../../lib/framing/codec.ts'
import { MessageDecoder } from '../../lib/framing/messageDecoder.ts'
import { netstrings, type NetstringsOptions } from '../../lib/framing/netstrings.ts'
import { checkCodec } from '../../lib/testing/index.ts'
import { asLatin1, bytesOf, checkAgainstModel, decodeLog, encodeAll } from '../support/decodeLog.ts'
import { decodeChunks, everySplit, latin1, texts } from '../support/everySplit.ts'
import { thrownBy } from '../support/thrown.ts'

const logOf = (options: NetstringsOptions, stream: string): string[] =>
  decodeLog(netstrings(options), [latin1(stream)], asLatin1)

describe('netstrings', () => {
  describe('decode', () => {
    it('finds strings, wherever the stream is cut', () => {
      // The first is the example of the definition.
      const stream = latin1('12:hello world!,0:,3:1:,,10:0123456789,')
      for (const { name, chunks } of everySplit(stream)) {
        const log = ['hello world!', '', '1:,', '0123456789', 'end']
        expect([name, decodeLog(netstrings(), chunks, asLatin1)]).toEqual([name, log])
      }
    })

    it.each<[stream: string, offset: number]>([
      ['01:a,', 0],
      ['00:,', 0],
      [':,', 0],
      ['+1:a,', 0],
      ['-1:a,', 0],
      [' 1:a,', 0],
      ['1 :a,', 1],
      ['1a', 1],
      ['x', 0],
      ['1:ab', 3],
      ['0:a', 2],
      ['3:abc;', 5],
    ])('refuses %j at byte %i', (stream, offset) => {
      for (const onTooLong of ['fail', 'discard'] as const) {
        for (const { name, chunks } of everySplit(latin1(`1:x,${stream}`))) {
          const { messages, error } = decodeChunks(netstrings({ onTooLong }), chunks)
          expect([name, texts(messages)]).toEqual([name, ['x']])
          expect(error).toBeInstanceOf(InvalidFrameError)
          expect(error).toMatchObject({ offset, recoverable: false })
        }
      }
    })

    it.each(['1', '1:', '1:a', '12', '0', '0:'])('of %j and no more is an IncompleteReadError', (stream) => {
      expect(logOf({}, `1:x,${stream}`)).toEqual(['x', '!IncompleteReadError'])
    })
  })

  describe('maxFrameLength', () => {
    it.each([
      [4, true],
      [5, true],
      [6, false],
    ])('of 5 and a string of %i', (length, accepted) => {
      const string = 'x'.repeat(length)
      expect(logOf({ maxFrameLength: 5 }, `${length}:${string},`)).toEqual(
        accepted ? [string, 'end'] : ['!FrameTooLargeError'],
      )
    })

    it('is 99 999 by default', () => {
      expect(decodeChunks(netstrings(), [latin1(`99999:${'x'.repeat(99_999)},`)]).messages[0]).toHaveLength(99_999)
      expect(decodeChunks(netstrings(), [latin1('100000:')]).error).toMatchObject({ size: 100_000, limit: 99_999 })
    })

    it('refuses more digits than it has itself, without waiting for the colon', () => {
      const decoder = new MessageDecoder(netstrings({ maxFrameLength: 500 }))
      decoder.push(latin1('999'))
      expect(decoder.next()).toBeUndefined()
      decoder.push(latin1('9'))
      expect(() => decoder.next()).toThrow(FrameTooLargeError)
    })

    it.each([2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 64])(
      'is checked against %i as well, without wrapping',
      (length) => {
        const digits = BigInt(length).toString()
        const { error, messages } = decodeChunks(netstrings(), [latin1(`${digits}:abc,`)])
        expect([messages, error instanceof FrameTooLargeError]).toEqual([[], true])
        const allowed = new MessageDecoder(netstrings({ maxFrameLength: 2 ** 53 - 1 }))
        allowed.push(latin1(`${digits}:abc`))
        const refused = thrownBy(() => expect(allowed.next()).toBeUndefined())
        expect(refused instanceof FrameTooLargeError).toBe(length >= 2 ** 53)
        expect(refused === undefined).toBe(length < 2 ** 53)
      },
    )
  })

  describe("onTooLong: 'discard'", () => {
    const options: NetstringsOptions = { maxFrameLength: 3, onTooLong: 'discard' }

    it('swallows exactly the string, however the stream is cut', () => {
      for (const { name, chunks } of everySplit(latin1('1:a,4:abcd,2:ef,10:0123456789,0:,'))) {
        const log = ['a', '?FrameTooLargeError', 'ef', '?FrameTooLargeError', '', 'end']
        expect([name, decodeLog(netstrings(options), chunks, asLatin1)]).toEqual([name, log])
      }
    })

    it('raises the error from the header, and buffers nothing of the string', () => {
      const decoder = new MessageDecoder(netstrings(options))
      decoder.push(latin1('20000:'))
      expect(() => decoder.next()).toThrow('a netstring of 20000 bytes is over the limit of 3')
      for (let i = 0; i < 20; i++) {
        decoder.push(Buffer.alloc(1000))
        expect([decoder.next(), decoder.buffered]).toEqual([undefined, 0])
      }
      decoder.push(latin1(',1:a,'))
      expect(texts([...decoder])).toEqual(['a'])
    })

    it('asks for the comma there too', () => {
      expect(logOf(options, '4:abcde,1:a,')).toEqual(['?FrameTooLargeError', '!InvalidFrameError'])
    })

    it('gives up if the length cannot be counted', () => {
      expect(logOf(options, `${2n ** 53n - 20n}:a`)).toEqual(['?FrameTooLargeError', 'end'])
      expect(logOf(options, `${2n ** 53n}:a`)).toEqual(['!FrameTooLargeError'])
      expect(logOf(options, '9'.repeat(17))).toEqual(['!FrameTooLargeError'])
    })

    it.each(['4:', '4:abc', '4:abcd'])('ends cleanly with a stream that ends in %j', (stream) => {
      expect(logOf(options, `1:a,${stream}`)).toEqual(['a', '?FrameTooLargeError', 'end'])
    })
  })

  describe('encode', () => {
    it('writes length, colon, bytes, comma', () => {
      expect(encodeAll(netstrings(), ['hello world!', '', 'ä']).toString()).toBe('12:hello world!,0:,2:ä,')
    })

    it('throws FrameTooLargeError over the limit', () => {
      expect(() => encodeMessage(netstrings({ maxFrameLength: 3 }), 'abcd')).toThrow(FrameTooLargeError)
      expect(asLatin1(encodeMessage(netstrings({ maxFrameLength: 3, onTooLong: 'discard' }), 'abc'))).toBe('3:abc,')
    })
  })

  it('passes checkCodec', () => {
    for (const onTooLong of ['fail', 'discard'] as const) {
      checkCodec(netstrings({ onTooLong }) as Codec<Uint8Array>, ['a', '', '1:a,', 'x'.repeat(120)].map(latin1))
    }
  })

  it('finds what a reader of the definition finds, however the stream is cut', () => {
    interface Options {
      maxFrameLength: number
      onTooLong: 'fail' | 'discard'
    }
    checkAgainstModel<Options, Uint8Array>({
      options: fc.record<Options>({ maxFrameLength: fc.nat(14), onTooLong: fc.constantFrom('fail', 'discard') }),
      stream: fc.oneof(
        bytesOf('0112:::,,,'),
        fc
          .array(fc.tuple(fc.nat(16), fc.nat(40)), { maxLength: 5 })
          .map((strings) =>
            latin1(
              strings
                .map(([n, wrong]) => `${wrong === 0 ? '0' : ''}${n}:${'x'.repeat(n)}${wrong === 1 ? ';' : ','}`)
                .join(''),
            ),
          ),
      ),
      codec: netstrings,
      show: asLatin1,
      kinds: [
        'end',
        '',
        'xx',
        '?FrameTooLargeError',
        '!FrameTooLargeError',
        '!InvalidFrameError',
        '!IncompleteReadError',
      ],
      model: (bytes, { maxFrameLength, onTooLong }) => {
        const log: string[] = []
        for (let rest = bytes.toString('latin1'); ;) {
          if (rest === '') return [...log, 'end']
          const header = /^(0|[1-9]\d*):/.exec(rest)
          if (header === null) {
            const digits = /^(0|[1-9]\d*)/.exec(rest)?.[0] ?? ''
            // In fail mode the digits alone may be too many.
            if (onTooLong === 'fail' && digits.length > String(maxFrameLength).length)
              return [...log, '!FrameTooLargeError']
            if (digits.length > 16) return [...log, '!FrameTooLargeError']
            return [...log, digits.length === rest.length ? '!IncompleteReadError' : '!InvalidFrameError']
          }
          const length = BigInt(header[1]!)
          const tooLong = length > BigInt(maxFrameLength)
          if (tooLong && (onTooLong === 'fail' || header[1]!.length > 15)) return [...log, '!FrameTooLargeError']
          if (tooLong) log.push('?FrameTooLargeError')
          const end = header[0].length + Number(length)
          if (rest.length <= end) return [...log, tooLong ? 'end' : '!IncompleteReadError']
          if (rest[end] !== ',') return [...log, '!InvalidFrameError']
          if (!tooLong) log.push(rest.slice(header[0].length, end))
          rest = rest.slice(end + 1)
        }
      },
      numRuns: 4000,
    })
  })
})
