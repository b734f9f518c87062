import type { Socket } from 'node:net'
import { createConnection } from '../../lib/endpoints/connect.ts'
import type { RpcError } from '../../lib/rpc/rpcError.ts'
import { Status } from '../../lib/rpc/status.ts'
import { FakeClock } from '../../lib/testing/fakeClock.ts'
import { netError, netTurns } from '../support/netTools.ts'
import { answer, call, hello, HOST, line, openChannel, sent } from '../support/rpcChannel.ts'
import { DATA, HELLO, PING, rawFrame, rawServer, REQUEST } from '../support/ttrpcPeer.ts'

const options = { keepaliveMs: 1000, keepaliveTimeoutMs: 200, stableMs: 0 }

/** A channel to a server that knows of the extension, with one call behind it. */
async function connected(more: object = {}) {
  const server = await rawServer()
  const opened = openChannel({ host: HOST, port: server.port }, { ...options, ...more })
  const response = opened.client.send(call)
  const peer = await server.accepted()
  await hello(peer, 1)
  await response
  return { ...opened, server, peer }
}

const pings = (peer: { frames: readonly { type: number }[] }): number =>
  peer.frames.filter(({ type }) => type === PING).length

describe('Keepalive', () => {
  it('asks a server that was silent while a call waits, and goes on when it answers', async () => {
    using clock = new FakeClock()
    const { client, peer } = await connected()
    const response = client.send(call)
    const { id } = await peer.nextOf(REQUEST)
    for (let i = 0; i < 3; i++) {
      await clock.advance(1000)
      const ping = await peer.next()
      expect([ping.type, ping.id, ping.flags, ping.data.length]).toEqual([PING, 0x7fffffff, 0, 8])
      await clock.advance(199)
      peer.send(rawFrame(0, PING, 1, ping.data))
      await netTurns(20)
    }
    peer.respond(id, sent(2))
    expect(await response).toEqual({ count: 2 })
  })

  it('gives up a connection on which nothing comes, and its calls with it', async () => {
    using clock = new FakeClock()
    const { client, channel, server, peer, states } = await connected()
    const response = netError<RpcError>(client.send(call))
    await peer.nextOf(REQUEST)
    await clock.advance(1000)
    await peer.nextOf(PING)
    await clock.advance(199)
    expect(channel.activeCalls).toBe(1)
    await clock.advance(1)
    const error = await response
    expect(error).toMatchObject({ status: Status.UNAVAILABLE, path: 'chat.v1.Chat/Send' })
    expect(error.message).toMatch(/no sign of life from 127\.0\.0\.1:\d+ for 1200 ms/)
    expect((channel.lastError as Error).message).toMatch(/no sign of life/)
    await peer.untilEnded()
    const again = client.send(call)
    await answer(await server.accepted(), 3)
    expect(await again).toEqual({ count: 3 })
    expect(states).toEqual(['connecting', 'ready', 'idle', 'connecting', 'ready'])
  })

  it('takes whatever comes for a sign of life', async () => {
    using clock = new FakeClock()
    const { client, peer, states } = await connected()
    const stream = client.watch({ room: 'a' })
    const first = stream.next()
    const { id } = await peer.nextOf(REQUEST)
    for (let i = 0; i < 5; i++) {
      await clock.advance(999)
      peer.send(rawFrame(id, DATA, 0, line('alive')))
      await netTurns(20)
    }
    expect(pings(peer)).toBe(0)
    await clock.advance(1000)
    await peer.nextOf(PING)
    // In place of an answer.
    peer.send(rawFrame(id, DATA, 0, line('alive')))
    await netTurns(20)
    await clock.advance(200)
    peer.send(rawFrame(id, DATA, 0, line('alive')))
    expect((await first).value).toMatchObject({ text: 'alive' })
    // It was asked once more behind that, and has not died of the first.
    expect((await stream.next()).value).toMatchObject({ text: 'alive' })
    expect([states.at(-1), peer.net.ended]).toEqual(['ready', false])
  })

  it('asks nobody while there are no calls, unless it is told to', async () => {
    using clock = new FakeClock()
    const { peer } = await connected()
    await clock.advance(10_000)
    await netTurns(20)
    expect(pings(peer)).toBe(0)
    const curious = await connected({ keepaliveIdle: true })
    await clock.advance(1000)
    await curious.peer.nextOf(PING)
    await clock.advance(200)
    await curious.peer.untilEnded()
  })

  it('asks for each call again that comes behind a rest', async () => {
    using clock = new FakeClock()
    const { client, peer } = await connected()
    for (let asked = 1; asked <= 3; asked++) {
      await clock.advance(5000)
      const response = client.send(call)
      const { id } = await peer.nextOf(REQUEST)
      await clock.advance(1000)
      const ping = await peer.nextOf(PING)
      peer.send(rawFrame(0, PING, 1, ping.data))
      peer.respond(id, sent(asked))
      expect(await response).toEqual({ count: asked })
    }
  })

  it('does not ask a server that would not understand', async () => {
    using clock = new FakeClock()
    const server = await rawServer()
    const { client } = openChannel({ host: HOST, port: server.port }, options)
    const first = client.send(call)
    const peer = await server.accepted()
    await answer(peer, 1)
    await first
    const response = client.send(call)
    const { id } = await peer.nextOf(REQUEST)
    await clock.advance(60_000)
    peer.respond(id, sent(2))
    expect(await response).toEqual({ count: 2 })
    expect(peer.frames.map(({ type }) => type)).toEqual([REQUEST, REQUEST])
  })

  it('does not take a server for dead whose answer it was too busy to read', async () => {
    const { client, channel, peer } = await connected({ keepaliveMs: 50, keepaliveTimeoutMs: 200 })
    const response = client.send(call)
    const { id } = await peer.nextOf(REQUEST)
    const ping = await peer.nextOf(PING)
    peer.send(rawFrame(0, PING, 1, ping.data))
    for (const started = performance.now(); performance.now() < started + 50;);
    await netTurns(20)
    peer.respond(id, sent(2))
    expect(await response).toEqual({ count: 2 })
    expect([channel.state, channel.lastError]).toEqual(['ready', undefined])
  })

  it('does not take a server for dead to which it does not listen', async () => {
    using clock = new FakeClock()
    const server = await rawServer()
    const { client, channel } = openChannel({ host: HOST, port: server.port }, { ...options, windowLength: 100 })
    const stream = client.watch({ room: 'a' })
    const peer = await server.accepted()
    // It knows of no windows: so it is held back by not being read.
    peer.send(rawFrame(0, HELLO, 0, '1;ping;window=1000'), rawFrame(1, DATA, 0, line('x'.repeat(200))))
    await netTurns(20)
    await clock.advance(10_000)
    await netTurns(20)
    expect([pings(peer), channel.state]).toEqual([0, 'ready'])
    expect((await stream.next()).value).toMatchObject({ text: 'x'.repeat(200) })
    await clock.advance(2000)
    await peer.nextOf(PING)
  })

  it('has the system ask as well, for servers that would not understand', async () => {
    const server = await rawServer()
    const asked: unknown[][] = []
    const { channel } = openChannel(
      {
        dial: async (factory, dialing) => {
          const made = await createConnection(factory, { host: HOST, port: server.port, ...dialing })
          const socket = made[0].getExtraInfo('socket') as Socket
          const setKeepAlive = socket.setKeepAlive.bind(socket)
          socket.setKeepAlive = (...args) => {
            asked.push(args)
            return setKeepAlive(...args)
          }
          return made
        },
      },
      options,
    )
    await channel.ready()
    expect(asked).toEqual([[true, 1000]])
  })

  it('can be left out', async () => {
    using clock = new FakeClock()
    const { client, peer } = await connected({ keepaliveMs: Infinity, idleTimeoutMs: Infinity })
    const response = client.send(call)
    const { id } = await peer.nextOf(REQUEST)
    expect(clock.pending).toBe(0)
    peer.respond(id, sent(2))
    await response
  })
})
