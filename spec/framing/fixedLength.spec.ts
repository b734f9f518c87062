import { IncompleteReadError, InvalidFrameError } from '../../lib/errors.ts'
import { encodeMessage, type Codec } from '../../lib/framing/codec.ts'
import { fixedLength } from '../../lib/framing/fixedLength.ts'
import { checkCodec } from '../../lib/testing/index.ts'
import { asLatin1, decodeLog, encodeAll } from '../support/decodeLog.ts'
import { decodeChunks, everySplit, latin1 } from '../support/everySplit.ts'

describe('fixedLength', () => {
  it.each([0, -1, 1.5, NaN, 2 ** 53])('refuses a length of %p', (length) => {
    expect(() => fixedLength(length)).toThrow(RangeError)
  })

  it('finds frames, wherever the stream is cut', () => {
    for (const { name, chunks } of everySplit(latin1('abcdefghi'))) {
      expect([name, decodeLog(fixedLength(3), chunks, asLatin1)]).toEqual([name, ['abc', 'def', 'ghi', 'end']])
    }
  })

  it('is an IncompleteReadError, if the stream ends inside a frame', () => {
    const { error } = decodeChunks(fixedLength(3), [latin1('abcde')])
    expect(error).toBeInstanceOf(IncompleteReadError)
    expect(asLatin1((error as IncompleteReadError).partial)).toBe('de')
  })

  it('encodes frames of that length alone', () => {
    expect(encodeAll(fixedLength(3), ['abc', latin1('def'), 'ä-']).toString()).toBe('abcdefä-')
    for (const frame of ['', 'ab', 'abcd'])
      expect(() => encodeMessage(fixedLength(3), frame)).toThrow(InvalidFrameError)
  })

  it('passes checkCodec', () => {
    checkCodec(fixedLength(3) as Codec<Uint8Array>, ['abc', '\0\0\0', 'xyz'].map(latin1))
  })
})
