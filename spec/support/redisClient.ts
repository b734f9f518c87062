/** A client of Redis that knows nothing but the wire: what it is sent is what a spec sees. */
import { openConnection } from '../../lib/index.ts'
import { FramedReader, FramedWriter, type ByteQueue, type Decoder } from '../../lib/framing/index.ts'
import { Line, replies, ReplyError, type Reply } from '../../samples/mini-redis/resp.ts'
import { netDefer } from './netTools.ts'

const LF = Uint8Array.of(0x0a)

/** Replies as values; looked at from the start again whenever more has come. */
export const replyDecoder: Decoder<Reply> = {
  decode(input) {
    const found = replyAt(input, 0)
    if (found === undefined) return undefined
    input.skip(found.end)
    return found.reply
  },
}

function replyAt(input: ByteQueue, start: number): { reply: Reply; end: number } | undefined {
  const lineEnd = start < input.length ? input.indexOf(LF, start) : -1
  if (lineEnd === -1) return undefined
  const line = input.latin1(start, lineEnd - 1 - start)
  const end = lineEnd + 1
  const rest = line.slice(1)
  switch (line[0]) {
    case '+':
      return { reply: new Line(line), end }
    case '-':
      return { reply: new ReplyError(rest), end }
    case ':':
      return { reply: Number.isSafeInteger(Number(rest)) ? Number(rest) : BigInt(rest), end }
    case '$':
      if (rest === '-1') return { reply: null, end }
      if (input.length < end + Number(rest) + 2) return undefined
      return { reply: input.latin1(end, Number(rest)), end: end + Number(rest) + 2 }
    case '*':
      return rest === '-1' ? { reply: new Line(line), end } : arrayAt(input, end, Number(rest))
    default:
      throw new Error(`no reply begins like ${JSON.stringify(line)}`)
  }
}

function arrayAt(input: ByteQueue, start: number, n: number): { reply: Reply; end: number } | undefined {
  const items: Reply[] = []
  let end = start
  while (items.length < n) {
    const item = replyAt(input, end)
    if (item === undefined) return undefined
    items.push(item.reply)
    end = item.end
  }
  return { reply: items, end }
}

/** A request as bytes. */
export const request = (...words: string[]): Buffer =>
  Buffer.from(`*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`, 'latin1')

export class RedisClient {
  readonly reader: FramedReader<Reply>
  readonly writer: FramedWriter<Reply>

  constructor(reader: FramedReader<Reply>, writer: FramedWriter<Reply>) {
    this.reader = reader
    this.writer = writer
  }

  /** The connection is aborted after the test. */
  static async connect(port: number): Promise<RedisClient> {
    const { reader, writer } = await openConnection({
      host: '127.0.0.1',
      port,
      reader: (options) => new FramedReader(replyDecoder, options),
      writer: (transport, protocol, reader) => new FramedWriter(replies, transport, protocol, reader),
    })
    netDefer(() => writer.transport.abort())
    return new RedisClient(reader, writer)
  }

  write(bytes: string | Uint8Array): void {
    this.writer.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** The next reply; `undefined` at the end of the connection. */
  async next(): Promise<Shown | undefined> {
    const reply = await this.reader.readMessage()
    return reply === undefined ? undefined : shown(reply)
  }

  async call(...words: string[]): Promise<Shown | undefined> {
    this.write(request(...words))
    return this.next()
  }

  /** Replies up to the end of the connection. */
  async rest(): Promise<Shown[]> {
    const all: Shown[] = []
    for await (const reply of this.reader) all.push(shown(reply))
    return all
  }
}

/** A reply as specs write it: bulks as strings in quotes, so that they differ from lines. */
export type Shown = string | number | bigint | null | Shown[]

export function shown(reply: Reply): Shown {
  if (typeof reply === 'string') return JSON.stringify(reply)
  if (reply instanceof Line) return reply.text
  if (reply instanceof ReplyError) return `-${reply.message}`
  if (typeof reply === 'object' && reply !== null) return reply.map(shown)
  return reply
}
