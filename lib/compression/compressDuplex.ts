/** Compression as a layer between two streams of Node: zlib does the work, this holds its two halves together. */
import { Duplex, type Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import { ConnectionLostError } from '../errors.ts'
import { DONE } from '../wait.ts'
import type { CompressionFormat } from './compressionFormat.ts'

export interface CompressionOptions {
  /** `gzip` by default. */
  format?: CompressionFormat | undefined
  /** How hard to try: 0 to 9, 6 by default; for brotli 0 to 11, 4 by default. Only the sender has to know. */
  level?: number | undefined
}

/** What is known of the connection below. */
export interface CompressionBelow {
  /** Its other end, for errors. */
  peer?: string | undefined
  /** Resolves when all that was written is sent. Without it, what the stream has taken counts as sent. */
  flush?: (() => Promise<void>) | undefined
}

const BROTLI_LEVEL = 4

/**
 * A stream whose bytes travel compressed over `raw`, which belongs to it from now on. Its `end()` completes the
 * compressed stream and ends `raw`; destroying it destroys `raw`.
 *
 * Every write is flushed, so that the other end has all of it: write what belongs together in one piece. Both
 * directions hold back as streams do, and no more than some 100 KiB is kept, whatever the peer's bytes expand to.
 * Bytes that are not of the format, and an end in the middle, destroy it with a ConnectionLostError that says so. A compressor takes some 300 KiB of memory for each connection.
 */
export function compressDuplex(raw: Duplex, options: CompressionOptions = {}, below: CompressionBelow = {}): Duplex {
  const { peer, flush = () => DONE } = below
  const { format = 'gzip' } = options
  const [compressor, expander] = transformsOf(format, options.level)
  let atStake = true
  let ended = (): void => {}
  const failed = (error: unknown): void => {
    const { code, message } = error as NodeJS.ErrnoException
    const cut = code === 'Z_BUF_ERROR'
    const what = cut ? 'was cut off' : `is corrupt (${message})`
    const reason = `connection with ${peer ?? '(unknown)'} lost: its ${format} stream ${what}`
    duplex.destroy(new ConnectionLostError(`${reason} after ${expander.bytesWritten} bytes`, peer, { cause: error }))
  }
  const duplex = new Duplex({
    allowHalfOpen: raw.allowHalfOpen,
    readableHighWaterMark: 0,
    read: () => void expander.resume(),
    write: (chunk, encoding, callback) => void compressor.write(chunk, encoding, callback),
    final(callback) {
      ended = callback
      flush().then(
        () => {
          // A peer that has ended, and perhaps gone, has no use for the end of ours.
          atStake = !raw.readableEnded
          raw.once('finish', callback)
          compressor.end()
        },
        (error: Error) => duplex.destroy(error),
      )
    },
    destroy(error, callback) {
      compressor.destroy()
      expander.destroy()
      if (raw.closed) return callback(error)
      raw.once('close', () => callback(error))
      raw.destroy(error ?? undefined)
    },
  })
  expander.on('data', (chunk) => duplex.push(chunk) || expander.pause())
  expander.on('end', () => duplex.push(null))
  expander.on('error', failed)
  compressor.on('error', (error) => duplex.destroy(error))
  raw.on('error', (error) => (atStake ? duplex.destroy(error) : ended()))
  raw.on('close', () => {
    if (!raw.readableEnded) duplex.destroy()
  })
  expander.pause()
  raw.pipe(expander)
  compressor.pipe(raw)
  return duplex
}

function transformsOf(
  format: CompressionFormat,
  level?: number,
): [compressor: Transform, expander: Transform & zlib.Zlib] {
  const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH, BROTLI_PARAM_QUALITY } = zlib.constants
  if (format === 'brotli') {
    const params = { [BROTLI_PARAM_QUALITY]: level ?? BROTLI_LEVEL }
    return [zlib.createBrotliCompress({ flush: BROTLI_OPERATION_FLUSH, params }), zlib.createBrotliDecompress()]
  }
  const options = { flush: Z_SYNC_FLUSH, ...(level !== undefined && { level }) }
  switch (format) {
    case 'deflate':
      return [zlib.createDeflate(options), zlib.createInflate()]
    case 'deflate-raw':
      return [zlib.createDeflateRaw(options), zlib.createInflateRaw()]
    case 'gzip':
      return [zlib.createGzip(options), zlib.createGunzip()]
    default:
      throw new TypeError(`format must be deflate, deflate-raw, gzip or brotli, not ${String(format)}`)
  }
}
