import { CancelledError } from '../errors.ts'
import type { Cancellation, WaitLink } from '../wait.ts'
import type { Children } from './children.ts'
import type { ChildTask } from './childTask.ts'
import type { Context } from './context.ts'
import { settle, toCancelledError } from './future.ts'
import { Task, type TaskOptions } from './task.ts'
import { withoutCancelled } from './withoutCancelled.ts'

export interface TrioTaskOptions extends TaskOptions {
  /** Whether the function is called even if the task was cancelled before. */
  readonly always?: boolean | undefined
  /** Called as the last part of the child, when the task is done. */
  readonly ended?: ((task: TrioTask<unknown>) => Promise<void> | undefined) | undefined
}

/**
 * The future of a function of trio's flavour that runs as a child of a nursery. Its cancel is that of the child's scope,
 * and it is done when the child has ended: with its value or error in spite of the cancel, if it has one. `Cancelled` is
 * never its outcome: then it is cancelled.
 */
export class TrioTask<T> extends Task<T> {
  readonly #child: ChildTask<void>
  #cancel: CancelledError | undefined = undefined

  /** `childName` is for `childTasks`. */
  constructor(
    children: Children,
    context: Context | undefined,
    childName: string,
    fn: () => PromiseLike<T>,
    options: TrioTaskOptions,
  ) {
    super(options)
    this.#child = children.startSoon(() => this.#run(fn, options), [], context, childName || '(anonymous)')
  }

  override get isStructured(): boolean {
    return true
  }

  override get signal(): AbortSignal {
    return this.#child.scope.signal
  }

  override cancel(msg?: unknown): boolean {
    if (this.done()) return false
    this.#cancel ??= toCancelledError(msg)
    this.#child.cancel(this.#cancel)
    return true
  }

  // --- for waits that are given it as their scope

  override get cancellation(): Cancellation | undefined {
    return this.#child.scope.cancellation
  }

  override watch(wait: WaitLink): void {
    this.#child.scope.watch(wait)
  }

  // --- inside

  async #run(fn: () => PromiseLike<T>, { always, ended }: TrioTaskOptions): Promise<void> {
    if (this.#cancel !== undefined && always !== true) settle(this, { state: 'cancelled', error: this.#cancel })
    else {
      try {
        settle(this, { state: 'value', value: await fn() })
      } catch (error) {
        this.#fail(error)
      }
    }
    const ending = ended?.(this)
    if (ending !== undefined) await ending
  }

  #fail(error: unknown): void {
    const [left] = withoutCancelled(error, () => {})
    if (left === undefined) settle(this, { state: 'cancelled', error: this.#cancel ?? toCancelledError(error) })
    else if (this.#cancel !== undefined && left.error instanceof CancelledError) {
      settle(this, { state: 'cancelled', error: left.error })
    } else settle(this, { state: 'error', error: left.error })
  }
}
