/**
 * The tasks of a nursery. The body and every child are counted; whoever ends last lets the block go on, which then looks
 * at the errors that there were.
 */
import { InvalidStateError } from '../errors.ts'
import { rejected, UNCANCELLED, Waiter } from '../wait.ts'
import {
  absorb,
  closeScope,
  moveScope,
  openScope,
  outerCancellation,
  type CancelScope,
  type Left,
} from './cancelScope.ts'
import { ChildTask, type TaskEnded, type TaskFunction } from './childTask.ts'
import { currentContext, type Context } from './context.ts'
import { ExceptionGroup } from './exceptionGroup.ts'
import { withOption } from './trailingOptions.ts'
import type { TaskHandle, TaskStatus } from './taskHandle.ts'
import { isCancelled } from './withoutCancelled.ts'

const NOTHING: readonly Left[] = []

export class Children {
  readonly scope: CancelScope
  /** What is ambient in the body; nothing where nothing is to be. */
  readonly context: Context | undefined
  readonly #strict: boolean
  readonly #bareBody: boolean
  /** The body, the children, and calls of {@link start} that wait. */
  #running = 1
  #first: ChildTask<unknown> | undefined = undefined
  #errors: unknown[] | undefined = undefined
  #wasCancelled = false
  #bodyFailure: { readonly error: unknown } | undefined = undefined
  #idle: (() => void) | undefined = undefined
  #finishers: Set<() => Promise<void>> | undefined = undefined
  #closed = false

  /**
   * Opens the scope. A lone error is raised in a group, too, if `strict`; that of the body is raised as it is, if it is
   * alone and `bareBody`.
   */
  constructor(scope: CancelScope, strict: boolean | undefined, bareBody: boolean) {
    this.scope = scope
    this.context = openScope(scope)
    this.#strict = strict ?? currentContext()?.strict ?? true
    this.#bareBody = bareBody
  }

  get closed(): boolean {
    return this.#closed
  }

  get tasks(): ReadonlySet<TaskHandle> {
    const tasks = new Set<TaskHandle>()
    for (let task = this.#first; task !== undefined; task = task.next) tasks.add(task)
    return tasks
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- of any arguments
  startSoon<A extends any[], T>(
    fn: TaskFunction<A, T>,
    args: A,
    context: Context | undefined = this.context,
    name?: string,
  ): ChildTask<T> {
    this.#checkFunction(fn, 'startSoon')
    this.#running++
    const task = new ChildTask<T>(name ?? nameOf(fn), this.scope, this.#ended)
    this.#add(task)
    task.begin(context, fn, args)
    return task
  }

  /** Until the task says that it is started, it is in the scope of the caller, and its errors are the caller's. */
  start<T>(fn: TaskFunction<unknown[], unknown>, args: readonly unknown[]): Promise<T> {
    try {
      this.#checkFunction(fn, 'start')
    } catch (error) {
      return rejected(error)
    }
    // Where nothing is ambient, nothing is known of the caller.
    const caller = (this.context && currentContext()?.scope) ?? this.scope
    const refused = caller.cancellation
    if (refused !== undefined) return rejected(refused.reason)
    this.#running++
    const waiter = new Waiter<T>({ scope: UNCANCELLED })
    const task = new ChildTask<unknown>(nameOf(fn), caller, (_, failure) => {
      const cancellation = caller.cancellation
      if (failure !== undefined) waiter.reject(failure.error)
      else if (cancellation !== undefined) waiter.reject(cancellation.reason)
      else waiter.reject(new InvalidStateError(`${task.name} ended without calling taskStatus.started()`))
      this.#oneLess()
    })
    let said = false
    const taskStatus: TaskStatus<T> = {
      started: (value?: T) => {
        if (said) throw new InvalidStateError(`${task.name} called taskStatus.started() twice`)
        said = true
        // The caller does not wait for it any more, or will not when it hears of its cancel.
        if (task.done || outerCancellation(task.scope) !== undefined) return
        moveScope(task.scope, this.scope)
        task.ended = this.#ended
        this.#add(task)
        waiter.resolve(value as T)
      },
      scope: task.scope,
    }
    task.begin(this.context, fn, withOption(args, { taskStatus }))
    return waiter.promise
  }

  /** Has `finish` called, as one more child, when all others have ended. Returns what takes that back. */
  atEnd(finish: () => Promise<void>): () => void {
    this.check('this')
    const finishers = (this.#finishers ??= new Set())
    finishers.add(finish)
    return () => finishers.delete(finish)
  }

  bodyFailed(error: unknown): void {
    this.#bodyFailure = { error }
    this.#fail(error)
  }

  /**
   * The body is over: waits for all the others, if there are any, closes the scope, and throws what there is to throw.
   */
  leave(): Promise<void> | undefined {
    if (--this.#running > 0 || this.#finishers !== undefined) return this.#leaveLater()
    this.#close()
    return undefined
  }

  async #leaveLater(): Promise<void> {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- until nobody is left
      if (this.#running > 0) await new Promise<void>((resolve) => (this.#idle = resolve))
      const finishers = this.#finishers
      if (finishers === undefined || finishers.size === 0) break
      this.#finishers = undefined
      for (const finish of finishers) this.startSoon(finish, [])
    }
    this.#close()
  }

  #close(): void {
    this.#closed = true
    // Leaving is a checkpoint, unless there is something worse already.
    if (this.#errors === undefined) {
      const cancellation = outerCancellation(this.scope)
      if (cancellation !== undefined) this.#fail(cancellation.reason)
    }
    const left = this.#errors === undefined ? NOTHING : absorb(this.scope, this.#errors)
    closeScope(this.scope)
    if (left.length > 0) throw this.#toRaise(left)
  }

  #toRaise(left: readonly Left[]): unknown {
    const errors = left.map(({ error }) => error)
    if (errors.length === 1 && (isCancelled(errors[0]) || left[0]!.task !== undefined || !this.#strict)) {
      return errors[0]
    }
    const failure = this.#bodyFailure
    if (this.#bareBody && failure !== undefined && errors.every((e) => e === failure.error || isCancelled(e))) {
      return failure.error
    }
    return new ExceptionGroup('errors in a nursery', errors)
  }

  readonly #ended: TaskEnded = (task, failure) => {
    const { previous, next } = task
    if (next !== undefined) next.previous = previous
    if (previous === undefined) this.#first = next
    else previous.next = next
    task.previous = task.next = undefined
    if (failure !== undefined) this.#fail(failure.error)
    this.#oneLess()
  }

  /** However many were cancelled, it counts once. */
  #fail(error: unknown): void {
    if (isCancelled(error)) {
      if (this.#wasCancelled) return
      this.#wasCancelled = true
    }
    this.#errors ??= []
    this.#errors.push(error)
    this.scope.cancel(error)
  }

  #oneLess(): void {
    if (--this.#running > 0) return
    this.#idle?.()
    this.#idle = undefined
  }

  #add(task: ChildTask<unknown>): void {
    task.next = this.#first
    if (this.#first !== undefined) this.#first.previous = task
    this.#first = task
  }

  #checkFunction(fn: unknown, what: string): void {
    if (typeof fn !== 'function') {
      const hint =
        typeof (fn as { then?: unknown } | null)?.then === 'function' ? ', not the promise that it returns' : ''
      throw new TypeError(`${what}() takes an async function${hint}`)
    }
    this.check(`${what}()`)
  }

  /** Throws where nothing can be begun any more. */
  check(what: string): void {
    if (this.#closed) throw new InvalidStateError(`${what} on a nursery that is closed`)
  }
}

const nameOf = (fn: { readonly name: string }): string => (fn.name === '' ? '(anonymous)' : fn.name)
