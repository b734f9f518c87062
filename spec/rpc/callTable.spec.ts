import fc from 'fast-check'
import { CallTable } from '../../lib/rpc/callTable.ts'

describe('CallTable', () => {
  it('keeps the calls of a connection, however old they get', () => {
    const table = new CallTable<{ id: number }>()
    const old = { id: 1 }
    table.add(old)
    for (let id = 3; id < 100_000; id += 2) {
      table.add({ id })
      expect(table.delete(id)).toBe(true)
    }
    expect(table.get(1)).toBe(old)
    expect(table.size).toBe(1)
    expect(table.values()).toEqual([old])
    expect(table.delete(1)).toBe(true)
    expect(table.delete(1)).toBe(false)
    expect(table.get(1)).toBeUndefined()
    expect(table.values()).toEqual([])
  })

  it('holds ids that a peer has chosen so that they meet', () => {
    const table = new CallTable<{ id: number }>()
    for (let i = 0; i < 200; i++) table.add({ id: i * 0x40000 + 1 })
    for (let i = 0; i < 200; i++) expect(table.get(i * 0x40000 + 1)?.id).toBe(i * 0x40000 + 1)
    expect(table.size).toBe(200)
  })

  it('is a map from ids to calls', () => {
    const ids = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 0x7fffffff }))
    const step = fc.tuple(fc.boolean(), ids.map((n) => n * 2 + 1)) // prettier-ignore
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const table = new CallTable<{ id: number }>()
        const model = new Map<number, { id: number }>()
        for (const [add, id] of steps) {
          if (add && !model.has(id)) {
            const call = { id }
            table.add(call)
            model.set(id, call)
          }
          const deleted = add ? [] : [table.delete(id), model.delete(id)]
          expect(deleted[0]).toBe(deleted[1])
          expect(table.get(id)).toBe(model.get(id))
          expect(table.size).toBe(model.size)
        }
        expect(table.values().sort((a, b) => a.id - b.id)).toEqual([...model.values()].sort((a, b) => a.id - b.id))
      }),
    )
  })
})
