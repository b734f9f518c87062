import { ConnectionLostError, InvalidStateError } from '../../lib/errors.ts'
import { BufferedProtocol } from '../../lib/protocol.ts'
import { RecordingProtocol, transportChecks } from '../../lib/testing/index.ts'
import type { Transport } from '../../lib/transport.ts'
import { stackLayers } from '../../lib/layers/layer.ts'
import { throttle } from '../../lib/layers/throttle.ts'
import { TokenBucket } from '../../lib/layers/tokenBucket.ts'
import { memoryPair } from '../../lib/testing/memoryPair.ts'
import { layeredMemory, layeredTcp } from '../support/layered.ts'
import { netConnection, netDefer, netError, NetRecorder, netTurns } from '../support/netTools.ts'

const generous = { bytesPerSecond: 1e12, burst: 1e12 }
/** Generous, but most chunks are more than the burst. */
const bursts = { bytesPerSecond: 1e9, burst: 20_000 }

const throttled = {
  'in both directions': throttle({ read: generous, write: generous }),
  'for reading': throttle({ read: bursts }),
  'for writing': throttle({ write: bursts }),
  'in both directions, in bursts': throttle({ read: bursts, write: bursts }),
}
for (const [name, layer] of Object.entries(throttled)) {
  describe(`checkTransport over memory, throttled ${name}`, () => {
    for (const check of transportChecks) it(check.name, () => check.run(layeredMemory([layer])))
  })
}
describe(`checkTransport over a TCP socket, throttled`, () => {
  const layer = throttled['in both directions']
  for (const check of transportChecks) it(check.name, () => check.run(layeredTcp([layer])))
})

/** Only the client is throttled. */
function pair(options: Parameters<typeof throttle>[0], client = new RecordingProtocol()) {
  const server = new RecordingProtocol()
  const errors: unknown[] = []
  const report = (error: unknown): void => void errors.push(error)
  memoryPair(stackLayers([throttle(options)], client, undefined, report), server, { onConnectionError: report })
  netDefer(() => server.transport.abort())
  return { client, server, errors }
}

/** A rate at which nothing comes to pass in a test, beyond the burst. */
const frozen = (burst: number) => ({ bytesPerSecond: 0.001, burst })

describe('throttle', () => {
  describe('reading', () => {
    it('delivers a burst, holds back the rest, and pauses the transport below', async () => {
      const { client, server } = pair({ read: frozen(10) })
      server.transport.setWriteBufferLimits({ high: 1000 })
      // The pair's pipe takes 64 KiB at a time, and the layer one chunk of that.
      server.transport.write(Buffer.alloc(300_000, 'x'))
      await client.untilBytes(10)
      await netTurns(20)
      expect(client.length).toBe(10)
      expect(client.transport.isReading()).toBe(true)
      expect(client.transport.bytesRead).toBe(10)
      expect(server.transport.getWriteBufferSize()).toBe(300_000 - 2 * 65_536)
      expect(server.events).toContain('pauseWriting')
      expect(server.events).not.toContain('resumeWriting')
    })

    it('keeps the rate', async () => {
      const { client, server } = pair({ read: { bytesPerSecond: 200_000, burst: 10_000 } })
      const start = performance.now()
      server.transport.write(Buffer.alloc(50_000))
      await client.untilBytes(50_000)
      const tookMs = performance.now() - start
      expect(tookMs).toBeGreaterThanOrEqual(199)
      expect(tookMs).toBeLessThan(2000)
    })

    it('tells of the end of the stream behind what is held', async () => {
      const { client, server } = pair({ read: { bytesPerSecond: 1000, burst: 20 } })
      server.transport.write(Buffer.alloc(60, 'x'))
      server.transport.close()
      await client.untilEvent('connectionLost')
      expect(client.length).toBe(60)
      expect(client.events).toEqual(['connectionMade', 'dataReceived', 'eofReceived', 'connectionLost'])
    })

    it('delivers nothing while the protocol has paused it, and goes on where it was', async () => {
      const { client, server } = pair({ read: { bytesPerSecond: 2000, burst: 20 } })
      server.transport.write(Buffer.from('0123456789'.repeat(6)))
      await client.untilBytes(20)
      client.transport.pauseReading()
      const { length } = client
      await new Promise((resolve) => setTimeout(resolve, 30))
      expect(client.length).toBe(length)
      client.transport.resumeReading()
      expect(client.length).toBe(length)
      await client.untilBytes(60)
      expect(client.data.toString()).toBe('0123456789'.repeat(6))
    })

    it.each([throttled['for writing'], throttle({ read: generous }), throttle({ read: frozen(5) })])(
      'goes on after a pause and a resume inside one callback',
      async (layer) => {
        class Restless extends RecordingProtocol {
          override dataReceived(data: Buffer): void {
            super.dataReceived(data)
            this.transport.pauseReading()
            this.transport.resumeReading()
          }
        }
        const [client, server] = [new Restless(), new RecordingProtocol()]
        memoryPair(stackLayers([layer], client), server)
        netDefer(() => server.transport.abort())
        server.transport.write('12')
        await client.untilBytes(2)
        server.transport.write('345')
        await client.untilBytes(5)
        expect(client.data.toString()).toBe('12345')
      },
    )

    it('drops what is held when it closes, and what comes later', async () => {
      const { client, server } = pair({ read: frozen(5), write: { bytesPerSecond: 1000, burst: 10 } })
      server.transport.write('0123456789')
      await client.untilBytes(5)
      client.transport.write(Buffer.alloc(40))
      client.transport.close()
      server.transport.write('more')
      server.keepOpen = true
      await client.untilEvent('connectionLost')
      expect([client.length, server.length]).toEqual([5, 40])
    })

    it('fills the buffers of a BufferedProtocol, which may pause between them', async () => {
      const parts: string[] = []
      let transport!: Transport
      let full = (): void => {}
      const ended = new Promise<void>((resolve) => (full = resolve))
      class Pausing extends BufferedProtocol {
        readonly #memory = Buffer.alloc(3)
        override connectionMade(made: Transport): void {
          transport = made
        }
        override getBuffer(): Uint8Array {
          return this.#memory
        }
        override bufferUpdated(n: number): void {
          parts.push(this.#memory.toString('latin1', 0, n))
          transport.pauseReading()
          setImmediate(() => transport.resumeReading())
          if (parts.join('').length === 10) full()
        }
      }
      const server = new RecordingProtocol()
      memoryPair(stackLayers([throttle({ read: { bytesPerSecond: 2000, burst: 5 } })], new Pausing()), server)
      netDefer(() => server.transport.abort())
      server.transport.write('0123456789')
      await ended
      expect(parts.slice(0, 2)).toEqual(['012', '34'])
      expect(parts.join('')).toBe('0123456789')
    })

    it('ends the connection with the error of a protocol that fails in a later turn, and reports it', async () => {
      const failure = new Error('cannot digest')
      class Failing extends RecordingProtocol {
        override dataReceived(data: Buffer): void {
          super.dataReceived(data)
          if (this.length > 5) throw failure
        }
      }
      const { client, server, errors } = pair({ read: { bytesPerSecond: 1000, burst: 5 } }, new Failing())
      server.transport.write('0123456789')
      await client.untilEvent('connectionLost')
      expect(client.lost).toBe(failure)
      expect(errors).toEqual([failure])
    })
  })

  describe('writing', () => {
    it('sends a burst, keeps and counts the rest, and pauses the protocol once', async () => {
      const { client, server } = pair({ write: frozen(10) })
      client.transport.setWriteBufferLimits({ high: 50, low: 5 })
      client.transport.write('0123456789')
      client.transport.write('x'.repeat(50))
      expect(client.events).not.toContain('pauseWriting')
      client.transport.write('y')
      client.transport.write('y')
      await server.untilBytes(10)
      await netTurns(20)
      expect(server.length).toBe(10)
      expect(client.transport.getWriteBufferSize()).toBe(52)
      expect(client.transport.bytesWritten).toBe(10)
      expect(client.events).toEqual(['connectionMade', 'pauseWriting'])
    })

    it('keeps the rate, resumes the protocol at the low mark, and flushes at the end', async () => {
      const { client, server } = pair({ write: { bytesPerSecond: 200_000, burst: 5000 } })
      client.transport.setWriteBufferLimits({ high: 15_000, low: 10_000 })
      const start = performance.now()
      client.transport.write(Buffer.alloc(25_000))
      const flushed = client.transport.flush()
      await client.untilEvent('resumeWriting')
      expect(client.transport.getWriteBufferSize()).toBeLessThanOrEqual(10_000)
      expect(client.transport.getWriteBufferSize()).toBeGreaterThan(0)
      await flushed
      expect(performance.now() - start).toBeGreaterThanOrEqual(99)
      expect(client.transport.getWriteBufferSize()).toBe(0)
      await server.untilBytes(25_000)
      expect(client.events).toEqual(['connectionMade', 'pauseWriting', 'resumeWriting'])
    })

    it('sends what is written in a turn together', async () => {
      const { client, server } = pair({ write: generous })
      const written: number[] = []
      const recorded = server.dataReceived.bind(server)
      server.dataReceived = (data) => {
        written.push(data.length)
        recorded(data)
      }
      for (let i = 0; i < 10; i++) client.transport.write('ab')
      await server.untilBytes(20)
      expect(written).toEqual([20])
    })

    it('ends the writing behind what is buffered', async () => {
      const { client, server } = pair({ write: { bytesPerSecond: 2000, burst: 10 } })
      server.keepOpen = true
      client.transport.write(Buffer.alloc(60))
      client.transport.writeEof()
      expect(() => client.transport.write('more')).toThrow(InvalidStateError)
      await server.untilEvent('eofReceived')
      expect(server.length).toBe(60)
      expect(client.transport.isClosing()).toBe(false)
      server.transport.write('answer')
      await client.untilBytes(6)
    })

    it('closes behind what is buffered, and a flush that waits is done then', async () => {
      const { client, server } = pair({ write: { bytesPerSecond: 2000, burst: 10 } })
      client.transport.write(Buffer.alloc(60))
      const flushed = client.transport.flush()
      client.transport.close()
      expect(client.transport.isClosing()).toBe(true)
      await flushed
      await client.untilEvent('connectionLost')
      expect([client.lost, server.length]).toEqual([null, 60])
    })

    it('closes only when the transport below has sent all', async () => {
      const [client, server] = [new RecordingProtocol(), new RecordingProtocol()]
      memoryPair(stackLayers([throttle({ write: generous })], client), server, { pipeSize: 20 })
      server.transport.pauseReading()
      client.transport.write(Buffer.alloc(60))
      const flushed = client.transport.flush()
      client.transport.close()
      await netTurns()
      expect(client.transport.getWriteBufferSize()).toBe(40)
      server.transport.resumeReading()
      await flushed
      await server.untilEvent('connectionLost')
      expect(server.length).toBe(60)
    })

    it('learns of a peer that is gone while it closes, also if reading was paused', async () => {
      const recorder = new NetRecorder()
      const { peer } = await netConnection('tcp', 'client', stackLayers([throttle({ write: frozen(10) })], recorder))
      recorder.transport.pauseReading()
      recorder.transport.write(Buffer.alloc(60))
      recorder.transport.close()
      await peer.until(() => peer.size === 10)
      peer.socket.resetAndDestroy()
      await recorder.untilEvent('lost')
      expect(recorder.lostWith).toBeInstanceOf(ConnectionLostError)
    })

    it('drops what is buffered when aborted', async () => {
      const { client, server } = pair({ write: frozen(10) })
      client.transport.write(Buffer.alloc(60))
      await server.untilBytes(10)
      const flushed = client.transport.flush()
      client.transport.abort()
      expect(await netError(flushed)).toBeInstanceOf(ConnectionLostError)
      expect(client.transport.getWriteBufferSize()).toBe(0)
      await server.untilEvent('connectionLost')
      expect(server.length).toBe(10)
    })

    it('closes by itself at the peer’s end, but not before what is buffered is sent', async () => {
      const { client, server } = pair({ write: { bytesPerSecond: 2000, burst: 10 } })
      server.keepOpen = true
      client.transport.write(Buffer.alloc(60))
      server.transport.writeEof()
      await client.untilEvent('connectionLost')
      expect(client.events).toEqual(['connectionMade', 'eofReceived', 'connectionLost'])
      await server.untilEvent('eofReceived')
      expect(server.length).toBe(60)
    })

    it('reports what a protocol throws in pauseWriting, and goes on', async () => {
      const failure = new Error('no pause')
      class Failing extends RecordingProtocol {
        override pauseWriting(): void {
          throw failure
        }
      }
      const { client, server, errors } = pair({ write: { bytesPerSecond: 5000, burst: 10 } }, new Failing())
      client.transport.setWriteBufferLimits({ high: 20 })
      client.transport.write(Buffer.alloc(40))
      client.transport.close()
      await client.untilEvent('connectionLost')
      expect([server.length, client.lost, errors]).toEqual([40, null, [failure]])
    })
  })

  describe('a bucket that is shared', () => {
    it('is one limit for all, and everybody has the same share', async () => {
      const bucket = new TokenBucket({ bytesPerSecond: 400_000, burst: 8000 })
      const pairs = Array.from({ length: 4 }, () => pair({ write: bucket }))
      const start = performance.now()
      for (const { client } of pairs) client.transport.write(Buffer.alloc(100_000))
      await pairs[0]!.server.untilBytes(20_000)
      expect(performance.now() - start).toBeGreaterThanOrEqual((24_000 + 3 * 8000 - 8000) / 400 - 1)
      for (const { server } of pairs) expect(Math.abs(server.length - 20_000)).toBeLessThanOrEqual(2 * 8000)
    })

    it('lets nobody overtake those who wait', async () => {
      const bucket = new TokenBucket({ bytesPerSecond: 10_000, burst: 100 })
      const [first, second] = [pair({ write: bucket }), pair({ write: bucket })]
      first.client.transport.write(Buffer.alloc(300))
      await first.server.untilBytes(100)
      second.client.transport.setWriteBufferLimits({ high: 0 })
      second.client.transport.write('x')
      await second.server.untilBytes(1)
      expect(first.server.length).toBeGreaterThanOrEqual(200)
    })

    it('limits both directions of a connection together, too', async () => {
      const bucket = new TokenBucket({ bytesPerSecond: 100_000, burst: 1000 })
      const { client, server } = pair({ read: bucket, write: bucket })
      const start = performance.now()
      client.transport.write(Buffer.alloc(5000))
      server.transport.write(Buffer.alloc(5000))
      await Promise.all([client.untilBytes(5000), server.untilBytes(5000)])
      expect(performance.now() - start).toBeGreaterThanOrEqual(89)
    })

    it('is not held up by a connection that is gone', async () => {
      const bucket = new TokenBucket({ bytesPerSecond: 10_000, burst: 100 })
      const [gone, next] = [pair({ write: bucket, read: bucket }), pair({ write: bucket })]
      gone.client.transport.write(Buffer.alloc(50_000))
      gone.server.transport.write(Buffer.alloc(50_000))
      await gone.server.untilBytes(100)
      next.client.transport.write(Buffer.alloc(100))
      gone.client.transport.abort()
      await next.server.untilBytes(100)
      expect(gone.server.length).toBeLessThan(1000)
    })
  })

  it('slows down a peer over TCP: its system’s buffers fill up', async () => {
    const recorder = new NetRecorder()
    const protocol = stackLayers([throttle({ read: frozen(1000) })], recorder)
    const { peer } = await netConnection('tcp', 'server', protocol)
    peer.socket.write(Buffer.alloc(64 * 1024 * 1024))
    await recorder.until(() => recorder.size >= 1000)
    await netTurns(50)
    expect(recorder.size).toBe(1000)
    expect(peer.socket.writableLength).toBeGreaterThan(32 * 1024 * 1024)
    peer.socket.destroy()
  })

  it('refuses rates that make no sense, at once', () => {
    expect(() => throttle({ read: { bytesPerSecond: 0 } })).toThrow(RangeError)
    expect(() => throttle({ write: { bytesPerSecond: 5, burst: 0 } })).toThrow(RangeError)
  })

  it('without limits only passes on', async () => {
    const { client, server } = pair({})
    client.transport.setWriteBufferLimits({ high: 7 })
    expect(client.transport.getWriteBufferLimits()).toEqual([1, 7])
    client.transport.write('12345')
    await server.untilBytes(5)
    client.transport.close()
    await server.untilEvent('connectionLost')
  })
})
