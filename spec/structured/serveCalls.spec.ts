import { connect, RpcError, RpcServer, Status } from '../../lib/rpc/index.ts'
import { closeWith } from '../../lib/structured/closeWith.ts'
import { currentAsyncLibrary } from '../../lib/structured/current.ts'
import { Cancelled } from '../../lib/structured/errors.ts'
import { Event } from '../../lib/structured/event.ts'
import { moveOnAfter } from '../../lib/structured/moveOn.ts'
import { openNursery } from '../../lib/structured/nursery.ts'
import { serveCalls } from '../../lib/structured/serveCalls.ts'
import { sleepForever } from '../../lib/structured/sleep.ts'
import { echo, Echo } from '../support/echoRpc.ts'
import { Leftovers } from '../support/leftovers.ts'

const host = '127.0.0.1'
const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => {
      throw new Error(`resolved with ${String(value)}`)
    },
    (error: unknown) => error,
  )

let leftovers: Leftovers
beforeEach(() => (leftovers = new Leftovers()))
afterEach(() => leftovers.gone())

describe('serveCalls', () => {
  it('serves until the server is shut down; then the nursery ends', async () => {
    await openNursery(async (nursery) => {
      const server = new RpcServer().add(Echo, echo)
      await serveCalls(nursery, server, { host })
      const client = await connect(Echo, server.address)
      closeWith(nursery, client.$channel)
      expect(await client.one({ text: 'hello' })).toMatchObject({ text: 'hello' })
      await client.$channel.close()
      await server.shutdown()
    })
  })

  it('cancelled, cancels handlers, answers their calls, and waits for them', async () => {
    const log: unknown[] = []
    const begun = new Event()
    const reported = jest.fn()
    const server = new RpcServer({ onError: reported }).add(Echo, {
      one: async () => {
        log.push(currentAsyncLibrary())
        begun.set()
        try {
          return await sleepForever()
        } catch (error) {
          log.push(error)
          await new Promise((resolve) => setImmediate(resolve))
          log.push('handler gone')
          throw error
        }
      },
    })
    let call!: Promise<unknown>
    await openNursery(async (outer) => {
      await openNursery(async (nursery) => {
        await serveCalls(nursery, server, { host })
        const client = await connect(Echo, server.address)
        closeWith(outer, client.$channel)
        call = errorOf(client.one({}, { scope: outer.cancelScope }))
        await begun.wait()
        nursery.cancelScope.cancel()
      })
      log.push('nursery gone')
      expect(await call).toBeInstanceOf(RpcError)
      expect(((await call) as RpcError).status).toBe(Status.UNAVAILABLE)
    })
    expect(log).toEqual(['asyncio', expect.any(Cancelled), 'handler gone', 'nursery gone'])
    expect(reported).not.toHaveBeenCalled()
  })

  it('waits for handlers that take their time, whatever has ended it', async () => {
    for (const end of ['cancel', 'force']) {
      const log: string[] = []
      const begun = new Event()
      const server = new RpcServer().add(Echo, {
        one: async () => {
          begun.set()
          await moveOnAfter(300, () => sleepForever(), { shield: true })
          log.push('handler gone')
          return {}
        },
      })
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await openNursery(async (outer) => {
        await openNursery(async (nursery) => {
          await serveCalls(nursery, server, { host })
          const client = await connect(Echo, server.address)
          closeWith(outer, client.$channel)
          outer.startSoon(() => errorOf(client.one({}, { scope: outer.cancelScope })))
          await begun.wait()
          if (end === 'cancel') nursery.cancelScope.cancel()
          else await server.forceShutdown()
        })
        log.push('nursery gone')
      })
      expect(log).toEqual(['handler gone', 'nursery gone'])
    }
  })

  it('that cannot listen rejects; the server may listen elsewhere', async () => {
    await openNursery(async (nursery) => {
      const server = new RpcServer().add(Echo, echo)
      await serveCalls(nursery, server, { host })
      const { port } = server.address
      const other = new RpcServer().add(Echo, echo)
      expect(await errorOf(serveCalls(nursery, other, { host, port }))).toMatchObject({ code: 'EADDRINUSE' })
      await serveCalls(nursery, other, { host })
      const client = closeWith(nursery, (await connect(Echo, other.address)).$channel)
      await client.close()
      await server.shutdown()
      await other.shutdown()
    })
  })
})

describe('a client of calls in a scope', () => {
  it('gets Cancelled where its scope is cancelled, and the connection stays good for others', async () => {
    await openNursery(async (nursery) => {
      const server = new RpcServer().add(Echo, { one: (item) => (item.text === 'wait' ? sleepForever() : item) })
      await serveCalls(nursery, server, { host })
      const client = await connect(Echo, { ...server.address, lazy: true })
      closeWith(nursery, client.$channel)
      // The first call of a channel makes its connection.
      expect(await moveOnAfter(20, () => client.one({ text: 'wait' }))).toBeUndefined()
      expect(await client.one({ text: 'hello' })).toMatchObject({ text: 'hello' })
      nursery.cancelScope.cancel()
    })
  })

  it('whose first call is cancelled while it connects leaves the connection to the next', async () => {
    await openNursery(async (nursery) => {
      const server = new RpcServer().add(Echo, echo)
      await serveCalls(nursery, server, { host })
      const client = await connect(Echo, { ...server.address, lazy: true })
      closeWith(nursery, client.$channel)
      const states: string[] = []
      const first = moveOnAfter(0, async () => {
        const call = client.one({ text: 'first' })
        states.push(client.$channel.state)
        return call
      })
      const second = client.one({ text: 'second' })
      expect(await first).toBeUndefined()
      expect(await second).toMatchObject({ text: 'second' })
      nursery.cancelScope.cancel()
    })
  })
})
