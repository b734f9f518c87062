import fc from 'fast-check'
import { DecodeError, FrameTooLargeError } from '../../lib/errors.ts'
import { encodeMessage } from '../../lib/framing/codec.ts'
import { jsonLines, type JsonLinesOptions } from '../../lib/framing/jsonLines.ts'
import { checkCodec } from '../../lib/testing/index.ts'
import { chunksOfSizes, decodeLog, encodeAll } from '../support/decodeLog.ts'
import { decodeChunks, everySplit, latin1 } from '../support/everySplit.ts'
import { thrownBy } from '../support/thrown.ts'

const show = (value: unknown): string => JSON.stringify(value)
const logOf = (options: JsonLinesOptions, stream: string): string[] =>
  decodeLog(jsonLines(options), [latin1(stream)], show)

describe('jsonLines', () => {
  describe('decode', () => {
    it('gives one value a line, of any kind, wherever the stream is cut', () => {
      const stream = Buffer.from('{"a":[1]}\n"ä\\n"\r\nnull\n0\n false \n[]\n""')
      for (const { name, chunks } of everySplit(stream)) {
        const { messages, error } = decodeChunks(jsonLines(), chunks)
        expect([name, messages, error]).toEqual([name, [{ a: [1] }, 'ä\n', null, 0, false, [], ''], undefined])
      }
    })

    it('skips blank lines', () => {
      expect(logOf({}, '\n\r\n1\n \t\n\n2\n\n')).toEqual(['1', '2', 'end'])
      expect(logOf({}, '\n \n')).toEqual(['end'])
    })

    it('takes the last line too, if nothing ends it', () => {
      expect(logOf({}, '1\n{"a":2}')).toEqual(['1', '{"a":2}', 'end'])
      expect(logOf({}, '1\n{"a":')).toEqual(['1', '!DecodeError'])
      expect(logOf({}, '1\n ')).toEqual(['1', 'end'])
    })
  })

  it('refuses a line that is no JSON, or no UTF-8', () => {
    const { messages, error } = decodeChunks(jsonLines(), [latin1('1\n{oops}\n2\n')])
    expect(messages).toEqual([1])
    expect(error).toBeInstanceOf(DecodeError)
    expect(error).toMatchObject({ type: 'JSON', size: 6, recoverable: false, cause: expect.any(SyntaxError) })
    expect(logOf({}, '"\xe4"\n')).toEqual(['!DecodeError'])
  })

  it("goes on behind it, with onInvalid: 'discard'", () => {
    const log = logOf({ onInvalid: 'discard' }, '1\n{oops}\n2\n"\xe4"\n\n3\nx')
    expect(log).toEqual(['1', '?DecodeError', '2', '?DecodeError', '3', '?DecodeError', 'end'])
  })

  it('has a limit, of 1 MiB by default, with which onTooLong has to do', () => {
    expect(logOf({ maxLength: 3 }, '123\n1234\n5\n')).toEqual(['123', '!FrameTooLargeError'])
    expect(logOf({ maxLength: 3, onTooLong: 'discard' }, '123\n1234\n5\n')).toEqual([
      '123',
      '?FrameTooLargeError',
      '5',
      'end',
    ])
    const string = (length: number): string => `"${'x'.repeat(length - 2)}"`
    expect(logOf({}, string(1024 * 1024))).toEqual([string(1024 * 1024), 'end'])
    expect(logOf({}, string(1024 * 1024 + 1))).toEqual(['!FrameTooLargeError'])
  })

  describe('encode', () => {
    it('writes a value without line breaks, and an LF', () => {
      expect(encodeAll(jsonLines(), [{ a: 'b\nc' }, null, 'ä']).toString()).toBe('{"a":"b\\nc"}\nnull\n"ä"\n')
    })

    it.each([undefined, () => 1, Symbol('x')])('refuses %p, which JSON cannot say', (value) => {
      expect(thrownBy(() => encodeMessage(jsonLines(), value))).toBeInstanceOf(TypeError)
    })

    it('throws FrameTooLargeError over the limit', () => {
      expect(() => encodeMessage(jsonLines({ maxLength: 3 }), 'ab')).toThrow(FrameTooLargeError)
    })
  })

  it('passes checkCodec, and gives back any values', () => {
    checkCodec(jsonLines(), [{ a: 1 }, [], null, 'x\n'], { endless: true })
    const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 })
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { maxLength: 5 }), sizes, (values, cut) => {
        const sent = JSON.parse(JSON.stringify(values)) as unknown[]
        const { messages } = decodeChunks(jsonLines(), chunksOfSizes(encodeAll(jsonLines(), sent), cut))
        expect(messages).toEqual(sent)
      }),
      { numRuns: 300 },
    )
  })
})
