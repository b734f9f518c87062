import fc from 'fast-check'
import { DecodeError, FrameTooLargeError, InvalidFrameError } from '../../lib/errors.ts'
import { encodeMessage } from '../../lib/framing/codec.ts'
import { lines, type LinesOptions } from '../../lib/framing/lines.ts'
import { checkCodec } from '../../lib/testing/index.ts'
import { bytesOf, checkAgainstModel, decodeLog, encodeAll } from '../support/decodeLog.ts'
import { decodeChunks, everySplit, latin1 } from '../support/everySplit.ts'
import { thrownBy } from '../support/thrown.ts'

const same = (line: string): string => line
const logOf = (options: LinesOptions, stream: string | Uint8Array): string[] =>
  decodeLog(lines(options), [Buffer.from(stream as string)], same)

describe('lines', () => {
  describe('decode', () => {
    // The rows of tokio-util's LinesCodec.
    it.each<[stream: string, found: string[]]>([
      ['line 1\nline 2\r\nline 3\n\r\n\n\r', ['line 1', 'line 2', 'line 3', '', '']],
      ['a\rb\r\r\n', ['a\rb\r']],
      ['no end', ['no end']],
      ['no end\r', ['no end']],
      ['\r\n', ['']],
      ['\r', []],
      ['a\n\r', ['a']],
      ['', []],
      ['äöü – 漢字 🎈\nß', ['äöü – 漢字 🎈', 'ß']],
      ['\ufeffmarked', ['\ufeffmarked']],
    ])('of %j, wherever it is cut', (stream, found) => {
      for (const { name, chunks } of everySplit(Buffer.from(stream))) {
        expect([name, decodeLog(lines(), chunks, same)]).toEqual([name, [...found, 'end']])
      }
    })

    it('refuses what is not UTF-8, after the lines before it', () => {
      const { messages, error } = decodeChunks(lines(), [latin1('good\nb\xe4d\nnext\n')])
      expect(messages).toEqual(['good'])
      expect(error).toBeInstanceOf(DecodeError)
      expect(error).toMatchObject({ type: 'UTF-8', size: 3, cause: { name: 'TypeError' } })
    })

    it("goes on behind it, with onInvalid: 'discard'", () => {
      const log = logOf({ onInvalid: 'discard' }, latin1('good\nb\xe4d\nnext\n\xff'))
      expect(log).toEqual(['good', '?DecodeError', 'next', '?DecodeError', 'end'])
    })
  })

  describe('maxLength', () => {
    it.each([
      ['12345\n', '12345'],
      ['1234\r\n', '1234'],
      ['ääa\n', 'ääa'],
    ])('of 5 bytes, a CR counted, lets %j through', (stream, line) => {
      expect(logOf({ maxLength: 5 }, stream)).toEqual([line, 'end'])
    })

    it.each(['123456\n', '12345\r\n', 'äää\n', '123456'])('of 5 bytes refuses %j', (stream) => {
      expect(logOf({ maxLength: 5 }, stream)).toEqual(['!FrameTooLargeError'])
      expect(logOf({ maxLength: 5, onTooLong: 'discard' }, `${stream}`)).toEqual(['?FrameTooLargeError', 'end'])
    })

    it('is 64 KiB by default', () => {
      expect(logOf({}, 'x'.repeat(65_536))).toEqual(['x'.repeat(65_536), 'end'])
      expect(logOf({}, 'x'.repeat(65_537))).toEqual(['!FrameTooLargeError'])
    })
  })

  it("makes the rest an IncompleteReadError, with unterminated: 'error', a CR alone too", () => {
    expect(logOf({ unterminated: 'error' }, 'a\nb')).toEqual(['a', '!IncompleteReadError'])
    expect(logOf({ unterminated: 'error' }, 'a\n\r')).toEqual(['a', '!IncompleteReadError'])
    expect(logOf({ unterminated: 'error' }, 'a\r\n')).toEqual(['a', 'end'])
  })

  describe('encode', () => {
    it('ends lines with LF, or with CRLF if told so', () => {
      expect(encodeAll(lines(), ['ä', '', 'b']).toString()).toBe('ä\n\nb\n')
      expect(encodeAll(lines({ newline: '\r\n' }), ['ä', '', 'b\r']).toString()).toBe('ä\r\n\r\nb\r\r\n')
    })

    it.each(['a\nb', '\n', 'a\r'])('refuses %j, which would not come out as it went in', (line) => {
      expect(thrownBy(() => encodeMessage(lines(), line))).toBeInstanceOf(InvalidFrameError)
    })

    it('throws FrameTooLargeError over the limit', () => {
      expect(() => encodeMessage(lines({ maxLength: 3 }), 'abcd')).toThrow(FrameTooLargeError)
      expect(encodeMessage(lines({ maxLength: 3 }), 'abc')).toHaveLength(4)
    })
  })

  it('passes checkCodec', () => {
    for (const newline of ['\n', '\r\n'] as const) {
      checkCodec(lines({ newline, unterminated: 'error' }), ['a', '', 'drei', '四'])
      checkCodec(lines({ newline }), ['a', '', 'drei', '四'], { endless: true })
    }
  })

  it('finds what a reader of the definition finds, however the stream is cut', () => {
    interface Options {
      maxLength: number
      onTooLong: 'fail' | 'discard'
      onInvalid: 'fail' | 'discard'
    }
    const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    checkAgainstModel<Options, string>({
      options: fc.record<Options>({
        maxLength: fc.nat(9),
        onTooLong: fc.constantFrom('fail', 'discard'),
        onInvalid: fc.constantFrom('fail', 'discard'),
      }),
      // An ä, whole and in halves.
      stream: bytesOf('a\r\n\n\xc3\xa4'),
      codec: lines,
      show: same,
      kinds: ['end', '', '?FrameTooLargeError', '!FrameTooLargeError', '!DecodeError', '?DecodeError'],
      model: (bytes, { maxLength, onTooLong, onInvalid }) => {
        const log: string[] = []
        const pieces = bytes.toString('latin1').split('\n')
        for (const [i, piece] of pieces.entries()) {
          const last = i === pieces.length - 1
          // A CR alone at the end is nothing, except to a limit of 0.
          if (last && (piece === '' || (piece === '\r' && maxLength > 0))) continue
          if (piece.length > maxLength) {
            log.push(`${onTooLong === 'fail' ? '!' : '?'}FrameTooLargeError`)
            if (onTooLong === 'fail') return log
            continue
          }
          try {
            log.push(strict.decode(latin1(piece.replace(/\r$/, ''))))
          } catch {
            log.push(`${onInvalid === 'fail' ? '!' : '?'}DecodeError`)
            if (onInvalid === 'fail') return log
          }
        }
        return [...log, 'end']
      },
    })
  })
})
