import { MessageDecoder, encodeMessage } from '../../lib/framing/index.ts'
import { Line, ProtocolError, replies, ReplyError, RequestDecoder, type Reply } from '../../samples/mini-redis/resp.ts'
import { CountingBytes } from '../support/countingBytes.ts'
import { decodeChunks, everySplit, latin1, piecesOf } from '../support/everySplit.ts'
import { replyDecoder, request, shown } from '../support/redisClient.ts'
import { thrownBy } from '../support/thrown.ts'

const requests = (): RequestDecoder => new RequestDecoder()
const everyByte = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('')

describe('the requests of mini-redis', () => {
  it('come out whole and in order, wherever the chunks end', () => {
    const expected = [['SET', 'key', ''], ['GET', 'key'], ['PING'], ['set', 'a', 'b\r\n$3\r\n*'], ['ECHO', everyByte]]
    const bytes = Buffer.concat([
      ...expected.slice(0, 2).map((words) => request(...words)),
      latin1(' PING \t\r\n\r\n*0\r\n*-1\r\n\n'),
      ...expected.slice(3).map((words) => request(...words)),
    ])
    for (const { name, chunks } of everySplit(bytes)) {
      const { messages, error, buffered } = decodeChunks(requests, chunks)
      expect({ name, messages, error, buffered }).toEqual({ name, messages: expected, error: undefined, buffered: 0 })
    }
  })

  it('that are cut off by the end are an error behind those that are whole', () => {
    const bytes = Buffer.concat([request('PING'), request('GET', 'key')])
    for (let end = request('PING').length + 1; end < bytes.length; end++) {
      const { messages, error } = decodeChunks(requests, [bytes.subarray(0, end)])
      expect(messages).toEqual([['PING']])
      expect(error).toHaveProperty('code', 'ERR_MILLRACE_INCOMPLETE_READ')
    }
  })

  it('take no byte before they are whole', () => {
    const bytes = request('SET', 'key', 'value')
    const decoder = new MessageDecoder(requests)
    for (let i = 0; i < bytes.length - 1; i++) {
      decoder.push(bytes.subarray(i, i + 1))
      expect([decoder.next(), decoder.buffered]).toEqual([undefined, i + 1])
    }
  })

  describe('that are none', () => {
    const digits = '1'.repeat(11)
    it.each([
      ['*x\r\n', 'invalid multibulk length'],
      ['*\r\n', 'invalid multibulk length'],
      ['*1 \r\n', 'invalid multibulk length'],
      ['*+1\r\n', 'invalid multibulk length'],
      ['*01\r\n', 'invalid multibulk length'],
      ['*--1\r\n', 'invalid multibulk length'],
      ['*1048577\r\n', 'invalid multibulk length'],
      [`*${digits}`, 'invalid multibulk length'],
      ['*1\r\n:3\r\n', "expected '$', got ':'"],
      ['*2\r\n$1\r\na\r\n*1\r\n', "expected '$', got '*'"],
      ['*1\r\n$-1\r\n', 'invalid bulk length'],
      ['*1\r\n$x\r\n', 'invalid bulk length'],
      ['*1\r\n$3x\r\n', 'invalid bulk length'],
      ['*1\r\n$536870913\r\n', 'invalid bulk length'],
      [`*1\r\n$${digits}`, 'invalid bulk length'],
    ])('%j: the reason is known at every split, and the request before is delivered', (bad, reason) => {
      for (const { name, chunks } of everySplit(Buffer.concat([request('PING'), latin1(bad)]))) {
        const { messages, error } = decodeChunks(requests, chunks)
        expect([name, messages]).toEqual([name, [['PING']]])
        expect(error).toBeInstanceOf(ProtocolError)
        expect((error as ProtocolError).reply.message).toBe(`ERR Protocol error: ${reason}`)
      }
    })

    it('are refused from the header of the word, and what may be sent is waited for', () => {
      for (const [header, refused] of [
        ['*1\r\n$536870888\r\n', false],
        ['*1\r\n$536870889\r\n', true],
        ['*1048576\r\n', false],
      ] as const) {
        const decoder = new MessageDecoder(requests)
        decoder.push(latin1(header))
        expect(thrownBy(() => decoder.next()) instanceof ProtocolError).toBe(refused)
      }
    })

    it('and have no end of line are refused above 64 KiB', () => {
      const decoder = new MessageDecoder(requests)
      decoder.push(Buffer.alloc(64 * 1024, 'a'))
      expect(decoder.next()).toBeUndefined()
      decoder.push(latin1('a'))
      expect(() => decoder.next()).toThrow('too big inline request')
    })
  })

  it('of very many words in very many chunks are looked at once', () => {
    const looks = [1, 2].map((times) => {
      const words = Array.from({ length: 4000 * times }, (_, i) => `key:${i}`)
      const chunks = piecesOf(request(...words), 2048).map((piece) => CountingBytes.from(piece))
      const decoder = new MessageDecoder(requests)
      const found: (string[] | undefined)[] = []
      const looked = CountingBytes.looksOf(() => {
        for (const chunk of chunks) {
          decoder.push(chunk)
          found.push(decoder.next())
        }
      })
      expect(found).toEqual([...chunks.slice(1).map(() => undefined), words])
      return looked
    })
    expect(looks[1]! / looks[0]!).toBeLessThan(2.5)
  })
})

describe('the replies of mini-redis', () => {
  const examples: [Reply, string][] = [
    [new Line('+OK'), '+OK\r\n'],
    [new Line('*-1'), '*-1\r\n'],
    [new ReplyError('ERR two\r\nlines'), '-ERR two  lines\r\n'],
    [-7, ':-7\r\n'],
    [2n ** 63n - 1n, ':9223372036854775807\r\n'],
    [null, '$-1\r\n'],
    ['', '$0\r\n\r\n'],
    ['a\r\n', '$3\r\na\r\n\r\n'],
    [everyByte, `$256\r\n${everyByte}\r\n`],
    ['x'.repeat(20_000), `$20000\r\n${'x'.repeat(20_000)}\r\n`],
    [[], '*0\r\n'],
    [['a', [1, [null, new Line('+b')]], []], '*3\r\n$1\r\na\r\n*2\r\n:1\r\n*2\r\n$-1\r\n+b\r\n*0\r\n'],
  ]

  it.each(examples)('%# are written as RESP2 has them', (reply, expected) => {
    expect(Buffer.from(encodeMessage(replies, reply)).toString('latin1')).toBe(expected)
  })

  it('come back the same at every split', () => {
    const some = examples.filter(([, text]) => text.length < 100).map(([reply]) => reply)
    const bytes = Buffer.concat(some.map((reply) => encodeMessage(replies, reply)))
    for (const { name, chunks } of everySplit(bytes)) {
      const { messages, error } = decodeChunks(replyDecoder, chunks)
      const expected = some.map((reply) => (reply instanceof ReplyError ? '-ERR two  lines' : shown(reply)))
      expect({ name, messages: messages.map(shown), error }).toEqual({ name, messages: expected, error: undefined })
    }
  })
})
