/** What the compiler makes of a service: `npm run typecheck` is what these are for. Running them shows that they fit. */
import {
  service,
  type BidiMethod,
  type CallOptions,
  type Client,
  type ClientStreamMethod,
  type Handlers,
  type RequestStream,
  type ResponseStream,
  type ServerStreamMethod,
  type UnaryMethod,
} from '../../lib/rpc/index.ts'
import type generated from '../fixtures/chatStatic.cjs'
import type { Line, Query, Sent } from '../fixtures/chatTsProto.ts'
import { OldStaticChat, ReflectedChat, root, StaticChat, StaticLine, TsProtoChat } from './chatServices.ts'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(yes: Same<A, B>): boolean => yes

type Options = CallOptions | undefined

describe('the types', () => {
  describe('of a definition of ts-proto', () => {
    type Chat = Client<typeof TsProtoChat>

    it('give a client with a function of its kind for every method', () => {
      expect([
        same<keyof Chat, 'send' | 'watch' | 'upload' | 'talk' | 'send_all'>(true),
        same<Chat['send'], (request: Line, options?: Options) => Promise<Sent>>(true),
        same<Chat['watch'], (request: Query, options?: Options) => ResponseStream<Line>>(true),
        same<Chat['upload'], (request: RequestStream<Line>, options?: Options) => Promise<Sent>>(true),
        same<Chat['talk'], (request: RequestStream<Line>, options?: Options) => ResponseStream<Line>>(true),
      ]).not.toContain(false)
    })

    it('tell handlers what they get, and what they must answer', () => {
      const handlers: Handlers<typeof TsProtoChat> = {
        async send(request, context) {
          return { count: request.text.length + Number(context.signal.aborted) }
        },
        async *watch(query) {
          yield { room: query.room, text: '', likes: 0 }
        },
        async upload(lines) {
          let count = 0
          for await (const line of lines) count += line.likes
          return { count }
        },
        async *talk(lines) {
          for await (const line of lines) yield line
        },
        // Neither need be asynchronous.
        send_all: () => ({ count: 1 }),
      }
      expect(Object.keys(handlers)).toEqual(Object.keys(TsProtoChat.methods))
    })

    it('refuse what does not fit', () => {
      const handlers: Partial<Handlers<typeof TsProtoChat>> = {
        // @ts-expect-error -- no such field
        send: async (request) => ({ count: request.texts }),
        // @ts-expect-error -- a stream must be answered with a stream
        watch: async () => ({ room: '', text: '', likes: 0 }),
      }
      const more: Partial<Handlers<typeof TsProtoChat>> = {
        // @ts-expect-error -- no such method
        sendd: async () => ({ count: 1 }),
      }
      expect(Object.keys({ ...handlers, ...more })).toEqual(['send', 'watch', 'sendd'])
    })
  })

  describe('of a generated class of protobufjs-cli 2', () => {
    type Chat = Client<typeof StaticChat>
    type LineFields = generated.chat.v1.ILine

    it('give a client that takes plain objects and answers with instances', () => {
      expect([
        same<keyof Chat, 'send' | 'watch' | 'upload' | 'talk' | 'send_all'>(true),
        same<Chat['send'], (request: LineFields, options?: Options) => Promise<generated.chat.v1.Sent>>(true),
        same<
          Chat['talk'],
          (request: RequestStream<LineFields>, options?: Options) => ResponseStream<generated.chat.v1.Line>
        >(true),
      ]).not.toContain(false)
    })

    it('tell handlers the fields of a request, and let them answer with some of the fields', () => {
      const handlers: Pick<Handlers<typeof StaticChat>, 'send' | 'watch' | 'upload'> = {
        async send(request) {
          return { count: request.text?.length }
        },
        async *watch(query) {
          yield { room: query.room ?? 'none' }
          yield StaticLine.create({ text: 'x' })
        },
        async upload(lines) {
          for await (const line of lines) if (line.likes === 1) return { count: 1 }
          return {}
        },
      }
      expect(Object.keys(handlers)).toEqual(['send', 'watch', 'upload'])
    })
  })

  it('of an old generated class come from the options', () => {
    type Chat = Client<typeof OldStaticChat>
    expect([
      same<ReturnType<Chat['send']>, ReturnType<Chat['upload']>>(true),
      same<Parameters<Chat['upload']>[0] extends RequestStream<infer T> ? T : never, Parameters<Chat['send']>[0]>(true),
      same<symbol extends keyof Chat ? true : false, false>(true),
      same<ReturnType<Chat['watch']> extends ResponseStream<{ text: string }> ? true : false, true>(true),
    ]).not.toContain(false)
    expect(OldStaticChat.methods.watch.responseStream).toBe(true)
  })

  describe('of a reflected service', () => {
    it('let anything pass, as nothing is known', () => {
      type Chat = Client<typeof ReflectedChat>
      const handlers: Handlers<typeof ReflectedChat> = {
        async send(request, context) {
          return { count: request.text.length, peer: context.peer }
        },
      }
      const call = (chat: Chat): Promise<{ count: number }> => chat.send({ text: 'x' })
      expect([Object.keys(handlers), typeof call]).toEqual([['send'], 'function'])
    })

    it('can be given', () => {
      interface ChatMethods {
        send: UnaryMethod<Line, Sent>
        watch: ServerStreamMethod<Query, Line>
        upload: ClientStreamMethod<Line, Sent, Partial<Line>>
        talk: BidiMethod<Line, Line>
      }
      const Chat = service<ChatMethods>(root.lookupService('chat.v1.Chat'))
      type Chat = Client<typeof Chat>
      expect([
        same<Chat['send'], (request: Line, options?: Options) => Promise<Sent>>(true),
        same<Chat['upload'], (request: RequestStream<Partial<Line>>, options?: Options) => Promise<Sent>>(true),
        same<ReturnType<Chat['talk']>, ResponseStream<Line>>(true),
      ]).not.toContain(false)
      expect(Chat.methods.talk.requestStream).toBe(true)
    })
  })

  it('of a definition by hand come from its message types', () => {
    const Echo = service({
      fullName: 'x.Echo',
      methods: { echo: { name: 'Echo', requestType: StaticLine, responseType: StaticLine, responseStream: true } },
    })
    type Echo = Client<typeof Echo>
    type Decoded = ReturnType<typeof StaticLine.decode>
    expect([
      same<Parameters<Echo['echo']>[0], Parameters<typeof StaticLine.encode>[0]>(true),
      same<ReturnType<Echo['echo']>, ResponseStream<Decoded>>(true),
      same<Parameters<Handlers<typeof Echo>['echo']>[0], Decoded>(true),
    ]).not.toContain(false)
    expect(Echo.methods.echo.responseStream).toBe(true)
  })
})
