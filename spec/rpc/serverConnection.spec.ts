import { InvalidStateError } from '../../lib/errors.ts'
import { Pushable, RpcError, RpcServer, Status, type CallContext } from '../../lib/rpc/index.ts'
import { memoryClient } from '../../lib/testing/memoryClient.ts'
import { collect, Echo, echo, echoPair, later, type Item } from '../support/echoRpc.ts'
import { netDefer, netTurns } from '../support/netTools.ts'

const failure = (promise: Promise<unknown>): Promise<RpcError> =>
  promise.then(
    (value) => Promise.reject(new Error(`it resolved with ${JSON.stringify(value)}`)),
    (error: unknown) => error as RpcError,
  )

describe('ServerConnection', () => {
  describe('errors that cannot be sent as they are', () => {
    it.each<[string, () => unknown, object]>([
      [
        'a detail without bytes',
        () => new RpcError(Status.ABORTED, 'x', [{ typeUrl: 'a/b', value: undefined as never }]),
        { status: Status.INTERNAL, statusMessage: 'internal error' },
      ],
      ['a status below 0', () => new RpcError(-5 as Status, 'x'), { status: Status.UNKNOWN, statusMessage: 'x' }],
      ['no status', () => new RpcError(undefined as never, 'x'), { status: Status.UNKNOWN, statusMessage: 'x' }],
      ['half a status', () => new RpcError(2.5 as Status, 'x'), { status: Status.UNKNOWN, statusMessage: 'x' }],
    ])('%s', async (_, make, expected) => {
      const fail = (): never => {
        throw make()
      }
      const { client, server } = await echoPair({
        one: fail,
        up: async () => fail(),
        async *down() {
          yield {}
          fail()
        },
      })
      for (const call of [client.one({}), client.up([]), collect(client.down({}))]) {
        expect(await failure(call)).toMatchObject(expected)
      }
      // All of them have ended for the server as well.
      client.$channel.abort()
      await server.shutdown({ graceMs: 60_000 })
    })

    it('is told to onError', async () => {
      const error = new RpcError(Status.ABORTED, 'x', [{ typeUrl: 'a/b', value: 7 as never }])
      const { client, errors } = await echoPair({ one: () => Promise.reject(error) })
      await failure(client.one({}))
      expect(errors).toEqual([expect.objectContaining({ name: 'RangeError' })])
    })
  })

  it('takes a promise of any kind, whatever it does', async () => {
    const { client, server, errors } = await echoPair({
      one: ({ text }) =>
        // oxlint-disable-next-line unicorn/no-thenable -- it is what is tested
        ({
          then(resolve: (item: Partial<Item>) => void, reject: (error: unknown) => void) {
            if (text === 'throws') throw new Error('from then')
            resolve({ text })
            resolve({ text: 'again' })
            reject(new Error('as well'))
          },
        }) as never,
    })
    expect((await client.one({ text: 'twice' })).text).toBe('twice')
    expect(await failure(client.one({ text: 'throws' }))).toMatchObject({ status: Status.INTERNAL })
    expect(errors).toEqual([new Error('from then')])
    expect((await client.one({ text: 'next' })).text).toBe('next')
    client.$channel.abort()
    await server.shutdown({ graceMs: 60_000 })
  })

  it('serves a service that was added after a call for it', async () => {
    const server = new RpcServer()
    const client = await memoryClient(server, Echo)
    netDefer(() => client.$channel.abort())
    expect(await failure(client.one({}))).toMatchObject({ status: Status.UNIMPLEMENTED })
    server.add(Echo, echo)
    expect((await client.one({ text: 'now' })).text).toBe('now')
  })

  it.each([true, false])(
    'does not make messages for a connection that is closing (extension: %s)',
    async (extension) => {
      let made = 0
      const { client } = await echoPair(
        {
          async *down(_item, { transport }) {
            transport.close()
            for (; made < 50_000; made++) yield { body: Buffer.alloc(10) }
          },
        },
        {},
        { extension },
      )
      expect(await failure(collect(client.down({})))).toMatchObject({ status: Status.UNAVAILABLE })
      expect(made).toBeLessThan(10)
    },
  )

  it('refuses headers behind the first message', async () => {
    const { client, errors } = await echoPair({
      async *down(_item, context) {
        yield {}
        context.sendHeader({ a: 'b' })
      },
    })
    expect(await failure(collect(client.down({})))).toMatchObject({ status: Status.INTERNAL })
    expect(errors).toEqual([expect.any(InvalidStateError)])
  })

  it('refuses headers and trailers that the client would not take, before a byte of them is sent', async () => {
    const { client } = await echoPair({
      async *down({ text }, context) {
        const pair = [text, 'x'.repeat(4 * 1024 * 1024)] as const
        if (text === 'header') context.sendHeader([pair])
        else context.trailer.append(...pair)
        yield {}
      },
    })
    for (const text of ['header', 'trailer']) {
      const error = await failure(collect(client.down({ text })))
      expect(error).toMatchObject({ status: Status.RESOURCE_EXHAUSTED })
      expect(error.statusMessage).toMatch(`the ${text}s of 41943`)
    }
    expect((await client.one({ text: 'next' })).text).toBe('next')
  })

  it.each([true, false])(
    'goes on though a handler has taken nothing of its stream (extension: %s)',
    async (extension) => {
      const gate = later()
      const { client } = await echoPair(
        { up: () => gate.promise.then(() => ({ text: 'not a word of it' })) },
        { windowLength: 1000, maxBufferedLength: 1000 },
        { extension },
      )
      const lines = Array.from({ length: 100 }, () => ({ body: Buffer.alloc(100) }))
      const calls = [client.up(lines), client.up(lines)]
      await netTurns(20)
      gate.resolve()
      for (const call of calls) expect((await call).text).toBe('not a word of it')
      expect((await client.one({ text: 'next' })).text).toBe('next')
    },
  )

  it('ends the requests of a handler that has ended, for who still takes from them', async () => {
    const taken = later<number>()
    const { client } = await echoPair({
      up: (items) => {
        void collect(items).then(({ length }) => taken.resolve(length))
        return { text: 'at once' }
      },
    })
    const requests = new Pushable<Partial<Item>>()
    expect((await client.up(requests)).text).toBe('at once')
    expect(await taken.promise).toBe(0)
  })

  describe('a stream that is given up', () => {
    it('ends what its handler has returned, though that waits', async () => {
      const lines = new Pushable<Partial<Item>>()
      const { client } = await echoPair({ down: () => lines }, { maxConcurrentStreams: 1 })
      lines.push({ text: 'a' })
      for await (const { text } of client.down({})) {
        expect(text).toBe('a')
        break
      }
      await netTurns(10)
      expect(lines.closed).toBe(true)
      // It does not count any more.
      expect(await collect(client.both([{}]))).toHaveLength(1)
    })

    it('does not count any more, though it waited for room', async () => {
      const { client } = await echoPair({}, { maxConcurrentStreams: 1 }, { windowLength: 100 })
      const controller = new AbortController()
      await client.down({ count: 1e6 }, { signal: controller.signal }).next()
      await netTurns(10)
      controller.abort()
      await netTurns(10)
      expect(await collect(client.both([{}]))).toHaveLength(1)
    })

    it('gives its handler none of the messages that have come', async () => {
      const gate = later()
      const seen = later<unknown>()
      let taken = 0
      const { client } = await echoPair({
        async up(items) {
          await gate.promise
          try {
            for await (const _ of items) taken++
          } catch (error) {
            seen.resolve(error)
          }
          return {}
        },
      })
      // From then on the client can say that it gives up.
      await client.one({})
      const controller = new AbortController()
      const requests = new Pushable<Partial<Item>>()
      requests.push({})
      requests.push({})
      const call = client.up(requests, { signal: controller.signal })
      await netTurns(10)
      controller.abort()
      expect(await failure(call)).toMatchObject({ status: Status.CANCELLED })
      await netTurns(10)
      gate.resolve()
      expect(await seen.promise).toMatchObject({ status: Status.CANCELLED })
      expect(taken).toBe(0)
    })

    it('runs no handler for it, if that had to wait for an interceptor', async () => {
      const gate = later()
      const asked = later<CallContext>()
      let calls = 0
      const count = (item: Item): Item => (calls++, item)
      const { client } = await echoPair(
        { one: count },
        {
          interceptors: [
            { request: async (item: Item, context) => (asked.resolve(context), await gate.promise, item) },
          ],
        },
      )
      // From then on the client can say that it gives up.
      await client.up([])
      const controller = new AbortController()
      const call = client.one({}, { signal: controller.signal })
      const { signal } = await asked.promise
      controller.abort()
      expect(await failure(call)).toMatchObject({ status: Status.CANCELLED })
      await netTurns(10)
      expect(signal.aborted).toBe(true)
      gate.resolve()
      await netTurns(10)
      expect(calls).toBe(0)
    })
  })
})
