/** Chains of calls across the border, and cancels from all sides at all times: run as a program, as users run theirs. */
import { runModule } from '../support/builtPackage.ts'

const program = (seed: number, rounds: number): string => `
  import { aioAsTrio } from './dist/esm/structured/aioAsTrio.js'
  import { CancelScope } from './dist/esm/structured/cancelScope.js'
  import { openLoop } from './dist/esm/structured/openLoop.js'
  import { openNursery } from './dist/esm/structured/nursery.js'
  import { runAioFuture } from './dist/esm/structured/runAio.js'
  import { runTrio } from './dist/esm/structured/runTrio.js'
  import { sleep, sleepForever } from './dist/esm/structured/sleep.js'
  import { trioAsAio } from './dist/esm/structured/trioAsAio.js'

  process.on('unhandledRejection', (error) => { console.log('unhandled', error); process.exitCode = 1 })
  process.on('rejectionHandled', () => { console.log('handled late'); process.exitCode = 1 })
  process.on('warning', (warning) => { console.log('warning', warning); process.exitCode = 1 })

  let state = ${seed}
  const random = (n) => {
    state = (state * 1103515245 + 12345) & 0x7fffffff
    return (state >> 8) % n
  }
  const turn = () => new Promise((resolve) => setImmediate(resolve))

  // What is at the end of a chain.
  const leaves = [
    async () => 'value',
    async () => { throw new Error('at once') },
    async () => { await turn(); throw new Error('later') },
    async () => sleepForever(),
    async () => { try { await sleepForever() } finally { await turn() } },
    async () => { try { await sleepForever() } catch { throw new Error('while unwinding') } },
    async () => { await sleepForever().catch(() => {}); return 'in spite' },
    async () => sleep(1),
    async (loop) => [loop.createFuture()],
    async (loop) => { const future = loop.createFuture(); loop.callSoon(() => future.cancel('others')); return [future] },
    async () => new Promise((_, reject) => setTimeout(() => reject(new Error('deaf')), 3)),
    async () => openNursery(async (nursery) => {
      nursery.startSoon(sleepForever)
      nursery.startSoon(async () => { await turn(); throw new Error('in a nursery') })
      await sleepForever()
    }),
  ]

  // Steps of a chain; each is of one flavour, and calls the next one in the other or the same.
  const inTrio = (loop, fn) => [
    () => aioAsTrio(fn)(),
    () => aioAsTrio(loop.aioTask(fn)),
    () => aioAsTrio(fn()),
    () => runAioFuture(loop.aioTask(fn)),
    () => { const call = aioAsTrio(fn)(); return turn().then(() => call) },
    () => { void aioAsTrio(fn)(); return Promise.resolve('dropped') },
  ][random(6)]
  const inAio = (loop, fn) => [
    () => trioAsAio(fn)(),
    () => runTrio(fn),
    () => loop.createTask(fn),
    () => { const future = trioAsAio(fn)(); setImmediate(() => future.cancel()); return future },
    () => { const future = runTrio(fn); future.cancel(); return future },
    () => { runTrio(fn); return Promise.resolve('dropped') },
  ][random(6)]

  const chain = (loop, depth, trio) => {
    if (depth === 0) {
      const leaf = leaves[random(leaves.length)]
      // In trio's flavour the plain await of a future would be for ever.
      return async () => { const end = await leaf(loop); return trio && Array.isArray(end) ? runAioFuture(end[0]) : Array.isArray(end) ? end[0] : end }
    }
    const next = (trio ? inTrio : inAio)(loop, chain(loop, depth - 1, !trio))
    return random(3) === 0 ? async () => next() : async () => { await turn(); return next() }
  }

  let ends = 0
  for (let round = 0; round < ${rounds}; round++) {
    const scope = new CancelScope()
    const cancels = [
      () => {},
      () => scope.cancel(),
      (loop) => loop.stop(),
      (loop) => loop.callSoon(() => scope.cancel()),
      () => setImmediate(() => scope.cancel()),
      () => setTimeout(() => scope.cancel(), 1),
      (loop) => { loop.callLater(1, () => loop.stop()) },
    ]
    await scope.run(() => openLoop(async (loop) => {
      const limit = setTimeout(() => scope.cancel('the limit of a round'), 20)
      try {
        const calls = Array.from({ length: 1 + random(3) }, () => chain(loop, 1 + random(4), true)())
        cancels[random(cancels.length)](loop)
        if (random(3) > 0) await Promise.allSettled(calls)
        else await Promise.all(calls)
      } finally {
        clearTimeout(limit)
      }
    })).then(() => ends++, () => ends++)
  }
  console.log(ends)
`

describe('the bridge, in any order of failures and cancels', () => {
  it.each([1, 2, 3])('ends, and leaves no rejection unhandled (seed %i)', (seed) => {
    const { code, stdout, stderr } = runModule(program(seed, 250))
    expect([stdout, stderr, code]).toEqual(['250\n', '', 0])
  })
})
