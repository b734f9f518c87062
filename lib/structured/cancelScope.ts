/**
 * The tree of scopes. Each node knows by which cancel it is reached at present (`#source`) and until when it has time
 * (`#effectiveDeadline`), counting those around it that no shield hides. Both are brought down the tree when something changes, so
 * that a wait has one field to look at and one list to link itself into.
 */
import { clock, LONGEST_TIMER_MS, type Timer } from '../clock.ts'
import { sharedController } from '../endpoints/sharedController.ts'
import { InvalidStateError } from '../errors.ts'
import { forget, rejected, WaitChain, watchScope, type Cancellation, type WaitLink, type WaitScope } from '../wait.ts'
import { blockBegins, blockEnds, contextIn, currentContext, NO_CONTEXT, runIn, type Context } from './context.ts'
import { Cancelled, TooSlowError } from './errors.ts'
import type { Task } from './task.ts'
import { withoutCancelled } from './withoutCancelled.ts'

/** An error that goes on outwards; with the task that it cancels, if that is what it is. */
export interface Left {
  readonly error: unknown
  readonly task?: Task<unknown>
}

export interface CancelScopeOptions {
  /** On the clock of `currentTime()`, in milliseconds; none by default. */
  readonly deadline?: number | undefined
  /** Whether cancels from around the scope stay outside; false by default. */
  readonly shield?: boolean | undefined
  /** Inside of which scope this one is; by default the ambient one. */
  readonly parent?: CancelScope | undefined
  /**
   * Whether the scope is ambient in its block; by default as in its parent, and true without one. Otherwise
   * AsyncLocalStorage is not used, and each wait has to be given the scope.
   */
  readonly ambient?: boolean | undefined
}

// What other files of this room may do with a scope; the class fills them in.
/** Opens the scope's block; returns what is ambient in it, or nothing. */
export let openScope: (scope: CancelScope) => Context | undefined
export let closeScope: (scope: CancelScope) => void
/** The errors that go on outwards from the scope. */
export let absorb: (scope: CancelScope, errors: readonly unknown[]) => readonly Left[]
/** The cancel from further out that is visible in the scope. */
export let outerCancellation: (scope: CancelScope) => Cancellation | undefined
export let effectiveDeadline: (scope: CancelScope) => number
/** Hangs the scope, with all that is in it, elsewhere. */
export let moveScope: (scope: CancelScope, parent: CancelScope) => void
/** The scope of a task of its own, in that of its nursery. */
export let openChild: (parent: CancelScope) => CancelScope
export let closeChild: (scope: CancelScope) => void

/**
 * A block of code that can be cancelled as a whole, with a deadline of its own if need be. (trio: `CancelScope`.)
 *
 * Once it is cancelled, every wait inside raises {@link Cancelled}, again and again, until the block has ended: also
 * waits that could finish at once, and those of blocks and tasks within. The scope takes what it has caused: `run`
 * resolves then, with `undefined`. It takes nothing while a cancel from further out is visible, no other error, and no
 * `CancelledError`. A scope is for one block only.
 */
export class CancelScope implements WaitScope {
  #parent: CancelScope | undefined
  #firstChild: CancelScope | undefined = undefined
  #previous: CancelScope | undefined = undefined
  #next: CancelScope | undefined = undefined
  #waits: WaitChain | undefined = undefined
  #controller: AbortController | undefined = undefined
  /** What waits reject with, once this very scope was cancelled. */
  #cancelled: Cancelled | undefined = undefined
  #source: Cancelled | undefined = undefined
  #deadline = Infinity
  #effectiveDeadline = Infinity
  #shield = false
  #timer: Timer | undefined = undefined
  #state: 'new' | 'open' | 'closed' = 'new'
  #caught = false
  #ambient: boolean | undefined
  /** The task around it, if that is not itself in a scope: its cancel is one from outside. */
  #hostLink: WaitLink | undefined = undefined
  #hostReason: Required<Left> | undefined = undefined

  /** Throws a TypeError for options of another type, NaN included. */
  constructor(options?: CancelScopeOptions) {
    this.#parent = options?.parent
    this.#ambient = options?.ambient
    if (options?.deadline !== undefined) this.deadline = options.deadline
    if (options?.shield !== undefined) this.shield = options.shield
  }

  /** When it is cancelled by itself, on the clock of `currentTime()`; `Infinity` for never. May be moved at any time. */
  get deadline(): number {
    return this.#deadline
  }

  set deadline(deadline: number) {
    if (typeof deadline !== 'number' || Number.isNaN(deadline)) {
      throw new TypeError(`deadline must be a time in milliseconds, not ${String(deadline)}`)
    }
    this.#deadline = deadline
    this.#refresh()
    if (this.#state === 'open') this.#arm()
  }

  /** Whether cancels from around the scope stay outside. Taking it away delivers them at once. */
  get shield(): boolean {
    return this.#shield
  }

  set shield(shield: boolean) {
    if (typeof shield !== 'boolean') throw new TypeError(`shield must be true or false, not ${String(shield)}`)
    this.#shield = shield
    if (!shield && this.#hostReason !== undefined) this.cancel(this.#hostReason.error)
    this.#refresh()
  }

  /** Whether this very scope was cancelled, or its deadline has passed. */
  get cancelCalled(): boolean {
    this.#checkDeadline()
    return this.#cancelled !== undefined
  }

  /** Whether a cancellation has ended in this scope: its block has not come to its regular end. */
  get cancelledCaught(): boolean {
    return this.#caught
  }

  /** What `cancel` was called with; a {@link TooSlowError} after the deadline, `undefined` before. */
  get cancelReason(): unknown {
    return this.#cancelled?.cause
  }

  /**
   * Aborts as soon as waits in the scope are cancelled, for whatever reason; its own reason is the {@link Cancelled}. For
   * everything that knows signals but no scopes. Any number of listeners will do.
   */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = sharedController()
      const { cancellation } = this
      if (cancellation !== undefined) this.#controller.abort(cancellation.reason)
    }
    return this.#controller.signal
  }

  /** Cancels everything inside. The first call counts. It never throws, and waits for nothing. */
  cancel(reason?: unknown): void {
    if (this.#cancelled !== undefined) return
    this.#cancelled = new Cancelled(reason)
    this.#disarm()
    this.#refresh()
  }

  /**
   * Runs `fn` inside. Resolves with its value, or with `undefined` if its cancellation ended here: {@link cancelledCaught}
   * tells. Rejects with any other error of `fn`; with {@link InvalidStateError} if the scope was run before.
   */
  run<T>(fn: (scope: CancelScope) => Promise<T>): Promise<T | undefined> {
    if (typeof fn !== 'function') return rejected(new TypeError('run() takes an async function'))
    if (this.#state !== 'new') return rejected(new InvalidStateError('a CancelScope is for one block only'))
    return this.#run(fn)
  }

  async #run<T>(fn: (scope: CancelScope) => Promise<T>): Promise<T | undefined> {
    const context = this.#open()
    try {
      return await (context === undefined ? fn(this) : runIn(context, fn, this))
    } catch (error) {
      const [left] = this.#absorb([error])
      if (left !== undefined) throw left.error
      return undefined
    } finally {
      this.#close()
    }
  }

  // --- for waits

  /** While waits in this scope are cancelled. */
  get cancellation(): Cancellation | undefined {
    if (this.#source === undefined && this.#effectiveDeadline !== Infinity) this.#checkDeadline()
    if (this.#source !== undefined) return { reason: this.#source }
    // Who goes on in a block that has ended is in the one around it.
    return this.#state === 'closed' ? this.#parent?.cancellation : undefined
  }

  watch(wait: WaitLink): void {
    if (this.#state === 'closed' && this.#parent !== undefined) return this.#parent.watch(wait)
    this.#waits ??= new WaitChain()
    this.#waits.add(wait)
  }

  // --- inside

  /** Opens the block. Returns what is ambient in it, unless nothing is to be. */
  #open(): Context | undefined {
    const outer = currentContext()
    this.#parent ??= outer?.scope
    this.#ambient ??= (this.#parent === undefined ? true : this.#parent.#ambient) ?? true
    this.#state = 'open'
    if (this.#parent !== undefined) this.#link(this.#parent)
    else if (outer?.task !== undefined) this.#hostIn(outer.task)
    if (this.#deadline !== Infinity) this.#arm()
    if (!this.#ambient) return undefined
    blockBegins()
    return contextIn(outer ?? NO_CONTEXT, this)
  }

  #hostIn(task: Task<unknown>): void {
    const cancel = (error: unknown): void => {
      this.#hostReason = { error, task }
      if (!this.#shield) this.cancel(error)
    }
    const { cancellation } = task
    if (cancellation !== undefined) cancel(cancellation.reason)
    else this.#hostLink = watchScope(task, { cancel })
  }

  #close(): void {
    this.#state = 'closed'
    this.#disarm()
    forget(this.#hostLink)
    // Its block has not ended by it.
    if (this.#hostReason !== undefined && !this.#caught) this.#hostReason.task.undelivered(this.#hostReason.error)
    this.#unlink()
    this.#effectiveDeadline = Infinity
    if (this.#ambient) blockEnds()
    const parent = this.#parent
    // Blocks that nobody has waited for are in the one around from now on, unless they are cancelled anyway.
    if (parent !== undefined && this.#source === undefined) {
      for (let child = this.#firstChild; child !== undefined; child = this.#firstChild) moveScope(child, parent)
    }
    if (parent === undefined || this.#waits === undefined || this.#waits.isEmpty) return
    // Of what nobody has waited for.
    const cancellation = parent.cancellation
    if (cancellation !== undefined) this.#waits.cancelAll(cancellation.reason)
    else this.#waits.takeAll((wait) => parent.watch(wait))
  }

  /**
   * The errors that go on outwards. What this scope has caused ends here, in groups too, unless a cancel from further out
   * is visible.
   */
  #absorb(errors: readonly unknown[]): readonly Left[] {
    if (!this.cancelCalled || this.#outerCancellation() !== undefined) return errors.map((error) => ({ error }))
    const left = errors.flatMap((error) => withoutCancelled(error, () => (this.#caught = true)))
    // The cancel of the task goes on as what it is there.
    return left.length === 0 && this.#caught && this.#hostReason !== undefined ? [this.#hostReason] : left
  }

  #outerCancellation(): Cancellation | undefined {
    return this.#shield ? undefined : this.#parent?.cancellation
  }

  #checkDeadline(): void {
    const now = clock.now()
    if (now < this.#effectiveDeadline) return
    let scope: CancelScope | undefined = this // oxlint-disable-line typescript/no-this-alias -- where the walk begins
    for (; scope !== undefined; scope = scope.#shield ? undefined : scope.#parent) {
      if (scope.#deadline <= now && scope.#state !== 'closed') scope.#expire()
    }
  }

  #expire(): void {
    this.cancel(new TooSlowError())
  }

  #arm(): void {
    this.#disarm()
    if (this.#deadline === Infinity || this.#cancelled !== undefined) return
    const left = this.#deadline - clock.now()
    if (left <= 0) return this.#expire()
    // Timers know whole milliseconds, and no more than 2^31 of them. Until the block ends it is all there may be to do.
    this.#timer = clock.setTimeout(() => this.#arm(), Math.min(Math.ceil(left), LONGEST_TIMER_MS), true)
  }

  #disarm(): void {
    if (this.#timer === undefined) return
    clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Goes into the tree, or to another place in it. */
  #link(parent: CancelScope): void {
    let around: CancelScope = parent
    while (around.#state === 'closed' && around.#source === undefined && around.#parent !== undefined) {
      around = around.#parent
    }
    this.#parent = around
    this.#next = around.#firstChild
    if (this.#next !== undefined) this.#next.#previous = this
    around.#firstChild = this
    this.#refresh()
  }

  #unlink(): void {
    const [previous, next, parent] = [this.#previous, this.#next, this.#parent]
    if (next !== undefined) next.#previous = previous
    if (previous !== undefined) previous.#next = next
    else if (parent !== undefined && parent.#firstChild === this) parent.#firstChild = next
    this.#previous = this.#next = undefined
  }

  /** Brings down the tree what has changed here. Everything is in place before anybody is told. */
  #refresh(): void {
    // Behind its block nothing counts any more.
    if (this.#state === 'closed') return
    if (!this.#inherit() || this.#firstChild === undefined) return this.#tell()
    const reached: CancelScope[] = [this]
    // Those behind the first are found while it is walked.
    for (const scope of reached) {
      for (let child = scope.#firstChild; child !== undefined; child = child.#next) {
        if (child.#inherit()) reached.push(child)
      }
    }
    for (const scope of reached) scope.#tell()
  }

  /** Whether anything is different now for what is inside. */
  #inherit(): boolean {
    const outer = this.#shield ? undefined : this.#parent
    const source = (outer === undefined ? undefined : outer.#source) ?? this.#cancelled
    const limit = outer === undefined ? this.#deadline : Math.min(outer.#effectiveDeadline, this.#deadline)
    if (source === this.#source && limit === this.#effectiveDeadline) return false
    this.#source = source
    this.#effectiveDeadline = limit
    return true
  }

  #tell(): void {
    // A listener of another may have put up a shield meanwhile.
    if (this.#source === undefined) return
    this.#waits?.cancelAll(this.#source)
    this.#controller?.abort(this.#source)
  }

  static {
    openScope = (scope) => scope.#open()
    closeScope = (scope) => scope.#close()
    absorb = (scope, errors) => scope.#absorb(errors)
    outerCancellation = (scope) => scope.#outerCancellation()
    effectiveDeadline = (scope) => (scope.cancellation === undefined ? scope.#effectiveDeadline : -Infinity)
    moveScope = (scope, parent) => {
      scope.#unlink()
      scope.#link(parent)
    }
    openChild = (parent) => {
      const scope = new CancelScope()
      scope.#state = 'open'
      // The block of its nursery counts for it.
      scope.#ambient = parent.#ambient
      scope.#link(parent)
      return scope
    }
    closeChild = (scope) => {
      scope.#ambient = false
      scope.#close()
    }
  }
}
