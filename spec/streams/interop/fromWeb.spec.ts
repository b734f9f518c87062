import {
  CompressionStream,
  DecompressionStream,
  ReadableStream,
  TransformStream,
  WritableStream,
} from 'node:stream/web'
import { ConnectionLostError, TimeoutError } from '../../../lib/errors.ts'
import { framed } from '../../../lib/framing/framed.ts'
import { lengthPrefixed } from '../../../lib/framing/lengthPrefixed.ts'
import { fromWeb, type WebPair } from '../../../lib/streams/interop/fromWeb.ts'
import { StreamReader } from '../../../lib/streams/streamReader.ts'
import { StreamWriter } from '../../../lib/streams/streamWriter.ts'
import { piecesOf } from '../../support/everySplit.ts'
import { netDefer, netError, netTurns } from '../../support/netTools.ts'

class Words extends StreamReader {
  async readWord(): Promise<string> {
    return (await this.readUntil(' ')).toString().trim()
  }
}
class Shouting extends StreamWriter {
  shout(text: string): void {
    this.write(text.toUpperCase())
  }
}

/** A pair whose two ends lie in the test. */
function wire() {
  const [up, down] = [new TransformStream<Uint8Array>(), new TransformStream<Uint8Array>()]
  const pair: WebPair = { readable: down.readable, writable: up.writable }
  return { pair, sent: up.readable.getReader(), give: down.writable.getWriter() }
}

describe('fromWeb of a pair', () => {
  it('gives a reader and a writer of the classes that are plugged in', async () => {
    const { pair, sent, give } = wire()
    const { reader, writer } = fromWeb(pair, { reader: Words, writer: Shouting })
    netDefer(() => writer.transport.abort())
    writer.shout('hello')
    expect(Buffer.from((await sent.read()).value!).toString()).toBe('HELLO')
    void give.write(Buffer.from('one tw'))
    void give.write(Buffer.from('o '))
    const words: string[] = [await reader.readWord(), await reader.readWord()]
    expect(words).toEqual(['one', 'two'])
  })

  it.each([1, 2, 3, Infinity])('gives messages, however the chunks are cut (%d)', async (size) => {
    const { pair, give } = wire()
    const { reader, writer } = fromWeb(pair, framed(lengthPrefixed()))
    netDefer(() => writer.transport.abort())
    const giving = (async () => {
      await give.write(new Uint8Array(0))
      for (const piece of piecesOf(Buffer.from('\0\0\0\x03abc\0\0\0\0', 'latin1'), size)) await give.write(piece)
      await give.close()
    })()
    const messages: string[] = []
    for await (const message of reader) messages.push(Buffer.from(message).toString())
    expect(messages).toEqual(['abc', ''])
    await giving
  })

  it('writeEof closes the one stream, close cancels the other, and both are let go of', async () => {
    const { pair, sent, give } = wire()
    const { writer } = fromWeb(pair)
    expect([pair.readable.locked, pair.writable.locked]).toEqual([true, true])
    writer.write('last')
    writer.writeEof()
    expect(Buffer.from((await sent.read()).value!).toString()).toBe('last')
    expect((await sent.read()).done).toBe(true)
    expect(give.desiredSize).not.toBeNull()
    writer.close()
    await writer.waitClosed()
    await expect(give.write(Buffer.from('x'))).rejects.toBeUndefined()
    expect([pair.readable.locked, pair.writable.locked]).toEqual([false, false])
  })

  it('abort aborts the one and cancels the other, and both are let go of', async () => {
    let [aborted, cancelled] = [0, 0]
    const readable = new ReadableStream<Uint8Array>({ cancel: () => void cancelled++ })
    const writable = new WritableStream<Uint8Array>({ abort: () => void aborted++ })
    const { writer } = fromWeb({ readable, writable })
    writer.transport.abort()
    await writer.waitClosed()
    await netTurns()
    expect([aborted, cancelled]).toEqual([1, 1])
    expect([readable.locked, writable.locked]).toEqual([false, false])
  })

  it('carries the errors of both sides, also when nothing is read or written', async () => {
    const failure = new Error('tunnel')
    let fail = (_error: unknown): void => {}
    const writable = new WritableStream<Uint8Array>({ start: (controller) => void (fail = (e) => controller.error(e)) })
    const { reader, writer } = fromWeb({ readable: new ReadableStream<Uint8Array>(), writable })
    fail(failure)
    const error = await netError(writer.waitClosed())
    expect(error).toBeInstanceOf(ConnectionLostError)
    expect(error.cause).toBe(failure)
    expect(await netError(reader.read())).toBe(error)

    const { pair, give } = wire()
    const other = fromWeb(pair)
    void give.abort('a reason that is no error')
    const reason = await netError(other.reader.read())
    expect(reason).toBeInstanceOf(ConnectionLostError)
    expect(reason.cause).toMatchObject({ cause: 'a reason that is no error' })
    expect(await netError(other.writer.waitClosed())).toBe(reason)
  })

  it('a chunk that is not bytes is an error', async () => {
    const { pair, give } = wire()
    const { reader, writer } = fromWeb(pair)
    give.write({} as Uint8Array).catch(() => {})
    expect(await netError(reader.read())).toMatchObject({ cause: expect.any(TypeError) })
    await netError(writer.waitClosed())
  })

  it('holds both sides back', async () => {
    const { pair, sent, give } = wire()
    const { writer } = fromWeb(pair, { limit: 1000 })
    netDefer(() => writer.transport.abort())
    let taken = 0
    const giving = (async () => {
      for (; taken < 100; taken++) await give.write(new Uint8Array(1000))
    })()
    giving.catch(() => {})
    await netTurns(50)
    expect(taken).toBeLessThan(10)
    writer.write(Buffer.alloc(300_000))
    expect(await netError(writer.drain({ timeoutMs: 5 }))).toBeInstanceOf(TimeoutError)
    let size = 0
    while (size < 300_000) size += (await sent.read()).value!.length
    await writer.drain()
  })

  it('gives the sink memory that it may keep: nothing else lies in it', async () => {
    const buffers = new Set<ArrayBufferLike>()
    let size = 0
    const writable = new WritableStream<Uint8Array>({
      write(chunk) {
        size += chunk.length
        expect(chunk.buffer.byteLength).toBe(chunk.length)
        // As a byte stream does with what is enqueued.
        structuredClone(chunk.buffer, { transfer: [chunk.buffer as ArrayBuffer] })
        buffers.add(chunk.buffer)
      },
    })
    const writer = fromWeb(writable)
    const own = Buffer.alloc(200_000, 1)
    writer.write(own)
    for (let i = 0; i < 1000; i++) writer.write('some text')
    writer.close()
    await writer.waitClosed()
    expect(size).toBe(209_000)
    expect([own.length, own[199_999]]).toEqual([200_000, 1])
  })

  it('takes a TransformStream for a connection', async () => {
    const zip = fromWeb(new CompressionStream('gzip') as WebPair)
    const unzip = fromWeb(new DecompressionStream('gzip') as WebPair)
    zip.writer.write('many words '.repeat(10_000))
    zip.writer.writeEof()
    const zipped = await zip.reader.read()
    expect(zipped.length).toBeLessThan(5000)
    unzip.writer.write(zipped)
    unzip.writer.writeEof()
    expect((await unzip.reader.read()).toString()).toBe('many words '.repeat(10_000))
    for (const { writer } of [zip, unzip]) {
      writer.close()
      await writer.waitClosed()
    }
  })
})

describe('fromWeb of one stream', () => {
  it('reads the body of a Response', async () => {
    const body = new Response('line one\nline two\n').body as unknown as ReadableStream<Uint8Array>
    const reader: Words = fromWeb(body, { reader: Words })
    const lines: string[] = []
    for await (const line of reader) lines.push(line.toString())
    expect(lines).toEqual(['line one\n', 'line two\n'])
    expect(body.locked).toBe(false)
  })

  it('writes to a WritableStream up to its close', async () => {
    const chunks: Uint8Array[] = []
    let closed = false
    const writable = new WritableStream<Uint8Array>({
      write: (chunk) => void chunks.push(chunk),
      close: () => void (closed = true),
    })
    const writer: Shouting = fromWeb(writable, { writer: Shouting })
    writer.shout('text')
    writer.close()
    await writer.waitClosed()
    expect(Buffer.concat(chunks).toString()).toBe('TEXT')
    expect([closed, writable.locked]).toEqual([true, false])
  })

  it('refuses one that is locked, and locks nothing then', () => {
    const { pair } = wire()
    const lock = pair.writable.getWriter()
    expect(() => fromWeb(pair)).toThrow('locked')
    expect(pair.readable.locked).toBe(false)
    lock.releaseLock()
    pair.readable.getReader()
    expect(() => fromWeb(pair)).toThrow('locked')
    expect(() => fromWeb(pair.readable)).toThrow('locked')
    expect(pair.writable.locked).toBe(false)
  })
})
