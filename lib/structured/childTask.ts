import { DONE, handled, WaitList, type WaitOptions } from '../wait.ts'
import { absorb, closeChild, openChild, type CancelScope } from './cancelScope.ts'
import { contextIn, runIn, type Context } from './context.ts'
import type { Outcome, TaskHandle } from './taskHandle.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- of any arguments
export type TaskFunction<A extends any[], T> = (...args: A) => Promise<T>

/** Told of the end of a task, with what it failed with, unless that was its own cancellation. */
export type TaskEnded = (task: ChildTask<unknown>, failure: { readonly error: unknown } | undefined) => void

/** One task, in a scope of its own. It begins in the next microtask, with what is ambient there, and never throws. */
export class ChildTask<T> implements TaskHandle<T> {
  readonly name: string
  readonly scope: CancelScope
  /** Who is told of its end. */
  ended: TaskEnded
  // Its place among the children of its nursery.
  previous: ChildTask<unknown> | undefined = undefined
  next: ChildTask<unknown> | undefined = undefined
  #outcome: Outcome<T> | undefined = undefined
  #waiters: WaitList | undefined = undefined

  constructor(name: string, parent: CancelScope, ended: TaskEnded) {
    this.name = name
    this.scope = openChild(parent)
    this.ended = ended
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- of any arguments
  begin<A extends any[]>(context: Context | undefined, fn: TaskFunction<A, T>, args: A): void {
    const own = context && contextIn(context, this.scope)
    // What else is carried by AsyncLocalStorage is that of whoever asks for the task.
    void DONE.then(() => {
      try {
        const result: unknown = own === undefined ? fn(...args) : runIn(own, fn, ...args)
        const promise = result instanceof Promise ? (result as Promise<T>) : Promise.resolve(result as T)
        promise.then(
          (value) => this.#end({ ok: true, value }),
          (error: unknown) => this.#end({ ok: false, error }),
        )
      } catch (error) {
        this.#end({ ok: false, error })
      }
    })
  }

  get done(): boolean {
    return this.#outcome !== undefined
  }

  cancel(reason?: unknown): void {
    if (!this.done) this.scope.cancel(reason)
  }

  outcome(options?: Pick<WaitOptions, 'scope' | 'signal'>): Promise<Outcome<T>> {
    const waiters = (this.#waiters ??= new WaitList())
    const waiting = waiters.wait(options, () => `outcome of ${this.name}`)
    if (this.done) waiters.resolveAll()
    return handled(waiting.then(() => this.#outcome!))
  }

  #end(outcome: Outcome<T>): void {
    this.#outcome = outcome
    const failure = outcome.ok ? undefined : absorb(this.scope, [outcome.error])[0]
    closeChild(this.scope)
    this.ended(this, failure)
    this.#waiters?.resolveAll()
  }
}
