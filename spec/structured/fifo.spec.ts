import fc from 'fast-check'
import { Fifo } from '../../lib/structured/fifo.ts'

describe('Fifo', () => {
  it('gives back all that is put in, in order, however long it gets meanwhile', () => {
    const moves = fc.array(fc.oneof(fc.integer({ min: -3000, max: 3000 }), fc.integer({ min: -3, max: 3 })))
    fc.assert(
      fc.property(moves, (steps) => {
        const fifo = new Fifo<number>()
        let [put, got] = [0, 0]
        for (const step of steps) {
          for (let i = 0; i < step; i++) fifo.push(put++)
          for (let i = step; i < 0 && fifo.size > 0; i++) expect(fifo.shift()).toBe(got++)
          expect(fifo.size).toBe(put - got)
        }
        while (fifo.size > 0) expect(fifo.shift()).toBe(got++)
        expect(got).toBe(put)
      }),
      { numRuns: 20 },
    )
  })

  it('is empty when cleared', () => {
    const fifo = new Fifo<string>()
    for (const item of ['a', 'b', 'c']) fifo.push(item)
    expect(fifo.shift()).toBe('a')
    fifo.clear()
    expect(fifo.size).toBe(0)
    fifo.push('d')
    expect([fifo.size, fifo.shift(), fifo.size]).toEqual([1, 'd', 0])
  })
})
