import type { RpcError } from '../../lib/rpc/rpcError.ts'
import { Status } from '../../lib/rpc/status.ts'
import { FakeClock } from '../../lib/testing/fakeClock.ts'
import { netError, netTurns, netUntil } from '../support/netTools.ts'
import { answer, call, HOST, line, nobody, openChannel } from '../support/rpcChannel.ts'
import { DATA, GOAWAY, rawFrame, rawServer, REQUEST, requestOf, uint32 } from '../support/ttrpcPeer.ts'

const retry = { backoff: { initialDelayMs: 50, factor: 2, maxDelayMs: 1000, jitter: 0 } }
const unavailable = { status: { code: Status.UNAVAILABLE, message: 'not now' } }

describe('Retries', () => {
  it('tries calls again whose method says that they may be repeated, after a wait that grows', async () => {
    using clock = new FakeClock()
    const server = await rawServer()
    const { client, channel } = openChannel({ host: HOST, port: server.port }, { retry })
    const response = client.send_all({ room: 'a' })
    const peer = await server.accepted()
    for (const delayMs of [50, 100]) {
      const { id } = await peer.nextOf(REQUEST)
      peer.respond(id, unavailable)
      await netUntil(() => channel.queuedCalls === 1)
      await clock.advance(delayMs - 1)
      expect(channel.queuedCalls).toBe(1)
      await clock.advance(1)
      expect(channel.queuedCalls).toBe(0)
    }
    await answer(peer, 3)
    expect(await response).toEqual({ count: 3 })
  })

  it('gives up after so many attempts, with the last error', async () => {
    const server = await rawServer()
    const options = { retry: { maxAttempts: 2, backoff: { initialDelayMs: 1, jitter: 0 } } }
    const { client, channel } = openChannel({ host: HOST, port: server.port }, options)
    const failed = netError<RpcError>(client.send_all({ room: 'a' }))
    const peer = await server.accepted()
    peer.respond((await peer.nextOf(REQUEST)).id, unavailable)
    peer.respond((await peer.nextOf(REQUEST)).id, { status: { code: Status.UNAVAILABLE, message: 'still not' } })
    expect(await failed).toMatchObject({ status: Status.UNAVAILABLE, statusMessage: 'still not' })
    expect(channel.activeCalls).toBe(0)
  })

  it('tries again only what may be repeated, and what failed with such a status', async () => {
    const server = await rawServer()
    const { client } = openChannel({ host: HOST, port: server.port }, { retry })
    const send = netError(client.send(call))
    const peer = await server.accepted()
    peer.respond((await peer.nextOf(REQUEST)).id, unavailable)
    expect(await send).toMatchObject({ status: Status.UNAVAILABLE })
    const sendAll = netError(client.send_all({ room: 'a' }))
    peer.respond((await peer.nextOf(REQUEST)).id, { status: { code: Status.INTERNAL } })
    expect(await sendAll).toMatchObject({ status: Status.INTERNAL })
    const not = netError(client.send_all({ room: 'a' }, { idempotent: false }))
    peer.respond((await peer.nextOf(REQUEST)).id, unavailable)
    expect(await not).toMatchObject({ status: Status.UNAVAILABLE })
  })

  it('goes by the call, and by the statuses it was told', async () => {
    const server = await rawServer()
    const options = { retry: { statuses: [Status.ABORTED], backoff: { initialDelayMs: 0 } } }
    const { client } = openChannel({ host: HOST, port: server.port }, options)
    const response = client.send(call, { idempotent: true })
    const peer = await server.accepted()
    peer.respond((await peer.nextOf(REQUEST)).id, { status: { code: Status.ABORTED } })
    await answer(peer, 1)
    expect(await response).toEqual({ count: 1 })
  })

  it('repeats a call whose connection was lost, on the next one, though that has to be waited for', async () => {
    using clock = new FakeClock()
    const server = await rawServer()
    const { client, states } = openChannel({ host: HOST, port: server.port }, { retry })
    const response = client.send_all({ room: 'a' })
    const peer = await server.accepted()
    await peer.nextOf(REQUEST)
    peer.net.socket.resetAndDestroy()
    await netUntil(() => states.includes('idle') || states.includes('transientFailure'))
    await clock.advance(50)
    await answer(await server.accepted(), 2)
    expect(await response).toEqual({ count: 2 })
  })

  it('counts an attempt that finds no server, and fails with its error', async () => {
    const server = await rawServer()
    const options = { retry: { maxAttempts: 3, backoff: { initialDelayMs: 1 } }, backoff: { initialDelayMs: 1 } }
    const { client } = openChannel({ host: HOST, port: server.port }, options)
    const failed = netError<RpcError>(client.send_all({ room: 'a' }))
    const peer = await server.accepted()
    await peer.nextOf(REQUEST)
    server.close()
    peer.net.socket.resetAndDestroy()
    const error = await failed
    expect(error).toMatchObject({ status: Status.UNAVAILABLE, path: 'chat.v1.Chat/send_all' })
    expect(error.message).toContain('ECONNREFUSED')
  })

  it('does not repeat a call that has never had a connection', async () => {
    const { client, states } = openChannel({ host: HOST, port: await nobody() }, { retry })
    await netError(client.send_all({ room: 'a' }))
    expect(states).toEqual(['connecting', 'transientFailure'])
  })

  it('never goes beyond the deadline, and tells what is left of it', async () => {
    using clock = new FakeClock()
    const server = await rawServer()
    const { client } = openChannel({ host: HOST, port: server.port }, { retry })
    const response = client.send_all({ room: 'a' }, { timeoutMs: 120 })
    const peer = await server.accepted()
    peer.respond((await peer.nextOf(REQUEST)).id, unavailable)
    await netTurns(20)
    await clock.advance(50)
    const again = await peer.nextOf(REQUEST)
    expect(requestOf(again).timeout_nano).toBe(70e6)
    peer.respond(again.id, unavailable)
    expect(await netError(response)).toMatchObject({ status: Status.UNAVAILABLE, statusMessage: 'not now' })
    expect(clock.now).toBe(50)
  })

  it('does not repeat a stream of which something was given out', async () => {
    const server = await rawServer()
    const { client } = openChannel({ host: HOST, port: server.port }, { retry })
    const stream = client.watch({ room: 'a' })
    const first = stream.next()
    const peer = await server.accepted()
    const { id } = await peer.nextOf(REQUEST)
    peer.send(rawFrame(id, DATA, 0, line('one')))
    expect((await first).value).toMatchObject({ text: 'one' })
    const second = netError(stream.next())
    peer.respond(id, unavailable)
    expect(await second).toMatchObject({ status: Status.UNAVAILABLE })
  })

  it('repeats a stream of which nothing was', async () => {
    const server = await rawServer()
    const options = { retry: { backoff: { initialDelayMs: 1 } } }
    const { client } = openChannel({ host: HOST, port: server.port }, options)
    const first = client.watch({ room: 'a' }).next()
    const peer = await server.accepted()
    peer.respond((await peer.nextOf(REQUEST)).id, unavailable)
    const { id } = await peer.nextOf(REQUEST)
    peer.send(rawFrame(id, DATA, 0, line('one')))
    expect((await first).value).toMatchObject({ text: 'one' })
  })

  it('gives a call up that waits to be tried again', async () => {
    using clock = new FakeClock()
    const server = await rawServer()
    const { client, channel } = openChannel({ host: HOST, port: server.port }, { retry })
    const controller = new AbortController()
    const failed = netError(client.send_all({ room: 'a' }, { signal: controller.signal }))
    const peer = await server.accepted()
    peer.respond((await peer.nextOf(REQUEST)).id, unavailable)
    await netUntil(() => channel.queuedCalls === 1)
    controller.abort()
    expect(await failed).toMatchObject({ status: Status.CANCELLED })
    expect(channel.queuedCalls).toBe(0)
    await clock.advance(50)
    expect(peer.frames).toHaveLength(1)
  })

  it('lets close() wait for them, and abort() end them', async () => {
    using clock = new FakeClock()
    const server = await rawServer()
    const { client, channel } = openChannel({ host: HOST, port: server.port }, { retry })
    const response = client.send_all({ room: 'a' })
    const peer = await server.accepted()
    peer.respond((await peer.nextOf(REQUEST)).id, unavailable)
    await netUntil(() => channel.queuedCalls === 1)
    const closed = channel.close()
    await clock.advance(50)
    peer.respond((await peer.nextOf(REQUEST)).id, unavailable)
    await netUntil(() => channel.queuedCalls === 1)
    channel.abort()
    expect(await netError(response)).toMatchObject({ status: Status.UNAVAILABLE, message: /aborted/ })
    await closed
    expect(clock.pending).toBe(0)
  })

  it('lets close() take no others while one waits', async () => {
    using clock = new FakeClock()
    const server = await rawServer()
    const { client, channel } = openChannel({ host: HOST, port: server.port }, { retry })
    const response = client.send_all({ room: 'a' })
    const peer = await server.accepted()
    peer.respond((await peer.nextOf(REQUEST)).id, unavailable)
    await netUntil(() => channel.queuedCalls === 1)
    const closed = channel.close()
    const refused = netError<RpcError>(client.send(call))
    expect(channel.activeCalls).toBe(1)
    expect(await refused).toMatchObject({ status: Status.UNAVAILABLE, message: /the channel is closed/ })
    await clock.advance(50)
    await answer(peer, 3)
    expect(await response).toEqual({ count: 3 })
    await closed
  })

  it('repeats nothing that abort() has ended', async () => {
    const server = await rawServer()
    const { client, channel } = openChannel({ host: HOST, port: server.port }, { retry })
    const failed = netError(client.send_all({ room: 'a' }))
    const peer = await server.accepted()
    await peer.nextOf(REQUEST)
    channel.abort()
    expect(await failed).toMatchObject({ status: Status.UNAVAILABLE })
    expect(channel.activeCalls).toBe(0)
  })

  it('does not carry a call on for ever, from server to server that goes away', async () => {
    const server = await rawServer()
    const { client } = openChannel({ host: HOST, port: server.port }, { backoff: { initialDelayMs: 1, maxDelayMs: 1 } })
    const failed = netError<RpcError>(client.send(call))
    let connections = 0
    for (; connections < 11; connections++) {
      const peer = await server.accepted()
      await peer.nextOf(REQUEST)
      peer.send(rawFrame(0, 0x10, 0, '1;goaway;window=1000'))
      peer.send(rawFrame(0, GOAWAY, 0, Buffer.concat([uint32(0), Buffer.from('restart')])))
    }
    const error = await failed
    expect(error).toMatchObject({ status: Status.UNAVAILABLE })
    expect(error.message).toContain('restart')
  })
})
