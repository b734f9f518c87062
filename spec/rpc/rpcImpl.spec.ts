import { once } from 'node:events'
import { RpcError, rpcImpl, Status, type Handlers } from '../../lib/rpc/index.ts'
import generated from '../fixtures/chatStatic.cjs'
import old from '../fixtures/chatStaticOld.cjs'
import { netError, netTurns } from '../support/netTools.ts'
import { served, type Served } from '../support/rpcServed.ts'
import { OldStaticChat, root, StaticChat } from './chatServices.ts'

const { Chat } = generated.chat.v1

let metadata: string[]
let left: Promise<void>

function handlers(): Partial<Handlers<typeof StaticChat>> {
  metadata = []
  let leave!: () => void
  left = new Promise((resolve) => (leave = resolve))
  return {
    async send({ text }, context) {
      metadata.push(context.metadata.get('key') ?? 'none')
      if (text === 'fail') throw new RpcError(Status.NOT_FOUND, 'no such room', [[generated.chat.v1.Line, { text }]])
      return { count: text!.length }
    },
    async *watch({ room }, { signal }) {
      yield { room, text: '1' }
      yield { room, text: '2' }
      if (room === 'broken') throw new RpcError(Status.ABORTED, 'broken')
      if (room !== 'endless') return
      await once(signal, 'abort')
      leave()
    },
  }
}

const serve = (): Promise<Served> => served((server) => server.add(StaticChat, handlers()))

describe('rpcImpl', () => {
  describe.each([
    ['a generated class', (impl: ReturnType<typeof rpcImpl>) => Chat.create(impl)],
    ['a generated class of protobufjs-cli 1', (impl: ReturnType<typeof rpcImpl>) => old.chat.v1.Chat.create(impl)],
  ])('with %s', (_name, create) => {
    it('makes calls, with promises and with callbacks', async () => {
      const { client } = await serve()
      const chat = create(rpcImpl((await client(StaticChat)).$channel, 'chat.v1.Chat'))
      expect(await chat.send({ text: 'hello' })).toMatchObject({ count: 5 })
      const count = new Promise((resolve) => chat.send({ text: 'abc' }, (error, sent) => resolve([error, sent?.count])))
      expect(await count).toEqual([null, 3])
    })

    it('fails with the RpcError, details and all', async () => {
      const { client, port } = await serve()
      const chat = create(rpcImpl((await client(StaticChat)).$channel, 'chat.v1.Chat'))
      const error = await netError<RpcError>(chat.send({ text: 'fail' }))
      expect(error.message).toBe(`chat.v1.Chat/Send on 127.0.0.1:${port}: NOT_FOUND: no such room`)
      expect(error.detail(generated.chat.v1.Line)).toMatchObject({ text: 'fail' })
    })
  })

  it('works with a reflected service', async () => {
    const { client } = await serve()
    const impl = rpcImpl((await client(StaticChat)).$channel, 'chat.v1.Chat')
    const chat = root.lookupService('chat.v1.Chat').create(impl) as unknown as {
      send(request: object): Promise<{ count: number }>
    }
    expect((await chat.send({ text: 'four' })).count).toBe(4)
  })

  it('sends its options with each call', async () => {
    const { client } = await serve()
    const chat = Chat.create(rpcImpl((await client(StaticChat)).$channel, 'chat.v1.Chat', { metadata: { key: 'x' } }))
    await chat.send({ text: '' })
    expect(metadata).toEqual(['x'])
    const late = Chat.create(rpcImpl((await client(StaticChat)).$channel, 'chat.v1.Chat', { timeoutMs: 0 }))
    expect(await netError(late.send({ text: '' }))).toMatchObject({ status: Status.DEADLINE_EXCEEDED })
  })

  describe('a stream of responses', () => {
    it('emits data for each, and end, with which the client ends', async () => {
      const { client } = await serve()
      const chat = Chat.create(rpcImpl((await client(StaticChat)).$channel, 'chat.v1.Chat'))
      const events: unknown[] = []
      chat.on('data', (line: { text: string }, method: { name: string }) => events.push([line.text, method.name]))
      const end = new Promise((resolve) => chat.on('end', resolve))
      const called: unknown[] = []
      chat.watch({ room: 'a' }, (error, line) => called.push([error, line?.text]))
      await end
      expect(events).toEqual([
        ['1', 'Watch'],
        ['2', 'Watch'],
      ])
      expect(called).toEqual([
        [null, '1'],
        [null, '2'],
      ])
      expect((await netError(chat.send({ text: 'x' }))).message).toBe('already ended')
    })

    it('calls back with its error', async () => {
      const { client } = await serve()
      const chat = Chat.create(rpcImpl((await client(StaticChat)).$channel, 'chat.v1.Chat'))
      const error = await new Promise((resolve) => {
        chat.watch({ room: 'broken' }, (failed) => failed !== null && resolve(failed))
      })
      expect(error).toMatchObject({ status: Status.ABORTED, statusMessage: 'broken' })
      // An error ends the stream alone.
      expect(await chat.send({ text: 'x' })).toMatchObject({ count: 1 })
    })

    it('is given up by end(), and the channel stays', async () => {
      const { client } = await serve()
      const { $channel, send } = await client(StaticChat)
      const chat = Chat.create(rpcImpl($channel, 'chat.v1.Chat'))
      await new Promise((resolve) =>
        chat.watch({ room: 'endless' }, (_error, line) => line?.text === '2' && resolve(0)),
      )
      chat.end()
      await left
      await netTurns()
      expect($channel.state).toBe('ready')
      expect(await send({ text: 'on' })).toMatchObject({ count: 2 })
    })

    it('needs the Service where the class does not tell streams', async () => {
      const { client } = await serve()
      const { $channel } = await client(StaticChat)
      const chat = old.chat.v1.Chat.create(rpcImpl($channel, OldStaticChat))
      expect(await chat.watch({ room: 'a' })).toMatchObject({ text: '1' })
    })
  })

  it.each([
    ['by its class', (channel: Parameters<typeof rpcImpl>[0]) => Chat.create(rpcImpl(channel, 'chat.v1.Chat'))],
    [
      'by its Service',
      (channel: Parameters<typeof rpcImpl>[0]) => old.chat.v1.Chat.create(rpcImpl(channel, OldStaticChat)),
    ],
  ])('refuses a stream of requests, known %s', async (_name, create) => {
    const { client } = await serve()
    const chat = create((await client(StaticChat)).$channel)
    const error = await netError(chat.upload({ text: 'x' }))
    expect(error).toEqual(
      new TypeError('chat.v1.Chat/Upload takes a stream of requests, which rpc.Service cannot send'),
    )
  })
})
