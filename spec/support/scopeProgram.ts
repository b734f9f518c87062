/** Programs of nurseries and scopes, for a property test: what they are, and what is recorded of a run. */
import fc from 'fast-check'

/** Which of those that there are by then: the number counts around. */
type Ref = number

interface Blocks {
  readonly ops: readonly Op[]
  readonly shield: boolean
  /** How long after its beginning its deadline is. */
  readonly limit: number | undefined
}

/**
 * One step. Every step that may run at the same time as others begins with, or is followed by, a pause that nothing
 * cancels; all times are different, so that one thing happens at a time.
 */
export type Op =
  | { readonly op: 'sleep'; readonly ms: number }
  | { readonly op: 'check' }
  | ({ readonly op: 'scope'; readonly pause: number } & Blocks)
  | ({ readonly op: 'nursery'; readonly pause: number; readonly strict: boolean | undefined } & Blocks)
  | { readonly op: 'spawn'; readonly nursery: Ref; readonly pause: number; readonly ops: readonly Op[] }
  | {
      readonly op: 'start'
      readonly nursery: Ref
      readonly pauses: readonly [number, number, number]
      readonly before: readonly Op[]
      readonly after: readonly Op[] | undefined
    }
  | { readonly op: 'raise' }
  | {
      readonly op: 'try'
      readonly ops: readonly Op[]
      readonly pause: number
      readonly then: 'throw on' | 'swallow' | 'replace' | 'clean up'
      readonly ms: number
    }
  | Action

export type Action =
  | { readonly op: 'cancel'; readonly scope: Ref }
  | { readonly op: 'shield'; readonly scope: Ref; readonly up: boolean }
  | { readonly op: 'deadline'; readonly scope: Ref; readonly ms: number }
  | { readonly op: 'cancelTask'; readonly task: Ref }

export interface Program {
  readonly ambient: boolean
  readonly body: readonly Op[]
  /** From outside of all tasks. */
  readonly events: readonly { readonly at: number; readonly action: Action }[]
}

/** What a run comes to. Numbers are those of {@link numbersOf}. */
export interface Run {
  /** In the order in which it happened: times, and what. */
  readonly log: string[]
  /** What it resolved with, or the tree of errors that it rejected with. */
  outcome: string
  /** Of each scope, as it was when its block ended. */
  readonly scopes: string[]
  readonly tasks: string[]
}

const ms = fc.integer({ min: 1, max: 1 << 24 })
const ref = fc.nat({ max: 30 })
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant('cancel' as const), scope: ref }) },
  fc.record({ op: fc.constant('shield' as const), scope: ref, up: fc.boolean() }),
  fc.record({ op: fc.constant('deadline' as const), scope: ref, ms: fc.integer({ min: -1000, max: 1 << 24 }) }),
  fc.record({ op: fc.constant('cancelTask' as const), task: ref }),
)
const { op, ops } = fc.letrec<{ ops: Op[]; op: Op }>((tie) => {
  const block = {
    ops: tie('ops'),
    shield: fc.boolean(),
    limit: fc.option(ms, { nil: undefined, freq: 2 }),
    pause: ms,
  }
  return {
    ops: fc.array(tie('op'), { maxLength: 5, size: 'max' }),
    op: fc.oneof(
      { maxDepth: 5, depthSize: 'large', withCrossShrink: true },
      { weight: 5, arbitrary: fc.record({ op: fc.constant('sleep' as const), ms }) },
      { weight: 1, arbitrary: fc.record({ op: fc.constant('check' as const) }) },
      { weight: 1, arbitrary: fc.record({ op: fc.constant('raise' as const) }) },
      { weight: 3, arbitrary: action },
      { weight: 4, arbitrary: fc.record({ op: fc.constant('scope' as const), ...block }) },
      {
        weight: 5,
        arbitrary: fc.record({
          op: fc.constant('nursery' as const),
          strict: fc.constantFrom(undefined, undefined, true, false),
          ...block,
        }),
      },
      {
        weight: 6,
        arbitrary: fc.record({ op: fc.constant('spawn' as const), nursery: ref, pause: ms, ops: tie('ops') }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          op: fc.constant('start' as const),
          nursery: ref,
          pauses: fc.tuple(ms, ms, ms),
          before: tie('ops'),
          after: fc.option(tie('ops'), { nil: undefined, freq: 4 }),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          op: fc.constant('try' as const),
          ops: tie('ops'),
          pause: ms,
          then: fc.constantFrom('throw on', 'swallow', 'replace', 'clean up'),
          ms,
        }),
      },
    ),
  }
})

export const programs: fc.Arbitrary<Program> = fc.record({
  ambient: fc.boolean(),
  body: fc.oneof(
    { weight: 1, arbitrary: ops },
    {
      weight: 3,
      arbitrary: fc
        .record({
          op: fc.constant('nursery' as const),
          strict: fc.constantFrom(undefined, true, false),
          ops: fc.array(op, { minLength: 3, maxLength: 8, size: 'max' }),
          shield: fc.boolean(),
          limit: fc.option(ms, { nil: undefined, freq: 4 }),
          pause: ms,
        })
        .map((nursery): Op[] => [nursery]),
    },
  ),
  events: fc.array(fc.record({ at: fc.integer({ min: 1, max: 1 << 25 }), action }), { maxLength: 4 }),
})

/** A number for each step, in the order in which they are written. */
export function numbersOf(program: Program): Map<Op, number> {
  const numbers = new Map<Op, number>()
  const walk = (ops: readonly Op[]): void => {
    for (const op of ops) {
      numbers.set(op, numbers.size)
      if ('ops' in op) walk(op.ops)
      if (op.op === 'start') {
        walk(op.before)
        walk(op.after ?? [])
      }
    }
  }
  walk(program.body)
  return numbers
}

/** How long a task pauses behind an action, so that what that sets off is over before it goes on. */
export const pauseOf = (step: number): number => 1_000_003 + 17 * step
