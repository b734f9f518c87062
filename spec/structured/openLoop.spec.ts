import { CancelledError, InvalidStateError } from '../../lib/errors.ts'
import { aioAsTrio } from '../../lib/structured/aioAsTrio.ts'
import { CancelScope } from '../../lib/structured/cancelScope.ts'
import { currentLoop, currentScope } from '../../lib/structured/current.ts'
import { Cancelled } from '../../lib/structured/errors.ts'
import { Event } from '../../lib/structured/event.ts'
import { ExceptionGroup } from '../../lib/structured/exceptionGroup.ts'
import type { Loop } from '../../lib/structured/loop.ts'
import { failAfter, moveOnAfter } from '../../lib/structured/moveOn.ts'
import { openNursery } from '../../lib/structured/nursery.ts'
import { openLoop } from '../../lib/structured/openLoop.ts'
import { run } from '../../lib/structured/run.ts'
import { runTrio } from '../../lib/structured/runTrio.ts'
import { sleep, sleepForever } from '../../lib/structured/sleep.ts'
import { TooSlowError } from '../../lib/structured/errors.ts'
import { trioAsAio } from '../../lib/structured/trioAsAio.ts'
import { FakeClock } from '../../lib/testing/fakeClock.ts'
import { nextTurn } from '../../lib/wait.ts'
import { Leftovers } from '../support/leftovers.ts'

describe('openLoop', () => {
  it('is the current loop of its block, and of nothing else', async () => {
    expect(currentLoop()).toBeNull()
    const value = await openLoop(async (loop) => {
      expect(currentLoop()).toBe(loop)
      await nextTurn()
      expect(currentLoop()).toBe(loop)
      return moveOnAfter(1000, async () => openNursery(async () => currentLoop() === loop))
    })
    expect([value, currentLoop()]).toEqual([true, null])
  })

  it('may be nested, and open several times at once', async () => {
    const log: unknown[] = []
    await openLoop(async (outer) => {
      const inner = (name: string, ms: number) => () =>
        openLoop(async (loop) => {
          log.push([name, loop !== outer, currentLoop() === loop])
          loop.callSoon(() => log.push([name, currentLoop() === loop]))
          await aioAsTrio(async () => sleep(ms))()
          return loop
        })
      await openNursery(async (nursery) => {
        nursery.startSoon(inner('a', 4))
        nursery.startSoon(inner('b', 2))
      })
      const closed = await inner('c', 1)()
      expect([closed.isClosed(), outer.isClosed(), currentLoop() === outer]).toEqual([true, false, true])
    })
    for (const name of ['a', 'b', 'c']) {
      expect(log.filter((entry) => (entry as unknown[])[0] === name)).toEqual([
        [name, true, true],
        [name, true],
      ])
    }
  })

  it('may be opened in a task of another, whose cancel ends it first', async () => {
    const log: unknown[] = []
    await openLoop(async (loop) => {
      const task = loop.aioTask(() =>
        openLoop(async (inner) => {
          void inner.aioTask(async () => {
            try {
              await inner.createFuture()
            } finally {
              await nextTurn()
              log.push(['inner task', inner.isClosed(), currentLoop() === inner])
            }
          })
          await sleepForever()
        }),
      )
      await nextTurn()
      task.cancel('outer')
      await expect(task.then()).rejects.toEqual(new CancelledError('outer'))
      log.push(task.cancelled())
    })
    expect(log).toEqual([['inner task', false, true], true])
  })

  it('waits for a task that swallows its cancel, for as long as that takes', async () => {
    let resolve!: () => void
    const foreign = new Promise<void>((yes) => (resolve = yes))
    const log: string[] = []
    const block = openLoop(async (loop) => {
      void loop.aioTask(async () => {
        await sleepForever().catch(() => {})
        await sleep(1)
        await foreign
        log.push('task')
      })
      await nextTurn()
    }).then(() => log.push('loop'))
    await sleep(10)
    expect(log).toEqual([])
    resolve()
    await block
    expect(log).toEqual(['task', 'loop'])
  })

  it('gives the error of its own block as it is, but in a group if tasks fail, too', async () => {
    const [own, other] = [new Error('own'), new Error('other')]
    const alone = openLoop(async () => {
      throw own
    })
    await expect(alone).rejects.toBe(own)
    const both = openLoop(async (loop) => {
      loop.runTrioTask(async () => {
        try {
          await sleepForever()
        } finally {
          // oxlint-disable-next-line no-unsafe-finally -- so it is in real code
          throw other
        }
      })
      await nextTurn()
      throw own
    })
    const group = await both.catch((error: unknown) => error)
    expect(group).toBeInstanceOf(ExceptionGroup)
    expect((group as ExceptionGroup).errors).toEqual([own, other])
  })

  it('takes a function', async () => {
    await expect(openLoop(7 as never)).rejects.toThrow(TypeError)
    await expect(openLoop(Promise.resolve() as never)).rejects.toThrow(/not the promise/)
  })

  describe('its end', () => {
    it('runs callbacks that are due, but not those that they ask for, nor timers', async () => {
      const log: string[] = []
      await openLoop(async (loop) => {
        loop.callLater(1, () => log.push('timer'))
        loop.callSoon(() => {
          log.push('due')
          const again = (): unknown => loop.callSoon(again)
          again()
        })
      })
      await sleep(5)
      expect(log).toEqual(['due'])
    })

    it('cancels only behind the callbacks that are due, even if they have to wait for a turn', async () => {
      const log: unknown[] = []
      await openLoop(async (loop) => {
        const again = (): void => void loop.callSoon(again)
        again()
        for (let i = 0; i < 1000; i++) await Promise.resolve()
        loop.callSoon(() => log.push(loop.aioTask(sleepForever).cancelled()))
      })
      expect(log).toEqual([false])
    })

    it('cancels tasks of both kinds and waits for them, with their callbacks', async () => {
      const log: string[] = []
      const work = (name: string) => async () => {
        try {
          await sleepForever()
        } finally {
          await nextTurn()
          await nextTurn()
          log.push(`${name} ended`)
        }
      }
      await openLoop(async (loop) => {
        for (const [name, task] of [
          ['trio', loop.createTask(work('trio'))],
          ['aio', loop.aioTask(work('aio'))],
          ['future', runTrio(work('future'))],
        ] as const) {
          task.addDoneCallback(() => log.push(`${name} ${task.cancelled() ? 'cancelled' : 'not cancelled'}`))
        }
        loop.runTrioTask(work('child'))
        await nextTurn()
      })
      expect(log.sort()).toEqual([
        'aio cancelled',
        'aio ended',
        'child ended',
        'future cancelled',
        'future ended',
        'trio cancelled',
        'trio ended',
      ])
    })

    it('a done callback that begins the task again does not hold it up', async () => {
      let begun = 0
      await openLoop(async (loop) => {
        const begin = (): void => {
          begun++
          loop.aioTask(sleepForever).addDoneCallback(begin)
        }
        begin()
        await nextTurn()
      })
      expect(begun).toBeLessThan(20)
    })

    it('leaves no timer and no handle', async () => {
      const leftovers = new Leftovers()
      await openLoop(async (loop) => {
        loop.callLater(60_000, () => {})
        void loop.aioTask(async () => sleep(60_000))
        void loop.createTask(async () => sleep(60_000))
        await sleep(2)
      })
      await expect(leftovers.gone()).resolves.toBeUndefined()
    })
  })

  // What trio-asyncio had to mend, by its numbers.
  describe('as trio-asyncio has learned', () => {
    it('#56: with an asyncio task in it that awaits a trio task that goes on', async () => {
      const log: string[] = []
      const grandchild = trioAsAio(async () => {
        try {
          await sleepForever()
        } finally {
          log.push('trio grandchild')
        }
      })
      await openLoop(async (loop) => {
        await aioAsTrio(async () => {
          void loop.aioTask(async () => {
            try {
              await grandchild()
            } finally {
              log.push('asyncio child')
            }
          })
        })()
        await sleep(2)
      })
      expect(log).toEqual(['trio grandchild', 'asyncio child'])
    })

    it('#58: stopped by hand at the end of its block, it ends', async () => {
      const event = new Event()
      let closed = false
      await openNursery(async (nursery) => {
        nursery.startSoon(async () => {
          await sleep(2)
          event.set()
        })
        nursery.startSoon(async () => {
          await openLoop(async (loop) => {
            await event.wait()
            loop.stop()
          })
          closed = true
        })
      })
      expect(closed).toBe(true)
    })

    it('#89: cancelled from trio while it waits for asyncio, it ends with the TooSlowError', async () => {
      const log: string[] = []
      const sleeper = aioAsTrio(async (ms: number) => {
        try {
          await sleep(ms)
        } catch (error) {
          log.push((error as Error).name)
          throw error
        }
      })
      using clock = new FakeClock()
      const block = failAfter(5, async () => {
        await openLoop(async () => sleeper(60_000))
        log.push('not here')
      })
      const failed = block.catch((error: unknown) => error)
      await clock.advance(5)
      expect(await failed).toBeInstanceOf(TooSlowError)
      expect(log).toEqual(['CancelledError'])
    })

    it('#91: background tasks are cancelled, and may clean up', async () => {
      const log: string[] = []
      await openLoop(async (loop) => {
        void loop.aioTask(async () => {
          try {
            await loop.createFuture()
          } finally {
            await sleep(2)
            log.push('cleaned up')
          }
        })
        await nextTurn()
      })
      expect(log).toEqual(['cleaned up'])
    })

    it('#95, #96: trio tasks are gone before the loop is, and can use it until then', async () => {
      const log: unknown[] = []
      await openLoop(async (loop) => {
        const future = runTrio(async () => {
          try {
            await sleepForever()
          } finally {
            const scope = await aioAsTrioShielded(loop)
            log.push(scope, loop.isClosed())
          }
        })
        future.addDoneCallback(() => log.push('told'))
        await nextTurn()
      })
      expect(log).toEqual(['called', false, 'told'])
    })

    it('#115: cancelled while trio tasks wait for asyncio as they unwind: no deadlock', async () => {
      const log: unknown[] = []
      await new CancelScope().run(async (scope) =>
        openLoop(async (loop) => {
          setImmediate(() => scope.cancel())
          runTrio(async () => {
            try {
              await sleepForever()
            } finally {
              log.push(await aioAsTrioShielded(loop))
            }
          })
          await sleepForever()
        }),
      )
      expect(log).toEqual(['called'])
    })

    it('#117: a loop that outlives its block says so, and so does what is wrapped for it', async () => {
      let loop!: Loop
      await openLoop(async (opened) => {
        loop = opened
      })
      expect([loop.isClosed(), loop.isRunning()]).toEqual([true, false])
      expect(() => loop.callSoon(() => {})).toThrow(InvalidStateError)
      await expect(aioAsTrio(async () => {}, { loop })()).rejects.toThrow(InvalidStateError)
      expect(() => trioAsAio(async () => {}, { loop })()).toThrow(InvalidStateError)
    })
  })

  it('a cancel from outside comes out as Cancelled, and is that of the scope there', async () => {
    const log: unknown[] = []
    const value = await new CancelScope().run(async (scope) => {
      await openLoop(async (loop) => {
        setImmediate(() => scope.cancel())
        void loop.aioTask(() => loop.createFuture())
        await sleepForever()
      }).catch((error: unknown) => {
        log.push(error instanceof Cancelled, currentScope() === scope)
        throw error
      })
      return 'not this'
    })
    expect([value, log]).toEqual([undefined, [true, true]])
  })

  it('run has one', async () => {
    const value = await run(async (n: number) => {
      const loop = currentLoop()!
      return (await loop.aioTask(async () => n)) + 1
    }, 6)
    expect(value).toBe(7)
  })
})

/** What a task does that unwinds with the help of asyncio. */
async function aioAsTrioShielded(loop: Loop): Promise<string | undefined> {
  return new CancelScope({ shield: true }).run(() =>
    aioAsTrio(async () => {
      const future = loop.createFuture<string>()
      loop.callLater(2, () => future.setResult('called'))
      return future
    })(),
  )
}
