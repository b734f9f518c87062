import protobuf from 'protobufjs'
import { DecodeError } from '../../lib/errors.ts'
import { BodyDecoder } from '../../lib/protobuf/bodyDecoder.ts'
import { decodeBody, messageType, type MessageType } from '../../lib/protobuf/messageType.ts'
import { ChatDefinition } from '../fixtures/chatTsProto.ts'
import { StaticLine as Line } from '../rpc/chatServices.ts'

const { root } = protobuf.parse(`
  syntax = "proto3";
  message Inner { string text = 1; repeated uint32 numbers = 2; repeated double doubles = 3; bytes body = 4; }
  message Outer { Inner inner = 1; map<string, Inner> named = 2; sint64 big = 3; }`)
const Outer = root.lookupType('Outer')
const message = {
  inner: { text: 'täxt', numbers: [1, 300, 70000], doubles: [1.5, -2], body: Buffer.from('body') },
  named: { a: { text: 'a'.repeat(100) }, b: { doubles: [3] } },
  big: -5,
}
const body = Buffer.from(Outer.encode(Outer.fromObject(message)).finish())
const padded = Buffer.concat([Buffer.from('before'), body, Buffer.from('behind')])

describe('BodyDecoder', () => {
  it.each([
    ['a Buffer', padded],
    ['a Uint8Array', new Uint8Array(padded)],
  ])('decodes what lies in %s as it decodes a view of it', (_, bytes) => {
    const decoder = new BodyDecoder(Outer)
    for (let i = 0; i < 3; i++) {
      const decoded = decoder.decode(bytes, 6, 6 + body.length)
      expect(Outer.toObject(decoded)).toEqual(Outer.toObject(Outer.decode(body)))
    }
    expect(Outer.toObject(decoder.decode(bytes, 3, 3))).toEqual({})
  })

  it('fails as it fails on a view of it, wherever that is cut, and goes on', () => {
    const decoder = new BodyDecoder(Outer)
    let failures = 0
    for (let end = 0; end <= body.length; end++) {
      const outcome = (decode: () => unknown): unknown => {
        try {
          return Outer.toObject(decode() as never)
        } catch (error) {
          failures++
          return error instanceof DecodeError ? error.message : error
        }
      }
      expect(outcome(() => decoder.decode(padded, 6, 6 + end))).toEqual(
        outcome(() => decodeBody(Outer as MessageType<object>, body.subarray(0, end))),
      )
    }
    expect(failures).toBeGreaterThan(20)
    expect(() => decoder.decode(padded, 6, 7)).toThrow(DecodeError)
    expect(Outer.toObject(decoder.decode(padded, 6, 6 + body.length))).toEqual(Outer.toObject(Outer.decode(body)))
  })

  it('keeps unknown fields, or drops them, as the type does', () => {
    const unknown = Buffer.concat([body, Buffer.of(0x78, 1)])
    const decode = (): unknown => (new BodyDecoder(Outer).decode(unknown, 0, unknown.length) as { $unknowns?: unknown }).$unknowns // prettier-ignore
    const before = protobuf.Reader.discardUnknown
    try {
      protobuf.Reader.discardUnknown = true
      expect(decode()).toBeUndefined()
      protobuf.Reader.discardUnknown = false
      expect(decode()).toEqual((Outer.decode(unknown) as unknown as { $unknowns: unknown }).$unknowns)
    } finally {
      protobuf.Reader.discardUnknown = before
    }
  })

  it('gives a view to types of other libraries', () => {
    const seen: unknown[] = []
    const own = messageType({
      name: 'Own',
      encode: (bytes: Uint8Array) => bytes,
      decode: (bytes) => {
        seen.push(bytes)
        return bytes
      },
    })
    const decoder = new BodyDecoder(own)
    seen.length = 0
    expect(decoder.decode(padded, 6, 6 + body.length)).toEqual(body)
    expect(seen).toEqual([body])
    const { requestType } = ChatDefinition.methods.send
    const line = Buffer.from(Line.encode(Line.create({ text: 'hello', room: 'a' })).finish())
    const around = Buffer.concat([Buffer.from('x'), line, Buffer.from('y')])
    expect(new BodyDecoder(requestType).decode(around, 1, 1 + line.length)).toEqual(requestType.decode(line))
  })

  it('can be used from inside itself', () => {
    const inner = new BodyDecoder(Outer)
    class Nested {
      static decode(bytes: never, length?: number): unknown {
        const outer = Outer.decode(bytes, length)
        return [Outer.toObject(outer), Outer.toObject(inner.decode(padded, 6, 6 + body.length))]
      }
      static encode = Outer.encode.bind(Outer)
    }
    const whole = Outer.toObject(Outer.decode(body))
    expect(new BodyDecoder(Nested as never).decode(padded, 6, 6 + body.length)).toEqual([whole, whole])
  })
})
