import { Cancelled } from '../../lib/structured/errors.ts'
import { Event } from '../../lib/structured/event.ts'
import { moveOnAfter } from '../../lib/structured/moveOn.ts'
import { nextTurn } from '../../lib/wait.ts'
import { signalScope } from '../support/signalScope.ts'

describe('Event', () => {
  it('wakes all that wait, in order, and nobody waits afterwards', async () => {
    const event = new Event()
    const order: string[] = []
    const wait = async (name: string): Promise<void> => {
      await event.wait()
      order.push(name)
    }
    const waits = ['a', 'b', 'c'].map(wait)
    await nextTurn()
    expect([event.isSet(), order]).toEqual([false, []])
    event.set()
    event.set()
    expect([event.isSet(), order]).toEqual([true, []])
    await Promise.all(waits)
    await wait('d')
    expect(order).toEqual(['a', 'b', 'c', 'd'])
  })

  it.each([
    ['signal', (signal: AbortSignal) => ({ signal })],
    ['scope', (signal: AbortSignal) => ({ scope: signalScope(signal) })],
  ])('is waited for until the %s is cancelled; the others wait on', async (_name, options) => {
    const event = new Event()
    const controller = new AbortController()
    const cancelled = event.wait(options(controller.signal))
    const other = event.wait()
    controller.abort('enough')
    await expect(cancelled).rejects.toBe('enough')
    event.set()
    await other
  })

  it('is a checkpoint also when it is set', async () => {
    const event = new Event()
    event.set()
    await expect(event.wait({ signal: AbortSignal.abort('before') })).rejects.toBe('before')
    await expect(event.wait({ scope: signalScope(AbortSignal.abort('before')) })).rejects.toBe('before')
    await event.wait({ signal: new AbortController().signal })
  })

  it('does not hold a scope that is cancelled, set or not', async () => {
    const [unset, set] = [new Event(), new Event()]
    set.set()
    const raised: unknown[] = []
    const value = await moveOnAfter(0, async () => {
      for (const event of [unset, set, unset]) await event.wait().catch((error: unknown) => raised.push(error))
      return 'to the end'
    })
    expect(value).toBe('to the end')
    expect(raised.map((each) => each instanceof Cancelled)).toEqual([true, true, true])
  })

  it('set and cancelled in the same turn: what was first counts', async () => {
    const event = new Event()
    const controller = new AbortController()
    const wait = event.wait({ signal: controller.signal })
    event.set()
    controller.abort('late')
    await expect(wait).resolves.toBeUndefined()
  })
})
