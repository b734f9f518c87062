import { Pushable } from '../../lib/rpc/pushable.ts'
import { collect } from '../support/echoRpc.ts'

describe('Pushable', () => {
  it('gives what was pushed, before and after somebody waits, and then ends', async () => {
    const messages = new Pushable<number>()
    expect(messages.push(1)).toBe(true)
    const all = collect(messages)
    messages.push(2)
    await Promise.resolve()
    messages.push(3)
    messages.end()
    expect(messages.closed).toBe(true)
    messages.push(4)
    expect(await all).toEqual([1, 2, 3])
  })

  it('says when to wait, and when there is room again', async () => {
    const messages = new Pushable<number>({ highWaterMark: 2 })
    expect([messages.push(1), messages.push(2), messages.push(3)]).toEqual([true, false, false])
    expect(messages.size).toBe(3)
    let drained = 0
    void messages.drain().then(() => drained++)
    await messages.next()
    expect(drained).toBe(0)
    await messages.next()
    await messages.drain()
    expect(drained).toBe(1)
    expect(() => new Pushable({ highWaterMark: 0 })).toThrow(RangeError)
  })

  it('does not count what is taken at once', async () => {
    const messages = new Pushable<number>({ highWaterMark: 1 })
    const next = messages.next()
    expect(messages.push(1)).toBe(true)
    expect(messages.push(2)).toBe(false)
    expect((await next).value).toBe(1)
  })

  it('can be cancelled while it waits for room', async () => {
    const messages = new Pushable<number>({ highWaterMark: 1 })
    messages.push(1)
    const controller = new AbortController()
    const drained = messages.drain({ signal: controller.signal })
    controller.abort(new RangeError('enough'))
    await expect(drained).rejects.toThrow(RangeError)
    await expect(messages.drain({ signal: controller.signal })).rejects.toThrow(RangeError)
  })

  it('fails behind what was pushed', async () => {
    const messages = new Pushable<number>()
    messages.push(1)
    messages.fail(new RangeError('x'))
    expect(await messages.next()).toEqual({ done: false, value: 1 })
    await expect(messages.next()).rejects.toThrow(RangeError)
  })

  it('lets nobody wait for those who have left', async () => {
    const messages = new Pushable<number>({ highWaterMark: 1 })
    messages.push(1)
    const drained = messages.drain()
    for await (const message of messages) {
      expect(message).toBe(1)
      messages.push(2)
      break
    }
    await drained
    expect([messages.closed, messages.size, messages.push(3)]).toEqual([true, 0, true])
    await messages.drain()
  })
})
