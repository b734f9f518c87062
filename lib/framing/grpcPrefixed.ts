import { toBytes } from '../bytes/allocate.ts'
import { FrameTooLargeError, InvalidFrameError } from '../errors.ts'
import type { BadMessagePolicy, Codec } from './codec.ts'
import { discardTooLong } from './discardTooLong.ts'
import { natural } from './natural.ts'

/** A message of gRPC. */
export interface GrpcMessage {
  /** Whether `data` is compressed, in the encoding that the call's headers name. */
  readonly compressed: boolean
  readonly data: Uint8Array
}

/** What may be encoded: by default it is not compressed; a string stands for its UTF-8 bytes. */
export interface GrpcMessageInput {
  readonly compressed?: boolean | undefined
  readonly data: Uint8Array | string
}

export interface GrpcPrefixedOptions {
  /** The largest `data` in bytes, as it is on the wire; 4 MiB by default. */
  maxFrameLength?: number | undefined
  /** What becomes of a larger one; `'fail'` by default. With `'discard'` exactly that message is swallowed. */
  onTooLong?: BadMessagePolicy | undefined
}

const DEFAULT_MAX_FRAME_LENGTH = 4 * 1024 * 1024
const HEADER = 5

/**
 * A codec for the messages of gRPC: a byte that says whether the message is compressed (1) or not (0), its length in
 * four bytes, big-endian, and the message. `data` is a view of the bytes it came in.
 *
 * Decoding throws {@link InvalidFrameError} for any other first byte, and {@link FrameTooLargeError} from the header
 * alone. Encoding throws {@link FrameTooLargeError} over the limit. (gRPC over HTTP/2: `Length-Prefixed-Message`.)
 */
export function grpcPrefixed(options: GrpcPrefixedOptions = {}): Codec<GrpcMessage, GrpcMessageInput> {
  const { maxFrameLength = DEFAULT_MAX_FRAME_LENGTH } = options
  const limit = Math.min(natural('maxFrameLength', maxFrameLength), 2 ** 32 - 1)
  const codec: Codec<GrpcMessage, GrpcMessageInput> = {
    decode(input) {
      const flag = input.at(0)
      if (flag > 1) throw new InvalidFrameError(`a message with the flag ${flag}: neither compressed (1) nor not (0)`)
      if (input.length < HEADER) return undefined
      const length = input.uint(1, 4)
      if (length > limit) throw new FrameTooLargeError(length, limit, 'a message')
      if (input.length < HEADER + length) return undefined
      return { compressed: flag === 1, data: input.take(length, HEADER) }
    },
    encode({ compressed = false, data }, out) {
      const bytes = toBytes(data)
      if (bytes.length > limit) throw new FrameTooLargeError(bytes.length, limit, 'a message')
      out.uint(compressed ? 1 : 0, 1)
      out.uint(bytes.length, 4)
      out.append(bytes)
    },
  }
  return options.onTooLong === 'discard' ? discardTooLong(codec, (input) => HEADER + input.uint(1, 4)) : codec
}
