import fc from 'fast-check'
import { ByteQueue } from '../../lib/bytes/byteQueue.ts'
import { DecodeError, FrameTooLargeError, InvalidFrameError } from '../../lib/errors.ts'
import { encodeMessage } from '../../lib/framing/codec.ts'
import { jsonObjects, type JsonObjectsOptions } from '../../lib/framing/jsonObjects.ts'
import { MessageDecoder } from '../../lib/framing/messageDecoder.ts'
import { checkCodec } from '../../lib/testing/index.ts'
import { CountingBytes } from '../support/countingBytes.ts'
import { bytesOf, checkAgainstModel, chunksOfSizes, decodeLog, encodeAll } from '../support/decodeLog.ts'
import { decodeChunks, everySplit, latin1 } from '../support/everySplit.ts'
import { thrownBy } from '../support/thrown.ts'

const show = (value: unknown): string => JSON.stringify(value)
const logOf = (options: JsonObjectsOptions, stream: string): string[] =>
  decodeLog(jsonObjects(options), [latin1(stream)], show)

describe('jsonObjects', () => {
  describe('decode', () => {
    it('finds objects and arrays, wherever the stream is cut', () => {
      const stream = Buffer.from(' {}\n{"a":{"b":[]}}[1,[2],{"c":"]"}]\t[]{"}":"{","\\"}":"\\\\"}\r\n{"ä":"\\u007d"} ')
      const values = [{}, { a: { b: [] } }, [1, [2], { c: ']' }], [], { '}': '{', '"}': '\\' }, { ä: '}' }]
      for (const { name, chunks } of everySplit(stream)) {
        const { messages, error } = decodeChunks(jsonObjects(), chunks)
        expect([name, messages, error]).toEqual([name, values, undefined])
      }
    })

    it.each(['x', '1', '"a"', 'null', '}', ']', ',', '{},{}', '\0'])('refuses %j, for ever', (stream) => {
      const { error } = decodeChunks(jsonObjects({ onInvalid: 'discard' }), [latin1(stream)])
      expect(error).toBeInstanceOf(InvalidFrameError)
      expect(error).toMatchObject({ recoverable: false })
    })

    it.each(['{', '{"a":"}', '[{}', '{"a":"\\"}', '[[]'])('of %j and no more is an IncompleteReadError', (stream) => {
      expect(logOf({}, `{}${stream}`)).toEqual(['{}', '!IncompleteReadError'])
    })

    it('refuses what is balanced and no JSON, and goes on behind it if told so', () => {
      const { messages, error } = decodeChunks(jsonObjects(), [latin1('{"a":1}{oops}')])
      expect(messages).toEqual([{ a: 1 }])
      expect(error).toBeInstanceOf(DecodeError)
      expect(error).toMatchObject({ type: 'JSON', size: 6, cause: expect.any(SyntaxError) })
      const log = logOf({ onInvalid: 'discard' }, '{oops}{"a":1}["\xe4"][}][2]')
      expect(log).toEqual(['?DecodeError', '{"a":1}', '?DecodeError', '?DecodeError', '[2]', 'end'])
    })

    it('begins anew, if somebody else has read what it had looked at', () => {
      const queue = new ByteQueue()
      const codec = jsonObjects()
      queue.push(latin1('{"a":"'))
      expect(codec.decode(queue)).toBeUndefined()
      queue.clear()
      queue.push(latin1('[1]'))
      expect(codec.decode(queue)).toEqual([1])
    })

    it('has a state of its own in every clone', () => {
      const codec = jsonObjects()
      const [a, b] = [new MessageDecoder(codec), new MessageDecoder(codec)]
      a.push(latin1('{"a":'))
      expect([a.next(), b.next()]).toEqual([undefined, undefined])
      b.push(latin1('[]'))
      a.push(latin1('1}'))
      expect([...a, ...b]).toEqual([{ a: 1 }, []])
    })

    it('looks at each byte once, not again for each chunk that follows', () => {
      const looks = (n: number): number => {
        const decoder = new MessageDecoder(jsonObjects({ maxFrameLength: 2 ** 30 }))
        const chunks = Array.from({ length: n }, () => new CountingBytes(1024).fill(0x5b))
        return CountingBytes.looksOf(() => {
          for (const chunk of chunks) {
            decoder.push(chunk)
            expect(decoder.next()).toBeUndefined()
          }
        })
      }
      expect(looks(400) / looks(200)).toBeLessThan(2.2)
    })
  })

  describe('maxFrameLength', () => {
    it.each([
      ['{"a":1}', true],
      ['[12345]', true],
      ['{"a":12}', false],
    ])('of 7 and %j', (text, accepted) => {
      for (const { name, chunks } of everySplit(latin1(`{} ${text}[]`))) {
        const log = decodeLog(jsonObjects({ maxFrameLength: 7 }), chunks, show)
        expect([name, log]).toEqual([name, accepted ? ['{}', text, '[]', 'end'] : ['{}', '!FrameTooLargeError']])
      }
    })

    it('is 1 MiB by default, and white space does not count', () => {
      const array = (length: number): string => `["${'x'.repeat(length - 4)}"]`
      const limit = 1024 * 1024
      expect(logOf({}, `${' '.repeat(limit)}${array(limit)}`)).toEqual([array(limit), 'end'])
      expect(logOf({}, array(limit + 1))).toEqual(['!FrameTooLargeError'])
    })

    it("with onTooLong: 'discard' one error, and on behind the value, of which nothing is buffered", () => {
      const stream = latin1('[1]{"a":["}",{"b":"\\"}"}]}[2][[[[[[[]]]]]]]{}')
      for (const { name, chunks } of everySplit(stream)) {
        const log = ['[1]', '?FrameTooLargeError', '[2]', '?FrameTooLargeError', '{}', 'end']
        expect([name, decodeLog(jsonObjects({ maxFrameLength: 5, onTooLong: 'discard' }), chunks, show)]).toEqual([
          name,
          log,
        ])
      }
      const decoder = new MessageDecoder(jsonObjects({ maxFrameLength: 5, onTooLong: 'discard' }))
      decoder.push(latin1('["xxxxxx'))
      expect(() => decoder.next()).toThrow(FrameTooLargeError)
      decoder.push(latin1('}]'.repeat(1000)))
      expect([decoder.next(), decoder.buffered]).toEqual([undefined, 0])
    })

    it('ends cleanly with a stream that ends in what is discarded', () => {
      expect(logOf({ maxFrameLength: 5, onTooLong: 'discard' }, '[1]{"a":"b')).toEqual([
        '[1]',
        '?FrameTooLargeError',
        'end',
      ])
    })
  })

  describe('encode', () => {
    it('writes values one behind the other', () => {
      expect(encodeAll(jsonObjects(), [{ a: 1 }, [], { ä: null }]).toString()).toBe('{"a":1}[]{"ä":null}')
    })

    it.each([1, 'text', null, undefined, true])('refuses %p, which is neither an object nor an array', (value) => {
      expect(thrownBy(() => encodeMessage(jsonObjects(), value as never))).toBeInstanceOf(TypeError)
    })

    it('throws FrameTooLargeError over the limit', () => {
      expect(() => encodeMessage(jsonObjects({ maxFrameLength: 4 }), [123])).toThrow(FrameTooLargeError)
      expect(encodeMessage(jsonObjects({ maxFrameLength: 4 }), [12])).toHaveLength(4)
    })
  })

  it('passes checkCodec, and gives back any values', () => {
    checkCodec(jsonObjects<unknown[] | object>(), [{ a: '"}{' }, [], {}, ['\\', ['x']]])
    const values = fc.array(
      fc.jsonValue().map((value) => ({ value })),
      { maxLength: 5 },
    )
    const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 })
    fc.assert(
      fc.property(values, sizes, (given, cut) => {
        const sent = JSON.parse(JSON.stringify(given)) as object[]
        const { messages } = decodeChunks(jsonObjects(), chunksOfSizes(encodeAll(jsonObjects(), sent), cut))
        expect(messages).toEqual(sent)
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
    /** The length of the balanced value at the front; `undefined` if it has no end. */
    function balanced(text: string): number | undefined {
      // What is within strings does not count.
      const bare = text.replace(/"(\\[^]|[^"\\])*("|\\?$)/g, (string) => '_'.repeat(string.length))
      const [open, close] = bare[0] === '{' ? '{}' : '[]'
      for (let end = 1; end <= bare.length; end++) {
        const part = bare.slice(0, end).split('')
        const count = (bracket: string | undefined): number => part.filter((each) => each === bracket).length
        if (count(open) === count(close)) return end
      }
      return undefined
    }
    checkAgainstModel<Options, object>({
      options: fc.record<Options>({
        maxFrameLength: fc.nat(12),
        onTooLong: fc.constantFrom('fail', 'discard'),
        onInvalid: fc.constantFrom('fail', 'discard'),
      }),
      stream: fc
        .array(fc.constantFrom('{}', '[]', '[', ']', '{"":', '}', ' ', '"', '\\', '1', '["]"]', '[1,2,3]', '[[1]]'), {
          maxLength: 14,
        })
        .chain((parts) => fc.oneof({ weight: 3, arbitrary: fc.constant(latin1(parts.join(''))) }, bytesOf('[]{}" \\'))),
      codec: jsonObjects,
      show,
      kinds: [
        'end',
        '[]',
        '?FrameTooLargeError',
        '!FrameTooLargeError',
        '!DecodeError',
        '?DecodeError',
        '!InvalidFrameError',
        '!IncompleteReadError',
      ],
      model: (bytes, { maxFrameLength, onTooLong, onInvalid }) => {
        const log: string[] = []
        for (let rest = bytes.toString('latin1'); ;) {
          rest = rest.replace(/^[ \n\r\t]+/, '')
          if (rest === '') return [...log, 'end']
          if (!/^[{[]/.test(rest)) return [...log, '!InvalidFrameError']
          const length = balanced(rest)
          // Without its end a value has at least one more byte.
          if ((length ?? rest.length + 1) > maxFrameLength) {
            if (onTooLong === 'fail') return [...log, '!FrameTooLargeError']
            log.push('?FrameTooLargeError')
          } else if (length === undefined) return [...log, '!IncompleteReadError']
          else {
            try {
              log.push(
                show(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(latin1(rest.slice(0, length))))),
              )
            } catch {
              if (onInvalid === 'fail') return [...log, '!DecodeError']
              log.push('?DecodeError')
            }
          }
          rest = rest.slice(length ?? rest.length)
        }
      },
      numRuns: 4000,
    })
  })
})
