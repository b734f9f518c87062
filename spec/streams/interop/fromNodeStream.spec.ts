import { PassThrough, Readable, Writable } from 'node:stream'
import { ConnectionLostError, TimeoutError } from '../../../lib/errors.ts'
import { framed } from '../../../lib/framing/framed.ts'
import { FramedReader } from '../../../lib/framing/framedReader.ts'
import { lengthPrefixed } from '../../../lib/framing/lengthPrefixed.ts'
import { fromNodeStream, type FromStreamOptions } from '../../../lib/streams/interop/fromNodeStream.ts'
import type { AnyReader, Streams } from '../../../lib/streams/streamClasses.ts'
import { StreamReader } from '../../../lib/streams/streamReader.ts'
import { StreamWriter } from '../../../lib/streams/streamWriter.ts'
import { CrossedDuplex } from '../../support/crossedDuplexes.ts'
import { netDefer, netError, netTurns } from '../../support/netTools.ts'
import { piecesOf } from '../../support/everySplit.ts'

class Shouting extends StreamWriter {
  shout(text: string): void {
    this.write(text.toUpperCase())
  }
}
class Words extends StreamReader {
  async readWord(): Promise<string> {
    return (await this.readUntil(' ')).toString().trim()
  }
}

/** The streams of a Duplex, which is destroyed after the test. */
const kept = <R extends AnyReader = StreamReader, W extends StreamWriter = StreamWriter>(
  duplex: CrossedDuplex,
  options?: FromStreamOptions<R, W>,
): Streams<R, W> => {
  const streams = fromNodeStream(duplex, options)
  netDefer(() => streams.writer.transport.abort())
  return streams
}

describe('fromNodeStream of a Duplex', () => {
  it('gives a reader and a writer', async () => {
    const [near, far] = CrossedDuplex.pair()
    const { reader, writer } = kept(near)
    writer.write('question\n')
    far.on('data', (chunk) => far.end(`answer to ${chunk}`))
    expect((await reader.readLine()).toString()).toBe('answer to question\n')
    expect((await reader.read(1)).length).toBe(0)
    writer.close()
    await writer.waitClosed()
    expect(near.destroyed).toBe(true)
  })

  it('gives them in the classes that are plugged in', async () => {
    const [near, far] = CrossedDuplex.pair()
    const streams = kept(near, { reader: Words, writer: Shouting, limit: 10 })
    const [reader, writer] = streams
    expect([streams.reader, streams.writer]).toEqual([reader, writer])
    writer.shout('hello ')
    far.on('data', (chunk) => far.write(chunk))
    const word: string = await reader.readWord()
    expect(word).toBe('HELLO')
    far.write('a'.repeat(12))
    await expect(reader.readWord()).rejects.toMatchObject({ limit: 10 })
  })

  it.each([1, 2, 3, 7, Infinity])('gives messages, however the stream cuts them (%d)', async (size) => {
    const [near, far] = CrossedDuplex.pair()
    const { reader } = kept(near, framed(lengthPrefixed()))
    for (const piece of piecesOf(Buffer.from('\0\0\0\x03abc\0\0\0\0\0\0\0\x01z', 'latin1'), size)) far.write(piece)
    far.end()
    const messages: string[] = []
    for await (const message of reader) messages.push(Buffer.from(message).toString())
    expect(messages).toEqual(['abc', '', 'z'])
  })

  it('holds the stream back when the reader has enough, and drains as the stream takes', async () => {
    const [near, far] = CrossedDuplex.pair()
    const { reader, writer } = kept(near, { limit: 1000 })
    let sent = 0
    while (far.write(Buffer.alloc(1000)) && sent < 1_000_000) {
      sent += 1000
      await netTurns(1)
    }
    expect(sent).toBeLessThan(200_000)
    writer.write(Buffer.alloc(1_000_000))
    expect(await netError(writer.drain({ timeoutMs: 5 }))).toBeInstanceOf(TimeoutError)
    far.resume()
    await writer.drain()
    expect((await reader.readExactly(sent)).length).toBe(sent)
  })

  it('carries an error of the stream to the reads and the writes', async () => {
    const [near, far] = CrossedDuplex.pair()
    far.on('error', () => {})
    const { reader, writer } = kept(near, { extraInfo: { peername: 'tunnel' } })
    const reading = netError<ConnectionLostError>(reader.readLine())
    const failure = new Error('fell in')
    near.destroy(failure)
    const error = await reading
    expect(error).toBeInstanceOf(ConnectionLostError)
    expect([error.cause, error.peer]).toEqual([failure, 'unix:tunnel'])
    expect(await netError(writer.drain())).toBe(error)
    expect(await netError(writer.waitClosed())).toBe(error)
  })

  it('destroys the stream if the writer cannot be made', () => {
    const [near] = CrossedDuplex.pair()
    const failing = (): never => {
      throw new Error('no writer')
    }
    expect(() => fromNodeStream(near, { writer: failing })).toThrow('no writer')
    expect(near.destroyed).toBe(true)
  })
})

describe('fromNodeStream of a Readable', () => {
  it('gives a reader, which destroys the stream at its end', async () => {
    const source = Readable.from([Buffer.from('one\ntw'), Buffer.from('o\n')])
    const reader: Words = fromNodeStream(source, { reader: Words })
    const lines: string[] = []
    for await (const line of reader) lines.push(line.toString())
    expect(lines).toEqual(['one\n', 'two\n'])
    await netTurns()
    expect(source.destroyed).toBe(true)
  })

  it('takes strings from a stream of strings, as UTF-8', async () => {
    const reader = fromNodeStream(Readable.from(['grün', 'blau']))
    expect((await reader.read()).toString()).toBe('grünblau')
  })

  it('reads no further than its limit lets it', async () => {
    let given = 0
    const source = new Readable({
      highWaterMark: 1000,
      read() {
        given += 1000
        this.push(Buffer.alloc(1000))
      },
    })
    const reader = fromNodeStream(source, { limit: 5000 })
    await netTurns(50)
    expect(given).toBeGreaterThan(10_000)
    expect(given).toBeLessThan(100_000)
    expect((await reader.readExactly(200_000)).length).toBe(200_000)
    source.destroy()
    expect(await netError(reader.read())).toBeInstanceOf(ConnectionLostError)
  })

  it('carries its error', async () => {
    const source = new Readable({ read() {} })
    const reader = fromNodeStream(source)
    const failure = new Error('no disk')
    source.destroy(failure)
    expect(await netError(reader.read(1))).toMatchObject({ cause: failure })
  })
})

describe('fromNodeStream of a Writable', () => {
  it('gives a writer, which ends and destroys the stream', async () => {
    const chunks: Buffer[] = []
    const sink = new Writable({
      write(chunk: Buffer, _encoding, callback) {
        chunks.push(chunk)
        setImmediate(callback)
      },
    })
    const writer: Shouting = fromNodeStream(sink, { writer: Shouting })
    writer.shout('abc')
    await writer.drain()
    writer.write(Buffer.alloc(200_000, 'x'))
    writer.close()
    await writer.waitClosed()
    expect(Buffer.concat(chunks).toString()).toBe(`ABC${'x'.repeat(200_000)}`)
    expect([sink.writableFinished, sink.destroyed]).toEqual([true, true])
  })

  it('drains as the stream takes, and writeEof ends it', async () => {
    let take = (): void => {}
    const sink = new Writable({ write: (_chunk, _encoding, callback) => void (take = callback) })
    const writer = fromNodeStream(sink)
    writer.write(Buffer.alloc(100_000))
    let drained = false
    const draining = writer.drain().then(() => (drained = true))
    await netTurns()
    expect(drained).toBe(false)
    take()
    await netTurns()
    take()
    await draining
    writer.writeEof()
    await new Promise((resolve) => sink.on('finish', resolve))
    writer.close()
    await writer.waitClosed()
  })

  it('carries its error, and abort() destroys it', async () => {
    const failure = new Error('disk full')
    const sink = new Writable({ write: (_chunk, _encoding, callback) => callback(failure) })
    const writer = fromNodeStream(sink)
    writer.write('x')
    expect(await netError(writer.waitClosed())).toMatchObject({ code: 'ERR_MILLRACE_CONNECTION_LOST', cause: failure })
    const aborted = fromNodeStream(new Writable({ write() {} }))
    aborted.write('never sent')
    aborted.transport.abort()
    await aborted.waitClosed()
  })
})

it('fromNodeStream refuses what is no stream, or is destroyed', () => {
  expect(() => fromNodeStream({} as Readable)).toThrow(TypeError)
  expect(() => fromNodeStream(new PassThrough().destroy())).toThrow(TypeError)
  expect(() => fromNodeStream(new Readable().destroy())).toThrow(TypeError)
  expect(() => fromNodeStream(new Writable().destroy())).toThrow(TypeError)
})

it('a reader of messages alone is inferred', () => {
  const reader: FramedReader<Uint8Array> = fromNodeStream(new Readable({ read() {} }), {
    reader: framed(lengthPrefixed()).reader,
  })
  expect(reader).toBeInstanceOf(FramedReader)
})
