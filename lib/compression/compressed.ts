/**
 * Compression of single messages: each frame is a whole compressed stream. To compress a connection as a whole, which
 * makes less of many small messages that are alike, is not for a codec.
 */
import { constants as bufferConstants } from 'node:buffer'
import {
  brotliCompressSync,
  brotliDecompressSync,
  constants,
  deflateRawSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  inflateRawSync,
  inflateSync,
} from 'node:zlib'
import { toBytes } from '../bytes/allocate.ts'
import { DecodeError, FrameTooLargeError } from '../errors.ts'
import type { BadMessagePolicy, Codec } from '../framing/codec.ts'
import { mapCodec } from '../framing/mapCodec.ts'
import { natural } from '../framing/natural.ts'
import type { CompressionFormat } from './compressionFormat.ts'

export interface CompressedOptions {
  /** `'gzip'` by default. */
  format?: CompressionFormat | undefined
  /** How hard to try: 0 to 9 and by default 6; for brotli 0 to 11 and by default 4. */
  level?: number | undefined
  /**
   * The longest message in bytes, not compressed; 4 MiB by default, and never more than a Buffer can hold. How long it may be on the wire is a matter of the
   * codec within.
   */
  maxMessageLength?: number | undefined
  /** What becomes of a longer one; `'fail'` by default. */
  onTooLong?: BadMessagePolicy | undefined
  /** What becomes of a message that cannot be decompressed; `'fail'` by default. */
  onInvalid?: BadMessagePolicy | undefined
}

const DEFAULT_MAX_MESSAGE_LENGTH = 4 * 1024 * 1024
const DEFAULT_BROTLI_LEVEL = 4

/**
 * A codec whose frames are those of `codec`, each compressed for itself: `compressed(lengthPrefixed(), { format:
 * 'gzip' })`. To put messages of another codec into it: `composed(compressed(…), …)`.
 *
 * Decoding throws {@link FrameTooLargeError} as soon as more than `maxMessageLength` bytes have come out of a frame
 * (`size` is then the least it can be), so that a small frame cannot take much memory; and {@link DecodeError} for
 * a frame that is corrupt, cut off, or has bytes behind its end. Encoding throws {@link FrameTooLargeError} over the
 * limit. Both are done at once, in the calling turn: at some tens of megabytes a second, a message of the default limit
 * holds everything else up for a tenth of one. Throws a RangeError for options that make no sense, and a
 * TypeError for an unknown format.
 */
export function compressed(
  codec: Codec<Uint8Array, Uint8Array | string>,
  options: CompressedOptions = {},
): Codec<Uint8Array, Uint8Array | string> {
  const { format = 'gzip', level, maxMessageLength = DEFAULT_MAX_MESSAGE_LENGTH } = options
  const { onTooLong = 'fail', onInvalid = 'fail' } = options
  const limit = Math.min(natural('maxMessageLength', maxMessageLength), bufferConstants.MAX_LENGTH)
  if (!Object.hasOwn(formats, format)) {
    throw new TypeError(`format must be deflate, deflate-raw, gzip or brotli, not ${String(format)}`)
  }
  const { compress, decompress, mostLevel } = formats[format]
  if (level !== undefined && !(Number.isInteger(level) && level >= 0 && level <= mostLevel)) {
    throw new RangeError(`the level of ${format} must be a whole number from 0 to ${mostLevel}, not ${level}`)
  }
  const tooLong = (size: number): FrameTooLargeError => new FrameTooLargeError(size, limit, 'a decompressed message')

  const decode = (frame: Uint8Array): Uint8Array => {
    let result: Decompressed
    try {
      result = decompress(frame, { info: true, maxOutputLength: Math.max(1, limit) }) as unknown as Decompressed
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw marked(tooLong(limit + 1), onTooLong)
      throw marked(corrupt(frame, format, (error as Error).message, error), onInvalid)
    }
    const { buffer, engine } = result
    if (buffer.length > limit) throw marked(tooLong(buffer.length), onTooLong)
    const behind = frame.length - engine.bytesWritten
    if (behind === 0) return buffer
    throw marked(corrupt(frame, format, `${behind} bytes behind the end`, undefined), onInvalid)
  }

  return mapCodec(codec, {
    decode,
    encode(message: Uint8Array | string) {
      const bytes = toBytes(message)
      if (bytes.length > limit) throw new FrameTooLargeError(bytes.length, limit, 'a message')
      return compress(bytes, level)
    },
  })
}

/** What the functions of zlib return, if they are asked for `info`. */
interface Decompressed {
  readonly buffer: Buffer
  readonly engine: { readonly bytesWritten: number }
}

const formats = {
  gzip: {
    compress: (bytes: Uint8Array, level?: number) => gzipSync(bytes, zlib(level)),
    decompress: gunzipSync,
    mostLevel: 9,
  },
  deflate: {
    compress: (bytes: Uint8Array, level?: number) => deflateSync(bytes, zlib(level)),
    decompress: inflateSync,
    mostLevel: 9,
  },
  'deflate-raw': {
    compress: (bytes: Uint8Array, level?: number) => deflateRawSync(bytes, zlib(level)),
    decompress: inflateRawSync,
    mostLevel: 9,
  },
  brotli: {
    compress: (bytes: Uint8Array, level = DEFAULT_BROTLI_LEVEL) =>
      brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: level } }),
    decompress: brotliDecompressSync,
    mostLevel: 11,
  },
}

const zlib = (level: number | undefined): { level?: number } => (level === undefined ? {} : { level })

function corrupt(frame: Uint8Array, format: string, reason: string, cause: unknown): DecodeError {
  return new DecodeError(format, frame.length, undefined, reason, cause === undefined ? undefined : { cause })
}

/** The frame has been taken whole: the next can follow. */
function marked<E extends DecodeError | FrameTooLargeError>(error: E, policy: BadMessagePolicy): E {
  error.recoverable = policy === 'discard'
  return error
}
