import { InvalidStateError } from '../../lib/errors.ts'
import { MessageQueue } from '../../lib/rpc/messageQueue.ts'

function queue() {
  const costs: number[] = []
  let abandoned = 0
  const messages = new MessageQueue<string>({ consumed: (cost) => costs.push(cost), abandoned: () => abandoned++ })
  return { messages, costs, abandonedTimes: () => abandoned }
}

const item = (value: string): object => ({ done: false, value })
const end = { done: true, value: undefined }

describe('MessageQueue', () => {
  it('gives messages in order, whether they were there or are waited for', async () => {
    const { messages, costs } = queue()
    messages.push('a', 1)
    messages.push('b', 2)
    expect(costs).toEqual([])
    expect(await messages.next()).toEqual(item('a'))
    expect(costs).toEqual([1])
    expect(await messages.next()).toEqual(item('b'))
    const waiting = messages.next()
    messages.push('c', 3)
    // Counted as soon as somebody has it.
    expect(costs).toEqual([1, 2, 3])
    messages.push('d', 4)
    messages.end()
    expect(await waiting).toEqual(item('c'))
    expect(await messages.next()).toEqual(item('d'))
    expect(await messages.next()).toEqual(end)
    expect(await messages.next()).toEqual(end)
  })

  it('ends those that wait', async () => {
    const { messages } = queue()
    const waiting = messages.next()
    messages.end()
    expect(await waiting).toEqual(end)
  })

  it('fails behind what is there, once', async () => {
    const { messages } = queue()
    messages.push('a', 1)
    messages.fail(new RangeError('x'))
    messages.push('ignored', 5)
    expect(await messages.next()).toEqual(item('a'))
    await expect(messages.next()).rejects.toThrow(RangeError)
    expect(await messages.next()).toEqual(end)
  })

  it('fails those that wait, and nobody twice', async () => {
    const { messages } = queue()
    const waiting = messages.next()
    messages.fail(new RangeError('x'))
    messages.fail(new TypeError('y'))
    await expect(waiting).rejects.toThrow(RangeError)
    expect(await messages.next()).toEqual(end)
  })

  it('lets one wait at a time', async () => {
    const { messages } = queue()
    const first = messages.next()
    await expect(messages.next()).rejects.toThrow(InvalidStateError)
    messages.push('a', 1)
    expect(await first).toEqual(item('a'))
  })

  it('gives back what it held when it is left', async () => {
    const { messages, costs, abandonedTimes } = queue()
    for (const text of ['a', 'b', 'c']) messages.push(text, 10)
    for await (const text of messages) {
      expect(text).toBe('a')
      break
    }
    expect(costs).toEqual([10, 20])
    expect(abandonedTimes()).toBe(1)
    // What still comes is nobody's, and is counted at once.
    messages.push('d', 7)
    expect(costs).toEqual([10, 20, 7])
    expect(await messages.next()).toEqual(end)
  })

  it('can be left while somebody waits', async () => {
    const { messages } = queue()
    const waiting = messages.next()
    await messages[Symbol.asyncDispose]()
    expect(await waiting).toEqual(end)
  })

  it('holds any number', async () => {
    const { messages, costs } = queue()
    let taken = 0
    for (let i = 0; i < 10_000; i++) {
      messages.push(String(i), 1)
      // Sometimes two, sometimes none is taken.
      for (let n = i % 3; n > 0 && taken < i; n--) expect(await messages.next()).toEqual(item(String(taken++)))
    }
    messages.end()
    for await (const text of messages) expect(text).toBe(String(taken++))
    expect(taken).toBe(10_000)
    expect(costs).toHaveLength(10_000)
  })
})
