import * as net from 'node:net'
import { clock as libClock } from '../../lib/clock.ts'
import { chooseProtocol } from '../../lib/endpoints/chooseProtocol.ts'
import { createConnection } from '../../lib/endpoints/connect.ts'
import { ConnectionLostError, InvalidStateError, TimeoutError } from '../../lib/errors.ts'
import type { Transport } from '../../lib/transport.ts'
import { ReconnectingClient } from '../../lib/endpoints/reconnectingClient.ts'
import { openConnection, startServer } from '../../lib/streams/open.ts'
import { runProcess } from '../../lib/structured/runProcess.ts'
import type { AnyProtocol } from '../../lib/protocol.ts'
import { idleEvents } from '../../lib/layers/idleEvents.ts'
import { FakeClock } from '../../lib/testing/fakeClock.ts'
import { memoryPair, memoryStreams } from '../../lib/testing/memoryPair.ts'
import {
  netClogged,
  netDial,
  netListen,
  netPromise,
  NetRecorder,
  netRoundTrip,
  netServe,
  netStop,
  netTurns,
} from '../support/netTools.ts'
import { ca, certified } from '../support/tlsFixtures.ts'

const HOST = '127.0.0.1'
/** Nobody waits so long. */
const HOUR = 3_600_000

describe('FakeClock', () => {
  it('runs timers in the order in which they come due, and shows each its time', async () => {
    using clock = new FakeClock()
    const order: [string, number][] = []
    const note = (name: string) => (): void => void order.push([name, clock.now])
    libClock.setTimeout(note('late'), 300)
    libClock.setTimeout(note('first'), 100)
    libClock.setTimeout(note('second'), 100)
    libClock.clearTimeout(libClock.setTimeout(note('cleared'), 50))
    expect([clock.now, clock.pending]).toEqual([0, 3])
    await clock.advance(99)
    expect(order).toEqual([])
    await clock.advance(1)
    expect(order).toEqual([
      ['first', 100],
      ['second', 100],
    ])
    await clock.advance(1000)
    expect(order.at(-1)).toEqual(['late', 300])
    expect([clock.now, clock.pending]).toEqual([1100, 0])
  })

  it('runs timers that are set meanwhile, also by what awaits another', async () => {
    using clock = new FakeClock()
    const seen: number[] = []
    const sleep = (ms: number): Promise<void> => new Promise((resolve) => libClock.setTimeout(resolve, ms))
    const loop = (async () => {
      for (let i = 0; i < 3; i++) {
        await sleep(100)
        await new Promise((resolve) => setImmediate(resolve))
        seen.push(clock.now)
      }
    })()
    await clock.advance(1000)
    expect(seen).toEqual([100, 200, 300])
    await loop
  })

  it('waits for an answer that takes many turns, before it runs the next timer', async () => {
    using clock = new FakeClock()
    const [client, server] = memoryStreams({}, { chunkSize: 1 })
    libClock.setTimeout(() => server.writer.write(`${'x'.repeat(200)}\n`), 100)
    const read = client.reader.readLine({ timeoutMs: 101 })
    await clock.advance(200)
    expect(await read).toHaveLength(201)
  })

  it('does not wait for ever for what never rests', async () => {
    using clock = new FakeClock()
    let over = false
    const restless = (): void => void (over || setImmediate(restless))
    restless()
    await clock.advance(1)
    over = true
    expect(clock.now).toBe(1)
  })

  it('counts from where the real clock was, so that no time goes backwards', async () => {
    const before = libClock.now()
    using clock = new FakeClock()
    const start = libClock.now()
    expect(start).toBeGreaterThanOrEqual(before)
    await clock.advance(5)
    expect(libClock.now() - start).toBe(5)
  })

  it('a time of 0 is no loop without end', async () => {
    using clock = new FakeClock()
    let runs = 0
    const again = (): void => {
      runs++
      libClock.setTimeout(again, 0)
    }
    again()
    await clock.advance(10)
    expect(runs).toBe(11)
  })

  it('is the only one, and gives its place back', async () => {
    const clock = new FakeClock()
    expect(() => new FakeClock()).toThrow(InvalidStateError)
    expect(() => new FakeClock()).toThrow('there is a FakeClock in place already')
    let ran = false
    libClock.setTimeout(() => (ran = true), 1)
    await clock.advance(1)
    expect(ran).toBe(true)
    clock[Symbol.dispose]()
    clock[Symbol.dispose]()
    await expect(clock.advance(1)).rejects.toThrow(InvalidStateError)
    using next = new FakeClock()
    clock[Symbol.dispose]()
    expect(() => new FakeClock()).toThrow(InvalidStateError)
    expect(next.now).toBe(0)
  })

  it('governs both builds of the package, which have one place for it', () => {
    using _clock = new FakeClock()
    jest.isolateModules(() => {
      // oxlint-disable-next-line typescript/no-require-imports
      const other = require('../../lib/testing/fakeClock.ts') as typeof import('../../lib/testing/fakeClock.ts')
      expect(other.FakeClock).not.toBe(FakeClock)
      expect(() => new other.FakeClock()).toThrow('there is a FakeClock in place already')
    })
  })

  it.each([-1, NaN, Infinity])('is not advanced by %p', async (ms) => {
    using clock = new FakeClock()
    await expect(clock.advance(ms)).rejects.toThrow(RangeError)
  })

  it('is advanced by one at a time, and goes on after a timer that throws', async () => {
    using clock = new FakeClock()
    const first = clock.advance(1)
    await expect(clock.advance(1)).rejects.toThrow(InvalidStateError)
    await first
    libClock.setTimeout(() => {
      throw new Error('in a timer')
    }, 1)
    await expect(clock.advance(1)).rejects.toThrow('in a timer')
    await clock.advance(1)
    expect(clock.now).toBe(3)
  })

  describe('in place', () => {
    /** Every option of the library that is a time: how it is set, and what comes of it. `advance` lets it run out. */
    const options: Record<string, (advance: () => Promise<void>) => Promise<void>> = {
      async 'timeoutMs of a read'(advance) {
        const [client] = memoryStreams()
        const read = client.reader.readLine({ timeoutMs: HOUR })
        await advance()
        await expect(read).rejects.toThrow(TimeoutError)
      },
      async 'timeoutMs of drain and flush'(advance) {
        const [client, server] = memoryStreams()
        server.reader.setReadBufferLimits({ high: 0 })
        client.writer.write(Buffer.alloc(1024 * 1024))
        const waits = [client.writer.drain({ timeoutMs: HOUR }), client.writer.flush({ timeoutMs: HOUR })]
        await advance()
        for (const wait of waits) await expect(wait).rejects.toThrow(TimeoutError)
      },
      async 'timeoutMs of waitClosed, accept and serveForever'(advance) {
        const [client] = memoryStreams()
        const server = await startServer({ host: HOST })
        netStop(server)
        const waits = [
          client.writer.waitClosed({ timeoutMs: HOUR }),
          server.waitClosed({ timeoutMs: HOUR }),
          server.accept({ timeoutMs: HOUR }),
          server.serveForever({ timeoutMs: HOUR }),
        ]
        await advance()
        for (const wait of waits) await expect(wait).rejects.toThrow(TimeoutError)
      },
      async 'idleTimeoutMs of a read'(advance) {
        const [client] = memoryStreams()
        const read = client.reader.readLine({ idleTimeoutMs: HOUR })
        await advance()
        await expect(read).rejects.toThrow(`had no further byte for ${HOUR} ms`)
      },
      async 'minRate and its graceMs'(advance) {
        const [client, server] = memoryStreams()
        const read = client.reader.readLine({ minRate: { bytesPerSecond: 100, graceMs: HOUR } })
        server.writer.write('slow')
        await advance()
        await expect(read).rejects.toThrow(`got 4 bytes in ${HOUR} ms, below 100 bytes/s`)
      },
      async connectTimeoutMs(advance) {
        const { port } = await netClogged()
        const connecting = createConnection(NetRecorder, { host: HOST, port, connectTimeoutMs: HOUR })
        await advance()
        await expect(connecting).rejects.toThrow(`connect to 127.0.0.1:${port} took longer than ${HOUR} ms`)
      },
      async 'idleTimeoutMs of a server'(advance) {
        const made = new NetRecorder()
        const { address } = await netServe(() => made, 'tcp', { idleTimeoutMs: HOUR })
        await netDial(address)
        await made.untilEvent('made')
        await advance()
        await made.untilEvent('lost')
        expect((made.lostWith as ConnectionLostError).cause).toBeInstanceOf(TimeoutError)
      },
      async 'idleTimeoutMs of a client'(advance) {
        const { address } = await netListen()
        const { port } = address as { port: number }
        const [, client] = await createConnection(NetRecorder, { host: HOST, port, idleTimeoutMs: HOUR })
        await advance()
        await client.untilEvent('lost')
        expect(client.lostWith).toBeInstanceOf(ConnectionLostError)
      },
      async 'graceMs of close'(advance) {
        const made = new NetRecorder()
        const { address, server } = await netServe(() => made)
        await netDial(address)
        await made.untilEvent('made')
        const closed = server.close({ graceMs: HOUR })
        await advance()
        await closed
        expect(made.log).toEqual(['made', 'lost'])
      },
      async 'graceMs of runProcess'(advance) {
        const { address, accepted } = await netListen()
        const { port } = address as { port: number }
        const stubborn = `
          const socket = require('node:net').connect(${port}, '${HOST}', () => socket.write('ready;'))
          process.on('SIGTERM', () => socket.write('asked;'))
        `
        const controller = new AbortController()
        const options = { graceMs: HOUR, signal: controller.signal }
        const running = runProcess([process.execPath, '-e', stubborn], options)
        const child = await accepted()
        await child.until(() => child.size >= 'ready;'.length)
        controller.abort(new Error('enough'))
        await child.until(() => child.size >= 'ready;asked;'.length)
        await advance()
        await expect(running).rejects.toThrow('enough')
      },
      async 'tlsHandshakeTimeoutMs of a server'(advance) {
        const reported = netPromise<unknown>()
        const { address } = await netServe(NetRecorder, 'tcp', {
          tls: certified('localhost'),
          tlsHandshakeTimeoutMs: HOUR,
          onConnectionError: reported.resolve,
        })
        const silent = await netDial(address)
        await netRoundTrip()
        await advance()
        const { port } = silent.socket.address() as net.AddressInfo
        expect(String(await reported.promise)).toBe(
          `TimeoutError: TLS handshake with ${HOST}:${port} took longer than ${HOUR} ms`,
        )
        await silent.until(() => silent.closed || silent.ended)
      },
      async 'tlsHandshakeTimeoutMs of a client'(advance) {
        const { address, accepted } = await netListen()
        const { port } = address as { port: number }
        const dialling = openConnection({ host: HOST, port, tls: { ca }, tlsHandshakeTimeoutMs: HOUR })
        await accepted()
        await advance()
        await expect(dialling).rejects.toThrow(`TLS handshake with ${HOST}:${port} took longer than ${HOUR} ms`)
      },
      async 'tlsHandshakeTimeoutMs of startTls, on both sides'(advance) {
        const { address, accepted } = await netListen()
        const { port } = address as { port: number }
        const { writer } = await openConnection({ host: HOST, port })
        await accepted()
        const asClient = writer.startTls({ tls: { ca }, tlsHandshakeTimeoutMs: HOUR })
        const server = await startServer({ host: HOST })
        netStop(server)
        await netDial({ port: server.sockets[0]!.port })
        const served = await server.accept()
        const asServer = served.writer.startTls({ tls: certified('localhost'), tlsHandshakeTimeoutMs: HOUR })
        await netRoundTrip()
        await advance()
        await expect(asClient).rejects.toThrow(TimeoutError)
        await expect(asServer).rejects.toThrow(TimeoutError)
      },
      async 'timeoutMs of a PROXY header'(advance) {
        const reported = netPromise<unknown>()
        const { address } = await netServe(NetRecorder, 'tcp', {
          proxyProtocol: { timeoutMs: HOUR },
          onConnectionError: reported.resolve,
        })
        await netDial(address)
        await netRoundTrip()
        await advance()
        expect(await reported.promise).toBeInstanceOf(TimeoutError)
      },
      async 'timeoutMs of chooseProtocol'(advance) {
        const reported = netPromise<unknown>()
        const choosing = chooseProtocol(() => undefined, { timeoutMs: HOUR })
        memoryPair(choosing, {}, { onConnectionError: reported.resolve })
        await advance()
        expect(await reported.promise).toBeInstanceOf(TimeoutError)
      },
      async 'readIdleMs, writeIdleMs and allIdleMs of idleEvents'(advance) {
        const told: string[] = []
        const layer = idleEvents({
          readIdleMs: HOUR,
          writeIdleMs: HOUR,
          allIdleMs: HOUR,
          onIdle: (_transport, kind) => void told.push(kind),
        })
        const { port } = await netServe(NetRecorder)
        const [transport] = await createConnection(NetRecorder, { host: HOST, port, layers: [layer] })
        await advance()
        expect(new Set(told)).toEqual(new Set(['all', 'read', 'write']))
        transport.abort()
      },
      async 'initialDelayMs and maxDelayMs of a ReconnectingClient'(advance) {
        let attempts = 0
        const connect = async (): Promise<[Transport, NetRecorder]> => {
          attempts++
          throw new Error('not yet')
        }
        const client = new ReconnectingClient(connect, { initialDelayMs: HOUR, maxDelayMs: HOUR, jitter: 0 })
        client.start()
        await netTurns()
        await advance()
        expect(attempts).toBe(2)
        client.close()
      },
      async tlsShutdownTimeoutMs(advance) {
        const made = new NetRecorder()
        const tls = { tls: certified('localhost'), tlsShutdownTimeoutMs: HOUR }
        const { port } = await netServe(() => made, 'tcp', tls)
        const options = { host: HOST, port, tls: { ca }, serverHostname: 'localhost' }
        const [client] = await createConnection(NetRecorder, options)
        client.pauseReading()
        await made.untilEvent('made')
        while (made.transport.getWriteBufferSize() < 8 * 1024 * 1024) made.transport.write(Buffer.alloc(1024 * 1024))
        await netRoundTrip()
        made.transport.close()
        await advance()
        await made.untilEvent('lost')
        expect(made.lostWith?.message).toMatch(`not closed within ${HOUR} ms`)
        client.abort()
      },
      async 'latencyMs of a memory pair'(advance) {
        const [client, server] = memoryStreams({}, { latencyMs: HOUR })
        client.writer.write('late\n')
        await advance()
        await expect(server.reader.readLine()).resolves.toEqual(Buffer.from('late\n'))
        // Their ends, too, would be under way for an hour.
        client.writer.transport.abort()
        server.writer.transport.abort()
      },
    }

    it.each(Object.entries(options))('runs %s', async (_name, run) => {
      using clock = new FakeClock()
      const began = performance.now()
      await run(async () => {
        await clock.advance(HOUR - 1)
        expect(clock.pending).toBeGreaterThan(0)
        await clock.advance(1)
      })
      expect(performance.now() - began).toBeLessThan(HOUR / 100)
      expect(clock.now).toBe(HOUR)
    })

    it.each(['dataReceived', 'bufferUpdated', 'write'])('takes %s for activity', async (kind) => {
      using clock = new FakeClock()
      const lost = netPromise<Error | null>()
      let [size, isLost] = [0, false]
      const connectionLost = (error: Error | null): void => {
        isLost = true
        lost.resolve(error)
      }
      const bytes = { connectionLost, dataReceived: (data: Buffer) => void (size += data.length) }
      const memory = Buffer.alloc(64 * 1024)
      const buffered = { connectionLost, getBuffer: () => memory, bufferUpdated: (n: number) => void (size += n) }
      const { address, accepted } = await netListen()
      const { port } = address as { port: number }
      const factory = (): AnyProtocol => (kind === 'bufferUpdated' ? buffered : bytes)
      const [transport] = await createConnection(factory, { host: HOST, port, idleTimeoutMs: HOUR })
      const peer = await accepted()
      for (let i = 1; i <= 4; i++) {
        await clock.advance(HOUR - 1)
        if (kind === 'write') transport.write('.')
        else peer.socket.write(Buffer.alloc(20_000))
        // By its memory a BufferedProtocol is served from its second large chunk on.
        while (kind === 'write' ? peer.size < i : size < 20_000 * i) await netRoundTrip()
      }
      expect(isLost).toBe(false)
      await clock.advance(HOUR)
      expect(await lost.promise).toBeInstanceOf(ConnectionLostError)
    })

    it.each([
      [HOUR - 1, 1],
      [HOUR, 0],
    ])('is what stableMs of a ReconnectingClient goes by: after %d ms of an hour', async (livedMs, attempts) => {
      using clock = new FakeClock()
      const { port } = await netServe(NetRecorder)
      const client = new ReconnectingClient(
        (attempt) => createConnection(NetRecorder, { host: HOST, port, ...attempt }),
        { stableMs: HOUR },
      )
      const [transport] = await client.connected()
      await clock.advance(livedMs)
      const lost = netPromise()
      transport.setProtocol({ connectionLost: () => lost.resolve() })
      transport.abort()
      await lost.promise
      while (client.state === 'connected') await netTurns()
      expect([client.state, client.attempt]).toEqual(['waiting', attempts])
      client.close()
    })

    it('leaves timers that are not ours alone', async () => {
      using clock = new FakeClock()
      await new Promise((resolve) => setTimeout(resolve, 1))
      expect([clock.now, clock.pending]).toEqual([0, 0])
    })

    it('leaves nothing pending behind waits that end in time', async () => {
      using clock = new FakeClock()
      const [client, server] = memoryStreams()
      const read = client.reader.readLine({ timeoutMs: HOUR, idleTimeoutMs: HOUR })
      expect(clock.pending).toBe(2)
      server.writer.write('x\n')
      await read
      expect(clock.pending).toBe(0)
    })
  })

  it('is spoken of above for every option of the library that is a time', async () => {
    const { readdirSync, readFileSync } = await import('node:fs')
    const names = new Set<string>()
    for (const file of readdirSync('lib', { recursive: true }).map(String)) {
      if (!file.endsWith('.ts')) continue
      const declared = readFileSync(`lib/${file}`, 'utf8').matchAll(/^ +(?:readonly )?(\w+Ms)\??: number/gm)
      for (const [, name] of declared) names.add(name!)
    }
    // Node's own timer, one that is read and not set, and other names inside for some of those below.
    for (const known of ['happyEyeballsDelayMs', 'durationMs', 'shutdownTimeoutMs', 'idleMs']) names.delete(known)
    // Of calls: their specs, in spec/rpc, go by this clock.
    for (const known of ['keepaliveMs', 'keepaliveTimeoutMs', 'maxConnectionAgeMs']) names.delete(known)
    expect([...names].sort()).toEqual([
      'allIdleMs',
      'connectTimeoutMs',
      'graceMs',
      'idleTimeoutMs',
      'initialDelayMs',
      'latencyMs',
      'maxDelayMs',
      'readIdleMs',
      'stableMs',
      'timeoutMs',
      'tlsHandshakeTimeoutMs',
      'tlsShutdownTimeoutMs',
      'writeIdleMs',
    ])
  })
})
