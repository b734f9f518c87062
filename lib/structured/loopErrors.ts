import { nextTurn } from '../wait.ts'
import type { Children } from './children.ts'
import { endOf, wasLookedAt } from './future.ts'
import type { Loop } from './loop.ts'
import type { Task } from './task.ts'

/** What an exception handler is told. */
export interface ExceptionContext {
  /** What has failed. */
  readonly message: string
  readonly exception: unknown
}

export type ExceptionHandler = (loop: Loop, context: ExceptionContext) => void

/** The errors of a loop that nobody else hears of. */
export class LoopErrors {
  handler: ExceptionHandler | null = null
  readonly #loop: Loop
  readonly #children: Children

  constructor(loop: Loop, children: Children) {
    this.#loop = loop
    this.#children = children
  }

  tell(message: string, exception: unknown): void {
    const { handler } = this
    if (handler === null) this.#raise(exception)
    else guarded(() => handler(this.#loop, { message, exception }), this.#raise)
  }

  /** Calls a function of the user's. */
  guard(message: string, call: () => unknown): void {
    guarded(call, (error) => this.tell(message, error))
  }

  /** Resolves when all is told about a task that is done: it is given a turn for somebody to look at its error. */
  readonly taskEnded = (task: Task<unknown>): Promise<void> | undefined => {
    const end = endOf(task)
    return end?.state === 'error' && !wasLookedAt(task) ? this.#lookedAt(task, end.error) : undefined
  }

  async #lookedAt(task: Task<unknown>, error: unknown): Promise<void> {
    await nextTurn()
    if (!wasLookedAt(task)) this.tell(`${task.getName()} has failed, and nobody has looked at its error`, error)
  }

  readonly #raise = (error: unknown): void => {
    const raise = (): never => {
      throw error
    }
    // A nursery that is closed has no errors any more.
    if (this.#children.closed) queueMicrotask(raise)
    else this.#children.startSoon(async () => raise(), [])
  }
}

/** Whether it fails now or, as an async function, later. */
function guarded(call: () => unknown, failed: (error: unknown) => void): void {
  try {
    const result = call()
    if (result instanceof Promise) result.catch(failed)
  } catch (error) {
    failed(error)
  }
}
