import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import * as zlib from 'node:zlib'
import { compressDuplex, type CompressionFormat } from '../../lib/compression/index.ts'
import { ConnectionLostError } from '../../lib/errors.ts'
import { CrossedDuplex } from '../support/crossedDuplexes.ts'
import { everySplit, piecesOf } from '../support/everySplit.ts'
import { netError, netTurns } from '../support/netTools.ts'

const FORMATS: CompressionFormat[] = ['deflate', 'deflate-raw', 'gzip', 'brotli']
const COMPRESS = {
  deflate: zlib.deflateSync,
  'deflate-raw': zlib.deflateRawSync,
  gzip: zlib.gzipSync,
  brotli: zlib.brotliCompressSync,
}
const EXPAND = {
  deflate: zlib.inflateSync,
  'deflate-raw': zlib.inflateRawSync,
  gzip: zlib.gunzipSync,
  brotli: zlib.brotliDecompressSync,
}

/** A layer, and the bare stream at the other end of the wire. */
function layer(format?: CompressionFormat) {
  const [near, far] = CrossedDuplex.pair()
  far.on('error', () => {})
  return { duplex: compressDuplex(near, { format }, { peer: 'the other' }), near, far }
}

/** All that comes until the end; the stream stays open for writing. */
async function collect(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(stream, 'end')
  return Buffer.concat(chunks)
}

describe.each(FORMATS)('compressDuplex with %s', (format) => {
  it('writes a stream that zlib knows', async () => {
    const { duplex, far } = layer(format)
    duplex.write('many words, ')
    duplex.end('many words')
    expect(EXPAND[format](await collect(far)).toString()).toBe('many words, many words')
  })

  it('reads such a stream in every split', async () => {
    const bytes = COMPRESS[format](Buffer.from('some words, and some more'))
    for (const { name, chunks } of everySplit(bytes)) {
      const { duplex, far } = layer(format)
      for (const chunk of chunks) far.write(chunk)
      far.end()
      expect([name, await text(duplex)]).toEqual([name, 'some words, and some more'])
      duplex.destroy()
    }
  })

  it('tells of an end at every place but the last, after what came before it', async () => {
    const bytes = COMPRESS[format](Buffer.from('some words'))
    for (let at = 1; at < bytes.length; at++) {
      const { duplex, far } = layer(format)
      far.end(bytes.subarray(0, at))
      const error = await netError<ConnectionLostError>(text(duplex))
      expect([at, error.message]).toEqual([
        at,
        `connection with the other lost: its ${format} stream was cut off after ${at} bytes`,
      ])
      expect(error).toBeInstanceOf(ConnectionLostError)
      expect(error.peer).toBe('the other')
    }
  })

  it('delivers each write at once, without an end', async () => {
    const [a, b] = CrossedDuplex.pair()
    const [one, other] = [compressDuplex(a, { format }), compressDuplex(b, { format })]
    for (const message of ['x', 'a longer one', 'y'.repeat(10_000)]) {
      one.write(message)
      let received = ''
      while (received.length < message.length) {
        const [chunk] = (await once(other, 'data')) as [Buffer]
        received += String(chunk)
      }
      expect(received).toBe(message)
    }
    one.destroy()
    other.on('error', () => {}).destroy()
  })

  it('carries any number of bytes, both ways at once', async () => {
    const [a, b] = CrossedDuplex.pair()
    const [one, other] = [compressDuplex(a, { format }), compressDuplex(b, { format })]
    const sent = 'to and fro, '.repeat(50_000)
    const echoing = pipeline(other, other)
    for (const piece of piecesOf(Buffer.from(sent), 70_001)) one.write(piece)
    one.end()
    expect(await text(one)).toBe(sent)
    await echoing
  })
})

describe('compressDuplex', () => {
  it('is gzip by default, and refuses a format it does not know', async () => {
    const { duplex, far } = layer()
    duplex.end('x')
    expect(EXPAND.gzip(await collect(far)).toString()).toBe('x')
    const [near] = CrossedDuplex.pair()
    expect(() => compressDuplex(near, { format: 'zip' as never })).toThrow(
      'format must be deflate, deflate-raw, gzip or brotli, not zip',
    )
    expect(near.listenerCount('data')).toBe(0)
  })

  it.each([
    ['deflate', /its deflate stream is corrupt \(incorrect header check\)/],
    ['gzip', /its gzip stream is corrupt \(incorrect header check\)/],
    ['brotli', /its brotli stream is corrupt \(/],
  ] as const)(
    'says what is wrong with bytes that are not %s, and destroys the stream below',
    async (format, message) => {
      const { duplex, near, far } = layer(format)
      far.write(Buffer.alloc(100, 0x55))
      const error = await netError(text(duplex))
      expect(error).toBeInstanceOf(ConnectionLostError)
      expect(error.message).toMatch(message)
      expect(near.destroyed).toBe(true)
    },
  )

  it('levels trade time for size', async () => {
    const words = Buffer.from(Array.from({ length: 20_000 }, (_, i) => (i * i) % 97).join(' '))
    const sizes: number[] = []
    for (const level of [0, 1, 9]) {
      const [near, far] = CrossedDuplex.pair()
      compressDuplex(near, { level }).end(words)
      sizes.push((await collect(far)).length)
    }
    expect(sizes[0]).toBeGreaterThan(words.length)
    expect(sizes[1]).toBeLessThan(words.length / 2)
    expect(sizes[2]).toBeLessThan(sizes[1]!)
  })

  it('expands no more than is asked for, whatever a few bytes become', async () => {
    const { duplex, far } = layer('gzip')
    const bomb = zlib.gzipSync(Buffer.alloc(100_000_000))
    expect(bomb.length).toBeLessThan(100_000)
    const before = process.memoryUsage().arrayBuffers
    far.write(bomb)
    const [first] = (await once(duplex, 'readable').then(() => [duplex.read()])) as [Buffer]
    await netTurns(200)
    expect(first.length).toBeLessThan(200_000)
    expect(duplex.readableLength).toBeLessThan(200_000)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10_000_000)
    duplex.destroy()
  })

  it('holds its writer back when the stream below takes no more', async () => {
    const { duplex } = layer()
    let taken = 0
    // Bytes that do not compress.
    const piece = zlib.brotliCompressSync(
      Buffer.from(Array.from({ length: 60_000 }, (_, i) => ((i * i * 7) % 251) ^ (i >> 3))),
    )
    for (let i = 0; i < 100; i++) duplex.write(piece, () => taken++)
    await netTurns(300)
    expect(taken).toBeLessThan(100)
    duplex.destroy()
  })

  it('destroyed, destroys the stream below, with its error; and the other way round', async () => {
    const first = layer()
    const failure = new Error('enough')
    const failing = once(first.near, 'error')
    first.duplex.on('error', () => {}).destroy(failure)
    expect((await failing)[0]).toBe(failure)
    const second = layer()
    second.near.destroy(failure)
    expect(await netError(text(second.duplex))).toBe(failure)
    const third = layer()
    third.near.destroy()
    await once(third.duplex, 'close')
    expect(third.duplex.destroyed).toBe(true)
  })
})
