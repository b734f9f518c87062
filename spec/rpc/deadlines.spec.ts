import { Deadlines } from '../../lib/rpc/deadlines.ts'
import { FakeClock } from '../../lib/testing/fakeClock.ts'
import { clock } from '../../lib/clock.ts'

interface Call {
  name: string
  expires: number
}

function watched() {
  const calls = new Set<Call>()
  const expired: string[] = []
  const deadlines = new Deadlines<Call>(
    () => [...calls],
    (call) => {
      calls.delete(call)
      expired.push(call.name)
    },
  )
  const add = (name: string, inMs: number): Call => {
    const call = { name, expires: clock.now() + inMs }
    calls.add(call)
    deadlines.watch(call.expires)
    return call
  }
  return { calls, expired, deadlines, add }
}

describe('Deadlines', () => {
  it('come due in whatever order they were set, with one timer', async () => {
    using fake = new FakeClock()
    const { expired, add } = watched()
    add('c', 300)
    add('a', 100)
    add('b', 200)
    add('d', 300)
    expect(fake.pending).toBe(1)
    await fake.advance(99)
    expect(expired).toEqual([])
    await fake.advance(2)
    expect(expired).toEqual(['a'])
    await fake.advance(100)
    expect(expired).toEqual(['a', 'b'])
    expect(fake.pending).toBe(1)
    await fake.advance(100)
    expect(expired).toEqual(['a', 'b', 'c', 'd'])
    expect(fake.pending).toBe(0)
  })

  it('of calls that have ended are passed over', async () => {
    using fake = new FakeClock()
    const { calls, expired, add } = watched()
    const ended = add('ended', 100)
    add('other', 500)
    calls.delete(ended)
    await fake.advance(400)
    expect(expired).toEqual([])
    await fake.advance(101)
    expect(expired).toEqual(['other'])
  })

  it('may be set by what an expired call leads to', async () => {
    using fake = new FakeClock()
    const calls = new Set<Call>()
    const expired: string[] = []
    const deadlines = new Deadlines<Call>(
      () => [...calls],
      (call) => {
        calls.delete(call)
        expired.push(call.name)
        if (expired.length > 2) return
        const next = { name: `after ${call.name}`, expires: clock.now() + 10 }
        calls.add(next)
        deadlines.watch(next.expires)
      },
    )
    const first = { name: 'first', expires: clock.now() + 10 }
    calls.add(first)
    deadlines.watch(first.expires)
    await fake.advance(100)
    expect(expired).toEqual(['first', 'after first', 'after after first'])
  })

  it('of very many calls are looked through only every so often', async () => {
    using fake = new FakeClock()
    let looks = 0
    const calls = new Set<Call>()
    const deadlines = new Deadlines<Call>(
      () => (looks++, [...calls]),
      (call) => calls.delete(call),
    )
    for (let i = 0; i < 50_000; i++) calls.add({ name: String(i), expires: clock.now() + 1000 + i / 100 })
    deadlines.watch(clock.now() + 1000)
    await fake.advance(1600)
    expect(calls.size).toBe(0)
    // 500 ms of deadlines, at most one look in 10 ms at first, and fewer calls each time.
    expect(looks).toBeLessThan(300)
  })

  it('are forgotten by stop, and those that are never due set no timer', async () => {
    using fake = new FakeClock()
    const { expired, deadlines, add } = watched()
    add('far', 2 ** 40)
    expect(fake.pending).toBe(1)
    add('a', 100)
    deadlines.stop()
    expect(fake.pending).toBe(0)
    await fake.advance(1000)
    expect(expired).toEqual([])
  })
})
