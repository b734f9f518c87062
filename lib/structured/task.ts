import { sharedController } from '../endpoints/sharedController.ts'
import { CancelledError, InvalidStateError } from '../errors.ts'
import { DONE, WaitChain, type Cancellation, type WaitLink, type WaitScope } from '../wait.ts'
import { runIn, taskContext, type Context } from './context.ts'
import { Cancelled } from './errors.ts'
import { endOf, Future, observe, settle, toCancelledError, type FutureObserver, type FutureOptions } from './future.ts'
import { isThenable } from './checkFunction.ts'

/** Calls the function, unless the task was cancelled before. `context` is that of the loop's callbacks. */
export let beginTask: (task: Task<unknown>, context: Context | undefined, fn: () => unknown) => void
/** Whether the task can hear of its cancel: it has asked for its signal, or was in a wait that knows of it. */
export let hears: (task: Task<unknown>) => boolean

export interface TaskOptions extends FutureOptions {
  /** By default `Task-1` and so on. */
  readonly name?: string | undefined
}

let count = 0

/** The futures that a task awaits, until they are done: one that is a task may go on in spite of the first cancel. */
class Awaited implements FutureObserver {
  readonly #task: Task<unknown>
  /** Each with the cancel that it was told last. */
  readonly #futures = new Map<Future<unknown>, CancelledError | undefined>()

  constructor(task: Task<unknown>) {
    this.#task = task
  }

  get isEmpty(): boolean {
    return this.#futures.size === 0
  }

  add(future: Future<unknown>): void {
    if (this.#futures.has(future)) return
    this.#futures.set(future, undefined)
    observe(future, this)
  }

  cancelAll(error: CancelledError): void {
    for (const future of [...this.#futures.keys()]) {
      this.#futures.set(future, error)
      future.cancel(error)
    }
  }

  futureDone(future: Future<unknown>): void {
    const told = this.#futures.get(future)
    this.#futures.delete(future)
    // A scope that is cancelled as its last wait ends has never raised it. What asyncio's code keeps to itself it means to.
    if (told !== undefined && future instanceof Task && future.isStructured && endOf(future)?.state === 'value') {
      this.#task.undelivered(told)
    }
  }
}

/**
 * An async function that runs by asyncio's rules, as the future of its outcome. `loop.aioTask` and `aioAsTrio` make them;
 * `loop.createTask` gives one of trio's flavour. (asyncio: `Task`.)
 *
 * {@link cancel} is told once: the waits of millrace and the futures that the function is waiting for right now end with
 * `CancelledError`, whoever else waits for them; if there is none, its next such wait does. Then it may go on, to clean up
 * or in spite of it. What knows only signals is given {@link signal}. Once the function has ended with `CancelledError`, or
 * with the `AbortError` of what was given the signal, the task is cancelled; else it has the function's value or error.
 *
 * A wait that has lost a `Promise.race` is one of the task's until it is over: it takes a cancel in which nobody else is
 * interested any more. Cancel the loser, or race in a nursery.
 */
export class Task<T> extends Future<T> implements WaitScope {
  readonly #name: string | undefined
  readonly #number = ++count
  #awaited: Awaited | undefined = undefined
  #waits: WaitChain | undefined = undefined
  /** For the next wait. */
  #pending: CancelledError | undefined = undefined
  #cancel: CancelledError | undefined = undefined
  /** The function has not run since it was told. */
  #telling = false
  #controller: AbortController | undefined = undefined
  #hears = false

  /** @internal */
  constructor(options: TaskOptions) {
    super(options)
    this.#name = options.name
  }

  /** Aborts when the task is first cancelled; its reason is the `CancelledError`. */
  get signal(): AbortSignal {
    this.#hears = true
    if (this.#controller === undefined) {
      this.#controller = sharedController()
      if (this.#cancel !== undefined) this.#controller.abort(this.#cancel)
    }
    return this.#controller.signal
  }

  getName(): string {
    return this.#name ?? `Task-${this.#number}`
  }

  /**
   * Asks the function to end; the task is done when it has. Returns `false` if that is so already. A second call tells it
   * again, unless it has not heard of the first yet: then they are one.
   */
  override cancel(msg?: unknown): boolean {
    if (this.done()) return false
    if (this.#telling) return true
    const error = toCancelledError(msg)
    const first = this.#cancel === undefined
    this.#cancel = error
    if (!this.#tell(error)) this.#pending = error
    if (first) this.#controller?.abort(error)
    return true
  }

  /** @internal Whether the function goes by trio's rules. */
  get isStructured(): boolean {
    return false
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

  /** @internal */
  awaits(future: Future<unknown>): void {
    this.#awaited ??= new Awaited(this)
    this.#awaited.add(future)
  }

  /** What was told of the cancel has kept it to itself: the next wait tells of it. */
  undelivered(error: unknown): void {
    if (!this.done()) this.#pending = toCancelledError(error)
  }

  // --- inside

  /** Whether there was anything to tell. */
  #tell(error: CancelledError): boolean {
    const [waits, awaited] = [this.#waits, this.#awaited]
    if ((waits === undefined || waits.isEmpty) && (awaited === undefined || awaited.isEmpty)) return false
    this.#hears = this.#telling = true
    waits?.cancelAll(error)
    awaited?.cancelAll(error)
    void DONE.then(() => (this.#telling = false))
    return true
  }

  #begin(context: Context | undefined, fn: () => unknown): void {
    if (this.#cancel !== undefined) return settle(this, { state: 'cancelled', error: this.#cancel })
    try {
      if (context === undefined) this.#follow(fn())
      else runIn(taskContext(context, this), () => this.#follow(fn()))
    } catch (error) {
      this.#fail(error)
    }
  }

  #follow(result: unknown): void {
    const value = (value: unknown): void => settle(this, { state: 'value', value })
    const fail = (error: unknown): void => this.#fail(error)
    // A future is to know that this task waits for it; others may have a `then` of any kind.
    if (result instanceof Promise || result instanceof Future) void result.then(value, fail)
    else if (isThenable(result)) void Promise.resolve(result).then(value, fail)
    else value(result)
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
