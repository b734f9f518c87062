import { toBytes } from '../bytes/allocate.ts'
import { ByteQueue } from '../bytes/byteQueue.ts'
import { FrameError, IncompleteReadError, InvalidStateError } from '../errors.ts'
import { resolveSource, type Decoder, type Source } from './codec.ts'

/**
 * A decoder with a buffer and no stream: push chunks as they come, take messages as they are complete.
 *
 * ```ts
 * decoder.push(chunk)
 * for (const message of decoder) …
 * ```
 *
 * The messages before an error are given out first; after it, every call throws that same error, or goes on with the
 * message after if the error is `recoverable`.
 */
export class MessageDecoder<T> implements Iterable<T> {
  readonly #decoder: Decoder<T>
  readonly #queue = new ByteQueue()
  #ended = false
  #error: { readonly reason: unknown } | undefined

  constructor(decoder: Source<Decoder<T>>) {
    this.#decoder = resolveSource(decoder)
  }

  /** Bytes pushed and not part of a message given out. */
  get buffered(): number {
    return this.#queue.length
  }

  /** Adds bytes; the chunk is kept, not copied. Throws {@link InvalidStateError} after {@link end}. */
  push(chunk: Uint8Array): void {
    if (this.#ended) throw new InvalidStateError(`push of ${chunk.length} bytes after end()`)
    this.#queue.push(toBytes(chunk))
  }

  /** Says that no more bytes will come: what is left must be whole messages. */
  end(): void {
    this.#ended = true
  }

  /**
   * The next message; `undefined` if it is not complete, or after the last. Throws the decoder's error, and
   * {@link IncompleteReadError} if the end cuts a message off.
   */
  next(): T | undefined {
    if (this.#error !== undefined) throw this.#error.reason
    try {
      return decodeNext(this.#decoder, this.#queue, this.#ended)
    } catch (error) {
      if (!(error instanceof FrameError && error.recoverable)) this.#error = { reason: error }
      throw error
    }
  }

  /** The messages that are complete now. Stopping early leaves the others for the next iteration. */
  *[Symbol.iterator](): Generator<T, void, void> {
    for (let message = this.next(); message !== undefined; message = this.next()) yield message
  }
}

/** One step of any decoder over any queue, the end of the stream included. */
export function decodeNext<T>(decoder: Decoder<T>, queue: ByteQueue, eof: boolean, peer?: string): T | undefined {
  const last = eof && decoder.decodeEof !== undefined
  // A decoder may look at the first byte without asking whether there is one.
  if (!last && queue.length === 0) return undefined
  const message = last ? decoder.decodeEof!(queue) : decoder.decode(queue)
  if (eof && message === undefined && queue.length > 0) throw new IncompleteReadError(queue.takeAll(), null, peer)
  return message
}
