import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { ByteQueue } from '../../lib/bytes/byteQueue.ts'
import { allocationsOf } from '../support/allocations.ts'
import { CountingBytes } from '../support/countingBytes.ts'
import { everySplit } from '../support/everySplit.ts'
import { thrownBy } from '../support/thrown.ts'

function queueOf(...chunks: (string | Uint8Array)[]): ByteQueue {
  const queue = new ByteQueue()
  for (const chunk of chunks) queue.push(Buffer.from(chunk as string))
  return queue
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

/** Bytes that tell their place, in a period that is no power of two. */
function pattern(n: number, start = 0): Buffer {
  const bytes = Buffer.alloc(n)
  for (let i = 0; i < n; i++) bytes[i] = (start + i) % 251
  return bytes
}

describe('ByteQueue', () => {
  describe('push', () => {
    it('adds at the back', () => {
      const queue = queueOf('ab', 'cd')
      expect(queue.length).toBe(4)
      expect(text(queue.takeAll())).toBe('abcd')
    })

    it('ignores an empty chunk', () => {
      const queue = queueOf('', 'a', '', 'b', '')
      expect(queue.length).toBe(2)
      expect(text(queue.takeAll())).toBe('ab')
    })

    it('takes any Uint8Array, and a view is only what it shows', () => {
      const queue = new ByteQueue()
      queue.push(new Uint8Array([0, 1, 2, 3, 4]).subarray(1, 3))
      queue.push(Buffer.from([5, 6]))
      expect([...queue.takeAll()]).toEqual([1, 2, 5, 6])
    })

    it('does not write to the chunks', () => {
      const chunks = [10, 2000, 10, 10, 5000, 1].map((n) => pattern(n))
      const queue = queueOf()
      for (const chunk of chunks) queue.push(chunk)
      queue.take(15)
      queue.push(Buffer.alloc(500, 255))
      queue.takeAll()
      for (const chunk of chunks) expect(chunk.equals(pattern(chunk.length))).toBe(true)
    })

    it('gathers single bytes into blocks: bytes, not objects', () => {
      const n = 100_000
      const byte = Uint8Array.of(7)
      const queue = new ByteQueue()
      const taken = allocationsOf(() => {
        for (let i = 0; i < n; i++) queue.push(byte)
      })
      expect(queue.length).toBe(n)
      // Blocks of 16 KiB and some smaller ones to begin with.
      expect(taken.count).toBeLessThan(20)
      expect(taken.bytes).toBeLessThan(n + 32 * 1024)
    })

    it('takes little for half a header', () => {
      const queue = queueOf('a')
      expect(allocationsOf(() => queue.push(Buffer.from('b'))).bytes).toBeLessThanOrEqual(1024)
    })

    it('keeps chunks of 1 KiB and more as they are', () => {
      const queue = new ByteQueue()
      const chunks = Array.from({ length: 100 }, () => pattern(1024))
      expect(allocationsOf(() => chunks.forEach((chunk) => queue.push(chunk))).count).toBe(0)
      for (const chunk of chunks) expect(queue.take(1024).buffer).toBe(chunk.buffer)
    })
  })

  describe('at', () => {
    it('looks at a byte in any chunk, and consumes nothing', () => {
      const bytes = pattern(40)
      for (const { chunks } of everySplit(bytes)) {
        const queue = queueOf(...chunks)
        expect(Array.from(bytes, (_, i) => queue.at(i))).toEqual([...bytes])
        expect(queue.length).toBe(40)
      }
    })

    it('counts from the first byte that is left', () => {
      const queue = queueOf('abc', 'def')
      queue.skip(4)
      expect(String.fromCharCode(queue.at(0), queue.at(1))).toBe('ef')
    })

    it('finds its way back and forth, also after bytes were taken', () => {
      const bytes = pattern(20_000)
      for (const size of [1, 700, 1024, 1500]) {
        const queue = queueOf()
        for (let at = 0; at < bytes.length; at += size) queue.push(bytes.subarray(at, at + size))
        for (let gone = 0; gone < bytes.length; gone += 1700) {
          const places = [0.99, 0.5, 0.2, 0.9, 0].map((part) => Math.floor(part * queue.length))
          expect(places.map((place) => queue.at(place))).toEqual(places.map((place) => bytes[gone + place]))
          queue.skip(Math.min(1700, queue.length))
        }
      }
    })

    it('refuses an index beyond the end', () => {
      expect(() => queueOf().at(0)).toThrow(RangeError)
      expect(() => queueOf('ab').at(2)).toThrow(RangeError)
      expect(() => queueOf('ab', 'cd').at(4)).toThrow('byte 4 of 4 in the queue')
    })
  })

  describe('uint', () => {
    const bytes = Buffer.from([0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa, 0xf9, 0xf8, 0x01])

    it.each([1, 2, 3, 4, 5, 6, 7, 8])('reads %i bytes in both orders, wherever the chunks are cut', (width) => {
      for (const { name, chunks } of everySplit(bytes)) {
        for (const index of [0, 1]) {
          const queue = queueOf(...chunks)
          const part = bytes.subarray(index, index + width)
          const big = Number(BigInt(`0x${part.toString('hex')}`))
          const little = Number(BigInt(`0x${Buffer.from(part).reverse().toString('hex')}`))
          // Up to 2^53 the number is exact; above, some ulps may be lost on the way.
          const within = width > 6 ? 2 ** 12 : 0
          expect([name, Math.abs(queue.uint(index, width) - big) <= within]).toEqual([name, true])
          expect([name, Math.abs(queue.uint(index, width, true) - little) <= within]).toEqual([name, true])
          expect(queue.length).toBe(bytes.length)
        }
      }
    })

    it.each([
      ['0000000000000000', 0],
      ['000000007fffffff', 2 ** 31 - 1],
      ['0000000080000000', 2 ** 31],
      ['00000000ffffffff', 2 ** 32 - 1],
      ['0000000100000000', 2 ** 32],
      ['001fffffffffffff', 2 ** 53 - 1],
      ['0020000000000000', 2 ** 53],
    ])('of 8 bytes is exact up to 2^53: %s', (hex, value) => {
      const number = Buffer.from(hex, 'hex')
      expect(queueOf(number).uint(0, 8)).toBe(value)
      expect(queueOf(number.reverse()).uint(0, 8, true)).toBe(value)
    })

    it.each(['0020000000000001', '7fffffffffffffff', '8000000000000000', 'ffffffffffffffff'])(
      'of 8 bytes is rounded above, but never to below 2^53, nor below 0: %s',
      (hex) => {
        const number = Buffer.from(hex, 'hex')
        const expected = Number(BigInt(`0x${hex}`))
        for (const littleEndian of [false, true]) {
          const value = queueOf(littleEndian ? Buffer.from(number).reverse() : number).uint(0, 8, littleEndian)
          expect(value).toBeGreaterThanOrEqual(2 ** 53)
          expect(Math.abs(value - expected) / expected).toBeLessThan(1e-12)
        }
      },
    )

    it('has no sign in 4 bytes', () => {
      const queue = queueOf(Buffer.from('ffffffff80000000', 'hex'))
      expect([queue.uint(0, 4), queue.uint(4, 4), queue.uint(0, 4, true)]).toEqual([2 ** 32 - 1, 2 ** 31, 2 ** 32 - 1])
      expect(queueOf(Buffer.from('00000080', 'hex')).uint(0, 4, true)).toBe(2 ** 31)
    })

    it('refuses what is not all there', () => {
      expect(() => queueOf('abc').uint(0, 4)).toThrow(RangeError)
      expect(() => queueOf('abcd').uint(1, 4)).toThrow(RangeError)
      expect(() => queueOf('ab', 'cd').uint(3, 2)).toThrow(RangeError)
    })
  })

  describe('take', () => {
    it('gives a view of the chunk that the bytes lie in', () => {
      const chunk = pattern(10)
      const queue = new ByteQueue()
      queue.push(chunk)
      queue.skip(2)
      for (const [n, at] of [
        [3, 2],
        [5, 5],
      ] as const) {
        const taken = queue.take(n)
        expect([taken.buffer === chunk.buffer, taken.byteOffset - chunk.byteOffset, taken.length]).toEqual([
          true,
          at,
          n,
        ])
      }
    })

    it('joins what lies in several, each byte once', () => {
      const queue = new ByteQueue()
      for (let i = 0; i < 10; i++) queue.push(pattern(2000, i * 2000))
      queue.skip(100)
      let taken: Uint8Array = Buffer.alloc(0)
      const memory = allocationsOf(() => (taken = queue.take(19_000)))
      expect(memory).toEqual({ count: 1, bytes: 19_000 })
      expect(pattern(19_000, 100).equals(taken)).toBe(true)
      expect(queue.length).toBe(900)
    })

    it('of 0 bytes is empty, also from an empty queue', () => {
      expect(queueOf().take(0)).toHaveLength(0)
      const queue = queueOf('ab')
      expect(queue.take(0)).toHaveLength(0)
      expect(queue.length).toBe(2)
    })

    it('gives Buffers, if Buffers were pushed', () => {
      const queue = queueOf('ab', 'cd', 'ef')
      expect(
        [queue.take(1), queue.take(2), queue.takeAll(), queue.takeAll()].every((bytes) => Buffer.isBuffer(bytes)),
      ).toBe(true)
    })

    it('refuses more than there is, and less than none, and takes nothing then', () => {
      for (const queue of [queueOf(), queueOf('abc'), queueOf('a', 'bc')]) {
        const before = queue.length
        for (const n of [before + 1, -1, NaN, Infinity]) expect(() => queue.take(n)).toThrow(RangeError)
        expect(queue.length).toBe(before)
        expect(text(queue.takeAll())).toBe('abc'.slice(0, before))
      }
    })

    it('gives bytes that later chunks never change', () => {
      const queue = new ByteQueue()
      const kept: [Uint8Array, Buffer][] = []
      for (let i = 0; i < 500; i++) {
        queue.push(pattern(7, i * 7))
        if (i % 3 === 0) continue
        const n = Math.min(queue.length, 1 + (i % 13))
        const taken = queue.take(n)
        kept.push([taken, Buffer.from(taken)])
      }
      expect(kept.length).toBeGreaterThan(300)
      expect(kept.every(([view, copy]) => copy.equals(view))).toBe(true)
    })
  })

  describe('peek', () => {
    it('is take without consuming', () => {
      const queue = queueOf('abc', 'def')
      expect(text(queue.peek(2))).toBe('ab')
      expect(text(queue.peek(5))).toBe('abcde')
      expect(queue.length).toBe(6)
      expect(text(queue.takeAll())).toBe('abcdef')
    })

    it('may begin further on, in any chunk', () => {
      const bytes = pattern(30)
      for (const { chunks } of everySplit(bytes)) {
        const queue = queueOf(...chunks)
        for (let start = 0; start <= 30; start++) {
          expect(bytes.subarray(start).equals(queue.peek(30 - start, start))).toBe(true)
        }
      }
    })

    it('refuses more than there is, and less than none', () => {
      expect(() => queueOf('abc').peek(4)).toThrow(RangeError)
      expect(() => queueOf('abc', 'def').peek(5, 2)).toThrow('7 bytes of 6 in the queue')
      expect(() => queueOf('abc').peek(-1)).toThrow(RangeError)
    })
  })

  describe('latin1', () => {
    it('gives every byte as one character, wherever the chunks end, and consumes nothing', () => {
      const bytes = pattern(80, 200)
      for (const { name, chunks } of everySplit(bytes)) {
        const queue = queueOf(...chunks)
        for (const [index, n] of [
          [0, 80],
          [3, 70],
          [10, 12],
          [10, 13],
          [79, 1],
          [80, 0],
        ] as const) {
          expect([name, queue.latin1(index, n)]).toEqual([name, text(bytes.subarray(index, index + n))])
        }
        expect(queue.length).toBe(80)
      }
    })

    it('goes by what is in front', () => {
      const queue = queueOf('abcdef')
      queue.skip(2)
      expect(queue.latin1(1, 2)).toBe('de')
    })

    it('throws a RangeError for bytes that are not there', () => {
      const queue = queueOf('abc', 'd'.repeat(2000))
      queue.take(1)
      for (const [index, n] of [
        [0, 2003],
        [2002, 1],
        [-1, 1],
        [0, -1],
        [NaN, 1],
      ] as const) {
        expect(() => queue.latin1(index, n)).toThrow(RangeError)
      }
    })
  })

  describe('skip, takeAll and clear', () => {
    it('skip bytes unseen, over any number of chunks', () => {
      const bytes = pattern(30)
      for (const { chunks } of everySplit(bytes)) {
        for (let n = 0; n <= 30; n++) {
          const queue = queueOf(...chunks)
          queue.skip(n)
          expect(queue.length).toBe(30 - n)
          expect(bytes.subarray(n).equals(queue.takeAll())).toBe(true)
        }
      }
    })

    it('refuse more than there is, and less than none', () => {
      const queue = queueOf('abc')
      for (const n of [4, -1, NaN]) expect(() => queue.skip(n)).toThrow(RangeError)
      expect(text(queue.takeAll())).toBe('abc')
    })

    it('leave an empty queue that can be filled again', () => {
      const queue = queueOf('abc', 'def')
      queue.clear()
      expect(queue.length).toBe(0)
      expect(queue.takeAll()).toHaveLength(0)
      queue.push(Buffer.from('xyz'))
      expect(text(queue.takeAll())).toBe('xyz')
    })
  })

  describe('chunkAt', () => {
    it('shows what lies in one chunk, so that one can walk over all bytes', () => {
      const bytes = pattern(40)
      for (const { name, chunks } of everySplit(bytes)) {
        const queue = new ByteQueue()
        for (const chunk of chunks) queue.push(chunk)
        const seen: number[] = []
        while (seen.length < bytes.length) seen.push(...queue.chunkAt(seen.length))
        expect([name, seen, queue.length]).toEqual([name, [...bytes], bytes.length])
      }
    })

    it('begins at the index, also within a chunk and after bytes were taken', () => {
      const queue = queueOf(pattern(2000), pattern(3000, 2000))
      queue.take(100)
      expect(text(queue.chunkAt(1500))).toBe(text(pattern(400, 1600)))
      expect(text(queue.chunkAt(1900))).toBe(text(pattern(3000, 2000)))
      expect(text(queue.chunkAt(2000))).toBe(text(pattern(2900, 2100)))
    })

    it('refuses an index that is not in the queue', () => {
      for (const index of [-1, 3, NaN]) expect(() => queueOf('abc').chunkAt(index)).toThrow(RangeError)
    })
  })

  describe('revision', () => {
    const changes = (queue: ByteQueue, change: () => void): boolean => {
      const before = queue.revision
      change()
      return queue.revision !== before
    }

    it('changes with whatever takes bytes off the front', () => {
      const queue = queueOf(pattern(2000), pattern(2000))
      expect(changes(queue, () => queue.take(1))).toBe(true)
      expect(changes(queue, () => queue.take(1, 2500))).toBe(true)
      expect(changes(queue, () => queue.skip(1))).toBe(true)
      expect(changes(queue, () => queue.takeAll())).toBe(true)
      queue.push(pattern(1))
      expect(changes(queue, () => queue.clear())).toBe(true)
    })

    it('changes with bytes that are put back in front of others', () => {
      const queue = queueOf('abc')
      expect(changes(queue, () => queue.unshift(Buffer.from('x')))).toBe(true)
    })

    it('does not change with what is pushed, or looked at', () => {
      const queue = queueOf(pattern(2000))
      expect(changes(queue, () => queue.push(pattern(2000)))).toBe(false)
      expect(changes(queue, () => queue.push(pattern(1)))).toBe(false)
      const look = (): unknown => [
        queue.at(0),
        queue.uint(0, 8),
        queue.peek(10),
        queue.indexOf(pattern(3)),
        queue.chunkAt(5),
      ]
      expect(changes(queue, look)).toBe(false)
    })
  })

  describe('indexOf', () => {
    it('finds the first place, wherever the chunks are cut', () => {
      const bytes = Buffer.from('aab-aaab\r\r\n..\r\n')
      for (const { name, chunks } of everySplit(bytes)) {
        const queue = queueOf(...chunks)
        for (const searched of ['a', 'aab', 'aaab', '\r\n', '\n', '..', 'x', 'aaaab', '\r\n\r']) {
          for (let from = 0; from <= bytes.length; from++) {
            const found = queue.indexOf(Buffer.from(searched), from)
            expect([name, searched, from, found]).toEqual([name, searched, from, bytes.indexOf(searched, from)])
          }
        }
      }
    })

    it('is -1 in an empty queue, and for a pattern longer than the queue', () => {
      expect(queueOf().indexOf(Buffer.from('a'))).toBe(-1)
      expect(queueOf('ab').indexOf(Buffer.from('abc'))).toBe(-1)
    })

    it('counts from the first byte that is left, not seeing what is gone', () => {
      const queue = queueOf('a-b', '-c')
      queue.skip(2)
      expect(queue.indexOf(Buffer.from('-'))).toBe(1)
      expect(queue.indexOf(Buffer.from('a'))).toBe(-1)
    })

    it('does not see the part of a block that is not filled yet', () => {
      // Blocks are not cleared: the zeros that the pattern looks for may well lie behind the last byte.
      const queue = queueOf('x', 'y')
      expect(queue.indexOf(Buffer.from([0]))).toBe(-1)
    })
  })

  describe('work', () => {
    it('is the same for a word wherever it lies, when words are looked at in order', () => {
      const looks = [1000, 2000].map((n) => {
        const queue = new ByteQueue()
        for (let i = 0; i < n; i++) queue.push(CountingBytes.from(pattern(1500)))
        // Some of the words lie in one chunk, some in two.
        return CountingBytes.looksOf(() => {
          for (let at = 0; at + 700 <= queue.length; at += 700) queue.latin1(at, 700)
        })
      })
      expect(looks[1]! / looks[0]!).toBeLessThan(2.2)
    })

    // The numbers of looks at chunks for n chunks and for twice as many: for linear work the ratio is 2.
    const linear = (looks: (n: number) => number): number => looks(2000) / looks(1000)
    const chunksOf = (n: number): CountingBytes[] => Array.from({ length: n }, () => new CountingBytes(1024).fill(97))

    it('grows with the chunks, not with their square, in pushing and taking', () => {
      const ratio = linear((n) => {
        const queue = new ByteQueue()
        return CountingBytes.looksOf(() => {
          for (const chunk of chunksOf(n)) queue.push(chunk)
          while (queue.length > 0) queue.take(Math.min(1500, queue.length))
        })
      })
      expect(ratio).toBeLessThan(2.2)
    })

    it('does so in a search that goes on whenever a chunk comes', () => {
      const newline = Buffer.from('\n')
      const ratio = linear((n) => {
        const queue = new ByteQueue()
        return CountingBytes.looksOf(() => {
          let seen = 0
          for (const chunk of chunksOf(n)) {
            queue.push(chunk)
            expect(queue.indexOf(newline, seen)).toBe(-1)
            seen = queue.length
          }
        })
      })
      expect(ratio).toBeLessThan(2.2)
    })

    it('does so in several searches at once, that each begin a little before the end', () => {
      const patterns = ['\r\n', '\n', 'END'].map((each) => Buffer.from(each))
      const ratio = linear((n) => {
        const queue = new ByteQueue()
        return CountingBytes.looksOf(() => {
          for (const chunk of chunksOf(n)) {
            const seen = Math.max(0, queue.length - 2)
            queue.push(chunk)
            for (const each of patterns) expect(queue.indexOf(each, seen)).toBe(-1)
          }
        })
      })
      expect(ratio).toBeLessThan(2.2)
    })

    it('does so in one search over all', () => {
      const ratio = linear((n) => {
        const queue = new ByteQueue()
        for (const chunk of chunksOf(n)) queue.push(chunk)
        return CountingBytes.looksOf(() => queue.indexOf(Buffer.from('\n')))
      })
      expect(ratio).toBeLessThan(2.2)
    })

    it('does so in looking at one byte after the other', () => {
      const ratio = linear((n) => {
        const queue = new ByteQueue()
        for (const chunk of chunksOf(n)) queue.push(chunk)
        return CountingBytes.looksOf(() => {
          for (let i = 0; i < queue.length; i += 256) queue.at(i)
        })
      })
      expect(ratio).toBeLessThan(2.2)
    })

    it.each([1, 7, 1000, 64 * 1024])(
      'of 20 MB in chunks of %i, taken in messages of 100 000, copies each byte twice at most',
      (size) => {
        const total = size === 1 ? 2_000_000 : 20_000_000
        const message = 100_000
        const chunk = Buffer.alloc(size, 1)
        const queue = new ByteQueue()
        let taken = 0
        const memory = allocationsOf(() => {
          for (let pushed = 0; pushed < total; pushed += size) {
            queue.push(chunk)
            while (queue.length >= message) taken += queue.take(message).length
          }
        })
        expect(taken).toBeGreaterThan(total - message)
        // Once into a block, if the chunk is small, and once to be joined; blocks are not quite filled.
        expect(memory.bytes).toBeLessThan(total * 2.3)
        expect(memory.count).toBeLessThan(total / 8000)
      },
    )
  })

  describe('memory', () => {
    it('of a chunk is given up once the chunk was taken, though later ones wait', async () => {
      setFlagsFromString('--expose-gc')
      const collect = runInNewContext('gc') as () => void
      const queue = new ByteQueue()
      const chunks = Array.from({ length: 20 }, () => {
        const chunk = new Uint8Array(2048)
        queue.push(chunk)
        return new WeakRef(chunk)
      })
      queue.skip(10 * 2048)
      // What a WeakRef was asked for lives until the end of the turn.
      await new Promise((resolve) => setImmediate(resolve))
      collect()
      expect(chunks.map((chunk) => chunk.deref() !== undefined)).toEqual(chunks.map((_, i) => i >= 10))
      expect(queue.length).toBe(10 * 2048)
    })
  })

  describe('against a peer that mixes single bytes with large chunks', () => {
    it('holds about as much memory as it was sent', async () => {
      setFlagsFromString('--expose-gc')
      const collect = runInNewContext('gc') as () => void
      // Memory is given back by a thread of its own, some time after it was found to be garbage.
      const held = async (): Promise<number> => {
        let least = Infinity
        for (let turn = 0; turn < 20; turn++) {
          await new Promise((resolve) => setImmediate(resolve))
          collect()
          least = Math.min(least, process.memoryUsage().arrayBuffers)
        }
        return least
      }
      const queue = new ByteQueue()
      const before = await held()
      for (let i = 0; i < 1000; i++) {
        queue.push(Uint8Array.of(i))
        queue.push(new Uint8Array(1024))
      }
      expect((await held()) - before).toBeLessThan(2 * queue.length)
      // Each of forty collections goes through all that the process holds, which in a run of all specs is a lot.
    }, 30_000)
  })

  describe('against an array of bytes', () => {
    type Step = readonly [
      operation:
        'push' | 'unshift' | 'take' | 'takeInto' | 'peek' | 'skip' | 'at' | 'uint' | 'indexOf' | 'chunkAt' | 'clear',
      a: number,
      b: number,
    ]
    const size = fc.oneof(fc.nat(12), fc.nat(1500), fc.nat(5000))
    const step: fc.Arbitrary<Step> = fc.tuple(
      fc.oneof(
        { weight: 10, arbitrary: fc.constant('push' as const) },
        { weight: 2, arbitrary: fc.constant('unshift' as const) },
        {
          weight: 6,
          arbitrary: fc.constantFrom('take' as const, 'takeInto' as const, 'peek' as const, 'skip' as const),
        },
        {
          weight: 6,
          arbitrary: fc.constantFrom('at' as const, 'uint' as const, 'indexOf' as const, 'chunkAt' as const),
        },
        { weight: 1, arbitrary: fc.constant('clear' as const) },
      ),
      size,
      size,
    )

    it('gives the same answers, and what it gave stays as it was', () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
          const queue = new ByteQueue()
          let model = Buffer.alloc(0)
          let pushed = 0
          const answers: [answer: unknown, expected: unknown][] = []
          const given: [view: Uint8Array, copy: Buffer][] = []
          const expectBytes = (bytes: Uint8Array, expected: Buffer): void => {
            expect(expected.equals(bytes)).toBe(true)
            given.push([bytes, Buffer.from(bytes)])
          }
          for (const [operation, x, b] of steps) {
            // A look may go anywhere, however much is in the queue, and sometimes beyond.
            const looks =
              operation === 'at' || operation === 'uint' || operation === 'indexOf' || operation === 'chunkAt'
            const a = looks ? Math.floor((model.length * x) / 4900) : x
            const n = Math.min(a, model.length)
            if (operation === 'push') {
              const chunk = pattern(a, pushed)
              queue.push(chunk)
              model = Buffer.concat([model, chunk])
              pushed += a
            } else if (operation === 'take') {
              expectBytes(queue.take(n), model.subarray(0, n))
              model = model.subarray(n)
            } else if (operation === 'unshift') {
              const chunk = pattern(a, pushed)
              const before = queue.revision
              queue.unshift(chunk)
              answers.push([queue.revision !== before, a > 0 && model.length > 0])
              model = Buffer.concat([chunk, model])
              pushed += a
            } else if (operation === 'takeInto') {
              const target = Buffer.alloc(a)
              answers.push([queue.takeInto(target), n])
              answers.push([target.toString('hex', 0, n), model.toString('hex', 0, n)])
              model = model.subarray(n)
            } else if (operation === 'peek') {
              const start = Math.min(b, model.length - n)
              expectBytes(queue.peek(n, start), model.subarray(start, start + n))
            } else if (operation === 'skip') {
              queue.skip(n)
              model = model.subarray(n)
            } else if (operation === 'at') {
              const error = thrownBy(() => answers.push([queue.at(a), model[a]]))
              answers.push([error instanceof RangeError, a >= model.length])
            } else if (operation === 'uint') {
              const width = 1 + (b % 6)
              if (a + width > model.length) continue
              answers.push([queue.uint(a, width), model.readUIntBE(a, width)])
              answers.push([queue.uint(a, width, true), model.readUIntLE(a, width)])
            } else if (operation === 'indexOf') {
              const searched = pattern(1 + (b % 5), a + b)
              answers.push([queue.indexOf(searched, a), a > model.length ? -1 : model.indexOf(searched, a)])
            } else if (operation === 'chunkAt') {
              if (a >= model.length) continue
              const chunk = queue.chunkAt(a)
              answers.push([chunk.length > 0, true])
              expectBytes(chunk, model.subarray(a, a + chunk.length))
            } else {
              queue.clear()
              model = Buffer.alloc(0)
            }
            answers.push([queue.length, model.length])
          }
          expect(answers.map(([answer]) => answer)).toEqual(answers.map(([, expected]) => expected))
          expectBytes(queue.takeAll(), model)
          for (const [view, copy] of given) expect(copy.equals(view)).toBe(true)
        }),
        { numRuns: 300 },
      )
    })
  })
})
