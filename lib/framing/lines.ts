import { InvalidFrameError } from '../errors.ts'
import type { BadMessagePolicy, Codec } from './codec.ts'
import { delimited } from './delimited.ts'
import { mapCodec } from './mapCodec.ts'

export interface LinesOptions {
  /** The longest line in bytes, a CR counted, the LF not; 64 KiB by default. */
  maxLength?: number | undefined
  /** What becomes of a longer one; `'fail'` by default. With `'discard'` it is dropped up to its LF as it comes. */
  onTooLong?: BadMessagePolicy | undefined
  /** What becomes of a line that is not UTF-8; `'fail'` by default. */
  onInvalid?: BadMessagePolicy | undefined
  /** What ends the lines that are written; `'\n'` by default. Either is read. */
  newline?: '\n' | '\r\n' | undefined
  /** What the bytes behind the last LF are when the stream ends: a `'line'` by default, or an `'error'`. */
  unterminated?: 'line' | 'error' | undefined
}

const CR = 0x0d

/**
 * A codec for lines of UTF-8 text, given out without the LF that ends them and without one CR in front of it.
 *
 * Decoding throws {@link FrameTooLargeError} as soon as a line cannot but be over the limit, and {@link DecodeError}
 * for bad UTF-8. What is left when the stream ends is a line, unless it is a CR alone, which is nothing. Encoding
 * throws {@link InvalidFrameError} for a line that would not come out as it went in: with an LF in it, or a CR at its
 * end (which `newline: '\r\n'` allows). (tokio-util: `LinesCodec`; Twisted: `LineReceiver`, whose lines end with CRLF.)
 */
export function lines(options: LinesOptions = {}): Codec<string> {
  const { maxLength, onTooLong, onInvalid, newline = '\n', unterminated = 'line' } = options
  const bytes = delimited({
    maxFrameLength: maxLength,
    onTooLong,
    unterminated: unterminated === 'line' ? 'frame' : 'error',
  })
  return mapCodec(unterminated === 'line' ? withoutLoneCR(bytes) : bytes, {
    name: 'UTF-8',
    onInvalid,
    decode: (line) => decodeUtf8(line.at(-1) === CR ? line.subarray(0, -1) : line),
    encode: (line) => {
      if (newline === '\r\n') return `${line}\r`
      if (line.endsWith('\r')) throw new InvalidFrameError('a line that ends with CR would lose it', line.length - 1)
      return line
    },
  })
}

/** At the end of the stream, the half of a line's end is no line. */
function withoutLoneCR(codec: Codec<Uint8Array, Uint8Array | string>): Codec<Uint8Array, Uint8Array | string> {
  return {
    decode: (input) => codec.decode(input),
    decodeEof(input) {
      if (input.length === 1 && input.at(0) === CR) input.clear()
      return codec.decodeEof!(input)
    },
    encode: (line, out) => codec.encode(line, out),
    clone: () => withoutLoneCR(codec.clone!()),
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** `bytes` as text, a byte order mark included. Throws a TypeError if they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string {
  return utf8.decode(bytes)
}
