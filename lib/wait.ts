/**
 * The one way to wait. Every promise that millrace leaves pending is a {@link Waiter}: it knows how to be cancelled
 * (signal, scope, timeout), forgets its listeners when it settles, and never causes an unhandled rejection.
 *
 * The slot for "the current scope" belongs to the structured flavour: while it is empty a wait pays one null check.
 */
import { clock, type Timer } from './clock.ts'
import { TimeoutError } from './errors.ts'

/** What a wait needs of a cancel scope: a signal that follows its effective state. Its reason is what is raised. */
export interface WaitScope {
  readonly signal: AbortSignal
}

/** The last argument of every function that waits. With several of them, whichever comes first ends the wait. */
export interface WaitOptions {
  /**
   * Rejects with the signal's reason itself. It governs this one call and keeps no listener afterwards. Any number of
   * calls may share one.
   */
  readonly signal?: AbortSignal | undefined
  /** Stands in for the ambient scope. */
  readonly scope?: WaitScope | undefined
  /** Rejects with {@link TimeoutError} after so many milliseconds. Its timer keeps no process alive. */
  readonly timeoutMs?: number | undefined
}

let currentScope: (() => WaitScope | undefined) | null = null

/** Fills the slot that tells the ambient scope of the caller. Called once, by the structured flavour. */
export function setCurrentScope(provider: (() => WaitScope | undefined) | null): void {
  currentScope = provider
}

/** The scope that a wait belongs to: its own, or the ambient one. */
export function scopeOf(options: Pick<WaitOptions, 'scope'> | undefined): WaitScope | undefined {
  return options?.scope ?? currentScope?.()
}

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

/** Whether anything can end the wait before its time. If not, a wait need not be able to name or forget itself. */
export function mayBeCancelled(options: object | undefined): boolean {
  return options !== undefined || currentScope !== null
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
  #settled = false
  #cancellation: Cancellation | undefined

  /**
   * `forget` is called when the wait is cancelled, before it rejects, so that its owner can drop it.
   * `operation` names the wait in a {@link TimeoutError}; it is only asked for when one is made. A wait that
   * {@link mayBeCancelled} denies needs neither.
   */
  constructor(options?: WaitOptions, operation?: () => string, forget?: () => void) {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    if (mayBeCancelled(options)) this.#arm(options, operation, forget)
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

  /** From now on no time runs out: what is still waited for has a limit of its own. */
  clearTimeout(): void {
    if (this.#cancellation?.timer !== undefined) clock.clearTimeout(this.#cancellation.timer)
  }

  /** Rejects for a reason from outside: calls `forget` before. */
  cancel(reason: unknown): void {
    if (this.#settled) return
    this.#cancellation?.forget?.()
    this.reject(reason)
  }

  #arm(options: WaitOptions | undefined, operation?: () => string, forget?: () => void): void {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return this.reject(aborted.reason)
    const timeoutMs = options?.timeoutMs
    if (timeoutMs !== undefined && !(timeoutMs >= 0)) {
      throw new RangeError(`timeoutMs must be a number of milliseconds, not ${timeoutMs}`)
    }
    const cancellation: Cancellation = { forget, signals: [], timer: undefined }
    this.#cancellation = cancellation
    for (const signal of [options?.signal, scopeOf(options)?.signal]) {
      if (signal === undefined) continue
      cancellation.signals.push(watchSignal(signal, this))
    }
    if (timeoutMs === undefined) return
    const late = (): void => this.cancel(new TimeoutError(operation?.() ?? 'the operation', timeoutMs))
    cancellation.timer = clock.setTimeout(late, timeoutMs)
  }

  #disarm(): void {
    this.#settled = true
    const cancellation = this.#cancellation
    if (cancellation === undefined) return
    for (const wait of cancellation.signals) wait.forget()
    if (cancellation.timer !== undefined) clock.clearTimeout(cancellation.timer)
  }
}

/** What can end a wait early; most waits have none. */
interface Cancellation {
  readonly forget: (() => void) | undefined
  readonly signals: SignalWait[]
  timer: Timer | undefined
}

/** What a signal may end. */
export interface Cancellable {
  cancel(reason: unknown): void
}

/** Calls `target.cancel(reason)` when the signal, which has not aborted, does; for waits that are no {@link Waiter}. */
export function watchSignal(signal: AbortSignal, target: Cancellable): SignalWait {
  return SignalWaits.of(signal).add(target)
}

/** One wait that a signal may end. Doubly linked, since a set that thousands of waits come and go in is all garbage. */
export class SignalWait {
  readonly target: Cancellable
  previous: SignalWait | undefined = undefined
  next: SignalWait | undefined = undefined
  #waits: SignalWaits | undefined

  constructor(target: Cancellable, waits: SignalWaits) {
    this.target = target
    this.#waits = waits
  }

  /** It is over; may be called again. */
  forget(): void {
    const waits = this.#waits
    this.#waits = undefined
    waits?.delete(this)
  }
}

/**
 * The waits that a signal may end, in the order in which they began. It has one listener for all of them, and none
 * without: a signal walks all the listeners it has for each that comes, and thousands of connections may share one.
 */
class SignalWaits {
  static readonly #all = new WeakMap<AbortSignal, SignalWaits>()
  readonly #signal: AbortSignal
  #first: SignalWait | undefined
  #last: SignalWait | undefined

  static of(signal: AbortSignal): SignalWaits {
    let waits = SignalWaits.#all.get(signal)
    if (waits === undefined) SignalWaits.#all.set(signal, (waits = new SignalWaits(signal)))
    return waits
  }

  private constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  add(target: Cancellable): SignalWait {
    const wait = new SignalWait(target, this)
    if (this.#last === undefined) {
      this.#first = wait
      this.#signal.addEventListener('abort', this)
    } else {
      this.#last.next = wait
      wait.previous = this.#last
    }
    this.#last = wait
    return wait
  }

  delete(wait: SignalWait): void {
    const { previous, next } = wait
    // One that is kept by somebody would keep all that came behind it.
    wait.previous = wait.next = undefined
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    if (this.#first === undefined) this.#signal.removeEventListener('abort', this)
  }

  /** The listener. */
  handleEvent(): void {
    for (let wait = this.#first; wait !== undefined; wait = this.#first) {
      wait.forget()
      wait.target.cancel(this.#signal.reason)
    }
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

  /** Resolves the one that has waited longest. */
  resolveFirst(value: T): void {
    for (const waiter of this.#waiters ?? []) {
      this.#waiters!.delete(waiter)
      return waiter.resolve(value)
    }
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
