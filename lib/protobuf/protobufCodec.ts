import { decodeAtEof, type Codec } from '../framing/codec.ts'
import type { FramingCodec } from '../framing/composed.ts'
import { varintPrefixed } from '../framing/varintPrefixed.ts'
import { BodyEncoder, decodeBody, type MessageType } from './messageType.ts'

export interface ProtobufOptions {
  /**
   * How messages are told apart: behind a varint by default, as Java, Go and C++ write them; or by any codec of frames.
   * Behind a length prefix a body is encoded in one pass.
   */
  framing?: FramingCodec | undefined
}

/**
 * A codec for messages of one type. By default they are varint-delimited, and at most 4 MiB.
 *
 * Decoding throws what the framing throws, and {@link DecodeError} for a body that is no such message. Decoded `bytes`
 * fields may be views of the received chunk, whose memory is never written to again.
 */
export function protobuf<T, I = T>(type: MessageType<T, I>, options: ProtobufOptions = {}): Codec<T, I> {
  const { framing = varintPrefixed() } = options
  const encoder = new BodyEncoder(type)
  return {
    decode(input) {
      const body = framing.decode(input)
      return body === undefined ? undefined : decodeBody(type, body)
    },
    decodeEof(input) {
      const body = decodeAtEof(framing, input)
      return body === undefined ? undefined : decodeBody(type, body)
    },
    encode(message, out) {
      const length = encoder.prepare(message)
      if (!('encodeHeader' in framing)) return framing.encode(encoder.finish(), out)
      framing.encodeHeader(length, out)
      encoder.append(out)
    },
    ...(framing.clone !== undefined && { clone: () => protobuf(type, { framing: framing.clone!() }) }),
  }
}
