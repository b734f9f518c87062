/**
 * What a program of nurseries and scopes should do, said as plainly as possible: tasks are generators, a scope is asked
 * by walking outwards, and nothing is kept that can be looked up.
 */
import { numbersOf, pauseOf, type Action, type Op, type Program, type Run } from './scopeProgram.ts'

class Scope {
  parent: Scope | undefined
  shield: boolean
  limit: number
  cancelled = false
  caught = false
  closed = false
  constructor(parent: Scope | undefined, shield = false, limit = Infinity) {
    this.parent = parent
    this.shield = shield
    this.limit = limit
  }
  get outer(): boolean {
    return !this.shield && this.parent !== undefined && this.parent.effective
  }
  get effective(): boolean {
    return this.cancelled || this.outer
  }
  get deadline(): number {
    if (this.effective) return -Infinity
    return Math.min(this.limit, this.shield ? Infinity : (this.parent?.deadline ?? Infinity))
  }
}

class Cancel {}
class Failure {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}
class Group {
  readonly errors: readonly unknown[]
  constructor(errors: readonly unknown[]) {
    this.errors = errors
  }
}

/** The errors in it that are no cancel; nothing if there are none. */
function rest(error: unknown): unknown {
  if (error instanceof Cancel) return undefined
  if (!(error instanceof Group)) return error
  const left = error.errors.map(rest).filter((each) => each !== undefined)
  return left.length === 0 ? undefined : new Group(left)
}
const hasCancel = (error: unknown): boolean =>
  error instanceof Group ? error.errors.some(hasCancel) : error instanceof Cancel

function told(error: unknown): string {
  if (error instanceof Cancel) return 'Cancelled'
  if (error instanceof Group) return `[${error.errors.map(told).sort().join(', ')}]`
  return (error as Failure).name
}

class Nursery {
  readonly scope: Scope
  readonly errors: unknown[] = []
  running = 1
  closed = false
  constructor(scope: Scope) {
    this.scope = scope
  }
  failed(error: unknown): void {
    if (!(error instanceof Cancel) || !this.errors.some((each) => each instanceof Cancel)) this.errors.push(error)
    this.scope.cancelled = true
  }
}

/** What a task waits for: a time, unless its scope is cancelled; or that something is so. */
type Wait =
  { readonly until: number; readonly scope?: Scope } | { readonly until?: undefined; readonly is: () => boolean }
type Steps<T = void> = Generator<Wait, T, void>

export class ScopeModel {
  readonly run: Run = { log: [], outcome: '', scopes: [], tasks: [] }
  readonly scopes: Scope[] = []
  readonly #program: Program
  readonly #numbers: Map<Op, number>
  readonly #nurseries: Nursery[] = []
  readonly #taskScopes: Scope[] = []
  readonly #tasks: { readonly steps: Steps; wait: Wait }[] = []
  #now = 0

  constructor(program: Program) {
    this.#program = program
    this.#numbers = numbersOf(program)
  }

  /** The times at which something happens; nothing if two things happen at once. `looked` is called behind each. */
  play(looked: (time: number) => void): boolean {
    this.#begin(this.#root())
    const events = [...this.#program.events]
    for (;;) {
      this.#settle()
      looked(this.#now)
      const open = this.scopes.filter((scope) => !scope.closed && !scope.cancelled && scope.limit < Infinity)
      const times = [
        ...this.#tasks.flatMap(({ wait }) => wait.until ?? []),
        ...open.map(({ limit }) => limit),
        ...events.map(({ at }) => at),
      ].sort((a, b) => a - b)
      const [next, second] = times
      if (next === undefined) return true
      if (next === second || next === this.#now) return false
      this.#now = next
      for (const scope of open) if (scope.limit === next) scope.cancelled = true
      for (const event of events.filter(({ at }) => at === next)) {
        events.splice(events.indexOf(event), 1)
        this.#act(event.action)
      }
    }
  }

  #begin(steps: Steps): void {
    const { value, done } = steps.next()
    if (done !== true) this.#tasks.push({ steps, wait: value })
  }

  #settle(): void {
    for (let i = 0; i < this.#tasks.length; i++) {
      const task = this.#tasks[i]!
      const { wait } = task
      const due = wait.until === undefined ? wait.is() : wait.until <= this.#now
      const cancelled = wait.until !== undefined && wait.scope?.effective === true
      if (!due && !cancelled) continue
      const result = cancelled ? task.steps.throw(new Cancel()) : task.steps.next()
      if (result.done === true) this.#tasks.splice(this.#tasks.indexOf(task), 1)
      else task.wait = result.value
      // From the first on: what one has done may concern any other.
      i = -1
    }
  }

  *#root(): Steps {
    try {
      yield* this.#exec(this.#program.body, undefined)
      this.run.outcome = 'done'
    } catch (error) {
      this.run.outcome = told(error)
    }
  }

  #log(op: Op, what: string): void {
    this.run.log.push(`${this.#now}: ${op.op} ${this.#numbers.get(op)} ${what}`)
  }

  #act(action: Action): void {
    if (action.op === 'cancelTask') {
      const scope = this.#taskScopes[action.task % this.#taskScopes.length]
      if (scope?.closed === false) scope.cancelled = true
      return
    }
    const scope = this.scopes[action.scope % this.scopes.length]
    if (scope === undefined || scope.closed) return
    if (action.op === 'cancel') scope.cancelled = true
    else if (action.op === 'shield') scope.shield = action.up
    else {
      scope.limit = this.#now + action.ms
      if (scope.limit <= this.#now) scope.cancelled = true
    }
  }

  *#sleep(ms: number, scope: Scope | undefined): Steps {
    if (scope?.effective === true) throw new Cancel()
    yield { until: this.#now + ms, ...(scope && { scope }) }
  }

  *#pause(ms: number): Steps {
    yield { until: this.#now + ms }
  }

  *#exec(ops: readonly Op[], scope: Scope | undefined): Steps {
    for (const op of ops) yield* this.#step(op, scope)
  }

  *#step(op: Op, scope: Scope | undefined): Steps {
    if (op.op === 'sleep') {
      try {
        yield* this.#sleep(op.ms, scope)
      } catch (error) {
        this.#log(op, 'was cancelled')
        throw error
      }
      this.#log(op, 'is over')
    } else if (op.op === 'check') {
      if (scope?.effective === true) throw new Cancel()
    } else if (op.op === 'raise') {
      throw new Failure(`error ${this.#numbers.get(op)}`)
    } else if (op.op === 'scope') {
      yield* this.#scoped(op, new Scope(scope, op.shield, this.#now + (op.limit ?? Infinity)))
    } else if (op.op === 'nursery') {
      yield* this.#nursery(op, new Scope(scope, op.shield, this.#now + (op.limit ?? Infinity)))
    } else if (op.op === 'spawn') {
      const nursery = this.#nurseries[op.nursery % this.#nurseries.length]
      if (nursery === undefined || nursery.closed) return
      nursery.running++
      const own = new Scope(nursery.scope)
      this.#taskScopes.push(own)
      this.#begin(this.#child(op, nursery, own))
    } else if (op.op === 'start') {
      const nursery = this.#nurseries[op.nursery % this.#nurseries.length]
      if (nursery === undefined || nursery.closed) return
      yield* this.#start(op, nursery, (this.#program.ambient ? scope : undefined) ?? nursery.scope)
    } else if (op.op === 'try') {
      yield* this.#try(op, scope)
    } else {
      this.#act(op)
      yield* this.#pause(pauseOf(this.#numbers.get(op)!))
    }
  }

  *#scoped(op: Op & { op: 'scope' }, scope: Scope): Steps {
    this.scopes.push(scope)
    const index = this.scopes.length - 1
    let value: string | undefined
    const thrown: unknown[] = []
    try {
      yield* this.#exec(op.ops, scope)
      value = `value ${this.#numbers.get(op)}`
    } catch (error) {
      thrown.push(...this.#absorb(scope, [error]))
    }
    this.#close(scope, index)
    if (thrown.length > 0) throw thrown[0]
    this.#log(op, `gave ${value}`)
    yield* this.#pause(op.pause)
  }

  *#nursery(op: Op & { op: 'nursery' }, scope: Scope): Steps {
    const nursery = new Nursery(scope)
    this.scopes.push(scope)
    const index = this.scopes.length - 1
    this.#nurseries.push(nursery)
    let value: string | undefined
    try {
      yield* this.#exec(op.ops, scope)
      value = `value ${this.#numbers.get(op)}`
    } catch (error) {
      nursery.failed(error)
    }
    nursery.running--
    yield { is: () => nursery.running === 0 }
    nursery.closed = true
    if (nursery.errors.length === 0 && scope.outer) nursery.failed(new Cancel())
    const left = this.#absorb(scope, nursery.errors)
    this.#close(scope, index)
    if (left.length === 1 && (left[0] instanceof Cancel || op.strict === false)) throw left[0]
    if (left.length > 0) throw new Group(left)
    this.#log(op, `gave ${value}`)
    yield* this.#pause(op.pause)
  }

  #absorb(scope: Scope, errors: readonly unknown[]): unknown[] {
    if (!scope.cancelled || scope.outer) return [...errors]
    if (errors.some(hasCancel)) scope.caught = true
    return errors.map(rest).filter((each) => each !== undefined)
  }

  #close(scope: Scope, index: number): void {
    scope.closed = true
    this.run.scopes[index] = `${scope.cancelled ? 'cancelled' : ''} ${scope.caught ? 'caught' : ''}`
  }

  *#child(op: Op & { op: 'spawn' }, nursery: Nursery, own: Scope): Steps {
    const index = this.run.tasks.push('runs') - 1
    let outcome = 'done'
    let failure: unknown[] = []
    try {
      yield* this.#pause(op.pause)
      yield* this.#exec(op.ops, this.#program.ambient ? own : nursery.scope)
    } catch (error) {
      outcome = told(error)
      failure = this.#absorb(own, [error])
    }
    own.closed = true
    this.run.tasks[index] = outcome
    if (failure.length > 0) nursery.failed(failure[0])
    nursery.running--
  }

  *#start(op: Op & { op: 'start' }, nursery: Nursery, caller: Scope): Steps {
    if (caller.effective) {
      yield* this.#pause(op.pauses[1])
      throw new Cancel()
    }
    nursery.running++
    const own = new Scope(caller)
    const state = { started: false, ended: false, failure: [] as unknown[] }
    this.#begin(this.#starting(op, nursery, own, state))
    yield { is: () => state.started || state.ended }
    if (!state.started) {
      yield* this.#pause(op.pauses[1])
      throw state.failure[0]
    }
    this.#log(op, 'has started')
    yield* this.#pause(op.pauses[1])
  }

  *#starting(
    op: Op & { op: 'start' },
    nursery: Nursery,
    own: Scope,
    state: { started: boolean; ended: boolean; failure: unknown[] },
  ): Steps {
    try {
      yield* this.#pause(op.pauses[0])
      yield* this.#exec(op.before, own)
      if (op.after !== undefined) {
        if (!own.outer) {
          state.started = true
          own.parent = nursery.scope
        }
        yield* this.#pause(op.pauses[2])
        yield* this.#exec(op.after, own)
      }
    } catch (error) {
      state.failure = this.#absorb(own, [error])
    }
    if (!state.started && state.failure.length === 0) {
      state.failure = [own.outer ? new Cancel() : new Failure('InvalidStateError')]
    }
    own.closed = true
    state.ended = true
    nursery.running--
    if (state.started && state.failure.length > 0) nursery.failed(state.failure[0])
  }

  *#try(op: Op & { op: 'try' }, scope: Scope | undefined): Steps {
    try {
      yield* this.#exec(op.ops, scope)
    } catch (error) {
      this.#log(op, `caught ${told(error)}`)
      yield* this.#pause(op.pause)
      if (op.then === 'swallow') return
      if (op.then === 'replace') throw new Failure(`error ${this.#numbers.get(op)}`)
      if (op.then === 'clean up') {
        const shield = new Scope(scope, true)
        this.scopes.push(shield)
        const index = this.scopes.length - 1
        const left: unknown[] = []
        try {
          yield* this.#sleep(op.ms, shield)
          this.#log(op, 'has cleaned up')
        } catch (own) {
          left.push(...this.#absorb(shield, [own]))
        }
        this.#close(shield, index)
        if (left.length > 0) throw left[0]
        yield* this.#pause(op.pause)
      }
      throw error
    }
  }
}
