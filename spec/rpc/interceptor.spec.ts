import { RpcError, Status, type CallContext } from '../../lib/rpc/index.ts'
import { collect, echoPair, later, type Item } from '../support/echoRpc.ts'
import { netTurns } from '../support/netTools.ts'

const failure = (promise: Promise<unknown>): Promise<RpcError> =>
  promise.then(
    (value) => Promise.reject(new Error(`it resolved with ${JSON.stringify(value)}`)),
    (error: unknown) => error as RpcError,
  )

/** Gives the handler up as soon as it runs. */
const impatient = async (_context: CallContext, next: () => Promise<unknown>): Promise<never> => {
  void next()
  await Promise.resolve()
  throw new RpcError(Status.ABORTED, 'too slow')
}

describe('interceptors', () => {
  it.each(['server', 'client'])('of a %s may be instances, and look on without a word', async (side) => {
    class Counter {
      readonly seen: string[] = []
      async call(_context: unknown, next: () => Promise<unknown>): Promise<void> {
        this.seen.push('call')
        await next()
      }
      request({ text }: Item): void {
        this.seen.push(text)
      }
      async response({ text }: Item): Promise<void> {
        this.seen.push(text)
      }
    }
    const counter = new Counter()
    const options = { interceptors: [counter] }
    const { client } = await echoPair({}, ...(side === 'server' ? [options] : [{}, options]))
    expect((await client.one({ text: 'a' })).text).toBe('a')
    expect(await collect(client.both([{ text: 'b' }]))).toMatchObject([{ text: 'b' }])
    expect(counter.seen).toEqual(['call', 'a', 'a', 'call', 'b', 'b'])
  })
})

describe('interceptors of a server that do not wait for the handler', () => {
  it('abort its signal, and it counts until it has ended', async () => {
    const gate = later()
    const reasons: unknown[] = []
    const { client, server } = await echoPair(
      {
        async one(item, { signal }) {
          signal.addEventListener('abort', () => reasons.push(signal.reason))
          await gate.promise
          return item
        },
      },
      { interceptors: [impatient], maxConcurrentCalls: 1 },
    )
    expect(await failure(client.one({}))).toMatchObject({ status: Status.ABORTED, statusMessage: 'too slow' })
    expect(reasons).toEqual([expect.objectContaining({ status: Status.CANCELLED })])
    expect(await failure(client.one({}))).toMatchObject({ status: Status.RESOURCE_EXHAUSTED })
    client.$channel.abort()
    let done = false
    const shutdown = server.shutdown({ graceMs: 60_000 }).then(() => (done = true))
    await netTurns(10)
    expect(done).toBe(false)
    gate.resolve()
    await shutdown
  })

  it('end its stream, and nothing is sent behind that', async () => {
    const ended = later()
    const { client } = await echoPair(
      {
        async *down() {
          try {
            for (;;) yield { body: Buffer.alloc(1000) }
          } finally {
            ended.resolve()
          }
        },
      },
      { interceptors: [impatient] },
      { windowLength: 5000 },
    )
    expect(await failure(collect(client.down({})))).toMatchObject({ status: Status.ABORTED })
    await ended.promise
  })

  it('may forget it altogether, also if it fails', async () => {
    const { client } = await echoPair(
      { one: () => Promise.reject(new Error('nobody waits')) },
      { interceptors: [(_context, next) => (void next(), { text: 'at once' })] },
    )
    expect((await client.one({})).text).toBe('at once')
    await netTurns(10)
  })
})
