import { DecodeError, FrameTooLargeError, UnknownTypeError } from '../../lib/index.ts'
import { encodeMessage, MessageDecoder } from '../../lib/framing/index.ts'
import { typedEnvelope, type Envelope, type RawEnvelope } from '../../lib/protobuf/index.ts'
import { checkCodec } from '../../lib/testing/index.ts'
import { decodeLog } from '../support/decodeLog.ts'
import { everySplit } from '../support/everySplit.ts'
import { EsPerson, StaticPerson, type Person } from './messageTypes.ts'
import staticTypes from '../fixtures/personStatic.cjs'

const types = {
  person: { id: 1, type: EsPerson, maxLength: 100 },
  ping: { id: 2, type: staticTypes.fixtures.Ping },
}
const codec = typedEnvelope(types)

describe('typedEnvelope', () => {
  it('writes type id, length and body, big-endian, two and four bytes wide', () => {
    const person = { name: 'Ada', age: 36, photo: new Uint8Array(0), tags: [] }
    const bytes = Buffer.from(encodeMessage(codec, { type: 'person', message: person }))
    expect(bytes.toString('hex')).toBe('0001' + '00000007' + '0a034164611024')
    const little = typedEnvelope(types, { typeFieldLength: 1, lengthFieldLength: 2, littleEndian: true })
    expect(Buffer.from(encodeMessage(little, { type: 'ping', message: {} })).toString('hex')).toBe('020000')
  })

  it('gives back its messages with their names at every split', () => {
    const plain = {
      encode: codec.encode.bind(codec),
      decode: (input: Parameters<typeof codec.decode>[0]) => {
        const envelope = codec.decode(input)
        if (envelope === undefined) return undefined
        return envelope.type === 'person'
          ? { type: 'person' as const, message: { name: envelope.message.name } as Person }
          : { type: 'ping' as const, message: {} as InstanceType<typeof staticTypes.fixtures.Ping> }
      },
    }
    checkCodec(
      plain as never,
      [
        { type: 'person', message: { name: 'Ada' } },
        { type: 'ping', message: {} },
        { type: 'person', message: { name: '' } },
      ] as never[],
    )
  })

  it('types what comes out by its name', () => {
    const decoder = new MessageDecoder(codec)
    decoder.push(encodeMessage(codec, { type: 'ping', message: {} }))
    const envelope: Envelope<typeof types> = decoder.next()!
    // @ts-expect-error a message can only be one of the registered types
    expect(envelope.type === 'pong').toBe(false)
    if (envelope.type === 'person') envelope.message.name satisfies string
    else envelope.message satisfies InstanceType<typeof staticTypes.fixtures.Ping>
    expect(envelope.message).toBeInstanceOf(staticTypes.fixtures.Ping)
    // @ts-expect-error only registered types can be encoded
    expect(() => encodeMessage(codec, { type: 'pong', message: {} })).toThrow(TypeError)
  })

  it('holds each type to its own limit, by the header alone', () => {
    const decoder = new MessageDecoder(codec)
    decoder.push(Buffer.from('000100000065', 'hex'))
    expect(() => decoder.next()).toThrow('a message of type person of 101 bytes is over the limit of 100')
    const photo = new Uint8Array(99)
    const encode = (): unknown =>
      encodeMessage(codec, { type: 'person', message: { name: '', age: 0, photo, tags: [] } })
    expect(encode).toThrow(new FrameTooLargeError(101, 100, 'a message of type person'))
    // ping has no limit of its own: the envelope's.
    const other = new MessageDecoder(typedEnvelope(types, { maxMessageLength: 5 }))
    other.push(Buffer.from('000200000006', 'hex'))
    expect(() => other.next()).toThrow(/6 bytes is over the limit of 5/)
  })

  it('swallows exactly the message that is over its limit, if told so, and each connection for itself', () => {
    const frame = (id: number, length: number): Buffer =>
      Buffer.concat([Buffer.of(0, id, 0, 0, 0, length), Buffer.alloc(length)])
    const stream = Buffer.concat([frame(2, 0), frame(1, 101), frame(9, 1), frame(9, 201), frame(2, 0), frame(1, 0)])
    const codec = typedEnvelope(types, { onTooLong: 'discard', unknownType: 'skip', maxMessageLength: 200 })
    for (const { name, chunks } of [...everySplit(stream)]) {
      const log = decodeLog(codec, chunks, (envelope) => envelope.type)
      expect([name, log]).toEqual([
        name,
        ['ping', '?FrameTooLargeError', '?FrameTooLargeError', 'ping', 'person', 'end'],
      ])
    }
    expect(decodeLog(codec, [stream.subarray(0, 50)], (envelope) => envelope.type)).toEqual([
      'ping',
      '?FrameTooLargeError',
      'end',
    ])
    expect(codec.clone!()).not.toBe(codec)
  })

  it('names the type of a body that does not decode', () => {
    const decoder = new MessageDecoder(codec)
    decoder.push(Buffer.from('0001000000020a05', 'hex'))
    expect(() => decoder.next()).toThrow(DecodeError)
    expect(() => decoder.next()).toThrow(/2 bytes do not decode as fixtures.Person/)
  })

  describe('with a type that is not registered', () => {
    const unknown = Buffer.from('0009000000020102', 'hex')
    const known = encodeMessage(codec, { type: 'ping', message: {} })

    it('ends the stream by default, at the header', () => {
      const decoder = new MessageDecoder(codec)
      decoder.push(known)
      decoder.push(unknown.subarray(0, 6))
      const seen: unknown[] = []
      expect(() => {
        for (const envelope of decoder) seen.push(envelope.type)
      }).toThrow(UnknownTypeError)
      expect(seen).toEqual(['ping'])
      expect(() => decoder.next()).toThrow('a message of 2 bytes has the type 9, which is not registered')
    })

    it("drops it with 'skip', in one piece or byte by byte", () => {
      const skipping = typedEnvelope(types, { unknownType: 'skip' })
      const bytes = Buffer.concat([unknown, known, unknown, unknown, known])
      for (const size of [1, 3, bytes.length]) {
        const decoder = new MessageDecoder(skipping)
        const seen: unknown[] = []
        for (let at = 0; at < bytes.length; at += size) {
          decoder.push(bytes.subarray(at, at + size))
          for (const envelope of decoder) seen.push(envelope.type)
        }
        decoder.end()
        expect(decoder.next()).toBeUndefined()
        expect(seen).toEqual(['ping', 'ping'])
      }
    })

    it("delivers it with 'raw', and can write it again as it was", () => {
      const raw = typedEnvelope(types, { unknownType: 'raw' })
      const decoder = new MessageDecoder(raw)
      decoder.push(unknown)
      const envelope = decoder.next() as RawEnvelope
      expect(envelope).toEqual({ type: null, id: 9, body: Buffer.from([1, 2]) })
      expect(Buffer.from(encodeMessage(raw, envelope))).toEqual(unknown)
    })

    it('does not write a raw one under another number', () => {
      const raw = typedEnvelope(types, { unknownType: 'raw' })
      expect(() => encodeMessage(raw, { type: null, id: 65537, body: new Uint8Array(0) })).toThrow(RangeError)
    })

    it('holds it to the general limit all the same', () => {
      const decoder = new MessageDecoder(typedEnvelope(types, { unknownType: 'skip', maxMessageLength: 1 }))
      decoder.push(unknown)
      expect(() => decoder.next()).toThrow(/type 9 of 2 bytes is over the limit of 1/)
    })
  })

  it('refuses registries that cannot work', () => {
    const type = StaticPerson
    expect(() => typedEnvelope({ a: { id: 1, type }, b: { id: 1, type } })).toThrow('b and a have the same id 1')
    expect(() => typedEnvelope({ a: { id: 256, type } }, { typeFieldLength: 1 })).toThrow(RangeError)
    expect(() => typedEnvelope({ a: { id: -1, type } })).toThrow(RangeError)
    expect(() => typedEnvelope({ a: { id: 1, type, maxLength: 0.5 } })).toThrow(RangeError)
    expect(() => typedEnvelope(types, { lengthFieldLength: 9 })).toThrow(RangeError)
  })

  it('is not fooled by names of Object.prototype', () => {
    expect(() => encodeMessage(codec, { type: 'constructor', message: {} } as never)).toThrow(
      'no type is registered by the name of constructor',
    )
  })
})
