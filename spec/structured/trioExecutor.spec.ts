import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { InvalidStateError } from '../../lib/errors.ts'
import { CancelScope } from '../../lib/structured/cancelScope.ts'
import { CapacityLimiter } from '../../lib/structured/capacityLimiter.ts'
import { BrokenWorkerError } from '../../lib/structured/errors.ts'
import { moveOnAfter } from '../../lib/structured/moveOn.ts'
import { checkpoint } from '../../lib/structured/checkpoint.ts'
import { defaultExecutor, TrioExecutor, type ExportedFunction } from '../../lib/structured/trioExecutor.ts'
import { buildIfMissing, runModule } from '../support/builtPackage.ts'

const modulePath = join(__dirname, '../fixtures/executed.mjs')
const commonPath = join(__dirname, '../fixtures/executed.cjs')
const executors: TrioExecutor[] = []
const executor = (options?: ConstructorParameters<typeof TrioExecutor>[0]): TrioExecutor => {
  const made = new TrioExecutor(options)
  executors.push(made)
  return made
}
const rejection = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => {
      throw new Error('it did not reject')
    },
    (error: Error) => error,
  )
/** A place in memory that threads share: what they write there is seen at once. */
const cell = (): Int32Array => new Int32Array(new SharedArrayBuffer(8))
/** For a thread: waits until the cell is no longer 0, and says in the second that it does. */
const waitThere = (shared: Int32Array): string => {
  Atomics.add(shared, 1, 1)
  Atomics.notify(shared, 1)
  Atomics.wait(shared, 0, 0)
  return 'done'
}
const release = (shared: Int32Array): void => {
  Atomics.store(shared, 0, 1)
  Atomics.notify(shared, 0)
}
/** Resolves when a thread waits there. */
const waited = async (shared: Int32Array): Promise<void> => {
  while (Atomics.load(shared, 1) === 0) await new Promise((resolve) => setImmediate(resolve))
}

afterEach(async () => {
  await Promise.all(executors.splice(0).map((each) => each.shutdown()))
})

describe('TrioExecutor', () => {
  describe('run', () => {
    it('calls a function in another thread, with copies of its arguments', async () => {
      const argument = { list: [1, 2], date: new Date(0), map: new Map([['a', new Uint8Array(2)]]) }
      const [threadId, got] = (await executor().run(
        (given: object) => [process.getBuiltinModule('node:worker_threads').threadId, given],
        [argument],
      )) as [number, typeof argument]
      expect(threadId).toBeGreaterThan(0)
      expect(got).toEqual(argument)
      expect(got).not.toBe(argument)
    })

    it('waits for an async function, and takes every kind that is one by itself', async () => {
      const pool = executor()
      // oxlint-disable-next-line prefer-arrow-callback -- of each kind one
      const named = function add(a: number, b: number): number {
        return a + b
      }
      expect(await pool.run(named, [1, 2])).toBe(3)
      expect(await pool.run(async (a: string) => `${await Promise.resolve(a)}!`, ['x'])).toBe('x!')
      expect(await pool.run(() => undefined, [])).toBeUndefined()
      expect(await pool.run((...all: number[]) => all.length /* , */, [1, 2, 3])).toBe(3)
      // oxlint-disable-next-line no-implied-eval typescript/no-implied-eval -- it has a source as all others
      expect(await pool.run(new Function('a', 'return a * 2 // twice') as (a: number) => number, [4])).toBe(8)
    })

    it('calls what a module exports, by path, URL and name', async () => {
      const pool = executor({ maxWorkers: 1 })
      expect(await pool.run({ module: modulePath, name: 'shout' }, ['x'])).toBe('X')
      expect(await pool.run({ module: pathToFileURL(modulePath), name: 'default' }, [4])).toBe(8)
      const counted = { module: pathToFileURL(modulePath).href, name: 'count' }
      expect([await pool.run(counted, []), await pool.run(counted, [])]).toEqual([1, 2])
      expect(await pool.run({ module: commonPath, name: 'plus' }, [1, 2])).toBe(3)
      expect(await pool.run({ module: 'node:path', name: 'basename' }, ['/a/b'])).toBe('b')
      expect(await pool.run({ module: 'prettier', name: 'format' }, ['a;;b', { parser: 'babel' }])).toBe('a;\nb;\n')
    })

    it('says what a module does export', async () => {
      const pool = executor({ maxWorkers: 1 })
      const error = await rejection(pool.run({ module: modulePath, name: 'notAFunction' }, []))
      expect(error).toBeInstanceOf(TypeError)
      expect(error.message).toMatch(/executed\.mjs exports no function notAFunction: it has count, default, notAFu/)
      const missing = await rejection(pool.run({ module: '/no/such/file.mjs', name: 'x' }, []))
      expect(missing).toMatchObject({ code: 'ERR_MODULE_NOT_FOUND' })
    })

    class Holder {
      readonly #secret = 5
      method(this: void): number {
        return 1
      }
      arrow = (): number => this.#secret
    }
    it.each<[string, unknown, RegExp]>([
      ['a native function', Math.max, /^max is native or bound/],
      ['a bound function', function f() {}.bind(null), /^bound f is native or bound/],
      ['a class', Holder, /^Holder is a class/],
      ['a method', new Holder().method, /^the source of method is no function by itself/],
      ['what needs its class', new Holder().arrow, /^the source of arrow is no function by itself/],
      ['no function', 5, /a function, or an export/],
      ['nothing', undefined, /a function, or an export/],
      ['half an export', { module: 'x' }, /a function, or an export/],
      ['a relative path', { module: './x.js', name: 'y' }, /give new URL\('\.\/x\.js', import\.meta\.url\)/],
    ])('refuses %s', async (_what, fn, message) => {
      const error = await rejection(executor().run(fn as ExportedFunction, []))
      expect(error).toBeInstanceOf(TypeError)
      expect(error.message).toMatch(message)
    })

    it('says that there are no closures', async () => {
      const around = 5
      const error = await rejection(executor().run(() => around, []))
      expect(error.name).toBe('ReferenceError')
      expect(error.message).toMatch(/^around is not defined: in a thread a function has nothing from around it/)
      expect(error.stack).toContain(error.message)
    })

    it('says which of argument and result cannot be copied, and goes on', async () => {
      const pool = executor({ maxWorkers: 1 })
      const argument = await rejection(pool.run((each: unknown) => each, [() => {}]))
      expect(argument).toBeInstanceOf(TypeError)
      expect(argument.message).toMatch(/^an argument of the function cannot be sent to a thread: .*could not be cloned/)
      const result = await rejection(pool.run(() => () => {}, []))
      expect(result).toBeInstanceOf(TypeError)
      expect(result.message).toBe('what the function returns cannot be sent back from a thread')
      expect((result.cause as Error).message).toMatch(/could not be cloned/)
      expect(await pool.run(() => 5, [])).toBe(5)
    })

    it('brings errors back as errors', async () => {
      const error = await rejection(
        executor().run(() => {
          class OrderError extends RangeError {
            override name = 'OrderError'
            code = 'E_ORDER'
            details = { order: 5 }
            inner = new TypeError('inside')
            cannot = (): void => {}
          }
          throw new OrderError('too many', { cause: new SyntaxError('the cause', { cause: 'deepest' }) })
        }, []),
      )
      expect(error).toBeInstanceOf(RangeError)
      expect(error).toMatchObject({
        name: 'OrderError',
        message: 'too many',
        code: 'E_ORDER',
        details: { order: 5 },
        inner: { name: 'TypeError', message: 'inside' },
      })
      expect(error.stack).toMatch(/too many\n +at /)
      expect(error.cause).toBeInstanceOf(SyntaxError)
      expect((error.cause as Error).cause).toBe('deepest')
      expect(Object.keys(error).sort()).toEqual(['code', 'details', 'inner'])
    })

    it('brings back several errors, and what is none', async () => {
      const pool = executor()
      const all = await rejection(
        pool.run(() => Promise.any([Promise.reject(new TypeError('a')), Promise.reject(new Error('b'))]), []),
      )
      expect(all).toBeInstanceOf(AggregateError)
      expect((all as AggregateError).errors).toMatchObject([{ name: 'TypeError', message: 'a' }, { message: 'b' }])
      expect((all as AggregateError).errors[0]).toBeInstanceOf(TypeError)
      const thrown = (value: unknown): Promise<Error> =>
        rejection(
          pool.run(
            (each: unknown) => {
              throw each
            },
            [value],
          ),
        )
      expect(await thrown({ a: 1 })).toEqual({ a: 1 })
      expect(await thrown(undefined)).toBeUndefined()
      const strange = rejection(
        pool.run(() => {
          throw () => {} // oxlint-disable-line no-throw-literal -- that is the point
        }, []),
      )
      expect(await strange).toBe('(not to be sent) [object Function]')
    })

    it('does not end over an error that is its own cause', async () => {
      const error = await rejection(
        executor().run(() => {
          const loop = new Error('round')
          loop.cause = loop
          throw loop
        }, []),
      )
      expect((error.cause as Error).message).toBe('round')
    })
  })

  describe('its threads', () => {
    it('are no more than they may be; calls are served in their order', async () => {
      const pool = executor({ maxWorkers: 2 })
      const cells = [cell(), cell()]
      const order: number[] = []
      const first = cells.map((each) => pool.run(waitThere, [each]))
      const rest = [3, 4, 5].map((n) => pool.run((each: number) => each, [n]).then((each) => order.push(each)))
      for (const each of cells) await waited(each)
      expect(order).toEqual([])
      // One thread does all the rest.
      release(cells[0]!)
      await Promise.all(rest)
      expect(order).toEqual([3, 4, 5])
      release(cells[1]!)
      await Promise.all(first)
    })

    it('are used again', async () => {
      const pool = executor()
      const ids = new Set<number>()
      for (let i = 0; i < 10; i++) {
        ids.add(await pool.run(() => process.getBuiltinModule('node:worker_threads').threadId, []))
      }
      expect(ids.size).toBe(1)
    })

    it.each([0, -1, 1.5, NaN])('cannot be %p', (maxWorkers) => {
      expect(() => new TrioExecutor({ maxWorkers })).toThrow(RangeError)
    })

    it('are limited by a limiter, whose tokens come back however a call ends', async () => {
      const limiter = new CapacityLimiter(1)
      const pools = [executor({ limiter }), executor({ limiter })]
      const shared = cell()
      const first = pools[0]!.run(waitThere, [shared])
      const second = pools[1]!.run(() => 5, [])
      await waited(shared)
      expect([limiter.borrowedTokens, limiter.tasksWaiting]).toEqual([1, 1])
      release(shared)
      expect(await Promise.all([first, second])).toEqual(['done', 5])
      expect(limiter.borrowedTokens).toBe(0)
      await rejection(pools[0]!.run(() => JSON.parse('{'), []))
      await rejection(pools[0]!.run(() => process.exit(), []))
      await rejection(pools[0]!.run((fn: () => void) => fn(), [() => {}]))
      while (limiter.borrowedTokens > 0) await new Promise((resolve) => setImmediate(resolve))
    })

    it.each([
      ['process.exit', () => process.exit(3), 'the thread was ended with exit code 3 before the function was done'],
      [
        'an error outside of it',
        () =>
          new Promise<never>(() =>
            setImmediate(() => {
              throw new RangeError('outside')
            }),
          ),
        'the thread was ended by RangeError: outside before the function was done',
      ],
      [
        'a rejection that nobody handles',
        () => {
          void Promise.reject(new RangeError('nobody'))
          return new Promise<never>(() => {})
        },
        'the thread was ended by RangeError: nobody before the function was done',
      ],
    ])('are replaced when a call ends one by %s', async (_how, fn, message) => {
      const pool = executor({ maxWorkers: 1 })
      const dying = rejection(pool.run(fn, []))
      const next = pool.run(() => 'next', [])
      const error = await dying
      expect(error).toBeInstanceOf(BrokenWorkerError)
      expect(error.message).toBe(message)
      expect((error.cause as Error | undefined)?.name).toBe(message.match(/RangeError/)?.[0])
      expect(await next).toBe('next')
    })

    it('are replaced when one is out of memory', async () => {
      const pool = executor({ maxWorkers: 1, resourceLimits: { maxOldGenerationSizeMb: 16 } })
      const error = await rejection(
        pool.run(() => {
          const all: object[] = []
          for (;;) all.push(Array.from({ length: 1000 }, () => ({})))
        }, []),
      )
      expect(error).toBeInstanceOf(BrokenWorkerError)
      expect(error.cause).toMatchObject({ code: 'ERR_WORKER_OUT_OF_MEMORY' })
      expect(await pool.run(() => 'next', [])).toBe('next')
    })
  })

  describe('cancelled', () => {
    it('before it begins calls nothing', async () => {
      const pool = executor()
      const shared = cell()
      const count = (cells: Int32Array): number => Atomics.add(cells, 0, 1)
      const cancelled = pool.run(count, [shared], { signal: AbortSignal.abort('before') })
      await expect(cancelled).rejects.toBe('before')
      const scope = new CancelScope()
      await scope.run(async () => {
        scope.cancel()
        await pool.run(count, [shared])
      })
      expect(scope.cancelledCaught).toBe(true)
      await pool.shutdown()
      expect(shared[0]).toBe(0)
    })

    it('while it waits for a thread or a token is not called any more', async () => {
      const limiter = new CapacityLimiter(2)
      const pool = executor({ maxWorkers: 1, limiter })
      const shared = cell()
      const running = pool.run(waitThere, [shared])
      await waited(shared)
      const controller = new AbortController()
      const calls = [1, 2].map(() =>
        rejection(pool.run((cells: Int32Array) => Atomics.add(cells, 1, 1), [shared], { signal: controller.signal })),
      )
      await checkpoint()
      expect(limiter.tasksWaiting).toBe(1)
      controller.abort(new Error('enough'))
      for (const error of await Promise.all(calls)) expect(error.message).toBe('enough')
      release(shared)
      await running
      await pool.shutdown()
      expect([shared[1], limiter.borrowedTokens]).toEqual([1, 0])
    })

    it('while it runs goes on to its end, and its outcome counts', async () => {
      const pool = executor()
      const shared = cell()
      const after: string[] = []
      const scope = new CancelScope()
      await scope.run(async () => {
        const call = pool.run(waitThere, [shared])
        await waited(shared)
        scope.cancel()
        release(shared)
        after.push(await call)
        await checkpoint()
        after.push('not reached')
      })
      expect([after, scope.cancelledCaught]).toEqual([['done'], true])
    })

    it('with abandonOnCancel is given up at once, and its thread is ended', async () => {
      const limiter = new CapacityLimiter(1)
      const pool = executor({ maxWorkers: 1, limiter })
      const shared = cell()
      let reached = false
      await moveOnAfter(Infinity, async (scope) => {
        const call = pool.run(waitThere, [shared], { abandonOnCancel: true })
        await waited(shared)
        scope.cancel()
        await call
        reached = true
      })
      expect(reached).toBe(false)
      // The place that it had is free when the thread is gone, and not before.
      expect(await pool.run(() => 'next', [])).toBe('next')
      const spinning = cell()
      const controller = new AbortController()
      const endless = rejection(
        pool.run(
          (cells: Int32Array) => {
            Atomics.store(cells, 1, 1)
            for (;;) Atomics.add(cells, 0, 1)
          },
          [spinning],
          { abandonOnCancel: true, signal: controller.signal },
        ),
      )
      await waited(spinning)
      controller.abort(new Error('enough'))
      expect((await endless).message).toBe('enough')
      await pool.shutdown()
      const stopped = spinning[0]
      await checkpoint()
      expect([spinning[0], limiter.borrowedTokens]).toEqual([stopped, 0])
    })
  })

  describe('shutdown', () => {
    it('waits for what was called, and takes nothing more', async () => {
      const pool = executor({ maxWorkers: 1 })
      const shared = cell()
      const log: string[] = []
      const calls = [
        pool.run(waitThere, [shared]).then(() => log.push('first')),
        pool.run(() => 1, []).then(() => log.push('second')),
      ]
      await waited(shared)
      const down = pool.shutdown().then(() => log.push('down'))
      expect(pool.closed).toBe(true)
      await expect(pool.run(() => 1, [])).rejects.toBeInstanceOf(InvalidStateError)
      release(shared)
      await Promise.all([...calls, down])
      expect(log).toEqual(['first', 'second', 'down'])
      await pool.shutdown()
    })

    it('ends the threads', async () => {
      const shared = cell()
      {
        await using pool = executor()
        await pool.run((cells: Int32Array) => void setInterval(() => Atomics.add(cells, 0, 1), 1), [shared])
      }
      const ended = shared[0]
      await new Promise((resolve) => setTimeout(resolve, 20))
      expect(shared[0]).toBe(ended)
    })
  })

  it('keeps the process alive while it works, and no longer; also on its own', () => {
    buildIfMissing()
    const { code, stdout, stderr } = runModule(`
      import { defaultExecutor, TrioExecutor } from './dist/esm/structured/trioExecutor.js'
      await defaultExecutor().run(() => 1, [])
      new TrioExecutor().run((n) => new Promise((resolve) => setTimeout(resolve, 400, n)), [2]).then(console.log)
      new TrioExecutor().run((fn) => fn(), [() => {}])
      new TrioExecutor().run(() => process.exit(1), [])
      new TrioExecutor().run(() => { throw new Error('nobody looks') }, [])
    `)
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '2\n', stderr: '' })
  })

  it('prints what fails in a thread between calls, and goes on', () => {
    buildIfMissing()
    const { code, stdout, stderr } = runModule(`
      import { TrioExecutor } from './dist/esm/structured/trioExecutor.js'
      const pool = new TrioExecutor({ maxWorkers: 1 })
      await pool.run(() => void setTimeout(() => { throw new Error('left behind') }, 1), [])
      await new Promise((resolve) => setTimeout(resolve, 100))
      console.log(await pool.run(() => 'next', []))
      await pool.shutdown()
    `)
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'next\n' })
    expect(stderr).toMatch(/^millrace: unhandled error in a thread: Error: left behind/)
  })
})

describe('defaultExecutor', () => {
  it('is one for all, and another once it was shut down', async () => {
    const first = defaultExecutor()
    expect(defaultExecutor()).toBe(first)
    await first.shutdown()
    const second = defaultExecutor()
    expect(second).not.toBe(first)
    expect(await second.run(() => 5, [])).toBe(5)
    await second.shutdown()
  })
})
