import { allocate } from '../bytes/allocate.ts'
import type { OutgoingBuffer } from '../bytes/outgoingBuffer.ts'
import { InvalidFrameError } from '../errors.ts'
import { byteStuffed, type ByteStuffing, type ByteStuffingOptions } from './byteStuffing.ts'
import type { Codec } from './codec.ts'

const END = 0xc0
const ESC = 0xdb
const ESC_END = 0xdc
const ESC_ESC = 0xdd

/**
 * A codec for the frames of the serial line internet protocol: END (`C0`) ends a frame, and within it `DB DC` stands
 * for END and `DB DD` for ESC (`DB`). Empty frames are skipped, so peers may begin a frame with END as well; a frame of
 * length 0 cannot be sent.
 *
 * Decoding throws {@link InvalidFrameError} for an ESC that is followed by anything else, and
 * {@link FrameTooLargeError} for a frame over the limit, at the latest when twice the limit has come. Encoding throws
 * {@link InvalidFrameError} for an empty frame. (RFC 1055.)
 */
export function slip(options: ByteStuffingOptions = {}): Codec<Uint8Array, Uint8Array | string> {
  return byteStuffed(SLIP, options)
}

const SLIP: ByteStuffing = {
  name: 'SLIP',
  delimiter: END,
  longest: (length) => 2 * length,
  stuff(frame: Uint8Array, out: OutgoingBuffer): void {
    if (frame.length === 0) throw new InvalidFrameError('SLIP has no frames of length 0')
    let start = 0
    for (let place = 0; place < frame.length; place++) {
      const byte = frame[place]
      if (byte !== END && byte !== ESC) continue
      out.append(frame.subarray(start, place))
      out.uint(ESC * 256 + (byte === END ? ESC_END : ESC_ESC), 2)
      start = place + 1
    }
    out.append(frame.subarray(start))
  },
  unstuff(stuffed: Uint8Array): Uint8Array {
    if (stuffed.indexOf(ESC) === -1) return stuffed
    const frame = allocate(stuffed.length)
    let length = 0
    for (let place = 0; place < stuffed.length; place++) {
      let byte = stuffed[place]!
      if (byte === ESC) {
        byte = stuffed[++place]!
        if (byte !== ESC_END && byte !== ESC_ESC) {
          const followed = byte === undefined ? 'by the end of its frame' : `by byte ${byte}`
          throw new InvalidFrameError(`an escape that is followed ${followed}`, place - 1)
        }
        byte = byte === ESC_END ? END : ESC
      }
      frame[length++] = byte
    }
    return frame.subarray(0, length)
  },
}
