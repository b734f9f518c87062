import { clock, LONGEST_TIMER_MS, setClock } from '../lib/clock.ts'
import { Program } from './support/program.ts'

describe('clock', () => {
  afterEach(() => void setClock(null))

  it('sets timers that run once, after their time, and that can be cleared', async () => {
    const began = clock.now()
    const order: string[] = []
    const cleared = clock.setTimeout(() => order.push('cleared'), 1)
    await new Promise<void>((resolve) => {
      clock.setTimeout(() => (order.push('second'), resolve()), 10)
      clock.setTimeout(() => order.push('first'), 1)
      clock.clearTimeout(cleared)
    })
    expect(order).toEqual(['first', 'second'])
    expect(clock.now() - began).toBeGreaterThan(8)
    clock.clearTimeout(cleared)
    clock.clearTimeout(undefined)
  })

  it('takes what is longer than a timer can be for never', () => {
    expect(clock.setTimeout(() => {}, LONGEST_TIMER_MS + 1)).toBeUndefined()
    expect(clock.setTimeout(() => {}, Infinity)).toBeUndefined()
    const longest = clock.setTimeout(() => {}, LONGEST_TIMER_MS)
    expect(longest).toBeDefined()
    clock.clearTimeout(longest)
  })

  it('keeps no process alive, unless it is told to', async () => {
    const run = (keepsAlive: string): Program =>
      new Program(process.execPath, [
        '--input-type=module',
        '-e',
        `import { clock } from '${process.cwd()}/dist/esm/clock.js'
         clock.setTimeout(() => console.log('ran'), 50${keepsAlive})`,
      ])
    const [loose, fast] = [run(''), run(', true')]
    expect([await loose.exit(), loose.stdout, await fast.exit(), fast.stdout]).toEqual([0, '', 0, 'ran\n'])
  })

  it('clears timers of the real clock also when another has been put in', async () => {
    let ran = false
    const before = clock.setTimeout(() => (ran = true), 1)
    setClock({ now: () => 42, setTimeout: () => ({}), clearTimeout: () => {} })
    expect(clock.now()).toBe(42)
    clock.clearTimeout(before)
    expect(setClock(null)).not.toBeNull()
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(ran).toBe(false)
  })
})
