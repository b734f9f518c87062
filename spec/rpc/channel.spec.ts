import * as net from 'node:net'
import { ConnectError, TimeoutError } from '../../lib/errors.ts'
import { Channel } from '../../lib/rpc/channel.ts'
import type { ChannelOptions } from '../../lib/rpc/channelOptions.ts'
import type { Dial, RpcEndpoint } from '../../lib/rpc/dial.ts'
import { makeClient } from '../../lib/rpc/makeClient.ts'
import type { RpcError } from '../../lib/rpc/rpcError.ts'
import { RpcServer } from '../../lib/rpc/rpcServer.ts'
import { Status } from '../../lib/rpc/status.ts'
import type { Transport } from '../../lib/transport.ts'
import { FakeClock } from '../../lib/testing/fakeClock.ts'
import { setAmbience } from '../../lib/wait.ts'
import { endpointFromString } from '../../lib/streams/endpointFromString.ts'
import { Leftovers } from '../support/leftovers.ts'
import { netDefer, netError, netProgram, netStop, netTurns, netUnixPath } from '../support/netTools.ts'
import { ca, certified } from '../support/tlsFixtures.ts'
import { ReflectedChat } from './chatServices.ts'
import { answer, call, hello, HOST, Line, line, nobody, openChannel, sent } from '../support/rpcChannel.ts'
import {
  REMOTE_CLOSED,
  DATA,
  GOAWAY,
  NO_DATA,
  rawFrame,
  rawServer,
  REQUEST,
  requestOf,
  uint32,
} from '../support/ttrpcPeer.ts'
import { ambient, signalScope } from '../support/signalScope.ts'

const fails = (): Promise<never> => Promise.reject(new Error('not to be dialled'))

/** A program of its own, with a built client for a service. */
const program = (source: string) =>
  netProgram(`
    import protobufjs from 'protobufjs'
    import { service } from 'millrace/rpc'
    import { Channel } from './dist/esm/rpc/channel.js'
    import { makeClient } from './dist/esm/rpc/makeClient.js'
    const Chat = service(protobufjs.loadSync('spec/fixtures/chat.proto').lookupService('chat.v1.Chat'))
    ${source}`)

describe('Channel', () => {
  describe('connecting', () => {
    it('connects with the first call, which waits for it', async () => {
      const server = await rawServer()
      const { client, channel, states } = openChannel({ host: HOST, port: server.port })
      await netTurns()
      expect([channel.state, states]).toEqual(['idle', []])
      const response = client.send(call)
      expect([channel.state, channel.queuedCalls]).toEqual(['connecting', 1])
      await answer(await server.accepted(), 7)
      expect(await response).toEqual({ count: 7 })
      expect(states).toEqual(['connecting', 'ready'])
      expect([channel.activeCalls, channel.queuedCalls, channel.lastError]).toEqual([0, 0, undefined])
    })

    it('connects at once unless it is lazy, and again when the connection is lost', async () => {
      const server = await rawServer()
      const { channel, states } = openChannel({ host: HOST, port: server.port }, { lazy: false, stableMs: 0 })
      expect(channel.state).toBe('connecting')
      const peer = await server.accepted()
      await channel.ready()
      peer.net.socket.resetAndDestroy()
      await server.accepted()
      await channel.waitForState('connecting').catch(() => {})
      await channel.ready()
      expect(states).toEqual(['connecting', 'ready', 'connecting', 'ready'])
      expect((channel.lastError as Error).message).toMatch(/127\.0\.0\.1:\d+/)
    })

    it('is idle after a loss, if it is lazy and no call waits', async () => {
      const server = await rawServer()
      const { client, channel, states } = openChannel({ host: HOST, port: server.port })
      const first = client.send(call)
      const peer = await server.accepted()
      await answer(peer, 1)
      await first
      peer.net.socket.end()
      await channel.waitForState('idle')
      const second = client.send(call)
      await answer(await server.accepted(), 2)
      expect(await second).toEqual({ count: 2 })
      expect(states).toEqual(['connecting', 'ready', 'idle', 'connecting', 'ready'])
    })

    it('fails its calls with the error and the endpoint when it cannot connect, then others at once', async () => {
      using clock = new FakeClock()
      const port = await nobody()
      const { client, channel, states } = openChannel({ host: HOST, port })
      const failed = await netError<RpcError>(client.send(call))
      expect(failed).toMatchObject({ status: Status.UNAVAILABLE, path: 'chat.v1.Chat/Send', peer: `${HOST}:${port}` })
      expect(failed.message).toContain(`${HOST}:${port}`)
      expect(failed.message).toContain('ECONNREFUSED')
      expect(failed.cause).toBeInstanceOf(ConnectError)
      expect(channel.lastError).toBe(failed.cause)
      expect(channel.state).toBe('transientFailure')
      const again = client.send(call)
      expect(channel.queuedCalls).toBe(0)
      expect(await netError(again)).toMatchObject({ status: Status.UNAVAILABLE, cause: failed.cause })
      // Nobody waits: it does not try by itself.
      await clock.advance(100)
      expect(states).toEqual(['connecting', 'transientFailure', 'idle'])
    })

    it('lets calls with waitForReady wait, longer after each attempt', async () => {
      using clock = new FakeClock()
      const port = await nobody()
      const { client, channel, states } = openChannel({ host: HOST, port })
      const waiting = client.send(call, { waitForReady: true })
      for (const delayMs of [100, 200, 400, 400]) {
        await channel.waitForState('transientFailure')
        expect(channel.queuedCalls).toBe(1)
        await clock.advance(delayMs - 1)
        expect(channel.state).toBe('transientFailure')
        await clock.advance(1)
      }
      await channel.waitForState('transientFailure')
      const listener = net.createServer((socket) => socket.end(rawFrame(1, 2, 0, Buffer.from([0x12, 2, 8, 5]))))
      netDefer(() => listener.close())
      await new Promise<void>((resolve) => listener.listen(port, HOST, resolve))
      await clock.advance(400)
      expect(await waiting).toEqual({ count: 5 })
      expect(states.filter((state) => state === 'connecting')).toHaveLength(6)
    })

    it('connect() ends a wait between attempts', async () => {
      using clock = new FakeClock()
      const { channel } = openChannel({ host: HOST, port: await nobody() })
      await netError(channel.ready())
      expect([channel.state, clock.pending]).toEqual(['transientFailure', 1])
      channel.connect()
      expect([channel.state, clock.pending]).not.toEqual(['transientFailure', 1])
      await channel.waitForState('transientFailure')
    })

    it('ready() rejects when the attempt fails, or waits for one that does not', async () => {
      using clock = new FakeClock()
      const port = await nobody()
      const { channel } = openChannel({ host: HOST, port })
      expect(await netError(channel.ready())).toMatchObject({ status: Status.UNAVAILABLE, peer: `${HOST}:${port}` })
      const patient = channel.ready({ waitForReady: true })
      const listener = net.createServer((socket) => netDefer(() => socket.destroy()))
      netDefer(() => listener.close())
      await new Promise<void>((resolve) => listener.listen(port, HOST, resolve))
      await clock.advance(100)
      await patient
      expect(channel.state).toBe('ready')
      await channel.ready()
      const late = netError(channel.waitForState('shutdown', { timeoutMs: 10 }))
      await clock.advance(10)
      expect(await late).toBeInstanceOf(TimeoutError)
    })

    it('waits before it goes back to a server that drops its connections', async () => {
      using clock = new FakeClock()
      const server = await rawServer()
      const { channel, states } = openChannel({ host: HOST, port: server.port }, { lazy: false })
      for (const delayMs of [100, 200]) {
        const peer = await server.accepted()
        await channel.waitForState('ready')
        peer.net.socket.destroy()
        await channel.waitForState('transientFailure')
        await clock.advance(delayMs)
      }
      await server.accepted()
      await channel.waitForState('ready')
      expect(states.join(' ')).toBe(
        'connecting ready transientFailure connecting ready transientFailure connecting ready',
      )
      expect((channel.lastError as Error).message).toMatch(/has closed the connection/)
    })

    it('begins with the shortest wait again behind a connection that has lasted', async () => {
      using clock = new FakeClock()
      const port = await nobody()
      const { channel, states } = openChannel({ host: HOST, port }, { lazy: false })
      for (const delayMs of [100, 200]) {
        await channel.waitForState('transientFailure')
        await clock.advance(delayMs)
      }
      await channel.waitForState('transientFailure')
      const sockets: net.Socket[] = []
      const listener = net.createServer((socket) => sockets.push(socket))
      await new Promise<void>((resolve) => listener.listen(port, HOST, resolve))
      await clock.advance(400)
      await channel.waitForState('ready')
      await clock.advance(1000)
      const closed = new Promise((resolve) => listener.close(resolve))
      for (const socket of sockets) socket.resetAndDestroy()
      await closed
      await channel.waitForState('transientFailure')
      const attempts = (): number => states.filter((state) => state === 'connecting').length
      const before = attempts()
      await clock.advance(99)
      expect(attempts()).toBe(before)
      await clock.advance(1)
      expect(attempts()).toBe(before + 1)
      await channel.waitForState('transientFailure')
    })

    it('waits before it goes back to a server that drops its connections, also where only calls want one', async () => {
      using clock = new FakeClock()
      const server = await rawServer()
      const { client, channel, states } = openChannel({ host: HOST, port: server.port })
      const dropped = async (): Promise<void> => {
        const lost = netError<RpcError>(client.send(call, { waitForReady: true }))
        const peer = await server.accepted()
        await peer.nextOf(REQUEST)
        peer.net.socket.destroy()
        expect(await lost).toMatchObject({ status: Status.UNAVAILABLE })
      }
      // Once may happen to any server.
      await dropped()
      expect(channel.state).toBe('idle')
      await dropped()
      expect(channel.state).toBe('transientFailure')
      expect(await netError(client.send(call))).toMatchObject({ status: Status.UNAVAILABLE })
      const waiting = client.send(call, { waitForReady: true })
      await clock.advance(199)
      expect(channel.state).toBe('transientFailure')
      await clock.advance(1)
      await answer(await server.accepted(), 3)
      expect(await waiting).toEqual({ count: 3 })
      expect(states.join(' ')).toBe('connecting ready idle connecting ready transientFailure connecting ready')
    })

    it('begins with the shortest wait again behind a connection that it has closed itself', async () => {
      using clock = new FakeClock()
      const port = await nobody()
      const { client, channel } = openChannel({ host: HOST, port }, { idleTimeoutMs: 5000 })
      const patient = channel.ready({ waitForReady: true })
      for (const delayMs of [100, 200]) {
        await channel.waitForState('transientFailure')
        await clock.advance(delayMs)
      }
      await channel.waitForState('transientFailure')
      const listener = net.createServer((socket) => netDefer(() => socket.destroy()))
      await new Promise<void>((resolve) => listener.listen(port, HOST, resolve))
      await clock.advance(400)
      await patient
      const closed = new Promise((resolve) => listener.close(resolve))
      await clock.advance(5000)
      expect(channel.state).toBe('idle')
      await closed
      await netError(client.send(call))
      expect(channel.state).toBe('transientFailure')
      await clock.advance(100)
      // Nobody waits: that was the wait.
      expect(channel.state).toBe('idle')
    })

    it('takes no calls on a connection that the server has ended', async () => {
      const servers = [await rawServer(), await rawServer()]
      const { createConnection } = await import('../../lib/endpoints/connect.ts')
      const made: Transport[] = []
      const { client } = openChannel({
        dial: async (factory, options) => {
          const { port } = servers[made.length]!
          const connection = await createConnection(factory, { host: HOST, port, ...options })
          made.push(connection[0])
          return connection
        },
      })
      const first = client.send(call)
      const peer = await servers[0]!.accepted()
      await answer(peer, 1)
      await first
      peer.net.socket.end()
      while (!made[0]!.isClosing()) await netTurns(1)
      const second = client.send(call)
      await answer(await servers[1]!.accepted(), 2)
      expect(await second).toEqual({ count: 2 })
    })

    it('takes a connection for failed that was lost before it was handed out', async () => {
      const server = await rawServer()
      const { createConnection } = await import('../../lib/endpoints/connect.ts')
      const { client } = openChannel({
        dial: async (factory, options) => {
          const made = await createConnection(factory, { host: HOST, port: server.port, ...options })
          made[0].abort()
          await netTurns()
          return made
        },
      })
      const error = await netError<RpcError>(client.send(call))
      expect(error.status).toBe(Status.UNAVAILABLE)
      expect(error.message).toMatch(/has closed the connection/)
    })

    it('runs over whatever dial gives', async () => {
      const server = await rawServer()
      const { createConnection } = await import('../../lib/endpoints/connect.ts')
      const { client } = openChannel({
        name: 'elsewhere',
        dial: (factory, options) => createConnection(factory, { host: HOST, port: server.port, ...options }),
      })
      const response = client.send(call)
      await answer(await server.accepted(), 3)
      expect(await response).toEqual({ count: 3 })
      const failing = openChannel({ name: 'elsewhere', dial: () => Promise.reject(new Error('no way')) })
      expect((await netError(failing.client.send(call))).message).toMatch(/UNAVAILABLE: elsewhere: no way/)
    })

    it.each(['tcp', 'unix', 'tls', 'memory'])('runs over %s', async (kind) => {
      const server = new RpcServer().add(ReflectedChat, {
        send: ({ text }: { text: string }) => ({ count: text.length }),
      })
      netDefer(() => server.forceShutdown())
      const path = netUnixPath()
      let target: RpcEndpoint = { path }
      if (kind === 'unix') await server.listen({ path })
      else if (kind === 'memory') {
        target = `memory:${path}`
        const memory = await endpointFromString(target).createServer(() => server.protocol())
        netStop(memory)
      } else {
        await server.listen({ host: HOST, port: 0, ...(kind === 'tls' && { tls: certified('localhost') }) })
        const { port } = server.address
        target = { host: HOST, port, ...(kind === 'tls' && { tls: { ca }, serverHostname: 'localhost' }) }
      }
      const { client, channel } = openChannel(target)
      expect(await client.send(call)).toEqual({ count: 5 })
      const calls = Array.from({ length: 100 }, () => client.send(call))
      expect(new Set((await Promise.all(calls)).map(({ count }) => count))).toEqual(new Set([5]))
      await channel.close()
    })

    it('refuses what it cannot dial', () => {
      expect(() => new Channel({} as RpcEndpoint)).toThrow(/a port, a path, or a dial function/)
      expect(() => new Channel({ endpoints: [] })).toThrow(/an endpoint at least/)
      expect(() => new Channel('nowhere:1')).toThrow(/nowhere/)
      const numbers = ['keepaliveMs', 'keepaliveTimeoutMs', 'idleTimeoutMs', 'connectTimeoutMs', 'timeoutMs'] as const
      for (const name of numbers) {
        expect(() => new Channel('tcp://a:1', { [name]: 0 })).toThrow(`${name} must be above 0, not 0`)
      }
      expect(() => new Channel('tcp://a:1', { retry: { maxAttempts: 0 } })).toThrow(/maxAttempts/)
      expect(() => new Channel('tcp://a:1', { backoff: { factor: 0 } })).toThrow(/factor/)
      expect(() => new Channel('tcp://a:1', { policy: 'random' as 'pickFirst' })).toThrow(/policy/)
    })
  })

  describe('calls that wait for a connection', () => {
    /** A channel that tries for ever. */
    const stuck = (options: ChannelOptions = {}) =>
      openChannel(
        { name: 'limbo', dial: (_, { signal }) => new Promise((_resolve, reject) => (signal.onabort = reject)) },
        options,
      )

    it('end by their deadlines', async () => {
      using clock = new FakeClock()
      const { client, channel } = stuck()
      const late = netError(client.send(call, { timeoutMs: 50 }))
      const later = netError(client.watch({ room: 'a' }, { timeoutMs: 60 }).next())
      await clock.advance(50)
      expect(await late).toMatchObject({ status: Status.DEADLINE_EXCEEDED, path: 'chat.v1.Chat/Send' })
      expect(channel.queuedCalls).toBe(1)
      await clock.advance(10)
      expect(await later).toMatchObject({ status: Status.DEADLINE_EXCEEDED, path: 'chat.v1.Chat/Watch' })
      expect([channel.queuedCalls, clock.pending]).toEqual([0, 0])
    })

    it('end by their signals, and are never sent', async () => {
      const server = await rawServer()
      const { client, channel } = openChannel({ host: HOST, port: server.port })
      const controller = new AbortController()
      const reason = new Error('enough')
      const given = netError(client.send({ text: 'given up' }, { signal: controller.signal }))
      const kept = client.send({ text: 'kept' })
      controller.abort(reason)
      expect(await given).toMatchObject({ status: Status.CANCELLED, cause: reason })
      expect(channel.queuedCalls).toBe(1)
      const request = await answer(await server.accepted(), 1)
      expect(Line.decode(requestOf(request).payload)).toMatchObject({ text: 'kept' })
      expect(await kept).toEqual({ count: 1 })
      const before = netError(client.send(call, { signal: controller.signal }))
      expect(await before).toMatchObject({ status: Status.CANCELLED, cause: reason })
    })

    it('tell the server what is left of their time', async () => {
      using clock = new FakeClock()
      const server = await rawServer()
      let connect = (): void => {}
      const { createConnection } = await import('../../lib/endpoints/connect.ts')
      const { client } = openChannel({
        dial: (factory, options) =>
          new Promise((resolve, reject) => {
            connect = () =>
              void createConnection(factory, { host: HOST, port: server.port, ...options }).then(resolve, reject)
          }),
      })
      const response = client.send(call, { timeoutMs: 1000 })
      await clock.advance(400)
      connect()
      const request = requestOf(await answer(await server.accepted(), 1))
      expect(request.timeout_nano).toBe(600e6)
      await response
    })

    it('let the channel end with the last of them', async () => {
      using clock = new FakeClock()
      const { client, channel } = stuck()
      const late = netError(client.send(call, { timeoutMs: 50 }))
      const closed = channel.close()
      await clock.advance(50)
      expect(await late).toMatchObject({ status: Status.DEADLINE_EXCEEDED })
      await closed
      expect(clock.pending).toBe(0)
    })

    it('are limited in number', async () => {
      const { client, channel } = stuck({ maxQueuedCalls: 2 })
      const first = client.send(call)
      const second = client.send(call)
      const third = await netError(client.send(call))
      expect(third).toMatchObject({ status: Status.RESOURCE_EXHAUSTED, path: 'chat.v1.Chat/Send' })
      expect(third.message).toMatch(/2 calls wait for a connection to limbo already/)
      channel.abort()
      expect(await netError(first)).toMatchObject({ status: Status.UNAVAILABLE })
      expect(await netError(second)).toMatchObject({ status: Status.UNAVAILABLE })
    })
  })

  describe('several endpoints', () => {
    it('takes the first that answers', async () => {
      const [first, second] = [await nobody(), await rawServer()]
      const endpoints = [{ host: HOST, port: first }, { host: HOST, port: second.port }, { dial: fails }]
      const { client, channel, states } = openChannel({ endpoints })
      const response = client.send(call)
      await answer(await second.accepted(), 1)
      expect(await response).toEqual({ count: 1 })
      expect(states).toEqual(['connecting', 'ready'])
      expect((channel.lastError as Error).message).toMatch(/ECONNREFUSED/)
    })

    it('fails over when the first goes, and goes back when it has to', async () => {
      using clock = new FakeClock()
      const servers = [await rawServer(), await rawServer()]
      const endpoints = servers.map(({ port }) => ({ host: HOST, port }))
      const { client } = openChannel({ endpoints })
      const first = client.send(call)
      const peer = await servers[0]!.accepted()
      await answer(peer, 1)
      await first
      await clock.advance(1000)
      servers[0]!.close()
      const lost = netError(client.send(call))
      await peer.nextOf(REQUEST)
      peer.net.socket.resetAndDestroy()
      expect(await lost).toMatchObject({ status: Status.UNAVAILABLE })
      const second = client.send(call)
      await answer(await servers[1]!.accepted(), 2)
      expect(await second).toEqual({ count: 2 })
    })

    it('goes on to the next when one drops its connections', async () => {
      using clock = new FakeClock()
      const servers = [await rawServer(), await rawServer()]
      const endpoints = servers.map(({ port }) => ({ host: HOST, port }))
      const { channel } = openChannel({ endpoints }, { lazy: false })
      const peer = await servers[0]!.accepted()
      await channel.waitForState('ready')
      peer.net.socket.destroy()
      await channel.waitForState('transientFailure')
      await clock.advance(100)
      await servers[1]!.accepted()
      expect(await channel.waitForState('ready')).toBe('ready')
    })

    it('goes back to the first behind a connection that has lasted', async () => {
      using clock = new FakeClock()
      const servers = [await rawServer(), await rawServer()]
      const endpoints = servers.map(({ port }) => ({ host: HOST, port }))
      const { channel } = openChannel({ endpoints }, { lazy: false })
      const peer = await servers[0]!.accepted()
      await channel.waitForState('ready')
      peer.net.socket.destroy()
      await channel.waitForState('transientFailure')
      await clock.advance(100)
      const other = await servers[1]!.accepted()
      await channel.waitForState('ready')
      await clock.advance(1000)
      other.net.socket.destroy()
      await servers[0]!.accepted()
      expect(await channel.waitForState('ready')).toBe('ready')
    })

    it('goes back to the first when all have failed', async () => {
      using clock = new FakeClock()
      const server = await rawServer()
      const { createConnection } = await import('../../lib/endpoints/connect.ts')
      const log: string[] = []
      const first: Dial = (factory, options) => {
        log.push('first')
        return log.length > 1 ? fails() : createConnection(factory, { host: HOST, port: server.port, ...options })
      }
      const second: Dial = () => {
        log.push('second')
        return fails()
      }
      const { channel } = openChannel({ endpoints: [{ dial: first }, { dial: second }] }, { lazy: false })
      const peer = await server.accepted()
      await channel.waitForState('ready')
      peer.net.socket.destroy()
      await channel.waitForState('transientFailure')
      await clock.advance(100)
      await clock.advance(200)
      expect(log).toEqual(['first', 'second', 'first', 'first', 'second'])
    })

    it('says what each has failed with last', async () => {
      const ports = [await nobody(), await nobody()]
      const { client } = openChannel({ endpoints: ports.map((port) => ({ host: HOST, port })) })
      expect(await netError(client.send(call))).toMatchObject({ peer: `${HOST}:${ports[1]}` })
    })

    it('passes on what holds for all', async () => {
      const server = await rawServer()
      const { client } = openChannel({ endpoints: [{ port: server.port }], localAddr: ['127.0.0.2', 0], family: 4 })
      const response = client.send(call)
      const peer = await server.accepted()
      expect(peer.net.socket.remoteAddress).toBe('127.0.0.2')
      await answer(peer, 1)
      await response
    })

    it('roundRobin: lets calls take turns among all that are ready', async () => {
      const servers = [await rawServer(), await rawServer(), await rawServer()]
      const endpoints = servers.map(({ port }) => ({ host: HOST, port }))
      const { client, channel } = openChannel({ endpoints }, { policy: 'roundRobin', lazy: false })
      const peers = await Promise.all(servers.map((server) => server.accepted()))
      await channel.ready()
      await netTurns()
      const serving = peers.map(async (peer, i) => {
        for (let n = 0; n < 3; n++) await answer(peer, i)
      })
      const counts: number[] = []
      for (let n = 0; n < 9; n++) counts.push((await client.send(call)).count)
      await Promise.all(serving)
      expect(counts.join('').slice(0, 3).split('').sort()).toEqual(['0', '1', '2'])
      expect(counts.join('')).toBe(counts.join('').slice(0, 3).repeat(3))
    })

    it('roundRobin: goes on with those that are left, and takes the other back', async () => {
      using clock = new FakeClock()
      const servers = [await rawServer(), await rawServer()]
      const endpoints = servers.map(({ port }) => ({ host: HOST, port }))
      const { client, channel, states } = openChannel({ endpoints }, { policy: 'roundRobin' })
      await channel.ready()
      const peers = await Promise.all(servers.map((server) => server.accepted()))
      await netTurns()
      peers[0]!.net.socket.resetAndDestroy()
      await netTurns(20)
      const calls = [client.send(call), client.send(call)]
      await answer(peers[1]!, 1)
      await answer(peers[1]!, 1)
      await Promise.all(calls)
      await clock.advance(100)
      const back = await servers[0]!.accepted()
      await netTurns(20)
      const both = [client.send(call), client.send(call)]
      await answer(peers[1]!, 1)
      await answer(back, 0)
      expect((await Promise.all(both)).reduce((sum, { count }) => sum + count, 0)).toBe(1)
      expect(states).toEqual(['connecting', 'ready'])
    })

    it('roundRobin: is idle when the last is lost, if it is lazy', async () => {
      const server = await rawServer()
      const { channel, states } = openChannel(
        { endpoints: [{ host: HOST, port: server.port }] },
        { policy: 'roundRobin', stableMs: 0 },
      )
      await channel.ready()
      const peer = await server.accepted()
      peer.net.socket.end()
      await channel.waitForState(['idle', 'connecting'])
      expect(states).toEqual(['connecting', 'ready', 'idle'])
    })

    it('roundRobin: tries one that rests, while another waits for its next attempt', async () => {
      using clock = new FakeClock()
      const [down, server] = [await nobody(), await rawServer()]
      const endpoints = [down, server.port].map((port) => ({ host: HOST, port }))
      const { client, channel, states } = openChannel({ endpoints }, { policy: 'roundRobin' })
      await channel.ready()
      const peer = await server.accepted()
      await clock.advance(1000)
      peer.net.socket.end()
      await channel.waitForState('idle')
      const response = client.send(call)
      await answer(await server.accepted(), 2)
      expect(await response).toEqual({ count: 2 })
      expect(states).toEqual(['connecting', 'ready', 'idle', 'connecting', 'ready'])
    })

    it('roundRobin: fails when all have failed', async () => {
      using clock = new FakeClock()
      const ports = [await nobody(), await nobody()]
      const endpoints = ports.map((port) => ({ host: HOST, port }))
      const { client, channel, states } = openChannel({ endpoints }, { policy: 'roundRobin' })
      expect(await netError(client.send(call))).toMatchObject({ status: Status.UNAVAILABLE })
      expect(states).toEqual(['connecting', 'transientFailure'])
      await clock.advance(100)
      expect(channel.state).toBe('idle')
    })
  })

  describe('a server that goes away', () => {
    it('finishes its calls on the old connection, while others go to a new one', async () => {
      const server = await rawServer()
      const { client } = openChannel({ host: HOST, port: server.port }, { stableMs: 0 })
      const first = client.send(call)
      const peer = await server.accepted()
      await hello(peer, 1)
      await first
      const stream = client.watch({ room: 'a' })
      const watching = stream.next()
      const { id } = await peer.nextOf(REQUEST)
      peer.send(rawFrame(id, DATA, 0, line('before')))
      expect((await watching).value).toMatchObject({ text: 'before' })
      const more = stream.next()
      peer.send(rawFrame(0, GOAWAY, 0, Buffer.concat([uint32(id), Buffer.from('restart')])))
      await netTurns(20)
      const response = client.send(call)
      await answer(await server.accepted(), 2)
      expect(await response).toEqual({ count: 2 })
      peer.send(rawFrame(id, DATA, 0, line('after')), rawFrame(id, DATA, REMOTE_CLOSED | NO_DATA))
      expect((await more).value).toMatchObject({ text: 'after' })
      expect(await stream.next()).toEqual({ done: true, value: undefined })
      await peer.untilEnded()
    })

    it('carries over the calls that it has not handled, whatever their method', async () => {
      const server = await rawServer()
      const { client } = openChannel({ host: HOST, port: server.port })
      const first = client.send(call)
      const peer = await server.accepted()
      await hello(peer, 1)
      await first
      const handled = client.send({ text: 'handled' })
      const unseen = client.send({ text: 'unseen' })
      const { id } = await peer.nextOf(REQUEST)
      await peer.nextOf(REQUEST)
      peer.send(rawFrame(0, GOAWAY, 0, Buffer.concat([uint32(id), Buffer.from('restart')])))
      peer.respond(id, sent(2))
      expect(await handled).toEqual({ count: 2 })
      const request = await answer(await server.accepted(), 3)
      expect(Line.decode(requestOf(request).payload)).toMatchObject({ text: 'unseen' })
      expect(await unseen).toEqual({ count: 3 })
    })

    it('fails the calls that it may have handled', async () => {
      const server = await rawServer()
      const { client } = openChannel({ host: HOST, port: server.port })
      const response = client.send(call)
      const peer = await server.accepted()
      await peer.nextOf(REQUEST)
      peer.net.socket.end()
      const error = await netError<RpcError>(response)
      expect(error).toMatchObject({ status: Status.UNAVAILABLE, path: 'chat.v1.Chat/Send' })
      expect(error.message).toContain('the server has ended the connection')
    })
  })

  describe('at rest', () => {
    it('closes its connection when there was no call for some time', async () => {
      using clock = new FakeClock()
      const server = await rawServer()
      const { client, channel, states } = openChannel({ host: HOST, port: server.port }, { idleTimeoutMs: 1000 })
      const first = client.send(call)
      const peer = await server.accepted()
      await answer(peer, 1)
      await first
      await clock.advance(600)
      const second = client.send(call)
      await peer.nextOf(REQUEST)
      await clock.advance(5000)
      expect(channel.state).toBe('ready')
      peer.respond(3, sent(2))
      await second
      await clock.advance(999)
      expect(channel.state).toBe('ready')
      await clock.advance(1)
      expect(channel.state).toBe('idle')
      await peer.untilEnded()
      expect(clock.pending).toBe(0)
      const third = client.send(call)
      await answer(await server.accepted(), 3)
      expect(await third).toEqual({ count: 3 })
      expect(states).toEqual(['connecting', 'ready', 'idle', 'connecting', 'ready'])
    })

    it('counts from the last call', async () => {
      using clock = new FakeClock()
      const server = await rawServer()
      const { client, channel } = openChannel({ host: HOST, port: server.port }, { idleTimeoutMs: 1000 })
      await channel.ready()
      await clock.advance(600)
      const response = client.send(call)
      await answer(await server.accepted(), 1)
      await response
      await clock.advance(999)
      expect(channel.state).toBe('ready')
      await clock.advance(1)
      expect(channel.state).toBe('idle')
    })

    it('does not end an attempt that is waited for, nor a connection that is young', async () => {
      using clock = new FakeClock()
      const server = await rawServer()
      let connect = (): void => {}
      const { createConnection } = await import('../../lib/endpoints/connect.ts')
      const { channel } = openChannel(
        {
          dial: (factory, options) =>
            new Promise((resolve, reject) => {
              options.signal.onabort = reject
              connect = () =>
                void createConnection(factory, { host: HOST, port: server.port, ...options }).then(resolve, reject)
            }),
        },
        { idleTimeoutMs: 2000 },
      )
      const first = channel.ready()
      connect()
      await first
      const peer = await server.accepted()
      await clock.advance(1500)
      peer.net.socket.end()
      await channel.waitForState('idle')
      const second = channel.ready()
      await clock.advance(1000)
      connect()
      await second
      expect(channel.state).toBe('ready')
      ;(await server.accepted()).net.socket.end()
      await channel.waitForState('idle')
      await clock.advance(500)
      const third = channel.ready()
      connect()
      await third
      await clock.advance(1999)
      expect(channel.state).toBe('ready')
      await clock.advance(1)
      expect(channel.state).toBe('idle')
    })

    it('closes a connection that nobody has used', async () => {
      using clock = new FakeClock()
      const server = await rawServer()
      const { channel } = openChannel({ host: HOST, port: server.port }, { idleTimeoutMs: 1000 })
      await channel.ready()
      const peer = await server.accepted()
      await clock.advance(1000)
      expect(channel.state).toBe('idle')
      await peer.untilEnded()
    })

    it('keeps no process alive, whatever is open', async () => {
      const server = await rawServer()
      const client = program(`
        const channel = new Channel({ host: '127.0.0.1', port: ${server.port} }, { lazy: false, idleTimeoutMs: 60_000 })
        const client = makeClient(Chat, channel)
        const { count } = await client.send({ text: 'hello' }, { timeoutMs: 60_000 })
        console.log(count, channel.state)
        await client.send({ text: 'x'.repeat(5_000_000) }).catch(({ status }) => console.log(status))`)
      await hello(await server.accepted(), 7)
      expect(await client.ended).toEqual({ code: 0, stdout: '7 ready\n8\n', stderr: '' })
    })

    it.each([
      ['ready()', 'channel.ready({ waitForReady: true, signal })'],
      ['a call', 'makeClient(Chat, channel).send({}, { waitForReady: true, signal })'],
    ])('keeps no process alive between attempts to connect, once %s was given up', async (_what, waiting) => {
      const client = program(`
        const backoff = { initialDelayMs: 20_000 }
        const channel = new Channel({ host: '127.0.0.1', port: ${await nobody()} }, { lazy: false, backoff })
        await channel.waitForState('transientFailure')
        const signal = AbortSignal.timeout(1)
        await ${waiting}.catch(() => console.log('left'))
        process.on('exit', () => console.log(channel.state))`)
      expect(await client.ended).toEqual({ code: 0, stdout: 'left\ntransientFailure\n', stderr: '' })
    })

    it('keeps the process alive for calls that are under way, or wait', async () => {
      const server = await rawServer()
      const client = program(`
        const channel = new Channel(
          { host: '127.0.0.1', port: ${await nobody()} },
          { backoff: { initialDelayMs: 50, factor: 1, jitter: 0 }, onStateChange: () => ++changes },
        )
        let changes = 0
        const waiting = makeClient(Chat, channel).send({ text: 'hello' }, { waitForReady: true })
        const other = makeClient(Chat, new Channel({ host: '127.0.0.1', port: ${server.port} }))
        const started = performance.now()
        for await (const { text } of other.watch({ room: 'a' })) console.log(text)
        const controller = setInterval(() => {
          if (changes < 6) return
          clearInterval(controller)
          channel.abort()
        }, 10)
        controller.unref()
        await waiting.catch(({ status }) => console.log(status))`)
      const peer = await server.accepted()
      const { id } = await peer.nextOf(REQUEST)
      peer.send(rawFrame(id, DATA, 0, line('one')))
      expect(await client.line()).toBe('one')
      peer.send(rawFrame(id, DATA, 0, line('two')), rawFrame(id, DATA, REMOTE_CLOSED | NO_DATA))
      expect(await client.ended).toEqual({ code: 0, stdout: 'one\ntwo\n14\n', stderr: '' })
    })

    it('keeps the process alive if it is told to, until it is told otherwise', async () => {
      const server = await rawServer()
      const client = program(`
        const channel = new Channel({ host: '127.0.0.1', port: ${server.port} }, { keepProcessAlive: true })
        await channel.ready()
        process.on('SIGUSR2', () => channel.unref())
        console.log('ready')
        process.once('beforeExit', () => console.log(channel.state))`)
      const peer = await server.accepted()
      await client.line()
      client.signal('SIGUSR2')
      expect(await client.ended).toMatchObject({ code: 0, stdout: 'ready\nready\n' })
      await peer.untilEnded()
    })

    it('leaves no timers and no sockets behind', async () => {
      const server = await rawServer()
      const leftovers = new Leftovers()
      const { client, channel } = openChannel({ host: HOST, port: server.port })
      const response = client.send(call, { timeoutMs: 60_000 })
      const peer = await server.accepted()
      await hello(peer, 1)
      await response
      await channel.close()
      peer.net.socket.destroy()
      await expect(leftovers.gone()).resolves.toBeUndefined()
    })
  })

  describe('the end', () => {
    it('close() lets calls end, those included that wait, and takes no others', async () => {
      const server = await rawServer()
      const { client, channel, states } = openChannel({ host: HOST, port: server.port })
      const waiting = client.send(call)
      const closed = channel.close()
      expect(channel.state).toBe('shutdown')
      const refused = await netError<RpcError>(client.send(call))
      expect(refused).toMatchObject({ status: Status.UNAVAILABLE, path: 'chat.v1.Chat/Send' })
      expect(refused.message).toMatch(/the channel is closed/)
      expect(() => channel.connect()).toThrow(/closed/)
      expect(await netError(channel.ready())).toMatchObject({ status: Status.UNAVAILABLE })
      const peer = await server.accepted()
      await answer(peer, 1)
      expect(await waiting).toEqual({ count: 1 })
      await closed
      await peer.untilEnded()
      expect(states).toEqual(['connecting', 'shutdown'])
      await channel.close()
      await channel[Symbol.asyncDispose]()
    })

    it('close() ends the connection behind the last call', async () => {
      const server = await rawServer()
      const { client, channel } = openChannel({ host: HOST, port: server.port })
      const stream = client.watch({ room: 'a' })
      const first = stream.next()
      const peer = await server.accepted()
      const { id } = await peer.nextOf(REQUEST)
      let done = false
      const closed = channel.close().then(() => (done = true))
      peer.send(rawFrame(id, DATA, 0, line('one')))
      expect((await first).value).toMatchObject({ text: 'one' })
      await netTurns(20)
      expect([done, peer.net.ended]).toEqual([false, false])
      peer.send(rawFrame(id, DATA, REMOTE_CLOSED | NO_DATA))
      expect(await stream.next()).toMatchObject({ done: true })
      await closed
      await peer.untilEnded()
    })

    it('close({ graceMs }) aborts what has not ended by then', async () => {
      using clock = new FakeClock()
      const server = await rawServer()
      const { client, channel } = openChannel({ host: HOST, port: server.port })
      const response = netError(client.send(call))
      const peer = await server.accepted()
      await peer.nextOf(REQUEST)
      const closed = channel.close({ graceMs: 1000 })
      await clock.advance(999)
      expect(channel.activeCalls).toBe(1)
      await clock.advance(1)
      expect(await response).toMatchObject({ status: Status.UNAVAILABLE })
      await closed
      expect(clock.pending).toBe(0)
      expect(await netError(channel.close({ graceMs: -1 }))).toBeInstanceOf(RangeError)
    })

    it('close({ graceMs }) goes by the earliest of several, and leaves nothing to the scope that it is called in', async () => {
      using clock = new FakeClock()
      const server = await rawServer()
      const { client, channel } = openChannel({ host: HOST, port: server.port })
      const response = netError(client.send(call))
      await (await server.accepted()).nextOf(REQUEST)
      const controller = new AbortController()
      setAmbience(ambient(signalScope(controller.signal)))
      const left = netError(channel.close({ graceMs: 1000 }))
      const reason = new Error('the scope has ended')
      controller.abort(reason)
      setAmbience(null)
      expect(await left).toBe(reason)
      const closed = [channel.close({ graceMs: 500 }), channel.close({ graceMs: 5000 })]
      await clock.advance(499)
      expect(channel.activeCalls).toBe(1)
      await clock.advance(1)
      expect(await response).toMatchObject({ status: Status.UNAVAILABLE })
      await Promise.all(closed)
      expect(clock.pending).toBe(0)
    })

    it('close() can be left, and goes on', async () => {
      const server = await rawServer()
      const { client, channel } = openChannel({ host: HOST, port: server.port })
      const response = client.send(call)
      const peer = await server.accepted()
      const reason = new Error('enough')
      const controller = new AbortController()
      const closed = netError(channel.close({ signal: controller.signal }))
      controller.abort(reason)
      expect(await closed).toBe(reason)
      await answer(peer, 1)
      await response
      await channel.close()
    })

    it('abort() fails all calls, waiting or not, and ends all waits', async () => {
      const server = await rawServer()
      const { client, channel } = openChannel({ host: HOST, port: server.port })
      const first = client.send(call)
      const peer = await server.accepted()
      await peer.nextOf(REQUEST)
      const changed = channel.waitForState('connecting')
      const cause = new Error('the program ends')
      channel.abort(cause)
      const error = await netError<RpcError>(first)
      expect(error).toMatchObject({ status: Status.UNAVAILABLE })
      expect(error.message).toContain('the channel was aborted')
      expect(await netError(changed)).toMatchObject({ status: Status.UNAVAILABLE })
      await peer.untilEnded()
      await channel.close()
    })

    it('a request that cannot be encoded fails alone, and leaves the connection at rest', async () => {
      using clock = new FakeClock()
      const server = await rawServer()
      const { client, channel } = openChannel({ host: HOST, port: server.port }, { idleTimeoutMs: 1000 })
      await channel.ready()
      const text = 'x'.repeat(5_000_000)
      expect(await netError(client.send({ text }))).toMatchObject({ status: Status.RESOURCE_EXHAUSTED })
      expect([channel.activeCalls, channel.state]).toEqual([0, 'ready'])
      await clock.advance(1000)
      expect(channel.state).toBe('idle')
    })

    it('a listener may close the channel, and make calls, from inside', async () => {
      let dialled = 0
      const dial = () => (dialled++, fails())
      const aborting = new Channel({ dial }, { onStateChange: (_, channel) => channel.abort() })
      const failed = netError(makeClient(ReflectedChat, aborting).send(call))
      expect(await failed).toMatchObject({ status: Status.UNAVAILABLE })
      await aborting.close()
      expect(dialled).toBe(0)

      const server = await rawServer()
      const responses: Promise<unknown>[] = []
      const busy = new Channel(
        { host: HOST, port: server.port },
        {
          onStateChange: (state, channel) => {
            responses.push(makeClient(ReflectedChat, channel).send(call))
            if (state === 'ready') void channel.close()
          },
        },
      )
      netDefer(() => busy.abort())
      responses.push(makeClient(ReflectedChat, busy).send(call))
      const peer = await server.accepted()
      for (let i = 0; i < 3; i++) await answer(peer, i)
      const outcomes = await Promise.allSettled(responses)
      // That of 'shutdown' came too late.
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected'])
      await busy.close()
      await peer.untilEnded()
    })

    it('a connection that comes when nobody wants it any more is closed', async () => {
      const server = await rawServer()
      const { createConnection } = await import('../../lib/endpoints/connect.ts')
      let connect = (): void => {}
      const { channel, states } = openChannel({
        dial: (factory) =>
          new Promise((resolve, reject) => {
            connect = () => void createConnection(factory, { host: HOST, port: server.port }).then(resolve, reject)
          }),
      })
      channel.connect()
      await channel.close()
      connect()
      await (await server.accepted()).untilEnded()
      expect(states).toEqual(['connecting', 'shutdown'])
    })

    it('a listener that throws is reported, and changes nothing', async () => {
      const errors: unknown[] = []
      const server = await rawServer()
      const channel = new Channel(
        { host: HOST, port: server.port },
        {
          onStateChange: (state) => {
            throw new Error(state)
          },
          onConnectionError: (error) => errors.push(error),
        },
      )
      await channel.ready()
      await channel.close()
      expect(errors.map((error) => (error as Error).message)).toEqual(['connecting', 'ready', 'shutdown'])
    })
  })
})
