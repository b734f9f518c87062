/** What the compiler makes of calls: `npm run typecheck` is what these are for. Running them shows that they fit. */
import { setTimeout as delay } from 'node:timers/promises'
import {
  aioAsTrio,
  openLoop,
  openNursery,
  run,
  runAioCoroutine,
  runAioFuture,
  runAioGenerator,
  runTrio,
  runWith,
  trioAsAio,
  type Future,
  type Loop,
  type Task,
  type TaskHandle,
  type TaskStatus,
} from '../../lib/structured/index.ts'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
/** Whether the type of a value is that one, exactly. */
const typed = <Expected>() => ({
  of: <Actual>(value: Actual, yes: Same<Actual, Expected>): Actual => {
    expect(yes).toBe(true)
    return value
  },
})

function overloaded(a: number): Promise<number>
function overloaded(a: string, b: boolean): Promise<string>
async function overloaded(a: number | string): Promise<number | string> {
  return a
}
async function generic<X>(first: X, ...more: X[]): Promise<X[]> {
  return [first, ...more]
}
async function year(this: Date, plus: number): Promise<number> {
  return this.getUTCFullYear() + plus
}
async function optional(a: number, b?: string): Promise<string> {
  return `${a}${b}`
}
async function* counting(to: number): AsyncGenerator<number, string, boolean> {
  for (let n = 1; n <= to; n++) yield n
  return 'end'
}
class Resource {
  readonly name = 'resource'
  async [Symbol.asyncDispose](): Promise<void> {}
}
/** Runs `body` in asyncio's flavour. */
const inAio = <T>(body: (loop: Loop) => Promise<T>): Promise<T> =>
  openLoop(async (loop) => loop.aioTask(() => body(loop)))

describe('the types', () => {
  describe('of aioAsTrio', () => {
    it('keep a function as it is, with overloads, type parameters and `this`', async () => {
      await openLoop(async () => {
        const [over, many] = [aioAsTrio(overloaded), aioAsTrio(generic)]
        expect(await typed<Promise<number>>().of(over(1), true)).toBe(1)
        expect(await typed<Promise<string>>().of(over('a', true), true)).toBe('a')
        expect(await typed<Promise<string[]>>().of(many('a', 'b'), true)).toEqual(['a', 'b'])
        expect(await typed<Promise<number>>().of(aioAsTrio(year).call(new Date(0), 1), true)).toBe(1971)
        expect(await typed<Promise<string>>().of(aioAsTrio(optional)(1), true)).toBe('1undefined')
        // @ts-expect-error -- no overload takes that
        await over(true)
        // @ts-expect-error -- `this` is to be a Date
        await expect(aioAsTrio(year)(1)).rejects.toThrow(TypeError)
        // @ts-expect-error -- as is the type of b
        await aioAsTrio(optional)(1, 2)
        await aioAsTrio(delay, { injectSignal: true })(0, 'value')
      })
    })

    it('make promises of futures, and of what is like a promise', async () => {
      await openLoop(async (loop) => {
        const future = loop.createFuture<number>()
        future.setResult(7)
        const returned = aioAsTrio(async () => future)
        const waited = aioAsTrio(future)
        const ran = runAioCoroutine(async () => 'x')
        expect(await typed<Promise<number>>().of(aioAsTrio((): Future<number> => future)(), true)).toBe(7)
        expect(await typed<Promise<number>>().of(aioAsTrio((): PromiseLike<number> => future)(), true)).toBe(7)
        expect(await typed<Promise<number>>().of(returned(), true)).toBe(7)
        expect(await typed<Promise<number>>().of(waited, true)).toBe(7)
        expect(await typed<Promise<number>>().of(runAioFuture(future), true)).toBe(7)
        expect(await typed<Promise<string>>().of(ran, true)).toBe('x')
        expect(await typed<Promise<string>>().of(runAioCoroutine(Promise.resolve('x')), true)).toBe('x')
      })
    })

    it('know what is iterated over, and what is disposed of', async () => {
      await openLoop(async () => {
        for (const iteration of [aioAsTrio(counting(2)), runAioGenerator(counting(2))]) {
          typed<AsyncGenerator<number, string, boolean>>().of(iteration.value, true)
          for await (const n of iteration) typed<number>().of(n, true)
        }
        await using held = aioAsTrio(new Resource())
        typed<Resource>().of(held.value, true)
        // @ts-expect-error -- a function that returns an iterable is not to be wrapped itself
        await expect(aioAsTrio(counting)(2)).rejects.toThrow(TypeError)
      })
    })
  })

  describe('of trioAsAio', () => {
    it('make futures of promises; of overloads the last counts', async () => {
      await inAio(async () => {
        expect(await typed<Future<string>>().of(trioAsAio(overloaded)('a', true), true)).toBe('a')
        expect(await typed<Future<string[]>>().of(trioAsAio(generic)('a', 'b'), true)).toEqual(['a', 'b'])
        expect(await typed<Future<number>>().of(trioAsAio(year).call(new Date(0), 1), true)).toBe(1971)
        expect(await typed<Future<string>>().of(runTrio(optional, 1, 'x'), true)).toBe('1x')
        // @ts-expect-error -- the arguments are those of the function
        await runTrio(optional, 'x')
        // @ts-expect-error -- a future is of the other flavour already
        expect(() => trioAsAio(runTrio(optional, 1))).toThrow(TypeError)
        const iteration = trioAsAio(counting(2))
        for await (const n of iteration) typed<number>().of(n, true)
        await using held = trioAsAio(new Resource())
        typed<Resource>().of(held.value, true)
      })
    })
  })

  it('of decorators leave a method as it is, or make it return a future', async () => {
    class Account {
      balance = 7
      @aioAsTrio
      async add(n: number): Promise<number> {
        return this.balance + n
      }
    }
    await openLoop(async () => {
      expect(await typed<Promise<number>>().of(new Account().add(1), true)).toBe(8)
    })
  })

  it('of nurseries, run and loops follow the arguments of a function', async () => {
    expect(typed<string>().of(await run(optional, 1, 'x'), true)).toBe('1x')
    expect(typed<string[]>().of(await runWith({}, generic<string>, 'a', 'b'), true)).toEqual(['a', 'b'])
    // @ts-expect-error -- the arguments are those of the function
    await run(optional, 'x')
    await openLoop(async (loop) => {
      await openNursery(async (nursery) => {
        typed<TaskHandle<string>>().of(nursery.startSoon(optional, 1), true)
        // @ts-expect-error -- the arguments are those of the function
        nursery.startSoon(optional, 'x')
        const serve = async (port: number, { taskStatus }: { taskStatus: TaskStatus<string> }): Promise<void> =>
          taskStatus.started(`port ${port}`)
        expect(typed<string>().of(await nursery.start<string>(serve, 7), true)).toBe('port 7')
      })
      typed<Task<number>>().of(
        loop.createTask(async () => 1),
        true,
      )
      typed<Task<number>>().of(
        loop.aioTask(async () => 1),
        true,
      )
      typed<Future<string>>().of(loop.trioAsFuture(optional, 1), true)
      typed<Future<unknown>>().of(loop.createFuture(), true)
      const sum = (a: number, b: number): number => a + b
      expect(await typed<Future<number>>().of(loop.runInExecutor(null, sum, 1, 2), true)).toBe(3)
      expect(
        await typed<Future<string>>().of(
          loop.runInExecutor(null, async () => 'x'),
          true,
        ),
      ).toBe('x')
      // @ts-expect-error -- the arguments are those of the function
      await loop.runInExecutor(null, sum, 1, 'x')
      // @ts-expect-error -- the arguments are those of the function
      loop.callSoon((n: number) => n, 'x')
      // @ts-expect-error -- not all of them are there
      loop.callLater(1, (n: number) => n)
    })
  })
})
