import { MessageDecoder } from '../../lib/framing/messageDecoder.ts'
import type { Decoder, Source } from '../../lib/framing/codec.ts'

export interface Split {
  /** For the message of a test that fails. */
  readonly name: string
  readonly chunks: readonly Buffer[]
}

/**
 * The same bytes as a network may cut them: all at once, byte by byte, in pieces of 2, 3 and 7, and in two at every
 * place. Every chunk has memory of its own, so that one that is read beyond its end is noticed.
 */
export function everySplit(bytes: Uint8Array): Split[] {
  const splits: Split[] = [1, 2, 3, 7, Infinity].map((size) => ({
    name: size === Infinity ? 'all at once' : `in pieces of ${size}`,
    chunks: piecesOf(bytes, size),
  }))
  for (let at = 1; at < bytes.length; at++) {
    splits.push({ name: `cut at ${at}`, chunks: [Buffer.from(bytes.subarray(0, at)), Buffer.from(bytes.subarray(at))] })
  }
  return splits
}

export function piecesOf(bytes: Uint8Array, size: number): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) pieces.push(Buffer.from(bytes.subarray(at, at + size)))
  return pieces
}

export interface Decoded<T> {
  messages: T[]
  error: unknown
  /** How many bytes had been pushed when the error came. */
  errorAfter: number
  buffered: number
}

/** What a decoder makes of these chunks; with `end` also of the end behind them. */
export function decodeChunks<T>(
  codec: Source<Decoder<T>>,
  chunks: readonly Uint8Array[],
  { end = true }: { end?: boolean } = {},
): Decoded<T> {
  const decoder = new MessageDecoder<T>(codec)
  const decoded: Decoded<T> = { messages: [], error: undefined, errorAfter: 0, buffered: 0 }
  try {
    for (const chunk of chunks) {
      decoder.push(chunk)
      decoded.errorAfter += chunk.length
      for (const message of decoder) decoded.messages.push(message)
    }
    if (end) decoder.end()
    for (const message of decoder) decoded.messages.push(message)
  } catch (error) {
    decoded.error = error
  }
  decoded.buffered = decoder.buffered
  return decoded
}

/** Frames as text, one character a byte. */
export function texts(frames: readonly Uint8Array[]): string[] {
  return frames.map((frame) => Buffer.from(frame).toString('latin1'))
}

/** Bytes of a text with escapes like `\x00\x09abc`. */
export const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')
