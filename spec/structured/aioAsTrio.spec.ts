import { AsyncLocalStorage } from 'node:async_hooks'
import { EventEmitter, getEventListeners, on, once } from 'node:events'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { CancelledError, InvalidStateError } from '../../lib/errors.ts'
import { aioAsTrio, asyncioAsTrio } from '../../lib/structured/aioAsTrio.ts'
import type { AioIteration } from '../../lib/structured/aioIteration.ts'
import { CancelScope } from '../../lib/structured/cancelScope.ts'
import { currentAsyncLibrary, currentLoop, currentScope, currentTask } from '../../lib/structured/current.ts'
import { Cancelled } from '../../lib/structured/errors.ts'
import { Event } from '../../lib/structured/event.ts'
import type { Loop } from '../../lib/structured/loop.ts'
import { openLoop } from '../../lib/structured/openLoop.ts'
import { sleep, sleepForever } from '../../lib/structured/sleep.ts'
import { nextTurn } from '../../lib/wait.ts'

const never = new Promise<never>(() => {})

/** A promise, and what settles it. */
function pending<T = void>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  let [resolve, reject]: [(value: T) => void, (error: unknown) => void] = [() => {}, () => {}]
  const promise = new Promise<T>((yes, no) => ([resolve, reject] = [yes, no]))
  return { promise, resolve, reject }
}

/** Begins `fn`, and cancels it a turn later. */
async function cancelSoon<T>(fn: () => Promise<T>): Promise<T | undefined> {
  return new CancelScope().run(async (scope) => {
    const call = fn()
    setImmediate(() => scope.cancel())
    return call
  })
}

describe('aioAsTrio', () => {
  it('has the long name, too', () => {
    expect(asyncioAsTrio).toBe(aioAsTrio)
  })

  describe('of a function', () => {
    it('has all its overloads', async () => {
      const emitter = new EventEmitter()
      setImmediate(() => emitter.emit('said', 'hello'))
      const said: string[] = await openLoop(() => aioAsTrio(once)(emitter, 'said'))
      expect(said).toEqual(['hello'])
    })

    it('runs it as an asyncio task, with its arguments and its value', async () => {
      await openLoop(async (loop) => {
        const inTrio = aioAsTrio(async (a: number, b: string) => {
          const before = [currentAsyncLibrary(), currentScope(), currentLoop() === loop]
          await nextTurn()
          return { before, after: currentAsyncLibrary(), task: currentTask() !== null, sum: `${a}${b}` }
        })
        const typed: Promise<{ sum: string }> = inTrio(1, 'x')
        expect(await typed).toEqual({
          before: ['asyncio', undefined, true],
          after: 'asyncio',
          task: true,
          sum: '1x',
        })
        // @ts-expect-error -- the arguments are those of the function
        await inTrio('x', 1)
        expect([currentAsyncLibrary(), currentTask()]).toEqual(['trio', null])
        expect(inTrio.name).toBe('')
        expect(aioAsTrio(named).name).toBe('named')
      })
    })

    it('keeps `this`, as a wrapper and as a decorator', async () => {
      class Account {
        balance = 7
        read = aioAsTrio(async function (this: Account) {
          return this.balance
        })
        @aioAsTrio
        async add(n: number): Promise<number> {
          await nextTurn()
          expect(currentAsyncLibrary()).toBe('asyncio')
          return this.balance + n
        }
      }
      await openLoop(async () => {
        const account = new Account()
        expect([await account.read(), await account.add(1)]).toEqual([7, 8])
      })
    })

    it('whose synchronous part throws: it rejects with that', async () => {
      const error = new Error('at once')
      await openLoop(async () => {
        const call = aioAsTrio((): Promise<void> => {
          throw error
        })()
        await expect(call).rejects.toBe(error)
      })
    })

    it('may return a future, which its cancel reaches', async () => {
      await openLoop(async (loop) => {
        const future = loop.createFuture()
        await cancelSoon(async () => {
          await aioAsTrio(() => future)()
        })
        expect(future.cancelled()).toBe(true)
      })
    })

    it('that returns a generator: says what to do instead', async () => {
      await openLoop(async () => {
        const wrapped = aioAsTrio(async function* () {
          yield 1
        } as never) as () => Promise<unknown>
        await expect(wrapped()).rejects.toThrow(/wrap that/)
      })
    })

    it('that returns what is both thenable and iterable, as queries of databases are: waits for it', async () => {
      await openLoop(async () => {
        const query = {
          // oxlint-disable-next-line unicorn/no-thenable -- that is what is asked for
          then: (resolve: (rows: number[]) => void) => resolve([1, 2]),
          async *[Symbol.asyncIterator]() {
            yield 1
          },
        } as unknown as PromiseLike<number[]>
        expect(await aioAsTrio(() => query)()).toEqual([1, 2])
      })
    })

    it('carries the user’s own AsyncLocalStorage in', async () => {
      const storage = new AsyncLocalStorage<string>()
      await openLoop(async () => {
        await storage.run('mine', async () => {
          const inside = aioAsTrio(async () => {
            await sleep(1)
            return storage.getStore()
          })
          expect(await inside()).toBe('mine')
        })
      })
    })

    it('where there is no loop, or none any more, it is not called', async () => {
      let called = false
      const wrapped = aioAsTrio(async () => {
        called = true
      })
      await expect(wrapped()).rejects.toThrow(InvalidStateError)
      expect(called).toBe(false)
    })
  })

  describe('with injectSignal', () => {
    it('puts the signal among the options, or behind the arguments', async () => {
      await openLoop(async () => {
        const seen: unknown[][] = []
        const wrapped = aioAsTrio(async (...args: unknown[]) => void seen.push(args), { injectSignal: true })
        const options = { method: 'GET' }
        await wrapped('a', options)
        await wrapped('b')
        const when = new Date(0)
        await wrapped(when)
        const signal = expect.any(AbortSignal) as unknown
        expect(seen).toEqual([
          ['a', { method: 'GET', signal }],
          ['b', { signal }],
          [when, { signal }],
        ])
        expect(options).toEqual({ method: 'GET' })
      })
    })

    it('a cancel aborts what takes the signal, and waits for its end', async () => {
      await openLoop(async () => {
        const log: string[] = []
        const scope = new CancelScope()
        const timeout = aioAsTrio(delay, { injectSignal: true })
        const events = aioAsTrio(
          async (emitter: EventEmitter, name: string, options?: { signal: AbortSignal }) => {
            try {
              await once(emitter, name, options)
            } finally {
              await nextTurn()
              log.push('ended')
            }
          },
          { injectSignal: true },
        )
        const emitter = new EventEmitter()
        await cancelSoon(async () => timeout(60_000, undefined))
        await scope.run(async () => {
          const call = events(emitter, 'never')
          scope.cancel()
          await call.finally(() => log.push('raised'))
        })
        expect([scope.cancelledCaught, log, emitter.listenerCount('never')]).toEqual([true, ['ended', 'raised'], 0])
      })
    })

    it('a signal that is there already counts as well, and nothing is left on it', async () => {
      await openLoop(async () => {
        const timeout = aioAsTrio(delay, { injectSignal: true })
        const own = new AbortController()
        await timeout(1, undefined, { signal: own.signal })
        expect(getEventListeners(own.signal, 'abort')).toEqual([])
        const scope = new CancelScope()
        await scope.run(async () => {
          const call = timeout(60_000, undefined, { signal: own.signal })
          scope.cancel()
          await call
        })
        expect([scope.cancelledCaught, getEventListeners(own.signal, 'abort')]).toEqual([true, []])
        const call = timeout(60_000, undefined, { signal: own.signal })
        own.abort()
        await expect(call).rejects.toMatchObject({ name: 'AbortError' })
        await expect(timeout(1, undefined, { signal: own.signal })).rejects.toMatchObject({ name: 'AbortError' })
      })
    })
  })

  describe('what cannot hear of a cancel', () => {
    it('a function that waits for foreign promises is left behind', async () => {
      const { promise, resolve } = pending()
      let ended = false
      await openLoop(async (loop) => {
        const abandoned: unknown[] = []
        loop.onAbandoned = (error) => abandoned.push(error)
        const done = await cancelSoon(async () => {
          await aioAsTrio(async () => {
            await promise
            ended = true
          })()
          return true
        })
        expect([done, ended]).toEqual([undefined, false])
        resolve()
        await nextTurn()
        expect([ended, abandoned]).toEqual([true, []])
      })
    })

    it('its late error goes to onAbandoned, once; without one nobody hears of it', async () => {
      const late = new Error('late')
      const { promise, reject } = pending()
      const second = pending()
      await openLoop(async (loop) => {
        const abandoned: unknown[] = []
        loop.onAbandoned = (error) => abandoned.push(error)
        await cancelSoon(async () => aioAsTrio(async () => promise)())
        await cancelSoon(async () => aioAsTrio(promise))
        reject(late)
        await nextTurn()
        expect(abandoned).toEqual([late, late])
        loop.onAbandoned = null
        await cancelSoon(async () => aioAsTrio(async () => second.promise)())
        second.reject(late)
        await nextTurn()
        expect(abandoned.length).toBe(2)
      })
    })

    it('its next wait of millrace ends it, which is nothing to tell', async () => {
      const { promise, resolve } = pending()
      await openLoop(async (loop) => {
        const log: unknown[] = []
        loop.onAbandoned = (error) => log.push(error)
        await cancelSoon(async () =>
          aioAsTrio(async () => {
            await promise
            try {
              await sleep(60_000)
            } catch (error) {
              log.push((error as Error).name)
              throw error
            }
          })(),
        )
        resolve()
        await nextTurn()
        expect(log).toEqual(['CancelledError'])
      })
    })

    it('onCancel: wait waits for it', async () => {
      await openLoop(async (loop) => {
        for (const settled of ['value', 'error'] as const) {
          const scope = new CancelScope()
          const outcome = await scope.run(async () => {
            const outcomes = [pending<string>(), pending<string>()].map(async ({ promise, resolve, reject }, i) => {
              const call =
                i === 0
                  ? aioAsTrio(promise, { onCancel: 'wait' })
                  : aioAsTrio(async () => promise, { onCancel: 'wait' })()
              let over = false
              void call.catch(() => {}).then(() => (over = true))
              await nextTurn()
              scope.cancel()
              await nextTurn()
              await nextTurn()
              expect(over).toBe(false)
              if (settled === 'value') resolve('value')
              else reject('error')
              return call.catch((error: unknown) => error)
            })
            return Promise.all(outcomes)
          })
          expect(outcome).toEqual([settled, settled])
        }
        expect(loop.isRunning()).toBe(true)
      })
    })

    it('the error of onAbandoned is that of a callback', async () => {
      const { promise, reject } = pending()
      const told: unknown[] = []
      await openLoop(async (loop) => {
        loop.setExceptionHandler((_, { exception }) => told.push(exception))
        loop.onAbandoned = () => {
          throw new Error('own')
        }
        await cancelSoon(async () => aioAsTrio(promise))
        reject(new Error('late'))
        await nextTurn()
      })
      expect(told).toEqual([new Error('own')])
    })

    it('one that asks for its signal is waited for', async () => {
      await openLoop(async () => {
        const log: string[] = []
        await cancelSoon(async () => {
          await aioAsTrio(async () => {
            const { signal } = currentTask()!
            await new Promise<void>((resolve) =>
              signal.addEventListener('abort', () => setImmediate(() => setImmediate(resolve))),
            )
            log.push('ended')
          })().finally(() => log.push('raised'))
        })
        expect(log).toEqual(['ended', 'raised'])
      })
    })
  })

  describe('of a promise', () => {
    it('is its value or error, and a checkpoint', async () => {
      await openLoop(async () => {
        const typed: Promise<number> = aioAsTrio(Promise.resolve(7))
        expect(await typed).toBe(7)
        const error = new Error('boom')
        await expect(aioAsTrio(Promise.reject(error))).rejects.toBe(error)
        const scope = new CancelScope()
        scope.cancel()
        await scope.run(async () => aioAsTrio(Promise.resolve(7)))
        expect(scope.cancelledCaught).toBe(true)
      })
    })

    it('any thenable will do', async () => {
      await openLoop(async () => {
        const thenable: PromiseLike<string> = {
          // oxlint-disable-next-line unicorn/no-thenable -- that is what is asked for
          then: (resolve) => Promise.resolve('value').then(resolve),
        }
        expect(await aioAsTrio(thenable)).toBe('value')
        // oxlint-disable-next-line unicorn/no-thenable, unicorn/consistent-function-scoping -- calls back at once
        const prompt = { then: (resolve: (value: string) => void) => resolve('at once') } as PromiseLike<string>
        expect(await aioAsTrio(prompt)).toBe('at once')
      })
    })

    it('many waits for a long-lived one leave nothing on it', async () => {
      let listeners = 0
      const { promise, resolve } = pending()
      const counted: PromiseLike<void> = {
        // oxlint-disable-next-line unicorn/no-thenable -- counts those who listen
        then(...args) {
          listeners++
          return promise.then(...args)
        },
      }
      await openLoop(async () => {
        for (let i = 0; i < 20; i++) {
          const scope = new CancelScope()
          await scope.run(async () => {
            const call = aioAsTrio(counted)
            scope.cancel()
            await call
          })
          expect(scope.cancelledCaught).toBe(true)
        }
        expect(listeners).toBe(1)
        const last = aioAsTrio(counted)
        resolve()
        await last
        await aioAsTrio(counted)
      })
    })

    it('where there is no loop it is refused, and its own rejection looked at', async () => {
      await expect(aioAsTrio(Promise.reject(new Error('own')))).rejects.toThrow(InvalidStateError)
    })
  })

  describe('of an async iterable', () => {
    it('goes over it in asyncio flavour, one checkpoint each', async () => {
      await openLoop(async () => {
        const flavours: string[] = []
        const source = async function* (): AsyncGenerator<number> {
          for (let n = 1; n < 4; n++) {
            flavours.push(currentAsyncLibrary())
            await sleep(0)
            yield n
          }
        }
        const iteration: AioIteration<number, AsyncGenerator<number>> = aioAsTrio(source())
        const seen: number[] = []
        for await (const n of iteration) {
          flavours.push(currentAsyncLibrary())
          seen.push(n)
        }
        expect(seen).toEqual([1, 2, 3])
        expect(flavours).toEqual(['asyncio', 'trio', 'asyncio', 'trio', 'asyncio', 'trio'])
        expect(await iteration.next()).toEqual({ done: true, value: undefined })
      })
    })

    /** A source, and what happened to it. */
    const watched = (wait: () => Promise<unknown>): { log: string[]; source: AsyncGenerator<number> } => {
      const log: string[] = []
      const source = async function* (): AsyncGenerator<number> {
        try {
          yield 1
          yield 2
          await wait()
          yield 3
        } finally {
          log.push(`closing in ${currentAsyncLibrary()}`)
          await nextTurn()
          log.push('closed')
        }
      }
      return { log, source: source() }
    }

    it('a break closes the source, and waits for that', async () => {
      await openLoop(async () => {
        const { log, source } = watched(async () => never)
        for await (const n of aioAsTrio(source)) if (n === 2) break
        expect(log).toEqual(['closing in asyncio', 'closed'])
      })
    })

    it('so does an error of the loop’s body, which is what comes out', async () => {
      await openLoop(async () => {
        const { log, source } = watched(async () => never)
        const error = new Error('body')
        const block = (async () => {
          for await (const _ of aioAsTrio(source)) throw error
        })()
        await expect(block).rejects.toBe(error)
        expect(log).toEqual(['closing in asyncio', 'closed'])
      })
    })

    it('so does a cancel between two steps', async () => {
      await openLoop(async () => {
        const { log, source } = watched(async () => never)
        const scope = new CancelScope()
        const seen: number[] = []
        await scope.run(async () => {
          for await (const n of aioAsTrio(source)) {
            seen.push(n)
            scope.cancel()
          }
        })
        expect([seen, scope.cancelledCaught, log]).toEqual([[1], true, ['closing in asyncio', 'closed']])
      })
    })

    it('and a cancel while it waits, of a source that hears of it', async () => {
      await openLoop(async () => {
        const { log, source } = watched(sleepForever)
        const done = await cancelSoon(async () => {
          for await (const _ of aioAsTrio(source));
          return true
        })
        expect([done, log]).toEqual([undefined, ['closing in asyncio', 'closed']])
      })
    })

    it('also where that is no generator, which would end by itself', async () => {
      await openLoop(async () => {
        const log: string[] = []
        const source: AsyncIterable<number> = {
          [Symbol.asyncIterator]: () => ({
            next: async () => sleepForever(),
            return: async () => {
              await sleep(1)
              log.push(`returned in ${currentAsyncLibrary()}`)
              return { done: true, value: undefined }
            },
          }),
        }
        await cancelSoon(async () => {
          for await (const _ of aioAsTrio(source));
        })
        expect(log).toEqual(['returned in asyncio'])
      })
    })

    it('one that does not hear can be left, and closes when it goes on (trio-asyncio #19)', async () => {
      await openLoop(async () => {
        const { promise, resolve } = pending()
        const { log, source } = watched(async () => promise)
        const iteration = aioAsTrio(source)
        const done = await cancelSoon(async () => {
          for await (const _ of iteration);
          return true
        })
        expect([done, log]).toEqual([undefined, []])
        expect(await iteration.next()).toEqual({ done: true, value: undefined })
        resolve()
        await nextTurn()
        await nextTurn()
        expect(log).toEqual(['closing in asyncio', 'closed'])
      })
    })

    it('a cancel of an asyncio task that breaks out of it: the source closes, and the next wait tells', async () => {
      await openLoop(async (loop) => {
        const { log, source } = watched(async () => never)
        const task = loop.aioTask(async () => {
          for await (const _ of aioAsTrio(source)) {
            currentTask()!.cancel('in the loop')
            break
          }
          log.push('behind')
          await sleep(0)
        })
        await expect(task.then()).rejects.toEqual(new CancelledError('in the loop'))
        expect(log).toEqual(['closing in asyncio', 'closed', 'behind'])
      })
    })

    it('one that is cancelled before a step is told by that step alone', async () => {
      await openLoop(async (loop) => {
        const { log, source } = watched(async () => never)
        const task = loop.aioTask(async () => {
          try {
            for await (const _ of aioAsTrio(source)) currentTask()!.cancel('before the step')
          } catch (error) {
            log.push((error as Error).message)
          }
          await sleep(0)
          return 'once'
        })
        expect(await task).toBe('once')
        expect(log).toEqual(['closing in asyncio', 'closed', 'before the step'])
      })
    })

    it('works on what Node has: streams and events', async () => {
      await openLoop(async () => {
        const stream = Readable.from(['a', 'b', 'c'])
        for await (const chunk of aioAsTrio(stream)) {
          expect(chunk).toBe('a')
          break
        }
        expect(stream.destroyed).toBe(true)
        const silent = new Readable({ read() {} })
        await cancelSoon(async () => {
          for await (const chunk of aioAsTrio(silent)) expect(chunk).toBe('never')
        })
        expect(silent.destroyed).toBe(true)
        const emitter = new EventEmitter()
        const seen: unknown[] = []
        setImmediate(() => emitter.emit('ping', 1))
        await cancelSoon(async () => {
          for await (const [n] of aioAsTrio(on(emitter, 'ping') as AsyncIterable<[number]>)) seen.push(n)
        })
        expect([seen, emitter.listenerCount('ping')]).toEqual([[1], 0])
      })
    })

    it('one that has come to its end is not asked any more, nor closed', async () => {
      await openLoop(async () => {
        const log: string[] = []
        const source: AsyncIterable<number> = {
          [Symbol.asyncIterator]: () => ({
            next: async () => (log.push('next'), { done: true, value: undefined }),
            return: async () => (log.push('return'), { done: true, value: undefined }),
          }),
        }
        const iteration = aioAsTrio<number>(source)
        for await (const _ of iteration);
        expect(await iteration.next()).toEqual({ done: true, value: undefined })
        await iteration[Symbol.asyncDispose]()
        expect(log).toEqual(['next'])
      })
    })

    it('one that was not begun is closed as well, and disposal disposes of it', async () => {
      await openLoop(async () => {
        const log: string[] = []
        const source = {
          [Symbol.asyncIterator]: () => ({
            next: async () => ({ done: true as const, value: undefined }),
            return: async () => {
              log.push('returned')
              return { done: true as const, value: undefined }
            },
          }),
          async [Symbol.asyncDispose]() {
            log.push('disposed')
          },
        }
        {
          await using iteration = aioAsTrio<never, typeof source>(source)
          expect(iteration.value).toBe(source)
        }
        expect(log).toEqual(['returned', 'disposed'])
      })
    })

    it('an error of the source is the loop’s', async () => {
      await openLoop(async () => {
        const error = new Error('source')
        const source = async function* (): AsyncGenerator<number> {
          yield 1
          throw error
        }
        const block = (async () => {
          for await (const _ of aioAsTrio(source()));
        })()
        await expect(block).rejects.toBe(error)
      })
    })

    it('where there is no loop each step says so', async () => {
      await expect(aioAsTrio(watched(async () => never).source).next()).rejects.toThrow(InvalidStateError)
    })
  })

  describe('of an async disposable', () => {
    it('is disposed of in asyncio flavour, with its `this`', async () => {
      await openLoop(async () => {
        class Resource {
          log: string[] = []
          async [Symbol.asyncDispose](): Promise<void> {
            this.log.push(`closing in ${currentAsyncLibrary()}`)
            await nextTurn()
            this.log.push('closed')
          }
        }
        const resource = new Resource()
        {
          await using held = aioAsTrio(resource)
          const typed: Resource = held.value
          expect(typed).toBe(resource)
        }
        expect(resource.log).toEqual(['closing in asyncio', 'closed'])
      })
    })

    it('in a cancelled scope, too: it is let finish', async () => {
      await openLoop(async () => {
        const log: string[] = []
        const scope = new CancelScope()
        await scope.run(async () => {
          await using held = aioAsTrio({
            async [Symbol.asyncDispose]() {
              await sleep(1)
              log.push('closed')
            },
          })
          expect(held.value).toBeDefined()
          scope.cancel()
          await sleep(0)
        })
        expect([scope.cancelledCaught, log]).toEqual([true, ['closed']])
      })
    })
  })

  describe('with another loop', () => {
    it('runs there', async () => {
      await openLoop(async (outer) => {
        await openLoop(async (inner) => {
          const where = async (): Promise<Loop | null> => {
            await nextTurn()
            return currentLoop()
          }
          expect(await aioAsTrio(where)()).toBe(inner)
          expect(await aioAsTrio(where, { loop: outer })()).toBe(outer)
          const both: unknown[] = []
          const source = async function* (): AsyncGenerator<Loop | null> {
            yield currentLoop()
          }
          for await (const loop of aioAsTrio(source(), { loop: outer })) both.push(loop)
          expect(both).toEqual([outer])
        })
      })
    })

    it('from outside of all blocks', async () => {
      const ready = pending<Loop>()
      const over = new Event()
      const block = openLoop(async (loop) => {
        ready.resolve(loop)
        await over.wait()
      })
      const loop = await ready.promise
      const error = new Error('boom')
      expect(currentLoop()).toBeNull()
      expect(await aioAsTrio(async () => currentLoop() === loop, { loop })()).toBe(true)
      const failing = aioAsTrio(
        async () => {
          throw error
        },
        { loop },
      )
      await expect(failing()).rejects.toBe(error)
      over.set()
      await block
    })

    it('that ends meanwhile: the call is cancelled by somebody else', async () => {
      const ready = pending<Loop>()
      const block = openLoop(async (loop) => {
        ready.resolve(loop)
        await sleep(2)
      })
      const call = aioAsTrio(async () => sleepForever(), { loop: await ready.promise })()
      await expect(call).rejects.toThrow(CancelledError)
      await block
    })

    it('that is cancelled: what is to be closed there is closed all the same', async () => {
      const log: string[] = []
      await openLoop(async (outer) => {
        await openLoop(async () => {
          await using held = aioAsTrio(
            { [Symbol.asyncDispose]: async () => void log.push('disposed') },
            { loop: outer },
          )
          const source = async function* (): AsyncGenerator<number> {
            try {
              yield 1
            } finally {
              await sleep(1)
              log.push('closed')
            }
          }
          expect(held.value).toBeDefined()
          for await (const _ of aioAsTrio(source(), { loop: outer })) outer.stop()
        })
      })
      expect(log).toEqual(['closed', 'disposed'])
    })

    it('that is cancelled but has not ended: is not called', async () => {
      const [ready, unwound] = [pending<Loop>(), pending()]
      const block = openLoop(async (loop) => {
        ready.resolve(loop)
        await unwound.promise
      })
      const loop = await ready.promise
      loop.stop()
      let called = false
      const late = async (): Promise<void> => {
        called = true
        await sleepForever()
      }
      await expect(aioAsTrio(late, { loop })()).rejects.toThrow(CancelledError)
      expect(called).toBe(false)
      unwound.resolve()
      await block
    })

    it('what is abandoned does not hold it up', async () => {
      const value = await openLoop(async (outer) => {
        await openLoop(async () => {
          await cancelSoon(async () => aioAsTrio(async () => never, { loop: outer })())
        })
        return 'end'
      })
      expect(value).toBe('end')
    })
  })

  it('called from a callback of the loop, or left behind by a task: ends with the loop, which waits for it', async () => {
    const log: string[] = []
    const call = (name: string) =>
      aioAsTrio(async () => {
        try {
          await sleepForever()
        } finally {
          await nextTurn()
          log.push(name)
        }
      })
    await openLoop(async (loop) => {
      loop.callSoon(() => void call('callback')())
      await loop.aioTask(async () => {
        setImmediate(() => void call('task')())
      })
      await sleep(2)
    })
    expect(log.sort()).toEqual(['callback', 'task'])
  })

  it('refuses anything else at once', () => {
    for (const wrong of [undefined, null, 7, 'text', {}, [], new Map(), Symbol.iterator]) {
      expect(() => aioAsTrio(wrong as never)).toThrow(TypeError)
    }
  })

  it('a cancel in the turn in which it is done does not lose the value', async () => {
    await openLoop(async (loop) => {
      const scope = new CancelScope()
      await scope.run(async () => {
        const future = loop.createFuture<string>()
        const call = aioAsTrio(future)
        future.setResult('value')
        scope.cancel()
        expect(await call).toBe('value')
        await expect(sleep(0)).rejects.toThrow(Cancelled)
      })
    })
  })
})

async function named(): Promise<void> {}
