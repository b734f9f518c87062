import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { createClient, Metadata, Pushable, RpcError, Status } from '../../lib/rpc/index.ts'
import type { RpcEvent } from '../../lib/rpcEvents.ts'
import { nextTurn } from '../../lib/wait.ts'
import { ReflectedChat } from './chatServices.ts'
import { collect, echoPair, later, type Item } from '../support/echoRpc.ts'
import { netDefer, netError, netTurns } from '../support/netTools.ts'
import { HOST, line, nobody, openChannel, sent } from '../support/rpcChannel.ts'
import { DATA, HELLO, METADATA, OUR_OFFER, rawFrame, rawServer, REQUEST, RESPONSE } from '../support/ttrpcPeer.ts'
import { encodeRequest, encodeResponse } from '../support/ttrpcRaw.ts'
import { signalScope } from '../support/signalScope.ts'

/** Requests by hand, that log what is asked of them. */
function logged(next: () => Promise<IteratorResult<Partial<Item>>>) {
  const log: string[] = []
  return {
    log,
    requests: {
      [Symbol.asyncIterator]() {
        log.push('iterator')
        return {
          next: () => (log.push('next'), next()),
          return: () => (log.push('return'), Promise.resolve({ done: true as const, value: undefined })),
        }
      },
    },
  }
}

const never = new Promise<never>(() => {})

describe('the requests of a call', () => {
  it('are not told of their own end', async () => {
    const { client } = await echoPair()
    const steps = [
      { done: false, value: { text: 'a' } },
      { done: true, value: undefined },
    ] as const
    let step = 0
    const { requests, log } = logged(() => Promise.resolve(steps[step++]!))
    expect((await client.up(requests)).text).toBe('a')
    expect(log).toEqual(['iterator', 'next', 'next'])
  })

  it('are not told of their own error, which is that of the call', async () => {
    const { client } = await echoPair()
    const reason = new Error('no more')
    const { requests, log } = logged(() => Promise.reject(reason))
    expect(await netError(client.up(requests))).toBe(reason)
    expect(log).toEqual(['iterator', 'next'])
  })

  it('are told once that nobody takes them any more, whatever they are about', async () => {
    const begun = later()
    const { client } = await echoPair({ up: async (items) => (begun.resolve(), collect(items).then(() => ({}))) })
    const controller = new AbortController()
    const { requests, log } = logged(() => never)
    const failed = netError(client.up(requests, { signal: controller.signal }))
    await begun.promise
    controller.abort()
    expect(await failed).toMatchObject({ status: Status.CANCELLED })
    expect(log).toEqual(['iterator', 'next', 'return'])
  })

  it('are told when the server answers before it has taken all of them', async () => {
    const { client } = await echoPair({ up: () => ({ text: 'enough' }) })
    const { requests, log } = logged(() => nextTurn().then(() => ({ done: false, value: {} })))
    expect((await client.up(requests)).text).toBe('enough')
    expect(log.filter((each) => each === 'return')).toHaveLength(1)
    const { length } = log
    for (let i = 0; i < 5; i++) await nextTurn()
    expect(log.slice(length).filter((each) => each !== 'next')).toEqual([])
  })

  it('may fail when they are told', async () => {
    const { client } = await echoPair({ up: () => ({ text: 'enough' }) })
    const requests = {
      [Symbol.asyncIterator]: () => ({
        next: () => never,
        return: () => {
          throw new Error('cannot be told')
        },
      }),
    }
    expect((await client.up(requests)).text).toBe('enough')
  })

  describe('that were never asked for, since the call did not get so far', () => {
    it.each([
      ['', []],
      [', nor by an interceptor', [{ request: (line: unknown) => line }]],
    ])('are told as well, if they were made for it%s', async (_, interceptors) => {
      const { channel } = openChannel({ host: HOST, port: await nobody() })
      const client = createClient(ReflectedChat, channel, { interceptors })
      const lines = new Pushable<{ text: string }>({ highWaterMark: 1 })
      expect(lines.push({ text: 'a' })).toBe(false)
      const drained = lines.drain()
      expect(await netError(client.upload(lines))).toMatchObject({ status: Status.UNAVAILABLE })
      await drained
      expect(lines.closed).toBe(true)
    })

    it('are left alone, if others may iterate them', async () => {
      const { client } = openChannel({ host: HOST, port: await nobody() })
      const { requests, log } = logged(() => never)
      expect(await netError(client.upload(requests))).toMatchObject({ status: Status.UNAVAILABLE })
      expect(await netError(client.upload([{ text: 'a' }]))).toMatchObject({ status: Status.UNAVAILABLE })
      expect(log).toEqual([])
    })
  })

  it.each([true, false])('that are cut off are never taken for the whole (extension: %s)', async (extension) => {
    const taken = later()
    const outcome = later<string>()
    const { client } = await echoPair(
      {
        async up(items) {
          try {
            for await (const _ of items) taken.resolve()
            outcome.resolve('all of it')
          } catch (error) {
            outcome.resolve((error as Error).message)
          }
          return {}
        },
      },
      {},
      { extension },
    )
    await client.one({})
    const reason = new Error('the disk cannot be read')
    async function* items() {
      yield { text: 'a' }
      await taken.promise
      throw reason
    }
    expect(await netError(client.up(items()))).toBe(reason)
    await client.one({})
    client.$channel.abort()
    expect(await outcome.promise).toMatch(/client.* has /)
  })

  it('that are none are a TypeError', async () => {
    const { client } = await echoPair()
    expect(await netError(client.up({} as never))).toMatchObject({
      name: 'TypeError',
      message: 'test.Echo/Up takes an iterable of messages',
    })
  })
})

describe('a stream that nobody takes from, and that a plain server fills', () => {
  it.each(['is left', 'is given up', 'fails'])('holds up no other call any more when it %s', async (how) => {
    const server = await rawServer()
    const { client, channel } = openChannel({ host: HOST, port: server.port }, { windowLength: 100 })
    const controller = new AbortController()
    const stream = client.watch({ room: 'a' }, { signal: controller.signal })
    const peer = await server.accepted()
    const { id } = await peer.nextOf(REQUEST)
    const failure = rawFrame(id, RESPONSE, 0, encodeResponse({ status: { code: Status.ABORTED, message: 'no more' } }))
    // In one piece: behind the message nothing is read.
    peer.send(Buffer.concat([rawFrame(id, DATA, 0, line('x'.repeat(200))), ...(how === 'fails' ? [failure] : [])]))
    const response = client.send({ text: 'hello' })
    const request = await peer.nextOf(REQUEST)
    await netTurns(20)
    peer.respond(request.id, sent(5))
    await netTurns(20)
    expect(how === 'fails' || channel.activeCalls === 2).toBe(true)
    if (how === 'is left') await stream.return!()
    if (how === 'is given up') controller.abort()
    expect(await response).toEqual({ count: 5 })
  })
})

describe('a call that is cancelled by a scope', () => {
  it.each(['before', 'after'])('rejects with its reason, and is published as cancelled, %s it began', async (when) => {
    const { client } = await echoPair({ one: () => never })
    const events: RpcEvent[] = []
    const note = (event: unknown): void => void events.push(event as RpcEvent)
    subscribe('millrace:rpc:client', note)
    netDefer(() => unsubscribe('millrace:rpc:client', note))
    const controller = new AbortController()
    const reason = new Error('the scope has ended')
    if (when === 'before') controller.abort(reason)
    const failed = netError(client.one({}, { scope: signalScope(controller.signal) }))
    controller.abort(reason)
    expect(await failed).toBe(reason)
    expect(events.map(({ status }) => status)).toEqual([Status.CANCELLED])
  })
})

describe('headers and trailers', () => {
  const retry = { backoff: { initialDelayMs: 1, jitter: 0 } }
  const heard = () => {
    const log: string[] = []
    return {
      log,
      options: {
        onHeader: (header: Metadata) => log.push(`header ${header.get('n')}`),
        onTrailer: (trailer: Metadata) => log.push(`trailer ${trailer.get('n')}`),
      },
    }
  }

  it('are those of the attempt that counts', async () => {
    let attempts = 0
    const { client } = await echoPair(
      {
        one(item, context) {
          const n = String(++attempts)
          context.sendHeader({ n })
          context.trailer.set('n', n)
          if (attempts === 1) throw new RpcError(Status.UNAVAILABLE, 'not now')
          return item
        },
      },
      {},
      // Without it they come along with the answer.
      { retry, extension: false },
    )
    const { log, options } = heard()
    await client.one({}, { ...options, idempotent: true })
    expect(log).toEqual(['header 2', 'trailer 2'])
  })

  it('that were given out with an error come before it', async () => {
    const { client } = await echoPair({
      one(_, context) {
        context.sendHeader({ n: '1' })
        context.trailer.set('n', '1')
        throw new RpcError(Status.UNAVAILABLE, 'not now')
      },
    })
    const { log, options } = heard()
    const error = await netError<RpcError>(client.one({}, options))
    expect(log).toEqual(['header 1', 'trailer 1'])
    expect(error.metadata.get('n')).toBe('1')
  })

  it('ahead of a stream end the time when it may be repeated', async () => {
    const server = await rawServer()
    const { client } = openChannel({ host: HOST, port: server.port }, { retry })
    const { log, options } = heard()
    const first = netError<RpcError>(client.watch({ room: 'a' }, options).next())
    const peer = await server.accepted()
    const { id } = await peer.nextOf(REQUEST)
    peer.send(rawFrame(0, HELLO, 0, OUR_OFFER))
    peer.send(rawFrame(id, METADATA, 0, encodeRequest({ metadata: [{ key: 'n', value: '1' }] })))
    peer.respond(id, { status: { code: Status.UNAVAILABLE, message: 'not now' } })
    expect(await first).toMatchObject({ statusMessage: 'not now' })
    expect(log).toEqual(['header 1'])
    // The same without anybody who was told.
    const second = client.watch({ room: 'a' }).next()
    const again = await peer.nextOf(REQUEST)
    peer.send(rawFrame(again.id, METADATA, 0, encodeRequest({ metadata: [{ key: 'n', value: '1' }] })))
    peer.respond(again.id, { status: { code: Status.UNAVAILABLE, message: 'not now' } })
    peer.send(rawFrame((await peer.nextOf(REQUEST)).id, DATA, 0, line('one')))
    expect((await second).value).toMatchObject({ text: 'one' })
  })

  it('whose listener gives the call up are the last that is heard of it', async () => {
    const { client } = await echoPair({
      one(item, context) {
        context.sendHeader({ n: '1' })
        context.trailer.set('n', '1')
        return item
      },
    })
    const { log, options } = heard()
    const controller = new AbortController()
    const onHeader = (header: Metadata) => {
      options.onHeader(header)
      controller.abort()
    }
    const failed = client.one({}, { ...options, onHeader, signal: controller.signal })
    expect(await netError(failed)).toMatchObject({ status: Status.CANCELLED })
    expect(log).toEqual(['header 1'])
    expect(client.$channel.activeCalls).toBe(0)
    const closing = client.one({}, { onHeader: () => client.$channel.abort() })
    // It had been answered.
    expect(await closing).toMatchObject({ count: 0 })
  })
})
