import { memoryPair, RecordingProtocol, transportChecks } from '../../lib/testing/index.ts'
import type { Transport } from '../../lib/transport.ts'
import { idleEvents, type IdleEventsOptions, type IdleKind } from '../../lib/layers/idleEvents.ts'
import { stackLayers } from '../../lib/layers/layer.ts'
import { TransportWrapper } from '../../lib/transports/transportWrapper.ts'
import { layeredMemory, layeredTcp } from '../support/layered.ts'
import { netDefer, netTurns } from '../support/netTools.ts'

for (const [name, layered] of Object.entries({ memory: layeredMemory, 'a TCP socket': layeredTcp })) {
  describe(`checkTransport over ${name} with idleEvents`, () => {
    const layer = idleEvents({ allIdleMs: 60_000, onIdle: () => {} })
    for (const check of transportChecks) it(check.name, () => check.run(layered([layer])))
  })
}

describe('idleEvents', () => {
  // The time is jest's: it passes when a test says so, to the millisecond.
  beforeEach(() => jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] }))
  afterEach(() => jest.useRealTimers())
  const pass = (ms: number): void => jest.advanceTimersByTime(ms)

  /** The client tells of its idle times. */
  function pair(options: Partial<IdleEventsOptions>) {
    const events: string[] = []
    const errors: unknown[] = []
    const onIdle = (_: Transport, kind: IdleKind, count: number): void => void events.push(`${kind} ${count}`)
    const [client, server] = [new RecordingProtocol(), new RecordingProtocol()]
    const report = (error: unknown): void => void errors.push(error)
    memoryPair(stackLayers([idleEvents({ onIdle, ...options })], client, undefined, report), server, { pipeSize: 1000 })
    netDefer(() => server.transport.abort())
    return { client, server, events, errors }
  }

  it('tells that nothing has come, again and again', () => {
    const { events } = pair({ readIdleMs: 100 })
    pass(99)
    expect(events).toEqual([])
    pass(1)
    expect(events).toEqual(['read 1'])
    pass(99)
    expect(events).toEqual(['read 1'])
    pass(101)
    expect(events).toEqual(['read 1', 'read 2', 'read 3'])
  })

  it('begins anew with every chunk, and counts from 1 again', async () => {
    const { client, server, events } = pair({ readIdleMs: 100 })
    pass(210)
    expect(events).toEqual(['read 1', 'read 2'])
    server.transport.write('x')
    await client.untilBytes(1)
    pass(99)
    expect(events).toHaveLength(2)
    pass(1)
    expect(events).toEqual(['read 1', 'read 2', 'read 1'])
    for (let i = 2; i <= 5; i++) {
      pass(60)
      server.transport.write('x')
      // oxlint-disable-next-line no-await-in-loop -- chunk by chunk
      await client.untilBytes(i)
    }
    expect(events).toHaveLength(3)
  })

  it('makes no timer for a chunk: one holds for the connection', async () => {
    const { client, server } = pair({ readIdleMs: 100, allIdleMs: 100, writeIdleMs: 100 })
    expect(jest.getTimerCount()).toBe(1)
    const made = jest.spyOn(globalThis, 'setTimeout')
    for (let i = 0; i < 100; i++) {
      server.transport.write('x')
      client.transport.write('x')
      // oxlint-disable-next-line no-await-in-loop -- chunk by chunk
      await netTurns(2)
    }
    expect([client.length, server.length]).toEqual([100, 100])
    expect(made).not.toHaveBeenCalled()
    expect(jest.getTimerCount()).toBe(1)
    made.mockRestore()
  })

  it('tells that nothing was sent, whatever comes', async () => {
    const { client, server, events } = pair({ writeIdleMs: 100 })
    pass(50)
    client.transport.write('x')
    pass(40)
    server.transport.write('x')
    await client.untilBytes(1)
    pass(59)
    expect(events).toEqual([])
    pass(1)
    expect(events).toEqual(['write 1'])
    client.transport.writeEncoded({ encode: (text: string, out) => out.latin1(text) }, 'x')
    pass(99)
    expect(events).toHaveLength(1)
    pass(101)
    expect(events).toEqual(['write 1', 'write 1', 'write 2'])
  })

  it('does not take for sent what a clogged peer leaves unsent', async () => {
    const { client, server, events } = pair({ writeIdleMs: 100 })
    server.transport.pauseReading()
    client.transport.write(Buffer.alloc(3000))
    for (let i = 0; i < 4; i++) {
      pass(60)
      client.transport.write('more')
    }
    // The first 1000 bytes were taken.
    expect(events).toEqual(['write 1'])
    server.transport.resumeReading()
    await server.untilBytes(3000)
    pass(100)
    expect(events).toEqual(['write 1'])
    pass(100)
    expect(events).toEqual(['write 1', 'write 1'])
  })

  it('knows when the last of a large write has gone', async () => {
    const { client, server, events } = pair({ writeIdleMs: 100 })
    client.transport.setWriteBufferLimits({ high: 100 })
    server.transport.pauseReading()
    pass(10)
    client.transport.write(Buffer.alloc(3000))
    pass(80)
    server.transport.resumeReading()
    await server.untilBytes(3000)
    pass(99)
    expect(events).toEqual([])
    pass(1)
    expect(events).toEqual(['write 1'])
  })

  it('tells that nothing has moved either way', async () => {
    const { client, server, events } = pair({ allIdleMs: 100 })
    pass(60)
    client.transport.write('x')
    pass(60)
    server.transport.write('x')
    await client.untilBytes(1)
    pass(99)
    expect(events).toEqual([])
    pass(1)
    expect(events).toEqual(['all 1'])
  })

  it('watches all three, each for itself', () => {
    const { events } = pair({ readIdleMs: 100, writeIdleMs: 150, allIdleMs: 225 })
    pass(300)
    expect(events).toEqual(['read 1', 'write 1', 'read 2', 'all 1', 'read 3', 'write 2'])
  })

  it('does not take a peer for idle that our side holds back', () => {
    const { client, events } = pair({ readIdleMs: 100, allIdleMs: 100 })
    pass(50)
    client.transport.pauseReading()
    pass(1000)
    expect(events).toEqual([])
    client.transport.resumeReading()
    pass(99)
    expect(events).toEqual([])
    pass(1)
    expect(events).toEqual(['read 1', 'all 1'])
  })

  it('expects nothing of a peer that has ended, and goes on to watch the writing', async () => {
    const { client, server, events } = pair({ readIdleMs: 100, writeIdleMs: 200, allIdleMs: 150 })
    client.keepOpen = true
    server.transport.writeEof()
    await client.untilEvent('eofReceived')
    client.transport.pauseReading()
    pass(200)
    expect(events).toEqual(['all 1', 'write 1'])
  })

  it('still tells while the connection closes, until it is lost', async () => {
    const { client, server, events } = pair({
      writeIdleMs: 100,
      onIdle: (transport, kind, count) => {
        events.push(`${kind} ${count}`)
        if (count === 2) transport.abort()
      },
    })
    server.transport.pauseReading()
    client.transport.write(Buffer.alloc(3000))
    client.transport.close()
    pass(300)
    expect(events).toEqual(['write 1', 'write 2'])
    await client.untilEvent('connectionLost')
    expect(jest.getTimerCount()).toBe(0)
  })

  it('has no timer left when the connection is lost', async () => {
    const { client, server } = pair({ readIdleMs: 100 })
    server.transport.abort()
    await client.untilEvent('connectionLost')
    expect(jest.getTimerCount()).toBe(0)
  })

  it.each([
    [
      'throws',
      (): never => {
        throw new Error('no heart')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no heart'))],
  ])('ends the connection if the callback %s, and reports it', async (_, onIdle) => {
    const { client, errors } = pair({ readIdleMs: 100, onIdle })
    pass(100)
    await client.untilEvent('connectionLost')
    expect(client.lost).toMatchObject({ message: 'no heart' })
    expect(errors).toEqual([client.lost])
  })

  it('lets a heartbeat be sent from the callback', async () => {
    const { server } = pair({ writeIdleMs: 100, onIdle: (transport) => transport.write('ping') })
    pass(100)
    await server.untilBytes(4)
    expect(server.data.toString()).toBe('ping')
  })

  it('goes by the writes over a transport that counts no bytes', () => {
    class Uncounted extends TransportWrapper {
      override get bytesWritten(): number {
        return 0
      }
    }
    const events: string[] = []
    const layer = idleEvents({ writeIdleMs: 100, onIdle: (_, kind, count) => events.push(`${kind} ${count}`) })
    const client = new RecordingProtocol()
    const [, below] = memoryPair(
      {
        connectionMade: (inner: Transport) => layer(new Uncounted(inner), client),
      },
      new RecordingProtocol(),
    )
    netDefer(() => below.abort())
    pass(60)
    client.transport.write('x')
    pass(99)
    expect(events).toEqual([])
    pass(1)
    expect(events).toEqual(['write 1'])
  })

  it('refuses to watch for nothing, and times that make no sense', () => {
    const onIdle = (): void => {}
    expect(() => idleEvents({ onIdle })).toThrow(TypeError)
    expect(() => idleEvents({ readIdleMs: 0, onIdle })).toThrow(RangeError)
    expect(() => idleEvents({ allIdleMs: NaN, onIdle })).toThrow(RangeError)
  })
})
