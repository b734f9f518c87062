/**
 * A future is a small state machine; a native promise for it is only made when somebody awaits it, so that one nobody
 * awaits is nothing to Node's watch over rejections.
 */
import { CancelledError, InvalidStateError } from '../errors.ts'
import { DONE, handled, rejected } from '../wait.ts'
import { currentContext } from './context.ts'
import { Handle, runHandle, type HandleHome } from './handle.ts'
import type { Loop } from './loop.ts'

/** Told of the end of a future, at once. For this room; users have `addDoneCallback`. */
export interface FutureObserver {
  futureDone(future: Future<unknown>): void
}

// What other files of this room may do with a future; the class fills them in.
export let observe: (future: Future<unknown>, observer: FutureObserver) => void
export let unobserve: (future: Future<unknown>, observer: FutureObserver) => void
/** Ends it, unless it has ended. */
export let settle: (future: Future<unknown>, end: FutureEnd) => void
/** How it has ended; nothing as long as it has not. Looking here does not count as looking at its error. */
export let endOf: (future: Future<unknown>) => FutureEnd | undefined
/** Whether anybody has asked for its outcome, or is going to be told. */
export let wasLookedAt: (future: Future<unknown>) => boolean
export let look: (future: Future<unknown>) => void

export type FutureEnd =
  | { readonly state: 'value'; readonly value: unknown }
  | { readonly state: 'error'; readonly error: unknown }
  | { readonly state: 'cancelled'; readonly error: CancelledError }

/** What a cancel is told as: itself, if it is one already. */
export function toCancelledError(msg: unknown): CancelledError {
  if (msg instanceof CancelledError) return msg
  return new CancelledError(typeof msg === 'string' ? msg : 'cancelled', msg)
}

export interface FutureOptions {
  /** Where its callbacks are called; by default the loop of the block around, if there is one. */
  readonly loop?: Loop | undefined
}

/** Called with the future itself. */
export type DoneCallback<T> = (future: Future<T>) => unknown

/**
 * A value that is not there yet, and that somebody will set: a promise that can be looked at and cancelled. (asyncio:
 * `Future`.)
 *
 * `await` it, or ask it. An asyncio task that awaits one cancels it when the task is cancelled, and hears of the cancel
 * through it; so do all others that await it. Each `then` in a task is such an await until the future is done, that of
 * `Promise.race` too; `addDoneCallback` is none. In trio's flavour a plain `await` of one is no checkpoint: `runAioFuture`
 * and `aioAsTrio` are.
 *
 * Whoever does not await it need not care about its error.
 */
export class Future<T> implements PromiseLike<T> {
  readonly #loop: Loop | undefined
  #end: FutureEnd | undefined = undefined
  #looked = false
  #observers: Set<FutureObserver> | undefined = undefined
  #callbacks: { readonly callback: unknown; readonly handle: Handle }[] | undefined = undefined
  #promise: Promise<T> | undefined = undefined
  #resolve: ((value: unknown) => void) | undefined = undefined
  #reject: ((error: unknown) => void) | undefined = undefined

  constructor(options?: FutureOptions) {
    this.#loop = options?.loop ?? currentContext()?.loop
  }

  /** Whether it has a value or an error, or was cancelled. */
  done(): boolean {
    return this.#end !== undefined
  }

  /** Whether it has ended by a cancel. */
  cancelled(): boolean {
    return this.#end?.state === 'cancelled'
  }

  /**
   * Its value. Throws its error, {@link CancelledError} if it was cancelled, and {@link InvalidStateError} while there is
   * none of them.
   */
  result(): T {
    const end = this.#ended('result')
    if (end.state === 'value') return end.value as T
    throw end.error
  }

  /**
   * Its error, `null` if it has a value. Throws {@link CancelledError} if it was cancelled, and {@link InvalidStateError}
   * while it is not done.
   */
  exception(): unknown {
    const end = this.#ended('exception')
    if (end.state === 'cancelled') throw end.error
    return end.state === 'error' ? end.error : null
  }

  /** Throws {@link InvalidStateError} if it is done. */
  setResult(value: T): void {
    this.#set('setResult', { state: 'value', value })
  }

  /** Throws {@link InvalidStateError} if it is done. */
  setException(error: unknown): void {
    this.#set('setException', { state: 'error', error })
  }

  /**
   * Ends it with {@link CancelledError}, whose message or `reason` is `msg`; one that is such an error is used itself.
   * Does nothing to one that is done, and returns `false`.
   */
  cancel(msg?: unknown): boolean {
    if (this.#end !== undefined) return false
    this.#settle({ state: 'cancelled', error: toCancelledError(msg) })
    return true
  }

  /**
   * Has `callback(future)` called when it is done: never before this returns, and in the order in which they were added.
   * An error of it goes to the exception handler of the loop.
   */
  addDoneCallback(callback: DoneCallback<T>): void {
    if (typeof callback !== 'function') throw new TypeError('addDoneCallback() takes a function')
    const handle = new Handle(() => callback(this), this.#loop?.calls ?? NO_LOOP)
    if (this.#end !== undefined) return this.#call(handle)
    this.#callbacks ??= []
    this.#callbacks.push({ callback, handle })
  }

  /** Takes back all of that function, and returns how many they were. */
  removeDoneCallback(callback: DoneCallback<T>): number {
    const before = this.#callbacks ?? []
    this.#callbacks = before.filter((added) => added.callback !== callback)
    return before.length - this.#callbacks.length
  }

  /** As of a promise. Awaiting it in an asyncio task is a wait of the task; see there. */
  // oxlint-disable-next-line unicorn/no-thenable -- this is one
  then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    // `await` calls this as the one who awaits, so that it is known who that is.
    const task = this.#end === undefined ? currentContext()?.task : undefined
    if (task !== undefined) {
      if ((task as unknown) === this) {
        return rejected(new InvalidStateError('a task that awaits itself never ends')).then(onFulfilled, onRejected)
      }
      const { cancellation } = task
      if (cancellation !== undefined) this.cancel(cancellation.reason)
      else task.awaits(this)
    }
    return this.#asPromise().then(onFulfilled, onRejected)
  }

  /** As of a promise. */
  catch<B = never>(onRejected?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.then(undefined, onRejected)
  }

  /** As of a promise. */
  finally(onFinally?: (() => void) | null): Promise<T> {
    return this.then().finally(onFinally)
  }

  /** With it, one can stand wherever a Promise is asked for by its type. */
  get [Symbol.toStringTag](): string {
    return 'Future'
  }

  #asPromise(): Promise<T> {
    this.#looked = true
    if (this.#promise !== undefined) return this.#promise
    const end = this.#end
    if (end !== undefined) {
      this.#promise = end.state === 'value' ? Promise.resolve(end.value as T) : rejected(end.error)
    } else {
      const promise = new Promise<T>((resolve, reject) => {
        this.#resolve = resolve as (value: unknown) => void
        this.#reject = reject
      })
      this.#promise = handled(promise)
    }
    return this.#promise
  }

  #ended(operation: string): FutureEnd {
    if (this.#end === undefined) throw new InvalidStateError(`${operation}() of a future that is not done`)
    this.#looked = true
    return this.#end
  }

  #set(operation: string, end: FutureEnd): void {
    if (this.#end !== undefined) throw new InvalidStateError(`${operation}() of a future that is done`)
    this.#settle(end)
  }

  #settle(end: FutureEnd): void {
    this.#end = end
    if (end.state === 'value') this.#resolve?.(end.value)
    else this.#reject?.(end.error)
    const [observers, callbacks] = [this.#observers, this.#callbacks]
    this.#observers = this.#callbacks = this.#resolve = this.#reject = undefined
    if (observers !== undefined) for (const observer of observers) observer.futureDone(this)
    if (callbacks !== undefined) for (const { handle } of callbacks) this.#call(handle)
  }

  #call(handle: Handle): void {
    if (this.#loop !== undefined) this.#loop.calls.enqueue(handle)
    else void DONE.then(() => runHandle(handle))
  }

  static {
    observe = (future, observer) => {
      if (future.#end !== undefined) return observer.futureDone(future)
      future.#observers ??= new Set()
      future.#observers.add(observer)
    }
    unobserve = (future, observer) => {
      future.#observers?.delete(observer)
    }
    settle = (future, end) => {
      if (future.#end === undefined) future.#settle(end)
    }
    endOf = (future) => future.#end
    wasLookedAt = (future) => future.#looked
    look = (future) => {
      future.#looked = true
    }
  }
}

/** Without a loop there is nobody else to tell. */
const NO_LOOP: HandleHome = {
  context: undefined,
  failed(error: unknown): void {
    queueMicrotask(() => {
      throw error
    })
  },
}
