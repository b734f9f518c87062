import { AsyncLocalStorage } from 'node:async_hooks'
import { CancelledError, InvalidStateError } from '../../lib/errors.ts'
import { CancelScope } from '../../lib/structured/cancelScope.ts'
import { currentAsyncLibrary, currentLoop, currentScope, currentTask } from '../../lib/structured/current.ts'
import { Event } from '../../lib/structured/event.ts'
import { Future } from '../../lib/structured/future.ts'
import type { Loop } from '../../lib/structured/loop.ts'
import { openMemoryChannel } from '../../lib/structured/memoryChannel.ts'
import { openLoop } from '../../lib/structured/openLoop.ts'
import { sleep, sleepForever } from '../../lib/structured/sleep.ts'
import { trioAsAio, trioAsAsyncio } from '../../lib/structured/trioAsAio.ts'
import type { TrioIteration } from '../../lib/structured/trioIteration.ts'
import { nextTurn } from '../../lib/wait.ts'

/** Runs `fn` as an asyncio task of a loop. */
const inAio = <T>(fn: (loop: Loop) => Promise<T>): Promise<T> => openLoop(async (loop) => loop.aioTask(() => fn(loop)))

describe('trioAsAio', () => {
  it('has the long name, too', () => {
    expect(trioAsAsyncio).toBe(trioAsAio)
  })

  describe('of a function', () => {
    it('returns a future of what it does in trio flavour', async () => {
      await inAio(async (loop) => {
        const inAsyncio = trioAsAio(async (a: number, b: string) => {
          await sleep(0)
          return [a, b, currentAsyncLibrary(), currentTask(), currentScope() !== undefined, currentLoop() === loop]
        })
        const future: Future<unknown[]> = inAsyncio(1, 'x')
        expect(future).toBeInstanceOf(Future)
        expect(await future).toEqual([1, 'x', 'trio', null, true, true])
        expect([currentAsyncLibrary(), currentTask() !== null]).toEqual(['asyncio', true])
        // @ts-expect-error -- the arguments are those of the function
        void inAsyncio('x', 1)
        expect(trioAsAio(named).name).toBe('named')
      })
    })

    it('keeps `this`, as a wrapper and as a decorator', async () => {
      class Account {
        balance = 7
        read = trioAsAio(async function (this: Account) {
          return this.balance
        })
        @trioAsAio
        async add(n: number): Promise<number> {
          expect(currentAsyncLibrary()).toBe('trio')
          return this.balance + n
        }
      }
      await inAio(async () => {
        const account = new Account()
        expect([await account.read(), await account.add(1)]).toEqual([7, 8])
      })
    })

    it('can be called from a plain callback, with callbacks', async () => {
      const seen: unknown[] = []
      await openLoop(async (loop) => {
        const done = new Event()
        loop.callSoon(() => {
          const future = trioAsAio(async () => 42)()
          expect(future.done()).toBe(false)
          future.addDoneCallback((ended) => {
            seen.push(ended.result())
            done.set()
          })
        })
        await done.wait()
      })
      expect(seen).toEqual([42])
    })

    it('carries the user’s own AsyncLocalStorage in', async () => {
      const storage = new AsyncLocalStorage<string>()
      await inAio(async () => {
        const look = trioAsAio(async () => {
          await sleep(1)
          return storage.getStore()
        })
        expect(await storage.run('mine', () => look())).toBe('mine')
        expect(await look()).toBeUndefined()
      })
    })

    it('an error that nobody looks at is the future’s alone', async () => {
      const future = await openLoop(async () => {
        const failed = trioAsAio(async () => {
          throw new Error('boom')
        })()
        await sleep(5)
        return { failed }
      })
      expect(future.failed.exception()).toEqual(new Error('boom'))
    })

    it('without a loop: throws, and calls nothing', () => {
      let called = false
      expect(() =>
        trioAsAio(async () => {
          called = true
        })(),
      ).toThrow(InvalidStateError)
      expect(called).toBe(false)
    })

    it('runs in the loop that it is given', async () => {
      await openLoop(async (outer) => {
        await openLoop(async (inner) => {
          const where = async (): Promise<Loop | null> => currentLoop()
          expect(await trioAsAio(where)()).toBe(inner)
          expect(await trioAsAio(where, { loop: outer })()).toBe(outer)
        })
      })
    })
  })

  describe('of an async iterable', () => {
    const counting = (): { log: string[]; source: AsyncGenerator<number> } => {
      const log: string[] = []
      const source = async function* (): AsyncGenerator<number> {
        try {
          for (let n = 1; ; n++) {
            log.push(currentAsyncLibrary())
            await sleep(n < 3 ? 0 : 60_000)
            yield n
          }
        } finally {
          log.push('closed')
        }
      }
      return { log, source: source() }
    }

    it('goes over it in trio flavour; a break closes it', async () => {
      await inAio(async () => {
        const { log, source } = counting()
        const iteration: TrioIteration<number, AsyncGenerator<number>> = trioAsAio(source)
        const seen: number[] = []
        for await (const n of iteration) {
          const typed: number = n
          seen.push(typed)
          expect(currentAsyncLibrary()).toBe('asyncio')
          if (n === 2) break
        }
        expect([seen, log]).toEqual([
          [1, 2],
          ['trio', 'trio', 'closed'],
        ])
        expect(await iteration.next()).toEqual({ done: true, value: undefined })
      })
    })

    it('a cancel of the asyncio task closes it, too', async () => {
      await openLoop(async (loop) => {
        const { log, source } = counting()
        const task = loop.aioTask(async () => {
          for await (const _ of trioAsAio(source));
        })
        await sleep(5)
        task.cancel('enough')
        await expect(task.then()).rejects.toEqual(new CancelledError('enough'))
        expect(log.at(-1)).toBe('closed')
      })
    })

    it('a cancel is not lost, whenever it comes', async () => {
      for (let round = 0; round < 60; round++) {
        const log: unknown[] = []
        const source = async function* (): AsyncGenerator<number> {
          try {
            for (let n = 0; ; n++) {
              await sleep(n % 2)
              yield n
            }
          } finally {
            log.push('closed')
          }
        }
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        await openLoop(async (loop) => {
          const task = loop.aioTask(async () => {
            for await (const _ of trioAsAio(source()));
          })
          for (let i = 0; i < 1 + (round % 5); i++) await nextTurn() // oxlint-disable-line no-await-in-loop
          for (let i = 0; i < round % 12; i++) await Promise.resolve() // oxlint-disable-line no-await-in-loop
          task.cancel()
          await task.catch((error: unknown) => log.push(error))
        })
        expect(log).toEqual(['closed', expect.any(CancelledError)])
      }
    })

    it('and a source that is no generator', async () => {
      await openLoop(async (loop) => {
        const log: string[] = []
        const source = {
          [Symbol.asyncIterator]: () => ({
            next: async (): Promise<IteratorResult<number>> => sleepForever(),
            return: async (): Promise<IteratorResult<number>> => {
              await sleep(1)
              log.push('returned')
              return { done: true, value: undefined }
            },
          }),
        }
        const iteration = trioAsAio<number>(source)
        const step = iteration.next()
        await nextTurn()
        step.cancel()
        await expect(step.then()).rejects.toThrow(CancelledError)
        expect(log).toEqual(['returned'])
        expect(await iteration.next()).toEqual({ done: true, value: undefined })
        const early = trioAsAio<number>(source)
        const none = early.next()
        none.cancel('before it began')
        await expect(none.then()).rejects.toThrow('before it began')
        expect(log).toEqual(['returned', 'returned'])
        expect(loop.isRunning()).toBe(true)
      })
    })

    it('such as the receiver of a memory channel', async () => {
      await inAio(async () => {
        const [sender, receiver] = openMemoryChannel<number>(3)
        for (const n of [1, 2, 3]) sender.sendNowait(n)
        sender.close()
        const seen: number[] = []
        for await (const n of trioAsAio<number>(receiver)) seen.push(n)
        expect(seen).toEqual([1, 2, 3])
      })
    })
  })

  it('of an async disposable: disposes of it in trio flavour', async () => {
    await inAio(async () => {
      const log: unknown[] = []
      const resource = {
        async [Symbol.asyncDispose]() {
          await sleep(0)
          log.push(currentAsyncLibrary(), this === resource)
        },
      }
      {
        await using held = trioAsAio(resource)
        expect(held.value).toBe(resource)
      }
      expect(log).toEqual(['trio', true])
    })
  })

  it('disposal of an iteration disposes of its source', async () => {
    await inAio(async () => {
      const log: string[] = []
      const source = {
        [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false as const, value: 1 }) }),
        async [Symbol.asyncDispose]() {
          log.push('disposed')
        },
      }
      {
        await using iteration = trioAsAio<number, typeof source>(source)
        expect((await iteration.next()).value).toBe(1)
      }
      expect(log).toEqual(['disposed'])
    })
  })

  it('refuses anything else at once, promises above all', () => {
    const promise = Promise.resolve()
    expect(() => trioAsAio(promise as never)).toThrow(/not the promise/)
    expect(() => trioAsAio(new Future() as never)).toThrow(TypeError)
    for (const wrong of [undefined, null, 7, 'text', {}, []]) {
      expect(() => trioAsAio(wrong as never)).toThrow(TypeError)
    }
  })

  it('inside, scopes are trio’s: a deadline of the task ends there', async () => {
    await inAio(async () => {
      const future = trioAsAio(async () => {
        const scope = new CancelScope()
        scope.cancel()
        await scope.run(sleepForever)
        return scope.cancelledCaught
      })()
      expect(await future).toBe(true)
    })
  })
})

async function named(): Promise<void> {}
