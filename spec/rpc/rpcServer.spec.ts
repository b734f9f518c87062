import { createServer } from '../../lib/endpoints/listen.ts'
import type { Server } from '../../lib/endpoints/server.ts'
import { ConnectionLostError, InvalidStateError } from '../../lib/errors.ts'
import { connect, Metadata, RpcError, RpcServer, Status, type CallContext } from '../../lib/rpc/index.ts'
import { FakeClock } from '../../lib/testing/fakeClock.ts'
import { memoryClient } from '../../lib/testing/memoryClient.ts'
import { setAmbience } from '../../lib/wait.ts'
import { collect, Echo, echo, echoPair, ItemType, later, type Item } from '../support/echoRpc.ts'
import { netDefer, netUnixPath } from '../support/netTools.ts'
import { ambient, signalScope } from '../support/signalScope.ts'

/** The error that a promise rejects with. */
async function failure(promise: Promise<unknown>): Promise<RpcError> {
  const outcome: unknown = await promise.then(
    (value) => ({ value }),
    (error: unknown) => error,
  )
  expect(outcome).toBeInstanceOf(RpcError)
  return outcome as RpcError
}

describe.each([
  ['with the extension', true],
  ['with a plain client', false],
])('RpcServer %s', (_, extension) => {
  const pair = (
    handlers: Parameters<typeof echoPair>[0] = {},
    serverOptions: Parameters<typeof echoPair>[1] = {},
    options: Parameters<typeof echoPair>[2] = {},
  ) => echoPair(handlers, serverOptions, { extension, ...options })

  describe('kinds of calls', () => {
    it('one request, one response', async () => {
      const { client } = await pair()
      expect(await client.one({ text: 'ä', count: 3, body: Buffer.from('b') })).toMatchObject({ text: 'ä', count: 3 })
      // An empty message has an empty payload.
      expect((await client.one({})).text).toBe('')
    })

    it('one request, many responses', async () => {
      const { client } = await pair()
      expect((await collect(client.down({ text: 'x', count: 3 }))).map(({ count }) => count)).toEqual([0, 1, 2])
      expect(await collect(client.down({ count: 0 }))).toEqual([])
    })

    it('many requests, one response', async () => {
      const { client } = await pair()
      expect(await client.up([{ text: 'a' }, {}, { text: 'c' }])).toMatchObject({ count: 3, text: 'ac' })
      expect(await client.up([])).toMatchObject({ count: 0 })
      // Asynchronously too.
      expect(await client.up(echo.down({ text: 'z', count: 5, body: Buffer.alloc(0) }, {} as CallContext) as AsyncIterable<Item>)).toMatchObject({ text: 'zzzzz' }) // prettier-ignore
    })

    it('many of both, each as soon as it comes', async () => {
      const { client } = await pair()
      const gates = [later(), later()]
      async function* requests(): AsyncGenerator<Partial<Item>> {
        yield { text: 'first' }
        await gates[0]!.promise
        yield { text: 'second' }
        await gates[1]!.promise
      }
      const responses = client.both(requests())
      expect((await responses.next()).value?.text).toBe('first')
      gates[0]!.resolve()
      expect((await responses.next()).value?.text).toBe('second')
      gates[1]!.resolve()
      expect(await responses.next()).toEqual({ done: true, value: undefined })
    })

    it('many at a time, whatever the order in which they end', async () => {
      const gates = Array.from({ length: 100 }, () => later())
      const { client } = await pair({
        one: async (item) => {
          await gates[item.count]!.promise
          return item
        },
      })
      const calls = gates.map((_, count) => client.one({ count }))
      for (const gate of gates.slice().reverse()) gate.resolve()
      expect((await Promise.all(calls)).map(({ count }) => count)).toEqual(gates.map((_, count) => count))
    })

    it('a handler may end a stream before it has taken all of it', async () => {
      const { client } = await pair({
        up: async (items) => {
          for await (const { count } of items) if (count === 2) return { text: 'enough' }
          throw new Error('not reached')
        },
        async *both(items) {
          for await (const item of items) {
            yield item
            if (item.count === 2) return
          }
        },
      })
      const returned = later()
      async function* endless(): AsyncGenerator<Partial<Item>> {
        try {
          for (let count = 0; ; count++) {
            yield { count, body: Buffer.alloc(1000) }
            await Promise.resolve()
          }
        } finally {
          returned.resolve()
        }
      }
      expect((await client.up(endless())).text).toBe('enough')
      await returned.promise
      expect((await collect(client.both(endless()))).map(({ count }) => count)).toEqual([0, 1, 2])
      // The connection is none the worse for it.
      expect((await client.one({ text: 'next' })).text).toBe('next')
    })

    it('handlers may answer without a promise, and with any iterable', async () => {
      const { client } = await pair({ one: ({ text }) => ({ text }), down: () => [{ text: 'a' }, { text: 'b' }] })
      expect((await client.one({ text: 'x' })).text).toBe('x')
      expect((await collect(client.down({}))).map(({ text }) => text)).toEqual(['a', 'b'])
    })

    it('handlers may be methods of an instance', async () => {
      class Counter {
        #calls = 0
        one(): Partial<Item> {
          return { count: ++this.#calls }
        }
      }
      const server = new RpcServer().add(Echo, new Counter())
      const client = await memoryClient(server, Echo, { extension })
      await client.one({})
      expect((await client.one({})).count).toBe(2)
      client.$channel.abort()
    })
  })

  describe('errors', () => {
    it('reach the client as they were thrown: status, message, details, and trailers', async () => {
      const { client, errors } = await pair({
        one: () => {
          throw new RpcError(Status.NOT_FOUND, 'no such thing', [[ItemType, { text: 'why' }]], { metadata: { k: 'v' } })
        },
        async *down() {
          yield { text: 'one' }
          throw new RpcError(Status.ABORTED, 'half-way')
        },
        async up(items) {
          for await (const { text } of items) throw new RpcError(Status.DATA_LOSS, text)
          return {}
        },
      })
      const error = await failure(client.one({}))
      expect(error).toMatchObject({ status: Status.NOT_FOUND, statusMessage: 'no such thing', path: 'test.Echo/One' })
      expect(error.detail(ItemType)).toMatchObject({ text: 'why' })
      expect(error.metadata.get('K')).toBe('v')
      expect(error.message).toMatch(/^test.Echo\/One on .*: NOT_FOUND: no such thing$/)
      const responses = client.down({})
      expect((await responses.next()).value?.text).toBe('one')
      expect(await failure(responses.next())).toMatchObject({ status: Status.ABORTED, statusMessage: 'half-way' })
      expect(await responses.next()).toEqual({ done: true, value: undefined })
      expect(await failure(client.up([{ text: 'bad' }]))).toMatchObject({
        status: Status.DATA_LOSS,
        statusMessage: 'bad',
      })
      expect(errors).toEqual([])
    })

    it('that were not meant for it are INTERNAL, and go to onError alone', async () => {
      const { client, errors } = await pair({
        one: ({ text }) => {
          throw new TypeError(text)
        },
        async *down() {
          yield {}
          throw new Error('in a stream')
        },
        up: () => Promise.reject(new Error('in a promise')),
        both: () => undefined as never,
      })
      for (const call of [
        client.one({ text: 'secret' }),
        collect(client.down({})),
        client.up([]),
        collect(client.both([])),
      ]) {
        const error = await failure(call)
        expect(error).toMatchObject({ status: Status.INTERNAL, statusMessage: 'internal error' })
        expect(JSON.stringify(error)).not.toMatch(/secret|rpcServer/)
      }
      expect(errors.map((error) => (error as Error).message).sort()).toEqual([
        expect.stringContaining('Symbol.asyncIterator'),
        'in a promise',
        'in a stream',
        'secret',
      ])
    })

    it('a response that cannot be encoded is INTERNAL', async () => {
      const { client, errors } = await pair({
        one: () => undefined as never,
        down: () => [{}, 7 as never, null as never],
      })
      expect(await failure(client.one({}))).toMatchObject({ status: Status.INTERNAL })
      expect(await failure(collect(client.down({})))).toMatchObject({ status: Status.INTERNAL })
      expect(errors).toHaveLength(2)
      expect(await client.up([])).toMatchObject({ count: 0 })
    })

    it('a response over the limit is RESOURCE_EXHAUSTED, and nothing else is lost', async () => {
      const { client, errors } = await pair({ one: ({ count }) => ({ body: Buffer.alloc(count) }) })
      const fits = 4 * 1024 * 1024 - 10
      expect((await client.one({ count: fits })).body).toHaveLength(fits)
      expect(await failure(client.one({ count: fits + 10 }))).toMatchObject({ status: Status.RESOURCE_EXHAUSTED })
      expect((await client.one({ count: 1 })).body).toHaveLength(1)
      expect(errors).toEqual([])
    })

    it('a service, or a method, that there is not is UNIMPLEMENTED', async () => {
      const server = new RpcServer().add(Echo, {})
      const client = await memoryClient(server, Echo, { extension })
      netDefer(() => client.$channel.abort())
      expect(await failure(client.one({}))).toMatchObject({
        status: Status.UNIMPLEMENTED,
        statusMessage: 'the service test.Echo has no method One',
      })
      expect(await failure(collect(client.both([{}])))).toMatchObject({ status: Status.UNIMPLEMENTED })
      const other = await memoryClient(new RpcServer(), Echo, { extension })
      netDefer(() => other.$channel.abort())
      expect(await failure(other.one({}))).toMatchObject({ statusMessage: 'there is no service test.Echo' })
    })

    it('a handler that has nobody to answer any more may still fail', async () => {
      const gate = later()
      const ended = later()
      const { client, errors } = await pair({
        async one(_item, { signal }) {
          signal.addEventListener('abort', () => ended.resolve())
          await gate.promise
          throw new Error('too late')
        },
      })
      const call = client.one({}, { timeoutMs: 20 })
      expect(await failure(call)).toMatchObject({ status: Status.DEADLINE_EXCEEDED })
      await ended.promise
      gate.resolve()
      expect(await client.up([])).toMatchObject({ count: 0 })
      expect(errors).toEqual([])
    })
  })

  describe('the context', () => {
    it('has what came with the request, and what the method is', async () => {
      const seen = later<CallContext>()
      const { client } = await pair({
        one: (item, context) => {
          seen.resolve(context)
          return item
        },
      })
      await client.one({}, { metadata: { A: ['1', '2'], b: 'ü' }, timeoutMs: 60_000 })
      const context = await seen.promise
      expect([...context.metadata]).toEqual([
        ['a', '1'],
        ['a', '2'],
        ['b', 'ü'],
      ])
      expect(context).toMatchObject({ service: 'test.Echo', method: 'One' })
      expect(context.definition.path).toBe('test.Echo/One')
      expect(context.deadline - Date.now()).toBeGreaterThan(30_000)
      expect(context.deadline - Date.now()).toBeLessThanOrEqual(60_000)
      expect(context.signal.aborted).toBe(false)
      expect(context.transport.getExtraInfo('peername')).not.toBeUndefined()
    })

    it('sends headers and trailers with the answer of a call with one response', async () => {
      const { client } = await pair({
        one: (item, context) => {
          context.sendHeader({ h: ['1', '2'] })
          context.trailer.set('T', '3')
          expect(() => context.sendHeader({})).toThrow(InvalidStateError)
          if (item.text === 'fail') throw new RpcError(Status.ABORTED, 'x', [], { metadata: { more: '4' } })
          return item
        },
      })
      const seen: string[] = []
      const options = {
        onHeader: (header: Metadata) => seen.push(`header ${JSON.stringify(header)}`),
        onTrailer: (trailer: Metadata) => seen.push(`trailer ${JSON.stringify(trailer)}`),
      }
      await client.one({}, options)
      const error = await failure(client.one({ text: 'fail' }, options))
      expect(seen).toEqual([
        'header {"h":["1","2"]}',
        'trailer {"t":"3"}',
        'header {"h":["1","2"]}',
        'trailer {"t":"3","more":"4"}',
      ])
      expect(error.metadata.toJSON()).toEqual({ t: '3', more: '4' })
    })

    if (extension) {
      it('sends headers at once, ahead of a stream, and trailers behind it', async () => {
        const gate = later()
        const header = later<string | undefined>()
        const trailer = later<string | undefined>()
        const { client } = await pair({
          async *down(_item, context) {
            context.sendHeader({ h: 'first' })
            await gate.promise
            yield {}
            context.trailer.set('t', 'last')
          },
        })
        const responses = client.down({}, { onHeader: (h) => header.resolve(h.get('h')), onTrailer: (t) => trailer.resolve(t.get('t')) }) // prettier-ignore
        expect(await header.promise).toBe('first')
        gate.resolve()
        expect(await collect(responses)).toHaveLength(1)
        expect(await trailer.promise).toBe('last')
      })
    }

    it('a listener that throws ends the call with its error', async () => {
      const { client } = await pair({
        one: (item, context) => {
          context.sendHeader({ a: 'b' })
          return item
        },
      })
      const onHeader = (): void => {
        throw new RangeError('no')
      }
      await expect(client.one({}, { onHeader })).rejects.toThrow(RangeError)
      expect((await client.one({ text: 'next' })).text).toBe('next')
    })

    it('refuses headers once the call has ended', async () => {
      const kept = later<CallContext>()
      const { client } = await pair({
        one: (item, context) => {
          kept.resolve(context)
          return item
        },
      })
      await client.one({})
      expect(() => kept.resolve).not.toThrow()
      const context = await kept.promise
      expect(() => context.sendHeader({})).toThrow(InvalidStateError)
    })
  })

  describe('deadlines', () => {
    it('end the call on both sides, each by itself', async () => {
      using clock = new FakeClock()
      const reason = later<RpcError>()
      const { client } = await pair({
        one: async (_item, { signal }) => {
          signal.addEventListener('abort', () => reason.resolve(signal.reason as RpcError))
          return new Promise<never>(() => {})
        },
      })
      const call = client.one({}, { timeoutMs: 1000 })
      await clock.advance(999)
      await clock.advance(2)
      expect(await failure(call)).toMatchObject({ status: Status.DEADLINE_EXCEEDED })
      expect((await reason.promise).status).toBe(Status.DEADLINE_EXCEEDED)
    })

    it('cover streams, whoever waits', async () => {
      const { client } = await pair({
        async *down() {
          yield {}
          await new Promise(() => {})
        },
        up: async (items) => ({ count: (await collect(items)).length }),
      })
      const responses = client.down({}, { timeoutMs: 30 })
      await responses.next()
      expect(await failure(responses.next())).toMatchObject({ status: Status.DEADLINE_EXCEEDED })
      const never = (async function* () {
        yield {}
        await new Promise(() => {})
      })()
      expect(await failure(client.up(never, { timeoutMs: 30 }))).toMatchObject({ status: Status.DEADLINE_EXCEEDED })
    })

    it('that have passed already are not even sent', async () => {
      let calls = 0
      const { client } = await pair({ one: (item) => (calls++, item) })
      expect(await failure(client.one({}, { timeoutMs: 0 }))).toMatchObject({ status: Status.DEADLINE_EXCEEDED })
      await client.one({})
      expect(calls).toBe(1)
      expect(() => client.one({}, { timeoutMs: NaN })).toThrow(RangeError)
    })
  })

  describe('cancellation', () => {
    it('ends the call at the client, with its reason as the cause', async () => {
      const { client } = await pair({ one: () => new Promise<never>(() => {}) })
      const controller = new AbortController()
      const call = client.one({}, { signal: controller.signal, timeoutMs: 60_000 })
      controller.abort(new Error('enough'))
      const error = await failure(call)
      expect(error).toMatchObject({ status: Status.CANCELLED })
      expect(error.cause).toEqual(new Error('enough'))
      expect(await failure(client.one({}, { signal: controller.signal }))).toMatchObject({ status: Status.CANCELLED })
      expect(client.$channel.activeCalls).toBe(0)
    })

    if (extension) {
      it('reaches the handler', async () => {
        const reasons: unknown[] = []
        const began = [later(), later(), later()]
        const ended = [later(), later(), later()]
        const wait = (index: number, { signal }: CallContext): Promise<never> => {
          signal.addEventListener('abort', () => {
            reasons.push((signal.reason as RpcError).status)
            ended[index]!.resolve()
          })
          began[index]!.resolve()
          return new Promise<never>(() => {})
        }
        const { client } = await pair({
          one: (_item, context) => wait(0, context),
          async *down(_item, context) {
            yield {}
            await wait(1, context)
          },
          async up(items, context) {
            void wait(2, context).catch(() => {})
            await expect(collect(items)).rejects.toMatchObject({ status: Status.CANCELLED })
            return {}
          },
        })
        const controller = new AbortController()
        const { signal } = controller
        const one = client.one({}, { signal })
        const up = client.up(echo.both(collectForever(), {} as CallContext) as AsyncIterable<Item>, { signal })
        const down = client.down({})
        await down.next()
        await Promise.all(began.map(({ promise }) => promise))
        controller.abort()
        expect(await failure(one)).toMatchObject({ status: Status.CANCELLED })
        expect(await failure(up)).toMatchObject({ status: Status.CANCELLED })
        // Leaving the loop is another way.
        await down.return!()
        await Promise.all(ended.map(({ promise }) => promise))
        expect(reasons).toEqual([Status.CANCELLED, Status.CANCELLED, Status.CANCELLED])
      })
    }

    it('of a stream runs the finally of its generator', async () => {
      const finished = later()
      const { client, server } = await pair({
        async *down(_item, { signal }) {
          try {
            for (;;) {
              yield { body: Buffer.alloc(1000) }
              if (signal.aborted) return
              await new Promise((resolve) => setImmediate(resolve))
            }
          } finally {
            finished.resolve()
          }
        },
      })
      for await (const { body } of client.down({})) {
        expect(body).toHaveLength(1000)
        break
      }
      // A plain server only learns of it when the connection ends.
      if (!extension) client.$channel.abort()
      await finished.promise
      expect(server.services).toEqual([Echo])
    })
  })

  describe('back-pressure', () => {
    it('a server stream that is not read stops at the window, and loses nothing', async () => {
      let made = 0
      const { client } = await pair(
        {
          async *down({ count }) {
            for (; made < count; made++) yield { count: made, body: Buffer.alloc(1000) }
          },
        },
        {},
        { windowLength: 20_000 },
      )
      const responses = client.down({ count: 2000 })
      await responses.next()
      // Other calls are not held up, and the stream does not go on meanwhile.
      for (let i = 0; extension && i < 20; i++) await client.one({})
      expect(made).toBeLessThan(extension ? 40 : 2001)
      const rest = await collect(responses)
      expect(rest.map(({ count }) => count)).toEqual(Array.from({ length: 1999 }, (_, i) => i + 1))
    })

    it('a client stream that is not read stops at the window, and loses nothing', async () => {
      const gate = later()
      const { client } = await pair(
        {
          async up(items) {
            await gate.promise
            return echo.up(items, {} as CallContext)
          },
        },
        { windowLength: 20_000 },
      )
      // From then on the client knows of the window.
      await client.one({})
      let made = 0
      const sum = client.up(
        (function* () {
          for (; made < 2000; made++) yield { text: 'x', body: Buffer.alloc(1000) }
        })(),
      )
      for (let i = 0; extension && i < 20; i++) await client.one({})
      expect(made).toBeLessThan(extension ? 40 : 2001)
      gate.resolve()
      expect((await sum).count).toBe(2000)
      expect(made).toBe(2000)
    })

    it('streams in both directions do not wait for each other', async () => {
      const { client } = await pair({}, { windowLength: 5000 }, { windowLength: 5000 })
      const requests = (function* () {
        for (let count = 0; count < 3000; count++) yield { count, body: Buffer.alloc(100) }
      })()
      expect(await collect(client.both(requests))).toHaveLength(3000)
    })
  })

  describe('interceptors', () => {
    it('go around every kind of call, the first outermost', async () => {
      const log: string[] = []
      const named = (name: string) => async (context: CallContext, next: () => Promise<unknown>) => {
        log.push(`${name}> ${context.method}`)
        const response = await next()
        log.push(`<${name} ${response === undefined ? 'end' : (response as Item).text}`)
      }
      const server = new RpcServer({ interceptors: [named('a')] }).add(Echo, echo, { interceptors: [named('b')] })
      const client = await memoryClient(server, Echo, { extension })
      netDefer(() => client.$channel.abort())
      await client.one({ text: 'x' })
      await collect(client.down({ count: 2 }))
      await client.up([{ text: 'y' }])
      expect(log).toEqual([
        'a> One', 'b> One', '<b x', '<a x',
        'a> Down', 'b> Down', '<b end', '<a end',
        'a> Up', 'b> Up', '<b y', '<a y',
      ]) // prettier-ignore
    })

    it('see and change every message', async () => {
      const add = (mark: string) => ({
        request: (item: Item) => ({ ...item, text: `${item.text}${mark}` }),
        response: async (item: Item) => ({ ...item, text: `${item.text}${mark}` }),
      })
      const { client } = await pair({}, { interceptors: [add('1'), add('2')] })
      expect((await client.one({ text: '-' })).text).toBe('-1221')
      expect((await collect(client.down({ text: '-', count: 2 }))).map(({ text }) => text)).toEqual(['-1221', '-1221'])
      expect((await client.up([{ text: '-' }, { text: '+' }])).text).toBe('-12+1221')
      expect((await collect(client.both([{ text: '-' }, { text: '+' }]))).map(({ text }) => text)).toEqual([
        '-1221',
        '+1221',
      ])
    })

    it('may refuse a call, answer it, or change its outcome', async () => {
      let calls = 0
      const { client, errors } = await pair(
        { one: (item) => (calls++, item), async *down() { calls++; yield {} } }, // prettier-ignore
        {
          interceptors: [
            async ({ metadata }, next) => {
              if (metadata.get('token') === 'cached') return { text: 'from the cache' }
              if (metadata.get('token') !== 'right') throw new RpcError(Status.UNAUTHENTICATED, 'who are you?')
              try {
                return await next()
              } catch {
                throw new RpcError(Status.UNAVAILABLE, 'changed')
              }
            },
          ],
        },
      )
      expect(await failure(client.one({}))).toMatchObject({ status: Status.UNAUTHENTICATED })
      expect(await failure(collect(client.down({})))).toMatchObject({ status: Status.UNAUTHENTICATED })
      expect((await client.one({}, { metadata: { token: 'cached' } })).text).toBe('from the cache')
      expect(calls).toBe(0)
      expect((await client.one({ text: 'x' }, { metadata: { token: 'right' } })).text).toBe('x')
      expect(await collect(client.down({}, { metadata: { token: 'right' } }))).toHaveLength(1)
      expect(errors).toEqual([])
      expect(() => new RpcServer({ interceptors: [7 as never] })).toThrow(TypeError)
    })
  })

  describe('limits', () => {
    it('of handlers at a time: those that were cancelled count as long as they run', async () => {
      const gate = later()
      const { client } = await pair({ one: () => gate.promise.then(() => ({})) }, { maxConcurrentCalls: 3 })
      const calls = [client.one({}, { timeoutMs: 20 }), client.one({}), client.one({})]
      expect(await failure(client.one({}))).toMatchObject({ status: Status.RESOURCE_EXHAUSTED })
      expect(await failure(calls[0]!)).toMatchObject({ status: Status.DEADLINE_EXCEEDED })
      expect(await failure(client.one({}))).toMatchObject({ status: Status.RESOURCE_EXHAUSTED })
      gate.resolve()
      await Promise.all(calls.slice(1))
      expect(await client.one({})).toBeDefined()
    })

    it.each(['maxMessageLength', 'maxConcurrentCalls', 'windowLength', 'maxBufferedLength', 'maxConnectionAgeMs'])(
      '%s must be above 0',
      (name) => {
        for (const value of [0, -1, NaN]) expect(() => new RpcServer({ [name]: value })).toThrow(RangeError)
      },
    )

    it.each(['maxMessageLength', 'windowLength'])(
      '%s must be a number that clients understand',
      async (name) => {
        for (const value of [0.5, 2000.5, 2 ** 32, Infinity]) {
          expect(() => new RpcServer({ [name]: value })).toThrow(`${name} must be a whole number`)
        }
        expect(() => new RpcServer({ maxMessageLength: 1023 })).toThrow(RangeError)
        const { client } = await pair({}, { maxMessageLength: 1024, [name]: 2 ** 32 - 1 })
        expect(await collect(client.down({ count: 50_000 }))).toHaveLength(50_000)
      },
      30_000,
    )
  })

  describe('the age of a connection', () => {
    it('ends it after its last call, and nobody loses one', async () => {
      using clock = new FakeClock()
      const gate = later()
      const { client, server } = await pair(
        {
          async one(item) {
            if (item.text === 'slow') await gate.promise
            return item
          },
        },
        { maxConnectionAgeMs: 1000 },
      )
      const slow = client.one({ text: 'slow' })
      await clock.advance(999)
      expect((await client.one({ text: 'young' })).text).toBe('young')
      await clock.advance(1)
      // A plain client is not told, and what it sends is refused: it may be sent again.
      const next = client.one({ text: 'next' }, { idempotent: true })
      gate.resolve()
      expect((await slow).text).toBe('slow')
      await clock.advance(500)
      expect((await next).text).toBe('next')
      expect(server.connections).toBe(1)
    })
  })

  describe('add', () => {
    it('refuses what makes no sense', () => {
      const server = new RpcServer().add(Echo, echo)
      expect(() => server.add(Echo, echo)).toThrow(InvalidStateError)
      expect(() => new RpcServer().add(Echo, { other: () => ({}) } as never)).toThrow(/has no method other/)
      expect(() => new RpcServer().add(Echo, { one: 7 as never })).toThrow(TypeError)
    })

    it('takes an instance with fields of its own', async () => {
      class Counter {
        calls = 0
        told = (count: number): Partial<Item> => ({ count })
        one(): Partial<Item> {
          return this.told(++this.calls)
        }
      }
      const client = await memoryClient(new RpcServer().add(Echo, new Counter()), Echo, { extension })
      netDefer(() => client.$channel.abort())
      expect((await client.one({})).count).toBe(1)
    })
  })

  describe('an error for which there is no onError', () => {
    it('is printed, also if it is about a connection that the handler has lost', async () => {
      const printed: string[] = []
      const spy = jest.spyOn(console, 'error').mockImplementation((...text) => void printed.push(text.join(' ')))
      netDefer(() => spy.mockRestore())
      const { client } = await pair(
        {
          one: () => {
            throw new ConnectionLostError('the database is gone', 'db:1')
          },
        },
        { onError: undefined },
      )
      expect(await failure(client.one({}))).toMatchObject({ status: Status.INTERNAL })
      expect(printed).toEqual([expect.stringContaining('the database is gone')])
    })
  })

  describe('listen', () => {
    it('takes options, a string, or what makes a server, and shuts all of them down', async () => {
      const server = new RpcServer().add(Echo, echo)
      expect(() => server.address).toThrow(InvalidStateError)
      const path = netUnixPath('rpc.sock')
      await server.listen({ path })
      expect(server.address).toEqual({ host: '', port: 0, path })
      const tcp = await server.listen('tcp://127.0.0.1:0')
      const name = `memory:rpc-${String(extension)}`
      await server.listen(name)
      const made = await server.listen((factory) => createServer(factory, { host: '127.0.0.1', port: 0 }))
      const places = [
        server.address,
        { host: '127.0.0.1', port: tcp.sockets[0]!.port },
        { endpoints: [name] },
        { host: '127.0.0.1', port: made.sockets[0]!.port },
      ]
      for (const place of places) {
        const client = await connect(Echo, { ...place, extension })
        expect((await client.one({ text: 'hello' })).text).toBe('hello')
        await client.$channel.close()
      }
      await expect(server.listen('nowhere')).rejects.toThrow(TypeError)
      await server.shutdown({ graceMs: 1000 })
      expect(tcp.sockets).toEqual([])
      expect(made.sockets).toEqual([])
      for (const place of places) await expect(connect(Echo, place)).rejects.toThrow(RpcError)
    })
  })

  describe('shutdown', () => {
    it('answers what is under way, refuses what is new, and settles', async () => {
      const gate = later()
      const began = later()
      const server = new RpcServer().add(Echo, {
        async one(item) {
          began.resolve()
          await gate.promise
          return item
        },
        async *down() {
          yield { text: 'a' }
          await gate.promise
          yield { text: 'b' }
        },
      })
      await server.listen({ host: '127.0.0.1', port: 0 })
      const address = server.address
      const client = await connect(Echo, { ...address, extension, retry: { maxAttempts: 1 } })
      netDefer(() => client.$channel.abort())
      const one = client.one({ text: 'kept' })
      const down = client.down({})
      await down.next()
      await began.promise
      const done = server.shutdown({ graceMs: 60_000 })
      expect(() => server.address).toThrow(InvalidStateError)
      expect(await failure(client.one({}))).toMatchObject({ status: Status.UNAVAILABLE })
      gate.resolve()
      expect((await one).text).toBe('kept')
      expect((await collect(down)).map(({ text }) => text)).toEqual(['b'])
      await done
      expect(server.connections).toBe(0)
      await expect(server.listen({ host: '127.0.0.1', port: 0 })).rejects.toThrow(InvalidStateError)
      await server.shutdown()
    })

    it('cancels what is left after the time of grace, and does not wait for handlers that do not heed it', async () => {
      const aborted = later<RpcError>()
      const server = new RpcServer().add(Echo, {
        one: (_item, { signal }) => {
          signal.addEventListener('abort', () => aborted.resolve(signal.reason as RpcError))
          return new Promise<never>(() => {})
        },
      })
      await server.listen({ host: '127.0.0.1', port: 0 })
      const client = await connect(Echo, { ...server.address, extension })
      netDefer(() => client.$channel.abort())
      const call = client.one({})
      await client.up([]).catch(() => {})
      await server.shutdown({ graceMs: 20 })
      expect(await failure(call)).toMatchObject({ status: Status.UNAVAILABLE })
      expect((await aborted.promise).status).toBe(Status.UNAVAILABLE)
      expect(server.connections).toBe(0)
    })

    it('settles though a client does not read', async () => {
      const server = new RpcServer().add(Echo, echo)
      await server.listen({ host: '127.0.0.1', port: 0 })
      const client = await connect(Echo, { ...server.address, extension })
      netDefer(() => client.$channel.abort())
      await client.one({})
      const responses = client.down({ count: 1e9, text: 'x'.repeat(1000) })
      await responses.next()
      await server.shutdown({ graceMs: 20 })
      expect(server.connections).toBe(0)
    })

    it.each<[string, (server: RpcServer) => Promise<void>]>([
      ['forceShutdown', (server) => server.forceShutdown()],
      ['another with less grace', (server) => server.shutdown({ graceMs: 0 })],
    ])('is ended by %s, though handlers go on', async (_name, end) => {
      const began = later()
      const { client, server } = await pair({ one: () => (began.resolve(), new Promise<never>(() => {})) })
      const call = client.one({})
      await began.promise
      const first = server.shutdown({ graceMs: 60_000 })
      await end(server)
      await first
      expect(await failure(call)).toMatchObject({ status: Status.UNAVAILABLE })
    })

    it('is cut short by a scope that is cancelled, and comes to its end all the same', async () => {
      const began = later()
      const { client, server } = await pair({ one: () => (began.resolve(), new Promise<never>(() => {})) })
      const call = client.one({})
      await began.promise
      netDefer(() => setAmbience(null))
      setAmbience(ambient(signalScope(AbortSignal.abort('enough'))))
      await server.shutdown({ graceMs: 60_000 })
      expect(server.connections).toBe(0)
      expect(await failure(call)).toMatchObject({ status: Status.UNAVAILABLE })
    })

    it('does not let listen() give a server that is closed', async () => {
      const server = new RpcServer()
      const made = later<Server>()
      const listening = server.listen(async (factory) => {
        const endpoint = await createServer(factory, { host: '127.0.0.1', port: 0 })
        made.resolve(endpoint)
        return endpoint
      })
      const refused = listening.catch((error: unknown) => error)
      await server.shutdown()
      expect(await refused).toBeInstanceOf(InvalidStateError)
      expect((await made.promise).isServing()).toBe(false)
    })

    it('is what await using does, and throws for a time that makes no sense', async () => {
      const server = new RpcServer()
      await expect(server.shutdown({ graceMs: -1 })).rejects.toThrow(RangeError)
      await server[Symbol.asyncDispose]()
      await expect(server.listen({ port: 0 })).rejects.toThrow(InvalidStateError)
    })
  })
})

async function* collectForever(): AsyncGenerator<Item> {
  yield { text: '', count: 0, body: Buffer.alloc(0) }
  await new Promise(() => {})
}
