/**
 * Frames with a length field, in all the variants of tokio-util's `LengthDelimitedCodec`:
 *
 *     | header of lengthFieldOffset bytes | length field | rest of the header | payload |
 *     |<-------------- numSkip, not part of the frame -->|<-- length + lengthAdjustment ->|
 */
import type { ByteQueue } from '../bytes/byteQueue.ts'
import type { OutgoingBuffer } from '../bytes/outgoingBuffer.ts'
import { toBytes } from '../bytes/allocate.ts'
import { FrameTooLargeError, InvalidFrameError } from '../errors.ts'
import type { BadMessagePolicy, FrameCodec } from './codec.ts'
import { discardTooLong } from './discardTooLong.ts'
import { natural } from './natural.ts'

/** Sizes are bytes. The names and their meaning are tokio-util's. */
export interface LengthPrefixedOptions {
  /** Bytes in front of the length field; 0 by default. */
  lengthFieldOffset?: number | undefined
  /** Width of the length field, 1 to 8; 4 by default. */
  lengthFieldLength?: number | undefined
  /** Added to the field's value to give the length of the frame; 0 by default. Negative if the field counts a header. */
  lengthAdjustment?: number | undefined
  /** Bytes in front of the frame that are dropped; by default everything up to the end of the length field. */
  numSkip?: number | undefined
  /** Whether the field's least byte comes first; big-endian by default. */
  littleEndian?: boolean | undefined
  /**
   * The largest value of the length field as it is read, before the adjustment; 8 MiB by default. It never exceeds
   * what the field can hold.
   */
  maxFrameLength?: number | undefined
  /**
   * What becomes of a frame whose field is over `maxFrameLength`; `'fail'` by default. With `'discard'` exactly that
   * frame is swallowed as it comes, which takes a state per connection.
   */
  onTooLong?: BadMessagePolicy | undefined
}

const DEFAULT_MAX_FRAME_LENGTH = 8 * 1024 * 1024

/**
 * A codec for frames behind a length field. A frame is a view of the bytes it came in; one of length 0 is a frame.
 *
 * Decoding throws {@link FrameTooLargeError} from the header alone if the field is over `maxFrameLength`, and
 * {@link InvalidFrameError} if the adjustment makes the length negative, or if the frame would take no byte at all.
 * Encoding writes the field and the frame (a header in front of the field is for you to write) and throws
 * {@link FrameTooLargeError} for a frame over the limit. (tokio-util: `codec::length_delimited`.)
 *
 * Throws a RangeError for options that make no sense.
 */
export function lengthPrefixed(options: LengthPrefixedOptions = {}): FrameCodec {
  const codec = new LengthPrefixedCodec(options)
  return options.onTooLong === 'discard' ? discardTooLong(codec, (input) => codec.extent(input)) : codec
}

class LengthPrefixedCodec implements FrameCodec {
  readonly #offset: number
  readonly #width: number
  readonly #adjustment: number
  readonly #skip: number
  readonly #head: number
  readonly #littleEndian: boolean
  readonly #limit: number

  constructor(options: LengthPrefixedOptions) {
    const { lengthFieldOffset = 0, lengthFieldLength = 4, lengthAdjustment = 0, littleEndian = false } = options
    const { numSkip = lengthFieldOffset + lengthFieldLength, maxFrameLength = DEFAULT_MAX_FRAME_LENGTH } = options
    for (const [name, value] of Object.entries({ lengthFieldOffset, numSkip, maxFrameLength })) natural(name, value)
    if (!Number.isSafeInteger(lengthAdjustment)) throw new RangeError(`lengthAdjustment is ${lengthAdjustment}`)
    if (!(Number.isInteger(lengthFieldLength) && lengthFieldLength >= 1 && lengthFieldLength <= 8)) {
      throw new RangeError(`lengthFieldLength must be 1 to 8, not ${lengthFieldLength}`)
    }
    const longest = 2 ** (8 * lengthFieldLength) - 1 + lengthAdjustment
    if (longest < 0) {
      throw new RangeError(
        `no field of ${lengthFieldLength} bytes allows for a lengthAdjustment of ${lengthAdjustment}`,
      )
    }
    this.#offset = lengthFieldOffset
    this.#width = lengthFieldLength
    this.#adjustment = lengthAdjustment
    this.#skip = numSkip
    this.#head = Math.max(lengthFieldOffset + lengthFieldLength, numSkip)
    this.#littleEndian = littleEndian
    this.#limit = Math.min(maxFrameLength, longest)
  }

  decode(input: ByteQueue): Uint8Array | undefined {
    const available = input.length
    if (available < this.#head) return undefined
    const field = input.uint(this.#offset, this.#width, this.#littleEndian)
    if (field > this.#limit) throw new FrameTooLargeError(field, this.#limit)
    const length = field + this.#adjustment
    if (length < 0) {
      const message = `a length field of ${field} bytes is negative after the adjustment by ${this.#adjustment}`
      throw new InvalidFrameError(message, this.#offset)
    }
    if (available < this.#skip + length) return undefined
    if (this.#skip + length === 0) throw new InvalidFrameError('a frame that takes no byte would repeat for ever')
    return input.take(length, this.#skip)
  }

  /** How many bytes the frame at the front takes in all. Its header must be there. */
  extent(input: ByteQueue): number {
    return this.#skip + input.uint(this.#offset, this.#width, this.#littleEndian) + this.#adjustment
  }

  encode(message: Uint8Array | string, out: OutgoingBuffer): void {
    const frame = toBytes(message)
    this.encodeHeader(frame.length, out)
    out.append(frame)
  }

  encodeHeader(length: number, out: OutgoingBuffer): void {
    if (length > this.#limit) throw new FrameTooLargeError(length, this.#limit)
    const field = length - this.#adjustment
    if (field < 0) {
      throw new InvalidFrameError(`a frame of ${length} bytes is shorter than the adjustment of ${this.#adjustment}`)
    }
    out.uint(field, this.#width, this.#littleEndian)
  }
}
