import { getEventListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { CancelledError, InvalidStateError } from '../../lib/errors.ts'
import { currentAsyncLibrary, currentScope, currentTask } from '../../lib/structured/current.ts'
import { Cancelled } from '../../lib/structured/errors.ts'
import { Event } from '../../lib/structured/event.ts'
import { Future } from '../../lib/structured/future.ts'
import type { Loop } from '../../lib/structured/loop.ts'
import { moveOnAfter } from '../../lib/structured/moveOn.ts'
import { runAioFuture } from '../../lib/structured/runAio.ts'
import { openNursery } from '../../lib/structured/nursery.ts'
import { CancelScope } from '../../lib/structured/cancelScope.ts'
import { openLoop } from '../../lib/structured/openLoop.ts'
import { sleep, sleepForever } from '../../lib/structured/sleep.ts'
import type { Task } from '../../lib/structured/task.ts'
import { StreamReader } from '../../lib/streams/streamReader.ts'
import { nextTurn } from '../../lib/wait.ts'
import { runModule } from '../support/builtPackage.ts'

/** Runs `fn` as a task, does `then` a turn later, and gives what the task ends with. */
async function withTask<T>(
  fn: (loop: Loop) => Promise<T>,
  then: (task: Task<T>) => void | Promise<void>,
): Promise<{ task: Task<T>; outcome: unknown }> {
  return openLoop(async (loop) => {
    const task = loop.aioTask(() => fn(loop))
    const outcome = task.then(
      (value) => value as unknown,
      (error: unknown) => error,
    )
    await nextTurn()
    await then(task)
    return { task, outcome: await outcome }
  })
}

describe('Task', () => {
  it('runs its function later, in asyncio flavour, without a scope', async () => {
    const log: unknown[] = []
    await openLoop(async (loop) => {
      const task = loop.aioTask(async () => {
        log.push(currentAsyncLibrary(), currentScope(), currentTask() === task)
        await sleep(0)
        log.push(currentAsyncLibrary(), currentTask() === task)
        return 'value'
      })
      expect(log).toEqual([])
      expect(await task).toBe('value')
      expect(task.getName()).toMatch(/^Task-\d+$/)
      expect(loop.aioTask(async () => {}, { name: 'mine' }).getName()).toBe('mine')
      expect([currentTask(), currentAsyncLibrary()]).toEqual([null, 'trio'])
    })
    expect(log).toEqual(['asyncio', undefined, true, 'asyncio', true])
  })

  it('its outcome is set by its function alone', async () => {
    const { task } = await withTask(
      async () => 1,
      (running) => {
        expect(() => running.setResult(2)).toThrow(InvalidStateError)
        expect(() => running.setException(2)).toThrow(InvalidStateError)
      },
    )
    expect(task.result()).toBe(1)
  })

  it('keeps the error that its function ends with, thrown at once too', async () => {
    const error = new Error('boom')
    const asynchronous = await withTask(
      async () => {
        throw error
      },
      () => {},
    )
    const synchronous = await withTask(
      () => {
        throw error
      },
      () => {},
    )
    expect([asynchronous.outcome, synchronous.outcome]).toEqual([error, error])
    expect(asynchronous.task.exception()).toBe(error)
  })

  it('that awaits itself is told', async () => {
    const { outcome } = await withTask(
      () => (async () => await currentTask())(),
      () => {},
    )
    expect(outcome).toBeInstanceOf(InvalidStateError)
  })

  describe('cancel', () => {
    it('ends the future that it awaits, and is heard there', async () => {
      let future!: Future<unknown>
      const { task, outcome } = await withTask(
        async (loop) => {
          future = loop.createFuture()
          await future
        },
        (running) => expect(running.cancel('stop')).toBe(true),
      )
      expect([future.cancelled(), task.cancelled()]).toEqual([true, true])
      expect(outcome).toEqual(new CancelledError('stop'))
    })

    it('goes down a chain of tasks that await each other', async () => {
      const ended: string[] = []
      const { outcome } = await withTask(
        async (loop) => {
          const inner = loop.aioTask(async () => {
            try {
              await loop.createFuture()
            } finally {
              ended.push('inner')
            }
          })
          try {
            await inner
          } finally {
            ended.push('outer')
          }
        },
        (running) => void running.cancel('all'),
      )
      expect([ended, outcome]).toEqual([['inner', 'outer'], new CancelledError('all')])
    })

    it('ends waits of the main entry and of trio, with nothing lost', async () => {
      const reader = new StreamReader()
      reader.feedData(Buffer.from('abc'))
      const read = await withTask(
        async () => reader.readExactly(8),
        (task) => void task.cancel(),
      )
      expect(read.outcome).toBeInstanceOf(CancelledError)
      reader.feedData(Buffer.from('defgh'))
      expect(String(await reader.readExactly(8))).toBe('abcdefgh')
      const event = await withTask(
        async () => new Event().wait(),
        (task) => void task.cancel(),
      )
      expect(event.outcome).toBeInstanceOf(CancelledError)
    })

    it('is told once: what follows may wait', async () => {
      const log: unknown[] = []
      const { task, outcome } = await withTask(
        async () => {
          try {
            await sleepForever()
          } catch (error) {
            log.push(error instanceof CancelledError)
            await sleep(1)
            await sleep(0)
          }
          return 'in spite'
        },
        (running) => void running.cancel(),
      )
      expect([log, outcome, task.cancelled(), task.result()]).toEqual([[true], 'in spite', false, 'in spite'])
    })

    it('is told again when it is asked for again', async () => {
      let times = 0
      const { outcome } = await withTask(
        async () => {
          for (;;) {
            try {
              await sleepForever()
            } catch (error) {
              if (++times === 3) throw error
            }
          }
        },
        async (running) => {
          for (const name of ['a', 'b', 'c']) {
            running.cancel(name)
            await nextTurn()
          }
        },
      )
      expect([times, outcome]).toEqual([3, new CancelledError('c')])
    })

    it('twice before it has heard of the first: they are one', async () => {
      const log: unknown[] = []
      const { outcome } = await withTask(
        async () => {
          await sleepForever().catch((error: unknown) => log.push(error))
          await sleep(1)
          return 'cleaned up'
        },
        (running) => expect([running.cancel('a'), running.cancel('b')]).toEqual([true, true]),
      )
      expect([log, outcome]).toEqual([[new CancelledError('a')], 'cleaned up'])
    })

    it('goes down a chain again, to a task that has gone on in spite of the first', async () => {
      const heard: string[] = []
      const { outcome } = await withTask(
        async (loop) => {
          await loop.aioTask(async () => {
            await sleepForever().catch((error: Error) => heard.push(error.message))
            await sleepForever()
          })
        },
        async (running) => {
          for (const name of ['a', 'b']) {
            running.cancel(name)
            await nextTurn()
          }
        },
      )
      expect([heard, outcome]).toEqual([['a'], new CancelledError('b')])
    })

    it('of one of several that await the same task or future: it is cancelled, and so are the others', async () => {
      await openLoop(async (loop) => {
        for (const shared of [loop.aioTask(sleepForever), loop.createTask(sleepForever), loop.createFuture()]) {
          const [first, second] = [0, 1].map(() => loop.aioTask(async () => await shared)) as [
            Task<unknown>,
            Task<unknown>,
          ]
          await nextTurn()
          first.cancel('of the first')
          await expect(second.then()).rejects.toThrow(CancelledError)
          expect([first, second, shared].map((future) => future.cancelled())).toEqual([true, true, true])
        }
      })
    })

    it('a shield around runAioFuture keeps a shared future out of it', async () => {
      const shared = new Future<string>()
      const { outcome } = await withTask(
        async () => {
          const value = await new CancelScope({ shield: true }).run(async () => runAioFuture(shared))
          await sleep(0).catch(() => {})
          return value
        },
        (running) => {
          running.cancel()
          expect(shared.cancelled()).toBe(false)
          shared.setResult('unhurt')
        },
      )
      expect(outcome).toBe('unhurt')
    })

    it('reaches all futures of a Promise.all', async () => {
      const futures = [new Future(), new Future(), new Future()]
      const { outcome } = await withTask(
        async () => Promise.all(futures),
        (running) => {
          futures[1]!.setResult(1)
          running.cancel('all')
        },
      )
      expect(futures.map((future) => future.cancelled())).toEqual([true, false, true])
      expect(outcome).toEqual(new CancelledError('all'))
    })

    it('is taken by the loser of a Promise.race, unless that was cancelled itself', async () => {
      for (const tidy of [false, true]) {
        const [winner, loser] = [new Future(), new Future()]
        let go!: () => void
        const foreign = new Promise<void>((resolve) => (go = resolve))
        const { outcome } = await withTask(
          async () => {
            await Promise.race([winner, loser])
            if (tidy) loser.cancel()
            await foreign
            await sleep(0)
            return 'not heard'
          },
          async (running) => {
            winner.setResult(1)
            await nextTurn()
            running.cancel('late')
            go()
          },
        )
        expect([loser.cancelled(), outcome]).toEqual([true, tidy ? new CancelledError('late') : 'not heard'])
      }
    })

    it('in the turn in which its future is done: the value counts, and the next wait tells', async () => {
      const future = new Future<string>()
      const log: unknown[] = []
      const { outcome } = await withTask(
        async () => {
          log.push(await future)
          await sleep(0)
        },
        (running) => {
          future.setResult('value')
          running.cancel('next')
        },
      )
      expect([log, outcome]).toEqual([['value'], new CancelledError('next')])
    })

    it('by itself, and without a wait behind it, changes nothing; with one, that raises it', async () => {
      const ends = await withTask(
        async () => currentTask()!.cancel() && 'value',
        () => {},
      )
      const waits = await withTask(
        async () => {
          currentTask()!.cancel('mine')
          await sleep(0)
        },
        () => {},
      )
      expect([ends.outcome, waits.outcome]).toEqual(['value', new CancelledError('mine')])
    })

    it('tells a future that it awaits many times only once', async () => {
      let times = 0
      class Stubborn extends Future<unknown> {
        override cancel(): boolean {
          return ++times > 0
        }
      }
      const stop = new Stubborn()
      await withTask(
        async () => {
          for (let i = 0; i < 5; i++) await Promise.race([stop, sleep(0)])
          await stop
        },
        async (running) => {
          await nextTurn()
          running.cancel()
          stop.setResult(1)
        },
      )
      expect(times).toBe(1)
    })

    it('waits for the next wait if there is none, also for a reader, which looks twice', async () => {
      let go!: () => void
      const foreign = new Promise<void>((resolve) => (go = resolve))
      const log: unknown[] = []
      const reader = new StreamReader()
      reader.feedData(Buffer.from('abc'))
      const { outcome } = await withTask(
        async () => {
          await foreign
          await reader.readExactly(2).catch((error: unknown) => log.push(error instanceof CancelledError))
          log.push(String(await reader.readExactly(2)))
          await sleep(0)
          return 'end'
        },
        (running) => {
          running.cancel()
          go()
        },
      )
      expect([log, outcome]).toEqual([[true, 'ab'], 'end'])
    })

    it('waits for the next future, which it cancels', async () => {
      let go!: () => void
      const foreign = new Promise<void>((resolve) => (go = resolve))
      const future = new Future()
      const { outcome } = await withTask(
        async () => {
          await foreign
          await future
        },
        (running) => {
          running.cancel('later')
          go()
        },
      )
      expect([future.cancelled(), outcome]).toEqual([true, new CancelledError('later')])
    })

    it('before it began: its function is not called', async () => {
      let called = false
      const cancelled = await openLoop(async (loop) => {
        const task = loop.aioTask(async () => {
          called = true
        })
        task.cancel()
        await nextTurn()
        return task.cancelled()
      })
      expect([called, cancelled]).toEqual([false, true])
    })

    it('does nothing to one that is done', async () => {
      const { task } = await withTask(
        async () => 1,
        async (running) => {
          await running
          expect(running.cancel()).toBe(false)
        },
      )
      expect([task.cancelled(), task.result()]).toEqual([false, 1])
    })

    it('an error raised while unwinding is what it ends with', async () => {
      const error = new Error('while closing')
      const { task, outcome } = await withTask(
        async () => {
          try {
            await sleepForever()
          } finally {
            // oxlint-disable-next-line no-unsafe-finally -- so it is in real code
            throw error
          }
        },
        (running) => void running.cancel(),
      )
      expect([task.cancelled(), outcome]).toEqual([false, error])
    })

    it('of a future by somebody else: the task that awaits it is cancelled by it', async () => {
      let future!: Future<unknown>
      const { task, outcome } = await withTask(
        async (loop) => {
          future = loop.createFuture()
          await future
        },
        () => void future.cancel('elsewhere'),
      )
      expect([task.cancelled(), outcome]).toEqual([true, new CancelledError('elsewhere')])
    })

    it('reaches all branches of the function', async () => {
      const ended: number[] = []
      const { outcome } = await withTask(
        async (loop) => {
          const branch = async (n: number): Promise<void> => {
            try {
              await (n % 2 === 0 ? sleepForever() : loop.createFuture())
            } finally {
              ended.push(n)
            }
          }
          await Promise.all([0, 1, 2, 3].map(branch))
        },
        (running) => void running.cancel(),
      )
      await nextTurn()
      expect([new Set(ended), outcome]).toEqual([new Set([0, 1, 2, 3]), new CancelledError('cancelled')])
    })
  })

  describe('signal', () => {
    it('aborts with the CancelledError, and what it ends counts as the cancel', async () => {
      let reason: unknown
      const { task, outcome } = await withTask(
        async () => {
          const { signal } = currentTask()!
          signal.addEventListener('abort', () => (reason = signal.reason))
          // Rejects with an AbortError of its own.
          await delay(60_000, undefined, { signal })
        },
        (running) => void running.cancel('by signal'),
      )
      expect(reason).toEqual(new CancelledError('by signal'))
      expect([task.cancelled(), outcome]).toEqual([true, reason])
    })

    it('that is asked for late has aborted already', async () => {
      const { outcome } = await withTask(
        async () => {
          await sleepForever().catch(() => {})
          return currentTask()!.signal.aborted
        },
        (running) => void running.cancel(),
      )
      expect(outcome).toBe(true)
    })

    it('an AbortError without a cancel is an error like others', async () => {
      const { task, outcome } = await withTask(
        async () => delay(60_000, undefined, { signal: AbortSignal.abort('other') }),
        () => {},
      )
      expect(task.cancelled()).toBe(false)
      expect((outcome as Error).name).toBe('AbortError')
    })

    it('takes any number of listeners without a warning', async () => {
      const warnings: unknown[] = []
      const listener = (warning: Error): unknown => warnings.push(warning)
      process.on('warning', listener)
      const { task } = await withTask(
        async () => {
          for (let i = 0; i < 100; i++) currentTask()!.signal.addEventListener('abort', () => {})
        },
        async () => {
          await nextTurn()
        },
      )
      process.off('warning', listener)
      expect([getEventListeners(task.signal, 'abort').length, warnings]).toEqual([100, []])
    })
  })

  describe('with blocks of trio flavour in it', () => {
    it('they hear of the cancel as Cancelled, and it goes on as CancelledError', async () => {
      const log: unknown[] = []
      const { task, outcome } = await withTask(
        async () => {
          await moveOnAfter(60_000, async () => {
            try {
              await sleepForever()
            } finally {
              await sleep(0).catch((error: unknown) => log.push(error instanceof Cancelled))
            }
          })
          log.push('not here')
        },
        (running) => void running.cancel('outside'),
      )
      expect([log, outcome, task.cancelled()]).toEqual([[true], new CancelledError('outside'), true])
    })

    it('so it is with a nursery, whose children end first', async () => {
      let ended = 0
      const child = async (): Promise<void> => {
        try {
          await sleepForever()
        } finally {
          ended++
        }
      }
      const { outcome } = await withTask(
        () =>
          openNursery(async (nursery) => {
            nursery.startSoon(child)
            nursery.startSoon(child)
            await sleepForever()
          }),
        (running) => void running.cancel(),
      )
      expect([ended, outcome]).toEqual([2, new CancelledError('cancelled')])
    })

    it('a block that ends without a wait has not taken the cancel: the next wait raises it', async () => {
      let go!: () => void
      const foreign = new Promise<void>((resolve) => (go = resolve))
      const { outcome } = await withTask(
        async () => {
          await moveOnAfter(60_000, async () => foreign)
          await sleepForever()
        },
        (running) => {
          running.cancel('late')
          go()
        },
      )
      expect(outcome).toEqual(new CancelledError('late'))
    })

    it('a shield keeps the cancel outside, until it is over or taken away', async () => {
      const log: unknown[] = []
      const after = await withTask(
        async () => {
          const scope = new CancelScope({ shield: true })
          await scope.run(async () => {
            await sleep(5)
            log.push('unhurt')
          })
          await sleepForever()
        },
        (running) => void running.cancel('held back'),
      )
      expect([log, after.outcome]).toEqual([['unhurt'], new CancelledError('held back')])
      const scope = new CancelScope({ shield: true })
      const taken = await withTask(
        async () => scope.run(async () => sleepForever()),
        (running) => {
          running.cancel('let in')
          scope.shield = false
        },
      )
      expect(taken.outcome).toEqual(new CancelledError('let in'))
    })
  })

  it('that has ended is kept by nothing that it has waited for, nor are loops and timers', () => {
    const { code, stdout, stderr } = runModule(`
      import { setFlagsFromString } from 'node:v8'
      import { runInNewContext } from 'node:vm'
      import { aioAsTrio, moveOnAfter, openLoop, runAioFuture, sleep } from './dist/esm/structured/index.js'
      setFlagsFromString('--expose-gc')
      const gc = runInNewContext('gc')
      const turn = () => new Promise((resolve) => setImmediate(resolve))
      await openLoop(async (loop) => {
        const [never, controller] = [new Promise(() => {}), new AbortController()]
        const refs = []
        const kept = (work) => {
          const task = loop.aioTask(work)
          refs.push(new WeakRef(task))
          return task
        }
        await (async () => {
          for (let i = 0; i < 10; i++) {
            await kept(async () => { await sleep(0, { signal: controller.signal }) })
            await kept(async () => { await moveOnAfter(1, () => aioAsTrio(never)) })
            await kept(async () => { await moveOnAfter(1, () => runAioFuture(loop.createFuture())) })
            const timer = loop.callLater(60_000, () => {})
            timer.cancel()
            refs.push(new WeakRef(timer), new WeakRef(loop.callLater(0, () => {})))
            refs.push(new WeakRef(await openLoop(async (inner) => { await moveOnAfter(1, () => aioAsTrio(never)); return inner })))
          }
        })()
        for (let i = 0; i < 5; i++) { await turn(); gc() }
        console.log(refs.length, refs.filter((ref) => ref.deref() !== undefined).length < 5)
        controller.abort()
      })
    `)
    expect([stdout, stderr, code]).toEqual(['60 true\n', '', 0])
  })
})
