/** Everything that can end a wait from outside, for specs that go through all of it. */
import { getEventListeners } from 'node:events'
import { CancelledError } from '../../lib/errors.ts'
import { CancelScope } from '../../lib/structured/cancelScope.ts'
import { Cancelled } from '../../lib/structured/errors.ts'
import { openLoop } from '../../lib/structured/openLoop.ts'
import type { Task } from '../../lib/structured/task.ts'
import type { WaitOptions } from '../../lib/wait.ts'

export interface Way {
  /** What the wait is given. */
  readonly options: Pick<WaitOptions, 'scope' | 'signal'>
  cancel(): void
  /** Runs `fn` where that holds, and gives what it gives, in spite of a cancel. */
  inside<T>(fn: () => Promise<T>): Promise<T>
  /** That a wait was ended by it, and nothing was left behind. */
  check(error: unknown): void
}

const CAUSE = { why: 'enough' }
const cancelled = (error: unknown): void => {
  expect(error).toBeInstanceOf(Cancelled)
  expect((error as Cancelled).cause).toBe(CAUSE)
}

async function inScope<T>(scope: CancelScope, fn: () => Promise<T>): Promise<T> {
  let value!: T
  await scope.run(async () => {
    value = await fn()
  })
  return value
}

export const WAYS: Readonly<Record<string, () => Way>> = {
  'the scope around': () => {
    const scope = new CancelScope()
    return {
      options: {},
      cancel: () => scope.cancel(CAUSE),
      inside: (fn) => inScope(scope, fn),
      check: cancelled,
    }
  },
  'a {scope}, inside of another one': () => {
    const scope = new CancelScope()
    return {
      options: { scope },
      cancel: () => scope.cancel(CAUSE),
      inside: (fn) => inScope(new CancelScope(), fn),
      check: cancelled,
    }
  },
  'a {signal}': () => {
    const controller = new AbortController()
    const { signal } = controller
    return {
      options: { signal },
      cancel: () => controller.abort(CAUSE),
      inside: (fn) => fn(),
      check: (error) => {
        expect(error).toBe(CAUSE)
        expect(getEventListeners(signal, 'abort')).toHaveLength(0)
      },
    }
  },
  'the {signal} of two': () => {
    const controller = new AbortController()
    const { signal } = controller
    const scope = new CancelScope()
    return {
      options: { signal, scope },
      cancel: () => controller.abort(CAUSE),
      inside: (fn) => fn(),
      check: (error) => {
        expect(error).toBe(CAUSE)
        expect(getEventListeners(signal, 'abort')).toHaveLength(0)
      },
    }
  },
  'the {scope} of two': () => {
    const { signal } = new AbortController()
    const scope = new CancelScope()
    return {
      options: { signal, scope },
      cancel: () => scope.cancel(CAUSE),
      inside: (fn) => fn(),
      check: (error) => {
        cancelled(error)
        expect(getEventListeners(signal, 'abort')).toHaveLength(0)
      },
    }
  },
  'the asyncio task around': () => {
    let task!: Task<unknown>
    return {
      options: {},
      cancel: () => void task.cancel('enough'),
      inside: (fn) =>
        openLoop(async (loop) => {
          const begun = loop.aioTask(fn)
          task = begun
          return begun
        }),
      check: (error) => {
        expect(error).toBeInstanceOf(CancelledError)
        expect((error as Error).message).toBe('enough')
      },
    }
  },
}

/** The error of what is to fail. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  let value: unknown
  try {
    value = await promise
  } catch (error) {
    return error
  }
  throw new Error(`resolved with ${String(value)}`)
}

/** What is cancelled before it begins. */
export function onEntry(way: Way, wait: (options: Way['options']) => Promise<unknown>): Promise<void> {
  return way.inside(async () => {
    way.cancel()
    let waiting: Promise<unknown> | undefined
    // Told by the promise, and never by a throw.
    expect(() => (waiting = wait(way.options))).not.toThrow()
    way.check(await errorOf(waiting!))
  })
}

/** What is cancelled while it waits. `after` is what goes on in the very `catch`. */
export async function whileParked<T = void>(
  way: Way,
  wait: (options: Way['options']) => Promise<unknown>,
  after?: () => Promise<T>,
): Promise<T> {
  let next: Promise<T> | undefined
  await way.inside(async () => {
    setImmediate(() => way.cancel())
    try {
      await wait(way.options)
    } catch (error) {
      next = after === undefined ? undefined : outside(after)
      way.check(error)
      return
    }
    throw new Error('it was not cancelled')
  })
  return next as Promise<T>
}

/** In no scope. */
const outside = <T>(fn: () => Promise<T>): Promise<T> => new CancelScope({ shield: true }).run(fn) as Promise<T>
