import { createHash } from 'node:crypto'
import { DecodeError, FrameTooLargeError, IncompleteReadError, InvalidFrameError } from '../../lib/index.ts'
import {
  cobs,
  encodeMessage,
  lengthPrefixed,
  MessageDecoder,
  netstrings,
  varintPrefixed,
} from '../../lib/framing/index.ts'
import staticTypes from '../fixtures/personStatic.cjs'
import { messageType, protobuf } from '../../lib/protobuf/index.ts'
import { checkCodec } from '../../lib/testing/index.ts'
import { personTypes, ReflectedPerson, StaticPerson, type Person } from './messageTypes.ts'

const ada: Person = { name: 'Ada', age: 36, photo: Uint8Array.of(1, 2, 3), tags: ['x', 'y'] }
const nobody: Person = { name: '', age: 0, photo: new Uint8Array(0), tags: [] }

/** Only what was set, so that the libraries' own fields do not matter. */
const plain = ({ name, age, photo, tags }: Person): Person => ({
  name,
  age,
  photo: Uint8Array.from(photo),
  tags: [...tags],
})

for (const [library, type] of Object.entries(personTypes)) {
  describe(`protobuf() over ${library}`, () => {
    const codec = protobuf(type)
    const plainCodec = {
      encode: codec.encode.bind(codec),
      decode: (input: Parameters<typeof codec.decode>[0]) => {
        const person = codec.decode(input)
        return person && plain(person)
      },
    }

    it('gives back its messages at every split, an empty one too', () => {
      checkCodec(plainCodec, [ada, nobody, ada])
    })

    it('writes a varint with the length and the message, as Java, Go and C++ do', () => {
      const bytes = Buffer.from(encodeMessage(codec, { name: 'Ada', age: 36, photo: new Uint8Array(0), tags: [] }))
      expect(bytes.toString('hex')).toBe('070a034164611024')
    })

    it('can encode one message after another into the same buffer', () => {
      const decoder = new MessageDecoder(plainCodec)
      for (let i = 0; i < 300; i++) {
        decoder.push(encodeMessage(codec, { ...ada, age: i, photo: new Uint8Array(i) }))
      }
      expect([...decoder].map((person) => [person.age, person.photo.length])).toEqual(
        Array.from({ length: 300 }, (_, i) => [i, i]),
      )
    })

    it('goes behind any length prefix', () => {
      const prefixed = protobuf(type, { framing: lengthPrefixed({ lengthFieldLength: 2, littleEndian: true }) })
      const bytes = Buffer.from(encodeMessage(prefixed, { name: 'Ada', age: 36, photo: new Uint8Array(0), tags: [] }))
      expect(bytes.toString('hex')).toBe('07000a034164611024')
      const decoder = new MessageDecoder(prefixed)
      decoder.push(bytes)
      expect(decoder.next()?.name).toBe('Ada')
    })

    it('makes one DecodeError of whatever the decoder throws', () => {
      const decoder = new MessageDecoder(codec)
      decoder.push(encodeMessage(codec, ada))
      // A string field of 5 bytes in a body of 3.
      decoder.push(Uint8Array.of(3, 0x0a, 5, 0x41))
      const messages: Person[] = []
      let error: unknown
      try {
        for (const message of decoder) messages.push(message)
      } catch (thrown) {
        error = thrown
      }
      expect(messages).toHaveLength(1)
      expect(error).toBeInstanceOf(DecodeError)
      expect(error).toMatchObject({ code: 'ERR_MILLRACE_DECODE', size: 3, type: expect.stringContaining('Person') })
      expect((error as Error).message).toMatch(/^3 bytes do not decode as .*Person.*: /)
    })

    it('refuses a message over the limit before it is there, and before it is sent', () => {
      const small = protobuf(type, { framing: lengthPrefixed({ maxFrameLength: 6 }) })
      const decoder = new MessageDecoder(small)
      decoder.push(Uint8Array.of(0, 0, 0, 7))
      expect(() => decoder.next()).toThrow(FrameTooLargeError)
      expect(() => encodeMessage(small, ada)).toThrow(new FrameTooLargeError(18, 6))
    })
  })
}

describe('protobuf()', () => {
  it('goes into any frames, also those that cannot write a header alone', () => {
    const type = personTypes[Object.keys(personTypes)[0]!]!
    for (const framing of [netstrings(), cobs(), lengthPrefixed({ onTooLong: 'discard' })]) {
      const decoder = new MessageDecoder(protobuf(type, { framing }))
      const codec = protobuf(type, { framing })
      decoder.push(encodeMessage(codec, ada))
      decoder.push(encodeMessage(codec, nobody))
      decoder.end()
      expect([...decoder].map(plain)).toEqual([ada, nobody])
    }
  })

  it('goes on behind a frame that its framing discards, in a state of its own for each connection', () => {
    const type = personTypes[Object.keys(personTypes)[0]!]!
    const codec = protobuf(type, { framing: varintPrefixed({ maxFrameLength: 100, onTooLong: 'discard' }) })
    const [a, b] = [new MessageDecoder(codec), new MessageDecoder(codec)]
    a.push(Buffer.from([101, 1, 2, 3]))
    expect(() => a.next()).toThrow(FrameTooLargeError)
    b.push(encodeMessage(codec, ada))
    expect(plain(b.next()!)).toEqual(ada)
    a.push(Buffer.alloc(98))
    a.push(encodeMessage(codec, ada))
    expect(plain(a.next()!)).toEqual(ada)
  })

  const codec = protobuf<Person>(personTypes['a static class of protobufjs']!)

  it('does not take a short buffer for a malformed one, nor wrap a long varint', () => {
    const decoder = new MessageDecoder(codec)
    decoder.push(Uint8Array.of(0x80))
    expect(decoder.next()).toBeUndefined()
    // 2^32, which protobufjs' own reader takes for 0.
    const wrapping = new MessageDecoder(codec)
    wrapping.push(Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x10))
    expect(() => wrapping.next()).toThrow(new FrameTooLargeError(2 ** 32, 4 * 1024 * 1024))
    const endless = new MessageDecoder(codec)
    endless.push(new Uint8Array(11).fill(0x80))
    expect(() => endless.next()).toThrow(InvalidFrameError)
  })

  it('never writes again to the memory of decoded bytes fields', () => {
    const decoder = new MessageDecoder(codec)
    const digest = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex')
    const expected: string[] = []
    const photos: Uint8Array[] = []
    for (let i = 0; i < 200; i++) {
      const photo = Buffer.alloc(700, i)
      expected.push(digest(photo))
      const bytes = encodeMessage(codec, { ...nobody, photo })
      for (const half of [bytes.subarray(0, 400), bytes.subarray(400)]) {
        decoder.push(Uint8Array.from(half))
        for (const message of decoder) photos.push(message.photo)
      }
    }
    expect(photos.map(digest)).toEqual(expected)
  })

  it('tells where decoding stopped, if the decoder does', () => {
    const decoder = new MessageDecoder(protobuf(ReflectedPerson))
    decoder.push(Uint8Array.of(3, 0x0a, 5, 0x41))
    expect(() => decoder.next()).toThrow(/^3 bytes do not decode as fixtures.Person at byte \d+: /)
  })

  it('rejects field number 0, wire type 7, recursion without end and malformed UTF-8', () => {
    const bodies = [[0x02, 0x00], [0x0f], [0x0a, 0x02, 0xc3, 0x28]]
    for (const body of bodies) {
      const decoder = new MessageDecoder(protobuf(StaticPerson))
      decoder.push(Uint8Array.of(body.length, ...body))
      expect(() => decoder.next()).toThrow(DecodeError)
    }
  })

  it('leaves the encoder usable after a message that cannot be encoded', () => {
    const type = protobuf(staticTypes.fixtures.Envelope)
    const failure = new Error('half-way through the inner message')
    const person = {
      name: 'x',
      get age(): number {
        throw failure
      },
    }
    expect(() => encodeMessage(type, { id: 1, person })).toThrow(failure)
    const bytes = Buffer.from(encodeMessage(type, { id: 1, person: { name: 'Ada' } }))
    expect(bytes.toString('hex')).toBe('09' + '0801' + '1205' + '0a03416461')
  })

  it('does not keep the memory of one huge message', () => {
    const type = protobuf(StaticPerson, { framing: lengthPrefixed({ maxFrameLength: 2 ** 24 }) })
    const huge = encodeMessage(type, { photo: Buffer.alloc(3_000_000, 7) })
    expect(huge.length).toBe(4 + 1 + 4 + 3_000_000)
    const decoder = new MessageDecoder(type)
    decoder.push(huge)
    decoder.push(encodeMessage(type, { name: 'next' }))
    expect([...decoder].map(({ photo, name }) => [photo.length, name])).toEqual([
      [3_000_000, ''],
      [0, 'next'],
    ])
  })

  it('says what is missing when the stream ends inside a message', () => {
    const decoder = new MessageDecoder(codec)
    decoder.push(Uint8Array.of(7, 0x0a, 3))
    decoder.end()
    expect(() => decoder.next()).toThrow(IncompleteReadError)
  })

  it('passes errors of our own through', () => {
    const own = new InvalidFrameError('nested framing')
    const type = messageType<string>({
      name: 'Own',
      encode: () => new Uint8Array(1),
      decode: () => {
        throw own
      },
    })
    const decoder = new MessageDecoder(protobuf(type))
    decoder.push(Uint8Array.of(0))
    expect(() => decoder.next()).toThrow(own)
  })
})
