import { toBytes } from '../bytes/allocate.ts'
import { InvalidFrameError } from '../errors.ts'
import type { FrameCodec } from './codec.ts'
import { natural } from './natural.ts'

/**
 * A codec for frames of `length` bytes each, with nothing in between. A frame is a view of the bytes it came in.
 *
 * Encoding throws {@link InvalidFrameError} for a frame of another length. Throws a RangeError unless `length` is a
 * whole number above 0. (Netty: `FixedLengthFrameDecoder`.)
 */
export function fixedLength(length: number): FrameCodec {
  if (natural('the length', length) === 0) throw new RangeError('a frame of no bytes would repeat for ever')
  return {
    decode: (input) => (input.length < length ? undefined : input.take(length)),
    encode(message, out) {
      const frame = toBytes(message)
      this.encodeHeader(frame.length, out)
      out.append(frame)
    },
    encodeHeader(actual) {
      if (actual !== length) throw new InvalidFrameError(`a frame of ${actual} bytes where all have ${length}`)
    },
  }
}
