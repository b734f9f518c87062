import type { ByteQueue } from '../../lib/bytes/byteQueue.ts'
import { IncompleteReadError, InvalidFrameError, InvalidStateError } from '../../lib/errors.ts'
import type { Decoder } from '../../lib/framing/codec.ts'
import { encodeMessage } from '../../lib/framing/codec.ts'
import { lengthPrefixed } from '../../lib/framing/lengthPrefixed.ts'
import { MessageDecoder } from '../../lib/framing/messageDecoder.ts'
import { decodeChunks, everySplit, latin1, texts } from '../support/everySplit.ts'
import { thrownBy } from '../support/thrown.ts'

/** Lines; the last one may lack its end. Counts how often it is called. */
class LineDecoder implements Decoder<string> {
  decodes = 0
  decodeEofs = 0

  decode(input: ByteQueue): string | undefined {
    this.decodes++
    const end = input.indexOf(latin1('\n'))
    return end === -1 ? undefined : Buffer.from(input.take(end + 1)).toString('latin1', 0, end)
  }

  decodeEof(input: ByteQueue): string | undefined {
    this.decodeEofs++
    if (input.length === 0) return undefined
    return this.decode(input) ?? Buffer.from(input.takeAll()).toString('latin1')
  }
}

/** Bytes are their own messages; 0 is none. */
const bytes: Decoder<number> = {
  decode(input) {
    const byte = input.at(0)
    if (byte === 0) throw new InvalidFrameError('a zero')
    input.skip(1)
    return byte
  },
}

const framesDecoder = (text = ''): MessageDecoder<Uint8Array> => {
  const decoder = new MessageDecoder(lengthPrefixed({ lengthFieldLength: 1 }))
  decoder.push(latin1(text))
  return decoder
}

describe('MessageDecoder', () => {
  describe('constructor', () => {
    it('takes a codec, or a function that makes one for this decoder alone', () => {
      const made: LineDecoder[] = []
      const make = (): LineDecoder => {
        made.push(new LineDecoder())
        return made.at(-1)!
      }
      const [a, b] = [new MessageDecoder(make), new MessageDecoder(make)]
      a.push(latin1('a\n'))
      expect([a.next(), b.next()]).toEqual(['a', undefined])
      expect(made.map((decoder) => decoder.decodes)).toEqual([1, 0])
    })
  })

  it('takes a clone of a decoder that has a state', () => {
    let clones = 0
    const cloned = new LineDecoder()
    const decoder = { decode: () => 'the original', clone: () => (clones++, cloned) }
    const [a, b] = [new MessageDecoder<string>(decoder), new MessageDecoder<string>(decoder)]
    a.push(latin1('a\n'))
    b.push(latin1('b\n'))
    expect([a.next(), b.next(), clones]).toEqual(['a', 'b', 2])
  })

  describe('push', () => {
    it('adds bytes, which are counted until they are part of a message', () => {
      const decoder = framesDecoder()
      const counts = ['\x03', 'ab', 'c\x01', 'd'].map((text) => {
        decoder.push(latin1(text))
        const before = decoder.buffered
        const found = texts([...decoder])
        return [before, found, decoder.buffered]
      })
      expect(counts).toEqual([
        [1, [], 1],
        [3, [], 3],
        [5, ['abc'], 1],
        [2, ['d'], 0],
      ])
    })

    it('keeps the chunk, without a copy', () => {
      const chunk = latin1('\x03abc')
      const decoder = new MessageDecoder(lengthPrefixed({ lengthFieldLength: 1 }))
      decoder.push(chunk)
      expect(decoder.next()!.buffer).toBe(chunk.buffer)
    })

    it('ignores an empty chunk', () => {
      const decoder = framesDecoder()
      decoder.push(new Uint8Array(0))
      expect([decoder.buffered, decoder.next()]).toEqual([0, undefined])
    })

    it('refuses what is not bytes', () => {
      expect(() => framesDecoder().push([1, 2] as unknown as Uint8Array)).toThrow(TypeError)
      expect(() => framesDecoder().push(undefined as unknown as Uint8Array)).toThrow(TypeError)
    })

    it('throws InvalidStateError after end()', () => {
      const decoder = framesDecoder('\x01a')
      decoder.end()
      const error = thrownBy(() => decoder.push(latin1('abc')))
      expect(error).toBeInstanceOf(InvalidStateError)
      expect((error as Error).message).toBe('push of 3 bytes after end()')
      expect(texts([...decoder])).toEqual(['a'])
    })
  })

  describe('next', () => {
    it('gives one message at a time, in order, then nothing', () => {
      const decoder = framesDecoder('\x01a\0\x02bc\x05d')
      expect(texts([decoder.next()!, decoder.next()!, decoder.next()!])).toEqual(['a', '', 'bc'])
      expect([decoder.next(), decoder.next(), decoder.buffered]).toEqual([undefined, undefined, 2])
    })

    it('does not ask the decoder about nothing', () => {
      const lines = new LineDecoder()
      const decoder = new MessageDecoder(lines)
      decoder.next()
      decoder.push(new Uint8Array(0))
      decoder.next()
      expect(lines.decodes).toBe(0)
    })

    it('gives out messages that are null, 0, false or empty', () => {
      const values = [null, 0, false, '']
      const decoder = new MessageDecoder<unknown>({ decode: (input) => values[input.take(1)[0]!] })
      decoder.push(Uint8Array.of(0, 1, 2, 3))
      decoder.end()
      expect([...decoder]).toEqual(values)
    })
  })

  describe('iteration', () => {
    it('ends with the messages that are complete now, and goes on when there are more', () => {
      const decoder = framesDecoder('\x01a\x02b')
      expect(texts([...decoder])).toEqual(['a'])
      expect([...decoder]).toEqual([])
      decoder.push(latin1('c\x01d'))
      expect(texts([...decoder])).toEqual(['bc', 'd'])
    })

    it('left early leaves the other messages for the next', () => {
      const decoder = framesDecoder('\x01a\x01b\x01c')
      for (const message of decoder) {
        expect(texts([message])).toEqual(['a'])
        break
      }
      expect(texts([...decoder])).toEqual(['b', 'c'])
    })

    it('finds what is pushed in the midst of it', () => {
      const decoder = framesDecoder('\x01a')
      const found: string[] = []
      for (const message of decoder) {
        found.push(...texts([message]))
        if (found.length < 3) decoder.push(latin1('\x01b'))
      }
      expect(found).toEqual(['a', 'b', 'b'])
    })
  })

  describe('end', () => {
    it('between messages is a clean end, also when it is said twice', () => {
      const decoder = framesDecoder('\x01a')
      decoder.end()
      decoder.end()
      expect(texts([...decoder])).toEqual(['a'])
      expect([decoder.next(), decoder.next()]).toEqual([undefined, undefined])
    })

    it('inside one is an IncompleteReadError with its bytes, after the messages before it, and ever after', () => {
      const decoder = framesDecoder('\x01a\x03bc')
      decoder.end()
      expect(texts([decoder.next()!])).toEqual(['a'])
      const error = thrownBy(() => decoder.next())
      expect(error).toBeInstanceOf(IncompleteReadError)
      expect(texts([(error as IncompleteReadError).partial])).toEqual(['\x03bc'])
      expect(decoder.buffered).toBe(0)
      expect(thrownBy(() => decoder.next())).toBe(error)
    })

    it('lets decodeEof have what is left, until it returns undefined', () => {
      for (const { name, chunks } of everySplit(latin1('one\n\ntwo\nthr'))) {
        const lines = new LineDecoder()
        const { messages, error } = decodeChunks<string>(lines, chunks)
        expect([name, messages, error]).toEqual([name, ['one', '', 'two', 'thr'], undefined])
        expect(lines.decodeEofs).toBe(2)
      }
    })

    it('is an IncompleteReadError if decodeEof leaves bytes', () => {
      const decoder = new MessageDecoder<string>({ decode: () => undefined, decodeEof: () => undefined })
      decoder.push(latin1('abc'))
      decoder.end()
      expect(() => decoder.next()).toThrow(IncompleteReadError)
    })

    it('does not ask a decoder without decodeEof about nothing', () => {
      const decoder = new MessageDecoder(bytes)
      decoder.push(Uint8Array.of(5))
      decoder.end()
      expect([decoder.next(), decoder.next()]).toEqual([5, undefined])
    })

    it('asks a decoder without decodeEof as before', () => {
      const decoder = framesDecoder('\x01a\x01b')
      decoder.end()
      expect(texts([...decoder])).toEqual(['a', 'b'])
    })
  })

  describe('an error that is recoverable', () => {
    it('comes once, and the message after it next', () => {
      const decoder = new MessageDecoder(
        lengthPrefixed({ lengthFieldLength: 1, maxFrameLength: 2, onTooLong: 'discard' }),
      )
      decoder.push(latin1('\x01a\x03---\x03-'))
      expect(texts([decoder.next()!])).toEqual(['a'])
      const error = thrownBy(() => decoder.next())
      expect(error).toMatchObject({ size: 3, limit: 2, recoverable: true })
      expect(thrownBy(() => [...decoder])).not.toBe(error)
      expect(decoder.next()).toBeUndefined()
      decoder.push(latin1('--\x01b'))
      expect(texts([...decoder])).toEqual(['b'])
    })

    it('may come from any decoder, which has taken what it does not want', () => {
      const odd: Decoder<number> = {
        decode(input) {
          const byte = input.take(1)[0]!
          if (byte % 2 === 1) return byte
          const error = new InvalidFrameError('even')
          error.recoverable = true
          throw error
        },
      }
      const decoder = new MessageDecoder(odd)
      decoder.push(Uint8Array.of(1, 2, 4, 5))
      const found = Array.from({ length: 5 }, () => thrownBy(() => decoder.next()) ?? 'none')
      expect(found.map((each) => (each instanceof InvalidFrameError ? 'even' : each))).toEqual([
        'none',
        'even',
        'even',
        'none',
        'none',
      ])
    })
  })

  describe('an error', () => {
    it('comes after the messages before it, once and for all, the same each time', () => {
      for (const { name, chunks } of everySplit(Uint8Array.of(1, 2, 0, 3))) {
        const { messages, error } = decodeChunks(bytes, chunks)
        expect([name, messages, error instanceof InvalidFrameError]).toEqual([name, [1, 2], true])
      }
      const decoder = new MessageDecoder(bytes)
      decoder.push(Uint8Array.of(1, 0, 3))
      expect(decoder.next()).toBe(1)
      const error = thrownBy(() => decoder.next())
      decoder.push(Uint8Array.of(4))
      expect(thrownBy(() => decoder.next())).toBe(error)
      expect(thrownBy(() => [...decoder])).toBe(error)
      decoder.end()
      expect(thrownBy(() => decoder.next())).toBe(error)
    })

    it('stops the decoder from being asked again', () => {
      let calls = 0
      const decoder = new MessageDecoder<never>({
        decode: () => {
          calls++
          throw new TypeError('mine')
        },
      })
      decoder.push(latin1('abc'))
      for (let i = 0; i < 3; i++) expect(() => decoder.next()).toThrow('mine')
      expect(calls).toBe(1)
    })

    it('may be anything that a decoder throws, undefined too', () => {
      const decoder = new MessageDecoder<never>({
        decode: () => {
          throw undefined
        },
      })
      decoder.push(latin1('a'))
      const run = (): string => {
        try {
          decoder.next()
          return 'returned'
        } catch (error) {
          return `threw ${String(error)}`
        }
      }
      expect([run(), run()]).toEqual(['threw undefined', 'threw undefined'])
    })
  })
})

describe('encodeMessage', () => {
  it('gives one message as bytes of its own', () => {
    const codec = lengthPrefixed({ lengthFieldLength: 1 })
    const first = encodeMessage(codec, 'abc')
    encodeMessage(codec, 'xyz')
    expect(texts([first])).toEqual(['\x03abc'])
  })

  it('joins what an encoder keeps in several parts', () => {
    const large = Buffer.alloc(100_000, 7)
    const bytes = encodeMessage(lengthPrefixed(), large)
    expect(Buffer.concat([Buffer.from([0, 1, 0x86, 0xa0]), large]).equals(bytes)).toBe(true)
  })

  it('of an encoder that writes nothing is empty', () => {
    expect(encodeMessage({ encode: () => {} }, 'x')).toHaveLength(0)
  })

  it('throws what the encoder throws', () => {
    expect(() => encodeMessage(lengthPrefixed({ maxFrameLength: 1 }), 'ab')).toThrow('over the limit of 1')
  })
})
