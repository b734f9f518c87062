import type { ByteQueue } from '../bytes/byteQueue.ts'
import { DecodeError, FrameError } from '../errors.ts'
import { decodeAtEof, type BadMessagePolicy, type Codec } from './codec.ts'

/** How the messages of one codec become those of another. */
export interface CodecMapping<In, Out, FromIn, FromOut> {
  /**
   * `undefined` skips the message; `size` is how many bytes were taken for it. What it throws, if no `FrameError`,
   * becomes the cause of a {@link DecodeError}.
   */
  decode: (message: FromIn, size: number) => In | undefined
  /** What it throws reaches the caller as it is, and nothing is written. */
  encode: (message: Out) => FromOut
  /** What a message is, for errors: `'JSON'`; `'message'` by default. */
  name?: string | undefined
  /** What becomes of a message that `decode` throws for; `'fail'` by default. */
  onInvalid?: BadMessagePolicy | undefined
}

/**
 * A codec with two functions behind it: `mapCodec(lines(), { decode: Number, encode: String })` is one of numbers.
 * Errors of `codec` pass through, and a state that it has is had by each connection. (tokio-util: `map_codec`.)
 */
export function mapCodec<FromIn, FromOut, In, Out = In>(
  codec: Codec<FromIn, FromOut>,
  mapping: CodecMapping<In, Out, FromIn, FromOut>,
): Codec<In, Out> {
  const { name = 'message', onInvalid = 'fail' } = mapping

  const mapped = (input: ByteQueue, next: (input: ByteQueue) => FromIn | undefined): In | undefined => {
    for (;;) {
      const before = input.length
      const from = next(input)
      if (from === undefined) return undefined
      const size = before - input.length
      try {
        const message = mapping.decode(from, size)
        if (message !== undefined) return message
      } catch (error) {
        throw asFrameError(error, name, from instanceof Uint8Array ? from.length : size, onInvalid)
      }
    }
  }
  const decode = (input: ByteQueue): FromIn | undefined => (input.length === 0 ? undefined : codec.decode(input))
  const decodeEof = (input: ByteQueue): FromIn | undefined => decodeAtEof(codec, input)

  return {
    decode: (input) => mapped(input, decode),
    decodeEof: (input) => mapped(input, decodeEof),
    encode: (message, out) => codec.encode(mapping.encode(message), out),
    ...(codec.clone !== undefined && { clone: () => mapCodec(codec.clone!(), mapping) }),
  }
}

/** What was thrown for a message of `size` bytes that has been taken whole: so that with `'discard'` the next can follow. */
export function asFrameError(error: unknown, name: string, size: number, onInvalid: BadMessagePolicy): FrameError {
  const reason = error instanceof Error ? error.message : String(error)
  const invalid = error instanceof FrameError ? error : new DecodeError(name, size, undefined, reason, { cause: error })
  if (onInvalid === 'discard') invalid.recoverable = true
  return invalid
}
