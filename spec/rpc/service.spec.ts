import protobufjs from 'protobufjs'
import { service, type Methods, type Service } from '../../lib/rpc/index.ts'
import generated from '../fixtures/chatStatic.cjs'
import old from '../fixtures/chatStaticOld.cjs'
import { OldStaticChat, ReflectedChat, root, StaticChat, StaticLine, TsProtoChat } from './chatServices.ts'

const chats: [string, Service<Methods>][] = [
  ['a reflected service of protobufjs', ReflectedChat],
  ['a generated class of protobufjs-cli 2', StaticChat],
  ['a generated class of protobufjs-cli 1, with options', OldStaticChat],
  ['a definition of ts-proto', TsProtoChat],
]

describe('service', () => {
  describe.each(chats)('of %s', (_name, chat) => {
    it('has its full name', () => {
      expect(chat.name).toBe('chat.v1.Chat')
    })

    it('has its methods by key, with their names on the wire', () => {
      expect(Object.entries(chat.methods).map(([key, { service, path }]) => [key, service, path])).toEqual([
        ['send', 'chat.v1.Chat', 'chat.v1.Chat/Send'],
        ['watch', 'chat.v1.Chat', 'chat.v1.Chat/Watch'],
        ['upload', 'chat.v1.Chat', 'chat.v1.Chat/Upload'],
        ['talk', 'chat.v1.Chat', 'chat.v1.Chat/Talk'],
        ['send_all', 'chat.v1.Chat', 'chat.v1.Chat/send_all'],
      ])
      expect(Object.values(chat.methods).map(({ name }) => name)).toEqual([
        'Send',
        'Watch',
        'Upload',
        'Talk',
        'send_all',
      ])
    })

    it('knows which of them stream', () => {
      const kinds = Object.values(chat.methods).map(({ requestStream, responseStream }) => [
        requestStream,
        responseStream,
      ])
      expect(kinds).toEqual([
        [false, false],
        [false, true],
        [true, false],
        [true, true],
        [false, false],
      ])
    })

    it('has the types of the messages', () => {
      const { requestType, responseType } = chat.methods['send']!
      const line = { room: 'a', text: 'hello', likes: 3 }
      const bytes = requestType.encode(line as never).finish()
      expect(StaticLine.decode(bytes)).toMatchObject(line)
      expect(requestType.decode(bytes)).toMatchObject(line)
      expect(responseType.decode(responseType.encode({ count: 7 } as never).finish())).toMatchObject({ count: 7 })
    })

    it('has what it was made of', () => {
      expect(chat.source).toBeDefined()
    })
  })

  describe('idempotent', () => {
    const idempotent = (chat: Service<Methods>): string[] =>
      Object.entries(chat.methods).flatMap(([key, method]) => (method.idempotent ? [key] : []))

    it('follows idempotency_level, where the source tells it', () => {
      expect(idempotent(ReflectedChat)).toEqual(['watch', 'send_all'])
      expect(idempotent(TsProtoChat)).toEqual(['watch', 'send_all'])
      expect(idempotent(StaticChat)).toEqual([])
    })

    it('is what the options say', () => {
      const chat = service(generated.chat.v1.Chat, { methods: { send: { idempotent: true } } })
      expect(idempotent(chat)).toEqual(['send'])
      const other = service(root.lookupService('chat.v1.Chat'), { methods: { watch: { idempotent: false } } })
      expect(idempotent(other)).toEqual(['send_all'])
    })
  })

  it('decodes to instances of the class that was generated', () => {
    const { requestType } = StaticChat.methods.send
    expect(requestType.decode(requestType.encode({ text: 'x' }).finish())).toBeInstanceOf(StaticLine)
    expect(StaticChat.methods.send.requestType).toBe(StaticLine)
  })

  it('keeps the reflected service, for its descriptors', () => {
    expect(ReflectedChat.source).toBe(root.lookupService('chat.v1.Chat'))
  })

  it('leaves the class as it was: its own calls still work', async () => {
    service(generated.chat.v1.Chat)
    const answer = generated.chat.v1.Sent.encode({ count: 2 }).finish()
    const chat = generated.chat.v1.Chat.create((_method, _request, callback) => callback(null, answer))
    expect(await chat.send({ text: 'x' })).toMatchObject({ count: 2 })
  })

  it('takes a definition written by hand', () => {
    const Echo = service({
      fullName: 'x.Echo',
      methods: { echo: { name: 'Echo', requestType: StaticLine, responseType: StaticLine, idempotent: true } },
    })
    expect(Echo.methods.echo).toMatchObject({
      path: 'x.Echo/Echo',
      requestStream: false,
      responseStream: false,
      idempotent: true,
    })
  })

  it('takes a reflected service without a package', () => {
    const { root: bare } = protobufjs.parse('syntax="proto3"; message M {} service S { rpc Do (M) returns (M); }')
    expect(service(bare.lookupService('S')).methods.do.path).toBe('S/Do')
  })

  describe('refuses', () => {
    it('what is no service', () => {
      expect(() => service({ send: 1 } as never)).toThrow('this is no service')
      expect(() => service(class Chat {} as never)).toThrow('the generated class Chat does not tell its package')
    })

    it('an old generated class without its name, or without telling which methods stream', () => {
      expect(() => service(old.chat.v1.Chat)).toThrow(
        'the generated class Chat does not tell its package: give its full name, { name }',
      )
      expect(() => service(old.chat.v1.Chat, { name: 'chat.v1.Chat' })).toThrow(
        'the generated class Chat does not tell whether send streams: ' +
          'give { methods: { send: { requestStream, responseStream } } }',
      )
    })

    it('a class whose methods do not call rpcCall', () => {
      class Chat {
        send(): void {}
      }
      const methods = { send: { requestStream: false } }
      expect(() => service(Chat as never, { name: 'x.Chat', methods })).toThrow('send does not call rpcCall')
    })

    it('options for a method that is not there', () => {
      expect(() => service(generated.chat.v1.Chat, { methods: { sendd: { idempotent: true } } })).toThrow(
        'chat.v1.Chat has no method sendd',
      )
    })

    it('a type that can neither encode nor decode', () => {
      const methods = { send: { name: 'Send', requestType: {}, responseType: StaticLine } }
      expect(() => service({ fullName: 'x.S', methods } as never)).toThrow(
        'a type of x.S/Send has no encode and decode',
      )
    })

    it('a reflected service whose types are nowhere', () => {
      const { root: bare } = protobufjs.parse('syntax="proto3"; service S { rpc Do (Missing) returns (Missing); }')
      expect(() => service(bare.lookupService('S'))).toThrow(/no such .*: Missing/)
    })

    it('a method with the key then: its clients would be taken for promises', () => {
      const methods = { then: { name: 'Then', requestType: StaticLine, responseType: StaticLine } }
      expect(() => service({ fullName: 'x.S', methods })).toThrow('the method x.S/Then needs another key: not then')
      const proto = 'syntax="proto3"; message M {} service S { rpc Then (M) returns (M); }'
      const { root: bare } = protobufjs.parse(proto)
      expect(service(bare.lookupService('S')).methods.then_.path).toBe('S/Then')
    })

    it('two methods of one key', () => {
      const proto = 'syntax="proto3"; message M {} service S { rpc Do (M) returns (M); rpc do (M) returns (M); }'
      const { root: bare } = protobufjs.parse(proto)
      expect(() => service(bare.lookupService('S'))).toThrow('two methods of S have the key do')
    })
  })
})
