import { ByteQueue } from '../bytes/byteQueue.ts'
import { OutgoingBuffer } from '../bytes/outgoingBuffer.ts'
import { InvalidFrameError } from '../errors.ts'
import { decodeAtEof, encodeMessage, type BadMessagePolicy, type Codec, type FrameCodec } from './codec.ts'
import { asFrameError } from './mapCodec.ts'

/** Any codec of frames: those that write the header alone are faster to put something into. */
export type FramingCodec = FrameCodec | Codec<Uint8Array, Uint8Array | string>

export interface ComposedOptions {
  /** What becomes of a frame that is not one message of the inner codec; `'fail'` by default. */
  onInvalid?: BadMessagePolicy | undefined
}

/**
 * A codec whose messages lie one in each frame of another: `composed(lengthPrefixed(), jsonObjects())`.
 *
 * Decoding throws what `framing` throws, what `codec` throws for the frame, and {@link InvalidFrameError} for a frame
 * that ends inside a message or goes on behind it. A frame whose message `codec` skips is skipped. A state that `framing` has is had by each connection; one that
 * `codec` has begins anew with each frame. Encoding goes straight behind the header, if `framing` can write it alone.
 */
export function composed<In, Out = In>(
  framing: FramingCodec,
  codec: Codec<In, Out>,
  options: ComposedOptions = {},
): Codec<In, Out> {
  const { onInvalid = 'fail' } = options
  const frameQueue = new ByteQueue()
  const body = new OutgoingBuffer()

  /** `undefined` if the codec has taken the whole frame, and skips it. */
  const messageIn = (frame: Uint8Array): In | undefined => {
    frameQueue.push(frame)
    try {
      const message = decodeAtEof(codec.clone?.() ?? codec, frameQueue)
      const left = frameQueue.length
      if (message === undefined && (left > 0 || frame.length === 0)) {
        throw new InvalidFrameError(`a frame of ${frame.length} bytes without a whole message`)
      }
      if (left === 0) return message
      throw new InvalidFrameError(`a frame with ${left} bytes behind its message`, frame.length - left)
    } catch (error) {
      throw asFrameError(error, 'message', frame.length, onInvalid)
    } finally {
      frameQueue.clear()
    }
  }

  return {
    decode(input) {
      while (input.length > 0) {
        const frame = framing.decode(input)
        if (frame === undefined) return undefined
        const message = messageIn(frame)
        if (message !== undefined) return message
      }
      return undefined
    },
    decodeEof(input) {
      for (;;) {
        const frame = decodeAtEof(framing, input)
        if (frame === undefined) return undefined
        const message = messageIn(frame)
        if (message !== undefined) return message
      }
    },
    encode(message, out) {
      if (!('encodeHeader' in framing)) return framing.encode(encodeMessage(codec, message), out)
      try {
        codec.encode(message, body)
        framing.encodeHeader(body.length, out)
        out.appendFrom(body)
      } finally {
        // Nothing, unless something was thrown.
        body.recycle()
      }
    },
    ...(framing.clone !== undefined && { clone: () => composed(framing.clone!(), codec, options) }),
  }
}
