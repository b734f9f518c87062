import { getEventListeners } from 'node:events'
import { IncompleteReadError, InvalidStateError, LimitOverrunError, TimeoutError } from '../../lib/errors.ts'
import { StreamReader, type ReadAttempt } from '../../lib/streams/streamReader.ts'
import { Transport } from '../../lib/transport.ts'
import { netError, netTurns } from '../support/netTools.ts'
import { signalScope } from '../support/signalScope.ts'

const DATA = Buffer.from('line1\nline2\nline3\n')

/** A reader with these chunks in it. */
function fed(chunks: readonly (string | Uint8Array)[] = [], options: { limit?: number } = {}): StreamReader {
  const reader = new StreamReader(options)
  for (const chunk of chunks) reader.feedData(Buffer.from(chunk))
  return reader
}

function ended(...chunks: string[]): StreamReader {
  const reader = fed(chunks)
  reader.feedEof()
  return reader
}

/** What is still in the buffer. Ends the stream. */
async function rest(reader: StreamReader): Promise<string> {
  reader.feedEof()
  return String(await reader.read())
}

/** A transport that counts how often it is paused and resumed. */
class CountingTransport extends Transport {
  readonly calls: string[] = []
  override pauseReading(): void {
    this.calls.push('pause')
  }
  override resumeReading(): void {
    this.calls.push('resume')
  }
}

function counted(limit: number): { reader: StreamReader; calls: string[] } {
  const reader = new StreamReader({ limit })
  const transport = new CountingTransport()
  reader.setTransport(transport)
  return { reader, calls: transport.calls }
}

/** Whether a promise is still open after some turns. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const settle = (): void => void (settled = true)
  promise.then(settle, settle)
  await netTurns()
  return !settled
}

describe('StreamReader', () => {
  describe('constructor', () => {
    it.each([0, -1, NaN])('refuses a limit of %p (A35)', (limit) => {
      expect(() => new StreamReader({ limit })).toThrow(RangeError)
    })

    it('has a limit of 64 KiB (A35)', async () => {
      const line = Buffer.alloc(64 * 1024, 'x')
      expect(await fed([line, '\n']).readLine()).toHaveLength(64 * 1024 + 1)
      await expect(fed([line, 'x\n']).readLine()).rejects.toThrow(LimitOverrunError)
    })

    it('takes an explicit undefined as the default (A35)', () => {
      expect(() => new StreamReader({ limit: undefined })).not.toThrow()
    })
  })

  describe('feedData and feedEof', () => {
    it('ignores an empty chunk, which does not end a waiting read (A42)', async () => {
      const reader = fed()
      const read = reader.read(5)
      reader.feedData(Buffer.alloc(0))
      expect(await isPending(read)).toBe(true)
      reader.feedData(Buffer.from('data'))
      expect(String(await read)).toBe('data')
    })

    it('refuses data after the end of the stream (A42)', () => {
      const reader = ended('a')
      expect(() => reader.feedData(Buffer.from('b'))).toThrow(InvalidStateError)
    })

    it('may be told of the end more than once (A42)', async () => {
      const reader = ended('a')
      reader.feedEof()
      expect(String(await reader.read())).toBe('a')
    })

    it('takes any Uint8Array and gives Buffers', async () => {
      const reader = new StreamReader()
      reader.feedData(new Uint8Array([104, 105]))
      const bytes = await reader.readExactly(2)
      expect(Buffer.isBuffer(bytes)).toBe(true)
      expect(String(bytes)).toBe('hi')
    })
  })

  describe('atEof', () => {
    it('is true once the end has come and everything is read (A40)', async () => {
      const reader = fed()
      expect(reader.atEof()).toBe(false)
      reader.feedData(Buffer.from('some data\n'))
      expect(reader.atEof()).toBe(false)
      await reader.readLine()
      expect(reader.atEof()).toBe(false)
      reader.feedData(Buffer.from('more'))
      reader.feedEof()
      expect(reader.atEof()).toBe(false)
      await reader.read()
      expect(reader.atEof()).toBe(true)
    })
  })

  describe('read', () => {
    it('of 0 bytes is empty at once, and takes nothing (A36)', async () => {
      const empty = fed()
      expect(await empty.read(0)).toHaveLength(0)
      const reader = ended('data')
      expect(await reader.read(0)).toHaveLength(0)
      expect(String(await reader.read())).toBe('data')
    })

    it('gives what is there, at most n bytes (A36)', async () => {
      const reader = fed(['abcdef'])
      expect(String(await reader.read(4))).toBe('abcd')
      expect(String(await reader.read(4))).toBe('ef')
    })

    it('waits for the first byte, not for n (A36)', async () => {
      const reader = fed()
      const read = reader.read(30)
      reader.feedData(DATA)
      expect(await read).toEqual(DATA)
    })

    it('does not care for lines (A36)', async () => {
      expect(String(await fed(['line1', '\n', 'line2']).read(8))).toBe('line1\nli')
    })

    it('is empty at the end of the stream, as often as it is asked (A36)', async () => {
      const reader = fed()
      const read = reader.read(1024)
      reader.feedEof()
      expect(await read).toHaveLength(0)
      expect(await reader.read(1024)).toHaveLength(0)
      expect(await reader.read()).toHaveLength(0)
    })

    it.each([[-1], [undefined]])('with n = %p gives everything up to the end of the stream (A36)', async (n) => {
      const reader = fed(['chunk1\n'])
      const read = reader.read(n)
      reader.feedData(Buffer.from('chunk2'))
      expect(await isPending(read)).toBe(true)
      reader.feedEof()
      expect(String(await read)).toBe('chunk1\nchunk2')
    })

    it('is not bounded by the limit (I17)', async () => {
      expect(await fed(['chunk!'], { limit: 3 }).read(5)).toHaveLength(5)
      const reader = fed(['12345678'], { limit: 3 })
      reader.feedEof()
      expect(String(await reader.read())).toBe('12345678')
    })

    it('rejects with the exception that was set, once nothing is left (A42, D8)', async () => {
      const reader = fed(['line\n'])
      expect(String(await reader.read(2))).toBe('li')
      const reason = new Error('gone')
      reader.setException(reason)
      expect(String(await reader.read(9))).toBe('ne\n')
      expect(await netError(reader.read(2))).toBe(reason)
    })
  })

  describe('readLine', () => {
    it('waits for the newline over several chunks, and leaves what follows (A37)', async () => {
      const reader = fed(['chunk1 '])
      const line = reader.readLine()
      reader.feedData(Buffer.from('chunk2 '))
      reader.feedData(Buffer.from('chunk3 '))
      expect(await isPending(line)).toBe(true)
      reader.feedData(Buffer.from('\n chunk4'))
      expect(String(await line)).toBe('chunk1 chunk2 chunk3 \n')
      expect(await rest(reader)).toBe(' chunk4')
    })

    it('gives lines that are there at once (A37)', async () => {
      const reader = fed([DATA])
      expect(String(await reader.readLine())).toBe('line1\n')
      expect(String(await reader.readLine())).toBe('line2\n')
      expect(await rest(reader)).toBe('line3\n')
    })

    it('gives what is left at the end of the stream, then nothing (A37)', async () => {
      const reader = ended('some data')
      expect(String(await reader.readLine())).toBe('some data')
      expect(await reader.readLine()).toHaveLength(0)
    })

    it('leaves the bytes of a later read alone (A37)', async () => {
      const reader = fed([DATA])
      await reader.readLine()
      expect(String(await reader.read(7))).toBe('line2\nl')
      expect(await rest(reader)).toBe('ine3\n')
    })

    it('passes a line of exactly the limit, without its newline (I17)', async () => {
      expect(String(await fed(['abc\nx'], { limit: 3 }).readLine())).toBe('abc\n')
    })

    it('drops a line over the limit whose end was there, and goes on behind it (A37)', async () => {
      const reader = fed(['li', 'ne1\nline2\n'], { limit: 3 })
      const error = await netError<LimitOverrunError>(reader.readLine())
      expect(error).toBeInstanceOf(LimitOverrunError)
      expect(error.consumed).toBe(5)
      expect(error.limit).toBe(3)
      expect(await rest(reader)).toBe('line2\n')
    })

    it('drops all that is buffered if the end of a line over the limit has not come (A37)', async () => {
      const reader = fed(['line1'], { limit: 4 })
      await expect(reader.readLine()).rejects.toThrow(LimitOverrunError)
      reader.feedData(Buffer.from('li'))
      reader.feedData(Buffer.from('ne2'))
      await expect(reader.readLine()).rejects.toThrow(LimitOverrunError)
      expect(await rest(reader)).toBe('')
    })

    it('rejects as soon as the limit is passed, while it waits (A37)', async () => {
      const reader = fed([], { limit: 7 })
      const line = netError<LimitOverrunError>(reader.readLine())
      reader.feedData(Buffer.from('chunk1'))
      reader.feedData(Buffer.from('chunk2'))
      expect((await line).consumed).toBe(12)
      reader.feedData(Buffer.from('chunk3\n'))
      expect(String(await reader.readLine())).toBe('chunk3\n')
    })

    it('resumes a transport that was paused, also when it rejects (A37)', async () => {
      const { reader, calls } = counted(3)
      reader.feedData(Buffer.from('1234567'))
      expect(calls).toEqual(['pause'])
      await expect(reader.readLine()).rejects.toThrow(LimitOverrunError)
      expect(calls).toEqual(['pause', 'resume'])
    })

    it('keeps the data when an exception is set (A37)', async () => {
      const reader = fed(['line\n'])
      expect(String(await reader.readLine())).toBe('line\n')
      reader.setException(new Error('gone'))
      await expect(reader.readLine()).rejects.toThrow('gone')
    })

    it('has the limit of the call in place of its own (D3)', async () => {
      const reader = fed(['12345\n12345\n12345\n'], { limit: 4 })
      expect(String(await reader.readLine({ limit: 5 }))).toBe('12345\n')
      const { limit, consumed } = await netError<LimitOverrunError>(reader.readLine({ limit: 3 }))
      expect([limit, consumed]).toEqual([3, 5])
      await expect(reader.readLine()).rejects.toThrow('limit of 4')
    })
  })

  describe('readUntil', () => {
    it('has the limit of the call in place of its own (D3)', async () => {
      const reader = fed(['12345;'], { limit: 4 })
      await expect(reader.readUntil(';', { limit: 0 })).rejects.toThrow(LimitOverrunError)
      expect(String(await reader.readUntil(';', { limit: 5 }))).toBe('12345;')
    })

    describe('with a predicate (D3)', () => {
      const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39

      it('ends behind the first byte that it holds for, in every split', async () => {
        const bytes = Buffer.from('ab7cd8')
        for (let at = 0; at <= bytes.length; at++) {
          const reader = fed([bytes.subarray(0, at)])
          const read = reader.readUntil(isDigit)
          reader.feedData(bytes.subarray(at))
          expect(String(await read)).toBe('ab7')
          expect(String(await reader.readUntil(isDigit))).toBe('cd8')
        }
      })

      it('is asked once about each byte', async () => {
        const asked: number[] = []
        const reader = fed()
        const read = reader.readUntil((byte) => {
          asked.push(byte)
          return byte === 3
        })
        for (const byte of [1, 2, 3, 4]) reader.feedData(Buffer.of(byte))
        expect([...(await read)]).toEqual([1, 2, 3])
        expect(asked).toEqual([1, 2, 3])
      })

      it('has the limit before that byte: exactly the limit passes, one more does not', async () => {
        expect(String(await fed(['abc1'], { limit: 3 }).readUntil(isDigit))).toBe('abc1')
        const reader = fed(['abcd1'], { limit: 3 })
        const { consumed, limit } = await netError<LimitOverrunError>(reader.readUntil(isDigit))
        expect([consumed, limit]).toEqual([4, 3])
        expect(await rest(reader)).toBe('abcd1')
      })

      it('rejects at the end of the stream with the partial bytes', async () => {
        const { partial } = await netError<IncompleteReadError>(ended('abc').readUntil(isDigit))
        expect(String(partial)).toBe('abc')
      })

      it('that throws rejects the read, which has taken nothing', async () => {
        const reader = fed(['ab'])
        const throws = (): never => {
          throw new TypeError('no')
        }
        await expect(reader.readUntil(throws)).rejects.toThrow('no')
        expect(await rest(reader)).toBe('ab')
      })
    })

    it('includes the separator, a newline by default (A38)', async () => {
      const reader = fed(['one\ntwoAAA', 'three'])
      expect(String(await reader.readUntil())).toBe('one\n')
      expect(String(await reader.readUntil('AAA'))).toBe('twoAAA')
      expect(await rest(reader)).toBe('three')
    })

    it('refuses an empty separator, an empty list and an empty member (A38)', async () => {
      const reader = fed(['data'])
      for (const separator of ['', Buffer.alloc(0), [], ['a', '']]) {
        await expect(reader.readUntil(separator)).rejects.toThrow(RangeError)
      }
      expect(await rest(reader)).toBe('data')
    })

    it('refuses a separator that is neither bytes nor a string (A38)', async () => {
      await expect(fed().readUntil([7 as unknown as string])).rejects.toThrow(TypeError)
    })

    it('finds a separator at every split of it (A38)', async () => {
      const text = 'xxaabaabcyy'
      for (let i = 0; i <= text.length; i++) {
        for (let j = i; j <= text.length; j++) {
          const reader = fed()
          const found = reader.readUntil('aabc')
          for (const part of [text.slice(0, i), text.slice(i, j), text.slice(j)]) reader.feedData(Buffer.from(part))
          expect([i, j, String(await found), await rest(reader)]).toEqual([i, j, 'xxaabaabc', 'yy'])
        }
      }
    })

    it('begins each search anew (A38)', async () => {
      const reader = fed(['QWERTYaa', 'XXXXXXXaaa'])
      expect(String(await reader.readUntil('aaa'))).toBe('QWERTYaaXXXXXXXaaa')
      const next = reader.readUntil('aaa')
      reader.feedData(Buffer.from('aaaAAA'))
      expect(String(await next)).toBe('aaa')
      expect(await rest(reader)).toBe('AAA')
    })

    it('takes a Uint8Array as separator (A38)', async () => {
      const reader = fed(['data\0\0more'])
      expect(String(await reader.readUntil(new Uint8Array(2)))).toBe('data\0\0')
    })

    it('rejects at the end of the stream with the partial bytes, which are consumed (A38, A51)', async () => {
      const reader = ended('some dataAA')
      const error = await netError<IncompleteReadError>(reader.readUntil('AAA'))
      expect(error).toBeInstanceOf(IncompleteReadError)
      expect(Buffer.from(error.partial).toString()).toBe('some dataAA')
      expect(error.expected).toBeNull()
      expect(error.message).toContain('11 bytes')
      expect(reader.atEof()).toBe(true)
    })

    it('rejects with no partial bytes if there are none (A38)', async () => {
      const error = await netError<IncompleteReadError>(ended().readUntil('AAA'))
      expect(error).toBeInstanceOf(IncompleteReadError)
      expect(error.partial).toHaveLength(0)
    })

    it('takes a separator found over the end of the stream (A38)', async () => {
      expect(String(await ended('dataAAA').readUntil('AAA'))).toBe('dataAAA')
    })

    it('rejects over the limit without a separator; the bytes stay, and `consumed` leaves room for one (A38)', async () => {
      const reader = fed(['some dataAA'], { limit: 3 })
      const error = await netError<LimitOverrunError>(reader.readUntil('AAA'))
      expect(error).toBeInstanceOf(LimitOverrunError)
      expect(error.message).toMatch(/no separator in 9 bytes.*limit of 3/)
      expect(error.consumed).toBe(9)
      expect(await rest(reader)).toBe('some dataAA')
    })

    it('rejects over the limit with a separator; the bytes stay (A38)', async () => {
      const reader = fed(['some dataAAA'], { limit: 3 })
      const error = await netError<LimitOverrunError>(reader.readUntil('AAA'))
      expect(error.message).toMatch(/separator was found after 9 bytes/)
      expect(error.consumed).toBe(9)
      expect(await rest(reader)).toBe('some dataAAA')
    })

    it('lets exactly `consumed` bytes be read on the way to the separator (A38)', async () => {
      const reader = fed(['0123456789EN'], { limit: 4 })
      const { consumed } = await netError<LimitOverrunError>(reader.readUntil('END'))
      expect(String(await reader.readExactly(consumed))).toBe('0123456789')
      reader.feedData(Buffer.from('D!'))
      expect(String(await reader.readUntil('END'))).toBe('END')
    })

    it('counts the limit without the separator: exactly the limit passes (I17)', async () => {
      expect(String(await fed(['abcAAA'], { limit: 3 }).readUntil('AAA'))).toBe('abcAAA')
      await expect(fed(['abcdAAA'], { limit: 3 }).readUntil('AAA')).rejects.toThrow(LimitOverrunError)
    })

    describe('with several separators (A38)', () => {
      it('ends at the one that ends first', async () => {
        const reader = fed(['line 1\nline 2\r\nend'])
        expect(String(await reader.readUntil(['\r\n', '\n']))).toBe('line 1\n')
        expect(String(await reader.readUntil(['\r\n', '\n']))).toBe('line 2\r\n')
        expect(await rest(reader)).toBe('end')
      })

      it('prefers the shortest match to the longest separator', async () => {
        expect(String(await fed(['dataABCrest']).readUntil(['ABC', 'AB']))).toBe('dataAB')
        expect(String(await fed(['dataABCrest']).readUntil(['BC', 'ABC']))).toBe('dataABC')
      })

      it('waits for one of them, whatever their order', async () => {
        const reader = fed(['data'])
        const found = reader.readUntil(['A', 'long sep'])
        reader.feedData(Buffer.from('Z'))
        expect(await isPending(found)).toBe(true)
        reader.feedData(Buffer.from('Aaaa'))
        expect(String(await found)).toBe('dataZA')
        expect(await rest(reader)).toBe('aaa')
      })

      it('finds a long one that straddles chunks, when a short one was looked for further on', async () => {
        const reader = fed(['abcEN'])
        const found = reader.readUntil(['\n', 'END'])
        reader.feedData(Buffer.from('D\n'))
        expect(String(await found)).toBe('abcEND')
      })

      it('applies the limit to the match', async () => {
        const reader = fed(['abcd--\n'], { limit: 4 })
        expect(String(await reader.readUntil(['\n', '--']))).toBe('abcd--')
        const over = fed(['abcde--'], { limit: 4 })
        expect((await netError<LimitOverrunError>(over.readUntil(['\n', '--']))).consumed).toBe(5)
      })

      it('counts `consumed` by the longest separator', async () => {
        const reader = fed(['0123456789'], { limit: 3 })
        expect((await netError<LimitOverrunError>(reader.readUntil(['\n', 'four']))).consumed).toBe(7)
      })
    })
  })

  describe('readExactly', () => {
    it('of 0 bytes is empty at once (A39)', async () => {
      expect(await fed().readExactly(0)).toHaveLength(0)
    })

    it.each([-1, NaN])('refuses %p bytes, and takes nothing (A39)', async (n) => {
      const reader = fed(['data'])
      await expect(reader.readExactly(n)).rejects.toThrow(RangeError)
      expect(await rest(reader)).toBe('data')
    })

    it('waits for as many chunks as it takes, and leaves the rest (A39)', async () => {
      const reader = fed()
      const n = 2 * DATA.length
      const read = reader.readExactly(n)
      reader.feedData(DATA)
      reader.feedData(DATA)
      reader.feedData(DATA)
      expect(await read).toEqual(Buffer.concat([DATA, DATA]))
      expect(await rest(reader)).toBe(String(DATA))
    })

    it('is not bounded by the limit (I17)', async () => {
      const reader = fed(['chunk'], { limit: 3 })
      const read = reader.readExactly(8)
      reader.feedData(Buffer.from('more'))
      expect(String(await read)).toBe('chunkmor')
    })

    it('rejects with the partial bytes at end of stream, and consumes them (A39, A51)', async () => {
      const reader = fed()
      const read = netError<IncompleteReadError>(reader.readExactly(36))
      reader.feedData(DATA)
      reader.feedEof()
      const error = await read
      expect(error).toBeInstanceOf(IncompleteReadError)
      expect(Buffer.from(error.partial)).toEqual(DATA)
      expect(error.expected).toBe(36)
      expect(error.message).toBe('read 18 of 36 bytes before the end of the stream')
      expect(reader.atEof()).toBe(true)
      expect(await reader.read()).toHaveLength(0)
    })

    it('succeeds at the end of the stream if the bytes are there (A39)', async () => {
      expect(String(await ended('abc').readExactly(3))).toBe('abc')
    })

    it('rejects with the exception that was set if it needs more, and leaves what there is (A42, D8)', async () => {
      const reader = fed(['line\n'])
      reader.setException(new Error('gone'))
      await expect(reader.readExactly(6)).rejects.toThrow('gone')
      expect(String(await reader.readExactly(5))).toBe('line\n')
      await expect(reader.readExactly(1)).rejects.toThrow('gone')
    })
  })

  describe('readInto (D14)', () => {
    it('fills what there is room for, from as many chunks as have come', async () => {
      const reader = fed(['ab', 'c', 'x'.repeat(2000)])
      const target = Buffer.alloc(6, '.')
      expect(await reader.readInto(target.subarray(1, 5))).toBe(4)
      expect(String(target)).toBe('.abcx.')
      expect(reader.buffered).toBe(1999)
    })

    it('waits for the first byte, not for all', async () => {
      const reader = fed()
      const target = Buffer.alloc(4, '.')
      const read = reader.readInto(target)
      expect(await isPending(read)).toBe(true)
      reader.feedData(Buffer.from('hi'))
      expect(await read).toBe(2)
      expect(String(target)).toBe('hi..')
    })

    it('is 0 at the end of the stream, and for an empty target', async () => {
      expect(await ended().readInto(Buffer.alloc(3))).toBe(0)
      const reader = fed()
      expect(await reader.readInto(Buffer.alloc(0))).toBe(0)
    })

    it('writes nothing and takes nothing when it is cancelled', async () => {
      const reader = fed()
      const controller = new AbortController()
      const target = Buffer.alloc(2, '.')
      const read = netError(reader.readInto(target, { signal: controller.signal }))
      controller.abort()
      reader.feedData(Buffer.from('ab'))
      await read
      expect(String(target)).toBe('..')
      expect(await rest(reader)).toBe('ab')
    })
  })

  describe('readNumber (C40)', () => {
    const bytes = Buffer.from('fffefdfcfbfaf9f8', 'hex')

    it.each([
      'UInt8',
      'Int8',
      'UInt16BE',
      'UInt16LE',
      'Int16BE',
      'Int16LE',
      'UInt32BE',
      'UInt32LE',
      'Int32BE',
      'Int32LE',
      'FloatBE',
      'FloatLE',
      'DoubleBE',
      'DoubleLE',
      'BigUInt64BE',
      'BigUInt64LE',
      'BigInt64BE',
      'BigInt64LE',
    ] as const)('%s is what Buffer reads, in every split, and takes no more', async (format) => {
      for (let at = 0; at <= bytes.length; at++) {
        const reader = fed([bytes.subarray(0, at)])
        const number = reader.readNumber(format)
        reader.feedData(bytes.subarray(at))
        expect(await number).toBe(bytes[`read${format}`]())
        const size = Number(/\d+/.exec(format)?.[0] ?? (format.startsWith('Float') ? 32 : 64)) / 8
        expect(reader.buffered).toBe(bytes.length - size)
      }
    })

    it('has the type of its format', async () => {
      const reader = fed([bytes, bytes])
      const big: bigint = await reader.readNumber('BigInt64BE')
      const small: number = await reader.readNumber('UInt32LE')
      // @ts-expect-error -- a format of 32 bits is no bigint
      const wrong: bigint = small
      expect([big, wrong]).toEqual([-283686952306184n, 0xfcfdfeff])
    })

    it('rejects at the end of the stream inside a number', async () => {
      const { partial, expected } = await netError<IncompleteReadError>(ended('abc').readNumber('UInt32BE'))
      expect([String(partial), expected]).toEqual(['abc', 4])
    })

    it('refuses what is no format', async () => {
      for (const format of ['UInt24BE', 'UInt16', 'uint8', 'toString', 'UInt8BE']) {
        await expect(fed([bytes]).readNumber(format as 'Int8')).rejects.toThrow(TypeError)
      }
    })
  })

  describe('peek (C40)', () => {
    it('gives the first bytes and leaves them', async () => {
      const reader = fed(['ab', 'cd'])
      expect(String(await reader.peek(3))).toBe('abc')
      expect(String(await reader.peek(0))).toBe('')
      expect(await rest(reader)).toBe('abcd')
    })

    it('waits until so many have come, or the stream ends', async () => {
      const reader = fed(['a'])
      const first = reader.peek(2)
      expect(await isPending(first)).toBe(true)
      reader.feedData(Buffer.from('b'))
      expect(String(await first)).toBe('ab')
      const cut = reader.peek(3)
      reader.feedEof()
      expect(String(await cut)).toBe('ab')
      expect(String(await reader.read())).toBe('ab')
      expect(String(await reader.peek(1))).toBe('')
    })

    it('refuses a negative number', async () => {
      await expect(fed(['a']).peek(-1)).rejects.toThrow(RangeError)
    })
  })

  describe('tryRead', () => {
    it('takes what has come, at most n bytes, and never waits', () => {
      const reader = fed(['ab', 'cd'])
      expect(String(reader.tryRead(3))).toBe('abc')
      expect(String(reader.tryRead(0))).toBe('')
      expect(String(reader.tryRead())).toBe('d')
      expect(reader.tryRead()).toEqual(Buffer.alloc(0))
      reader.feedEof()
      expect(reader.tryRead()).toEqual(Buffer.alloc(0))
    })

    it('is refused while a read waits', () => {
      const reader = fed()
      void reader.read(1)
      expect(() => reader.tryRead()).toThrow(InvalidStateError)
    })
  })

  describe('unread (D22)', () => {
    it('puts bytes in front of all that is buffered', async () => {
      const reader = fed(['abcdef', 'g'.repeat(2000), 'h'])
      const head = await reader.readExactly(4)
      reader.unread(head.subarray(2))
      reader.unread(Buffer.from('X'))
      expect(await rest(reader)).toBe(`Xcdef${'g'.repeat(2000)}h`)
    })

    it('is given to the read that waits', async () => {
      const reader = fed(['b'])
      const read = reader.readExactly(2)
      reader.unread(Buffer.from('a'))
      expect(String(await read)).toBe('ab')
    })

    it.each<[string, (reader: StreamReader) => Promise<Buffer>]>([
      ['readLine', (reader) => reader.readLine()],
      ['readUntil', (reader) => reader.readUntil(['\r\n', '\n'])],
      ['readUntil with a predicate', (reader) => reader.readUntil((byte) => byte === 0x0a)],
    ])('is searched by a %s that waits', async (_, read) => {
      const reader = fed(['0123456789'])
      const line = read(reader)
      reader.unread(Buffer.from('a\nb'))
      expect(String(await line)).toBe('a\n')
      expect(String(reader.tryRead())).toBe('b0123456789')
    })

    it('is possible at the end of the stream, which then is none', async () => {
      const reader = ended()
      expect(reader.atEof()).toBe(true)
      reader.unread(Buffer.from('a'))
      expect(reader.atEof()).toBe(false)
      expect(String(await reader.read())).toBe('a')
      expect(reader.atEof()).toBe(true)
    })

    it('of nothing does nothing, and of much holds the peer back', () => {
      const { reader, calls } = counted(3)
      reader.unread(Buffer.alloc(0))
      reader.unread(Buffer.alloc(6))
      expect(calls).toEqual([])
      reader.unread(Buffer.alloc(1))
      expect(calls).toEqual(['pause'])
    })
  })

  describe('setException', () => {
    it('is told by exception(), null before (A42)', () => {
      const reader = fed()
      expect(reader.exception()).toBeNull()
      const reason = new Error('gone')
      reader.setException(reason)
      expect(reader.exception()).toBe(reason)
    })

    it('ends the waiting read (A42)', async () => {
      const reader = fed()
      const reason = new Error('gone')
      const read = netError(reader.readLine())
      reader.setException(reason)
      expect(await read).toBe(reason)
    })

    it('leaves what came before it to be read; then every read rejects (A42, D8)', async () => {
      const reader = fed(['one\ntwo\nthr'])
      reader.setException(new Error('gone'))
      expect(String(await reader.readLine())).toBe('one\n')
      expect(String(await reader.readUntil('\n'))).toBe('two\n')
      await expect(reader.readLine()).rejects.toThrow('gone')
      await expect(reader.readUntil('\n')).rejects.toThrow('gone')
      // To the end of the stream: there was none.
      await expect(reader.read()).rejects.toThrow('gone')
      expect(String(reader.tryRead())).toBe('thr')
      expect(() => reader.tryRead()).toThrow('gone')
      for (const read of [
        reader.read(1),
        reader.peek(1),
        reader.readInto(Buffer.alloc(1)),
        reader.readNumber('Int8'),
      ]) {
        await expect(read).rejects.toThrow('gone')
      }
    })

    it('after the end of the stream is what a read gets that is cut off, and not the end', async () => {
      const reader = ended('ab')
      reader.setException(new Error('gone'))
      await expect(reader.readExactly(3)).rejects.toThrow('gone')
      expect(String(await reader.readExactly(2))).toBe('ab')
      await expect(reader.read()).rejects.toThrow('gone')
    })

    it('after a cancelled read does no harm (A42)', async () => {
      const reader = fed()
      const controller = new AbortController()
      const read = netError(reader.readLine({ signal: controller.signal }))
      controller.abort(new Error('enough'))
      expect((await read).message).toBe('enough')
      reader.setException(new Error('gone'))
      await expect(reader.readLine()).rejects.toThrow('gone')
    })
  })

  describe('one read at a time (I15)', () => {
    it.each<[string, (reader: StreamReader) => Promise<unknown>]>([
      ['read', (reader) => reader.read(1)],
      ['read of everything', (reader) => reader.read()],
      ['readLine', (reader) => reader.readLine()],
      ['readUntil', (reader) => reader.readUntil('x')],
      ['readExactly', (reader) => reader.readExactly(1)],
      ['next of an iteration', (reader) => reader[Symbol.asyncIterator]().next()],
    ])('refuses a second %s at once, and does not disturb the first', async (_name, second) => {
      const reader = fed()
      const first = reader.readExactly(3)
      const error = await netError(second(reader))
      expect(error).toBeInstanceOf(InvalidStateError)
      expect(error.message).toContain('readExactly() is waiting')
      reader.feedData(Buffer.from('abc'))
      expect(String(await first)).toBe('abc')
    })

    it('lets the next read begin in the very turn in which the first is done', async () => {
      const reader = fed()
      const first = reader.readExactly(1)
      reader.feedData(Buffer.from('ab'))
      const second = reader.readExactly(1)
      expect(String(await first) + String(await second)).toBe('ab')
    })
  })

  describe('cancelling (D9)', () => {
    it('rejects with the reason of the signal itself, and takes nothing', async () => {
      const reader = fed(['abc'])
      const controller = new AbortController()
      const read = netError(reader.readExactly(4, { signal: controller.signal }))
      const reason = { any: 'thing' }
      controller.abort(reason)
      expect(await read).toBe(reason)
      reader.feedData(Buffer.from('d'))
      expect(String(await reader.readExactly(4))).toBe('abcd')
    })

    it('rejects at once with a signal already aborted, though the bytes are there', async () => {
      const reader = fed(['abc\n'])
      const options = { signal: AbortSignal.abort(new Error('before')) }
      await expect(reader.readLine(options)).rejects.toThrow('before')
      await expect(reader.read(1, options)).rejects.toThrow('before')
      await expect(reader.readUntil('\n', options)).rejects.toThrow('before')
      expect(await rest(reader)).toBe('abc\n')
    })

    it('takes no byte of what arrived meanwhile, read(-1) included', async () => {
      const reader = fed(['a'])
      const controller = new AbortController()
      const read = netError(reader.read(-1, { signal: controller.signal }))
      reader.feedData(Buffer.from('b'))
      controller.abort()
      await read
      expect(await rest(reader)).toBe('ab')
    })

    it('lets another read start in the very catch', async () => {
      const reader = fed()
      const controller = new AbortController()
      const both = reader.readLine({ signal: controller.signal }).catch(() => reader.readLine())
      controller.abort()
      await netTurns(1)
      reader.feedData(Buffer.from('line\n'))
      expect(String(await both)).toBe('line\n')
    })

    it('finishes the read if the bytes came first in the same turn', async () => {
      const reader = fed()
      const controller = new AbortController()
      const read = reader.readExactly(2, { signal: controller.signal })
      reader.feedData(Buffer.from('ab'))
      controller.abort()
      expect(String(await read)).toBe('ab')
    })

    it('keeps the bytes if the cancel came first in the same turn', async () => {
      const reader = fed()
      const controller = new AbortController()
      const read = netError(reader.readExactly(2, { signal: controller.signal }))
      controller.abort(new Error('enough'))
      reader.feedData(Buffer.from('ab'))
      expect((await read).message).toBe('enough')
      expect(await rest(reader)).toBe('ab')
    })

    it('keeps no listener once the read is done', async () => {
      const reader = fed()
      const controller = new AbortController()
      const added = jest.spyOn(controller.signal, 'addEventListener')
      const removed = jest.spyOn(controller.signal, 'removeEventListener')
      const read = reader.readExactly(1, { signal: controller.signal })
      reader.feedData(Buffer.from('a'))
      await read
      expect(added).toHaveBeenCalledTimes(1)
      expect(removed.mock.calls[0]!.slice(0, 2)).toEqual(added.mock.calls[0]!.slice(0, 2))
    })

    it('ends with the scope that is passed', async () => {
      const reader = fed()
      const controller = new AbortController()
      const read = netError(reader.readLine({ scope: signalScope(controller.signal) }))
      controller.abort(new Error('scope ended'))
      expect((await read).message).toBe('scope ended')
    })

    it('times out with a TimeoutError, and takes nothing (D10)', async () => {
      const reader = fed(['ab'])
      const error = await netError<TimeoutError>(reader.readExactly(3, { timeoutMs: 1 }))
      expect(error).toBeInstanceOf(TimeoutError)
      expect(error.timeoutMs).toBe(1)
      expect(error.message).toMatch(/^readExactly.*2 bytes buffered.*1 ms$/)
      expect(await rest(reader)).toBe('ab')
    })
  })

  describe('the pace of the peer (D10)', () => {
    beforeEach(() => jest.useFakeTimers())
    afterEach(() => jest.useRealTimers())

    describe('idleTimeoutMs', () => {
      it('rejects after so long without a byte, and takes nothing', async () => {
        const reader = fed(['abc'])
        const read = netError<TimeoutError>(reader.readExactly(4, { idleTimeoutMs: 5 }))
        jest.advanceTimersByTime(5)
        const error = await read
        expect(error).toBeInstanceOf(TimeoutError)
        expect(error.timeoutMs).toBe(5)
        expect(error.message).toBe('readExactly (3 bytes buffered) had no further byte for 5 ms')
        reader.feedData(Buffer.from('d'))
        expect(String(await reader.readExactly(4))).toBe('abcd')
      })

      it('begins anew with every byte', async () => {
        const reader = fed()
        const read = reader.readExactly(10, { idleTimeoutMs: 100 })
        for (let i = 0; i < 10; i++) {
          jest.advanceTimersByTime(99)
          reader.feedData(Buffer.from('x'))
        }
        expect(await read).toHaveLength(10)
        const late = netError(reader.readExactly(2, { idleTimeoutMs: 100 }))
        jest.advanceTimersByTime(99)
        reader.feedData(Buffer.from('y'))
        jest.advanceTimersByTime(100)
        expect(await late).toBeInstanceOf(TimeoutError)
      })
    })

    describe('minRate', () => {
      it('rejects a peer that is too slow, once the time of grace is over', async () => {
        const reader = fed()
        const minRate = { bytesPerSecond: 1000, graceMs: 2000 }
        const read = netError<TimeoutError>(reader.readExactly(9999, { minRate }))
        reader.feedData(Buffer.alloc(10))
        jest.advanceTimersByTime(1999)
        reader.feedData(Buffer.alloc(10))
        jest.advanceTimersByTime(1)
        const error = await read
        expect(error).toBeInstanceOf(TimeoutError)
        expect(error.message).toBe('readExactly (20 bytes buffered) got 20 bytes in 2000 ms, below 1000 bytes/s')
        expect(reader.buffered).toBe(20)
      })

      it('lets one pass that is fast enough, and catches it when it no longer is', async () => {
        const reader = new StreamReader()
        const read = netError<TimeoutError>(reader.readExactly(1e6, { minRate: { bytesPerSecond: 1000, graceMs: 0 } }))
        reader.feedData(Buffer.alloc(10_000))
        jest.advanceTimersByTime(9900)
        reader.feedData(Buffer.alloc(10_000))
        jest.advanceTimersByTime(9900)
        expect(jest.getTimerCount()).toBe(1)
        jest.advanceTimersByTime(500)
        expect((await read).message).toMatch('got 20000 bytes in')
      })
    })

    it('leaves no timer behind, however the read ends', async () => {
      const options = { idleTimeoutMs: 60_000, minRate: { bytesPerSecond: 1 } }
      const reader = fed()
      const done = reader.read(1, options)
      expect(jest.getTimerCount()).toBe(1)
      reader.feedData(Buffer.from('a'))
      await done
      expect(jest.getTimerCount()).toBe(0)
      const controller = new AbortController()
      const cancelled = netError(reader.read(1, { ...options, signal: controller.signal }))
      controller.abort()
      await cancelled
      expect(jest.getTimerCount()).toBe(0)
      const tooLate = netError(reader.read(1, { ...options, timeoutMs: 10 }))
      jest.advanceTimersByTime(10)
      await tooLate
      expect(jest.getTimerCount()).toBe(0)
      const lost = netError(reader.read(1, options))
      reader.setException(new Error('gone'))
      await lost
      expect(jest.getTimerCount()).toBe(0)
    })

    it.each([
      { idleTimeoutMs: -1 },
      { idleTimeoutMs: NaN },
      { minRate: { bytesPerSecond: -1 } },
      { idleTimeoutMs: -1, timeoutMs: 10 },
      { idleTimeoutMs: 10, timeoutMs: -1 },
    ])('refuses %j, and the reader is as before', async (options) => {
      const reader = fed()
      const { signal } = new AbortController()
      expect(() => reader.read(1, { ...options, signal })).toThrow(RangeError)
      expect(jest.getTimerCount()).toBe(0)
      expect(getEventListeners(signal, 'abort')).toHaveLength(0)
      reader.feedData(Buffer.from('a'))
      expect(String(await reader.read(1))).toBe('a')
    })
  })

  describe('setReadBufferLimits (S51)', () => {
    it('has twice the limit and the limit to begin with', () => {
      expect(fed([], { limit: 5 }).getReadBufferLimits()).toEqual([5, 10])
    })

    it.each<[{ high?: number; low?: number }, [low: number, high: number]]>([
      [{ high: 9 }, [4, 9]],
      [{ low: 7 }, [7, 14]],
      [{ high: 8, low: 8 }, [8, 8]],
      [{ high: 0 }, [0, 0]],
      [{}, [5, 10]],
    ])('of %j gives %j', (limits, expected) => {
      const reader = fed([], { limit: 5 })
      reader.setReadBufferLimits({ high: 100, low: 1 })
      reader.setReadBufferLimits(limits)
      expect(reader.getReadBufferLimits()).toEqual(expected)
    })

    it.each([{ high: 1, low: 2 }, { low: -1 }, { high: NaN }])('refuses %j, changing nothing', (limits) => {
      const reader = fed([], { limit: 5 })
      expect(() => reader.setReadBufferLimits(limits)).toThrow(RangeError)
      expect(reader.getReadBufferLimits()).toEqual([5, 10])
    })

    it('sets when the peer is paused, strictly above, and resumed, at the mark', async () => {
      const { reader, calls } = counted(1000)
      reader.setReadBufferLimits({ high: 4, low: 1 })
      reader.feedData(Buffer.from('1234'))
      expect(calls).toEqual([])
      reader.feedData(Buffer.from('5'))
      expect(calls).toEqual(['pause'])
      await reader.readExactly(3)
      expect(calls).toEqual(['pause'])
      await reader.readExactly(1)
      expect(calls).toEqual(['pause', 'resume'])
    })

    it('counts for what is buffered already', () => {
      const { reader, calls } = counted(10)
      reader.feedData(Buffer.from('12345'))
      reader.setReadBufferLimits({ high: 4 })
      expect(calls).toEqual(['pause'])
      reader.setReadBufferLimits({ high: 20, low: 4 })
      expect(calls).toEqual(['pause'])
      reader.setReadBufferLimits({ high: 20, low: 5 })
      expect(calls).toEqual(['pause', 'resume'])
    })
  })

  describe('holding the peer back (I16)', () => {
    it('pauses the transport above twice the limit, strictly', () => {
      const { reader, calls } = counted(3)
      reader.feedData(Buffer.from('123456'))
      expect(calls).toEqual([])
      reader.feedData(Buffer.from('7'))
      expect(calls).toEqual(['pause'])
    })

    it('pauses only once', () => {
      const { reader, calls } = counted(3)
      for (let i = 0; i < 3; i++) reader.feedData(Buffer.from('1234567'))
      expect(calls).toEqual(['pause'])
    })

    it('resumes at the limit, not above', async () => {
      const { reader, calls } = counted(3)
      reader.feedData(Buffer.from('1234567'))
      await reader.read(3)
      expect(calls).toEqual(['pause'])
      await reader.read(1)
      expect(calls).toEqual(['pause', 'resume'])
    })

    it('resumes for any read that must wait, else one of more than twice the limit would never end', async () => {
      const { reader, calls } = counted(3)
      reader.feedData(Buffer.from('1234567'))
      const read = reader.readExactly(20)
      expect(calls).toEqual(['pause', 'resume'])
      reader.feedData(Buffer.from('8901234'))
      reader.feedData(Buffer.from('567890'))
      expect(await read).toHaveLength(20)
      expect(calls).toEqual(['pause', 'resume'])
    })

    it('pauses again when the read is over and too much is left', async () => {
      const { reader, calls } = counted(3)
      const read = reader.readExactly(1)
      reader.feedData(Buffer.from('12345678'))
      await read
      expect(calls).toEqual(['pause'])
    })

    it('just buffers where a transport cannot pause (A43)', async () => {
      class Unpausable extends Transport {
        asked = 0
        override pauseReading(): void {
          this.asked++
          super.pauseReading()
        }
      }
      const reader = new StreamReader({ limit: 3 })
      const transport = new Unpausable()
      reader.setTransport(transport)
      reader.feedData(Buffer.from('1234567'))
      reader.feedData(Buffer.from('89'))
      expect(String(await reader.read(9))).toBe('123456789')
      expect(transport.asked).toBe(1)
    })

    it('has its transport set once (A42)', () => {
      const reader = fed()
      reader.setTransport(new CountingTransport())
      expect(() => reader.setTransport(new CountingTransport())).toThrow(InvalidStateError)
    })
  })

  describe('for await (I21, A41)', () => {
    it('gives lines until the end, the last one without a newline too', async () => {
      const lines: string[] = []
      for await (const line of ended('a\nb\nc')) lines.push(String(line))
      expect(lines).toEqual(['a\n', 'b\n', 'c'])
    })

    it('goes on over empty lines', async () => {
      const lines: string[] = []
      for await (const line of ended('\n\na')) lines.push(String(line))
      expect(lines).toEqual(['\n', '\n', 'a'])
    })

    it('can be left and taken up again: nothing is closed (D19)', async () => {
      const reader = fed(['a\nb\nc\n'])
      for await (const line of reader) {
        expect(String(line)).toBe('a\n')
        break
      }
      expect(String(await reader.readLine())).toBe('b\n')
      reader.feedEof()
      for await (const line of reader) expect(String(line)).toBe('c\n')
      expect(reader.atEof()).toBe(true)
    })

    it('rejects with the exception that is set', async () => {
      const reader = fed(['a\n'])
      const lines: string[] = []
      const loop = (async () => {
        for await (const line of reader) {
          lines.push(String(line))
          reader.setException(new Error('gone'))
        }
      })()
      await expect(loop).rejects.toThrow('gone')
      expect(lines).toEqual(['a\n'])
    })
  })

  describe('take, for subclasses', () => {
    class PairReader extends StreamReader<string> {
      attempts = 0
      readonly #attempt: ReadAttempt<string> = (queue) => {
        this.attempts++
        if (queue.length < 1 || queue.length < 1 + queue.at(0)) return undefined
        const n = queue.at(0)
        queue.skip(1)
        return Buffer.from(queue.take(n)).toString()
      }
      readMessage(options?: { signal: AbortSignal }): Promise<string | undefined> {
        return this.take(this.#attempt, options, 'readMessage')
      }
      messageNow(): string | undefined {
        return this.takeNow(this.#attempt, 'messageNow')
      }
      protected override nextItem(): Promise<string | undefined> {
        return this.readMessage()
      }
    }

    it('tries once for each chunk and resolves with the result', async () => {
      const reader = new PairReader()
      const message = reader.readMessage()
      for (const byte of '\x03abc') reader.feedData(Buffer.from(byte))
      expect(await message).toBe('abc')
      expect(reader.attempts).toBe(5)
    })

    it('leaves header and body where they were when cancelled', async () => {
      const reader = new PairReader()
      reader.feedData(Buffer.from('\x03ab'))
      const controller = new AbortController()
      const message = netError(reader.readMessage({ signal: controller.signal }))
      controller.abort(new Error('enough'))
      await message
      reader.feedData(Buffer.from('c'))
      expect(await reader.readMessage()).toBe('abc')
    })

    it('resolves with undefined at the end between messages, rejects inside one', async () => {
      const between = new PairReader()
      between.feedEof()
      expect(await between.readMessage()).toBeUndefined()
      const inside = new PairReader()
      inside.feedData(Buffer.from('\x03ab'))
      const message = netError<IncompleteReadError>(inside.readMessage())
      inside.feedEof()
      const error = await message
      expect(error).toBeInstanceOf(IncompleteReadError)
      expect(error.partial).toHaveLength(3)
      expect(inside.atEof()).toBe(true)
    })

    it('rejects with what the attempt throws, at once and later', async () => {
      class Failing extends StreamReader {
        fail(): Promise<number | undefined> {
          return this.take((queue) => {
            if (queue.length > 1) throw new Error('bad bytes')
            return undefined
          })
        }
      }
      const reader = new Failing()
      const later = reader.fail()
      reader.feedData(Buffer.from('ab'))
      await expect(later).rejects.toThrow('bad bytes')
      await expect(reader.fail()).rejects.toThrow('bad bytes')
      expect(await rest(reader)).toBe('ab')
    })

    it('has a form that does not wait, and throws what would be rejected with', async () => {
      const reader = new PairReader()
      reader.feedData(Buffer.from('\x01a\x02b'))
      expect(reader.messageNow()).toBe('a')
      expect(reader.messageNow()).toBeUndefined()
      const waiting = reader.readMessage()
      expect(() => reader.messageNow()).toThrow(InvalidStateError)
      reader.feedData(Buffer.from('c'))
      expect(await waiting).toBe('bc')
      reader.setException(new Error('gone'))
      expect(() => reader.messageNow()).toThrow('gone')
    })

    it('makes for await give the items of the subclass', async () => {
      const reader = new PairReader()
      reader.feedData(Buffer.from('\x01a\x02bc'))
      reader.feedEof()
      const messages: string[] = []
      for await (const message of reader) messages.push(message)
      expect(messages).toEqual(['a', 'bc'])
    })
  })
})
