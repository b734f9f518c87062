import { UnknownTypeError } from '../../lib/index.ts'
import { encodeMessage, MessageDecoder, varintPrefixed, type FrameCodec } from '../../lib/framing/index.ts'
import { oneofEnvelope, type MessageType } from '../../lib/protobuf/index.ts'
import staticTypes from '../fixtures/personStatic.cjs'
import { Envelope as TsProtoEnvelope } from '../fixtures/personTsProto.ts'
import { ReflectedEnvelope } from './messageTypes.ts'

interface EnvelopeLike {
  id?: number | null | undefined
  person?: { name?: string | null } | null | undefined
  ping?: object | null | undefined
  note?: string | null | undefined
}
const envelopes: Record<string, MessageType<EnvelopeLike>> = {
  'a static class': staticTypes.fixtures.Envelope as unknown as MessageType<EnvelopeLike>,
  'a reflected type': ReflectedEnvelope as unknown as MessageType<EnvelopeLike>,
  'ts-proto': TsProtoEnvelope as unknown as MessageType<EnvelopeLike>,
}

for (const [library, type] of Object.entries(envelopes)) {
  describe(`oneofEnvelope over ${library}`, () => {
    const codec = oneofEnvelope(type, ['person', 'ping', 'note'])

    it('tells the case that is set, the message in it, and the fields beside it', () => {
      const decoder = new MessageDecoder(codec)
      const base = { person: undefined, ping: undefined, note: undefined }
      decoder.push(
        encodeMessage(codec, {
          type: 'person',
          message: { name: 'Ada', age: 1, tags: [], serial: 0, photo: new Uint8Array(0) } as never,
          envelope: { ...base, id: 7 },
        }),
      )
      decoder.push(encodeMessage(codec, { type: 'note', message: '', envelope: { id: 0 } }))
      const first = decoder.next()!
      expect(first.type).toBe('person')
      expect(first.message).toMatchObject({ name: 'Ada' })
      expect(first.envelope.id).toBe(7)
      const second = decoder.next()!
      expect([second.type, second.message]).toEqual(['note', ''])
    })

    const empty = Uint8Array.of(2, 0x08, 5)

    it('never asks its framing about nothing, also after it has skipped the last envelope', () => {
      const framing = varintPrefixed()
      const lengths: number[] = []
      const watched: FrameCodec = {
        decode: (input) => {
          lengths.push(input.length)
          return framing.decode(input)
        },
        encode: (message, out) => framing.encode(message, out),
        encodeHeader: (length, out) => framing.encodeHeader(length, out),
      }
      const decoder = new MessageDecoder(oneofEnvelope(type, ['ping'], { unknownType: 'skip', framing: watched }))
      decoder.push(empty)
      expect(decoder.next()).toBeUndefined()
      expect(lengths).toEqual([empty.length])
    })

    it('ends the stream at an envelope without a known case, unless told otherwise', () => {
      const decoder = new MessageDecoder(codec)
      decoder.push(empty)
      expect(() => decoder.next()).toThrow(UnknownTypeError)
      const skipping = new MessageDecoder(oneofEnvelope(type, ['ping'], { unknownType: 'skip' }))
      skipping.push(empty)
      skipping.push(encodeMessage(codec, { type: 'ping', message: {}, envelope: { id: 3 } }))
      expect(skipping.next()?.envelope.id).toBe(3)
      const raw = new MessageDecoder(oneofEnvelope(type, ['ping'], { unknownType: 'raw' }))
      raw.push(empty)
      expect(raw.next()).toMatchObject({ type: null, envelope: { id: 5 } })
    })
  })
}
