import { getEventListeners } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { TimeoutError } from '../lib/errors.ts'
import {
  abortedOnEntry,
  DONE,
  forget,
  handled,
  nextTurn,
  rejected,
  setAmbience,
  Waiter,
  WaitList,
  watchSignal,
  type WaitOptions,
} from '../lib/wait.ts'
import { buildIfMissing, runModule } from './support/builtPackage.ts'
import { ambient as ambience, signalScope } from './support/signalScope.ts'

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length
const operation = (): string => 'readExactly from 127.0.0.1:5000 (3 bytes buffered)'
const waiterWith = (options?: WaitOptions, forget?: () => void): Waiter<string> =>
  new Waiter<string>(options, operation, forget)

afterEach(() => {
  setAmbience(null)
  jest.useRealTimers()
})

describe('Waiter', () => {
  describe('resolve and reject', () => {
    it('settle the promise', async () => {
      const good = waiterWith()
      expect(good.settled).toBe(false)
      good.resolve('yes')
      expect(good.settled).toBe(true)
      await expect(good.promise).resolves.toBe('yes')

      const reason = new Error('no')
      const bad = waiterWith()
      bad.reject(reason)
      expect(bad.settled).toBe(true)
      await expect(bad.promise).rejects.toBe(reason)
    })

    it('do nothing the second time', async () => {
      const waiter = waiterWith()
      waiter.resolve('first')
      waiter.resolve('second')
      waiter.reject(new Error('third'))
      await expect(waiter.promise).resolves.toBe('first')
    })

    it('do not call forget: that is for a wait that is cancelled', () => {
      const forget = jest.fn()
      waiterWith({}, forget).resolve('x')
      waiterWith({}, forget).reject(new Error('x'))
      expect(forget).not.toHaveBeenCalled()
    })
  })

  describe('signal', () => {
    it('rejects with its reason itself, whatever that is', async () => {
      for (const reason of [new Error('enough'), 'text', null, 0]) {
        const controller = new AbortController()
        const waiter = waiterWith({ signal: controller.signal })
        controller.abort(reason)
        expect(waiter.settled).toBe(true)
        await expect(waiter.promise).rejects.toBe(reason)
      }
    })

    it('rejects with an AbortError if no reason is given', async () => {
      const controller = new AbortController()
      const waiter = waiterWith({ signal: controller.signal })
      controller.abort()
      await expect(waiter.promise).rejects.toBe(controller.signal.reason)
      expect((controller.signal.reason as Error).name).toBe('AbortError')
    })

    it('calls forget before it rejects, once', () => {
      const controller = new AbortController()
      const seen: boolean[] = []
      const waiter: Waiter<string> = waiterWith({ signal: controller.signal }, () => seen.push(waiter.settled))
      controller.abort()
      expect(seen).toEqual([false])
    })

    it('that has aborted already rejects at once, leaves no listener, and does not call forget', async () => {
      const signal = AbortSignal.abort('before')
      const forget = jest.fn()
      const waiter = waiterWith({ signal }, forget)
      expect(waiter.settled).toBe(true)
      expect(listeners(signal)).toBe(0)
      expect(forget).not.toHaveBeenCalled()
      await expect(waiter.promise).rejects.toBe('before')
    })

    it('comes too late after the wait is over', async () => {
      const controller = new AbortController()
      const forget = jest.fn()
      const waiter = waiterWith({ signal: controller.signal }, forget)
      waiter.resolve('done')
      controller.abort()
      expect(forget).not.toHaveBeenCalled()
      await expect(waiter.promise).resolves.toBe('done')
    })

    it('may end any number of waits', async () => {
      const controller = new AbortController()
      const { signal } = controller
      const reason = new Error('all of you')
      const all = [waiterWith({ signal }), waiterWith({ scope: signalScope(signal) }), waiterWith({ signal })]
      controller.abort(reason)
      expect(await Promise.allSettled(all.map((waiter) => waiter.promise))).toEqual(
        all.map(() => ({ status: 'rejected', reason })),
      )
      expect(listeners(signal)).toBe(0)
    })

    it('keeps no listener of a wait that is over, however it ended', () => {
      jest.useFakeTimers()
      const { signal } = new AbortController()
      const scope = new AbortController()
      const ends: ((waiter: Waiter<string>) => void)[] = [
        (waiter) => waiter.resolve('x'),
        (waiter) => waiter.reject(new Error('x')),
        () => jest.advanceTimersByTime(10),
        () => scope.abort(),
      ]
      for (const end of ends) {
        const waiter = waiterWith({ signal, scope: signalScope(scope.signal), timeoutMs: 10 })
        expect([listeners(signal), listeners(scope.signal)]).toEqual([1, 1])
        end(waiter)
        expect(waiter.settled).toBe(true)
        expect([listeners(signal), listeners(scope.signal)]).toEqual([0, 0])
      }
    })

    it('has one listener for all waits that share it, and ends them in the order in which they began', async () => {
      const controller = new AbortController()
      const { signal } = controller
      const order: number[] = []
      const waiters = Array.from({ length: 100 }, (_, i) => waiterWith({ signal }, () => void order.push(i)))
      expect(listeners(signal)).toBe(1)
      waiters[0]!.resolve('x')
      expect(listeners(signal)).toBe(1)
      const again = waiterWith({ signal }, () => void order.push(100))
      controller.abort(new Error('enough'))
      await expect(again.promise).rejects.toThrow('enough')
      expect(order).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
      expect(listeners(signal)).toBe(0)
    })

    it('does not pile up listeners over ten thousand waits', () => {
      const { signal } = new AbortController()
      let most = 0
      for (let i = 0; i < 10_000; i++) {
        const waiter = waiterWith({ signal })
        most = Math.max(most, listeners(signal))
        waiter.resolve('x')
      }
      expect(most).toBe(1)
      expect(listeners(signal)).toBe(0)
    })
  })

  it('of a signal that is over keeps nothing of those that came behind it', () => {
    const { signal } = new AbortController()
    const waits = [1, 2, 3].map(() => watchSignal(signal, { cancel() {} }))
    for (const wait of waits) forget(wait)
    expect(waits.flatMap(({ previous, next }) => [previous, next])).toEqual(Array(6).fill(undefined))
    expect(listeners(signal)).toBe(0)
  })

  describe('scope', () => {
    it('cancels with the reason of its signal', async () => {
      const controller = new AbortController()
      const waiter = waiterWith({ scope: signalScope(controller.signal) })
      controller.abort('scope')
      await expect(waiter.promise).rejects.toBe('scope')
      expect(listeners(controller.signal)).toBe(0)
    })

    it('works beside a signal: whichever comes first', async () => {
      for (const first of ['signal', 'scope']) {
        const controllers = { signal: new AbortController(), scope: new AbortController() }
        const { signal, scope } = controllers
        const waiter = waiterWith({ signal: signal.signal, scope: signalScope(scope.signal) })
        controllers[first as 'signal' | 'scope'].abort(first)
        signal.abort('later')
        scope.abort('later')
        await expect(waiter.promise).rejects.toBe(first)
      }
    })

    it('may have the very signal that was given too', async () => {
      const controller = new AbortController()
      const { signal } = controller
      const waiter = waiterWith({ signal, scope: signalScope(signal) })
      controller.abort('both')
      await expect(waiter.promise).rejects.toBe('both')
      expect(listeners(signal)).toBe(0)
    })

    it('is the ambient one, if none is given', async () => {
      const ambient = new AbortController()
      setAmbience(ambience(signalScope(ambient.signal)))
      const bare = waiterWith()
      const withSignal = waiterWith({ signal: new AbortController().signal })
      ambient.abort('ambient')
      await expect(bare.promise).rejects.toBe('ambient')
      await expect(withSignal.promise).rejects.toBe('ambient')
      const late = waiterWith()
      expect(late.settled).toBe(true)
      await expect(late.promise).rejects.toBe('ambient')
    })

    it('that is given stands in for the ambient one', async () => {
      const ambient = new AbortController()
      setAmbience(ambience(signalScope(ambient.signal)))
      const shield = new AbortController()
      const waiter = waiterWith({ scope: signalScope(shield.signal) })
      ambient.abort('ambient')
      expect(waiter.settled).toBe(false)
      expect(listeners(ambient.signal)).toBe(0)
      shield.abort('shield')
      await expect(waiter.promise).rejects.toBe('shield')
    })

    it('may be absent where the slot is filled', async () => {
      setAmbience(ambience(undefined))
      const waiter = waiterWith()
      expect(waiter.settled).toBe(false)
      waiter.resolve('x')
      await expect(waiter.promise).resolves.toBe('x')
    })
  })

  describe('timeoutMs', () => {
    it('rejects with a TimeoutError that names the operation, and forgets', async () => {
      jest.useFakeTimers()
      const forget = jest.fn()
      const waiter = waiterWith({ timeoutMs: 1500 }, forget)
      jest.advanceTimersByTime(1499)
      expect(waiter.settled).toBe(false)
      jest.advanceTimersByTime(1)
      expect(waiter.settled).toBe(true)
      expect(forget).toHaveBeenCalledTimes(1)
      const error: unknown = await waiter.promise.catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(TimeoutError)
      expect(error).toMatchObject({
        timeoutMs: 1500,
        operation: operation(),
        message: `${operation()} took longer than 1500 ms`,
      })
    })

    it('asks for the name of the operation only when it has run out', () => {
      jest.useFakeTimers()
      const name = jest.fn(operation)
      new Waiter<void>({ timeoutMs: 5 }, name).resolve()
      jest.advanceTimersByTime(10)
      expect(name).not.toHaveBeenCalled()
    })

    it('of 0 runs out in the next turn', async () => {
      const waiter = waiterWith({ timeoutMs: 0 })
      expect(waiter.settled).toBe(false)
      await expect(waiter.promise).rejects.toBeInstanceOf(TimeoutError)
    })

    it('leaves no timer behind, however the wait ends', () => {
      jest.useFakeTimers()
      const controller = new AbortController()
      const ends: ((waiter: Waiter<string>) => void)[] = [
        (waiter) => waiter.resolve('x'),
        (waiter) => waiter.reject(new Error('x')),
        () => controller.abort(),
      ]
      for (const end of ends) {
        const waiter = waiterWith({ signal: controller.signal, timeoutMs: 1000 })
        expect(jest.getTimerCount()).toBe(1)
        end(waiter)
        expect(jest.getTimerCount()).toBe(0)
      }
    })

    it('does not keep the process alive', () => {
      const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
      const before = timers()
      const control = setTimeout(() => {}, 60_000)
      expect(timers()).toBe(before + 1)
      clearTimeout(control)
      const waiter = waiterWith({ timeoutMs: 60_000 })
      expect(timers()).toBe(before)
      waiter.resolve('x')
    })

    it('is no deadline above the longest that a timer can be, nor is Infinity', () => {
      jest.useFakeTimers()
      for (const [timeoutMs, timers] of [
        [2 ** 31 - 1, 1],
        [2 ** 31, 0],
        [Infinity, 0],
      ] as const) {
        const waiter = waiterWith({ timeoutMs })
        expect(jest.getTimerCount()).toBe(timers)
        expect(waiter.settled).toBe(false)
        waiter.resolve('x')
      }
    })

    it.each([-1, NaN, -Infinity])('of %p is a RangeError, and leaves no listener', (timeoutMs) => {
      const { signal } = new AbortController()
      const scope = new AbortController()
      expect(() => waiterWith({ signal, scope: signalScope(scope.signal), timeoutMs })).toThrow(RangeError)
      expect([listeners(signal), listeners(scope.signal)]).toEqual([0, 0])
    })
  })
})

describe('WaitList', () => {
  const list = (): WaitList<string> => new WaitList<string>()

  describe('wait', () => {
    it('is counted until it ends', async () => {
      const waits = list()
      expect(waits.size).toBe(0)
      const first = waits.wait(undefined, operation)
      const second = waits.wait(undefined, operation)
      expect(waits.size).toBe(2)
      waits.resolveAll('go')
      expect(waits.size).toBe(0)
      expect(await Promise.all([first, second])).toEqual(['go', 'go'])
    })

    it('that is cancelled leaves the list, and the others wait on', async () => {
      const controller = new AbortController()
      const waits = list()
      const before = waits.wait(undefined, operation)
      const cancelled = waits.wait({ signal: controller.signal }, operation)
      const after = waits.wait(undefined, operation)
      controller.abort('enough')
      expect(waits.size).toBe(2)
      await expect(cancelled).rejects.toBe('enough')
      waits.resolveAll('go')
      expect(await Promise.all([before, after])).toEqual(['go', 'go'])
    })

    it('that times out leaves the list', async () => {
      jest.useFakeTimers()
      const waits = list()
      const late = waits.wait({ timeoutMs: 5 }, operation)
      jest.advanceTimersByTime(5)
      expect(waits.size).toBe(0)
      await expect(late).rejects.toBeInstanceOf(TimeoutError)
    })

    it('that is cancelled on entry never joins it', async () => {
      const waits = list()
      const promise = waits.wait({ signal: AbortSignal.abort('before') }, operation)
      expect(waits.size).toBe(0)
      await expect(promise).rejects.toBe('before')
    })
  })

  describe('resolveAll and rejectAll', () => {
    it('settle in the order in which the waits began', async () => {
      const waits = list()
      const order: string[] = []
      const all = ['a', 'b', 'c'].map((name) => waits.wait(undefined, operation).then(() => order.push(name)))
      waits.resolveAll('go')
      await Promise.all(all)
      expect(order).toEqual(['a', 'b', 'c'])
    })

    it('do not reach waits that begin later', async () => {
      const waits = list()
      let second: Promise<string> | undefined
      const first = waits.wait(undefined, operation).then(() => {
        second = waits.wait(undefined, operation)
      })
      waits.resolveAll('one')
      await first
      expect(waits.size).toBe(1)
      waits.resolveAll('two')
      await expect(second).resolves.toBe('two')
    })

    it('reject all with the same reason', async () => {
      const waits = list()
      const reason = new Error('lost')
      const all = [1, 2].map(() => waits.wait(undefined, operation))
      waits.rejectAll(reason)
      expect(waits.size).toBe(0)
      expect(await Promise.allSettled(all)).toEqual([
        { status: 'rejected', reason },
        { status: 'rejected', reason },
      ])
    })

    it('do nothing on an empty list', () => {
      const waits = list()
      waits.resolveAll('x')
      waits.rejectAll(new Error('x'))
      expect(waits.size).toBe(0)
    })

    it('give back the listeners of a signal that all had in common', () => {
      const { signal } = new AbortController()
      const waits = list()
      for (let i = 0; i < 3; i++) void waits.wait({ signal }, operation)
      expect(listeners(signal)).toBe(1)
      waits.resolveAll('go')
      expect(listeners(signal)).toBe(0)
    })
  })
})

describe('abortedOnEntry', () => {
  const aborted = AbortSignal.abort('a')
  const open = new AbortController().signal

  it('gives the signal that has aborted, the signal before the scope', () => {
    const other = AbortSignal.abort('b')
    expect(abortedOnEntry({ signal: aborted })).toBe(aborted)
    expect(abortedOnEntry({ scope: signalScope(aborted) })).toBe(aborted)
    expect(abortedOnEntry({ signal: open, scope: signalScope(aborted) })).toBe(aborted)
    expect(abortedOnEntry({ signal: aborted, scope: signalScope(other) })).toBe(aborted)
  })

  it('gives nothing while nothing has', () => {
    expect(abortedOnEntry(undefined)).toBeUndefined()
    expect(abortedOnEntry({})).toBeUndefined()
    expect(abortedOnEntry({ signal: open, scope: signalScope(open) })).toBeUndefined()
    expect(abortedOnEntry({ timeoutMs: 0 })).toBeUndefined()
  })

  it('looks at the ambient scope, unless another is given', () => {
    setAmbience(ambience(signalScope(aborted)))
    expect(abortedOnEntry(undefined)).toBe(aborted)
    expect(abortedOnEntry({ signal: open })).toBe(aborted)
    expect(abortedOnEntry({ scope: signalScope(open) })).toBeUndefined()
  })
})

describe('watchSignal', () => {
  const log: string[] = []
  const named = (name: string, then = (): void => {}) => ({
    cancel: (reason: unknown) => {
      log.push(`${name} ${String(reason)}`)
      then()
    },
  })
  beforeEach(() => void log.splice(0))

  it('tells those that wait, in order, and no others', () => {
    const controller = new AbortController()
    const { signal } = controller
    const waits = ['a', 'b', 'c', 'd', 'e'].map((name) => watchSignal(signal, named(name)))
    for (const i of [2, 0, 4, 4]) forget(waits[i]!)
    watchSignal(signal, named('f'))
    expect(listeners(signal)).toBe(1)
    controller.abort('enough')
    expect(log).toEqual(['b enough', 'd enough', 'f enough'])
    expect(listeners(signal)).toBe(0)
  })

  it('does not tell one that another has ended', () => {
    const controller = new AbortController()
    const first = named('first', () => forget(second))
    watchSignal(controller.signal, first)
    const second = watchSignal(controller.signal, named('second'))
    watchSignal(controller.signal, named('third'))
    controller.abort('enough')
    expect(log).toEqual(['first enough', 'third enough'])
  })

  it('holds nothing by one that is over of those that came behind it', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const { signal } = new AbortController()
    let last = watchSignal(signal, named('0'))
    const kept = last
    const gone = ((): WeakRef<object>[] =>
      Array.from({ length: 10 }, () => {
        const target = named('gone')
        const next = watchSignal(signal, target)
        forget(last)
        last = next
        return new WeakRef(target)
      }))()
    forget(last)
    last = kept
    for (let i = 0; i < 3; i++) {
      await nextTurn()
      collect()
    }
    forget(kept)
    expect(gone.filter((each) => each.deref() !== undefined)).toEqual([])
    expect(listeners(signal)).toBe(0)
  })
})

describe('promises that nobody looks at', () => {
  it('cause no unhandled rejection, whichever way they reject', () => {
    buildIfMissing()
    const { code, stdout, stderr } = runModule(`
      import { handled, rejected, Waiter, WaitList, watchSignal } from './dist/esm/wait.js'
      const name = () => 'x'
      const controller = new AbortController()
      const { signal } = controller
      new Waiter(undefined, name).reject(new Error('1'))
      new Waiter({ signal }, name)
      new Waiter({ scope: { cancellation: undefined, watch: (wait) => void watchSignal(signal, wait) } }, name)
      new Waiter({ signal: AbortSignal.abort() }, name)
      new Waiter({ timeoutMs: 1 }, name)
      const waits = new WaitList()
      waits.wait({ signal }, name)
      controller.abort(new Error('2'))
      waits.wait(undefined, name)
      waits.rejectAll(new Error('3'))
      rejected(new Error('4'))
      handled(Promise.reject(new Error('5')))
      setTimeout(() => console.log('still here'), 20)
    `)
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'still here\n', stderr: '' })
  })

  it('still reject for whoever does look', async () => {
    const reason = new Error('x')
    await expect(rejected(reason)).rejects.toBe(reason)
    const promise = Promise.reject(reason)
    expect(handled(promise)).toBe(promise)
    await expect(promise).rejects.toBe(reason)
    await expect(handled(Promise.resolve(5))).resolves.toBe(5)
  })
})

describe('DONE', () => {
  it('is resolved', async () => {
    const first = await Promise.race([DONE.then(() => 'done'), nextTurn().then(() => 'turn')])
    expect(first).toBe('done')
  })
})

describe('nextTurn', () => {
  it('comes after all microtasks and ticks of this turn', async () => {
    const order: string[] = []
    const turn = nextTurn().then(() => order.push('turn'))
    process.nextTick(() => {
      order.push('tick')
      void Promise.resolve().then(() => order.push('microtask'))
    })
    await turn
    expect(order).toEqual(['tick', 'microtask', 'turn'])
  })
})
