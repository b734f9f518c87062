import { TokenBucket } from '../../lib/layers/tokenBucket.ts'

describe('TokenBucket', () => {
  it('is full at first, and fills at its rate up to the burst', () => {
    const bucket = new TokenBucket({ bytesPerSecond: 1000, burst: 500 })
    expect(bucket.available(0)).toBe(500)
    bucket.take(500, 0)
    expect(bucket.available(0)).toBe(0)
    expect(bucket.available(1)).toBe(1)
    expect(bucket.available(100.9)).toBe(100)
    expect(bucket.available(499)).toBe(499)
    expect(bucket.available(10_000)).toBe(500)
  })

  it('owes what was taken beyond its level', () => {
    const bucket = new TokenBucket({ bytesPerSecond: 1000, burst: 100 })
    bucket.take(300, 0)
    expect(bucket.available(0)).toBe(-200)
    expect(bucket.waitMs(1, 0)).toBe(201)
    expect(bucket.available(201)).toBe(1)
  })

  it('says how long to wait, for a burst at most', () => {
    const bucket = new TokenBucket({ bytesPerSecond: 1000, burst: 100 })
    expect(bucket.waitMs(100, 0)).toBe(0)
    bucket.take(100, 0)
    expect(bucket.waitMs(50, 0)).toBe(50)
    expect(bucket.waitMs(50, 20)).toBe(30)
    expect(bucket.waitMs(5000, 20)).toBe(80)
    expect(bucket.available(100)).toBe(100)
    expect(bucket.waitMs(5000, 100)).toBe(0)
  })

  it('gives its rate in the long run, however it is asked', () => {
    const bucket = new TokenBucket({ bytesPerSecond: 123_457, burst: 1000 })
    let taken = 0
    for (let now = 0; now <= 10_000; now += 0.7) {
      const n = bucket.available(now)
      bucket.take(n, now)
      taken += n
    }
    expect(taken).toBeGreaterThan(1_234_560)
    expect(taken).toBeLessThanOrEqual(1_235_570)
  })

  it('does not go backwards with a clock that does', () => {
    const bucket = new TokenBucket({ bytesPerSecond: 1000, burst: 100 })
    bucket.take(100, 50)
    expect(bucket.available(10)).toBe(0)
    expect(bucket.available(60)).toBe(10)
  })

  it('has a tenth of a second’s worth for its burst by default, at least a byte', () => {
    expect(new TokenBucket({ bytesPerSecond: 5000 }).burst).toBe(500)
    expect(new TokenBucket({ bytesPerSecond: 2 }).burst).toBe(1)
  })

  it.each([{ bytesPerSecond: 0 }, { bytesPerSecond: NaN }, { bytesPerSecond: 10, burst: 0.5 }])(
    'refuses %j',
    (options) => {
      expect(() => new TokenBucket(options)).toThrow(RangeError)
    },
  )
})
