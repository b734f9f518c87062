import { RpcError, RpcServer, Status, type CallContext, type RpcServerOptions } from '../../lib/rpc/index.ts'
import { bytes, dialEcho, Echo, int, StringValue, text } from '../support/echoService.ts'
import { GoClient, GoServer, itWithGo, itWithGoStreams } from '../support/goTtrpc.ts'
import { netDefer, netError, netPromise, netRoundTrip, netTurns, netUnixPath, NetWatched } from '../support/netTools.ts'
import { bytesIn, bytesValue, int64Value, stringValue, textIn } from '../support/ttrpcRaw.ts'

const LIMIT = 4 * 1024 * 1024
/** What a Request of Echo has around the bytes of its BytesValue, when they are about as many as the limit. */
const REQUEST_AROUND = 2 + 'millrace.test.Echo'.length + 2 + 'Echo'.length + 5 + 5
/** The same of a Response, and of Data. */
const RESPONSE_AROUND = 5 + 5
const DATA_AROUND = 5

async function all<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const taken: T[] = []
  for await (const message of messages) taken.push(message)
  return taken
}
const strings = (messages: { value: Uint8Array }[]): string[] => messages.map(({ value }) => String(value))

describe('a client of ours, with a Go server', () => {
  async function dial(
    kind: 'tcp' | 'unix' = 'tcp',
  ): Promise<{ server: GoServer } & Awaited<ReturnType<typeof dialEcho>>> {
    const server = await GoServer.start(kind)
    return { server, ...(await dialEcho(server.address)) }
  }

  describe('unary calls', () => {
    for (const kind of ['tcp', 'unix'] as const) {
      itWithGo(`are answered, over ${kind}`, async () => {
        const { client } = await dial(kind)
        expect(String((await client.echo(bytes('grün'))).value)).toBe('grün')
        expect((await client.echo(bytes(''))).value).toHaveLength(0)
      })
    }

    itWithGo('offer the extension, once, as metadata that say nothing to the server', async () => {
      const { client } = await dial()
      const offer = { 'millrace-ext': [expect.stringMatching(/^1;cancel,/)] }
      expect(JSON.parse((await client.context(bytes(''))).value)).toMatchObject({ metadata: offer })
      expect(JSON.parse((await client.context(bytes(''))).value)).toEqual({ metadata: {}, deadlineMs: null })
    })

    itWithGo('1,000 of them at a time', async () => {
      const { client } = await dial()
      const values = Array.from({ length: 1000 }, (_, i) => `${i}`.repeat(20))
      const answers = await Promise.all(values.map((value) => client.echo(bytes(value))))
      expect(strings(answers)).toEqual(values)
    })

    itWithGoStreams('fail with status, message and details', async () => {
      const { client } = await dial()
      const detail = { typeUrl: 'type.googleapis.com/millrace.test.StringValue', value: stringValue('more') }
      const wanted = { code: Status.FAILED_PRECONDITION, message: 'nicht grün', details: [detail, detail] }
      const error = await netError<RpcError>(client.fail(wanted))
      expect(error).toBeInstanceOf(RpcError)
      expect(error).toMatchObject({
        status: Status.FAILED_PRECONDITION,
        statusMessage: 'nicht grün',
        path: 'millrace.test.Echo/Fail',
      })
      expect(error.detailsOf(StringValue)).toMatchObject([{ value: 'more' }, { value: 'more' }])
      expect(String((await client.echo(bytes('on'))).value)).toBe('on')
    })

    itWithGo('of unknown methods and services are UNIMPLEMENTED', async () => {
      const { client, elsewhere } = await dial()
      expect(await netError(client.missing({}))).toMatchObject({ status: Status.UNIMPLEMENTED })
      expect(await netError(elsewhere.echo(bytes('')))).toMatchObject({ status: Status.UNIMPLEMENTED })
    })

    itWithGo('bring their metadata and their deadline', async () => {
      const { client } = await dial()
      await client.echo(bytes('the first one offers the extension'))
      const metadata = { Key: ['v', 'w'], other: 'grün' }
      const { value } = await client.context(bytes(''), { metadata, timeoutMs: 60_000 })
      const seen = JSON.parse(value) as { metadata: unknown; deadlineMs: number }
      expect(seen.metadata).toEqual({ key: ['v', 'w'], other: ['grün'] })
      expect(seen.deadlineMs).toBeGreaterThan(0)
      expect(seen.deadlineMs).toBeLessThanOrEqual(60_000)
      expect(JSON.parse((await client.context(bytes(''))).value)).toEqual({ metadata: {}, deadlineMs: null })
    })

    itWithGo('past their deadline are DEADLINE_EXCEEDED on both sides', async () => {
      const { server, client } = await dial()
      const error = await netError(client.wait(text('a'), { timeoutMs: 50 }))
      expect(error).toMatchObject({ status: Status.DEADLINE_EXCEEDED })
      expect(await server.event({ event: 'ended', name: 'a' })).toMatchObject({ error: 'context deadline exceeded' })
      expect(String((await client.echo(bytes('on'))).value)).toBe('on')
    })

    itWithGo('that are cancelled are forgotten here alone; the late answer is dropped', async () => {
      const { server, client, channel } = await dial()
      const controller = new AbortController()
      const call = client.hold(text('a'), { signal: controller.signal })
      await server.event({ event: 'started', name: 'a' })
      const reason = new Error('enough')
      controller.abort(reason)
      expect(await netError(call)).toMatchObject({ status: Status.CANCELLED, cause: reason })
      expect(channel.activeCalls).toBe(0)
      await client.echo(bytes('a'))
      server.release('a')
      expect((await server.event({ event: 'ended', name: 'a' }))['error']).toBeNull()
      for (let i = 0; i < 10; i++) expect(String((await client.echo(bytes(`${i}`))).value)).toBe(`${i}`)
    })
  })

  describe('streams', () => {
    itWithGoStreams('of the server, also none and many', async () => {
      const { client } = await dial()
      const messages = await all(client.range(text('{"count":10000,"size":50}')))
      expect(messages.map(({ value }) => Buffer.from(value).readUInt32BE())).toEqual([...Array(10_000).keys()])
      expect(await all(client.nothing({}))).toEqual([])
    })

    itWithGoStreams('of the server, which fail amid their messages', async () => {
      const { client } = await dial()
      const responses = client.range(text('{"count":2,"size":4,"fail":"no more"}'))
      expect(await responses.next()).toMatchObject({ done: false })
      expect(await responses.next()).toMatchObject({ done: false })
      const error = await netError(responses.next())
      expect(error).toMatchObject({ status: Status.ABORTED, statusMessage: 'no more' })
    })

    itWithGoStreams('of the client: many, none, and empty messages', async () => {
      const { client } = await dial()
      const many = Array.from({ length: 1000 }, (_, i) => bytes(`${i} `))
      expect(String((await client.concat(many)).value)).toBe([...Array(1000).keys()].join(' ') + ' ')
      expect(int(await client.count([]))).toBe(0)
      expect(int(await client.count([bytes(''), bytes(''), bytes('a')]))).toBe(3)
    })

    itWithGoStreams(
      'of the client, answered before it has ended: its messages are left, and it says no more',
      async () => {
        const { client } = await dial()
        const left = netPromise()
        async function* requests(): AsyncGenerator<{ value: Uint8Array }> {
          try {
            yield bytes('a')
            // Until it is left.
            for (;;) {
              await netTurns()
              yield bytes('more')
            }
          } finally {
            left.resolve()
          }
        }
        // A message amid the answer would be the end of a server before 1.2.8: there, only the first one is sent.
        async function* once(): AsyncGenerator<{ value: Uint8Array }> {
          yield bytes('a')
          await answered.promise
          yield bytes('late')
        }
        const answered = netPromise()
        expect(String((await client.first(once())).value)).toBe('a')
        answered.resolve()
        await netRoundTrip()
        expect(String((await client.echo(bytes('it lives'))).value)).toBe('it lives')
        const stopped = await all(
          client.talk(
            (async function* () {
              yield bytes('stop')
              yield* requests()
            })(),
          ),
        ).catch((error: unknown) => error)
        // The rest of the messages may have met the end of the server's process.
        if (Array.isArray(stopped)) expect(stopped).toEqual([])
        else expect(stopped).toMatchObject({ status: Status.UNAVAILABLE })
        await left.promise
      },
    )

    itWithGoStreams('both ways, one after the other', async () => {
      const { server, client } = await dial()
      const turn = new NetWatched()
      let heard = 0
      async function* requests(): AsyncGenerator<{ value: Uint8Array }> {
        for (let i = 0; i < 100; i++) {
          await turn.until(() => heard === i)
          yield bytes(`${i}`)
        }
      }
      for await (const { value } of client.talk(requests())) {
        expect(String(value)).toBe(`${heard++}`)
        turn.changed()
      }
      expect(heard).toBe(100)
      expect(await server.event({ event: 'ended', method: 'Talk' })).toMatchObject({ received: 100, error: null })
    })

    itWithGoStreams('both ways, which fail with details', async () => {
      const { client } = await dial()
      const responses = client.talk([bytes('a'), bytes('fail')])
      expect(String((await responses.next()).value?.value)).toBe('a')
      const error = await netError<RpcError>(responses.next())
      expect(error).toMatchObject({ status: Status.ABORTED, statusMessage: 'told to fail' })
      expect(error.details).toMatchObject([{ typeUrl: 'type.googleapis.com/google.protobuf.BytesValue' }])
    })

    itWithGoStreams('have their deadline too', async () => {
      const { server, client } = await dial()
      const responses = client.watch(text('a'), { timeoutMs: 200 })
      expect((await responses.next()).value).toMatchObject({ value: 'a' })
      expect(await netError(responses.next())).toMatchObject({ status: Status.DEADLINE_EXCEEDED })
      expect(await server.event({ event: 'ended', name: 'a' })).toMatchObject({ error: 'context deadline exceeded' })
    })

    itWithGoStreams('that are left early cost no other call anything', async () => {
      const { client, channel } = await dial()
      for await (const _ of client.range(text('{"count":10000,"size":1000}'))) break
      expect(channel.activeCalls).toBe(0)
      expect(String((await client.echo(bytes('on'))).value)).toBe('on')
    })

    itWithGoStreams('that are not read hold the server back; nothing is lost, and other calls wait', async () => {
      const { server, client } = await dial()
      await client.echo(bytes('a'))
      const [count, size] = [1000, 64 * 1024]
      const responses = client.range(text(JSON.stringify({ count, size, fail: 'after the last', tell: 16 })))
      const first = await responses.next()
      // More than is read of a stream that nobody takes from: the answer to another call comes behind that.
      await server.event({ event: 'sent', count: 16 })
      const beside = client.echo(bytes('beside'))
      let answered = false
      void beside.then(() => (answered = true))
      for (let i = 0; i < 20; i++) await netRoundTrip()
      expect(answered).toBe(false)
      expect(server.events({ event: 'ended' })).toEqual([])
      const numbers = [Buffer.from(first.value!.value).readUInt32BE()]
      const error = await netError(
        (async () => {
          for await (const { value } of responses) numbers.push(Buffer.from(value).readUInt32BE())
        })(),
      )
      expect(error).toMatchObject({ status: Status.ABORTED, statusMessage: 'after the last' })
      expect(numbers).toEqual([...Array(count).keys()])
      expect(String((await beside).value)).toBe('beside')
    })

    itWithGoStreams('that the server does not read hold back who makes the messages; nothing is lost', async () => {
      const { server, client } = await dial()
      const count = 1000
      let made = 0
      function* requests(): Generator<{ value: Uint8Array }> {
        for (; made < count; made++) yield { value: Buffer.alloc(64 * 1024, `${made % 10}`) }
      }
      const responses = client.talkLater(requests())
      await server.event({ event: 'started', method: 'TalkLater' })
      // Until nothing more moves.
      for (let before = -1; before !== made;) {
        before = made
        for (let i = 0; i < 10; i++) await netRoundTrip()
      }
      expect(made).toBeLessThan(count / 2)
      server.release('talk')
      const heard = await all(responses)
      expect(heard.map(({ value }) => Number(String.fromCharCode(value[0]!)))).toEqual(
        Array.from({ length: count }, (_, i) => i % 10),
      )
    })
  })

  describe('the limit of 4 MiB', () => {
    itWithGo('holds for requests: exactly as much is sent, a byte more is not, and costs the call alone', async () => {
      const { client } = await dial()
      await client.echo(bytes('the first one offers the extension'))
      const most = LIMIT - REQUEST_AROUND
      expect((await client.echo({ value: new Uint8Array(most) })).value).toHaveLength(most)
      const error = await netError(client.echo({ value: new Uint8Array(most + 1) }))
      expect(error).toMatchObject({ status: Status.RESOURCE_EXHAUSTED })
      expect((error as Error).message).toContain(String(LIMIT + 1))
      expect(String((await client.echo(bytes('on'))).value)).toBe('on')
    })

    itWithGoStreams('holds for responses: exactly as much is taken, a byte more fails that call', async () => {
      const { client, channel } = await dial()
      const most = LIMIT - RESPONSE_AROUND
      expect((await client.big({ value: most })).value).toHaveLength(most)
      const error = await netError(client.big({ value: most + 1 }))
      // From 1.2.6 on the server closes the connection instead of sending it.
      if (channel.state === 'ready') {
        expect(error).toMatchObject({ status: Status.RESOURCE_EXHAUSTED })
        expect(String((await client.echo(bytes('on'))).value)).toBe('on')
      } else {
        expect(error).toMatchObject({ status: Status.UNAVAILABLE })
      }
    })

    itWithGoStreams('holds for messages of streams, both ways', async () => {
      const { client } = await dial()
      const most = LIMIT - DATA_AROUND
      const responses = client.talk([{ value: new Uint8Array(most) }, bytes('a')])
      expect((await all(responses)).map(({ value }) => value.length)).toEqual([most, 1])
      const error = await netError(all(client.talk([bytes('a'), { value: new Uint8Array(most + 1) }])))
      expect(error).toMatchObject({ status: Status.RESOURCE_EXHAUSTED })
      expect(String((await client.echo(bytes('on'))).value)).toBe('on')
    })

    itWithGoStreams('a response beyond it, while requests still go out, is not followed by Data', async () => {
      const { client, channel } = await dial()
      const left = netPromise()
      async function* requests(): AsyncGenerator<{ value: Uint8Array }> {
        try {
          // The longest Data: behind a Response's own bytes it is too long.
          yield { value: new Uint8Array(LIMIT - DATA_AROUND) }
          await over.promise
          yield bytes('late')
        } finally {
          left.resolve()
        }
      }
      const over = netPromise()
      const error = await netError(client.first(requests()))
      over.resolve()
      await left.promise
      await netRoundTrip()
      if (channel.state === 'ready') {
        expect(error).toMatchObject({ status: Status.RESOURCE_EXHAUSTED })
        // Before 1.2.8 Data after the final frame is the end of the server's process.
        expect(String((await client.echo(bytes('it lives'))).value)).toBe('it lives')
      } else {
        expect(error).toMatchObject({ status: Status.UNAVAILABLE })
      }
    })
  })

  describe('the end', () => {
    itWithGoStreams('by a shutdown that answers the calls in flight', async () => {
      const { server, client, channel } = await dial()
      const call = client.hold(text('a'))
      await server.event({ event: 'started', name: 'a' })
      // Only a connection that has answered something since counts as active: it does by the time of the second answer, while
      // the first may be seen here before it does.
      await client.echo(bytes(''))
      await client.echo(bytes(''))
      server.say('shutdown')
      await server.event({ event: 'served' })
      server.release('a')
      expect(await call).toMatchObject({ value: 'a' })
      await server.event({ event: 'shutdown', error: null })
      await channel.waitForState('idle')
    })

    itWithGoStreams('by a shutdown that loses the calls in flight: UNAVAILABLE', async () => {
      const { server, client } = await dial()
      const calls = [client.hold(text('a')), client.hold(text('b'))]
      await server.event({ event: 'started', name: 'a' })
      await server.event({ event: 'started', name: 'b' })
      server.say('shutdown')
      for (const call of calls) expect(await netError(call)).toMatchObject({ status: Status.UNAVAILABLE })
    })

    itWithGo('of the server’s process: UNAVAILABLE, streams too', async () => {
      const { server, client } = await dial()
      const calls = Array.from({ length: 10 }, () => client.hold(text('a')))
      const errors = calls.map((call) => netError(call))
      const stream = server.streams ? client.watch(text('b')) : undefined
      await stream?.next()
      await server.event({ event: 'started', name: 'a' })
      server.kill()
      for (const error of errors) expect(await error).toMatchObject({ status: Status.UNAVAILABLE })
      if (stream !== undefined) expect(await netError(stream.next())).toMatchObject({ status: Status.UNAVAILABLE })
    })

    itWithGo('of the server’s process: the next one gets the next calls, and those that may be repeated', async () => {
      const { server, client, channel } = await dial()
      const { port } = server.address as { port: number }
      const repeated = client.hold(text('a'), { idempotent: true, waitForReady: true })
      const lost = netError(client.hold(text('b'), { waitForReady: true }))
      await server.event({ event: 'started', name: 'a' })
      await server.event({ event: 'started', name: 'b' })
      server.kill()
      await server.exit()
      const next = await GoServer.startAt(`127.0.0.1:${port}`)
      expect(await lost).toMatchObject({ status: Status.UNAVAILABLE })
      await next.event({ event: 'started', name: 'a' })
      next.release('a')
      expect(await repeated).toMatchObject({ value: 'a' })
      expect(String((await client.echo(bytes('on'))).value)).toBe('on')
      expect(channel.state).toBe('ready')
    })

    itWithGo('by our close: the calls in flight are answered before', async () => {
      const { server, client, channel } = await dial()
      const call = client.hold(text('a'))
      await server.event({ event: 'started', name: 'a' })
      const closed = channel.close()
      server.release('a')
      expect(await call).toMatchObject({ value: 'a' })
      await closed
    })
  })
})

describe('a server of ours, with a Go client', () => {
  interface Started {
    method: string
    context: CallContext
  }

  class Serving extends NetWatched {
    readonly started: Started[] = []
    readonly gate = netPromise()
    readonly errors: unknown[] = []
    /** What the handlers of streams have made, and taken. */
    made = 0
    taken = 0
    server!: RpcServer

    async call(method: string): Promise<Started> {
      await this.until(() => this.started.some((each) => each.method === method))
      return this.started.find((each) => each.method === method)!
    }

    async begin(context: CallContext): Promise<void> {
      this.started.push({ method: context.method, context })
      this.changed()
      await this.gate.promise
    }
  }

  async function serve(options: RpcServerOptions = {}): Promise<Serving> {
    const serving = new Serving()
    const server = new RpcServer({ onError: (error) => void serving.errors.push(error), ...options })
    serving.server = server
    server.add(Echo, {
      echo: async (request) => request,
      fail(_request, context) {
        context.trailer.set('told', 'nobody')
        throw new RpcError(Status.NOT_FOUND, 'nicht grün', [[StringValue, { value: 'more' }]])
      },
      big: async (request) => bytes(Buffer.alloc(int(request))),
      context: async (_request, context) => {
        context.sendHeader({ told: 'nobody' })
        const left = context.deadline !== undefined && context.deadline !== Infinity
        return text(JSON.stringify({ metadata: [...context.metadata], deadline: left }))
      },
      async wait(_request, context) {
        await serving.begin(context)
        return {}
      },
      async hold(request, context) {
        await serving.begin(context)
        return request
      },
      missing() {
        throw new Error('a secret')
      },
      async *range(request) {
        const { count, size } = JSON.parse(request.value) as { count: number; size: number }
        for (let i = 0; i < count; i++) {
          serving.made++
          yield { value: Buffer.alloc(size, `${i % 10}`) }
        }
      },
      async *watch(request, context) {
        yield request
        await serving.begin(context)
      },
      async concat(requests) {
        return bytes(Buffer.concat((await all(requests)).map(({ value }) => Buffer.from(value))))
      },
      async count(requests) {
        return { value: (await all(requests)).length }
      },
      async first(requests) {
        for await (const request of requests) return request
        throw new RpcError(Status.INVALID_ARGUMENT, 'nothing came')
      },
      async *talk(requests) {
        for await (const request of requests) {
          const value = String(request.value)
          if (value === 'stop') return
          if (value === 'fail') throw new RpcError(Status.ABORTED, 'told to fail', [[StringValue, { value: 'more' }]])
          yield request
        }
      },
      // Unlike Go's: it answers when it has read all.
      async *talkLater(requests, context) {
        await serving.begin(context)
        for await (const _ of requests) serving.taken++
        yield bytes('all')
      },
    })
    await server.listen({ host: '127.0.0.1', port: 0 })
    netDefer(() => server.forceShutdown())
    netDefer(() => serving.gate.resolve())
    return serving
  }

  async function dialed(
    options: RpcServerOptions = {},
  ): Promise<{ client: GoClient; serving: Serving; server: RpcServer }> {
    const serving = await serve(options)
    const address = serving.server.address
    return { client: await GoClient.connect(address), serving, server: serving.server }
  }

  const answered = (outcome: { payload?: Buffer }): string => String(bytesIn(outcome.payload))

  describe('unary calls', () => {
    itWithGo('are answered, over TCP', async () => {
      const { client } = await dialed()
      expect(answered(await client.unary('Echo', { payload: bytesValue('grün') }).outcome)).toBe('grün')
      expect((await client.unary('Echo').outcome).payload).toHaveLength(0)
      expect(client.stderr).toBe('')
    })

    itWithGo('are answered, over a Unix socket', async () => {
      const { server } = await serve()
      const path = netUnixPath()
      await server.listen({ path })
      const client = await GoClient.connect({ path })
      expect(answered(await client.unary('Echo', { payload: bytesValue('a') }).outcome)).toBe('a')
    })

    itWithGo('1,000 of them at a time', async () => {
      const { client } = await dialed()
      expect(await client.many('Echo', 1000, { payload: bytesValue('a'.repeat(50)) })).toEqual({ ok: 1000 })
    })

    itWithGoStreams('fail with status, message and details', async () => {
      const { client, serving } = await dialed()
      expect(await client.unary('Fail').outcome).toMatchObject({
        kind: 'status',
        code: Status.NOT_FOUND,
        message: 'nicht grün',
        details: [{ typeUrl: 'type.googleapis.com/millrace.test.StringValue', value: stringValue('more') }],
      })
      expect(serving.errors).toEqual([])
    })

    itWithGo('that throw something else are INTERNAL, and say no more', async () => {
      const { client, serving } = await dialed()
      const outcome = await client.unary('Missing').outcome
      expect(outcome).toMatchObject({ kind: 'status', code: Status.INTERNAL })
      expect(JSON.stringify(outcome)).not.toContain('secret')
      expect(serving.errors).toEqual([new Error('a secret')])
    })

    itWithGo('of unknown services and methods, or with a payload that is none, fail alone', async () => {
      const { client } = await dialed()
      const codes = [
        client.unary('NoMethod'),
        client.unary('Echo', { service: 'no.Service' }),
        client.unary('Echo', { payload: Buffer.of(0x0a, 9) }),
      ].map(async ({ outcome }) => (await outcome).code)
      const expected = [Status.UNIMPLEMENTED, Status.UNIMPLEMENTED, Status.INTERNAL]
      // Go's own client refuses to send what is no message: then there is no status.
      expect((await Promise.all(codes)).map((code, i) => code ?? expected[i])).toEqual(expected)
      expect(answered(await client.unary('Echo', { payload: bytesValue('on') }).outcome)).toBe('on')
    })

    itWithGo('bring their metadata and their deadline; our header and trailer do not trouble the client', async () => {
      const { client } = await dialed()
      const { outcome } = client.unary('Context', { metadata: { Key: ['v', 'w'] }, timeoutMs: 60_000 })
      expect(JSON.parse(textIn((await outcome).payload))).toEqual({
        metadata: [
          ['key', 'v'],
          ['key', 'w'],
        ],
        deadline: true,
      })
      expect(JSON.parse(textIn((await client.unary('Context').outcome).payload))).toEqual({
        metadata: [],
        deadline: false,
      })
      expect(client.stderr).toBe('')
    })

    itWithGo('past their deadline abort the handler’s signal', async () => {
      const { client, serving } = await dialed()
      const { outcome } = client.unary('Wait', { timeoutMs: 100 })
      const { context } = await serving.call('Wait')
      const { signal } = context
      // Its own timer, or our answer, whichever is first.
      expect(['deadline', 'status']).toContain((await outcome).kind)
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
      expect(signal.reason).toMatchObject({ status: Status.DEADLINE_EXCEEDED })
    })

    itWithGo('whose context is cancelled run to their end; the client ignores the answer', async () => {
      const { client, serving } = await dialed()
      const call = client.unary('Hold', { payload: stringValue('a') })
      const { context } = await serving.call('Hold')
      call.cancel()
      expect((await call.outcome).kind).toBe('cancelled')
      expect(answered(await client.unary('Echo', { payload: bytesValue('a') }).outcome)).toBe('a')
      expect(context.signal.aborted).toBe(false)
      serving.gate.resolve()
      await client.logged(/inactive stream/)
      expect(answered(await client.unary('Echo', { payload: bytesValue('on') }).outcome)).toBe('on')
    })
  })

  describe('streams', () => {
    itWithGoStreams('of the server: many, and none', async () => {
      const { client } = await dialed()
      const payload = stringValue('{"count":1000,"size":50}')
      const outcomes = await client.open('Range', { serverStreams: true, payload }).rest()
      expect(outcomes).toHaveLength(1001)
      expect(outcomes[999]).toEqual({ payload: bytesValue('9'.repeat(50)) })
      expect(outcomes[1000]).toEqual({ end: true })
      const none = client.open('Range', { serverStreams: true, payload: stringValue('{"count":0}') })
      expect(await none.rest()).toEqual([{ end: true }])
      expect(client.stderr).toBe('')
    })

    itWithGoStreams('of the client: many, none, and empty messages', async () => {
      const { client } = await dialed()
      const concat = client.open('Concat', { clientStreams: true })
      for (const value of ['a', '', 'b', 'c']) await concat.send(bytesValue(value))
      await concat.closeSend()
      expect(answered(await concat.receive())).toBe('abc')
      const none = client.open('Count', { clientStreams: true })
      await none.closeSend()
      expect(await none.receive()).toEqual({ payload: Buffer.alloc(0) })
      const empty = client.open('Count', { clientStreams: true })
      await empty.send(new Uint8Array(0), 100)
      await empty.closeSend()
      expect(await empty.receive()).toEqual({ payload: int64Value(100) })
    })

    itWithGoStreams('of the client, answered before it has ended: what it still sends is dropped', async () => {
      const { client } = await dialed()
      const stream = client.open('First', { clientStreams: true })
      await stream.send(bytesValue('a'))
      await stream.send(bytesValue('b'), 100)
      await stream.closeSend()
      expect(answered(await stream.receive())).toBe('a')
      expect(answered(await client.unary('Echo', { payload: bytesValue('on') }).outcome)).toBe('on')
      expect(client.stderr).toBe('')
    })

    itWithGoStreams('both ways: one after the other, ended by either side, and failing with details', async () => {
      const { client } = await dialed()
      const both = { clientStreams: true, serverStreams: true }
      const stream = client.open('Talk', both)
      for (let i = 0; i < 100; i++) {
        await stream.send(bytesValue(`${i}`))
        expect(answered(await stream.receive())).toBe(`${i}`)
      }
      await stream.closeSend()
      expect(await stream.receive()).toEqual({ end: true })
      const stopped = client.open('Talk', both)
      await stopped.send(bytesValue('stop'))
      expect(await stopped.receive()).toEqual({ end: true })
      const failing = client.open('Talk', both)
      await failing.send(bytesValue('fail'))
      expect(await failing.receive()).toMatchObject({
        code: Status.ABORTED,
        message: 'told to fail',
        details: [{ value: stringValue('more') }],
      })
    })

    itWithGoStreams(
      'that the client does not read hold back who makes the messages; nothing is lost',
      async () => {
        const { client, serving } = await dialed()
        const count = 1000
        const payload = stringValue(JSON.stringify({ count, size: 64 * 1024 }))
        const stream = client.open('Range', { serverStreams: true, payload })
        await stream.opened()
        for (let before = -1; before !== serving.made || before === 0;) {
          before = serving.made
          for (let i = 0; i < 10; i++) await netRoundTrip()
        }
        expect(serving.made).toBeLessThan(count / 2)
        const outcomes = await stream.rest()
        expect(outcomes).toHaveLength(count + 1)
        expect(outcomes.slice(0, -1).map(({ payload }) => Number(String.fromCharCode(bytesIn(payload)[0]!)))).toEqual(
          Array.from({ length: count }, (_, i) => i % 10),
        )
      },
      20_000,
    )

    itWithGoStreams(
      'that the handler does not read hold the client back; nothing is lost',
      async () => {
        const { client, serving } = await dialed()
        const stream = client.open('TalkLater', { clientStreams: true, serverStreams: true })
        await serving.call('TalkLater')
        let sent = false
        const sending = stream.send(bytesValue(Buffer.alloc(64 * 1024)), 500).then(() => (sent = true))
        for (let i = 0; i < 20; i++) await netRoundTrip()
        expect(sent).toBe(false)
        serving.gate.resolve()
        await sending
        await stream.closeSend()
        expect(answered(await stream.receive())).toBe('all')
        expect(await stream.receive()).toEqual({ end: true })
        expect(serving.taken).toBe(500)
      },
      20_000,
    )
  })

  describe('the limit of 4 MiB', () => {
    itWithGo('holds for requests: exactly as much is taken, a byte more costs the call alone', async () => {
      const { client } = await dialed()
      const most = LIMIT - REQUEST_AROUND
      const echo = (size: number): Promise<{ payload?: Buffer; code?: number }> =>
        client.unary('Echo', { payload: bytesValue(Buffer.alloc(size)) }).outcome
      expect(bytesIn((await echo(most)).payload)).toHaveLength(most)
      expect(await echo(most + 1)).toMatchObject({ code: Status.RESOURCE_EXHAUSTED })
      expect(bytesIn((await echo(2)).payload)).toHaveLength(2)
    })

    itWithGo('holds for responses: exactly as much is sent, a byte more is RESOURCE_EXHAUSTED', async () => {
      const { client } = await dialed()
      const most = LIMIT - RESPONSE_AROUND
      const big = (size: number): Promise<{ payload?: Buffer; code?: number }> =>
        client.unary('Big', { payload: int64Value(size) }).outcome
      expect(bytesIn((await big(most)).payload)).toHaveLength(most)
      expect(await big(most + 1)).toMatchObject({ code: Status.RESOURCE_EXHAUSTED })
      expect(bytesIn((await big(2)).payload)).toHaveLength(2)
    })

    itWithGoStreams('holds for messages of streams, both ways', async () => {
      const { client } = await dialed()
      const most = LIMIT - DATA_AROUND
      const stream = client.open('Talk', { clientStreams: true, serverStreams: true })
      await stream.send(bytesValue(Buffer.alloc(most)))
      expect(bytesIn((await stream.receive()).payload)).toHaveLength(most)
      await stream.send(bytesValue(Buffer.alloc(most + 1)))
      expect(await stream.receive()).toMatchObject({ code: Status.RESOURCE_EXHAUSTED })
      const range = client.open('Range', {
        serverStreams: true,
        payload: stringValue(JSON.stringify({ count: 1, size: most + 1 })),
      })
      expect(await range.receive()).toMatchObject({ code: Status.RESOURCE_EXHAUSTED })
      expect(answered(await client.unary('Echo', { payload: bytesValue('on') }).outcome)).toBe('on')
    })
  })

  describe('the end', () => {
    itWithGo('by shutdown: what is in flight is answered, then the connection is closed', async () => {
      const { client, serving, server } = await dialed()
      const call = client.unary('Hold', { payload: stringValue('a') })
      await serving.call('Hold')
      const done = server.shutdown()
      expect(await client.unary('Echo').outcome).toMatchObject({ code: Status.UNAVAILABLE })
      serving.gate.resolve()
      expect(textIn((await call.outcome).payload)).toBe('a')
      await done
      await client.event({ event: 'closed' })
      expect((await client.unary('Echo').outcome).kind).toBe('closed')
    })

    itWithGo('by shutdown without grace, or by force: UNAVAILABLE', async () => {
      const { client, serving, server } = await dialed()
      const call = client.unary('Hold', { payload: stringValue('a') })
      const { context } = await serving.call('Hold')
      await server.shutdown({ graceMs: 0 })
      expect(await call.outcome).toMatchObject({ code: Status.UNAVAILABLE })
      expect(context.signal.aborted).toBe(true)
      await client.event({ event: 'closed' })
    })

    itWithGoStreams('by shutdown waits for streams', async () => {
      const { client, serving, server } = await dialed()
      const stream = client.open('Watch', { serverStreams: true, payload: stringValue('a') })
      expect(textIn((await stream.receive()).payload)).toBe('a')
      await serving.call('Watch')
      const done = server.shutdown()
      serving.gate.resolve()
      expect(await stream.receive()).toEqual({ end: true })
      await done
    })

    itWithGo('of the client’s connection cancels the handlers of its calls', async () => {
      const { client, serving, server } = await dialed()
      client.unary('Wait')
      const { context } = await serving.call('Wait')
      const { signal } = context
      await client.close()
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
      expect(signal.reason).toMatchObject({ status: Status.CANCELLED })
      while (server.connections > 0) await netRoundTrip()
    })

    itWithGo('of the client’s process does, too', async () => {
      const { client, serving } = await dialed()
      client.unary('Wait')
      const { signal } = (await serving.call('Wait')).context
      client.kill()
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
      expect(signal.reason).toMatchObject({ status: Status.CANCELLED })
    })
  })
})
