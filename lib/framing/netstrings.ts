/** Netstrings: the length in decimal digits, a colon, the bytes, a comma. (D. J. Bernstein, netstrings, 1997.) */
import type { ByteQueue } from '../bytes/byteQueue.ts'
import { toBytes } from '../bytes/allocate.ts'
import { FrameTooLargeError, InvalidFrameError } from '../errors.ts'
import type { BadMessagePolicy, Codec } from './codec.ts'
import { discardTooLong } from './discardTooLong.ts'
import { natural } from './natural.ts'

export interface NetstringsOptions {
  /** The longest string in bytes; 99,999 by default, as Twisted's. */
  maxFrameLength?: number | undefined
  /** What becomes of a longer one; `'fail'` by default. With `'discard'` exactly that string is swallowed. */
  onTooLong?: BadMessagePolicy | undefined
}

const DEFAULT_MAX_FRAME_LENGTH = 99_999
const COLON = 0x3a
const COMMA = 0x2c
/** Of 2^53. */
const MOST_DIGITS = 16

/**
 * A codec for netstrings. A string is a view of the bytes it came in; an empty one, `0:,`, is a string.
 *
 * Decoding is strict: {@link InvalidFrameError} for anything but digits in front of the colon, for a leading zero, and
 * for a missing comma. {@link FrameTooLargeError} is thrown from the digits alone, without waiting for the colon where
 * they are more than the limit has; more than 16 digits are never `recoverable`. Encoding throws
 * {@link FrameTooLargeError} over the limit. (Twisted: `NetstringReceiver`.)
 */
export function netstrings(options: NetstringsOptions = {}): Codec<Uint8Array, Uint8Array | string> {
  const { maxFrameLength = DEFAULT_MAX_FRAME_LENGTH, onTooLong = 'fail' } = options
  const limit = natural('maxFrameLength', maxFrameLength)
  // To go on behind a string that is too long, its length must be read to the end.
  const mostDigits = onTooLong === 'discard' ? MOST_DIGITS : String(limit).length
  const codec: Codec<Uint8Array, Uint8Array | string> = {
    decode(input) {
      const header = readLength(input, mostDigits, limit)
      if (header === undefined) return undefined
      const { length, size } = header
      if (length > limit) throw new FrameTooLargeError(length, limit, 'a netstring')
      if (input.length <= size + length) return undefined
      const last = input.at(size + length)
      if (last !== COMMA) {
        throw new InvalidFrameError(`byte ${last} where the comma of a netstring is due`, size + length)
      }
      const string = input.take(length, size)
      input.skip(1)
      return string
    },
    encode(message, out) {
      const string = toBytes(message)
      if (string.length > limit) throw new FrameTooLargeError(string.length, limit, 'a netstring')
      out.append(toBytes(`${string.length}:`))
      out.append(string)
      out.append(END)
    },
  }
  if (onTooLong === 'fail') return codec
  return discardTooLong(codec, extent, COMMA)
}

const END = Uint8Array.of(COMMA)

/** How many bytes the string at the front takes up to its comma. */
function extent(input: ByteQueue): number {
  // The digits were found to be too many to count.
  const header = readLength(input, Infinity, Infinity)
  return header === undefined || header.size > MOST_DIGITS + 1 ? NaN : header.size + header.length
}

/** The length at the front and the size of its digits and colon; `undefined` if the colon is not there yet. */
function readLength(input: ByteQueue, mostDigits: number, limit: number): { length: number; size: number } | undefined {
  let length = 0
  const available = input.length
  for (let index = 0; index < available; index++) {
    const byte = input.at(index)
    if (byte === COLON && index > 0) return { length, size: index + 1 }
    if (!(byte >= 0x30 && byte <= 0x39)) {
      throw new InvalidFrameError(`byte ${byte} where the length of a netstring is due`, index)
    }
    if (index === 1 && length === 0) throw new InvalidFrameError('the length of a netstring begins with a zero', 0)
    // In this order, for a sum above 2^53 would be rounded.
    length = length * 10 + (byte - 0x30)
    if (index >= mostDigits) throw new FrameTooLargeError(length, limit, 'a netstring')
  }
  return undefined
}
