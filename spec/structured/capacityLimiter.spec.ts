import fc from 'fast-check'
import { InvalidStateError } from '../../lib/errors.ts'
import { CapacityLimiter } from '../../lib/structured/capacityLimiter.ts'
import { checkpoint } from '../../lib/structured/checkpoint.ts'
import { WouldBlock } from '../../lib/structured/errors.ts'
import { openNursery } from '../../lib/structured/nursery.ts'
import { sleepForever } from '../../lib/structured/sleep.ts'
import { nextTurn } from '../../lib/wait.ts'
import { signalScope } from '../support/signalScope.ts'
import { thrownBy } from '../support/thrown.ts'

const counts = (limiter: CapacityLimiter): number[] => [
  limiter.totalTokens,
  limiter.borrowedTokens,
  limiter.availableTokens,
  limiter.tasksWaiting,
]

describe('CapacityLimiter', () => {
  it('lets no more in than there are tokens', async () => {
    const limiter = new CapacityLimiter(3)
    let [inside, most, done] = [0, 0, 0]
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        await limiter.acquire()
        try {
          most = Math.max(most, ++inside)
          await nextTurn()
          inside--
          done++
        } finally {
          limiter.release()
        }
      }),
    )
    expect([most, done]).toEqual([3, 20])
    expect(counts(limiter)).toEqual([3, 0, 3, 0])
  })

  it('serves those who wait in their order, and lets nobody pass', async () => {
    const limiter = new CapacityLimiter(1)
    await limiter.acquire()
    const order: string[] = []
    const waits = ['a', 'b'].map((name) => limiter.acquire().then(() => order.push(name)))
    expect(counts(limiter)).toEqual([1, 1, 0, 2])
    limiter.release()
    expect(() => limiter.acquireNowait()).toThrow(WouldBlock)
    const late = limiter.acquire().then(() => order.push('c'))
    await nextTurn()
    expect(order).toEqual(['a'])
    limiter.release()
    limiter.release()
    await Promise.all([...waits, late])
    expect(order).toEqual(['a', 'b', 'c'])
    limiter.release()
    expect(counts(limiter)).toEqual([1, 0, 1, 0])
  })

  it('gives nothing to a wait that is cancelled, before or meanwhile', async () => {
    const limiter = new CapacityLimiter(1)
    for (const options of [{ signal: AbortSignal.abort('no') }, { scope: signalScope(AbortSignal.abort('no')) }]) {
      await expect(limiter.acquire(options)).rejects.toBe('no')
    }
    expect(counts(limiter)).toEqual([1, 0, 1, 0])
    await limiter.acquire()
    const controllers = [new AbortController(), new AbortController()]
    const [first, second, third] = [
      limiter.acquire({ signal: controllers[0]!.signal }),
      limiter.acquire({ scope: signalScope(controllers[1]!.signal) }),
      limiter.acquire(),
    ]
    for (const controller of controllers) controller.abort('enough')
    await expect(first).rejects.toBe('enough')
    await expect(second).rejects.toBe('enough')
    expect(counts(limiter)).toEqual([1, 1, 0, 1])
    limiter.release()
    await third
    expect(counts(limiter)).toEqual([1, 1, 0, 0])
  })

  it('given and cancelled in the same turn: it has the token', async () => {
    const limiter = new CapacityLimiter(1)
    await limiter.acquire()
    const controller = new AbortController()
    const wait = limiter.acquire({ signal: controller.signal })
    limiter.release()
    controller.abort('late')
    await wait
    expect(limiter.borrowedTokens).toBe(1)
  })

  it('in a scope that is cancelled gives nothing more, and those who have a token give it back', async () => {
    const limiter = new CapacityLimiter(1)
    const ends: string[] = []
    await openNursery(async (nursery) => {
      for (let i = 0; i < 3; i++) {
        nursery.startSoon(async () => {
          await limiter.acquire()
          try {
            await sleepForever()
          } finally {
            limiter.release()
            ends.push('released')
          }
        })
      }
      while (limiter.tasksWaiting < 2) await checkpoint()
      nursery.cancelScope.cancel()
    })
    expect([ends, ...counts(limiter)]).toEqual([['released'], 1, 0, 1, 0])
  })

  it('takes back no more than it gave', async () => {
    const limiter = new CapacityLimiter(2)
    expect(() => limiter.release()).toThrow(InvalidStateError)
    await limiter.acquire()
    limiter.release()
    expect(() => limiter.release()).toThrow('release() without acquire()')
    expect(counts(limiter)).toEqual([2, 0, 2, 0])
  })

  it('acquireNowait takes one or throws', () => {
    const limiter = new CapacityLimiter(1)
    limiter.acquireNowait()
    expect(() => limiter.acquireNowait()).toThrow('1 of 1 tokens are borrowed')
    expect(limiter.borrowedTokens).toBe(1)
  })

  it('can be made larger and smaller', async () => {
    const limiter = new CapacityLimiter(0)
    const waits = [1, 2, 3].map(() => limiter.acquire())
    limiter.totalTokens = 2
    await Promise.all(waits.slice(0, 2))
    expect(counts(limiter)).toEqual([2, 2, 0, 1])
    limiter.totalTokens = 1
    expect(counts(limiter)).toEqual([1, 2, -1, 1])
    limiter.release()
    expect(counts(limiter)).toEqual([1, 1, 0, 1])
    limiter.release()
    await waits[2]
    limiter.totalTokens = Infinity
    for (let i = 0; i < 1000; i++) await limiter.acquire()
    expect(counts(limiter)).toEqual([Infinity, 1001, Infinity, 0])
  })

  it.each([-1, 0.5, NaN, -Infinity])('of %p tokens is refused', (tokens) => {
    expect(() => new CapacityLimiter(tokens)).toThrow(RangeError)
  })

  it.each([undefined, '3', null, 3n])('of %p is refused', (tokens) => {
    expect(() => new CapacityLimiter(tokens as unknown as number)).toThrow(TypeError)
  })

  it('in any order of calls and cancels: as many as there are, first come first served', async () => {
    const step = fc.oneof(
      fc.constant('acquire' as const),
      fc.constant('release' as const),
      fc.nat(5).map((index) => ({ cancel: index })),
      fc.nat(3).map((total) => ({ total })),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step), async (steps) => {
        const limiter = new CapacityLimiter(2)
        const acquires: { controller: AbortController; outcome: string }[] = []
        let [total, borrowed] = [2, 0]
        const expected: string[] = []
        const refusals: [boolean, boolean][] = []
        const waiting = (): number[] => expected.flatMap((each, i) => (each === 'waits' ? [i] : []))
        for (const each of steps) {
          if (each === 'acquire') {
            const controller = new AbortController()
            const made = { controller, outcome: 'waits' }
            acquires.push(made)
            const set = (outcome: string) => (): void => void (made.outcome = outcome)
            limiter.acquire({ signal: controller.signal }).then(set('has it'), set('cancelled'))
            expected.push('waits')
          } else if (each === 'release') {
            const refused = thrownBy(() => limiter.release()) instanceof InvalidStateError
            refusals.push([refused, borrowed === 0])
            borrowed = Math.max(0, borrowed - 1)
          } else if ('total' in each) {
            limiter.totalTokens = total = each.total
          } else {
            const index = waiting()[each.cancel]
            if (index !== undefined) {
              acquires[index]!.controller.abort()
              expected[index] = 'cancelled'
            }
          }
          for (const index of waiting()) {
            if (borrowed >= total) break
            expected[index] = 'has it'
            borrowed++
          }
          await Promise.resolve()
          expect(acquires.map(({ outcome }) => outcome)).toEqual(expected)
          expect(refusals.filter(([real, due]) => real !== due)).toEqual([])
          expect(counts(limiter)).toEqual([total, borrowed, total - borrowed, waiting().length])
        }
      }),
    )
  })
})
