import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { PassThrough, Writable } from 'node:stream'
import { CancelledError, InvalidStateError } from '../../lib/errors.ts'
import { aioAsTrio } from '../../lib/structured/aioAsTrio.ts'
import { currentAsyncLibrary, currentLoop, currentScope, currentTask } from '../../lib/structured/current.ts'
import { ExceptionGroup } from '../../lib/structured/exceptionGroup.ts'
import { Loop } from '../../lib/structured/loop.ts'
import type { ExceptionContext } from '../../lib/structured/loopErrors.ts'
import { moveOnAfter } from '../../lib/structured/moveOn.ts'
import { openNursery } from '../../lib/structured/nursery.ts'
import { openLoop } from '../../lib/structured/openLoop.ts'
import { sleep, sleepForever } from '../../lib/structured/sleep.ts'
import type { Future } from '../../lib/structured/future.ts'
import type { Task } from '../../lib/structured/task.ts'
import { trioAsAio } from '../../lib/structured/trioAsAio.ts'
import { TrioExecutor } from '../../lib/structured/trioExecutor.ts'
import { FakeClock } from '../../lib/testing/fakeClock.ts'
import { nextTurn } from '../../lib/wait.ts'
import { runModule } from '../support/builtPackage.ts'
import { Leftovers } from '../support/leftovers.ts'

/** What a block fails with, its groups opened. */
const errorsOf = async (block: Promise<unknown>): Promise<unknown[]> =>
  block.then(
    () => [],
    (error: unknown) => (error instanceof ExceptionGroup ? error.leaves() : ['bare', error]),
  )

describe('Loop', () => {
  describe('in a nursery', () => {
    it('begins its children, which the nursery waits for', async () => {
      const log: unknown[] = []
      await openNursery(async (nursery) => {
        const loop = new Loop(nursery)
        expect([loop.isRunning(), loop.isClosed(), currentLoop()]).toEqual([true, false, null])
        const work = (name: string) => async () => {
          log.push([name, currentAsyncLibrary(), currentLoop() === loop, currentTask() !== null])
          await sleep(2)
          log.push(`${name} ended`)
        }
        void loop.createTask(work('trio'))
        void loop.aioTask(work('aio'))
        expect([...nursery.childTasks].length).toBe(2)
      })
      expect(log).toEqual([['trio', 'trio', true, false], ['aio', 'asyncio', true, true], 'trio ended', 'aio ended'])
    })

    it('ends with it, and takes on nothing any more', async () => {
      let loop!: Loop
      await openNursery(async (nursery) => {
        loop = new Loop(nursery)
      })
      expect([loop.isRunning(), loop.isClosed()]).toEqual([false, true])
      const stream = new PassThrough()
      const attempts: (() => unknown)[] = [
        () => loop.createTask(async () => {}),
        () => loop.aioTask(async () => {}),
        () => loop.createFuture(),
        () => loop.trioAsFuture(async () => {}),
        () => loop.runTrioTask(async () => {}),
        () => loop.callSoon(() => {}),
        () => loop.callLater(1, () => {}),
        () => loop.callAt(1, () => {}),
        () => loop.addSignalHandler('SIGUSR2', () => {}),
        () => loop.removeSignalHandler('SIGUSR2'),
        () => loop.addReader(stream, () => {}),
        () => loop.removeReader(stream),
        () => loop.addWriter(stream, () => {}),
        () => loop.removeWriter(stream),
        () => loop.autoclose(stream),
        () => loop.noAutoclose(stream),
        () => loop.setExceptionHandler(null),
        () => loop.stop(),
      ]
      for (const attempt of attempts) expect(attempt).toThrow(InvalidStateError)
      await expect(loop.synchronize()).rejects.toThrow(InvalidStateError)
      await loop.waitStopped()
    })

    it('before that calls what is due, even if there was so much that it waits for a turn; what comes later is not', async () => {
      const log: string[] = []
      const late = await openNursery(async (nursery) => {
        const loop = new Loop(nursery)
        const again = (): void => void loop.callSoon(again)
        again()
        for (let i = 0; i < 1000; i++) await Promise.resolve()
        loop.callSoon(() => log.push('due'))
        const future = loop.createFuture<string>()
        future.addDoneCallback(() => log.push('too late'))
        return { future }
      })
      expect(log).toEqual(['due'])
      late.future.setResult('value')
      expect(await late.future).toBe('value')
      await nextTurn()
      expect(log).toEqual(['due'])
    })

    it('that is closed there is none', async () => {
      const nursery = await openNursery(async (n) => n)
      expect(() => new Loop(nursery)).toThrow(InvalidStateError)
    })

    it('a cancel of the nursery reaches tasks of both flavours', async () => {
      const log: [string, boolean][] = []
      await openNursery(async (nursery) => {
        const loop = new Loop(nursery)
        const trio = loop.createTask(sleepForever)
        const aio = loop.aioTask(() => loop.createFuture())
        await nextTurn()
        nursery.cancelScope.cancel()
        trio.addDoneCallback(() => log.push(['trio', trio.cancelled()]))
        aio.addDoneCallback(() => log.push(['aio', aio.cancelled()]))
      })
      expect(new Map(log)).toEqual(
        new Map([
          ['trio', true],
          ['aio', true],
        ]),
      )
    })

    it('that is cancelled nothing begins', async () => {
      const log: string[] = []
      await openNursery(async (nursery) => {
        const loop = new Loop(nursery)
        const late = loop.createTask(async () => log.push('late'))
        nursery.cancelScope.cancel('over')
        for (const method of ['aioTask', 'createTask'] as const) {
          const task = loop[method](async () => log.push('never'), { name: method })
          expect([task.cancelled(), task.getName(), task.signal.aborted]).toEqual([true, method, true])
        }
        // This one was asked for before, and as of a nursery it comes up to its first wait.
        expect(await late).toBe(1)
      })
      expect(log).toEqual(['late'])
    })

    it('works where nothing is ambient: tasks have their signal and their scope', async () => {
      const log: unknown[] = []
      await openNursery(
        async (nursery) => {
          const loop = new Loop(nursery)
          const task: Task<void> = loop.aioTask(async () => sleepForever({ scope: task }))
          const waits: Task<void> = loop.createTask(async () => sleepForever({ signal: waits.signal }))
          const scoped: Task<void> = loop.createTask(async () => {
            await sleepForever({ scope: scoped }).catch(() => {})
            await sleep(0, { scope: scoped })
          })
          loop.callSoon(() => log.push('called'))
          await nextTurn()
          for (const each of [task, waits, scoped]) each.cancel()
          await nextTurn()
          log.push(task.cancelled(), waits.cancelled(), scoped.cancelled())
          nursery.cancelScope.cancel()
        },
        { ambient: false },
      )
      expect(log).toEqual(['called', true, true, true])
    })

    it('that was cancelled before: callbacks are called, trio tasks come up to their first wait, no others begin', async () => {
      const log: unknown[] = []
      await openNursery(async (nursery) => {
        nursery.cancelScope.cancel('before')
        const loop = new Loop(nursery)
        loop.callSoon(() => log.push('callback'))
        loop.callLater(0, () => log.push('timer'))
        const future = loop.trioAsFuture(async () => {
          log.push('begun')
          await sleep(0)
        })
        future.addDoneCallback(() => log.push(future.cancelled()))
        log.push(loop.createTask(sleepForever).cancelled(), loop.aioTask(sleepForever).cancelled())
      })
      expect(log).toEqual([true, true, 'callback', 'begun', true])
    })

    it('its tasks are children by the names of their functions', async () => {
      await openLoop(async (loop) => {
        await openNursery(async (nursery) => {
          const inner = new Loop(nursery)
          async function cook(): Promise<void> {}
          void inner.createTask(cook)
          void inner.aioTask(cook)
          void inner.trioAsFuture(cook)
          inner.runTrioTask(cook)
          void trioAsAio(cook, { loop: inner })()
          void inner.trioAsFuture(async () => {})
          const names = [...nursery.childTasks].map((task) => task.name)
          expect(names.reverse()).toEqual(['cook', 'cook', 'cook', 'cook', 'cook', '(anonymous)'])
        })
        expect(loop.isRunning()).toBe(true)
      })
    })
  })

  describe('createTask', () => {
    it('is the future of its function', async () => {
      await openLoop(async (loop) => {
        const error = new Error('boom')
        expect(await loop.createTask(async () => 7)).toBe(7)
        const failed = loop.createTask(async () => {
          throw error
        })
        await expect(failed.then()).rejects.toBe(error)
        expect(loop.createTask(async () => {}, { name: 'mine' }).getName()).toBe('mine')
      })
    })

    it('cancel() cancels its scope, again and again, and is done when it has ended', async () => {
      await openLoop(async (loop) => {
        const log: unknown[] = []
        const task = loop.createTask(async () => {
          try {
            await sleepForever()
          } finally {
            await sleep(1).catch(() => log.push('again'))
            await nextTurn()
            log.push('ended')
          }
        })
        await nextTurn()
        expect(task.cancel('why')).toBe(true)
        expect(task.signal.aborted).toBe(true)
        expect([task.done(), log]).toEqual([false, []])
        await expect(task.then()).rejects.toThrow('why')
        expect([task.cancelled(), task.cancel(), log]).toEqual([true, false, ['again', 'ended']])
      })
    })
  })

  describe('errors that nobody looks at', () => {
    const boom = async (): Promise<never> => {
      throw new Error('boom')
    }

    it.each(['createTask', 'aioTask'] as const)('of %s: fail the nursery, in a turn', async (method) => {
      let cancelled = false
      const errors = await errorsOf(
        openLoop(async (loop) => {
          void loop[method](boom)
          await sleepForever().catch((error: unknown) => {
            cancelled = true
            throw error
          })
        }),
      )
      expect([errors, cancelled]).toEqual([[new Error('boom')], true])
    })

    it.each(['createTask', 'aioTask'] as const)(
      'of %s: not if it is awaited, or looked at, in time',
      async (method) => {
        const value = await openLoop(async (loop) => {
          await expect(loop[method](boom).then()).rejects.toThrow('boom')
          const looked = loop[method](boom)
          looked.addDoneCallback((task) => task.exception())
          await sleep(5)
          return 'end'
        })
        expect(value).toBe('end')
      },
    )

    it('of a callback, and of an async function in its place', async () => {
      for (const fn of [() => void boom().catch(() => {}), boom]) {
        const errors = await errorsOf(
          openLoop(async (loop) => {
            loop.callSoon(fn)
            loop.callSoon(() => {
              throw new Error('in a callback')
            })
            await sleepForever()
          }),
        )
        expect(errors).toEqual(
          fn === boom ? [new Error('in a callback'), new Error('boom')] : [new Error('in a callback')],
        )
      }
    })

    it('a future that a callback returns is not its error', async () => {
      const value = await openLoop(async (loop) => {
        const future = loop.createFuture()
        loop.callSoon(() => future)
        await loop.synchronize()
        future.cancel()
        loop.callSoon(() => loop.aioTask(sleepForever).cancel())
        loop.callSoon(() => loop.trioAsFuture(boom))
        await sleep(5)
        return 'end'
      })
      expect(value).toBe('end')
    })

    it('go to the exception handler if there is one, and the loop goes on', async () => {
      const told: [boolean, ExceptionContext][] = []
      const value = await openLoop(async (loop) => {
        loop.setExceptionHandler((from, context) => void told.push([from === loop, context]))
        void loop.aioTask(boom, { name: 'mine' })
        loop.callLater(0, () => {
          throw new Error('late')
        })
        loop.createFuture().addDoneCallback(() => {})
        const future = loop.createFuture()
        future.addDoneCallback(() => {
          throw new Error('when done')
        })
        future.cancel()
        await sleep(10)
        return 'end'
      })
      expect(value).toBe('end')
      const lines = told.map(([same, { message, exception }]) => `${same} ${message}: ${(exception as Error).message}`)
      expect(lines.sort()).toEqual([
        'true a callback has failed: late',
        'true a callback has failed: when done',
        'true mine has failed, and nobody has looked at its error: boom',
      ])
    })

    it('a handler that throws fails the nursery; null takes it away', async () => {
      const errors = await errorsOf(
        openLoop(async (loop) => {
          loop.setExceptionHandler(() => {
            throw new Error('handler')
          })
          loop.callSoon(boom)
          await sleepForever()
        }),
      )
      expect(errors).toEqual([new Error('handler')])
      const again = await errorsOf(
        openLoop(async (loop) => {
          loop.setExceptionHandler(() => {})
          loop.setExceptionHandler(null)
          loop.callSoon(boom)
          await sleepForever()
        }),
      )
      expect(again).toEqual([new Error('boom')])
    })

    it('of a handler that is an async function fail the nursery, too; so does that of onAbandoned', async () => {
      const failing = async (): Promise<never> => {
        await nextTurn()
        throw new Error('later')
      }
      const handler = openLoop(async (loop) => {
        loop.setExceptionHandler(failing)
        loop.callSoon(boom)
        await sleepForever()
      })
      expect(await errorsOf(handler)).toEqual([new Error('later')])
      let reject!: (error: unknown) => void
      const foreign = new Promise((_, no) => (reject = no))
      const abandoned = openLoop(async (loop) => {
        loop.onAbandoned = failing
        await moveOnAfter(0, () => aioAsTrio(foreign))
        reject(new Error('late'))
        await sleepForever()
      })
      expect(await errorsOf(abandoned)).toEqual([new Error('later')])
    })

    it('of callbacks at the very end are errors of the loop, from its block and from its tasks', async () => {
      const raise = (name: string) => (): never => {
        throw new Error(name)
      }
      const errors = await errorsOf(
        openLoop(async (loop) => {
          const future = loop.trioAsFuture(sleepForever)
          future.addDoneCallback(raise('when done'))
          loop.callSoon(raise('due'))
          loop.callSoon(() => loop.stop())
          loop.callSoon(raise('behind stop()'))
        }),
      )
      expect(errors).toEqual([new Error('due'), new Error('behind stop()'), new Error('when done')])
    })

    it('of a callback that is an async function, and goes on behind the end of its loop: uncaught', () => {
      const { stdout, stderr, code } = runModule(`
        import { openLoop } from './dist/esm/structured/openLoop.js'
        process.on('uncaughtException', (error, origin) => console.log(error.message, origin))
        await openLoop(async (loop) => {
          loop.callSoon(async () => {
            await new Promise((resolve) => setTimeout(resolve, 5))
            throw new Error('late')
          })
        })
      `)
      expect([stdout, stderr, code]).toEqual(['late uncaughtException\n', '', 0])
    })

    it('a cancel is none, nor is that of trioAsFuture: it is the future’s', async () => {
      const value = await openLoop(async (loop) => {
        loop.aioTask(sleepForever).cancel()
        loop.createTask(sleepForever).cancel()
        const future = loop.trioAsFuture(boom)
        await sleep(5)
        return future.exception()
      })
      expect(value).toEqual(new Error('boom'))
    })
  })

  describe('callSoon', () => {
    it('is first in, first out, and never synchronous', async () => {
      const log: unknown[] = []
      await openLoop(async (loop) => {
        loop.callSoon((...args: unknown[]) => log.push(args), 1, 2)
        loop.callSoon(() => {
          log.push('second')
          loop.callSoon(() => log.push('last'))
        })
        loop.callSoon(() => log.push('third'))
        expect(log).toEqual([])
        await loop.synchronize()
        expect(log).toEqual([[1, 2], 'second', 'third'])
        await loop.synchronize()
      })
      expect(log).toEqual([[1, 2], 'second', 'third', 'last'])
    })

    it('calls in asyncio flavour, in the loop, as for who asked', async () => {
      const storage = new AsyncLocalStorage<string>()
      const seen: unknown[] = []
      await openLoop(async (loop) => {
        const look = (): unknown =>
          seen.push([currentAsyncLibrary(), currentLoop() === loop, currentScope(), currentTask(), storage.getStore()])
        storage.run('one', () => loop.callSoon(look))
        storage.run('two', () => loop.callLater(0, look))
        await sleep(10)
      })
      expect(seen).toEqual([
        ['asyncio', true, undefined, null, 'one'],
        ['asyncio', true, undefined, null, 'two'],
      ])
    })

    it('gives a handle that cancels it', async () => {
      const log: string[] = []
      await openLoop(async (loop) => {
        const [first, second] = [loop.callSoon(() => log.push('first')), loop.callSoon(() => log.push('second'))]
        first.cancel()
        expect([first.cancelled(), second.cancelled()]).toEqual([true, false])
        await loop.synchronize()
        second.cancel()
      })
      expect(log).toEqual(['second'])
    })

    it('that always asks for another call lets timers through', async () => {
      let calls = 0
      await openLoop(async (loop) => {
        const again = (): void => {
          calls++
          loop.callSoon(again)
        }
        again()
        await sleep(1)
      })
      expect(calls).toBeGreaterThan(10)
    })

    it('takes functions alone', async () => {
      await openLoop(async (loop) => {
        expect(() => loop.callSoon(7 as never)).toThrow(TypeError)
        expect(() => loop.callLater(1, undefined as never)).toThrow(TypeError)
        expect(() => loop.createTask(Promise.resolve() as never)).toThrow(/not the promise/)
        expect(() => loop.aioTask(null as never)).toThrow(TypeError)
        expect(() => loop.setExceptionHandler('no' as never)).toThrow(TypeError)
        expect(() => loop.addSignalHandler('SIGUSR2', 7 as never)).toThrow(TypeError)
      })
    })
  })

  describe('callLater and callAt', () => {
    it('call at their time, in its order', async () => {
      const clock = new FakeClock()
      const log: unknown[] = []
      const block = openLoop(async (loop) => {
        const start = loop.time()
        loop.callLater(20, (word: string) => log.push([word, loop.time() - start]), 'later')
        const at = loop.callAt(start + 10, () => log.push(['at', loop.time() - start]))
        expect(at.when()).toBe(start + 10)
        const none = loop.callLater(15, () => log.push('never'))
        none.cancel()
        expect(none.cancelled()).toBe(true)
        loop.callLater(-5, () => log.push('at once'))
        loop.callLater(2 ** 32, () => log.push('much later'))
        await sleep(2 ** 32 + 1)
      })
      await clock.advance(20)
      expect(log).toEqual(['at once', ['at', 10], ['later', 20]])
      await clock.advance(2 ** 32 - 21)
      expect(log.length).toBe(3)
      await clock.advance(2)
      expect(log.at(-1)).toBe('much later')
      await block
      expect(clock.pending).toBe(0)
      clock[Symbol.dispose]()
    })

    it('refuse times that are none', async () => {
      await openLoop(async (loop) => {
        expect(() => loop.callLater(NaN, () => {})).toThrow(RangeError)
        expect(() => loop.callAt('1' as never, () => {})).toThrow(RangeError)
      })
    })

    it('go with the loop, and keep no process alive', async () => {
      const leftovers = new Leftovers()
      const log: string[] = []
      await openLoop(async (loop) => {
        loop.callLater(30, () => log.push('late'))
      })
      await leftovers.gone()
      await sleep(40)
      expect(log).toEqual([])
    })
  })

  it('synchronize waits for the callbacks that are due, and is a checkpoint', async () => {
    await openLoop(async (loop) => {
      const log: string[] = []
      loop.callSoon(() => log.push('due'))
      await loop.synchronize()
      expect(log).toEqual(['due'])
      await expect(loop.synchronize({ signal: AbortSignal.abort('no') })).rejects.toBe('no')
    })
  })

  describe('runTrioTask', () => {
    it('an error ends the loop', async () => {
      const errors = await errorsOf(
        openLoop(async (loop) => {
          loop.runTrioTask(async (n: number) => {
            throw new Error(`boom ${n}`)
          }, 7)
          await sleepForever()
        }),
      )
      expect(errors).toEqual([new Error('boom 7')])
    })

    it('its handle cancels it', async () => {
      let ended = false
      await openLoop(async (loop) => {
        const handle = loop.runTrioTask(async () => {
          try {
            await sleepForever()
          } finally {
            ended = true
          }
        })
        await nextTurn()
        expect(handle.cancelled()).toBe(false)
        handle.cancel()
        await nextTurn()
        expect([handle.cancelled(), ended]).toEqual([true, true])
      })
    })
  })

  describe('runInExecutor', () => {
    it('calls in a thread, of the default executor or of a given one', async () => {
      await using executor = new TrioExecutor({ maxWorkers: 1 })
      await openLoop(async (loop) => {
        const future: Future<number> = loop.runInExecutor(null, (a: number, b: number) => a + b, 1, 2)
        expect(await future).toBe(3)
        expect(await loop.runInExecutor(executor, async (word: string) => word.length, 'four')).toBe(4)
        const failing = loop.runInExecutor(executor, () => {
          throw new RangeError('in a thread')
        })
        await expect(failing.then()).rejects.toThrow('in a thread')
        expect(await loop.runInExecutor(executor, { module: 'node:path', name: 'basename' }, '/a/b')).toBe('b')
      })
    })

    it('a cancel takes back what waits; what runs comes to its end, which the loop waits for', async () => {
      await using executor = new TrioExecutor({ maxWorkers: 1 })
      const futures = await openLoop(async (loop) => {
        const slow = (ms: number): string => {
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
          return 'ran'
        }
        const runs = loop.runInExecutor(executor, slow, 50)
        const waits = loop.runInExecutor(executor, slow, 50)
        await nextTurn()
        runs.cancel()
        waits.cancel()
        await expect(waits.then()).rejects.toThrow(CancelledError)
        expect(runs.done()).toBe(false)
        return { runs }
      })
      expect(futures.runs.result()).toBe('ran')
    })

    it('tells of misuse at once', async () => {
      const executor = new TrioExecutor()
      await executor.shutdown()
      let closed!: Loop
      await openLoop(async (loop) => {
        closed = loop
        expect(() => loop.runInExecutor(executor, () => 1)).toThrow(InvalidStateError)
        expect(() => loop.runInExecutor({} as never, () => 1)).toThrow(TypeError)
        expect(() => loop.runInExecutor(null, 7 as never)).toThrow(TypeError)
        await expect(loop.runInExecutor(null, {} as never).then()).rejects.toThrow(TypeError)
      })
      expect(() => closed.runInExecutor(null, () => 1)).toThrow(InvalidStateError)
    })
  })

  describe('signal handlers', () => {
    // Jest's own `process` never hears of a signal.
    it('are called in the loop, in place of what was called before, until they are removed', () => {
      const { code, stdout, stderr } = runModule(`
        import { AsyncLocalStorage } from 'node:async_hooks'
        import { openLoop } from './dist/esm/structured/openLoop.js'
        import { currentLoop } from './dist/esm/structured/current.js'
        const storage = new AsyncLocalStorage()
        const count = () => process.listenerCount('SIGUSR2')
        await openLoop(async (loop) => {
          const seen = loop.createFuture()
          loop.addSignalHandler('SIGUSR2', () => seen.cancel('replaced'))
          const look = (word) => seen.done() || seen.setResult([word, currentLoop() === loop, storage.getStore()])
          storage.run('adder', () => loop.addSignalHandler('SIGUSR2', look, 'word'))
          console.log(count())
          setInterval(() => process.kill(process.pid, 'SIGUSR2'), 1).unref()
          loop.callLater(60_000, () => {})
          console.log(...(await seen))
        })
        console.log(count())
        process.on('SIGUSR2', () => process.exit())
      `)
      expect([code, stdout, stderr]).toEqual([0, '1\nword true adder\n0\n', ''])
    })

    it('go when they are removed, and with the loop', async () => {
      const before = process.listenerCount('SIGUSR2')
      await openLoop(async (loop) => {
        loop.addSignalHandler('SIGUSR2', () => {})
        loop.addSignalHandler('SIGUSR2', () => {})
        expect(process.listenerCount('SIGUSR2')).toBe(before + 1)
        expect([loop.removeSignalHandler('SIGUSR2'), loop.removeSignalHandler('SIGUSR2')]).toEqual([true, false])
        expect(process.listenerCount('SIGUSR2')).toBe(before)
        loop.addSignalHandler('SIGUSR2', () => {})
      })
      expect(process.listenerCount('SIGUSR2')).toBe(before)
    })

    it('there are none for SIGKILL and SIGSTOP, nor for what is no signal', async () => {
      await openLoop(async (loop) => {
        for (const signal of ['SIGKILL', 'SIGSTOP', 'SIGNONE', 9]) {
          expect(() => loop.addSignalHandler(signal as never, () => {})).toThrow(TypeError)
        }
      })
    })
  })

  describe('addReader', () => {
    it('calls whenever there is something to read, on a real socket, and when it ends', async () => {
      const server = net.createServer((socket) => {
        socket.write('one')
        socket.once('data', () => socket.end('two'))
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const received = await openLoop(async (loop) => {
        const socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1')
        const all = loop.createFuture<string>()
        let text = ''
        const next = (): string | null => socket.read() as string | null
        socket.setEncoding('utf8')
        const read = (who: string): void => {
          for (let chunk = next(); chunk !== null; chunk = next()) text += chunk
          if (text === 'one') socket.write('go on')
          if (text === 'onetwo' && !all.done()) all.setResult(`${who}: ${text}`)
        }
        loop.addReader(socket, () => all.cancel('replaced'))
        loop.addReader(socket, read, 'reader')
        try {
          return await all
        } finally {
          expect([loop.removeReader(socket), loop.removeReader(socket)]).toEqual([true, false])
          expect(socket.listenerCount('readable')).toBe(0)
          socket.destroy()
        }
      })
      expect(received).toBe('reader: onetwo')
      server.close()
      await once(server, 'close')
    })

    it('is called as for who added it, once for all that has come, and not behind its removal', async () => {
      const storage = new AsyncLocalStorage<string>()
      await openLoop(async (loop) => {
        const stream = new PassThrough()
        const seen: unknown[] = []
        storage.run('adder', () =>
          loop.addReader(stream, () => seen.push([storage.getStore(), currentAsyncLibrary(), String(stream.read())])),
        )
        storage.run('writer', () => stream.write('text'))
        await sleep(1)
        expect(seen).toEqual([['adder', 'asyncio', 'text']])
        for (let i = 0; i < 3; i++) stream.emit('readable')
        await loop.synchronize()
        expect(seen.length).toBe(2)
        for (let i = 0; i < 3; i++) stream.emit('readable')
        loop.removeReader(stream)
        await loop.synchronize()
        expect(seen.length).toBe(2)
      })
    })

    it('ends with its stream', async () => {
      await openLoop(async (loop) => {
        const stream = new PassThrough()
        loop.addReader(stream, () => {})
        loop.addWriter(stream, () => {})
        stream.destroy()
        await nextTurn()
        expect([loop.removeReader(stream), loop.removeWriter(stream)]).toEqual([false, false])
      })
    })

    it('goes with the loop', async () => {
      const stream = new PassThrough()
      await openLoop(async (loop) => {
        loop.addReader(stream, () => {})
        loop.addWriter(stream, () => {})
        expect([stream.listenerCount('readable'), stream.listenerCount('drain')]).toEqual([1, 1])
      })
      expect([stream.listenerCount('readable'), stream.listenerCount('drain')]).toEqual([0, 0])
    })

    it('takes streams alone', async () => {
      await openLoop(async (loop) => {
        expect(() => loop.addReader(0 as never, () => {})).toThrow(TypeError)
        expect(() => loop.addReader(0 as never, () => {})).toThrow(/net\.Socket/)
        expect(() => loop.addWriter(1 as never, () => {})).toThrow(TypeError)
        expect(() => loop.addReader(new Writable() as never, () => {})).toThrow(TypeError)
        expect(() => loop.addReader(null as never, () => {})).toThrow(TypeError)
      })
    })
  })

  describe('addWriter', () => {
    it('calls when a full stream has drained', async () => {
      let take!: () => void
      const stream = new Writable({ highWaterMark: 4, write: (_chunk, _encoding, done) => void (take = done) })
      await openLoop(async (loop) => {
        expect(stream.write('12345')).toBe(false)
        const drained = loop.createFuture<string>()
        loop.addWriter(stream, (word: string) => drained.setResult(word), 'drained')
        await loop.synchronize()
        expect(drained.done()).toBe(false)
        take()
        expect(await drained).toBe('drained')
        expect([loop.removeWriter(stream), loop.removeWriter(stream)]).toEqual([true, false])
      })
    })

    it('and soon if it is not full', async () => {
      await openLoop(async (loop) => {
        const stream = new PassThrough()
        let calls = 0
        loop.addWriter(stream, () => calls++)
        await loop.synchronize()
        expect(calls).toBe(1)
        loop.addWriter(stream, () => calls++)
        loop.removeWriter(stream)
        await loop.synchronize()
        expect(calls).toBe(1)
      })
    })
  })

  describe('autoclose', () => {
    it('closes at the end, the last first, by whatever there is', async () => {
      const log: string[] = []
      const server = net.createServer()
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const stream = new PassThrough()
      const kept = new PassThrough()
      await openLoop(async (loop) => {
        loop.autoclose(server)
        loop.autoclose(stream)
        loop.autoclose(kept)
        loop.noAutoclose(kept)
        loop.autoclose({ [Symbol.dispose]: () => void log.push('disposed') })
        loop.autoclose({
          async [Symbol.asyncDispose]() {
            await sleep(2)
            log.push('disposed later')
          },
        })
        expect(() => loop.autoclose({} as never)).toThrow(TypeError)
        await sleep(1)
        expect(log).toEqual([])
      })
      expect(log).toEqual(['disposed later', 'disposed'])
      expect([server.listening, stream.destroyed, kept.destroyed]).toEqual([false, true, false])
    })

    it('is not cancelled: the loop ends when all is closed, even if a deadline passes', async () => {
      const log: string[] = []
      const value = await moveOnAfter(2, () =>
        openLoop(async (loop) => {
          loop.autoclose({
            close: async () => {
              await sleep(10)
              log.push(`closed, ${loop.isRunning()}`)
            },
          })
          loop.autoclose({
            close: () => {
              expect(() => loop.autoclose(new PassThrough())).toThrow(/autoclose\(\) on a loop that is ending/)
              loop.stop()
            },
          })
          await sleepForever()
        }),
      )
      expect([value, log]).toEqual([undefined, ['closed, true']])
    })

    it('what fails is an error of the loop; the others are closed all the same', async () => {
      const stream = new PassThrough()
      const errors = await errorsOf(
        openLoop(async (loop) => {
          loop.autoclose(stream)
          loop.autoclose({
            close: async () => {
              throw new Error('stuck')
            },
          })
        }),
      )
      expect([errors, stream.destroyed]).toEqual([[new Error('stuck')], true])
    })
  })

  describe('stop', () => {
    it('ends the loop, silently; what waits for that goes on', async () => {
      let outside!: Promise<void>
      const value = await openLoop(async (loop) => {
        outside = loop.waitStopped({ scope: { cancellation: undefined, watch() {} } })
        loop.callSoon(() => loop.stop())
        await sleepForever()
        return 'not reached'
      })
      expect(value).toBeUndefined()
      await outside
    })

    it('may be called twice, and at the very end of the block', async () => {
      const value = await openLoop(async (loop) => {
        await sleep(1)
        loop.stop()
        loop.stop()
        expect([loop.isRunning(), loop.isClosed()]).toEqual([true, false])
        return 'value'
      })
      expect(value).toBe('value')
    })

    it('the block may be nothing but the wait for it', async () => {
      await openLoop(async (loop) => {
        loop.callLater(1, () => loop.stop())
        await loop.waitStopped()
        throw new Error('not reached')
      }).then((value) => expect(value).toBeUndefined())
    })
  })

  it('does not keep a process alive behind its end', () => {
    const { code, stdout, stderr } = runModule(`
      import { openLoop } from './dist/esm/structured/openLoop.js'
      await openLoop(async (loop) => {
        loop.callLater(60_000, () => {})
        loop.addSignalHandler('SIGTERM', () => {})
        loop.addReader(process.stdin, () => {})
        void loop.aioTask(() => loop.createFuture())
      })
      console.log('end')
      process.stdin.destroy()
    `)
    expect([code, stdout, stderr]).toEqual([0, 'end\n', ''])
  })
})
