import { InvalidStateError } from '../errors.ts'
import { handled } from '../wait.ts'
import { CancelScope, type CancelScopeOptions } from './cancelScope.ts'
import { checkFunction, isThenable } from './checkFunction.ts'
import { Children } from './children.ts'
import { runIn } from './context.ts'
import type { TaskHandle } from './taskHandle.ts'

export interface NurseryOptions extends CancelScopeOptions {
  /**
   * Whether an error that is alone is raised in a group, too; true by default, or as `runWith` was told. Who looks for an
   * error in a group then has one place to look.
   */
  readonly strictExceptionGroups?: boolean | undefined
}

/** A nursery without a body: it has to be joined. */
export interface OpenNursery extends Nursery, AsyncDisposable {
  /**
   * Waits for all children, takes on no more, and rejects with what they failed with. Disposal without it cancels them,
   * and waits. May be called again.
   */
  join(): Promise<void>
}

const KEY = Symbol('openNursery')

/** For what belongs to a nursery in other ways than as a child. */
export let childrenOf: (nursery: Nursery) => Children

/**
 * Where tasks are begun that may not outlive a block: see {@link openNursery}. The first that fails cancels the others.
 * (trio: `Nursery`.)
 */
export class Nursery {
  /** Cancels everything in it: the body and all children. */
  readonly cancelScope: CancelScope
  readonly #children: Children

  /** Throws a TypeError: only {@link openNursery} makes one. */
  constructor(key?: unknown, children?: Children) {
    if (key !== KEY || children === undefined) throw new TypeError('a nursery is opened by openNursery()')
    this.#children = children
    this.cancelScope = children.scope
  }

  /** Aborts when the nursery is cancelled, from inside or outside: `cancelScope.signal`. */
  get signal(): AbortSignal {
    return this.cancelScope.signal
  }

  /** The children that have not ended, as of now. */
  get childTasks(): ReadonlySet<TaskHandle> {
    return this.#children.tasks
  }

  /** Whether its block is over, and nothing can be started any more. Until then children may start others. */
  get closed(): boolean {
    return this.#children.closed
  }

  /**
   * Begins `fn(...args)` as a child, not before the caller waits. What it fails with cancels the others, and is raised by
   * the nursery. Throws a TypeError for a promise in place of a function, and {@link InvalidStateError} once the nursery is
   * closed. In one that is cancelled a child still begins, and is cancelled where it first waits.
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- of any arguments
  startSoon<A extends any[], T>(fn: (...args: A) => Promise<T>, ...args: A): TaskHandle<T> {
    return this.#children.startSoon(fn, args)
  }

  /**
   * Begins `fn` as a child, and resolves when it says that it is ready, with what it says: `fn` finds `taskStatus` among
   * the options that are its last argument, or in an object behind the arguments, and calls `taskStatus.started(value)`.
   *
   * Until then it belongs to the caller: what it fails with is what `start` rejects with, as it is, and the nursery goes
   * on; so is {@link InvalidStateError} if it ends without a word. If the caller is cancelled, so is `fn`; `start` waits
   * for its end in any case.
   */
  start<T = unknown>(
    // oxlint-disable-next-line typescript/no-explicit-any -- of any arguments
    fn: (...args: any[]) => Promise<unknown>,
    ...args: unknown[]
  ): Promise<T> {
    return this.#children.start<T>(fn, args)
  }

  static {
    childrenOf = (nursery: unknown) => {
      if (typeof nursery === 'object' && nursery !== null && #children in nursery) return nursery.#children
      throw new TypeError(`a nursery is needed first, as openNursery() gives it to its body, not ${typeof nursery}`)
    }
  }
}

/**
 * Runs `body` with a nursery, and resolves with its value when the body and all children have ended. If one of them fails,
 * the others are cancelled, and waited for; then it rejects with an {@link ExceptionGroup} of all errors. If a cancel from
 * further out has ended the block, and nothing else, it rejects with `Cancelled`. If its own scope was cancelled, that is
 * no error: then it resolves, with `undefined` if that has ended the body. (trio: `open_nursery`.)
 *
 * Without a body it gives the nursery itself, for `await using`. JavaScript does not tell a resource whether its block has
 * failed, nor can it be ambient there: so `join()` it at the end, and give waits in the block its scope.
 */
export function openNursery<T>(body: (nursery: Nursery) => Promise<T>, options?: NurseryOptions): Promise<T>
export function openNursery(options?: NurseryOptions): OpenNursery
export function openNursery<T>(
  bodyOrOptions?: ((nursery: Nursery) => Promise<T>) | NurseryOptions,
  options?: NurseryOptions,
): Promise<T> | OpenNursery {
  if (typeof bodyOrOptions === 'function') return runNursery(bodyOrOptions, options, false)
  if (isThenable(bodyOrOptions)) checkFunction('openNursery', bodyOrOptions)
  return openUnjoined(bodyOrOptions)
}

/** With `bareBody`, the error of the body is raised as it is, if there is no other. */
export async function runNursery<T>(
  body: (nursery: Nursery) => Promise<T>,
  options: NurseryOptions | undefined,
  bareBody: boolean,
): Promise<T> {
  const children = new Children(new CancelScope(options), options?.strictExceptionGroups, bareBody)
  const nursery = new Nursery(KEY, children)
  let value: T | undefined
  try {
    value = await (children.context === undefined ? body(nursery) : runIn(children.context, body, nursery))
  } catch (error) {
    children.bodyFailed(error)
  }
  const left = children.leave()
  if (left !== undefined) await left
  return value as T
}

function openUnjoined(options: NurseryOptions | undefined): OpenNursery {
  const children = new Children(new CancelScope(options), options?.strictExceptionGroups, false)
  let left: Promise<void> | undefined
  const leave = async (): Promise<void> => children.leave()
  const join = (): Promise<void> => (left ??= handled(leave()))
  return Object.assign(new Nursery(KEY, children), {
    join,
    [Symbol.asyncDispose]: async () => {
      if (left !== undefined) return left.catch(() => {})
      children.scope.cancel(new InvalidStateError('the nursery was left without join()'))
      return join()
    },
  })
}
