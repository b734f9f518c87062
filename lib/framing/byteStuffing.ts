import { toBytes } from '../bytes/allocate.ts'
import type { OutgoingBuffer } from '../bytes/outgoingBuffer.ts'
import { FrameTooLargeError } from '../errors.ts'
import type { BadMessagePolicy, Codec } from './codec.ts'
import { DelimiterScan } from './delimiterScan.ts'
import { asFrameError } from './mapCodec.ts'
import { natural } from './natural.ts'

export interface ByteStuffingOptions {
  /** The largest frame in bytes, as it is before it is stuffed; 64 KiB by default. */
  maxFrameLength?: number | undefined
  /** What becomes of a larger one; `'fail'` by default. With `'discard'` it is dropped up to its delimiter as it comes. */
  onTooLong?: BadMessagePolicy | undefined
  /** What becomes of a frame that cannot be unstuffed; `'fail'` by default. */
  onInvalid?: BadMessagePolicy | undefined
}

/** A way to keep one byte out of the frames, so that it can stand between them. */
export interface ByteStuffing {
  readonly name: string
  readonly delimiter: number
  /** The most bytes that a frame of `length` can have when it is stuffed. */
  longest(length: number): number
  /** Appends the frame without its delimiter. */
  stuff(frame: Uint8Array, out: OutgoingBuffer): void
  /** The frame in memory of its own. Throws `InvalidFrameError`. */
  unstuff(stuffed: Uint8Array): Uint8Array
}

const DEFAULT_MAX_FRAME_LENGTH = 64 * 1024

/** The codec of {@link cobs} and {@link slip}. Nothing between two delimiters is no frame: it is skipped. */
export function byteStuffed(
  stuffing: ByteStuffing,
  options: ByteStuffingOptions,
): Codec<Uint8Array, Uint8Array | string> {
  const { maxFrameLength = DEFAULT_MAX_FRAME_LENGTH, onTooLong = 'fail', onInvalid = 'fail' } = options
  const limit = natural('maxFrameLength', maxFrameLength)
  const what = `a ${stuffing.name} frame`
  const scan = new DelimiterScan({
    delimiters: [Uint8Array.of(stuffing.delimiter)],
    limit: stuffing.longest(limit),
    onTooLong,
    tooLong: (size) => new FrameTooLargeError(size, limit, what),
  })

  const frameIn = (stuffed: Uint8Array): Uint8Array => {
    let frame: Uint8Array
    try {
      frame = stuffing.unstuff(stuffed)
    } catch (error) {
      throw asFrameError(error, stuffing.name, stuffed.length, onInvalid)
    }
    if (frame.length <= limit) return frame
    const error = new FrameTooLargeError(frame.length, limit, what)
    error.recoverable = onTooLong === 'discard'
    throw error
  }

  const next = (take: () => Uint8Array | undefined): Uint8Array | undefined => {
    let stuffed = take()
    while (stuffed?.length === 0) stuffed = take()
    return stuffed === undefined ? undefined : frameIn(stuffed)
  }

  return {
    decode: (input) => next(() => scan.take(input)),
    decodeEof: (input) => next(() => scan.takeAtEof(input, false)),
    encode(message, out) {
      const frame = toBytes(message)
      if (frame.length > limit) throw new FrameTooLargeError(frame.length, limit, what)
      stuffing.stuff(frame, out)
      out.uint(stuffing.delimiter, 1)
    },
    clone: () => byteStuffed(stuffing, options),
  }
}
