import fc from 'fast-check'
import { FrameError, MillraceError } from '../../lib/errors.ts'
import { encodeMessage, resolveSource, type Codec, type Decoder, type Source } from '../../lib/framing/codec.ts'
import { MessageDecoder } from '../../lib/framing/messageDecoder.ts'

/**
 * What a decoder makes of these chunks and of the end behind them, in one list: the messages as `show` puts them,
 * `?Class` for an error after which it goes on, and last `!Class` for one after which it does not, or `end`. An error
 * that is not ours, and a decoder that never ends, throw.
 */
export function decodeLog<T>(
  codec: Source<Decoder<T>>,
  chunks: readonly Uint8Array[],
  show: (message: T) => string,
): string[] {
  const decoder = new MessageDecoder<T>(codec)
  const log: string[] = []
  const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  /** Whether to go on. */
  const drain = (): boolean => {
    for (;;) {
      if (log.length > 2 * total + 10) throw new Error(`no end of messages: ${log.slice(0, 10).join()}`)
      try {
        const message = decoder.next()
        if (message === undefined) return true
        log.push(show(message))
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error
        const goesOn = error instanceof FrameError && error.recoverable
        log.push(`${goesOn ? '?' : '!'}${error.name}`)
        if (!goesOn) return false
      }
    }
  }
  for (const chunk of chunks) {
    decoder.push(chunk)
    if (!drain()) return log
  }
  decoder.end()
  if (drain()) {
    log.push('end')
    if (decoder.buffered > 0) throw new Error(`${decoder.buffered} bytes are left at the end`)
  }
  return log
}

/** Bytes as text, one character a byte. */
export const asLatin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

/** Several messages as a codec writes them, one behind the other. */
export function encodeAll<Out>(codec: Source<Codec<unknown, Out>>, messages: readonly Out[]): Buffer {
  const encoder = resolveSource(codec)
  return Buffer.concat(messages.map((message) => encodeMessage(encoder, message)))
}

/** The same bytes in chunks of these sizes, over and over; each has memory of its own. */
export function chunksOfSizes(bytes: Uint8Array, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0; at < bytes.length;) {
    const size = sizes[chunks.length % sizes.length]!
    chunks.push(Buffer.from(bytes.subarray(at, at + size)))
    at += size
  }
  return chunks
}

const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 5 })

/**
 * Streams of the given bytes, in random chunks, through `codec(options)`: it must make of them what `model` reads from
 * the whole stream at once. `kinds` are entries that must have come about in some of the runs, or the streams were
 * too tame.
 */
export function checkAgainstModel<O, T>(check: {
  options: fc.Arbitrary<O>
  stream: fc.Arbitrary<Uint8Array>
  codec: (options: O) => Source<Decoder<T>>
  model: (bytes: Buffer, options: O) => string[]
  show: (message: T) => string
  kinds: readonly string[]
  numRuns?: number
}): void {
  const { options, stream, codec, model, show, kinds, numRuns = 2000 } = check
  const seen = new Set<string>()
  fc.assert(
    fc.property(options, stream, sizes, (chosen, bytes, cut) => {
      const expected = model(Buffer.from(bytes), chosen)
      expect(decodeLog(codec(chosen), chunksOfSizes(bytes, cut), show)).toEqual(expected)
      for (const entry of expected) seen.add(entry)
    }),
    { numRuns, seed: 1 },
  )
  expect(kinds.filter((kind) => !seen.has(kind))).toEqual([])
}

/** Bytes of which most are among `likely`. */
export function bytesOf(likely: string, maxLength = 60): fc.Arbitrary<Uint8Array> {
  const byte = fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...Buffer.from(likely, 'latin1')) },
    { weight: 1, arbitrary: fc.nat(255) },
  )
  return fc.array(byte, { maxLength }).map((bytes) => Uint8Array.from(bytes))
}
