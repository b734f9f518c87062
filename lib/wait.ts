/**
 * The one way to wait. Every promise that millrace leaves pending is a {@link Waiter}: it knows how to be cancelled
 * (signal, scope, timeout), forgets its listeners when it settles, and never causes an unhandled rejection.
 *
 * The slot for what is ambient belongs to the structured flavour: while it is empty a wait pays one null check.
 */
import { clock, type Timer } from './clock.ts'
import { TimeoutError } from './errors.ts'

/** What a wait that is cancelled rejects with. An AbortSignal that has aborted is one. */
export interface Cancellation {
  readonly reason: unknown
}

/** What a wait needs of a cancel scope. */
export interface WaitScope {
  /** While the scope is cancelled: no wait in it begins. */
  readonly cancellation: Cancellation | undefined
  /** Cancels `wait` as soon as the scope is, which is not now, unless the wait is forgotten before. */
  watch(wait: WaitLink): void
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

/** What belongs to whoever calls, without being passed on: see `millrace/structured`. */
export interface Ambience {
  /** The scope of the caller's waits. */
  scope(): WaitScope | undefined
  /** A function that, whenever it is called, runs `fn` as if the present caller did. */
  bind<A extends unknown[], T>(fn: (...args: A) => T): (...args: A) => T
  /** Runs `fn` without anything ambient. */
  exit<T>(fn: () => T): T
}

// One slot for the process, even if both builds of the package are loaded: a scope of one governs waits of the other.
const SLOT = Symbol.for('millrace.ambience')
const slot = ((globalThis as { [SLOT]?: { ambience: Ambience | null } })[SLOT] ??= Object.seal({ ambience: null }))

/** Fills the slot, or empties it. For the structured flavour, which does so with its first block and its last. */
export function setAmbience(ambience: Ambience | null): void {
  slot.ambience = ambience
}

/** The scope that a wait belongs to: its own, or the ambient one. */
export function scopeOf(options: Pick<WaitOptions, 'scope'> | undefined): WaitScope | undefined {
  return options?.scope ?? slot.ambience?.scope()
}

/** `fn`, to be called later and from elsewhere, but for whoever asks now. */
export function bound<A extends unknown[], T>(fn: (...args: A) => T): (...args: A) => T {
  if (slot.ambience !== null) return slot.ambience.bind(fn)
  return (...args) => (slot.ambience === null ? fn(...args) : slot.ambience.exit(() => fn(...args)))
}

/** Runs `fn`, which begins what is nobody's but its own and outlives whoever happens to call now. */
export function detached<T>(fn: () => T): T {
  return slot.ambience === null ? fn() : slot.ambience.exit(fn)
}

/** For one wait that is not given up half-way, whatever is ambient. */
export const UNCANCELLED: WaitScope = { cancellation: undefined, watch() {} }

/**
 * Whether a wait is cancelled before it begins; a wait must check it even when it could finish at once. Returns what it
 * rejects with, else `undefined`.
 */
export function abortedOnEntry(options: WaitOptions | undefined): Cancellation | undefined {
  if (options === undefined && slot.ambience === null) return undefined
  if (options?.signal?.aborted) return options.signal
  return scopeOf(options)?.cancellation
}

/** Whether anything can end the wait before its time. If not, a wait need not be able to name or forget itself. */
export function mayBeCancelled(options: object | undefined): boolean {
  return options !== undefined || slot.ambience !== null
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

/** One wait among those that a signal or a scope ends. */
export interface WaitLink {
  // Its place among them; theirs to change.
  chain: WaitChain | undefined
  previous: WaitLink | undefined
  next: WaitLink | undefined
  /** Called when the signal or the scope is; it is forgotten before. */
  cancel(reason: unknown): void
}

/** The wait is over; may be called again. */
export function forget(link: WaitLink | undefined): void {
  link?.chain?.delete(link)
}

/**
 * The waits that one signal or scope may end, in the order in which they began. Doubly linked, since a set that thousands
 * of waits come and go in is all garbage.
 */
export class WaitChain {
  #first: WaitLink | undefined
  #last: WaitLink | undefined

  add(link: WaitLink): void {
    link.chain = this
    const last = this.#last
    this.#last = link
    if (last === undefined) this.#first = link
    else {
      last.next = link
      link.previous = last
    }
  }

  delete(link: WaitLink): void {
    const { previous, next } = link
    // One that is kept by somebody would keep all that came behind it.
    link.chain = link.previous = link.next = undefined
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
  }

  get isEmpty(): boolean {
    return this.#first === undefined
  }

  /** Ends them all, also those that come meanwhile. */
  cancelAll(reason: unknown): void {
    this.takeAll((link) => link.cancel(reason))
  }

  /** Hands over those that there are, in order, and keeps none. */
  takeAll(take: (link: WaitLink) => void): void {
    for (let link = this.#first; link !== undefined; link = this.#first) {
      this.delete(link)
      take(link)
    }
  }
}

/**
 * One pending wait. Settling it a second time does nothing.
 *
 * It is a link itself, and no class above it says so: a derived constructor costs half as much as the promise.
 */
export class Waiter<T> implements WaitLink {
  readonly promise: Promise<T>
  chain: WaitChain | undefined
  previous: WaitLink | undefined
  next: WaitLink | undefined
  readonly #resolve: (value: T) => void
  readonly #reject: (error: unknown) => void
  #settled: boolean
  #forgotten: (() => void) | undefined
  #limits: Limits | undefined

  /**
   * `forgotten` is called when the wait is cancelled, before it rejects, so that its owner can drop it.
   * `operation` names the wait in a {@link TimeoutError}; it is only asked for when one is made. A wait that
   * {@link mayBeCancelled} denies needs neither.
   */
  constructor(options?: WaitOptions, operation?: () => string, forgotten?: () => void) {
    let settle: (value: T) => void
    let fail: (error: unknown) => void
    this.promise = new Promise((resolve, reject) => {
      settle = resolve
      fail = reject
    })
    this.#resolve = settle!
    this.#reject = fail!
    this.#settled = false
    this.#forgotten = undefined
    this.#limits = undefined
    this.chain = undefined
    this.previous = undefined
    this.next = undefined
    if (mayBeCancelled(options)) this.#arm(options, operation, forgotten)
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
    if (this.#limits?.timer !== undefined) clock.clearTimeout(this.#limits.timer)
  }

  /** Rejects for a reason from outside: calls `forgotten` before. */
  cancel(reason: unknown): void {
    if (this.#settled) return
    this.#forgotten?.()
    this.reject(reason)
  }

  #arm(options: WaitOptions | undefined, operation?: () => string, forgotten?: () => void): void {
    const scope = scopeOf(options)
    const signal = options?.signal
    const cancellation = signal?.aborted ? signal : scope?.cancellation
    if (cancellation !== undefined) return this.reject(cancellation.reason)
    this.#forgotten = forgotten
    const timeoutMs = options?.timeoutMs
    if (signal !== undefined || timeoutMs !== undefined) this.#limit(signal, timeoutMs, operation)
    scope?.watch(this)
  }

  #limit(signal: AbortSignal | undefined, timeoutMs: number | undefined, operation?: () => string): void {
    if (timeoutMs !== undefined && !(timeoutMs >= 0)) {
      throw new RangeError(`timeoutMs must be a number of milliseconds, not ${timeoutMs}`)
    }
    const limits: Limits = { signal: signal && watchSignal(signal, this), timer: undefined }
    this.#limits = limits
    if (timeoutMs === undefined) return
    const late = (): void => this.cancel(new TimeoutError(operation?.() ?? 'the operation', timeoutMs))
    limits.timer = clock.setTimeout(late, timeoutMs)
  }

  #disarm(): void {
    this.#settled = true
    this.chain?.delete(this)
    const limits = this.#limits
    if (limits === undefined) return
    forget(limits.signal)
    if (limits.timer !== undefined) clock.clearTimeout(limits.timer)
  }
}

/** What can end a wait early besides its scope; most waits have none. */
interface Limits {
  readonly signal: WaitLink | undefined
  timer: Timer | undefined
}

/** What a signal or a scope may end. */
export interface Cancellable {
  cancel(reason: unknown): void
}

/** A wait that is no {@link Waiter}. */
class TargetLink implements WaitLink {
  chain: WaitChain | undefined = undefined
  previous: WaitLink | undefined = undefined
  next: WaitLink | undefined = undefined
  readonly #target: Cancellable

  constructor(target: Cancellable) {
    this.#target = target
  }

  cancel(reason: unknown): void {
    this.#target.cancel(reason)
  }
}

/** Calls `target.cancel(reason)` when the signal, which has not aborted, does; for waits that are no {@link Waiter}. */
export function watchSignal(signal: AbortSignal, target: Cancellable): WaitLink {
  const link = new TargetLink(target)
  SignalWaits.of(signal).add(link)
  return link
}

/** The same for a scope, which is not cancelled. */
export function watchScope(scope: WaitScope, target: Cancellable): WaitLink {
  const link = new TargetLink(target)
  scope.watch(link)
  return link
}

/**
 * Those of a signal. It has one listener for all of them, and none without: a signal walks all the listeners it has for
 * each that comes, and thousands of connections may share one.
 */
class SignalWaits extends WaitChain {
  static readonly #all = new WeakMap<AbortSignal, SignalWaits>()
  readonly #signal: AbortSignal

  static of(signal: AbortSignal): SignalWaits {
    let waits = SignalWaits.#all.get(signal)
    if (waits === undefined) SignalWaits.#all.set(signal, (waits = new SignalWaits(signal)))
    return waits
  }

  private constructor(signal: AbortSignal) {
    super()
    this.#signal = signal
  }

  override add(link: WaitLink): void {
    if (this.isEmpty) this.#signal.addEventListener('abort', this)
    super.add(link)
  }

  override delete(link: WaitLink): void {
    super.delete(link)
    if (this.isEmpty) this.#signal.removeEventListener('abort', this)
  }

  /** The listener. */
  handleEvent(): void {
    this.cancelAll(this.#signal.reason)
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
