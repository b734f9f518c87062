import * as net from 'node:net'
import { createConnection } from '../../lib/endpoints/connect.ts'
import {
  ReconnectingClient,
  type ReconnectingAttempt,
  type ReconnectingOptions,
} from '../../lib/endpoints/reconnectingClient.ts'
import { CancelledError, ConnectError, ConnectionLostError, InvalidStateError, TimeoutError } from '../../lib/errors.ts'
import type { StreamReader } from '../../lib/streams/streamReader.ts'
import type { StreamWriter } from '../../lib/streams/streamWriter.ts'
import { openConnection } from '../../lib/streams/open.ts'
import type { Transport } from '../../lib/transport.ts'
import {
  netDefer,
  netError,
  netListen,
  type NetPeer,
  netProgram,
  netPromise,
  NetRecorder,
  netTurns,
  NetWatched,
} from '../support/netTools.ts'
import { ca, certified } from '../support/tlsFixtures.ts'

const HOST = '127.0.0.1'
/** Waits that a test can wait for. */
const quick = { initialDelayMs: 1, factor: 2, maxDelayMs: 8, jitter: 0 }

type Pair = readonly [StreamReader, StreamWriter]

/** A client to a server that lives, and what it went through. */
async function setUp(options: Partial<ReconnectingOptions<Pair>> = {}) {
  const { address, accepted, listener } = await netListen()
  const { port } = address as { port: number }
  const states: string[] = []
  const watched = new NetWatched()
  const client: ReconnectingClient<Pair> = new ReconnectingClient<Pair>(
    (attempt) => openConnection({ host: HOST, port, ...attempt }),
    {
      ...quick,
      ...options,
      onStateChange: (state, each) => {
        states.push(state === 'waiting' ? `waiting ${each.delayMs}` : state)
        watched.changed()
      },
    },
  )
  netDefer(() => client.close())
  const reached = (state: string): Promise<void> => watched.until(() => client.state === state)
  return { client, port, accepted, listener, states, reached, watched }
}

/** A port on which nobody listens. */
async function nobody(): Promise<number> {
  const listener = net.createServer()
  await new Promise<void>((resolve) => listener.listen(0, HOST, resolve))
  const { port } = listener.address() as net.AddressInfo
  await new Promise((resolve) => listener.close(resolve))
  return port
}

describe('ReconnectingClient (C12)', () => {
  it('gives each connection once, the next when the last is lost', async () => {
    const { client, accepted, states } = await setUp()
    expect([client.state, client.attempt, client.connection]).toEqual(['idle', 0, undefined])
    const texts: string[] = []
    const seen = new Set<unknown>()
    const serving = (async () => {
      for (const text of ['one', 'two', 'three']) (await accepted()).socket.end(text)
    })()
    for await (const [reader, writer] of client) {
      seen.add(writer)
      texts.push(String(await reader.read()))
      writer.close()
      if (texts.length === 3) client.close()
    }
    await serving
    expect(texts).toEqual(['one', 'two', 'three'])
    expect(seen.size).toBe(3)
    expect(states).toEqual([
      'connecting',
      'connected',
      'waiting 1',
      'connecting',
      'connected',
      'waiting 2',
      'connecting',
      'connected',
      'closed',
    ])
  })

  it('waits longer after each failure, and tells how long, until when and why', async () => {
    const port = await nobody()
    const seen: unknown[] = []
    const client = new ReconnectingClient((attempt) => openConnection({ host: HOST, port, ...attempt }), {
      ...quick,
      maxRetries: 5,
      onStateChange: (state, each) => {
        if (state !== 'waiting') return
        const inTime = each.retryAt! - Date.now() <= each.delayMs!
        seen.push([each.attempt, each.delayMs, each.lastError instanceof ConnectError, inTime])
      },
    })
    const error = await netError(client.connected())
    expect(error).toBeInstanceOf(ConnectError)
    expect(seen).toEqual([1, 2, 3, 4, 5].map((n) => [n, Math.min(8, 2 ** (n - 1)), true, true]))
    expect([client.state, client.attempt, client.delayMs, client.retryAt]).toEqual(['closed', 6, undefined, undefined])
    expect(client.lastError).toBe(error)
    expect(await netError(client.connected())).toBe(error)
    expect(await netError(client[Symbol.asyncIterator]().next())).toBe(error)
    await client.waitClosed()
  })

  it('begins anew only after a connection that was stable', async () => {
    const short = await setUp()
    for (let i = 0; i < 3; i++) {
      await short.client.connected()
      ;(await short.accepted()).socket.resetAndDestroy()
      await short.reached('waiting')
    }
    expect([short.client.delayMs, short.client.attempt]).toEqual([4, 3])
    const long = await setUp({ stableMs: 0 })
    for (let i = 0; i < 3; i++) {
      await long.client.connected()
      ;(await long.accepted()).socket.resetAndDestroy()
      await long.reached('waiting')
      expect([long.client.delayMs, long.client.attempt]).toEqual([1, 0])
    }
  })

  it('works with protocols; a loss is known by its reason', async () => {
    const { address, accepted } = await netListen()
    const { port } = address as { port: number }
    const connect = (attempt: ReconnectingAttempt) => createConnection(NetRecorder, { host: HOST, port, ...attempt })
    const client = new ReconnectingClient<[Transport, NetRecorder]>(connect, quick)
    netDefer(() => client.close())
    const [transport, protocol] = await client.connected()
    expect(protocol.transport).toBe(transport)
    expect(client.connection).toEqual([transport, protocol])
    const peer = await accepted()
    peer.socket.resetAndDestroy()
    await protocol.untilEvent('lost')
    const [second] = await client.connected()
    expect(second).not.toBe(transport)
    expect(client.lastError).toBeInstanceOf(ConnectionLostError)
    expect(client.lastError).toBe(protocol.lostWith)
    client.close()
    expect(second.isClosing()).toBe(true)
  })

  it('a connection that goes over to TLS is not lost by that', async () => {
    const { startServer } = await import('../../lib/streams/open.ts')
    const server = await startServer(
      async (reader, writer) => {
        await writer.startTls({ tls: certified('localhost') })
        writer.write(await reader.readLine())
        await reader.read()
        writer.close()
      },
      { host: HOST },
    )
    netDefer(() => server.close())
    const { port } = server.sockets[0]!
    const states: string[] = []
    const client = new ReconnectingClient(
      async (attempt) => {
        const streams = await openConnection({ host: HOST, port, ...attempt })
        await streams.writer.startTls({ tls: { ca }, serverHostname: 'localhost' })
        return streams
      },
      { ...quick, onStateChange: (state) => states.push(state) },
    )
    const [reader, writer] = await client.connected()
    writer.write('secret\n')
    expect(String(await reader.readLine())).toBe('secret\n')
    expect(states).toEqual(['connecting', 'connected'])
    client.close()
    await client.waitClosed()
    expect(states).toEqual(['connecting', 'connected', 'closed'])
  })

  it('an attempt whose connection is lost before it is done has failed', async () => {
    const { address, accepted } = await netListen()
    const { port } = address as { port: number }
    const states: string[] = []
    const client = new ReconnectingClient(
      async (attempt) => {
        const streams = await openConnection({ host: HOST, port, ...attempt })
        await streams.writer.disconnected
        streams.writer.close()
        await streams.writer.waitClosed()
        return streams
      },
      { ...quick, maxRetries: 0, onStateChange: (state) => states.push(state) },
    )
    const connecting = netError(client.connected())
    ;(await accepted()).socket.end()
    expect((await connecting).message).toMatch('there are no retries left')
    expect(states).toEqual(['connecting', 'closed'])
  })

  describe('start', () => {
    it('begins, once; and ends a wait early', async () => {
      const { client, accepted, reached } = await setUp({ initialDelayMs: 1e6, maxDelayMs: 1e6 })
      client.start()
      client.start()
      const peer = await accepted()
      await reached('connected')
      client.start()
      expect(client.attempt).toBe(1)
      peer.socket.resetAndDestroy()
      await reached('waiting')
      client.start()
      expect(client.delayMs).toBeUndefined()
      await reached('connected')
      expect(client.attempt).toBe(2)
    })

    it('throws when closed', () => {
      const client = new ReconnectingClient<Pair>(() => Promise.reject(new Error('no')))
      client.close()
      expect(() => client.start()).toThrow(InvalidStateError)
    })
  })

  describe('connected', () => {
    it('may be cancelled, which changes nothing', async () => {
      const { client, accepted, reached } = await setUp({ initialDelayMs: 1e6, maxDelayMs: 1e6 })
      client.start()
      const peer = await accepted()
      await reached('connected')
      peer.socket.resetAndDestroy()
      await reached('waiting')
      const controller = new AbortController()
      const [one, two] = [client.connected({ signal: controller.signal }), client.connected({ timeoutMs: 1 })]
      controller.abort(new Error('enough'))
      expect((await netError(one)).message).toBe('enough')
      const late = await netError(two)
      expect(late).toBeInstanceOf(TimeoutError)
      expect(late.message).toMatch('connected (attempt 1, waiting)')
      const three = client.connected()
      client.start()
      expect(await three).toBe(client.connection)
    })
  })

  describe('close', () => {
    it('ends an attempt at once, through its signal', async () => {
      const reasons: unknown[] = []
      const begun = netPromise()
      const client = new ReconnectingClient<Pair>(
        ({ signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener('abort', () => {
              reasons.push(signal.reason)
              reject(signal.reason as Error)
            })
            begun.resolve()
          }),
      )
      const connecting = netError(client.connected())
      await begun.promise
      client.close()
      client.close()
      expect(await connecting).toBeInstanceOf(CancelledError)
      expect(reasons).toHaveLength(1)
      await client.waitClosed()
      await netTurns()
      expect(client.state).toBe('closed')
    })

    it('closes what a function that heeds no signal comes back with', async () => {
      const { address, accepted } = await netListen()
      const { port } = address as { port: number }
      const client = new ReconnectingClient<Pair>(() => openConnection({ host: HOST, port }))
      client.start()
      client.close()
      const peer = await accepted()
      await peer.until(() => peer.ended)
      expect(client.state).toBe('closed')
    })

    it('ends a wait at once; iteration ends', async () => {
      const { client, accepted, reached } = await setUp({ initialDelayMs: 1e6, maxDelayMs: 1e6 })
      const iterator = client[Symbol.asyncIterator]()
      await iterator.next()
      ;(await accepted()).socket.resetAndDestroy()
      await reached('waiting')
      const next = iterator.next()
      client.close()
      expect(await next).toEqual({ done: true, value: undefined })
      expect(await iterator.next()).toEqual({ done: true, value: undefined })
    })

    it('closes the connection, after what was written; waitClosed waits for that', async () => {
      const { client, accepted } = await setUp()
      let peer: NetPeer
      {
        await using disposed = client
        const [, writer] = await disposed.connected()
        peer = await accepted()
        writer.write('last words')
      }
      await peer.until(() => peer.ended)
      expect(peer.text).toBe('last words')
      expect([client.state, client.connection]).toEqual(['closed', undefined])
    })

    it('from inside the callback is the end', async () => {
      let called = 0
      const client: ReconnectingClient<Pair> = new ReconnectingClient<Pair>(
        () => {
          called++
          return Promise.reject(new Error('no'))
        },
        { onStateChange: (state) => state === 'connecting' && client.close() },
      )
      expect(await netError(client.connected())).toBeInstanceOf(CancelledError)
      await netTurns()
      expect(called).toBe(0)
    })
  })

  it('a wait keeps no process alive, unless it is told to', async () => {
    const source = (options: string): string => `
      import { ReconnectingClient } from 'millrace'
      let calls = 0
      const client = new ReconnectingClient(() => {
        if (++calls === 2) process.exit(7)
        return Promise.reject(new Error('no'))
      }, { initialDelayMs: 50, jitter: 0, ${options} })
      client.start()
    `
    expect((await netProgram(source('')).ended).code).toBe(0)
    expect((await netProgram(source('keepProcessAlive: true')).ended).code).toBe(7)
  })

  it('refuses times that make no sense', () => {
    const make = (options: object) => () => new ReconnectingClient<Pair>(() => Promise.reject(new Error('no')), options)
    expect(make({ stableMs: -1 })).toThrow(RangeError)
    expect(make({ initialDelayMs: -1 })).toThrow(RangeError)
  })
})
