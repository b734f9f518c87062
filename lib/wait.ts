/**
 * The one way to wait. Every promise that millrace leaves pending is a {@link Waiter}: it knows how to be cancelled
 * (signal, scope, timeout), forgets its listeners when it settles, and never causes an unhandled rejection.
 *
 * The slot for "the current scope" belongs to the structured flavour: while it is empty a wait pays one null check.
 */
import { TimeoutError } from './errors.ts'

/** What a wait needs of a cancel scope: a signal that follows its effective state. Its reason is what is raised. */
export interface WaitScope {
  readonly signal: AbortSignal
}

/** The last argument of every function that waits. With several of them, whichever comes first ends the wait. */
export interface WaitOptions {
  /** Rejects with the signal's reason itself. It governs this one call and keeps no listener afterwards. */
  readonly signal?: AbortSignal | undefined
  /** Stands in for the ambient scope. */
  readonly scope?: WaitScope | undefined
  /** Rejects with {@link TimeoutError} after so many milliseconds. */
  readonly timeoutMs?: number | undefined
}

let currentScope: (() => WaitScope | undefined) | null = null

/** Fills the slot that tells the ambient scope of the caller. Called once, by the structured flavour. */
export function setCurrentScope(provider: (() => WaitScope | undefined) | null): void {
  currentScope = provider
}

const scopeOf = (options: WaitOptions | undefined): WaitScope | undefined => options?.scope ?? currentScope?.()

/**
 * Whether a wait is cancelled before it begins; a wait must check it even when it could finish at once. Returns the
 * signal that says so, else `undefined`.
 */
export function abortedOnEntry(options: WaitOptions | undefined): AbortSignal | undefined {
  if (options === undefined && currentScope === null) return undefined
  if (options?.signal?.aborted) return options.signal
  const scope = scopeOf(options)
  return scope?.signal.aborted ? scope.signal : undefined
}

const ignore = (): void => {}

/** A promise that rejects with `error`, and that nobody needs to look at. */
export function rejected(error: unknown): Promise<never> {
  const promise = Promise.reject<never>(error)
  promise.catch(ignore)
  return promise
}

/** Marks a promise as one that nobody needs to look at. */
export function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore)
  return promise
}

/** The promise of a wait that is over at once. Shared: it has no state. */
export const DONE: Promise<void> = Promise.resolve()

const setImmediateOrTimeout: (callback: () => void) => unknown =
  typeof setImmediate === 'function' ? setImmediate : (callback) => setTimeout(callback, 0)

/** Resolves in the next turn of the event loop, after pending I/O was looked at. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediateOrTimeout(resolve))
}

/** One pending wait. Settling it a second time does nothing. */
export class Waiter<T> {
  readonly promise: Promise<T>
  #resolve!: (value: T) => void
  #reject!: (error: unknown) => void
  #signal: AbortSignal | undefined
  #scopeSignal: AbortSignal | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #settled = false
  #forget: (() => void) | undefined

  /**
   * `forget` is called when the wait is cancelled, before it rejects, so that its owner can drop it.
   * `operation` names the wait in a {@link TimeoutError}; it is only asked for when one is made.
   */
  constructor(options: WaitOptions | undefined, operation: () => string, forget?: () => void) {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#forget = forget
    if (options !== undefined || currentScope !== null) this.#arm(options, operation)
  }

  get settled(): boolean {
    return this.#settled
  }

  resolve(value: T): void {
    if (this.#settled) return
    this.#disarm()
    this.#resolve(value)
  }

  reject(error: unknown): void {
    if (this.#settled) return
    this.#disarm()
    this.promise.catch(ignore)
    this.#reject(error)
  }

  /** The listener of both signals. */
  handleEvent(event: { readonly target: unknown }): void {
    // Not currentTarget: in Node 20 that is null for all listeners but the first.
    this.#cancel((event.target as AbortSignal).reason)
  }

  #cancel(reason: unknown): void {
    if (this.#settled) return
    this.#forget?.()
    this.reject(reason)
  }

  #arm(options: WaitOptions | undefined, operation: () => string): void {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return this.reject(aborted.reason)
    const timeoutMs = options?.timeoutMs
    if (timeoutMs !== undefined && !(timeoutMs >= 0)) {
      throw new RangeError(`timeoutMs must be a number of milliseconds, not ${timeoutMs}`)
    }
    this.#signal = options?.signal
    this.#signal?.addEventListener('abort', this)
    this.#scopeSignal = scopeOf(options)?.signal
    this.#scopeSignal?.addEventListener('abort', this)
    // A timer cannot be longer than 2^31 - 1 ms (24.8 days): above that it is no deadline at all.
    if (timeoutMs === undefined || timeoutMs > 0x7fffffff) return
    this.#timer = setTimeout(() => this.#cancel(new TimeoutError(operation(), timeoutMs)), timeoutMs)
    // In a browser a timer is a number; there it keeps nothing alive.
    if (typeof this.#timer === 'object') this.#timer.unref()
  }

  #disarm(): void {
    this.#settled = true
    this.#signal?.removeEventListener('abort', this)
    this.#scopeSignal?.removeEventListener('abort', this)
    if (this.#timer !== undefined) clearTimeout(this.#timer)
  }
}

/** Waits that end together, in the order in which they began. */
export class WaitList<T = void> {
  #waiters: Set<Waiter<T>> | undefined

  get size(): number {
    return this.#waiters?.size ?? 0
  }

  wait(options: WaitOptions | undefined, operation: () => string): Promise<T> {
    const waiters = (this.#waiters ??= new Set())
    const waiter: Waiter<T> = new Waiter<T>(options, operation, () => waiters.delete(waiter))
    if (!waiter.settled) waiters.add(waiter)
    return waiter.promise
  }

  resolveAll(value: T): void {
    for (const waiter of this.#takeAll()) waiter.resolve(value)
  }

  rejectAll(error: unknown): void {
    for (const waiter of this.#takeAll()) waiter.reject(error)
  }

  #takeAll(): Iterable<Waiter<T>> {
    const waiters = this.#waiters ?? []
    this.#waiters = undefined
    return waiters
  }
}
