import { connect, RpcServer } from '../../lib/rpc/index.ts'
import { collect, Echo, echo } from '../support/echoRpc.ts'
import { netDefer } from '../support/netTools.ts'

/** Messages that wait for nothing; and the most that were taken in one turn of the event loop. */
function busy(): { items(count: number): AsyncGenerator<{ text: string }>; readonly most: number } {
  let inTurn = 0
  let most = 0
  const turn = (): void => {
    most = Math.max(most, inTurn)
    inTurn = 0
  }
  return {
    async *items(count) {
      for (let made = 0; made < count; made++) {
        if (inTurn++ === 0) setImmediate(turn)
        yield { text: 'x' }
      }
    },
    get most() {
      return most
    },
  }
}

describe.each([
  ['with the extension', true],
  ['with plain ttrpc', false],
])('a stream that waits for nothing leaves others their turn, %s:', (_, extension) => {
  // No window stops it, nor what the system takes at once.
  const windowLength = 16 * 1024 * 1024

  it.each(['server', 'client'])(
    'of a %s',
    async (side) => {
      const made = busy()
      const server = new RpcServer({ windowLength }).add(Echo, { ...echo, down: ({ count }) => made.items(count) })
      netDefer(() => server.forceShutdown())
      await server.listen('tcp://127.0.0.1:0')
      const client = await connect(Echo, { ...server.address, extension, windowLength })
      netDefer(() => client.$channel.abort())
      await client.one({})
      const count =
        side === 'server'
          ? (await collect(client.down({ count: 20_000 }))).length
          : (await client.up(made.items(20_000))).count
      expect(count).toBe(20_000)
      expect(made.most).toBeGreaterThan(100)
      expect(made.most).toBeLessThan(1000)
    },
    60_000,
  )
})
