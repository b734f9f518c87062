import type { Socket } from 'node:net'
import { FakeClock } from '../../lib/testing/fakeClock.ts'
import { IdleTimer } from '../../lib/transports/idleTimer.ts'

describe('IdleTimer', () => {
  /** What it looks at of a socket. */
  const handle = { writeQueueSize: 0 }
  const socket = { _handle: handle } as unknown as Socket

  it('runs after the time in which nothing moved, exactly, and once', async () => {
    using clock = new FakeClock()
    const idle: number[] = []
    const timer = new IdleTimer(socket, 1000, () => idle.push(clock.now))
    await clock.advance(900)
    timer.read()
    await clock.advance(999)
    expect(idle).toEqual([])
    timer.written()
    await clock.advance(999)
    expect(idle).toEqual([])
    await clock.advance(5000)
    expect(idle).toEqual([2899])
    expect(clock.pending).toBe(0)
  })

  it('sets no timer per byte', async () => {
    using clock = new FakeClock()
    const timer = new IdleTimer(socket, 1000, () => {})
    for (let i = 0; i < 100; i++) timer.read()
    expect(clock.pending).toBe(1)
    timer.stop()
    expect(clock.pending).toBe(0)
  })

  it('knows how a long write gets on', async () => {
    using clock = new FakeClock()
    const idle: number[] = []
    const timer = new IdleTimer(socket, 1000, () => idle.push(clock.now))
    handle.writeQueueSize = 100_000
    timer.written()
    for (let i = 0; i < 5; i++) {
      await clock.advance(999)
      handle.writeQueueSize -= 10_000
      await clock.advance(1)
    }
    expect(idle).toEqual([])
    // Stuck.
    await clock.advance(1000)
    expect(idle).toEqual([6000])
  })
})
