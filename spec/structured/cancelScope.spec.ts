import { getEventListeners } from 'node:events'
import { CancelledError, InvalidStateError } from '../../lib/errors.ts'
import { FakeClock } from '../../lib/testing/fakeClock.ts'
import { Waiter } from '../../lib/wait.ts'
import { CancelScope } from '../../lib/structured/cancelScope.ts'
import { checkpoint } from '../../lib/structured/checkpoint.ts'
import { currentEffectiveDeadline, currentScope, currentTime } from '../../lib/structured/current.ts'
import { Cancelled, TooSlowError } from '../../lib/structured/errors.ts'
import { Event } from '../../lib/structured/event.ts'
import { ExceptionGroup } from '../../lib/structured/exceptionGroup.ts'
import { failAfter, failAt, moveOnAfter, moveOnAt } from '../../lib/structured/moveOn.ts'
import { openNursery } from '../../lib/structured/nursery.ts'
import { sleep, sleepForever, sleepUntil } from '../../lib/structured/sleep.ts'
import { Leftovers } from '../support/leftovers.ts'

const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => {
      throw new Error(`resolved with ${String(value)}`)
    },
    (error: unknown) => error,
  )
/** What a wait here ends with. */
const cancelledHere = async (): Promise<boolean> => {
  try {
    await checkpoint()
    return false
  } catch (error) {
    expect(error).toBeInstanceOf(Cancelled)
    return true
  }
}

let leftovers: Leftovers
beforeEach(() => (leftovers = new Leftovers()))
afterEach(() => leftovers.gone())

describe('CancelScope', () => {
  describe('run', () => {
    it('gives the value, and takes no other error', async () => {
      expect(await new CancelScope().run(async () => 7)).toBe(7)
      const reason = new Error('mine')
      expect(await errorOf(new CancelScope().run(() => Promise.reject(reason)))).toBe(reason)
      const thrown = new CancelScope().run(() => {
        throw reason
      })
      expect(await errorOf(thrown)).toBe(reason)
    })

    it('is for one block only, and for a function only', async () => {
      const scope = new CancelScope()
      await scope.run(async () => {
        expect(await errorOf(scope.run(async () => {}))).toBeInstanceOf(InvalidStateError)
      })
      expect(await errorOf(scope.run(async () => {}))).toBeInstanceOf(InvalidStateError)
      expect(await errorOf(new CancelScope().run(3 as never))).toBeInstanceOf(TypeError)
    })

    it('is ambient in its block, and nowhere else', async () => {
      expect(currentScope()).toBeUndefined()
      const outer = new CancelScope()
      const inner = new CancelScope()
      await outer.run(async () => {
        await Promise.resolve()
        expect(currentScope()).toBe(outer)
        const elsewhere = new Promise<unknown>((resolve) => setImmediate(() => resolve(currentScope())))
        await inner.run(async () => expect(currentScope()).toBe(inner))
        expect(currentScope()).toBe(outer)
        expect(await elsewhere).toBe(outer)
      })
      expect(currentScope()).toBeUndefined()
      expect(await cancelledHere()).toBe(false)
    })
  })

  describe('cancel', () => {
    it('ends a wait at once, and the block with undefined', async () => {
      const scope = new CancelScope()
      let reason: unknown
      const ran = scope.run(async () => {
        try {
          await sleepForever()
        } catch (error) {
          reason = error
          throw error
        }
        return 1
      })
      expect(scope.cancelCalled).toBe(false)
      scope.cancel('enough')
      expect(await ran).toBeUndefined()
      expect(reason).toBeInstanceOf(Cancelled)
      expect((reason as Cancelled).cause).toBe('enough')
      expect([scope.cancelCalled, scope.cancelledCaught, scope.cancelReason]).toEqual([true, true, 'enough'])
    })

    it('is level-triggered: every wait raises it, even one that could finish at once', async () => {
      const event = new Event()
      event.set()
      const scope = new CancelScope()
      const seen: boolean[] = []
      await scope.run(async () => {
        scope.cancel()
        for (const wait of [checkpoint, () => event.wait(), () => sleep(0), () => sleep(5), sleepForever, checkpoint]) {
          // oxlint-disable-next-line no-await-in-loop -- one after the other
          seen.push((await errorOf(wait())) instanceof Cancelled)
        }
      })
      expect(seen).toEqual(Array(6).fill(true))
      expect(scope.cancelledCaught).toBe(false)
    })

    it('before the block is seen in it', async () => {
      const scope = new CancelScope()
      scope.cancel()
      expect(await scope.run(async () => (await cancelledHere()) && 'reached')).toBe('reached')
    })

    it('counts the first time, and does nothing behind the block', async () => {
      const scope = new CancelScope()
      await scope.run(async () => {})
      scope.cancel('late')
      scope.cancel('later')
      expect([scope.cancelCalled, scope.cancelReason, scope.cancelledCaught]).toEqual([true, 'late', false])
    })

    it('leaves the value of a block that comes to its end in spite of it', async () => {
      const scope = new CancelScope()
      const value = await scope.run(async () => {
        scope.cancel()
        return 5
      })
      expect([value, scope.cancelledCaught]).toEqual([5, false])
    })

    it('in the turn in which a wait has finished comes too late for that, and is seen by the next', async () => {
      const scope = new CancelScope()
      const log: string[] = []
      const event = new Event()
      await scope.run(async () => {
        const waiting = event.wait()
        event.set()
        scope.cancel()
        await waiting
        log.push('waited')
        log.push(String(await cancelledHere()))
      })
      expect(log).toEqual(['waited', 'true'])
    })

    it('reaches the scopes inside; the outermost takes it', async () => {
      const [outer, middle, inner] = [new CancelScope(), new CancelScope(), new CancelScope()]
      const ran = outer.run(() => middle.run(() => inner.run(sleepForever)))
      outer.cancel()
      expect(await ran).toBeUndefined()
      expect([outer, middle, inner].map((scope) => scope.cancelledCaught)).toEqual([true, false, false])
      expect([outer, middle, inner].map((scope) => scope.cancelCalled)).toEqual([true, false, false])
    })

    it('of an inner and an outer scope belongs to the outer', async () => {
      for (const order of [0, 1]) {
        const [outer, inner] = [new CancelScope(), new CancelScope()]
        const log: string[] = []
        const ran = outer.run(async () => {
          await inner.run(sleepForever)
          log.push('behind the inner')
        })
        if (order === 0) inner.cancel()
        outer.cancel()
        inner.cancel()
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        await ran
        expect([outer.cancelledCaught, inner.cancelledCaught, log]).toEqual([true, false, []])
      }
    })

    it('of an inner scope does not reach the outer', async () => {
      const [outer, inner] = [new CancelScope(), new CancelScope()]
      const ran = outer.run(async () => {
        await inner.run(sleepForever)
        return cancelledHere()
      })
      inner.cancel()
      expect(await ran).toBe(false)
    })

    it('does not take an error that comes while the block unwinds', async () => {
      const scope = new CancelScope()
      const unwinding = new Error('unwinding')
      const ran = scope.run(async () => {
        try {
          await sleepForever()
        } finally {
          // oxlint-disable-next-line no-unsafe-finally -- what this is about
          throw unwinding
        }
      })
      scope.cancel()
      expect(await errorOf(ran)).toBe(unwinding)
      expect(scope.cancelledCaught).toBe(false)
    })

    it('takes the Cancelled out of groups, and keeps the rest with its shape', async () => {
      const scope = new CancelScope()
      const [a, b] = [new Error('a'), new Error('b')]
      const left = await errorOf(
        scope.run(async () => {
          scope.cancel()
          const inner = new ExceptionGroup('inner', [new Cancelled(), b])
          throw new ExceptionGroup('outer', [a, new ExceptionGroup('all', [new Cancelled()]), inner])
        }),
      )
      expect(left).toBeInstanceOf(ExceptionGroup)
      expect((left as ExceptionGroup).message).toBe('outer')
      expect((left as ExceptionGroup).leaves()).toEqual([a, b])
      expect((left as ExceptionGroup).errors[1]).toMatchObject({ message: 'inner', errors: [b] })
      expect(scope.cancelledCaught).toBe(true)

      const all = new CancelScope()
      const ran = all.run(async () => {
        all.cancel()
        throw new ExceptionGroup('x', [new Cancelled(), new Cancelled()])
      })
      expect(await ran).toBeUndefined()
      expect(all.cancelledCaught).toBe(true)
    })

    it('takes it out of what `using` makes of two errors', async () => {
      for (const [body, disposal, expected] of [
        [null, null, undefined],
        [new Error('body'), null, 'body'],
        [null, new Error('disposal'), 'disposal'],
      ] as const) {
        const scope = new CancelScope()
        const ran = scope.run(async () => {
          await using _resource = {
            [Symbol.asyncDispose]: async () => {
              if (disposal !== null) throw disposal
              await checkpoint()
            },
          }
          scope.cancel()
          if (body !== null) throw body
          await checkpoint()
        })
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        const left = await ran.catch((error: unknown) => (error as Error).message)
        expect(left).toBe(expected)
      }
    })

    it('does not take the CancelledError of asyncio', async () => {
      const scope = new CancelScope()
      const reason = new CancelledError('a task was cancelled')
      const ran = scope.run(async () => {
        scope.cancel()
        throw reason
      })
      expect(await errorOf(ran)).toBe(reason)
    })

    it('does not take a Cancelled that it has not caused', async () => {
      const foreign = new Cancelled('from elsewhere')
      const scope = new CancelScope()
      expect(await errorOf(scope.run(() => Promise.reject(foreign)))).toBe(foreign)
      expect(scope.cancelledCaught).toBe(false)
    })

    it('reaches all branches of one task', async () => {
      const scope = new CancelScope()
      const ended: unknown[] = []
      const ran = scope.run(() =>
        Promise.allSettled([sleepForever(), sleep(1000), new Event().wait()]).then((all) => ended.push(...all)),
      )
      scope.cancel()
      await ran
      expect(ended.map((each) => (each as PromiseSettledResult<unknown>).status)).toEqual(Array(3).fill('rejected'))
    })
  })

  describe('shield', () => {
    it('keeps an outer cancel out, not its own', async () => {
      const outer = new CancelScope()
      const shielded = new CancelScope({ shield: true })
      const seen: boolean[] = []
      await outer.run(async () => {
        outer.cancel()
        await shielded.run(async () => {
          seen.push(await cancelledHere())
          shielded.cancel()
          seen.push(await cancelledHere())
          await checkpoint()
        })
        seen.push(await cancelledHere())
      })
      expect(seen).toEqual([false, true, true])
      expect(shielded.cancelledCaught).toBe(true)
    })

    it('that is put up in a cancelled scope hides it, and delivers at once when it is taken away', async () => {
      const outer = new CancelScope()
      const inner = new CancelScope()
      const log: unknown[] = []
      await outer.run(async () => {
        await inner.run(async () => {
          outer.cancel()
          inner.shield = true
          log.push(await cancelledHere())
          const waiting = errorOf(sleepForever())
          inner.shield = false
          log.push((await waiting) instanceof Cancelled)
          log.push(await cancelledHere())
        })
      })
      expect(log).toEqual([false, true, true])
    })

    it('hides what is around it from what is deeper inside, too', async () => {
      const [outer, shielded, inner] = [new CancelScope(), new CancelScope({ shield: true }), new CancelScope()]
      const seen: boolean[] = []
      await outer.run(() =>
        shielded.run(() =>
          inner.run(async () => {
            outer.cancel()
            seen.push(await cancelledHere())
            shielded.shield = false
            seen.push(await cancelledHere())
          }),
        ),
      )
      expect(seen).toEqual([false, true])
    })

    it.each(['yes', 1, null])('of %p is a TypeError', (shield) => {
      expect(() => new CancelScope({ shield: shield as never })).toThrow(TypeError)
      expect(() => (new CancelScope().shield = shield as never)).toThrow(TypeError)
    })
  })

  describe('deadline', () => {
    it('cancels when it has passed', async () => {
      const clock = new FakeClock()
      try {
        const scope = new CancelScope({ deadline: currentTime() + 100 })
        const ran = scope.run(sleepForever)
        await clock.advance(99)
        expect(scope.cancelCalled).toBe(false)
        await clock.advance(1)
        expect(await ran).toBeUndefined()
        expect(scope.cancelledCaught).toBe(true)
        expect(scope.cancelReason).toBeInstanceOf(TooSlowError)
      } finally {
        clock[Symbol.dispose]()
      }
    })

    it('may be moved, further away and nearer', async () => {
      const clock = new FakeClock()
      try {
        const scope = new CancelScope({ deadline: currentTime() + 100 })
        const ran = scope.run(sleepForever)
        const start = currentTime()
        scope.deadline = start + 300
        await clock.advance(200)
        expect(scope.cancelCalled).toBe(false)
        scope.deadline = start + 250
        await clock.advance(50)
        expect(await ran).toBeUndefined()
        const none = new CancelScope({ deadline: currentTime() + 1 })
        const ending = none.run(() => sleep(50))
        none.deadline = Infinity
        await clock.advance(50)
        await ending
        expect(none.cancelCalled).toBe(false)
      } finally {
        clock[Symbol.dispose]()
      }
    })

    it('beyond what a timer can hold works', async () => {
      const clock = new FakeClock()
      try {
        const days = 30 * 24 * 3600 * 1000
        const scope = new CancelScope({ deadline: currentTime() + days })
        const ran = scope.run(sleepForever)
        await clock.advance(days - 1)
        expect(scope.cancelCalled).toBe(false)
        await clock.advance(1)
        expect(await ran).toBeUndefined()
      } finally {
        clock[Symbol.dispose]()
      }
    })

    it('that has passed is seen at a checkpoint, even if the thread was blocked meanwhile', async () => {
      const scope = new CancelScope({ deadline: currentTime() + 5 })
      const seen = await scope.run(async () => {
        const end = performance.now() + 6
        while (performance.now() < end);
        return cancelledHere()
      })
      expect(seen).toBe(true)
      const past = new CancelScope({ deadline: currentTime() - 1 })
      expect(past.cancelCalled).toBe(true)
      expect(await past.run(() => checkpoint())).toBeUndefined()
      expect(past.cancelledCaught).toBe(true)
    })

    it('of a scope around is seen, with that scope as the one that takes it', async () => {
      const outer = new CancelScope({ deadline: currentTime() })
      const inner = new CancelScope()
      await outer.run(() => inner.run(() => checkpoint()))
      expect([outer.cancelledCaught, inner.cancelledCaught]).toEqual([true, false])
    })

    it('that passes behind the block does not count', async () => {
      const clock = new FakeClock()
      try {
        const scope = new CancelScope({ deadline: currentTime() + 10 })
        await scope.run(async () => {})
        await clock.advance(20)
        expect(scope.cancelCalled).toBe(false)
      } finally {
        clock[Symbol.dispose]()
      }
    })

    it.each(['soon', NaN, null])('of %p is a TypeError', (deadline) => {
      expect(() => new CancelScope({ deadline: deadline as never })).toThrow(TypeError)
      expect(() => (new CancelScope().deadline = deadline as never)).toThrow(TypeError)
    })

    it('is told as the one that counts', async () => {
      expect(currentEffectiveDeadline()).toBe(Infinity)
      await new CancelScope({ deadline: currentTime() + 5000 }).run(async (outer) => {
        expect(currentEffectiveDeadline()).toBe(outer.deadline)
        await new CancelScope({ deadline: outer.deadline + 1 }).run(async () => {
          expect(currentEffectiveDeadline()).toBe(outer.deadline)
        })
        await new CancelScope({ deadline: outer.deadline - 1 }).run(async (inner) => {
          expect(currentEffectiveDeadline()).toBe(inner.deadline)
          outer.deadline = inner.deadline - 1
          expect(currentEffectiveDeadline()).toBe(outer.deadline)
        })
        await new CancelScope({ shield: true }).run(async () => expect(currentEffectiveDeadline()).toBe(Infinity))
        outer.cancel()
        expect(currentEffectiveDeadline()).toBe(-Infinity)
      })
    })
  })

  describe('signal', () => {
    it('aborts with the Cancelled when waits are cancelled, from inside and from outside', async () => {
      const outer = new CancelScope()
      await outer.run(async () => {
        await new CancelScope().run(async (inner) => {
          const { signal } = inner
          expect(signal.aborted).toBe(false)
          outer.cancel('why')
          expect(signal.aborted).toBe(true)
          expect(signal.reason).toBeInstanceOf(Cancelled)
          expect((signal.reason as Cancelled).cause).toBe('why')
        })
      })
      expect(outer.signal.aborted).toBe(true)
    })

    it('asked for late has aborted already; behind a shield it has not', async () => {
      const outer = new CancelScope()
      await outer.run(async () => {
        outer.cancel()
        await new CancelScope().run(async (inner) => expect(inner.signal.aborted).toBe(true))
        await new CancelScope({ shield: true }).run(async (inner) => {
          expect(inner.signal.aborted).toBe(false)
          inner.shield = false
          expect(inner.signal.aborted).toBe(true)
        })
      })
    })

    it('takes any number of listeners', async () => {
      const warned = jest.fn()
      process.on('warning', warned)
      const { signal } = new CancelScope()
      for (let i = 0; i < 100; i++) signal.addEventListener('abort', () => {})
      await new Promise(setImmediate)
      process.off('warning', warned)
      expect(getEventListeners(signal, 'abort')).toHaveLength(100)
      expect(warned).not.toHaveBeenCalled()
    })
  })

  describe('parent', () => {
    it('hangs a scope elsewhere', async () => {
      const elsewhere = new CancelScope()
      const here = new CancelScope()
      const inner = new CancelScope({ parent: elsewhere })
      const seen: boolean[] = []
      await elsewhere.run(async () => {
        await here.run(async () => {
          await inner.run(async () => {
            here.cancel()
            seen.push(await cancelledHere())
            elsewhere.cancel()
            seen.push(await cancelledHere())
          })
        })
      })
      expect(seen).toEqual([false, true])
    })
  })

  describe('ambient: false', () => {
    it('is not ambient, nor are the scopes inside; the scope is passed on', async () => {
      const scope = new CancelScope({ ambient: false })
      const waits = { scope }
      await scope.run(async () => {
        expect(currentScope()).toBeUndefined()
        await new CancelScope({ parent: scope }).run(async (inner) => {
          expect(currentScope()).toBeUndefined()
          const waiting = errorOf(sleepForever({ scope: inner }))
          scope.cancel()
          expect(await waiting).toBeInstanceOf(Cancelled)
        })
        expect(await errorOf(checkpoint(waits))).toBeInstanceOf(Cancelled)
        expect(await cancelledHere()).toBe(false)
      })
    })
  })

  it('holds thousands of waits, which begin and end in any order', async () => {
    const scope = new CancelScope()
    let left = 0
    const waits = Array.from({ length: 5000 }, () => new Waiter<number>({ scope }, undefined, () => void left++))
    for (let i = 0; i < waits.length; i += 2) waits[(i * 7919) % 5000]!.resolve(i)
    const settled = waits.filter((waiter) => waiter.settled).length
    scope.cancel()
    expect(left).toBe(5000 - settled)
    expect(waits.every((waiter) => waiter.settled)).toBe(true)
    await Promise.allSettled(waits.map(({ promise }) => promise))
  })

  it('is forgotten by what goes on in it without being waited for: that is in the block around then', async () => {
    const outer = new CancelScope()
    const inner = new CancelScope()
    const event = new Event()
    await outer.run(async () => {
      let waiting!: Promise<unknown>
      let begunLater!: Promise<unknown>
      await inner.run(async () => {
        waiting = errorOf(sleepForever())
        begunLater = event.wait({ scope: new CancelScope({ parent: inner }) }).then(() => errorOf(sleepForever()))
      })
      inner.cancel()
      event.set()
      const first = await Promise.race([waiting, Promise.resolve('still waiting')])
      expect(first).toBe('still waiting')
      outer.cancel()
      expect(await waiting).toBeInstanceOf(Cancelled)
      expect(await begunLater).toBeInstanceOf(Cancelled)
    })
  })
})

describe('time limits', () => {
  let clock: FakeClock
  beforeEach(() => (clock = new FakeClock()))
  afterEach(() => clock[Symbol.dispose]())

  it('moveOnAfter goes on with undefined, or with the value', async () => {
    const caught: boolean[] = []
    const late = moveOnAfter(10, async (scope) => {
      try {
        await sleep(11)
      } finally {
        caught.push(scope.cancelCalled)
      }
      return 1
    })
    const inTime = moveOnAfter(10, async () => {
      await sleep(9)
      return 2
    })
    await clock.advance(11)
    expect([await late, await inTime, caught]).toEqual([undefined, 2, [true]])
  })

  it('moveOnAt takes a point in time', async () => {
    const late = moveOnAt(currentTime() + 10, () => sleepUntil(currentTime() + 11))
    await clock.advance(10)
    expect(await late).toBeUndefined()
  })

  it('failAfter and failAt fail with a TooSlowError', async () => {
    const after = errorOf(failAfter(10, sleepForever))
    const at = errorOf(failAt(currentTime() + 10, sleepForever))
    const inTime = failAfter(10, async () => 3)
    await clock.advance(10)
    expect(await after).toBeInstanceOf(TooSlowError)
    expect(await after).toMatchObject({ timeoutMs: 10, message: expect.stringContaining('10 ms') as string })
    expect(await at).toBeInstanceOf(TooSlowError)
    expect(await inTime).toBe(3)
  })

  it('failAfter fails as well where somebody else has cancelled its scope, and not where an outer one was', async () => {
    expect(
      await errorOf(
        failAfter(10, async (scope) => {
          scope.cancel()
          await checkpoint()
        }),
      ),
    ).toBeInstanceOf(TooSlowError)
    const outer = new CancelScope()
    const ran = outer.run(() => failAfter(10, sleepForever))
    outer.cancel()
    expect(await ran).toBeUndefined()
  })

  it('of 0 ms, or a time that has passed, cancels the first wait', async () => {
    expect(await moveOnAfter(0, () => checkpoint().then(() => 1))).toBeUndefined()
    expect(await moveOnAfter(-5, () => checkpoint().then(() => 1))).toBeUndefined()
    expect(await moveOnAfter(-5, async () => 1)).toBe(1)
  })

  it('take a shield', async () => {
    const outer = new CancelScope()
    const log: string[] = []
    const ran = outer.run(async () => {
      try {
        await sleepForever()
      } finally {
        await moveOnAfter(50, () => sleep(20).then(() => log.push('cleaned up')), { shield: true })
      }
    })
    outer.cancel()
    await clock.advance(20)
    await ran
    expect(log).toEqual(['cleaned up'])
  })

  it.each([NaN, '5', undefined])('of %p reject with a TypeError', async (ms) => {
    const fn = async (): Promise<void> => {}
    for (const limit of [moveOnAfter, moveOnAt, failAfter, failAt]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      expect(await errorOf(limit(ms as never, fn))).toBeInstanceOf(TypeError)
    }
  })
})

describe('sleep', () => {
  it('lasts as long as it says, by the clock that tells of it', async () => {
    for (let i = 0; i < 20; i++) {
      const start = currentTime()
      await sleep(1.5) // oxlint-disable-line no-await-in-loop -- one after the other
      expect(currentTime() - start).toBeGreaterThanOrEqual(1.5)
    }
  })

  it('rejects with a RangeError for what is no time', async () => {
    for (const ms of [-1, NaN, 'x']) expect(await errorOf(sleep(ms as number))).toBeInstanceOf(RangeError) // oxlint-disable-line no-await-in-loop
    expect(await errorOf(sleepUntil(NaN))).toBeInstanceOf(RangeError)
  })

  it('cancelled leaves no timer', async () => {
    await new CancelScope().run(async (scope) => {
      const sleeping = errorOf(sleep(1_000_000))
      scope.cancel()
      expect(await sleeping).toBeInstanceOf(Cancelled)
    })
  })

  it('goes by a signal as well', async () => {
    const reason = new Error('enough')
    expect(await errorOf(sleep(5, { signal: AbortSignal.abort(reason) }))).toBe(reason)
    const controller = new AbortController()
    const sleeping = errorOf(sleepForever({ signal: controller.signal }))
    controller.abort(reason)
    expect(await sleeping).toBe(reason)
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
  })
})

describe('checkpoint', () => {
  it('lets timers and I/O through a loop that does nothing else', async () => {
    let over = false
    setTimeout(() => (over = true), 5)
    await openNursery(async () => {
      while (!over) await checkpoint() // oxlint-disable-line no-await-in-loop -- what this is about
    })
    expect(over).toBe(true)
  })

  it('does so where the clock stands still', async () => {
    const clock = new FakeClock()
    let over = false
    setImmediate(() => (over = true))
    for (let i = 0; i < 1000 && !over; i++) await checkpoint() // oxlint-disable-line no-await-in-loop
    clock[Symbol.dispose]()
    expect(over).toBe(true)
  })
})
