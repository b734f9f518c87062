import { allocate } from '../bytes/allocate.ts'
import type { OutgoingBuffer } from '../bytes/outgoingBuffer.ts'
import { InvalidFrameError } from '../errors.ts'
import { byteStuffed, type ByteStuffing, type ByteStuffingOptions } from './byteStuffing.ts'
import type { Codec } from './codec.ts'

/** A run this long is not followed by a zero. */
const LONGEST_RUN = 254

/**
 * A codec for frames with consistent overhead byte stuffing: a zero ends a frame, and within it every zero is replaced
 * by the distance to the next one, which costs at most one byte in 254. A frame of length 0 is a frame (`01 00`).
 *
 * Decoding throws {@link InvalidFrameError} for a distance that leads beyond the frame, and
 * {@link FrameTooLargeError} at the latest when more bytes have come than a frame of the limit can take; with
 * `'discard'` the decoder goes on behind the next zero, as is wanted on a line that loses bytes. (S. Cheshire and
 * M. Baker, Consistent Overhead Byte Stuffing, 1999.)
 */
export function cobs(options: ByteStuffingOptions = {}): Codec<Uint8Array, Uint8Array | string> {
  return byteStuffed(COBS, options)
}

const COBS: ByteStuffing = {
  name: 'COBS',
  delimiter: 0,
  longest: (length) => length + 1 + Math.floor((length + 1) / LONGEST_RUN),
  stuff(frame: Uint8Array, out: OutgoingBuffer): void {
    let start = 0
    while (start <= frame.length) {
      const most = Math.min(start + LONGEST_RUN, frame.length)
      let end = start
      while (end < most && frame[end] !== 0) end++
      out.uint(end - start + 1, 1)
      out.append(frame.subarray(start, end))
      const full = end - start === LONGEST_RUN
      // A full run at the end needs no other behind it.
      if (full && end === frame.length) return
      start = full ? end : end + 1
    }
  },
  unstuff(stuffed: Uint8Array): Uint8Array {
    const frame = allocate(stuffed.length)
    let length = 0
    for (let place = 0; place < stuffed.length;) {
      const code = stuffed[place]!
      const next = place + code
      if (next > stuffed.length) {
        throw new InvalidFrameError(
          `a COBS code of ${code} leads ${next - stuffed.length} bytes beyond its frame`,
          place,
        )
      }
      for (place++; place < next; place++) frame[length++] = stuffed[place]!
      if (code <= LONGEST_RUN && next < stuffed.length) frame[length++] = 0
    }
    return frame.subarray(0, length)
  },
}
