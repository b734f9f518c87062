/**
 * Frames behind an unsigned base-128 varint, the least group of bits first: how Java, Go and C++ delimit protobuf
 * messages.
 */
import type { ByteQueue } from '../bytes/byteQueue.ts'
import type { OutgoingBuffer } from '../bytes/outgoingBuffer.ts'
import { toBytes } from '../bytes/allocate.ts'
import { FrameTooLargeError, InvalidFrameError } from '../errors.ts'
import type { BadMessagePolicy, FrameCodec } from './codec.ts'
import { discardTooLong } from './discardTooLong.ts'
import { natural } from './natural.ts'

export interface VarintPrefixedOptions {
  /** The largest payload in bytes; 4 MiB by default. */
  maxFrameLength?: number | undefined
  /**
   * What becomes of a larger one; `'fail'` by default. With `'discard'` exactly that frame is swallowed as it comes,
   * which takes a state per connection.
   */
  onTooLong?: BadMessagePolicy | undefined
}

const DEFAULT_MAX_FRAME_LENGTH = 4 * 1024 * 1024
const LONGEST_VARINT = 10

/**
 * A codec for frames behind a varint. A frame is a view of the bytes it came in; one of length 0 is a frame.
 *
 * Decoding throws {@link FrameTooLargeError} from the header alone, and {@link InvalidFrameError} for a varint of more
 * than 10 bytes; one that is padded to 10 is accepted. Encoding throws {@link FrameTooLargeError} over the limit.
 */
export function varintPrefixed(options: VarintPrefixedOptions = {}): FrameCodec {
  const limit = natural('maxFrameLength', options.maxFrameLength ?? DEFAULT_MAX_FRAME_LENGTH)
  const codec: FrameCodec = {
    decode(input) {
      // Most messages are short: their varint is one byte.
      let length = input.at(0)
      let size = 1
      if (length >= 0x80) {
        const header = readVarint(input, 0)
        if (header === undefined) return undefined
        length = header.value
        size = header.size
      }
      if (length > limit) throw new FrameTooLargeError(length, limit)
      if (input.length < size + length) return undefined
      return input.take(length, size)
    },
    encode(message, out) {
      const frame = toBytes(message)
      this.encodeHeader(frame.length, out)
      out.append(frame)
    },
    encodeHeader(length, out) {
      if (length > limit) throw new FrameTooLargeError(length, limit)
      writeVarint(out, length)
    },
  }
  return options.onTooLong === 'discard' ? discardTooLong(codec, extent) : codec
}

/** How many bytes the frame at the front takes, its varint included. */
function extent(input: ByteQueue): number {
  const { value, size } = readVarint(input, 0)!
  return size + value
}

/**
 * The varint at `index`, without consuming it, and its size in bytes; `undefined` if it is cut off. Values above 2^53
 * are rounded and never wrap. Throws {@link InvalidFrameError} if it has no end within 10 bytes.
 */
export function readVarint(input: ByteQueue, index: number): { value: number; size: number } | undefined {
  let value = 0
  let weight = 1
  const available = Math.min(input.length - index, LONGEST_VARINT)
  for (let size = 1; size <= available; size++) {
    const byte = input.at(index + size - 1)
    value += (byte & 0x7f) * weight
    weight *= 128
    if (byte < 0x80) return { value, size }
  }
  if (available === LONGEST_VARINT) {
    throw new InvalidFrameError(`a varint has no end within ${LONGEST_VARINT} bytes`, index)
  }
  return undefined
}

/** Appends `value`, a whole number up to 2^53 - 1, as a varint. */
export function writeVarint(out: OutgoingBuffer, value: number): void {
  let size = 1
  for (let left = value; left >= 0x80; left = Math.floor(left / 128)) size++
  let place = out.reserve(size)
  let left = value
  for (; left >= 0x80; left = Math.floor(left / 128)) out.bytes[place++] = (left % 128) | 0x80
  out.bytes[place] = left
}
