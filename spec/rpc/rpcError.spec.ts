import { DecodeError, MillraceError } from '../../lib/errors.ts'
import { messageType, type MessageType } from '../../lib/protobuf/index.ts'
import { Metadata, RpcError, Status } from '../../lib/rpc/index.ts'
import { Line as TsProtoLine } from '../fixtures/chatTsProto.ts'
import { buildIfMissing, runModule } from '../support/builtPackage.ts'
import { root, StaticLine } from './chatServices.ts'

const ReflectedLine = root.lookupType('chat.v1.Line')
const hello = { room: 'a', text: 'hello', likes: 0 }
const typeUrl = 'type.googleapis.com/chat.v1.Line'

describe('RpcError', () => {
  it('has its code, its status and its message', () => {
    const error = new RpcError(Status.NOT_FOUND, 'no such room')
    expect(error).toBeInstanceOf(MillraceError)
    expect(error).toMatchObject({ name: 'RpcError', code: 'ERR_MILLRACE_RPC', status: 5, message: 'no such room' })
    expect([error.details, error.path, error.peer, error.metadata.size]).toEqual([[], undefined, undefined, 0])
  })

  it('names the call and the peer where they are known, and keeps the bare message', () => {
    const error = new RpcError(Status.NOT_FOUND, 'no such room', [], { path: 'chat.v1.Chat/Send', peer: '[::1]:5000' })
    expect(error.message).toBe('chat.v1.Chat/Send on [::1]:5000: NOT_FOUND: no such room')
    expect(error.statusMessage).toBe('no such room')
    expect(new RpcError(Status.ABORTED, '', [], { path: 'chat.v1.Chat/Send' }).message).toBe(
      'chat.v1.Chat/Send: ABORTED',
    )
  })

  it('has a cause only where one was given', () => {
    const cause = new Error('x')
    expect(new RpcError(Status.CANCELLED, 'x', [], { cause }).cause).toBe(cause)
    expect('cause' in new RpcError(Status.CANCELLED, 'x')).toBe(false)
  })

  it('keeps a status that has no name', () => {
    expect(new RpcError(99 as Status, 'x', [], { path: 'a/B' }).message).toBe('a/B: status 99: x')
  })

  it('is no success', () => {
    expect(() => new RpcError(Status.OK, 'x')).toThrow(RangeError)
  })

  it('has a copy of the metadata', () => {
    const metadata = new Metadata({ a: '1' })
    const error = new RpcError(Status.INTERNAL, 'x', [], { metadata })
    metadata.set('a', '2')
    expect(error.metadata.get('a')).toBe('1')
  })

  it('shows its fields in JSON, the metadata too', () => {
    const error = new RpcError(Status.INTERNAL, 'x', [], { metadata: { a: '1' }, peer: 'here' })
    expect(JSON.parse(JSON.stringify(error))).toMatchObject({ name: 'RpcError', status: 13, metadata: { a: '1' } })
    expect(structuredClone(error.toJSON())).toEqual(error.toJSON())
  })

  describe('details', () => {
    it.each<[string, MessageType<unknown, never>]>([
      ['a generated class', StaticLine],
      ['a reflected type', ReflectedLine],
      ['a type by messageType()', messageType({ ...bytesOf(), name: 'chat.v1.Line' })],
    ])('takes a message with %s, and decodes it again', (_name, type) => {
      const error = new RpcError(Status.NOT_FOUND, 'x', [[type, hello]])
      expect(error.details).toEqual([{ typeUrl, value: StaticLine.encode(hello).finish() }])
      expect(error.detail(type)).toMatchObject(hello)
    })

    it('takes an Any as it is, whatever is in front of its last slash', () => {
      const value = StaticLine.encode(hello).finish()
      const error = new RpcError(Status.NOT_FOUND, 'x', [{ typeUrl: 'example.com/a/chat.v1.Line', value }])
      expect(error.detail(StaticLine)).toBeInstanceOf(StaticLine)
      expect(new RpcError(Status.NOT_FOUND, 'x', [{ typeUrl: 'chat.v1.Line', value }]).detail(StaticLine)).toBeDefined()
    })

    it('detail gives the first of that type, detailsOf all, and none of others', () => {
      const error = new RpcError(Status.NOT_FOUND, 'x', [
        { typeUrl: 'type.googleapis.com/other.Line', value: Uint8Array.of(255) },
        [StaticLine, { text: 'first' }],
        [ReflectedLine, { text: 'second' }],
      ])
      expect(error.detail(StaticLine)?.text).toBe('first')
      expect(error.detailsOf(StaticLine).map(({ text }) => text)).toEqual(['first', 'second'])
      expect(error.detail(root.lookupType('chat.v1.Sent'))).toBeUndefined()
    })

    it('refuses a type that does not tell its full name', () => {
      const what = 'the type of a detail does not tell its full name: use an Any'
      expect(() => new RpcError(Status.NOT_FOUND, 'x', [[TsProtoLine, hello]])).toThrow(new TypeError(what))
      expect(() => new RpcError(Status.NOT_FOUND, 'x').detail(TsProtoLine)).toThrow(new TypeError(what))
    })

    it('says so if the bytes are no such message', () => {
      const error = new RpcError(Status.NOT_FOUND, 'x', [{ typeUrl, value: Uint8Array.of(10, 9) }])
      expect(() => error.detail(StaticLine)).toThrow(DecodeError)
    })
  })

  it('of one build is an RpcError for the other', () => {
    buildIfMissing()
    const { stdout, stderr } = runModule(`
      import { createRequire } from 'node:module'
      import { RpcError } from 'millrace/rpc'
      const other = createRequire(process.cwd() + '/x.js')('millrace/rpc').RpcError
      console.log(other !== RpcError, new other(5, 'x') instanceof RpcError)
    `)
    expect([stdout, stderr]).toEqual(['true true\n', ''])
  })
})

function bytesOf(): { encode: (message: typeof hello) => Uint8Array; decode: (bytes: Uint8Array) => typeof hello } {
  return {
    encode: (message) => StaticLine.encode(message).finish(),
    decode: (bytes) => StaticLine.decode(bytes) as typeof hello,
  }
}
