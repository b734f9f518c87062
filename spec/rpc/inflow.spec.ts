import { Inflow } from '../../lib/rpc/inflow.ts'
import { StreamWindow } from '../../lib/rpc/streamWindow.ts'

function inflow(hasWindows: boolean, maxExcess = 1000) {
  const log: string[] = []
  const flow = new Inflow(maxExcess, () => hasWindows)
  flow.open({ pauseReading: () => log.push('pause'), resumeReading: () => log.push('resume') })
  const stream = (size = 100) => ({ window: new StreamWindow(size) })
  const receive = (to: { window: StreamWindow }, cost: number): void => {
    flow.received(to, cost)
    flow.check(to)
  }
  return { flow, log, stream, receive }
}

describe('Inflow', () => {
  it('stops a plain peer at the window of one stream, until that has room again', () => {
    const { flow, log, stream, receive } = inflow(false)
    const [a, b] = [stream(), stream()]
    receive(a, 99)
    expect(log).toEqual([])
    receive(a, 1)
    receive(b, 200)
    expect(log).toEqual(['pause'])
    // Nobody is to be told of it.
    expect(flow.taken(a, 99)).toBe(0)
    expect(log).toEqual(['pause'])
    expect(flow.taken(b, 200)).toBe(0)
    expect(log).toEqual(['pause', 'resume'])
  })

  it('does not stop a peer that keeps to its windows, one message beyond included', () => {
    const { flow, log, stream, receive } = inflow(true)
    const streams = Array.from({ length: 100 }, () => stream())
    for (const each of streams) receive(each, 5000)
    expect(log).toEqual([])
    for (const each of streams) expect(flow.taken(each, 5000)).toBe(5000)
  })

  it('tells a peer with windows that it may send more by the half window', () => {
    const { flow, stream, receive } = inflow(true)
    const each = stream()
    receive(each, 100)
    expect([49, 1, 49, 1].map((cost) => flow.taken(each, cost))).toEqual([0, 50, 0, 50])
  })

  it('stops one that does not keep to them, when that becomes too much', () => {
    const { flow, log, stream, receive } = inflow(true)
    const [a, b] = [stream(), stream()]
    for (const each of [a, b]) {
      receive(each, 100)
      receive(each, 500)
    }
    expect(log).toEqual([])
    receive(a, 1)
    expect(log).toEqual(['pause'])
    flow.taken(a, 100)
    expect(log).toEqual(['pause'])
    flow.taken(a, 1)
    expect(log).toEqual(['pause', 'resume'])
  })

  it('forgets what a stream holds when it is over', () => {
    const { flow, log, stream, receive } = inflow(true)
    const each = stream()
    receive(each, 100)
    receive(each, 1001)
    expect(log).toEqual(['pause'])
    flow.forget(each)
    expect(log).toEqual(['pause', 'resume'])
    const plain = inflow(false)
    const other = plain.stream()
    plain.receive(other, 100)
    plain.flow.forget(other)
    plain.flow.forget({ window: undefined })
    expect(plain.log).toEqual(['pause', 'resume'])
  })

  it('is held by any number of others', () => {
    const { flow, log } = inflow(true)
    flow.hold('a')
    flow.hold('a')
    flow.hold('b')
    flow.release('a')
    flow.release('c')
    expect(log).toEqual(['pause'])
    flow.release('b')
    expect(log).toEqual(['pause', 'resume'])
  })
})
