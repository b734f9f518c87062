import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import * as net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { memoryStreams } from '../../lib/testing/index.ts'
import { Client, MiniRedis } from '../../samples/mini-redis/miniRedis.ts'
import { RespReader, RespWriter } from '../../samples/mini-redis/resp.ts'
import { decodeChunks, everySplit } from '../support/everySplit.ts'
import { netDefer, netTurns } from '../support/netTools.ts'
import { itWith, Program, sample } from '../support/program.ts'
import { RedisClient, replyDecoder, request, shown, type Shown } from '../support/redisClient.ts'

const itWithServer = itWith('redis-server')
const itWithCli = itWith('redis-cli')
const itWithBenchmark = itWith('redis-benchmark')

const everyByte = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('')
const WRONG_TYPE = '-WRONGTYPE Operation against a key holding the wrong kind of value'
const NO_INTEGER = '-ERR value is not an integer or out of range'
const wrongNumber = (name: string): string => `-ERR wrong number of arguments for '${name}' command`
const q = (text: string): string => JSON.stringify(text)

/** What is said to a server that holds nothing, and what it answers. Redis itself is asked the same below. */
const conversations: Record<string, [request: string | string[], reply: Shown][]> = {
  'GET and SET': [
    ['GET a', null],
    ['SET a 1', '+OK'],
    ['get a', '"1"'],
    ['GeT a', '"1"'],
    [['SET', everyByte, everyByte], '+OK'],
    [['GET', everyByte], q(everyByte)],
    [['SET', '', ''], '+OK'],
    [['GET', ''], '""'],
    ['SET b 2 NX', '+OK'],
    ['SET b 3 nx', null],
    ['SET b 3 XX', '+OK'],
    ['SET c 3 XX', null],
    ['MGET b c', ['"3"', null]],
    ['SET a 1 NX XX', '-ERR syntax error'],
    ['SET a 1 EX', '-ERR syntax error'],
    ['SET a 1 EX 1 PX 1', '-ERR syntax error'],
    ['SET a 1 what', '-ERR syntax error'],
    ['SET a 1 EX x', NO_INTEGER],
    ['SET a 1 EX 0', "-ERR invalid expire time in 'set' command"],
    ['SET a 1 PX -1', "-ERR invalid expire time in 'set' command"],
    ['SET a 1 EX 9223372036854775807', "-ERR invalid expire time in 'set' command"],
    ['SET a', wrongNumber('set')],
    ['GET', wrongNumber('get')],
    ['GET a b', wrongNumber('get')],
  ],
  'MSET and MGET': [
    ['MSET a 1 b 2', '+OK'],
    ['RPUSH list x', 1],
    ['MGET a b c list', ['"1"', '"2"', null, null]],
    ['MSET a 1 b', wrongNumber('mset')],
    ['MSET a', wrongNumber('mset')],
    ['MGET', wrongNumber('mget')],
  ],
  'DEL and EXISTS': [
    ['MSET a 1 b 2', '+OK'],
    ['EXISTS a b c a', 3],
    ['DEL a b c', 2],
    ['EXISTS a b', 0],
    ['DEL', wrongNumber('del')],
  ],
  'INCR and DECR': [
    ['INCR n', 1],
    ['INCR n', 2],
    ['DECR n', 1],
    ['DECR m', -1],
    ['GET m', '"-1"'],
    ['SET n 9007199254740991', '+OK'],
    ['INCR n', 9007199254740992n],
    ['INCR n', 9007199254740993n],
    ['DECR n', 9007199254740992n],
    ['DECR n', 9007199254740991],
    ['SET n 9223372036854775806', '+OK'],
    ['INCR n', 9223372036854775807n],
    ['INCR n', '-ERR increment or decrement would overflow'],
    ['SET n -9223372036854775808', '+OK'],
    ['DECR n', '-ERR increment or decrement would overflow'],
    ...['x', '1.0', ' 1', '1 ', '01', '-0', '+1', '', '1e3', '9223372036854775808'].flatMap(
      (text): [string | string[], Shown][] => [
        [['SET', 'n', text], '+OK'],
        ['INCR n', NO_INTEGER],
      ],
    ),
    ['RPUSH list x', 1],
    ['INCR list', WRONG_TYPE],
  ],
  'EXPIRE and TTL': [
    ['TTL a', -2],
    ['EXPIRE a 100', 0],
    ['SET a 1', '+OK'],
    ['TTL a', -1],
    ['EXPIRE a 100', 1],
    ['TTL a', 100],
    ['INCR a', 2],
    ['TTL a', 100],
    ['SET a 1', '+OK'],
    ['TTL a', -1],
    ['SET a 1 EX 1000', '+OK'],
    ['TTL a', 1000],
    ['SET a 1 PX 50000', '+OK'],
    ['TTL a', 50],
    ['MSET a 1', '+OK'],
    ['TTL a', -1],
    ['SET b 1 EX 100', '+OK'],
    ['DEL b', 1],
    ['SET b 1', '+OK'],
    ['TTL b', -1],
    ['RPUSH list x', 1],
    ['EXPIRE list 100', 1],
    ['RPUSH list y', 2],
    ['TTL list', 100],
    ['EXPIRE a 0', 1],
    ['EXISTS a', 0],
    ['EXPIRE list -5', 1],
    ['LRANGE list 0 -1', []],
    ['EXPIRE b x', NO_INTEGER],
    ['EXPIRE b 9223372036854775807', "-ERR invalid expire time in 'expire' command"],
    ['EXPIRE b', wrongNumber('expire')],
  ],
  lists: [
    ['RPUSH l c d', 2],
    ['LPUSH l b a', 4],
    ['LRANGE l 0 -1', ['"a"', '"b"', '"c"', '"d"']],
    ['LRANGE l 1 2', ['"b"', '"c"']],
    ['LRANGE l -3 -2', ['"b"', '"c"']],
    ['LRANGE l -100 100', ['"a"', '"b"', '"c"', '"d"']],
    ['LRANGE l 2 1', []],
    ['LRANGE l 4 9', []],
    ['LRANGE l 0 -5', []],
    ['LRANGE l x 1', NO_INTEGER],
    ['LPOP l', '"a"'],
    ['LPOP l 2', ['"b"', '"c"']],
    ['LPOP l 0', []],
    ['LPOP l 9', ['"d"']],
    ['EXISTS l', 0],
    ['LPOP l', null],
    ['LPOP l 1', '*-1'],
    ['LPOP l -1', '-ERR value is out of range, must be positive'],
    ['LPOP l x', '-ERR value is out of range, must be positive'],
    [['LPOP', 'l', ''], '-ERR value is out of range, must be positive'],
    ['LPOP l 1 2', wrongNumber('lpop')],
    ['SET s 1', '+OK'],
    ['LPUSH s a', WRONG_TYPE],
    ['RPUSH s a', WRONG_TYPE],
    ['LPOP s', WRONG_TYPE],
    ['LRANGE s 0 1', WRONG_TYPE],
    ['LPUSH l', wrongNumber('lpush')],
  ],
  sets: [
    ['SADD s b a b', 2],
    ['SADD s a c', 1],
    ['SMEMBERS s', ['"a"', '"b"', '"c"']],
    ['SMEMBERS none', []],
    ['GET s', WRONG_TYPE],
    ['HSET s a b', WRONG_TYPE],
    ['SADD s', wrongNumber('sadd')],
  ],
  hashes: [
    ['HSET h f 1 g 2', 2],
    ['HSET h f 3 i 4', 1],
    ['HGET h f', '"3"'],
    ['HGET h none', null],
    ['HGET none f', null],
    ['HGETALL h', ['"f"', '"3"', '"g"', '"2"', '"i"', '"4"']],
    ['HGETALL none', []],
    ['SADD h a', WRONG_TYPE],
    ['SMEMBERS h', WRONG_TYPE],
    ['HSET h f', wrongNumber('hset')],
    ['HSET h f 1 g', wrongNumber('hset')],
    ['SET s 1', '+OK'],
    ['HGET s f', WRONG_TYPE],
    ['HGETALL s', WRONG_TYPE],
  ],
  'SELECT and FLUSHALL': [
    ['SET a 1', '+OK'],
    ['SELECT 15', '+OK'],
    ['GET a', null],
    ['SET a 2', '+OK'],
    ['SELECT 0', '+OK'],
    ['GET a', '"1"'],
    ['SELECT 16', '-ERR DB index is out of range'],
    ['SELECT -1', '-ERR DB index is out of range'],
    ['SELECT x', NO_INTEGER],
    ['FLUSHALL now', '-ERR syntax error'],
    ['FLUSHALL', '+OK'],
    ['GET a', null],
    ['SELECT 15', '+OK'],
    ['GET a', null],
    ['FLUSHALL async', '+OK'],
  ],
  'PING, ECHO, CONFIG GET and what is not there': [
    ['PING', '+PONG'],
    ['PING hello', '"hello"'],
    ['PING a b', wrongNumber('ping')],
    ['ECHO hello', '"hello"'],
    ['ECHO', wrongNumber('echo')],
    ['CONFIG GET save', ['"save"', '""']],
    ['config get appendonly', ['"appendonly"', '"no"']],
    ['CONFIG GET nothing', []],
    ['CONFIG GET', wrongNumber('config|get')],
    ['CONFIG', wrongNumber('config')],
    ['CONFIG what', "-ERR unknown subcommand 'what'. Try CONFIG HELP."],
    ['COMMAND what', "-ERR unknown subcommand 'what'. Try COMMAND HELP."],
    ['NOTHING', "-ERR unknown command 'NOTHING', with args beginning with: "],
    ['nothing a b', "-ERR unknown command 'nothing', with args beginning with: 'a' 'b' "],
    [['no\nthing', 'a\r\nb'], "-ERR unknown command 'no thing', with args beginning with: 'a  b' "],
    [
      ['x'.repeat(200), 'y'.repeat(100), 'z'.repeat(100), 'never'],
      `-ERR unknown command '${'x'.repeat(128)}', with args beginning with: '${'y'.repeat(100)}' '${'z'.repeat(25)}' `,
    ],
  ],
  'PUBLISH and SUBSCRIBE': [
    ['PUBLISH news hello', 0],
    ['PUBLISH news', wrongNumber('publish')],
    ['SUBSCRIBE', wrongNumber('subscribe')],
    ['UNSUBSCRIBE', ['"unsubscribe"', null, 0]],
    ['UNSUBSCRIBE none', ['"unsubscribe"', '"none"', 0]],
    ['SUBSCRIBE news', ['"subscribe"', '"news"', 1]],
    ['SUBSCRIBE news', ['"subscribe"', '"news"', 1]],
    ['PING', ['"pong"', '""']],
    ['PING hello', ['"pong"', '"hello"']],
    [
      'GET a',
      "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
    ],
    ['GET', wrongNumber('get')],
    ['UNSUBSCRIBE other', ['"unsubscribe"', '"other"', 1]],
    ['UNSUBSCRIBE', ['"unsubscribe"', '"news"', 0]],
    ['GET a', null],
  ],
}
const toWords = (said: string | string[]): string[] => (typeof said === 'string' ? said.split(' ') : said)

/** Sets and hashes have no order of their own: the members of a set are compared sorted. */
const sorted = (words: string[], reply: Shown | undefined): Shown | undefined =>
  words[0] === 'SMEMBERS' && Array.isArray(reply) ? reply.map(String).sort() : reply

describe('mini-redis', () => {
  let program: Program
  let port: number

  beforeAll(async () => {
    program = sample('mini-redis/server', '--port', '0')
    port = await program.port()
  })

  afterEach(async () => {
    const client = await RedisClient.connect(port)
    await client.call('FLUSHALL')
  })

  afterAll(async () => {
    const code = await program.interrupt()
    if (code !== 0 || program.stderr !== '') throw new Error(`it ended with ${code}: ${program.stderr}`)
  })

  it.each(Object.entries(conversations))('%s', async (_, said) => {
    const client = await RedisClient.connect(port)
    for (const [text, reply] of said) {
      const words = toWords(text)
      expect([words, sorted(words, await client.call(...words))]).toEqual([words, reply])
    }
  })

  itWithServer('answers like Redis itself, to the letter', async () => {
    const redis = await startRedis()
    for (const said of Object.values(conversations)) {
      const client = await RedisClient.connect(redis)
      expect(await client.call('FLUSHALL')).toBe('+OK')
      for (const [text, reply] of said) {
        const words = toWords(text)
        expect([words, sorted(words, await client.call(...words))]).toEqual([words, reply])
      }
    }
  })

  it('tells of itself: INFO and COMMAND', async () => {
    const client = await RedisClient.connect(port)
    await client.call('SET', 'a', '1')
    const info = JSON.parse(String(await client.call('INFO', 'server'))) as string
    expect(info).toMatch(
      /^# Server\r\nredis_version:\d+\.\d+\.\d+\r\n(.+\r\n)+\r\n# Clients\r\nconnected_clients:\d+\r\n/,
    )
    expect(info).toMatch(/# Keyspace\r\ndb0:keys=1\r\n$/)
    const commands = (await client.call('COMMAND')) as Shown[][]
    expect(commands).toHaveLength((await client.call('COMMAND', 'COUNT')) as number)
    expect(commands).toContainEqual(['"get"', 2, [], 0, 0, 0])
    expect(await client.call('COMMAND', 'DOCS')).toEqual([])
  })

  it('answers commands that come in one piece, typed ones among them, in order and in one piece', async () => {
    const client = await RedisClient.connect(port)
    client.write(
      Buffer.concat([request('SET', 'a', '1'), Buffer.from('incr a\r\n'), request('NO'), request('GET', 'a')]),
    )
    const replies = [await client.next(), await client.next(), await client.next(), await client.next()]
    expect(replies).toEqual(['+OK', 2, "-ERR unknown command 'NO', with args beginning with: ", '"2"'])
  })

  it('answers 10,000 commands that come at once', async () => {
    const client = await RedisClient.connect(port)
    client.write(Buffer.concat(Array.from({ length: 10_000 }, () => request('INCR', 'n'))))
    for (let i = 1; i <= 10_000; i++) expect(await client.next()).toBe(i)
  })

  it('keeps values of megabytes', async () => {
    const client = await RedisClient.connect(port)
    const value = everyByte.repeat(20_000)
    expect(await client.call('SET', 'big', value)).toBe('+OK')
    expect((await client.call('GET', 'big')) === q(value)).toBe(true)
  })

  it('says goodbye, and nothing after it', async () => {
    const client = await RedisClient.connect(port)
    client.write(Buffer.concat([request('QUIT'), request('PING')]))
    expect(await client.rest()).toEqual(['+OK'])
  })

  describe('at every split of what it is sent', () => {
    const words = [
      ['SET', 'k', 'v'],
      ['MGET', 'k', 'none'],
      ['SUBSCRIBE', 'c'],
      ['UNSUBSCRIBE'],
      ['RPUSH', 'l', 'a', 'b'],
    ]
    const bytes = Buffer.concat([...words.map((each) => request(...each)), Buffer.from('lrange l 0 -1\r\n*1\r\n:')])

    it('answers the same', async () => {
      for (const { name, chunks } of everySplit(bytes)) {
        const [client, server] = memoryStreams({ reader: RespReader, writer: RespWriter })
        const served = new Client(new MiniRedis(), server.writer).serve(server.reader)
        for (const chunk of chunks) {
          client.writer.write(chunk)
          await netTurns(1)
        }
        const { messages } = decodeChunks(replyDecoder, [await client.reader.read()])
        expect([name, ...messages.map(shown)]).toEqual([
          name,
          '+OK',
          ['"v"', null],
          ['"subscribe"', '"c"', 1],
          ['"unsubscribe"', '"c"', 0],
          2,
          ['"a"', '"b"'],
          "-ERR Protocol error: expected '$', got ':'",
        ])
        await served
        client.writer.close()
      }
    })
  })

  describe('a key that expires', () => {
    const untilTrue = async (test: () => Promise<boolean>): Promise<void> => {
      while (!(await test())) await netTurns(1)
    }

    it('is gone when it is asked for', async () => {
      const client = await RedisClient.connect(port)
      await client.call('SET', 'a', '1', 'PX', '1')
      await untilTrue(async () => (await client.call('GET', 'a')) === null)
      expect(await client.call('TTL', 'a')).toBe(-2)
      expect(await client.call('SET', 'a', '2', 'NX')).toBe('+OK')
      expect(await client.call('TTL', 'a')).toBe(-1)
    })

    it('is swept away when nobody asks, also behind many that stay', async () => {
      const client = await RedisClient.connect(port)
      const stay = Array.from({ length: 3000 }, (_, i) => request('SET', `stay:${i}`, '', 'EX', '1000'))
      client.write(Buffer.concat([...stay, request('SET', 'go', '', 'PX', '1')]))
      for (let i = 0; i <= 3000; i++) expect(await client.next()).toBe('+OK')
      await untilTrue(async () => String(await client.call('INFO')).includes('db0:keys=3000\\r'))
    })
  })

  describe('bad input', () => {
    it.each([
      ['*x\r\n', 'invalid multibulk length'],
      ['*1\r\n:3\r\n', "expected '$', got ':'"],
      ['*1\r\n\r\n', "expected '$', got ' '"],
      ['*1\r\n$-1\r\n', 'invalid bulk length'],
      ['*2\r\n$4\r\nECHO\r\n$536870913\r\n', 'invalid bulk length'],
      ['a'.repeat(64 * 1024 + 1), 'too big inline request'],
    ])('%#: it is answered, and the connection closed; others go on', async (bad, reason) => {
      const [client, other] = [await RedisClient.connect(port), await RedisClient.connect(port)]
      expect(await other.call('SUBSCRIBE', 'news')).toEqual(['"subscribe"', '"news"', 1])
      client.write(Buffer.concat([request('SET', 'a', '1'), Buffer.from(bad)]))
      expect(await client.rest()).toEqual(['+OK', `-ERR Protocol error: ${reason}`])
      const third = await RedisClient.connect(port)
      expect(await third.call('PUBLISH', 'news', 'still here')).toBe(1)
      expect(await other.next()).toEqual(['"message"', '"news"', '"still here"'])
      expect(await third.call('GET', 'a')).toBe('"1"')
    })

    it('that ends inside a request is reported, and nothing is done', async () => {
      const client = await RedisClient.connect(port)
      client.write(request('SET', 'a', '1').subarray(0, -1))
      client.writer.writeEof()
      expect(await client.rest()).toEqual([])
      await program.output(/error: read \d+ bytes from 127\.0\.0\.1:\d+ before the end of the stream/)
      expect(await (await RedisClient.connect(port)).call('GET', 'a')).toBeNull()
    })
  })

  describe('messages', () => {
    it('come to all who listen, in order, in between replies', async () => {
      const listeners = [await RedisClient.connect(port), await RedisClient.connect(port)]
      for (const listener of listeners) {
        listener.write(request('SUBSCRIBE', 'a', everyByte))
        expect(await listener.next()).toEqual(['"subscribe"', '"a"', 1])
        expect(await listener.next()).toEqual(['"subscribe"', q(everyByte), 2])
      }
      const speaker = await RedisClient.connect(port)
      for (let i = 0; i < 100; i++) expect(await speaker.call('PUBLISH', i % 2 === 0 ? 'a' : everyByte, `${i}`)).toBe(2)
      for (const listener of listeners) {
        for (let i = 0; i < 100; i++) {
          expect(await listener.next()).toEqual(['"message"', q(i % 2 === 0 ? 'a' : everyByte), q(`${i}`)])
        }
        expect(await listener.call('PING')).toEqual(['"pong"', '""'])
      }
    })

    it('come no more to who has left, or has gone', async () => {
      const [leaver, goer, stayer] = [
        await RedisClient.connect(port),
        await RedisClient.connect(port),
        await RedisClient.connect(port),
      ]
      for (const each of [leaver, goer, stayer]) await each.call('SUBSCRIBE', 'a')
      await leaver.call('UNSUBSCRIBE')
      goer.write(request('QUIT'))
      expect(await goer.rest()).toEqual(['+OK'])
      const speaker = await RedisClient.connect(port)
      expect(await speaker.call('PUBLISH', 'a', 'x')).toBe(1)
      expect(await stayer.next()).toEqual(['"message"', '"a"', '"x"'])
    })

    it('are not kept for a subscriber who does not read: it is dropped, and the others are not', async () => {
      const [sleeper, listener] = [await RedisClient.connect(port), await RedisClient.connect(port)]
      for (const each of [sleeper, listener]) await each.call('SUBSCRIBE', 'a')
      sleeper.writer.transport.pauseReading()
      const speaker = await RedisClient.connect(port)
      const megabyte = 'x'.repeat(1024 * 1024)
      let sent = 0
      for (let heard = 2; heard === 2; sent++) {
        heard = (await speaker.call('PUBLISH', 'a', megabyte)) as number
        expect((await listener.reader.readMessage()) as string[]).toHaveLength(3)
      }
      // 32 MiB, and what the sockets hold.
      expect(sent).toBeGreaterThan(32)
      expect(sent).toBeLessThan(64)
      expect(await speaker.call('PUBLISH', 'a', '')).toBe(1)
    })
  })

  it('stops answering a client that does not read, until it does', async () => {
    const redis = new MiniRedis()
    const [client, server] = memoryStreams({ reader: RespReader, writer: RespWriter })
    const served = new Client(redis, server.writer).serve(server.reader)
    const value = 'x'.repeat(50_000)
    redis.databases[0]!.set('big', value)
    client.writer.write(Buffer.concat(Array.from({ length: 1000 }, () => request('GET', 'big'))))
    client.writer.writeEof()
    let largest = 0
    for (let i = 0; i < 50; i++) {
      await netTurns(1)
      largest = Math.max(largest, server.writer.transport.getWriteBufferSize())
    }
    expect(largest).toBeGreaterThan(64 * 1024)
    expect(largest).toBeLessThan(64 * 1024 + 2 * value.length)
    const all = await client.reader.read()
    expect(all.length).toBe(1000 * `$50000\r\n${value}\r\n`.length)
    await served
    client.writer.close()
  })

  it.each(['SIGINT', 'SIGTERM'] as const)('ends on %s, also with clients that do not read', async (signal) => {
    const own = sample('mini-redis/server', '0')
    const [idle, sleeper] = [await RedisClient.connect(await own.port()), await RedisClient.connect(await own.port())]
    await idle.call('SUBSCRIBE', 'a')
    expect(await sleeper.call('SET', 'big', 'x'.repeat(16 * 1024 * 1024))).toBe('+OK')
    sleeper.writer.transport.pauseReading()
    sleeper.write(request('GET', 'big'))
    await idle.call('PING')
    own.child.kill(signal)
    expect(await own.exit()).toBe(0)
    expect(own.stderr).toBe('')
    expect(await idle.rest()).toEqual([])
  })

  describe.each([{ protocol: 2 }, {}] as const)('with ioredis %j', (options) => {
    const connect = (): Redis => {
      const redis = new Redis({ host: '127.0.0.1', port, ...options })
      redis.on('error', () => {})
      netDefer(() => redis.disconnect())
      return redis
    }

    it('is ready, and does as it is told', async () => {
      const redis = connect()
      await new Promise((resolve) => redis.once('ready', resolve))
      expect(await redis.set('a', '1', 'EX', 100, 'NX')).toBe('OK')
      expect(await redis.ttl('a')).toBe(100)
      const bytes = Buffer.from(everyByte, 'latin1')
      await redis.set('bytes', bytes)
      expect((await redis.getBuffer('bytes'))!.equals(bytes)).toBe(true)
      expect(await redis.hset('h', { f: '1', g: 'grün' })).toBe(2)
      expect(await redis.hgetall('h')).toEqual({ f: '1', g: 'grün' })
      await expect(redis.incr('h')).rejects.toThrow('WRONGTYPE Operation against a key')
      expect(await redis.mget('a', 'none')).toEqual(['1', null])
    })

    it('takes pipelines', async () => {
      const results = await connect().pipeline().set('n', 1).incr('n').lpush('n', 'x').lrange('l', 0, -1).exec()
      expect(results!.map(([error, result]) => error?.message ?? result)).toEqual(['OK', 2, WRONG_TYPE.slice(1), []])
    })

    it('publishes and subscribes', async () => {
      const [publisher, subscriber] = [connect(), connect()]
      expect(await subscriber.subscribe('a', 'b')).toBe(2)
      const heard = new Promise((resolve) => subscriber.on('message', (...message) => resolve(message)))
      expect(await publisher.publish('b', 'hello')).toBe(1)
      expect(await heard).toEqual(['b', 'hello'])
      expect(await subscriber.unsubscribe()).toBe(0)
    })
  })

  itWithCli('works with redis-cli', () => {
    const cli = (...args: string[]): string =>
      spawnSync('redis-cli', ['-p', String(port), ...args], { encoding: 'utf8', input: '' }).stdout
    expect(cli('SET', 'greeting', 'hello world')).toBe('OK\n')
    expect(cli('--no-raw', 'GET', 'greeting')).toBe('"hello world"\n')
    expect(cli('--no-raw', 'RPUSH', 'l', 'a', 'b')).toBe('(integer) 2\n')
    expect(cli('--no-raw', 'LRANGE', 'l', '0', '-1')).toBe('1) "a"\n2) "b"\n')
    expect(cli('-n', '3', '--no-raw', 'GET', 'greeting')).toBe('(nil)\n')
    expect(cli('GET')).toBe("ERR wrong number of arguments for 'get' command\n\n")
    return Promise.resolve()
  })

  itWithBenchmark('works with redis-benchmark, pipelined and not', async () => {
    const tests = 'ping,set,get,incr,lpush,rpush,lpop,sadd,hset,lrange_100,mset'
    for (const depth of ['1', '16']) {
      const args = ['-p', String(port), '-t', tests, '-n', '1000', '-c', '20', '-P', depth, '--csv']
      const benchmark = new Program('redis-benchmark', args)
      expect(await benchmark.exit()).toBe(0)
      expect(benchmark.stderr).toBe('')
      // The names of the columns, PING of both kinds, and the list that LRANGE needs.
      expect(benchmark.stdout.trim().split('\n')).toHaveLength(1 + 11 + 1 + 1)
    }
  })
})

/** Redis itself, on a free port of the loopback and without a disk; resolves with the port. */
async function startRedis(): Promise<number> {
  const listener = net.createServer()
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as net.AddressInfo
  await new Promise((resolve) => listener.close(resolve))
  const directory = mkdtempSync(join(tmpdir(), 'millrace-redis-'))
  const settings = { port, bind: '127.0.0.1', save: '', appendonly: 'no', daemonize: 'no', dir: directory }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
  const server = new Program('redis-server', args)
  netDefer(async () => {
    server.child.kill()
    await server.exit()
    rmSync(directory, { recursive: true })
  })
  await server.output(/Ready to accept connections/)
  return port
}
