import { toBytes } from '../bytes/allocate.ts'
import type { ByteQueue } from '../bytes/byteQueue.ts'
import type { OutgoingBuffer } from '../bytes/outgoingBuffer.ts'
import { FrameTooLargeError, InvalidFrameError } from '../errors.ts'
import type { BadMessagePolicy, Codec } from './codec.ts'
import { DelimiterScan } from './delimiterScan.ts'
import { natural } from './natural.ts'

export interface DelimitedOptions {
  /** What ends a frame: bytes, or a string as UTF-8. One, or several of which any does; `'\n'` by default. */
  delimiter?: Uint8Array | string | readonly (Uint8Array | string)[] | undefined
  /** The most bytes in front of a delimiter; 64 KiB by default, as in `readUntil`. */
  maxFrameLength?: number | undefined
  /**
   * What becomes of a longer frame; `'fail'` by default. With `'discard'` the error comes as soon as the frame is
   * noticed to be too long, and everything up to and including the next delimiter is dropped as it comes.
   */
  onTooLong?: BadMessagePolicy | undefined
  /** Whether frames are given out without their delimiter; they are by default. */
  stripDelimiter?: boolean | undefined
  /**
   * What the bytes behind the last delimiter are when the stream ends: a `'frame'` by default, as for tokio and for
   * Go's `bufio.Scanner`; with `'error'` they are an `IncompleteReadError`, as for asyncio's `readuntil`.
   */
  unterminated?: 'frame' | 'error' | undefined
}

const DEFAULT_MAX_FRAME_LENGTH = 64 * 1024

/**
 * A codec for frames that end with a delimiter. A frame is a view of the bytes it came in where they lie in one chunk;
 * an empty one is a frame.
 *
 * Of several delimiters the one that ends first counts, and of those that end at the same byte the longest: with
 * `['\r\n', '\n']` either may end a line. Decoding throws {@link FrameTooLargeError} as soon as a frame cannot but be
 * over the limit; its `size` is what had come by then.
 *
 * Encoding appends the first delimiter. It throws {@link InvalidFrameError} for a frame that would not come out as it
 * went in, having a delimiter in it or making one together with its own, and {@link FrameTooLargeError} over the
 * limit. Throws a RangeError for no delimiter, or an empty one. (tokio-util: `AnyDelimiterCodec`; Netty:
 * `DelimiterBasedFrameDecoder`.)
 */
export function delimited(options: DelimitedOptions = {}): Codec<Uint8Array, Uint8Array | string> {
  return new DelimitedCodec(options)
}

class DelimitedCodec implements Codec<Uint8Array, Uint8Array | string> {
  readonly #options: DelimitedOptions
  readonly #delimiters: readonly Uint8Array[]
  readonly #longest: number
  readonly #limit: number
  readonly #keep: boolean
  readonly #scan: DelimiterScan

  constructor(options: DelimitedOptions) {
    const { delimiter = '\n', maxFrameLength = DEFAULT_MAX_FRAME_LENGTH, onTooLong = 'fail' } = options
    const several = typeof delimiter === 'string' || delimiter instanceof Uint8Array ? [delimiter] : delimiter
    this.#delimiters = several.map(toBytes)
    if (this.#delimiters.length === 0) throw new RangeError('at least one delimiter is needed')
    if (this.#delimiters.some((each) => each.length === 0)) {
      throw new RangeError('a delimiter must have at least one byte')
    }
    this.#options = options
    this.#longest = Math.max(...this.#delimiters.map((each) => each.length))
    this.#limit = natural('maxFrameLength', maxFrameLength)
    this.#keep = options.stripDelimiter === false
    this.#scan = new DelimiterScan({
      delimiters: this.#delimiters,
      limit: this.#limit,
      onTooLong,
      tooLong: (size) => new FrameTooLargeError(size, this.#limit),
    })
  }

  decode(input: ByteQueue): Uint8Array | undefined {
    return this.#scan.take(input, this.#keep)
  }

  decodeEof(input: ByteQueue): Uint8Array | undefined {
    return this.#scan.takeAtEof(input, this.#options.unterminated !== 'error', this.#keep)
  }

  encode(message: Uint8Array | string, out: OutgoingBuffer): void {
    const frame = toBytes(message)
    if (frame.length > this.#limit) throw new FrameTooLargeError(frame.length, this.#limit)
    this.#refuseDelimiters(frame)
    out.append(frame)
    out.append(this.#delimiters[0]!)
  }

  clone(): Codec<Uint8Array, Uint8Array | string> {
    return new DelimitedCodec(this.#options)
  }

  #refuseDelimiters(frame: Uint8Array): void {
    const [own] = this.#delimiters as [Uint8Array]
    // From here on a delimiter may begin in the frame and end in the frame's own.
    const border = Math.max(0, frame.length + 1 - this.#longest)
    const edge = this.#longest > 1 ? joined(frame.subarray(border), own) : own
    for (const delimiter of this.#delimiters) {
      let place = indexOf(frame, delimiter)
      if (place === -1 && this.#longest > 1) {
        place = border + indexOf(edge, delimiter)
        // One that ends with its own and is no longer does no harm.
        const end = place + delimiter.length
        if (place < border || (place >= frame.length && end === frame.length + own.length)) continue
      }
      if (place !== -1) throw new InvalidFrameError('a frame that has a delimiter in it would be torn there', place)
    }
  }
}

function indexOf(bytes: Uint8Array, pattern: Uint8Array): number {
  const last = bytes.length - pattern.length
  for (let place = bytes.indexOf(pattern[0]!); place !== -1 && place <= last;) {
    let k = 1
    while (k < pattern.length && bytes[place + k] === pattern[k]) k++
    if (k === pattern.length) return place
    place = bytes.indexOf(pattern[0]!, place + 1)
  }
  return -1
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length)
  whole.set(a)
  whole.set(b, a.length)
  return whole
}
