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
    let error = exception
    if (this.handler !== null) {
      try {
        return this.handler(this.#loop, { message, exception })
      } catch (own) {
        error = own
      }
    }
    const raise = (): never => {
      throw error
    }
    // A nursery that is closed has no errors any more.
    if (this.#children.closed) queueMicrotask(raise)
    else this.#children.startSoon(async () => raise(), [])
  }

  /** Resolves when all is told about a task that is done: it is given a turn for somebody to look at its error. */
  readonly taskEnded = async (task: Task<unknown>): Promise<void> => {
    const end = endOf(task)
    if (end?.state !== 'error' || wasLookedAt(task)) return
    await nextTurn()
    if (!wasLookedAt(task)) this.tell(`${task.getName()} has failed, and nobody has looked at its error`, end.error)
  }
}
