import { UNCANCELLED } from '../wait.ts'
import { currentContext } from './context.ts'
import type { CheckpointOptions } from './checkpoint.ts'
import { endOf, observe, type FutureObserver } from './future.ts'
import { FutureWait, type Leaving } from './futureWait.ts'
import { adoptTask, tellAbandoned, type Loop } from './loop.ts'
import { beginTask, hears, Task } from './task.ts'

export interface AioCallOptions extends CheckpointOptions {
  /** Whose the call is; by default the loop of the block around. */
  readonly loop?: Loop | undefined
  /**
   * What a cancel does to a call that cannot hear of it, since it has not asked for its task's signal and waits for what
   * is neither a future nor of millrace: `'abandon'`, the default, goes on without it, and gives its error, if it has one
   * later, to `loop.onAbandoned`; `'wait'` waits for its end.
   */
  readonly onCancel?: 'abandon' | 'wait' | undefined
  /**
   * Puts `{signal}` among the options that are the last argument, or behind the arguments, as Node's functions and
   * `fetch` want it. Such a call is waited for.
   */
  readonly injectSignal?: boolean | undefined
}

/**
 * Begins `call` as an asyncio task, at once, and waits for it. Who calls has looked whether the wait may begin, and that
 * the loop is running.
 */
export function callAio<T>(
  loop: Loop,
  call: (task: Task<T>) => unknown,
  options: Omit<AioCallOptions, 'loop'> | undefined,
): FutureWait<T> {
  const task = new Task<T>({ loop })
  // What closes something is begun even where the loop is cancelled, and its caller waits for it.
  const adopted = options?.scope === UNCANCELLED || callerEndsWith(loop) ? undefined : adoptTask(loop, task)
  const waits = options !== undefined && (options.onCancel === 'wait' || options.injectSignal === true)
  beginTask(task, loop.calls.context, () => call(task))
  return new FutureWait(task, options, waits ? undefined : new AioLeaving(loop, task, adopted))
}

/** In a task or a scope of the loop it is inside of what that does; callbacks and other loops go on without it. */
function callerEndsWith(loop: Loop): boolean {
  const context = currentContext()
  if (context?.loop !== loop) return false
  return context.task === undefined ? context.scope !== undefined : !context.task.done()
}

class AioLeaving implements Leaving, FutureObserver {
  readonly #loop: Loop
  readonly #task: Task<unknown>
  readonly #adopted: { release(): void } | undefined

  constructor(loop: Loop, task: Task<unknown>, adopted: { release(): void } | undefined) {
    this.#loop = loop
    this.#task = task
    this.#adopted = adopted
  }

  hears(): boolean {
    return hears(this.#task)
  }

  left(): void {
    this.#adopted?.release()
    observe(this.#task, this)
  }

  futureDone(): void {
    const end = endOf(this.#task)!
    if (end.state === 'error') tellAbandoned(this.#loop, end.error)
  }
}
