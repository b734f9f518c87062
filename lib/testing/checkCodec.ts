import { deepStrictEqual, strictEqual, throws } from 'node:assert/strict'
import { encodeMessage, resolveSource, type Codec, type Source } from '../framing/codec.ts'
import { MessageDecoder } from '../framing/messageDecoder.ts'

/**
 * Checks that a codec gives back `messages`, as `deepStrictEqual` compares them (frames come back as Buffers), from what
 * it makes of them: in every split of the bytes in two, byte by byte, and all at once; that it takes nothing for an
 * incomplete message; and that a stream cut off inside a message is an error after the messages before it. Throws an
 * AssertionError.
 *
 * `messages` should be few and short: the work grows with the square of their bytes. Set `endless` for a codec whose
 * messages may end with the stream.
 */
export function checkCodec<T>(
  codec: Source<Codec<T>>,
  messages: readonly T[],
  { endless = false }: { endless?: boolean } = {},
): void {
  const encoder = resolveSource(codec)
  const parts = messages.map((message) => Buffer.from(encodeMessage(encoder, message)))
  const bytes = Buffer.concat(parts)
  const decode = (chunks: Iterable<Uint8Array>): T[] => {
    const decoder = new MessageDecoder<T>(codec)
    const decoded: T[] = []
    for (const chunk of chunks) {
      decoder.push(Buffer.from(chunk))
      decoded.push(...decoder)
    }
    decoder.end()
    decoded.push(...decoder)
    strictEqual(decoder.buffered, 0, 'bytes are left over')
    return decoded
  }

  deepStrictEqual(decode([bytes]), messages, 'all at once')
  deepStrictEqual(decode(Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))), messages, 'byte by byte')
  for (let at = 1; at < bytes.length; at++) {
    deepStrictEqual(decode([bytes.subarray(0, at), bytes.subarray(at)]), messages, `split at byte ${at}`)
  }
  if (endless) return

  let whole = 0
  let end = 0
  const borders = new Map(parts.map((part, i) => [(end += part.length), i + 1]))
  for (let at = 1; at < bytes.length; at++) {
    whole = borders.get(at) ?? whole
    if (borders.has(at)) continue
    const decoder = new MessageDecoder<T>(codec)
    decoder.push(Buffer.from(bytes.subarray(0, at)))
    decoder.end()
    const decoded: T[] = []
    throws(() => {
      for (const message of decoder) decoded.push(message)
    }, `no error for a stream cut off at byte ${at}`)
    deepStrictEqual(decoded, messages.slice(0, whole), `messages before a cut at byte ${at}`)
  }
}
