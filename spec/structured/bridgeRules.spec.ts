/** The four rules by which errors and cancels pass between the flavours, each with every way to end. */
import { getEventListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { CancelledError } from '../../lib/errors.ts'
import { aioAsTrio } from '../../lib/structured/aioAsTrio.ts'
import { CancelScope } from '../../lib/structured/cancelScope.ts'
import { currentScope } from '../../lib/structured/current.ts'
import { Cancelled } from '../../lib/structured/errors.ts'
import { ExceptionGroup } from '../../lib/structured/exceptionGroup.ts'
import type { Future } from '../../lib/structured/future.ts'
import type { Loop } from '../../lib/structured/loop.ts'
import { openNursery } from '../../lib/structured/nursery.ts'
import { openLoop } from '../../lib/structured/openLoop.ts'
import { runAioCoroutine, runAioFuture } from '../../lib/structured/runAio.ts'
import { runTrio } from '../../lib/structured/runTrio.ts'
import { sleep, sleepForever } from '../../lib/structured/sleep.ts'
import { trioAsAio } from '../../lib/structured/trioAsAio.ts'
import { nextTurn } from '../../lib/wait.ts'

const boom = new Error('boom')

/** What a function does once it is cancelled, and what is in its future then. */
const endings: [name: string, fn: () => Promise<unknown>, outcome: unknown, cancelled: boolean][] = [
  ['ends', async () => sleepForever(), expect.any(CancelledError), true],
  [
    'ends, but takes its time',
    async () => {
      try {
        await sleepForever()
      } finally {
        await nextTurn()
        await nextTurn()
      }
    },
    expect.any(CancelledError),
    true,
  ],
  [
    'has a value in spite',
    async () => {
      await sleepForever().catch(() => {})
      return 'value'
    },
    'value',
    false,
  ],
  [
    'has another error',
    async () => {
      await sleepForever().catch(() => {})
      throw boom
    },
    boom,
    false,
  ],
]
const [, [, slow], , [, failing]] = endings as [never, (typeof endings)[0], never, (typeof endings)[0]]

const outcomeOf = async (promise: PromiseLike<unknown>): Promise<unknown> =>
  promise.then(
    (value) => value,
    (error: unknown) => error,
  )

describe('rule 1: a cancel of the future of a trio task cancels the task', () => {
  const begin: Record<string, (loop: Loop, fn: () => Promise<unknown>) => Future<unknown>> = {
    runTrio: (_, fn) => runTrio(fn),
    trioAsAio: (_, fn) => trioAsAio(fn)(),
    'loop.trioAsFuture': (loop, fn) => loop.trioAsFuture(fn),
    'loop.createTask': (loop, fn) => loop.createTask(fn),
  }

  describe.each(Object.keys(begin))('%s', (name) => {
    it.each(endings)('that %s', async (_, fn, expected, cancelled) => {
      await openLoop(async (loop) => {
        let gone = false
        const future = begin[name]!(loop, async () => {
          try {
            return await fn()
          } finally {
            gone = true
          }
        })
        await nextTurn()
        expect(future.cancel('no more')).toBe(true)
        // Only when the task is gone.
        expect([future.done(), gone]).toEqual([false, false])
        const outcome = await outcomeOf(future)
        expect(gone).toBe(true)
        expect([outcome, future.cancelled()]).toEqual([expected, cancelled])
        expect(String(outcome)).toContain(cancelled ? 'no more' : String(expected))
      })
    })

    it('twice: the first counts', async () => {
      await openLoop(async (loop) => {
        const future = begin[name]!(loop, sleepForever)
        await nextTurn()
        expect([future.cancel('first'), future.cancel('second')]).toEqual([true, true])
        expect(await outcomeOf(future)).toEqual(new CancelledError('first'))
      })
    })

    it('before it began: it never does, and the future is done all the same', async () => {
      await openLoop(async (loop) => {
        let called = false
        const future = begin[name]!(loop, async () => {
          called = true
        })
        expect([future.cancel('early'), future.done()]).toEqual([true, false])
        expect(await outcomeOf(future)).toEqual(new CancelledError('early'))
        expect([called, future.cancelled()]).toEqual([false, true])
      })
    })

    it('when it is done: nothing', async () => {
      await openLoop(async (loop) => {
        const future = begin[name]!(loop, async () => 'value')
        await future
        expect([future.cancel(), future.cancelled(), future.result()]).toEqual([false, false, 'value'])
      })
    })

    it('by the asyncio task that awaits it', async () => {
      await openLoop(async (loop) => {
        let future!: Future<unknown>
        const task = loop.aioTask(async () => {
          future = begin[name]!(loop, slow)
          await future
        })
        await nextTurn()
        task.cancel('from above')
        expect([task.done(), future.done()]).toEqual([false, false])
        expect(await outcomeOf(task)).toEqual(new CancelledError('from above'))
        expect([task.cancelled(), future.cancelled()]).toEqual([true, true])
      })
    })
  })

  it('an error of one that was not cancelled is the future’s, the very same', async () => {
    await openLoop(async () => {
      const future = runTrio(async () => {
        throw boom
      })
      expect(await outcomeOf(future)).toBe(boom)
    })
  })

  it('what was raised while unwinding, in a group with Cancelled, comes without that', async () => {
    await openLoop(async () => {
      const future = runTrio(async () =>
        openNursery(async (nursery) => {
          nursery.startSoon(failing)
          await sleepForever()
        }),
      )
      await nextTurn()
      future.cancel()
      const group = await outcomeOf(future)
      expect(group).toBeInstanceOf(ExceptionGroup)
      expect((group as ExceptionGroup).leaves()).toEqual([boom])
    })
  })
})

describe('rule 2: a trio task that is cancelled from its own side cancels its future', () => {
  const cancels: Record<string, (loop: Loop, scope: CancelScope) => void> = {
    'its own scope': (_, scope) => scope.cancel('own'),
    'the loop': (loop) => loop.stop(),
  }

  it.each(Object.entries(cancels))('by %s: the asyncio code sees CancelledError', async (_, cancel) => {
    const seen: unknown[] = []
    await openLoop(async (loop) => {
      let scope!: CancelScope
      const future = runTrio(async () => {
        scope = currentScope()!
        await sleepForever()
      })
      const task = loop.aioTask(async () => {
        try {
          await future
        } catch (error) {
          seen.push(error)
          throw error
        }
      })
      task.addDoneCallback(() => seen.push(task.cancelled(), future.cancelled()))
      await nextTurn()
      cancel(loop, scope)
      if (cancel === cancels['its own scope']) await outcomeOf(task)
    })
    expect(seen).toEqual([expect.any(CancelledError), true, true])
  })

  it.each(endings)('one that %s', async (_, fn, expected, cancelled) => {
    let future!: Future<unknown>
    await openLoop(async (loop) => {
      future = runTrio<[], unknown>(fn)
      await nextTurn()
      loop.stop()
    })
    const outcome = await outcomeOf(future)
    expect([outcome, future.cancelled()]).toEqual([expected, cancelled])
    expect(outcome).not.toBeInstanceOf(Cancelled)
  })

  it('that throws a Cancelled of elsewhere has none as its outcome either', async () => {
    await openLoop(async () => {
      const future = runTrio(async () => {
        throw new Cancelled('elsewhere')
      })
      expect(await outcomeOf(future)).toEqual(expect.any(CancelledError))
    })
  })
})

describe('rule 3: a cancel of the trio caller cancels the future or the task, and waits for it', () => {
  const callers: Record<string, (loop: Loop, fn: () => Promise<unknown>) => Promise<unknown>> = {
    aioAsTrio: (_, fn) => aioAsTrio(fn)(),
    runAioCoroutine: (_, fn) => runAioCoroutine(fn),
    'runAioFuture of a task': (loop, fn) => runAioFuture(loop.aioTask(fn)),
    'aioAsTrio of a task': (loop, fn) => aioAsTrio(loop.aioTask(fn)),
    'runAioFuture of a trio task': (loop, fn) => runAioFuture(loop.createTask(fn)),
  }

  describe.each(Object.keys(callers))('%s', (name) => {
    it.each(endings)('that %s', async (_, fn, expected, cancelled) => {
      await openLoop(async (loop) => {
        let gone = false
        const scope = new CancelScope()
        let outcome: unknown
        await scope.run(async () => {
          const call = callers[name]!(loop, async () => {
            try {
              return await fn()
            } finally {
              gone = true
            }
          })
          loop.callLater(1, () => scope.cancel('enough'))
          outcome = await outcomeOf(call)
          if (outcome instanceof Cancelled) throw outcome
        })
        expect([gone, scope.cancelledCaught, outcome instanceof Cancelled]).toEqual([true, cancelled, cancelled])
        // Cancelled, for which there is a CancelledError, for which there is the Cancelled of the scope.
        const { cause } = cancelled ? (outcome as Cancelled) : { cause: outcome }
        const { cause: first } = cancelled ? (cause as { cause: { cause: unknown } }).cause : { cause: 'enough' }
        expect([cause, first]).toEqual([expected, 'enough'])
      })
    })

    it('before: nothing of it is called', async () => {
      await openLoop(async (loop) => {
        let called = false
        const scope = new CancelScope()
        const outcome = await scope.run(async () => {
          scope.cancel()
          return outcomeOf(
            callers[name]!(loop, async () => {
              called = true
            }),
          )
        })
        expect([called, outcome]).toEqual([false, expect.any(Cancelled)])
      })
    })

    it('when it is done: nothing but the next wait', async () => {
      await openLoop(async (loop) => {
        const scope = new CancelScope()
        await scope.run(async () => {
          expect(await callers[name]!(loop, async () => 'value')).toBe('value')
          scope.cancel()
          expect(await outcomeOf(sleep(0))).toBeInstanceOf(Cancelled)
        })
      })
    })
  })

  it('a plain future: cancelled, and the wait is over', async () => {
    await openLoop(async (loop) => {
      const future = loop.createFuture()
      const scope = new CancelScope()
      loop.callSoon(() => scope.cancel())
      await scope.run(async () => runAioFuture(future))
      expect([future.cancelled(), scope.cancelledCaught]).toEqual([true, true])
    })
  })

  it('a future in a scope that is cancelled already: is cancelled as well', async () => {
    await openLoop(async (loop) => {
      const future = loop.createFuture()
      const scope = new CancelScope()
      scope.cancel()
      await scope.run(async () => runAioFuture(future))
      expect([future.cancelled(), scope.cancelledCaught]).toEqual([true, true])
    })
  })

  it('one that is done in a scope that is cancelled: still a checkpoint', async () => {
    await openLoop(async (loop) => {
      const future = loop.createFuture<string>()
      future.setResult('value')
      const scope = new CancelScope()
      scope.cancel()
      expect(await scope.run(async () => runAioFuture(future))).toBeUndefined()
      expect([future.result(), scope.cancelledCaught]).toEqual(['value', true])
    })
  })

  it('by a signal: it rejects with the reason of that', async () => {
    await openLoop(async (loop) => {
      const controller = new AbortController()
      const future = loop.createFuture()
      loop.callSoon(() => controller.abort('stop'))
      await expect(runAioFuture(future, { signal: controller.signal })).rejects.toBe('stop')
      expect(future.cancelled()).toBe(true)
      const late = loop.createFuture()
      await expect(runAioFuture(late, { signal: controller.signal })).rejects.toBe('stop')
      expect(late.cancelled()).toBe(true)
    })
  })

  it('by a signal of a scope: the reason is that very Cancelled; no listener is left in any case', async () => {
    await openLoop(async (loop) => {
      const scope = new CancelScope()
      const { signal } = scope
      const done = loop.createFuture<number>()
      const value = runAioFuture(done, { signal })
      expect(getEventListeners(signal, 'abort').length).toBe(1)
      done.setResult(7)
      expect(await value).toBe(7)
      expect(getEventListeners(signal, 'abort')).toEqual([])
      const waiting = outcomeOf(runAioFuture(loop.createFuture(), { signal }))
      scope.cancel()
      expect(await waiting).toBe(signal.reason)
      expect(getEventListeners(signal, 'abort')).toEqual([])
    })
  })

  it('of what ends with an AbortError then: that is the cancel; without one it is an error', async () => {
    await openLoop(async (loop) => {
      const controller = new AbortController()
      const work = async (): Promise<void> => {
        const { signal } = currentScope()!
        signal.addEventListener('abort', () => controller.abort())
        await delay(60_000, undefined, { signal: controller.signal })
      }
      const scope = new CancelScope()
      loop.callLater(1, () => scope.cancel())
      await scope.run(async () => runAioFuture(loop.createTask(work)))
      expect(scope.cancelledCaught).toBe(true)
      await expect(runAioFuture(loop.createTask(work))).rejects.toMatchObject({ name: 'AbortError' })
    })
  })

  it('of an asyncio caller: it is CancelledError there', async () => {
    await openLoop(async (loop) => {
      const future = loop.createFuture()
      const task = loop.aioTask(async () => runAioFuture(future))
      await nextTurn()
      task.cancel('task')
      expect(await outcomeOf(task)).toEqual(new CancelledError('task'))
      expect([future.cancelled(), task.cancelled()]).toEqual([true, true])
    })
  })

  it('while it is only about to wait for what can be cancelled: it is heard, and waited for', async () => {
    await openLoop(async () => {
      const log: string[] = []
      const scope = new CancelScope()
      await scope.run(async () => {
        const call = aioAsTrio(async () => {
          for (let i = 0; i < 20; i++) await Promise.resolve()
          try {
            await sleepForever()
          } finally {
            await nextTurn()
            log.push('ended')
          }
        })()
        scope.cancel()
        await call.finally(() => log.push('raised'))
      })
      expect([scope.cancelledCaught, log]).toEqual([true, ['ended', 'raised']])
    })
  })

  it('at once, as soon as it is called: it is heard', async () => {
    await openLoop(async (loop) => {
      const future = loop.createFuture()
      const scope = new CancelScope()
      await scope.run(async () => {
        const call = aioAsTrio(async () => {
          await future
        })()
        scope.cancel()
        await call
      })
      expect([future.cancelled(), scope.cancelledCaught]).toEqual([true, true])
    })
  })
})

describe('rule 4: a future that somebody else cancels raises its CancelledError in trio, unchanged', () => {
  const waits: Record<string, (future: Future<unknown>) => Promise<unknown>> = {
    runAioFuture: (future) => runAioFuture(future),
    aioAsTrio: (future) => aioAsTrio(future),
    'aioAsTrio of a function': (future) => aioAsTrio(async () => future)(),
    runAioCoroutine: (future) => runAioCoroutine(async () => await future),
  }

  it.each(Object.entries(waits))('%s', async (_, wait) => {
    await openLoop(async (loop) => {
      const future = loop.createFuture()
      const error = new CancelledError('by others')
      loop.callSoon(() => future.cancel(error))
      const scope = new CancelScope()
      await expect(scope.run(async () => wait(future))).rejects.toBe(error)
      expect(scope.cancelledCaught).toBe(false)
    })
  })

  it('no scope takes it in, even one that was cancelled', async () => {
    await openLoop(async (loop) => {
      const future = loop.createFuture()
      future.cancel('by others')
      const scope = new CancelScope()
      const block = scope.run(async () => {
        const error = await outcomeOf(runAioFuture(future))
        scope.cancel()
        throw error
      })
      await expect(block).rejects.toEqual(new CancelledError('by others'))
      expect(scope.cancelledCaught).toBe(false)
    })
  })

  it('in a nursery it is an error like others', async () => {
    const log: unknown[] = []
    const block = openLoop(async (loop) => {
      const future = loop.createFuture()
      loop.callSoon(() => future.cancel('by others'))
      await openNursery(async (nursery) => {
        nursery.startSoon(async () => runAioFuture(future))
        await sleepForever().catch((error: unknown) => {
          log.push(error instanceof Cancelled)
          throw error
        })
      })
    })
    const group = await outcomeOf(block)
    expect((group as ExceptionGroup).leaves()).toEqual([new CancelledError('by others')])
    expect(log).toEqual([true])
  })

  it('passes through a trio task to the future of that, as it is', async () => {
    await openLoop(async (loop) => {
      const inner = loop.createFuture()
      const error = new CancelledError('far away')
      const outer = runTrio(async () => runAioFuture(inner))
      loop.callSoon(() => inner.cancel(error))
      expect(await outcomeOf(outer)).toBe(error)
      // The outer one was not cancelled itself.
      expect([inner.cancelled(), outer.cancelled(), outer.exception()]).toEqual([true, false, error])
    })
  })
})

describe('across several borders', () => {
  it('the same error object comes out', async () => {
    await openLoop(async () => {
      const through = aioAsTrio(async () => trioAsAio(async () => aioAsTrio(async () => trioAsAio(raise)())())())
      expect(await outcomeOf(through())).toBe(boom)
    })
  })

  it('a cancel goes all the way in, and the end all the way out', async () => {
    const log: string[] = []
    await openLoop(async (loop) => {
      const step =
        (name: string, inner: () => PromiseLike<unknown>): (() => Promise<unknown>) =>
        async () => {
          try {
            return await inner()
          } catch (error) {
            log.push(`${name} ${(error as Error).name}`)
            throw error
          }
        }
      const deepest = trioAsAio(step('trio 2', sleepForever))
      const aio = aioAsTrio(step('aio 2', deepest))
      const trio = trioAsAio(step('trio 1', aio))
      const scope = new CancelScope()
      loop.callLater(1, () => scope.cancel())
      await scope.run(async () => aioAsTrio(step('aio 1', trio))())
      expect(scope.cancelledCaught).toBe(true)
    })
    expect(log).toEqual(['trio 2 Cancelled', 'aio 2 CancelledError', 'trio 1 Cancelled', 'aio 1 CancelledError'])
  })
})

async function raise(): Promise<never> {
  await nextTurn()
  throw boom
}
