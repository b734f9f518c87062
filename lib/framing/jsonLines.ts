import type { BadMessagePolicy, Codec } from './codec.ts'
import { delimited } from './delimited.ts'
import { decodeUtf8 } from './lines.ts'
import { mapCodec } from './mapCodec.ts'

export interface JsonLinesOptions {
  /** The longest line in bytes, without its LF; 1 MiB by default. */
  maxLength?: number | undefined
  /** What becomes of a longer one; `'fail'` by default. With `'discard'` it is dropped up to its LF as it comes. */
  onTooLong?: BadMessagePolicy | undefined
  /** What becomes of a line that is no JSON, or no UTF-8; `'fail'` by default. */
  onInvalid?: BadMessagePolicy | undefined
}

const DEFAULT_MAX_LENGTH = 1024 * 1024

/**
 * A codec for JSON values, one a line. That they are of type `T` is taken on trust. Blank lines are skipped; what is
 * left when the stream ends is a line.
 *
 * Decoding throws {@link FrameTooLargeError} for a line over the limit and {@link DecodeError} for one that is no
 * JSON. Encoding throws a TypeError for what JSON cannot say (`undefined`, a function, a cycle).
 */
export function jsonLines<T = unknown>(options: JsonLinesOptions = {}): Codec<T> {
  const { maxLength = DEFAULT_MAX_LENGTH, onTooLong, onInvalid } = options
  return mapCodec<Uint8Array, Uint8Array | string, T>(delimited({ maxFrameLength: maxLength, onTooLong }), {
    name: 'JSON',
    onInvalid,
    decode(line) {
      const text = decodeUtf8(line)
      return text.trim() === '' ? undefined : (JSON.parse(text) as T)
    },
    encode: toJson,
  })
}

/** `value` as JSON without line breaks. Throws a TypeError for what JSON cannot say. */
export function toJson(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined
  if (text === undefined) throw new TypeError(`a value of type ${typeof value} cannot be said in JSON`)
  return text
}
