import { Backoff } from '../../lib/endpoints/backoff.ts'

const take = (backoff: Backoff, n: number): (number | undefined)[] => Array.from({ length: n }, () => backoff.next())

describe('Backoff', () => {
  it('grows by the factor up to the most, and begins anew after a reset', () => {
    const backoff = new Backoff({ initialDelayMs: 100, factor: 2, maxDelayMs: 500, jitter: 0 })
    expect(take(backoff, 5)).toEqual([100, 200, 400, 500, 500])
    expect(backoff.retries).toBe(5)
    backoff.reset()
    expect(backoff.retries).toBe(0)
    expect(take(backoff, 2)).toEqual([100, 200])
  })

  it('has defaults: a second, e, a minute, a quarter', () => {
    const delays = take(new Backoff({ random: () => 0.5 }), 7)
    expect(delays.map((each) => Math.round(each!))).toEqual([1000, 2718, 7389, 20_086, 54_598, 60_000, 60_000])
    const [least, most] = [0, 0.999_999].map((each) => new Backoff({ random: () => each }).next()!)
    expect(least).toBe(750)
    expect(most).toBeCloseTo(1250, 0)
  })

  it('spreads each wait by its jitter', () => {
    const random = [0, 0.25, 0.5, 0.75]
    const backoff = new Backoff({ initialDelayMs: 100, factor: 1, jitter: 1, random: () => random.shift()! })
    expect(take(backoff, 4)).toEqual([0, 50, 100, 150])
  })

  it('ends after maxRetries', () => {
    const backoff = new Backoff({ initialDelayMs: 1, factor: 1, jitter: 0, maxRetries: 2 })
    expect(take(backoff, 4)).toEqual([1, 1, undefined, undefined])
    backoff.reset()
    expect(backoff.next()).toBe(1)
    expect(new Backoff({ maxRetries: 0 }).next()).toBeUndefined()
  })

  it('stays finite however often it is asked', () => {
    const backoff = new Backoff({ jitter: 0 })
    expect(take(backoff, 2000).at(-1)).toBe(60_000)
    expect(take(new Backoff({ initialDelayMs: 0 }), 2000).at(-1)).toBe(0)
  })

  it.each([
    { initialDelayMs: -1 },
    { initialDelayMs: NaN },
    { factor: 0.5 },
    { maxDelayMs: 999 },
    { jitter: 1.1 },
    { jitter: -0.1 },
    { maxRetries: -1 },
  ])('refuses %j', (options) => {
    expect(() => new Backoff(options)).toThrow(RangeError)
  })
})
