import { clock } from '../clock.ts'
import { InvalidStateError } from '../errors.ts'
import { abortedOnEntry, forget, rejected, Waiter, WaitList, watchScope } from '../wait.ts'
import { Autoclosing, type Closable } from './autoclosing.ts'
import { CancelScope } from './cancelScope.ts'
import type { CheckpointOptions } from './checkpoint.ts'
import type { Children } from './children.ts'
import type { Context } from './context.ts'
import { Future, observe } from './future.ts'
import { ChildHandle, type Handle, type TimerHandle } from './handle.ts'
import { checkFunction } from './checkFunction.ts'
import { LoopCalls } from './loopCalls.ts'
import { LoopErrors, type ExceptionHandler } from './loopErrors.ts'
import { childrenOf, type Nursery } from './nursery.ts'
import { SignalHandlers } from './signalHandlers.ts'
import { checkStream, StreamWatchers, type WatchedReadable, type WatchedWritable } from './streamWatchers.ts'
import { beginTask, Task } from './task.ts'
import { defaultExecutor, TrioExecutor, type ExportedFunction } from './trioExecutor.ts'
import { TrioTask, type TrioTaskOptions } from './trioTask.ts'

export interface CreateTaskOptions {
  /** By default `Task-1` and so on. */
  readonly name?: string | undefined
}

// For the bridge; the class fills them in.
/** Throws {@link InvalidStateError} if the loop takes on nothing any more. */
export let checkRunning: (loop: Loop, operation: string) => void
/** Makes the task end with the loop, which waits for it, until it is released. */
export let adoptTask: (loop: Loop, task: Task<unknown>) => { release(): void }
/** Runs `fn` in trio's flavour, as a child; if `always`, even if the future was cancelled before it begins. */
export let beginTrio: <T>(loop: Loop, name: string, fn: () => PromiseLike<T>, always: boolean) => Future<T>
/** Tells of an error of what nobody waits for any more. */
export let tellAbandoned: (loop: Loop, error: unknown) => void

/**
 * An event loop as asyncio's code knows it, in a nursery: what is begun by it are the nursery's children, and it ends
 * with the nursery. `openLoop` opens both. (trio-protocol: `Loop`; trio-asyncio: `TrioEventLoop`.)
 *
 * In a nursery of yours the end comes as that of any nursery: it waits for tasks, which is no cancel. Then callbacks that
 * are due still run; timers, readers and signal handlers are forgotten, and what was given to {@link autoclose} closes.
 * From then on every method throws {@link InvalidStateError}.
 *
 * Callbacks are called in asyncio's flavour, where this is the `currentLoop()`. All times are milliseconds.
 */
export class Loop {
  /** Called with the error of what was abandoned: what a cancelled caller did not wait for, since it cannot hear. */
  onAbandoned: ((error: unknown) => void) | null = null
  /** @internal */
  readonly calls: LoopCalls
  readonly #children: Children
  readonly #nursery: Nursery
  /** What is ambient in tasks, but for their scope. */
  readonly #context: Context | undefined
  readonly #signals: SignalHandlers
  readonly #readers: StreamWatchers
  readonly #writers: StreamWatchers
  readonly #autoclosing = new Autoclosing()
  readonly #stopped = new WaitList()
  #state: 'running' | 'ending' | 'closed' = 'running'
  readonly #errors: LoopErrors

  /** Throws {@link InvalidStateError} for a nursery that is closed. */
  constructor(nursery: Nursery) {
    this.#nursery = nursery
    this.#children = childrenOf(nursery)
    this.#children.check('a loop')
    this.#children.atEnd(this.#lastCalls)
    const context = this.#children.context
    this.#context = context && { ...context, loop: this }
    const inCalls: Context | undefined = this.#context && { ...this.#context, flavour: 'asyncio', scope: undefined }
    this.calls = new LoopCalls(inCalls, (error) => this.#errors.tell('a callback has failed', error))
    this.#errors = new LoopErrors(this, this.#children)
    this.#signals = new SignalHandlers(this.calls)
    this.#readers = new StreamWatchers('readable', this.calls)
    this.#writers = new StreamWatchers('drain', this.calls)
  }

  // --- tasks

  /**
   * Begins `fn` as a child of the nursery, in trio's flavour. Cancelling the task cancels its scope; the task is done when
   * `fn` has ended. An error of it that nobody has looked at a turn later goes to the exception handler. In a nursery that
   * is cancelled nothing begins, and the task is cancelled. (trio-protocol: `Loop.create_task`.)
   */
  createTask<T>(fn: () => Promise<T>, options?: CreateTaskOptions): Task<T> {
    this.#check('createTask', fn)
    if (this.#isCancelled) return this.#cancelledTask(options)
    return this.#beginTrio(fn.name, fn, { ...options, loop: this, ended: this.#errors.taskEnded })
  }

  /**
   * Begins `fn` in asyncio's flavour, in the next microtask. It hears of a cancel through `task.signal`, the futures and
   * the waits of millrace that it awaits. The nursery waits for it; a cancel of the nursery cancels it, once, and if it
   * swallows that the nursery waits for its end all the same. Otherwise it is like {@link createTask}. (asyncio:
   * `create_task`.)
   */
  aioTask<T>(fn: () => PromiseLike<T>, options?: CreateTaskOptions): Task<T> {
    this.#check('aioTask', fn)
    if (this.#isCancelled) return this.#cancelledTask(options)
    const task = new Task<T>({ ...options, loop: this })
    this.#adopt(task, fn.name, () => beginTask(task, this.calls.context, fn))
    return task
  }

  /** A future whose callbacks this loop calls. The loop does not wait for it. (asyncio: `create_future`.) */
  createFuture<T = unknown>(): Future<T> {
    this.#checkRunning('createFuture')
    return new Future<T>({ loop: this })
  }

  /**
   * Runs `fn(...args)` as a child of the nursery, in trio's flavour, with its outcome as that of the future alone.
   * Cancelling the future cancels it; the future is done when it has ended. (trio-asyncio: `trio_as_future`.)
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- of any arguments
  trioAsFuture<A extends any[], T>(fn: (...args: A) => Promise<T>, ...args: A): Future<T> {
    this.#check('trioAsFuture', fn)
    return this.#beginTrio(fn.name, () => fn(...args), { loop: this })
  }

  /**
   * Runs `fn(...args)` as a child of the nursery, in trio's flavour: an error of it ends the nursery, and the loop. The
   * handle's `cancel()` cancels it. (trio-asyncio: `run_trio_task`.)
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- of any arguments
  runTrioTask<A extends any[]>(fn: (...args: A) => Promise<unknown>, ...args: A): Handle {
    this.#check('runTrioTask', fn)
    const child = this.#children.startSoon(fn, args, this.#context)
    return new ChildHandle(() => child.cancel())
  }

  /**
   * Calls `fn(...args)` in a thread of the executor, `null` for the default one: see `TrioExecutor.run`. Cancelling the future
   * takes back a call that waits for a thread; one that runs comes to its end, and has its outcome. Throws a TypeError for
   * another kind of executor, and {@link InvalidStateError} for one that was shut down. (asyncio: `run_in_executor`.)
   */
  runInExecutor<A extends unknown[], T>(
    executor: TrioExecutor | null,
    fn: ((...args: A) => T) | ExportedFunction,
    ...args: A
  ): Future<Awaited<T>> {
    this.#checkRunning('runInExecutor')
    if (typeof fn !== 'object' || fn === null) checkFunction('runInExecutor', fn)
    const chosen = executor ?? defaultExecutor()
    if (!(chosen instanceof TrioExecutor)) throw new TypeError('runInExecutor() takes a TrioExecutor, or null')
    if (chosen.closed) throw new InvalidStateError('runInExecutor() with an executor that was shut down')
    return this.#beginTrio(fn.name, () => chosen.run(fn as (...args: A) => T, args), { loop: this })
  }

  // --- callbacks

  /**
   * Calls `fn(...args)` soon, never before this returns, and in the order of the calls. An error of it goes to the exception
   * handler. (asyncio: `call_soon`.)
   */
  callSoon<A extends unknown[]>(fn: (...args: A) => unknown, ...args: A): Handle {
    this.#check('callSoon', fn)
    return this.calls.soon(() => fn(...args))
  }

  /** Calls it after `delayMs`. Throws a RangeError for a delay that is no number. (asyncio: `call_later`.) */
  callLater<A extends unknown[]>(delayMs: number, fn: (...args: A) => unknown, ...args: A): TimerHandle {
    return this.#callAt('callLater', 'delayMs', delayMs, this.time() + delayMs, fn, args)
  }

  /** Calls it at that time on the clock of {@link time}; soon, if it has passed. (asyncio: `call_at`.) */
  callAt<A extends unknown[]>(when: number, fn: (...args: A) => unknown, ...args: A): TimerHandle {
    return this.#callAt('callAt', 'when', when, when, fn, args)
  }

  /** Milliseconds on a clock that never goes back: `currentTime()`. (asyncio: `time`.) */
  time(): number {
    return clock.now()
  }

  /** Resolves when all callbacks that are due now have run. (trio-asyncio: `synchronize`.) */
  synchronize(options?: CheckpointOptions): Promise<void> {
    const refused = this.#refused('synchronize') ?? abortedOnEntry(options)
    if (refused !== undefined) return rejected(refused.reason)
    const waiter = new Waiter<void>(options)
    this.calls.soon(() => waiter.resolve())
    return waiter.promise
  }

  // --- signals and streams

  /**
   * Calls `fn(...args)` soon after each such signal, in place of what was called before, and of what the signal does by
   * itself. Throws a TypeError for one that nobody can handle (SIGKILL, SIGSTOP). (asyncio: `add_signal_handler`.)
   */
  addSignalHandler<A extends unknown[]>(signal: NodeJS.Signals, fn: (...args: A) => unknown, ...args: A): void {
    this.#check('addSignalHandler', fn)
    this.#signals.add(signal, () => fn(...args))
  }

  /** Whether there was a handler. (asyncio: `remove_signal_handler`.) */
  removeSignalHandler(signal: NodeJS.Signals): boolean {
    this.#checkRunning('removeSignalHandler')
    return this.#signals.remove(signal)
  }

  /**
   * Calls `fn(...args)` whenever the stream has something to read, or has ended, in place of what was called before, until
   * it closes. `fn` should read until there is nothing: it is not called again for what it leaves. Errors of the stream are
   * for its own listeners. Throws a TypeError for a descriptor: Node cannot watch one. (asyncio: `add_reader`.)
   */
  addReader<A extends unknown[]>(stream: WatchedReadable, fn: (...args: A) => unknown, ...args: A): void {
    this.#check('addReader', fn)
    checkStream('addReader', 'read', stream)
    this.#readers.add(stream, () => fn(...args), false)
  }

  /** Whether there was one. (asyncio: `remove_reader`.) */
  removeReader(stream: WatchedReadable): boolean {
    this.#checkRunning('removeReader')
    return this.#readers.remove(stream)
  }

  /**
   * Calls `fn(...args)` whenever the stream has drained after it was full, and soon if it is not full now. Otherwise like
   * {@link addReader}. (asyncio: `add_writer`.)
   */
  addWriter<A extends unknown[]>(stream: WatchedWritable, fn: (...args: A) => unknown, ...args: A): void {
    this.#check('addWriter', fn)
    checkStream('addWriter', 'write', stream)
    this.#writers.add(stream, () => fn(...args), !stream.writableNeedDrain)
  }

  /** Whether there was one. (asyncio: `remove_writer`.) */
  removeWriter(stream: WatchedWritable): boolean {
    this.#checkRunning('removeWriter')
    return this.#writers.remove(stream)
  }

  /**
   * Has this closed when the loop ends, the last first: by `destroy()`, `close()` or its disposal, whichever it has first.
   * The loop keeps it until then, or until {@link noAutoclose}; it waits for what that returns, and no cancel cuts that
   * short. What it fails with goes to the exception handler. Throws a TypeError if there is no way to close it.
   * (trio-asyncio: `autoclose`.)
   */
  autoclose(resource: Closable): void {
    this.#checkRunning('autoclose')
    this.#autoclosing.add(resource)
  }

  /** Takes that back. (trio-asyncio: `no_autoclose`.) */
  noAutoclose(resource: Closable): void {
    this.#checkRunning('noAutoclose')
    this.#autoclosing.remove(resource)
  }

  // --- errors

  /**
   * Is called with the errors of callbacks, and of tasks that nobody has looked at, instead of the nursery, which they end
   * by default; `null` puts that back. What it fails with itself does end the nursery, and is uncaught if that has ended.
   * (asyncio: `set_exception_handler`.)
   */
  setExceptionHandler(handler: ExceptionHandler | null): void {
    this.#checkRunning('setExceptionHandler')
    if (handler !== null) checkFunction('setExceptionHandler', handler)
    this.#errors.handler = handler
  }

  // --- the end

  /**
   * Ends it: cancels the nursery, which is no error. Callbacks that are due still run. May be called again, until the loop has
   * ended. (asyncio: `stop`.)
   */
  stop(): void {
    if (this.#state === 'closed') throw this.#refused('stop')!.reason
    this.#nursery.cancelScope.cancel('loop.stop()')
  }

  /** Resolves when the loop has ended. (trio-asyncio: `wait_stopped`.) */
  waitStopped(options?: CheckpointOptions): Promise<void> {
    const cancellation = abortedOnEntry(options)
    if (cancellation !== undefined) return rejected(cancellation.reason)
    const waiting = this.#stopped.wait(options, () => 'waitStopped()')
    if (this.isClosed()) this.#stopped.resolveAll()
    return waiting
  }

  /** Whether it has not ended. (asyncio: `is_running`.) */
  isRunning(): boolean {
    return this.#state !== 'closed'
  }

  /** Whether it has ended. (asyncio: `is_closed`.) */
  isClosed(): boolean {
    return this.#state === 'closed'
  }

  // --- inside

  #refused(operation: string): { readonly reason: unknown } | undefined {
    if (this.#state === 'running') return undefined
    const state = this.#state === 'closed' ? 'closed' : 'ending'
    return { reason: new InvalidStateError(`${operation}() on a loop that is ${state}`) }
  }

  #checkRunning(operation: string): void {
    const refused = this.#refused(operation)
    if (refused !== undefined) throw refused.reason
  }

  #check(operation: string, fn: unknown): void {
    this.#checkRunning(operation)
    checkFunction(operation, fn)
  }

  #callAt<A extends unknown[]>(
    operation: string,
    name: string,
    given: number,
    when: number,
    fn: (...args: A) => unknown,
    args: A,
  ): TimerHandle {
    this.#check(operation, fn)
    if (typeof given !== 'number' || Number.isNaN(given)) {
      throw new RangeError(`${name} must be a time in milliseconds, not ${String(given)}`)
    }
    return this.calls.at(when, () => fn(...args))
  }

  get #isCancelled(): boolean {
    return this.#children.scope.cancellation !== undefined
  }

  /** Begins nothing: a task that is begun again whenever it ends would be so for ever. */
  #cancelledTask(options: CreateTaskOptions | undefined): Task<never> {
    const task = new Task<never>({ ...options, loop: this })
    task.cancel(this.#children.scope.cancellation?.reason)
    beginTask(task, undefined, () => {})
    return task
  }

  #beginTrio<T>(name: string, fn: () => PromiseLike<T>, options: TrioTaskOptions): TrioTask<T> {
    return new TrioTask(this.#children, this.#context, name, fn, options)
  }

  /** As a child that waits for the task, and cancels it when it is cancelled itself. */
  #adopt(task: Task<unknown>, name: string, begin?: () => void): { release(): void } {
    let end!: (telling?: Promise<void>) => void
    const ended = new Promise<void>((resolve) => (end = resolve))
    const wait = (): Promise<void> => {
      begin?.()
      return ended
    }
    const { scope } = this.#children.startSoon(wait, [], this.#context, name || '(anonymous)')
    const { cancellation } = scope
    // Only what comes from another loop is begun where this one is cancelled already.
    if (cancellation !== undefined) task.cancel(cancellation.reason)
    const link = cancellation === undefined ? watchScope(scope, task) : undefined
    const release = (telling?: Promise<void>): void => {
      forget(link)
      end(telling)
    }
    observe(task, { futureDone: () => release(this.#errors.taskEnded(task)) })
    return { release }
  }

  /** Everything in the nursery has ended, unless callbacks that are due begin something. */
  readonly #lastCalls = async (): Promise<void> => {
    await this.calls.ran()
    this.#state = 'ending'
    this.#signals.close()
    this.#readers.close()
    this.#writers.close()
    this.calls.close()
    this.#children.atEnd(this.#close)
  }

  readonly #close = async (): Promise<void> => {
    const shielded = new CancelScope({ shield: true })
    const errors = await shielded.run(() => this.#autoclosing.close())
    this.#state = 'closed'
    this.#stopped.resolveAll()
    for (const error of errors ?? []) this.#errors.tell('autoclose has failed', error)
  }

  static {
    checkRunning = (loop, operation) => loop.#checkRunning(operation)
    adoptTask = (loop, task) => loop.#adopt(task, task.getName())
    beginTrio = (loop, name, fn, always) => loop.#beginTrio(name, fn, { loop, always })
    tellAbandoned = (loop, error) => {
      const { onAbandoned } = loop
      if (onAbandoned !== null) loop.#errors.guard('onAbandoned has failed', () => onAbandoned.call(loop, error))
    }
  }
}
