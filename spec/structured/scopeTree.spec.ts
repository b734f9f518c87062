import fc from 'fast-check'
import { setClock } from '../../lib/clock.ts'
import { nextTurn } from '../../lib/wait.ts'
import { effectiveDeadline, type CancelScope } from '../../lib/structured/cancelScope.ts'
import { checkpoint } from '../../lib/structured/checkpoint.ts'
import { buildIfMissing, runModule } from '../support/builtPackage.ts'
import { Driver, Steps } from '../support/scopeDriver.ts'
import { ScopeModel } from '../support/scopeModel.ts'
import { programs, type Program } from '../support/scopeProgram.ts'

afterEach(() => void setClock(null))

/** What is to be seen of a scope that is open. */
interface Looks {
  readonly closed: boolean
  readonly effective: boolean
  readonly cancelled: boolean
  readonly deadline: number
}
const shown = (time: number, scopes: readonly Looks[]): string =>
  scopes
    .flatMap(({ closed, effective, cancelled, deadline }, i) =>
      closed ? [] : `${time}: ${i} ${effective ? 'cancelled' : ''} ${cancelled ? 'itself' : ''} until ${deadline}`,
    )
    .join('\n')

/** Runs it both ways, and compares what is to be seen at each time. Returns whether it was comparable. */
async function compare(program: Program): Promise<boolean> {
  const model = new ScopeModel(program)
  const expected: string[] = []
  // What does two things at a time says nothing.
  if (!model.play((time) => expected.push(shown(time, model.scopes)))) return false
  const clock = new Steps()
  setClock(clock)
  const driver = new Driver(program, clock)
  const seen: string[] = []
  const signals = new Map<CancelScope, AbortSignal>()
  const aborted = new Set<CancelScope>()
  const look = (): void => {
    const looks = driver.scopes.map((scope) => ({
      closed: driver.isClosed(scope),
      effective: scope.cancellation !== undefined,
      cancelled: scope.cancelCalled,
      deadline: effectiveDeadline(scope),
    }))
    seen.push(shown(clock.time, looks))
    for (const [i, { closed, effective }] of looks.entries()) {
      const scope = driver.scopes[i]!
      if (!signals.has(scope) && !closed) signals.set(scope, scope.signal)
      if (!closed && effective) aborted.add(scope)
    }
    // Not the other way round: one may be cancelled, and given a shield, between two looks.
    expect([...aborted].filter((scope) => !signals.get(scope)!.aborted)).toEqual([])
  }
  await nextTurn()
  do look()
  while (await clock.step()) // oxlint-disable-line no-await-in-loop -- one after the other
  // What one event sets off in several tasks has no order.
  for (const { log } of [driver.run, model.run]) log.sort()
  expect(driver.run).toEqual(model.run)
  expect(seen).toEqual(expected)
  // Nothing is cancelled out here.
  await checkpoint()
  expect(clock.pending).toBe(0)
  return true
}

describe('a tree of nurseries and scopes', () => {
  const numRuns = Number(process.env['SCOPE_TREES'] ?? 400)

  it('does what the model says', async () => {
    let compared = 0
    const property = fc.asyncProperty(programs, async (program) => {
      if (await compare(program)) compared++
    })
    await fc.assert(property, { numRuns, ...JSON.parse(process.env['SCOPE_TREE'] ?? '{}') })
    expect(compared).toBeGreaterThan(numRuns * 0.9)
  }, 3_600_000)

  it('leaves no rejection unhandled, whoever looks at what', () => {
    buildIfMissing()
    const { code, stdout, stderr } = runModule(`
      import { CancelScope, moveOnAfter, openNursery, sleep } from 'millrace/structured'
      let unhandled = 0
      process.on('unhandledRejection', () => unhandled++)
      let seed = 7
      const random = (n) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n
      const scopes = []
      async function work(depth, nurseries) {
        for (let i = random(4); i >= 0; i--) {
          const what = random(9)
          if (what === 0) await sleep(random(3))
          else if (what === 1) throw new Error('mine')
          else if (what === 2) scopes[random(scopes.length)]?.cancel()
          // Waits, and blocks, that nobody looks at.
          else if (what === 3) void sleep(random(3))
          else if (what === 4 && depth > 0) void openNursery((n) => work(depth - 1, [...nurseries, n])).catch(() => {})
          else if (depth === 0) continue
          else if (what === 5) await moveOnAfter(random(3), (s) => (scopes.push(s), work(depth - 1, nurseries)))
          else if (what === 6) await openNursery((n) => (scopes.push(n.cancelScope), work(depth - 1, [...nurseries, n])))
          else {
            const nursery = nurseries[random(nurseries.length)]
            if (nursery === undefined || nursery.closed) continue
            if (what === 7) void nursery.startSoon(() => work(depth - 1, nurseries)).outcome()
            else void nursery.start(async ({ taskStatus }) => {
              await work(depth - 1, nurseries)
              taskStatus.started()
              await work(depth - 1, nurseries)
            })
          }
        }
      }
      let failed = 0
      for (let i = 0; i < 300; i++) {
        await openNursery((n) => (scopes.splice(0, 99, n.cancelScope), work(4, [n]))).catch(() => failed++)
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
      console.log(unhandled, failed > 50, failed < 250)
    `)
    expect([code, stdout, stderr]).toEqual([0, '0 true true\n', ''])
  })
})
