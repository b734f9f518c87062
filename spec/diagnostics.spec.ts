import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ConnectionEvent } from '../lib/diagnostics.ts'
import { ConnectionLostError } from '../lib/errors.ts'
import { memoryPair } from '../lib/testing/memoryPair.ts'
import { RecordingProtocol } from '../lib/testing/recordingProtocol.ts'
import { netConnection, netDefer, netProgram, netPromise, NetRecorder, netRoundTrip } from './support/netTools.ts'

interface Published extends ConnectionEvent {
  event: string
}

/**
 * What is published from now on of connections that open from now on. The channels are the process's: a connection that
 * another spec file left behind in the same worker may still be closing.
 */
function listen(): Published[] {
  const published: Published[] = []
  const opened = new Set<object>()
  for (const event of ['open', 'close', 'error']) {
    const name = `millrace:connection:${event}`
    const listener = (message: unknown): void => {
      const told = message as ConnectionEvent
      if (event === 'open') opened.add(told.transport)
      if (opened.has(told.transport)) published.push({ event, ...told })
    }
    subscribe(name, listener)
    netDefer(() => unsubscribe(name, listener))
  }
  return published
}

describe('the diagnostics channels', () => {
  it.each(['client', 'server'] as const)('tell of a connection that opens and closes, on the %s side', async (side) => {
    const published = listen()
    const recorder = new NetRecorder()
    const { transport, peer } = await netConnection('tcp', side, recorder)
    const connection = { id: transport.id, transport, peer: `127.0.0.1:${peer.socket.localPort}`, side }
    expect(published).toEqual([{ event: 'open', ...connection }])
    peer.socket.write('four')
    await recorder.until(() => recorder.size === 4)
    transport.write('to you')
    transport.close()
    await recorder.untilEvent('lost')
    await netRoundTrip()
    const { durationMs } = published[1]!
    const counts = { bytesRead: 4, bytesWritten: 6, durationMs }
    expect(published.slice(1)).toEqual([{ event: 'close', ...connection, error: null, ...counts }])
    expect(published[1]!.transport).toBe(transport)
    expect(durationMs).toBeGreaterThan(0)
    expect(durationMs).toBeLessThanOrEqual(performance.now())
  })

  it('tell of both ends of a memory pair', async () => {
    const published = listen()
    const ends = [new RecordingProtocol(), new RecordingProtocol()] as const
    const [a, b] = memoryPair(...ends)
    expect(published.map(({ event, id }) => [event, id])).toEqual([
      ['open', a.id],
      ['open', b.id],
    ])
    expect(b.id).toBeGreaterThan(a.id)
    a.write('x')
    b.abort({ reset: true })
    for (const end of ends) await end.untilEvent('connectionLost')
    const later = published.slice(2).map(({ event, transport, error }) => ({ event, transport, error }))
    expect(later).toEqual([
      { event: 'error', transport: a, error: expect.any(ConnectionLostError) },
      { event: 'close', transport: b, error: null },
      { event: 'close', transport: a, error: ends[0].lost },
    ])
  })

  it('open comes before connectionMade, close after connectionLost', async () => {
    const published = listen()
    const seen: string[][] = []
    const note = (): void => void seen.push(published.map((each) => each.event))
    class Watching extends NetRecorder {
      override connectionMade(transport: never): void {
        super.connectionMade(transport)
        note()
      }
      override connectionLost(error: Error | null): void {
        note()
        super.connectionLost(error)
      }
    }
    const recorder = new Watching()
    const { transport } = await netConnection('tcp', 'client', recorder)
    transport.close()
    await recorder.untilEvent('lost')
    expect(seen).toEqual([['open'], ['open']])
    expect(published.map((each) => each.event)).toEqual(['open', 'close'])
  })

  it('tell why a connection was lost', async () => {
    const published = listen()
    const recorder = new NetRecorder()
    const { peer } = await netConnection('tcp', 'server', recorder)
    peer.socket.resetAndDestroy()
    await recorder.untilEvent('lost')
    expect(published.map((each) => each.event)).toEqual(['open', 'error', 'close'])
    expect(published[1]!.error).toBeInstanceOf(ConnectionLostError)
    expect(published[2]!.error).toBe(recorder.lostWith)
  })

  it('are silent to one who has left', async () => {
    const seen: unknown[] = []
    const listener = (message: unknown): void => void seen.push(message)
    subscribe('millrace:connection:open', listener)
    unsubscribe('millrace:connection:open', listener)
    await netConnection('tcp', 'server', new NetRecorder())
    expect(seen).toEqual([])
  })

  it('name the peer to one who subscribes only to the close', async () => {
    const closed = netPromise<ConnectionEvent>()
    const listener = (message: unknown): void => closed.resolve(message as ConnectionEvent)
    const { transport, peer } = await netConnection('tcp', 'server', new NetRecorder())
    subscribe('millrace:connection:close', listener)
    netDefer(() => unsubscribe('millrace:connection:close', listener))
    transport.close()
    expect((await closed.promise).peer).toBe(`127.0.0.1:${peer.socket.localPort}`)
  })
})

describe('NODE_DEBUG=millrace', () => {
  const source = `
    import * as net from 'node:net'
    import { createServer, openConnection } from 'millrace'
    const server = await createServer(() => ({}), { host: '127.0.0.1' })
    const { port } = server.sockets[0]
    const { writer } = await openConnection({ host: '127.0.0.1', port })
    writer.close()
    await writer.waitClosed()
    const socket = net.connect(port, '127.0.0.1', () => socket.write('x', () => socket.resetAndDestroy()))
    await new Promise((resolve) => socket.on('close', resolve))
    server.close()
    await server.waitClosed()`

  it('prints every connection to stderr', async () => {
    const { code, stderr } = await netProgram(source, { env: { NODE_DEBUG: 'millrace' } }).ended
    expect(code).toBe(0)
    expect(stderr).toMatch(/MILLRACE \d+: client connection \d+ with 127\.0\.0\.1:\d+ open\n/)
    const clean = /: client connection \d+ with 127\.0\.0\.1:\d+ closed after 0 bytes in and 0 out, \d+ ms: clean\n/
    expect(stderr).toMatch(clean)
    expect(stderr).toMatch(/MILLRACE \d+: server connection \d+ with 127\.0\.0\.1:\d+ open\n/)
    expect(stderr.match(/server connection \d+ with 127\.0\.0\.1:\d+ closed after/g)).toHaveLength(2)
  })

  it('is silent otherwise', async () => {
    expect(await netProgram(source).ended).toEqual({ code: 0, stdout: '', stderr: '' })
  })
})
