import { setMaxListeners } from 'node:events'
import { CancelledError, InvalidStateError } from '../errors.ts'
import { DONE, WaitChain, type Cancellation, type WaitLink, type WaitScope } from '../wait.ts'
import { runIn, type Context } from './context.ts'
import { Cancelled } from './errors.ts'
import { Future, settle, toCancelledError, type FutureOptions } from './future.ts'
import { isThenable } from './handle.ts'

/** Calls the function, unless the task was cancelled before. `context` is that of the loop's callbacks. */
export let beginTask: (task: Task<unknown>, context: Context | undefined, fn: () => unknown) => void
/** Whether the task can hear of its cancel: it has asked for its signal, or was in a wait that knows of it. */
export let hears: (task: Task<unknown>) => boolean

export interface TaskOptions extends FutureOptions {
  /** By default `Task-1` and so on. */
  readonly name?: string | undefined
}

let count = 0

/**
 * An async function that runs by asyncio's rules, as the future of its outcome. `loop.aioTask` and `aioAsTrio` make them;
 * `loop.createTask` gives one of trio's flavour. (asyncio: `Task`.)
 *
 * {@link cancel} is told once: the waits of millrace and the futures that the function is waiting for right now end with
 * `CancelledError`; if it waits for none, its next such wait does. Then it may go on, to clean up or in spite of it. What
 * knows only signals is given {@link signal}. Once the function has ended with `CancelledError`, the task is cancelled;
 * else it has the function's value or error.
 */
export class Task<T> extends Future<T> implements WaitScope {
  readonly #name: string
  #waits: WaitChain | undefined = undefined
  /** For the next wait. */
  #pending: CancelledError | undefined = undefined
  #cancel: CancelledError | undefined = undefined
  #controller: AbortController | undefined = undefined
  #hears = false

  /** @internal */
  constructor(options: TaskOptions) {
    super(options)
    this.#name = options.name ?? `Task-${++count}`
  }

  /** Aborts when the task is first cancelled; its reason is the `CancelledError`. */
  get signal(): AbortSignal {
    this.#hears = true
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      setMaxListeners(0, this.#controller.signal)
      if (this.#cancel !== undefined) this.#controller.abort(this.#cancel)
    }
    return this.#controller.signal
  }

  getName(): string {
    return this.#name
  }

  /** Asks the function to end; the task is done when it has. Returns `false` if that is so already. */
  override cancel(msg?: unknown): boolean {
    if (this.done()) return false
    const error = toCancelledError(msg)
    const first = this.#cancel === undefined
    this.#cancel = error
    if (this.#waits === undefined || this.#waits.isEmpty) this.#pending = error
    else {
      this.#hears = true
      this.#waits.cancelAll(error)
    }
    if (first) this.#controller?.abort(error)
    return true
  }

  /** Throws {@link InvalidStateError}: its function sets it. */
  override setResult(_value: T): void {
    throw new InvalidStateError('setResult() of a task: its function does that')
  }

  /** Throws {@link InvalidStateError}: its function sets it. */
  override setException(_error: unknown): void {
    throw new InvalidStateError('setException() of a task: its function does that')
  }

  // --- for waits

  /** While the next wait is to end with it. */
  get cancellation(): Cancellation | undefined {
    const reason = this.#pending
    if (reason === undefined) return undefined
    this.#hears = true
    // A wait may look twice before it rejects; nobody hears of that before the microtask.
    void DONE.then(() => {
      if (this.#pending === reason) this.#pending = undefined
    })
    return { reason }
  }

  watch(wait: WaitLink): void {
    this.#waits ??= new WaitChain()
    this.#waits.add(wait)
  }

  /** What was told of the cancel has kept it to itself: the next wait tells of it. */
  undelivered(error: unknown): void {
    if (!this.done()) this.#pending = toCancelledError(error)
  }

  // --- inside

  #begin(context: Context | undefined, fn: () => unknown): void {
    if (this.#cancel !== undefined) return settle(this, { state: 'cancelled', error: this.#cancel })
    const own: Context | undefined = context && { ...context, flavour: 'asyncio', scope: undefined, task: this }
    try {
      if (own === undefined) this.#follow(fn())
      else runIn(own, () => this.#follow(fn()))
    } catch (error) {
      this.#fail(error)
    }
  }

  #follow(result: unknown): void {
    const value = (value: unknown): void => settle(this, { state: 'value', value })
    if (!isThenable(result)) return value(result)
    // A future is to know that this task waits for it; others may have a `then` of any kind.
    const direct = result instanceof Future || result instanceof Promise
    const promise = (direct ? result : Promise.resolve(result)) as PromiseLike<unknown>
    void promise.then(value, (error: unknown) => this.#fail(error))
  }

  #fail(error: unknown): void {
    const cancel =
      error instanceof CancelledError
        ? error
        : error instanceof Cancelled
          ? (this.#cancel ?? toCancelledError(error))
          : isAbort(error)
            ? this.#cancel
            : undefined
    settle(this, cancel === undefined ? { state: 'error', error } : { state: 'cancelled', error: cancel })
  }

  static {
    beginTask = (task, context, fn) => task.#begin(context, fn)
    hears = (task) => task.#hears
  }
}

/** What functions of Node and of the web end with when their signal has aborted. */
export function isAbort(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  return ('name' in error && error.name === 'AbortError') || ('code' in error && error.code === 'ABORT_ERR')
}
