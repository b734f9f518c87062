import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { RpcError, Status } from '../../lib/rpc/index.ts'
import type { RpcEvent } from '../../lib/rpcEvents.ts'
import { collect, echoPair, later } from '../support/echoRpc.ts'
import { netDefer } from '../support/netTools.ts'

/** What is published on a channel until the end of the test. */
function published(name: string): RpcEvent[] {
  const events: RpcEvent[] = []
  const add = (event: unknown): void => void events.push(event as RpcEvent)
  subscribe(name, add)
  netDefer(() => unsubscribe(name, add))
  return events
}

const seen = (events: RpcEvent[]): unknown[] => events.map(({ service, method, status }) => [service, method, status])

describe('calls are published', () => {
  it('when they have ended, on both sides, with their outcome', async () => {
    const ended = later()
    const { client } = await echoPair({
      one: ({ text }) => {
        if (text === 'refused') throw new RpcError(Status.NOT_FOUND, text)
        if (text === 'broken') throw new Error(text)
        return { text }
      },
      async *both(items, { signal }) {
        yield {}
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        setImmediate(() => ended.resolve())
      },
    })
    // Before anybody listens there is nothing to tell, nor of calls that began before.
    await client.one({})
    const server = published('millrace:rpc:server')
    const ours = published('millrace:rpc:client')
    await client.one({})
    await client.one({ text: 'refused' }).catch(() => {})
    await client.one({ text: 'broken' }).catch(() => {})
    await collect(client.down({ count: 2 }))
    await client.up([])
    for await (const _ of client.both([])) break
    await ended.promise
    const expected = [
      ['test.Echo', 'One', Status.OK],
      ['test.Echo', 'One', Status.NOT_FOUND],
      ['test.Echo', 'One', Status.INTERNAL],
      ['test.Echo', 'Down', Status.OK],
      ['test.Echo', 'Up', Status.OK],
      ['test.Echo', 'Both', Status.CANCELLED],
    ]
    expect(seen(server)).toEqual(expected)
    expect(seen(ours)).toEqual(expected)
    for (const { durationMs, peer } of [...server, ...ours]) {
      expect(durationMs).toBeGreaterThanOrEqual(0)
      expect(typeof peer).toBe('string')
    }
  })

  it('also when they never had a connection, and when their own messages fail', async () => {
    const { client } = await echoPair()
    const ours = published('millrace:rpc:client')
    await client.up([null as never]).catch(() => {})
    client.$channel.abort()
    await client.one({}).catch(() => {})
    expect(seen(ours)).toEqual([
      ['test.Echo', 'Up', Status.UNKNOWN],
      ['test.Echo', 'One', Status.UNAVAILABLE],
    ])
    expect(ours[1]!.peer).toBeUndefined()
  })
})
