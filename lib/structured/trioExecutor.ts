import { availableParallelism } from 'node:os'
import { isAbsolute } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Script } from 'node:vm'
import type { ResourceLimits } from 'node:worker_threads'
import { InvalidStateError } from '../errors.ts'
import { abortedOnEntry, handled, rejected, UNCANCELLED, WaitList } from '../wait.ts'
import type { CapacityLimiter } from './capacityLimiter.ts'
import type { CheckpointOptions } from './checkpoint.ts'
import { ExecutorThread } from './executorThread.ts'
import { Parked, ParkedQueue } from './parkedQueue.ts'
import type { CallRequest } from './threadMain.ts'

/** A function that a module exports: the thread imports it, so that it has all that is around it there. */
export interface ExportedFunction {
  /** A file, as a URL or an absolute path; or the name of a package, looked for from the working directory. */
  readonly module: string | URL
  /** The name of the export, `default` for the default one. */
  readonly name: string
}

export interface TrioExecutorOptions {
  /** Whose token each call borrows, from before it waits for a thread until it is done. Executors may share one. */
  readonly limiter?: CapacityLimiter | undefined
  /** How many threads there may be; by default as many as can run at the same time, and two at least. */
  readonly maxWorkers?: number | undefined
  /** Of each thread: how much memory it may use. By default as much as this one. */
  readonly resourceLimits?: ResourceLimits | undefined
}

export interface ExecutorRunOptions extends CheckpointOptions {
  /**
   * What a cancel does while the function runs. By default nothing: a thread cannot be cancelled, so the call goes on to
   * its end, and its outcome counts. If true, the call is given up at once and the thread is ended, wherever it is.
   */
  readonly abandonOnCancel?: boolean | undefined
}

/**
 * Threads for what computes for long, which would hold up the event loop. They are begun as they are needed, kept for
 * later calls, and do not keep the process alive while they have nothing to do.
 *
 * A function travels as its source: it sees nothing of what is around it here, only its arguments, what is global, and
 * what it imports itself (`await import('node:crypto')`). Or it is named, by the module that exports it. Arguments and
 * result are copied (structured clone). Errors come back with their name, message, stack, cause, and those fields
 * that can be copied, but not with their class.
 *
 * (trio: `to_thread.run_sync`; asyncio: `ThreadPoolExecutor`; trio-asyncio: `TrioExecutor`.)
 */
export class TrioExecutor implements AsyncDisposable {
  readonly #limiter: CapacityLimiter | undefined
  readonly #maxWorkers: number
  readonly #resourceLimits: ResourceLimits | undefined
  readonly #threads = new Set<ExecutorThread>()
  readonly #idle: ExecutorThread[] = []
  readonly #waiting = new ParkedQueue<Parked<ExecutorThread>>()
  readonly #noCalls = new WaitList()
  #calls = 0
  #end: Promise<void> | undefined

  /** Throws a RangeError unless `maxWorkers` is a natural number above 0. */
  constructor(options: TrioExecutorOptions = {}) {
    const { limiter, maxWorkers = Math.max(2, availableParallelism()), resourceLimits } = options
    if (!(maxWorkers >= 1 && (Number.isInteger(maxWorkers) || maxWorkers === Infinity))) {
      throw new RangeError(`maxWorkers must be 1, 2 … or Infinity, not ${String(maxWorkers)}`)
    }
    this.#limiter = limiter
    this.#maxWorkers = maxWorkers
    this.#resourceLimits = resourceLimits
  }

  /** Whether it takes no more calls. */
  get closed(): boolean {
    return this.#end !== undefined
  }

  /**
   * Calls the function in a thread, and resolves with what it returns, or what the promise resolves with that it returns.
   * With all threads busy, calls are served in their order. A checkpoint; see {@link ExecutorRunOptions} for what can be
   * cancelled.
   *
   * Rejects with what the function throws; with a TypeError if it has no source that stands for itself (native and bound
   * functions, methods, classes), or an argument or the result cannot be copied; with {@link BrokenWorkerError} if the
   * thread ends before; with {@link InvalidStateError} after {@link shutdown}.
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- of any arguments
  run<A extends any[], T>(fn: (...args: A) => T, args: A, options?: ExecutorRunOptions): Promise<Awaited<T>>
  run<T = unknown>(fn: ExportedFunction, args: readonly unknown[], options?: ExecutorRunOptions): Promise<T>
  run(
    fn: ((...args: never[]) => unknown) | ExportedFunction,
    args: readonly unknown[] = [],
    options?: ExecutorRunOptions,
  ): Promise<unknown> {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    if (!Array.isArray(args))
      return rejected(new TypeError(`run(fn, args): the arguments as an array, not ${typeof args}`))
    if (this.closed) return rejected(new InvalidStateError('run() after shutdown(): make another TrioExecutor'))
    try {
      return handled(this.#run({ ...callable(fn), args }, options))
    } catch (error) {
      return rejected(error)
    }
  }

  async #run(request: CallRequest, options: ExecutorRunOptions | undefined): Promise<unknown> {
    this.#calls++
    let thread: ExecutorThread | undefined
    let borrowed = false
    try {
      await this.#limiter?.acquire(options)
      borrowed = this.#limiter !== undefined
      thread = await this.#thread(options)
      const cancellable = options?.abandonOnCancel ? options : { scope: UNCANCELLED }
      return await thread.call(request, cancellable)
    } finally {
      this.#over(thread, borrowed)
    }
  }

  /** A call has come to its end, or was given up. */
  #over(thread: ExecutorThread | undefined, borrowed: boolean): void {
    if (thread?.usable === false) {
      // It may still be at work.
      void thread.gone.then(() => this.#over(undefined, borrowed))
      return
    }
    if (thread !== undefined) this.#isFree(thread)
    if (borrowed) this.#limiter!.release()
    if (--this.#calls === 0) this.#noCalls.resolveAll()
  }

  #isFree(thread: ExecutorThread): void {
    const next = this.#waiting.shift()
    if (next !== undefined) next.resolve(thread)
    else this.#idle.push(thread)
  }

  #thread(options: ExecutorRunOptions | undefined): ExecutorThread | Promise<ExecutorThread> {
    const idle = this.#idle.pop()
    if (idle !== undefined) return idle
    if (this.#threads.size < this.#maxWorkers) return this.#begin()
    return this.#waiting.park(new Parked<ExecutorThread>(options, () => 'run'))
  }

  #begin(): ExecutorThread {
    const thread = new ExecutorThread(this.#resourceLimits)
    this.#threads.add(thread)
    void thread.gone.then(() => this.#isGone(thread))
    return thread
  }

  #isGone(thread: ExecutorThread): void {
    this.#threads.delete(thread)
    const index = this.#idle.indexOf(thread)
    if (index >= 0) this.#idle.splice(index, 1)
    const next = this.#waiting.shift()
    try {
      next?.resolve(this.#begin())
    } catch (error) {
      next?.reject(error)
    }
  }

  /**
   * Takes no more calls, waits for those that were made, and ends the threads. May be called again; resolves when all
   * threads are gone. Nothing cancels it.
   */
  shutdown(): Promise<void> {
    return (this.#end ??= this.#shutdown())
  }

  async #shutdown(): Promise<void> {
    if (this.#calls > 0) await this.#noCalls.wait({ scope: UNCANCELLED }, () => 'shutdown')
    await Promise.all(Array.from(this.#threads, (thread) => thread.end()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown()
  }
}

let shared: TrioExecutor | undefined

/** The one that is used where none is given. Shut down it is replaced by another. */
export function defaultExecutor(): TrioExecutor {
  if (shared === undefined || shared.closed) shared = new TrioExecutor()
  return shared
}

const checked = new WeakSet<object>()

/** How the thread gets at the function. Throws a TypeError if it cannot. */
function callable(fn: ((...args: never[]) => unknown) | ExportedFunction): Omit<CallRequest, 'args'> {
  if (typeof fn === 'function') return { source: sourceOf(fn), name: fn.name || 'the function' }
  const { module, name } = (fn ?? {}) as Partial<ExportedFunction>
  if (typeof name !== 'string' || !(typeof module === 'string' || module instanceof URL)) {
    throw new TypeError('an executor runs a function, or an export: {module, name}')
  }
  if (typeof module === 'string' && module.startsWith('.')) {
    const say = `new URL('${module}', import.meta.url)`
    throw new TypeError(`a thread does not know what ${module} is relative to; give ${say}`)
  }
  return {
    module: typeof module === 'string' && isAbsolute(module) ? pathToFileURL(module).href : String(module),
    name,
  }
}

function sourceOf(fn: (...args: never[]) => unknown): string {
  const source = Function.prototype.toString.call(fn)
  // Modules are strict, and so are most of the others.
  const expression = `'use strict';(${source}\n)`
  if (checked.has(fn)) return expression
  const instead = 'give a function that has everything it needs in its own source, or an export: {module, name}'
  const called = fn.name || 'the function'
  if (/\{\s*\[native code\]\s*\}\s*$/.test(source)) {
    throw new TypeError(`${called} is native or bound, so it has no source that could be sent to a thread: ${instead}`)
  }
  if (/^class\b/.test(source))
    throw new TypeError(`${called} is a class, which cannot be called in a thread: ${instead}`)
  try {
    void new Script(expression)
  } catch (error) {
    const message = `the source of ${called} is no function by itself (is it a method?): ${instead}`
    throw new TypeError(message, { cause: error })
  }
  checked.add(fn)
  return expression
}
