import type { WaitOptions } from '../wait.ts'
import type { CancelScope } from './cancelScope.ts'

/** How a task has ended. */
export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown }

/** A child of a nursery. Not thenable, so that it can be handed around. */
export interface TaskHandle<T = unknown> {
  /** The name of its function. */
  readonly name: string
  readonly done: boolean
  /** Cancels this one alone; its nursery and the other children go on. Does nothing to one that is done. */
  cancel(reason?: unknown): void
  /**
   * Resolves when the task has ended, with its value or its error, which is `Cancelled` for one that was. Looking changes
   * nothing: an error reaches the nursery in any case. Any number may wait.
   */
  outcome(options?: Pick<WaitOptions, 'scope' | 'signal'>): Promise<Outcome<T>>
}

/** What a function that is begun by `nursery.start()` is given, to say that it is ready. (trio: `TaskStatus`.) */
export interface TaskStatus<T = void> {
  /**
   * Ends the wait of `start()`, with this value; from now on the task belongs to the nursery. Does nothing more if the
   * caller of `start()` was cancelled. Throws `InvalidStateError` the second time.
   */
  started(...value: T extends void ? [value?: T] : [value: T]): void
  /** The task's own, for waits where nothing is ambient. */
  readonly scope: CancelScope
}
