/** A program of `scopeProgram.ts`, run by nurseries and scopes themselves. */
import type { Clock } from '../../lib/clock.ts'
import { InvalidStateError } from '../../lib/errors.ts'
import { nextTurn, UNCANCELLED } from '../../lib/wait.ts'
import { CancelScope } from '../../lib/structured/cancelScope.ts'
import { checkpointIfCancelled, type CheckpointOptions } from '../../lib/structured/checkpoint.ts'
import { currentScope, currentTime } from '../../lib/structured/current.ts'
import { Cancelled } from '../../lib/structured/errors.ts'
import { ExceptionGroup } from '../../lib/structured/exceptionGroup.ts'
import { openNursery, type Nursery } from '../../lib/structured/nursery.ts'
import { sleep } from '../../lib/structured/sleep.ts'
import type { TaskHandle, TaskStatus } from '../../lib/structured/taskHandle.ts'
import { numbersOf, pauseOf, type Action, type Op, type Program, type Run } from './scopeProgram.ts'

/** Time that goes from one timer to the next, with a turn of the event loop behind each. */
export class Steps implements Clock {
  time = 0
  readonly #timers = new Map<object, { readonly due: number; readonly callback: () => void }>()

  now(): number {
    return this.time
  }

  setTimeout(callback: () => void, ms: number): object {
    const timer = {}
    this.#timers.set(timer, { due: this.time + ms, callback })
    return timer
  }

  clearTimeout(timer: object | number | undefined): void {
    this.#timers.delete(timer as object)
  }

  get pending(): number {
    return this.#timers.size
  }

  /** Runs the next timer; `false` if there is none. */
  async step(): Promise<boolean> {
    const [first] = [...this.#timers].sort(([, a], [, b]) => a.due - b.due)
    if (first === undefined) return false
    this.#timers.delete(first[0])
    this.time = first[1].due
    first[1].callback()
    await nextTurn()
    return true
  }
}

function told(error: unknown): string {
  if (error instanceof Cancelled) return 'Cancelled'
  if (error instanceof ExceptionGroup) return `[${error.errors.map(told).sort().join(', ')}]`
  return error instanceof InvalidStateError ? 'InvalidStateError' : (error as Error).message
}

/** A program, run by what is tested. */
export class Driver {
  readonly run: Run = { log: [], outcome: 'runs', scopes: [], tasks: [] }
  readonly scopes: CancelScope[] = []
  readonly #closed = new Set<CancelScope>()
  readonly #program: Program
  readonly #numbers: Map<Op, number>
  readonly #nurseries: Nursery[] = []
  readonly #handles: TaskHandle[] = []
  readonly #clock: Steps

  constructor(program: Program, clock: Steps) {
    this.#program = program
    this.#numbers = numbersOf(program)
    this.#clock = clock
    for (const { at, action } of program.events) clock.setTimeout(() => this.#act(action), at)
    void this.#exec(program.body, undefined)
      .then(
        () => 'done',
        (error: unknown) => told(error),
      )
      .then((outcome) => (this.run.outcome = outcome))
  }

  isClosed(scope: CancelScope): boolean {
    return this.#closed.has(scope)
  }

  #log(op: Op, what: string): void {
    this.run.log.push(`${this.#clock.time}: ${op.op} ${this.#numbers.get(op)} ${what}`)
  }

  #act(action: Action): void {
    if (action.op === 'cancelTask') return this.#handles[action.task % this.#handles.length]?.cancel('by hand')
    const scope = this.scopes[action.scope % this.scopes.length]
    if (scope === undefined) return
    if (action.op === 'cancel') scope.cancel('by hand')
    else if (action.op === 'shield') scope.shield = action.up
    else scope.deadline = currentTime() + action.ms
  }

  /** How a wait here is told its scope. */
  #in(scope: CancelScope | undefined): CheckpointOptions {
    if (this.#program.ambient) return {}
    return scope === undefined ? {} : { scope }
  }

  /** How a block here is told where it is. */
  #options(op: { readonly shield: boolean; readonly limit: number | undefined }, scope: CancelScope | undefined) {
    const deadline = op.limit === undefined ? Infinity : currentTime() + op.limit
    const place = this.#program.ambient ? {} : { parent: scope, ambient: false }
    return { shield: op.shield, deadline, ...place }
  }

  #pause(ms: number): Promise<void> {
    return sleep(ms, { scope: UNCANCELLED })
  }

  async #exec(ops: readonly Op[], scope: CancelScope | undefined): Promise<void> {
    // oxlint-disable-next-line no-await-in-loop -- one step after the other
    for (const op of ops) await this.#step(op, scope)
  }

  async #step(op: Op, scope: CancelScope | undefined): Promise<void> {
    if (currentScope() !== (this.#program.ambient ? scope : undefined)) throw new Error('another scope is ambient')
    if (op.op === 'sleep') {
      try {
        await sleep(op.ms, this.#in(scope))
      } catch (error) {
        this.#log(op, 'was cancelled')
        throw error
      }
      this.#log(op, 'is over')
    } else if (op.op === 'check') {
      await checkpointIfCancelled(this.#in(scope))
    } else if (op.op === 'raise') {
      throw new Error(`error ${this.#numbers.get(op)}`)
    } else if (op.op === 'scope') {
      await this.#scoped(op, new CancelScope(this.#options(op, scope)))
    } else if (op.op === 'nursery') {
      await this.#nursery(op, scope)
    } else if (op.op === 'spawn') {
      const nursery = this.#nurseries[op.nursery % this.#nurseries.length]
      if (nursery?.closed === false) this.#spawn(op, nursery)
    } else if (op.op === 'start') {
      const nursery = this.#nurseries[op.nursery % this.#nurseries.length]
      if (nursery?.closed !== false) return
      await this.#start(op, nursery)
    } else if (op.op === 'try') {
      await this.#try(op, scope)
    } else {
      this.#act(op)
      await this.#pause(pauseOf(this.#numbers.get(op)!))
    }
  }

  async #scoped(op: Op & { op: 'scope' }, scope: CancelScope): Promise<void> {
    const index = this.scopes.push(scope) - 1
    let value: string | undefined
    try {
      value = await scope.run(async (given) => {
        if (given !== scope) throw new Error('another scope was given')
        await this.#exec(op.ops, scope)
        return `value ${this.#numbers.get(op)}`
      })
    } finally {
      this.#over(scope, index)
    }
    this.#log(op, `gave ${value}`)
    await this.#pause(op.pause)
  }

  async #nursery(op: Op & { op: 'nursery' }, around: CancelScope | undefined): Promise<void> {
    let scope!: CancelScope
    let index!: number
    const body = async (nursery: Nursery): Promise<string> => {
      scope = nursery.cancelScope
      index = this.scopes.push(scope) - 1
      this.#nurseries.push(nursery)
      await this.#exec(op.ops, scope)
      return `value ${this.#numbers.get(op)}`
    }
    let value: string | undefined
    try {
      value = await openNursery(body, { ...this.#options(op, around), strictExceptionGroups: op.strict })
    } finally {
      this.#over(scope, index)
      const { childTasks } = this.#nurseries.find(({ cancelScope }) => cancelScope === scope)!
      if (childTasks.size > 0) this.#log(op, 'has left children')
    }
    this.#log(op, `gave ${value}`)
    await this.#pause(op.pause)
  }

  #over(scope: CancelScope, index: number): void {
    this.#closed.add(scope)
    this.run.scopes[index] = `${scope.cancelCalled ? 'cancelled' : ''} ${scope.cancelledCaught ? 'caught' : ''}`
  }

  #spawn(op: Op & { op: 'spawn' }, nursery: Nursery): void {
    const index = this.run.tasks.push('runs') - 1
    const handle = nursery.startSoon(async () => {
      await this.#pause(op.pause)
      // Where nothing is ambient, a child does not know its own.
      await this.#exec(op.ops, this.#program.ambient ? currentScope() : nursery.cancelScope)
    })
    this.#handles.push(handle)
    void handle.outcome({ scope: UNCANCELLED as CancelScope }).then((outcome) => {
      this.run.tasks[index] = outcome.ok ? 'done' : told(outcome.error)
    })
  }

  async #start(op: Op & { op: 'start' }, nursery: Nursery): Promise<void> {
    const child = async ({ taskStatus }: { taskStatus: TaskStatus }): Promise<void> => {
      await this.#pause(op.pauses[0])
      await this.#exec(op.before, taskStatus.scope)
      if (op.after === undefined) return
      taskStatus.started()
      await this.#pause(op.pauses[2])
      await this.#exec(op.after, taskStatus.scope)
    }
    try {
      await nursery.start(child)
      this.#log(op, 'has started')
    } finally {
      await this.#pause(op.pauses[1])
    }
  }

  async #try(op: Op & { op: 'try' }, scope: CancelScope | undefined): Promise<void> {
    try {
      await this.#exec(op.ops, scope)
    } catch (error) {
      this.#log(op, `caught ${told(error)}`)
      await this.#pause(op.pause)
      if (op.then === 'swallow') return
      if (op.then === 'replace') throw new Error(`error ${this.#numbers.get(op)}`)
      if (op.then === 'clean up') {
        const shield = new CancelScope(this.#options({ shield: true, limit: undefined }, scope))
        const index = this.scopes.push(shield) - 1
        try {
          await shield.run(async () => {
            await sleep(op.ms, this.#in(shield))
            this.#log(op, 'has cleaned up')
          })
        } finally {
          this.#over(shield, index)
        }
        await this.#pause(op.pause)
      }
      throw error
    }
  }
}
