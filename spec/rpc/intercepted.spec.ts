import { InvalidStateError } from '../../lib/errors.ts'
import { Pushable, RpcError, Status, type ClientCallContext } from '../../lib/rpc/index.ts'
import { FakeClock } from '../../lib/testing/fakeClock.ts'
import { nextTurn } from '../../lib/wait.ts'
import { collect, echoPair, later, type Item } from '../support/echoRpc.ts'
import { netError } from '../support/netTools.ts'

type Next = () => Promise<unknown>

const same = { response: (item: Item) => item }

/** A handler that says one thing, and when its generator has begun and ended. */
function silence() {
  const begun = later()
  const ended = later()
  async function* down(_: Item, { signal }: { signal: AbortSignal }) {
    try {
      begun.resolve()
      yield { text: 'first' }
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    } finally {
      ended.resolve()
    }
  }
  return { begun, ended, down }
}

describe('interceptors of a client', () => {
  describe('that call next() twice', () => {
    /** Once more after a failure. */
    async function again(_: ClientCallContext, next: Next): Promise<unknown> {
      try {
        return await next()
      } catch {
        return next()
      }
    }

    it('make two calls of one', async () => {
      let calls = 0
      const one = (item: Item) => {
        if (++calls === 1) throw new RpcError(Status.ABORTED, 'once more')
        return item
      }
      const { client } = await echoPair({ one }, {}, { interceptors: [again] })
      expect((await client.one({ text: 'x' })).text).toBe('x')
      expect(calls).toBe(2)
    })

    it.each([
      ['', []],
      [', whose messages are changed', [same]],
    ])('make two streams of one%s', async (_, more) => {
      let calls = 0
      async function* down() {
        if (++calls === 1) throw new RpcError(Status.ABORTED, 'once more')
        yield { text: 'a' }
        yield { text: 'b' }
      }
      const { client } = await echoPair({ down }, {}, { interceptors: [again, ...more] })
      expect((await collect(client.down({}))).map(({ text }) => text)).toEqual(['a', 'b'])
      expect([calls, client.$channel.activeCalls]).toEqual([2, 0])
    })

    it('hand on the error of the second', async () => {
      let calls = 0
      // oxlint-disable-next-line require-yield -- it fails before
      async function* down(): AsyncGenerator<Item> {
        throw new RpcError(Status.ABORTED, `attempt ${++calls}`)
      }
      const { client } = await echoPair({ down }, {}, { interceptors: [again] })
      expect(await netError(collect(client.down({})))).toMatchObject({ statusMessage: 'attempt 2' })
      expect(client.$channel.activeCalls).toBe(0)
    })

    it('give up all of them when the loop is left', async () => {
      const { down, ended } = silence()
      let streams = 0
      const hedge = async (_: ClientCallContext, next: Next) => Promise.all([next(), next()])
      const { client } = await echoPair(
        { down: (item, context) => (streams++, down(item, context)) },
        {},
        { interceptors: [hedge] },
      )
      const stream = client.down({})
      expect((await stream.next()).value).toMatchObject({ text: 'first' })
      expect(client.$channel.activeCalls).toBe(2)
      await stream.return!()
      expect(client.$channel.activeCalls).toBe(0)
      await ended.promise
      expect(streams).toBe(2)
    })
  })

  describe('around a stream that is left', () => {
    it.each([
      ['', []],
      [', whose messages are changed', [same]],
    ])('before anything was taken, give up the call%s', async (_, more) => {
      const { down, begun, ended } = silence()
      const log: string[] = []
      const watch = async (_context: ClientCallContext, next: Next) => {
        log.push('begun')
        await next()
        log.push('ended')
      }
      const { client } = await echoPair({ down }, {}, { interceptors: [watch, ...more] })
      const stream = client.down({})
      await begun.promise
      await stream.return!()
      expect(client.$channel.activeCalls).toBe(0)
      await ended.promise
      expect(log).toEqual(['begun', 'ended'])
      expect(await stream.next()).toEqual({ done: true, value: undefined })
    })

    it('while a message is waited for, end that wait', async () => {
      const { down } = silence()
      const { client } = await echoPair({ down }, {}, { interceptors: [same] })
      const stream = client.down({})
      await stream.next()
      const waiting = stream.next()
      await nextTurn()
      await stream.return!()
      expect(await waiting).toEqual({ done: true, value: undefined })
      expect(client.$channel.activeCalls).toBe(0)
    })

    it('before they have called next(), begin no call', async () => {
      const gate = later()
      const ended = later()
      let calls = 0
      const slow = async (_: ClientCallContext, next: Next) => {
        await gate.promise
        await next()
        ended.resolve()
      }
      async function* down() {
        calls++
        yield {}
      }
      const { client } = await echoPair({ down }, {}, { interceptors: [slow] })
      const stream = client.down({})
      const waiting = stream.next()
      await stream.return!()
      expect(await waiting).toEqual({ done: true, value: undefined })
      gate.resolve()
      await ended.promise
      await client.one({})
      expect(calls).toBe(0)
    })
  })

  it('that never call next() end the stream, or fail it', async () => {
    const { client } = await echoPair({}, {}, { interceptors: [() => {}] })
    expect(await collect(client.down({ count: 3 }))).toEqual([])
    const reason = new Error('not today')
    const refusing = await echoPair({}, {}, { interceptors: [() => Promise.reject(reason)] })
    const stream = refusing.client.down({ count: 3 })
    expect(await netError(stream.next())).toBe(reason)
    // Told once, as of any iterator.
    expect(await stream.next()).toEqual({ done: true, value: undefined })
  })

  it('that never call next() leave nobody waiting who makes the requests', async () => {
    const { client } = await echoPair({}, {}, { interceptors: [() => Promise.reject(new Error('no'))] })
    for (const name of ['up', 'both'] as const) {
      const items = new Pushable<Item>({ highWaterMark: 1 })
      items.push({ text: 'a', count: 1, body: Buffer.alloc(0) })
      const outcome = client[name](items)
      await items.drain()
      expect(items.closed).toBe(true)
      expect(await netError('next' in outcome ? outcome.next() : outcome)).toMatchObject({ message: 'no' })
    }
  })

  it('that fail while the stream goes on end it, and the call', async () => {
    const { down, ended } = silence()
    const reason = new Error('too slow')
    const gate = later()
    const impatient = async (_: ClientCallContext, next: Next) => Promise.race([next(), gate.promise])
    const { client } = await echoPair({ down }, {}, { interceptors: [impatient] })
    const stream = client.down({})
    expect((await stream.next()).value).toMatchObject({ text: 'first' })
    const waiting = netError(stream.next())
    gate.reject(reason)
    expect(await waiting).toBe(reason)
    await ended.promise
    expect(client.$channel.activeCalls).toBe(0)
  })

  it('one next() waits at a time', async () => {
    const { down } = silence()
    const { client } = await echoPair({ down }, {}, { interceptors: [same] })
    const stream = client.down({})
    const first = stream.next()
    expect(await netError(stream.next())).toBeInstanceOf(InvalidStateError)
    expect((await first).value).toMatchObject({ text: 'first' })
    await stream.return!()
  })

  it('a message that cannot be changed ends the call, on both sides', async () => {
    const { down, ended } = silence()
    const reason = new Error('cannot change')
    const broken = {
      response: () => {
        throw reason
      },
    }
    const { client } = await echoPair({ down }, {}, { interceptors: [broken] })
    expect(await netError(collect(client.down({})))).toBe(reason)
    await ended.promise
    expect(client.$channel.activeCalls).toBe(0)
  })

  it('share the time of the call', async () => {
    using clock = new FakeClock()
    const gate = later()
    let left = NaN
    const slow = async (_: ClientCallContext, next: Next) => {
      await gate.promise
      return next()
    }
    const { client } = await echoPair(
      { one: (item, { deadline }) => ((left = deadline - Date.now()), item) },
      {},
      { interceptors: [slow] },
    )
    const response = client.one({}, { timeoutMs: 1000 })
    await clock.advance(600)
    gate.resolve()
    await response
    expect(left).toBeGreaterThan(300)
    expect(left).toBeLessThanOrEqual(401)
  })

  it('cause no unhandled rejection where nobody looks', async () => {
    const unhandled: unknown[] = []
    const note = (reason: unknown): void => void unhandled.push(reason)
    process.on('unhandledRejection', note)
    try {
      const { client } = await echoPair(
        { one: () => Promise.reject(new RpcError(Status.ABORTED, 'nobody looks')) },
        {},
        { interceptors: [(_: ClientCallContext, next: Next) => void next()] },
      )
      void client.one({})
      const { client: other } = await echoPair({}, {}, { interceptors: [() => Promise.reject(new Error('no'))] })
      void other.one({})
      other.down({})
      for (let i = 0; i < 20; i++) await nextTurn()
      expect(unhandled).toEqual([])
    } finally {
      process.off('unhandledRejection', note)
    }
  })
})
