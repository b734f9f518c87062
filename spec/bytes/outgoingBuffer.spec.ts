import fc from 'fast-check'
import { OutgoingBuffer } from '../../lib/bytes/outgoingBuffer.ts'
import { allocationsOf } from '../support/allocations.ts'

const text = (out: OutgoingBuffer): string => Buffer.concat(out.take()).toString('latin1')
const filled = (n: number, byte = 7): Buffer => Buffer.alloc(n, byte)
const KiB = 1024

/** A buffer whose content has gone over into parts: blocks that were closed, pieces by reference, an open block. */
function manyParts(): { out: OutgoingBuffer; expected: Buffer } {
  const out = new OutgoingBuffer()
  const pieces = [10, 20 * KiB, 5, 30, 16 * KiB, 70 * KiB, 9 * KiB, 9 * KiB, 3].map((n, i) => filled(n, i + 1))
  for (const piece of pieces) out.append(piece)
  return { out, expected: Buffer.concat(pieces) }
}

describe('OutgoingBuffer', () => {
  describe('takeCopy', () => {
    it('gives all in one piece, of just its size, and leaves the buffer empty', () => {
      const { out, expected } = manyParts()
      const copy = out.takeCopy()
      expect(Buffer.from(copy)).toEqual(expected)
      expect(copy.buffer.byteLength).toBe(expected.length)
      expect(out.length).toBe(0)
      expect(out.takeCopy()).toHaveLength(0)
    })

    it('shares no memory with what is appended later, though the block is used again', () => {
      const copies = [1, 2, 3].map((byte) => {
        const out = new OutgoingBuffer()
        out.append(filled(100, byte))
        return out.takeCopy()
      })
      expect(copies.map((copy) => new Set(copy))).toEqual([new Set([1]), new Set([2]), new Set([3])])
    })
  })

  describe('append', () => {
    it('puts pieces one behind the other', () => {
      const out = new OutgoingBuffer()
      for (const piece of ['ab', '', 'c', 'def'.repeat(20)]) out.append(Buffer.from(piece))
      expect(out.length).toBe(63)
      expect(text(out)).toBe(`abc${'def'.repeat(20)}`)
    })

    it('copies a small piece, which may be changed afterwards', () => {
      for (const n of [1, 40, 41, 16 * KiB - 1]) {
        const out = new OutgoingBuffer()
        const piece = filled(n)
        out.append(piece)
        piece.fill(0)
        expect(Buffer.concat(out.take()).equals(filled(n))).toBe(true)
      }
    })

    it('keeps a piece of 16 KiB and more by reference, in its place', () => {
      const out = new OutgoingBuffer()
      const large = filled(16 * KiB)
      out.append(Buffer.from('before'))
      out.append(large)
      out.append(Buffer.from('after'))
      const parts = out.take()
      expect(parts.map((part) => part.length)).toEqual([6, 16 * KiB, 5])
      expect(parts[1]).toBe(large)
      expect(Buffer.from(parts[2]!).toString()).toBe('after')
    })

    it('holds any number of small messages in one part, up to a block of 72 KiB', () => {
      const out = new OutgoingBuffer()
      for (let i = 0; i < 700; i++) out.append(filled(100, i))
      expect(out.take()).toHaveLength(1)
    })

    it('does not lose a byte where blocks end', () => {
      for (const n of [4 * KiB - 1, 4 * KiB, 4 * KiB + 1, 72 * KiB - 1, 72 * KiB, 72 * KiB + 1, 150 * KiB]) {
        for (const size of [1000, 16 * KiB - 1]) {
          const out = new OutgoingBuffer()
          const whole = Buffer.from(Array.from({ length: n }, (_, i) => i % 251))
          for (let at = 0; at < n; at += size) out.append(whole.subarray(at, Math.min(n, at + size)))
          expect(out.length).toBe(n)
          expect(Buffer.concat(out.take()).equals(whole)).toBe(true)
        }
      }
    })
  })

  describe('reserve', () => {
    it('gives a place in bytes, to be filled in', () => {
      const out = new OutgoingBuffer()
      out.append(Buffer.from('ab'))
      const place = out.reserve(3)
      out.bytes.set(Buffer.from('cde'), place)
      out.append(Buffer.from('f'))
      expect(text(out)).toBe('abcdef')
    })

    it('moves what was there, if the block has to grow', () => {
      const out = new OutgoingBuffer()
      out.append(filled(4000, 1))
      const place = out.reserve(1000)
      out.bytes.fill(2, place, place + 1000)
      expect(Buffer.concat(out.take()).equals(Buffer.concat([filled(4000, 1), filled(1000, 2)]))).toBe(true)
    })

    it('of more than any block has memory of its own', () => {
      const out = new OutgoingBuffer()
      out.append(Buffer.from('x'))
      const place = out.reserve(200 * KiB)
      out.bytes.fill(2, place, place + 200 * KiB)
      expect(out.length).toBe(200 * KiB + 1)
      expect(Buffer.concat(out.take()).equals(Buffer.concat([Buffer.from('x'), filled(200 * KiB, 2)]))).toBe(true)
    })

    it('of nothing changes nothing', () => {
      const out = new OutgoingBuffer()
      out.reserve(0)
      expect(out.length).toBe(0)
      expect(out.take()).toEqual([])
    })
  })

  describe('uint', () => {
    it.each([
      [1, 0xff],
      [2, 0xfffe],
      [3, 0x010203],
      [4, 0],
      [4, 0x7fffffff],
      [4, 0x80000000],
      [4, 0xffffffff],
      [5, 0x0102030405],
      [6, 0x010203040506],
      [7, 2 ** 53 - 1],
      [8, 2 ** 31],
      [8, 2 ** 32],
      [8, 2 ** 53 - 1],
      [8, 2 ** 53],
    ])('writes %i bytes in both orders: %i', (width, value) => {
      const hex = BigInt(value)
        .toString(16)
        .padStart(2 * width, '0')
      const out = new OutgoingBuffer()
      out.uint(value, width)
      expect(Buffer.concat(out.take()).toString('hex')).toBe(hex)
      out.uint(value, width, true)
      expect(Buffer.concat(out.take()).reverse().toString('hex')).toBe(hex)
    })

    it('fits at the end of a block', () => {
      for (const before of [4 * KiB - 2, 72 * KiB - 2]) {
        const out = new OutgoingBuffer()
        for (let left = before; left > 0; left -= 2000) out.append(filled(Math.min(2000, left)))
        out.uint(0x01020304, 4)
        expect(Buffer.concat(out.take()).subarray(before).toString('hex')).toBe('01020304')
      }
    })
  })

  describe('latin1', () => {
    it('appends one byte per character, at every length', () => {
      const out = new OutgoingBuffer()
      const pieces = [0, 1, 12, 24, 25, 300, 5 * KiB, 16 * KiB - 1, 16 * KiB, 100 * KiB].map((n) =>
        Array.from({ length: n }, (_, i) => String.fromCharCode(i % 256)).join(''),
      )
      for (const piece of pieces) out.latin1(piece)
      expect(out.length).toBe(pieces.join('').length)
      expect(text(out)).toBe(pieces.join(''))
    })

    it('keeps the lowest byte of a character above U+00FF', () => {
      const out = new OutgoingBuffer()
      for (const piece of ['\u0141', '\u0141'.repeat(30)]) out.latin1(piece)
      expect(text(out)).toBe('A'.repeat(31))
    })
  })

  describe('truncate', () => {
    it('takes back what came after any length, over blocks and pieces by reference', () => {
      const { length } = manyParts().expected
      const places = [0, 1, 9, 10, 11, 20 * KiB, 20 * KiB + 10, 20 * KiB + 46, 60 * KiB, 107 * KiB, length - 3, length]
      for (const place of places) {
        const { out, expected } = manyParts()
        out.truncate(place)
        expect(out.length).toBe(place)
        out.append(Buffer.from('next'))
        expect(out.length).toBe(place + 4)
        const whole = Buffer.concat([expected.subarray(0, place), Buffer.from('next')])
        expect([place, Buffer.concat(out.take()).equals(whole)]).toEqual([place, true])
      }
    })

    it('refuses to make the buffer longer', () => {
      const out = new OutgoingBuffer()
      out.append(Buffer.from('abc'))
      for (const length of [4, -1, NaN]) expect(() => out.truncate(length)).toThrow(RangeError)
      expect(text(out)).toBe('abc')
    })
  })

  describe('take', () => {
    it('empties the buffer, which can be filled again', () => {
      const { out, expected } = manyParts()
      expect(Buffer.concat(out.take()).equals(expected)).toBe(true)
      expect(out.length).toBe(0)
      expect(out.take()).toEqual([])
      out.append(Buffer.from('again'))
      expect(text(out)).toBe('again')
    })

    it('leaves its memory with the caller: what is appended later does not change it', () => {
      const out = new OutgoingBuffer()
      out.append(Buffer.from('first'))
      const parts = out.take()
      for (let i = 0; i < 100; i++) out.append(filled(4000, i))
      new OutgoingBuffer().append(Buffer.from('other'))
      expect(Buffer.concat(parts).toString()).toBe('first')
    })
  })

  describe('appendFrom', () => {
    it.each([0, 5, 15 * KiB, 16 * KiB, 100 * KiB])('moves %i bytes and leaves the other one empty', (n) => {
      const [out, other] = [new OutgoingBuffer(), new OutgoingBuffer()]
      out.append(Buffer.from('in front'))
      other.append(filled(n, 7))
      other.append(Buffer.from('behind'))
      out.appendFrom(other)
      expect([out.length, other.length]).toEqual([8 + n + 6, 0])
      // What the other one does next changes nothing here.
      other.append(filled(n + 6, 9))
      expect(
        Buffer.concat(out.take()).equals(Buffer.concat([Buffer.from('in front'), filled(n, 7), Buffer.from('behind')])),
      ).toBe(true)
    })

    it('takes no memory for small messages', () => {
      const [out, other] = [new OutgoingBuffer(), new OutgoingBuffer()]
      const round = (): void => {
        other.append(Buffer.from('abc'))
        out.appendFrom(other)
        out.recycle()
      }
      round()
      expect(allocationsOf(() => Array.from({ length: 100 }, round)).count).toBe(0)
    })
  })

  describe('single', () => {
    it('shows everything, if it lies in one block, and consumes nothing', () => {
      const out = new OutgoingBuffer()
      out.append(Buffer.from('abc'))
      expect(Buffer.from(out.single()!).toString()).toBe('abc')
      expect(out.length).toBe(3)
      out.append(Buffer.from('d'))
      expect(Buffer.from(out.single()!).toString()).toBe('abcd')
      expect(new OutgoingBuffer().single()).toHaveLength(0)
    })

    it('is undefined, if there are several parts', () => {
      expect(manyParts().out.single()).toBeUndefined()
    })
  })

  describe('recycle and clear', () => {
    it('empty the buffer', () => {
      for (const empty of ['recycle', 'clear'] as const) {
        const { out } = manyParts()
        out[empty]()
        expect(out.length).toBe(0)
        out.append(Buffer.from('again'))
        expect(text(out)).toBe('again')
      }
    })

    it('let a busy buffer do without new memory', () => {
      const out = new OutgoingBuffer()
      const send = (): void => {
        for (let i = 0; i < 100; i++) out.append(filled(100))
        out.recycle()
      }
      send()
      expect(allocationsOf(() => Array.from({ length: 1000 }, send)).count).toBe(0)
    })

    it('hold no block while idle: buffers in turn share the same memory', () => {
      const buffers = Array.from({ length: 1000 }, () => new OutgoingBuffer())
      const { count } = allocationsOf(() => {
        for (const out of buffers) {
          out.append(Buffer.from('x'))
          out.recycle()
        }
      })
      expect(count).toBeLessThanOrEqual(1)
      expect(new Set(buffers.map((out) => out.bytes.length))).toEqual(new Set([0]))
    })

    it('recycle never gives one block to two buffers', () => {
      const first = new OutgoingBuffer()
      first.append(Buffer.from('x'))
      first.recycle()
      first.recycle()
      const [a, b] = [new OutgoingBuffer(), new OutgoingBuffer()]
      a.append(Buffer.from('aaa'))
      b.append(Buffer.from('bbb'))
      expect([text(a), text(b)]).toEqual(['aaa', 'bbb'])
    })

    it('clear leaves a view alone that somebody was given', () => {
      const out = new OutgoingBuffer()
      out.append(Buffer.from('view'))
      const view = out.single()!
      out.clear()
      const others = Array.from({ length: 200 }, () => new OutgoingBuffer())
      for (const other of others) other.append(Buffer.from('other'))
      expect(Buffer.from(view).toString()).toBe('view')
    })
  })

  it('of 20 MB in small messages takes hardly more memory than that', () => {
    const message = filled(100)
    const out = new OutgoingBuffer()
    let parts: Uint8Array[] = []
    const { bytes } = allocationsOf(() => {
      for (let i = 0; i < 200_000; i++) out.append(message)
      parts = out.take()
    })
    expect(parts.reduce((sum, part) => sum + part.length, 0)).toBe(20_000_000)
    expect(parts.length).toBeLessThan(300)
    expect(bytes).toBeLessThan(21_000_000)
  })

  describe('against arrays of bytes', () => {
    const size = fc.oneof(fc.nat(50), fc.nat(5000), fc.integer({ min: 15 * KiB, max: 80 * KiB }))
    const step = fc.tuple(
      fc.oneof(
        { weight: 9, arbitrary: fc.constantFrom('append', 'reserve', 'uint', 'appendFrom') },
        { weight: 4, arbitrary: fc.constantFrom('truncate', 'take', 'recycle', 'clear', 'single') },
      ),
      // Three at once: their blocks come from the same pools.
      fc.nat(2),
      size,
    )

    it('holds what was appended, and what was taken stays as it was', () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
          const buffers = Array.from({ length: 3 }, () => new OutgoingBuffer())
          const models = buffers.map(() => Buffer.alloc(0))
          const views: [view: Buffer, expected: Buffer][] = []
          const taken: [parts: Uint8Array[], expected: Buffer][] = []
          steps.forEach(([operation, which, n], i) => {
            const out = buffers[which]!
            const model = models[which]!
            const piece = filled(n, i + 1)
            if (operation === 'append') {
              out.append(piece)
              models[which] = Buffer.concat([model, piece])
            } else if (operation === 'reserve') {
              const place = out.reserve(n)
              out.bytes.set(piece, place)
              models[which] = Buffer.concat([model, piece])
            } else if (operation === 'uint') {
              const width = 1 + (n % 6)
              const number = Buffer.alloc(width)
              number.writeUIntBE(n % 2 ** (8 * width), 0, width)
              out.uint(n % 2 ** (8 * width), width)
              models[which] = Buffer.concat([model, number])
            } else if (operation === 'truncate') {
              const length = n % (model.length + 1)
              out.truncate(length)
              models[which] = model.subarray(0, length)
            } else if (operation === 'appendFrom') {
              const other = (which + 1) % 3
              out.appendFrom(buffers[other]!)
              models[which] = Buffer.concat([model, models[other]!])
              models[other] = Buffer.alloc(0)
            } else if (operation === 'single') {
              views.push([Buffer.from(out.single() ?? model), model])
            } else {
              if (operation === 'take') taken.push([out.take(), model])
              else out[operation as 'recycle' | 'clear']()
              models[which] = Buffer.alloc(0)
            }
            expect(out.length).toBe(models[which]!.length)
          })
          buffers.forEach((out, which) => taken.push([out.take(), models[which]!]))
          expect(views.every(([view, expected]) => view.equals(expected))).toBe(true)
          for (const [parts, expected] of taken) expect(Buffer.concat(parts).equals(expected)).toBe(true)
        }),
        { numRuns: 200 },
      )
    })
  })
})
