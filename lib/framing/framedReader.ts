import type { ByteQueue } from '../bytes/byteQueue.ts'
import { FrameError, IncompleteReadError, tlsHint } from '../errors.ts'
import type { ReadOptions } from '../streams/readProgress.ts'
import { StreamReader, type StreamReaderOptions } from '../streams/streamReader.ts'
import { resolveSource, type Decoder, type Source } from './codec.ts'
import { decodeFrame } from './connectionFrames.ts'

/**
 * A reader of messages. All that a `StreamReader` can do it can still do, between messages.
 *
 * When the decoder fails, the messages before have been delivered, and from then on every read rejects with that same
 * error: there is no telling where the next message begins. The connection is left open, for the handler to answer
 * and close: `close()` itself drops what the peer still sends, so that the answer is not lost. An error that is `recoverable` rejects one read alone: the next one gives the message after it.
 */
export class FramedReader<T> extends StreamReader<T> {
  readonly #attempt: (queue: ByteQueue, eof: boolean) => T | undefined
  #decoder: Decoder<T>

  constructor(decoder: Source<Decoder<T>>, options?: StreamReaderOptions) {
    super(options)
    this.#decoder = resolveSource(decoder)
    this.#attempt = (queue, eof) => {
      try {
        return decodeFrame(this.#decoder, queue, eof, this.transport)
      } catch (error) {
        throw this.#decoderFailed(error, queue)
      }
    }
  }

  /**
   * Resolves with the next message, or with `undefined` at the end of the stream. It is one wait: cancelled, it leaves
   * header and body in the buffer.
   *
   * Rejects with a {@link FrameError} if the bytes cannot be a message, and with {@link IncompleteReadError} if the
   * stream ends inside one; its `partial` bytes are consumed.
   */
  readMessage(options?: ReadOptions): Promise<T | undefined> {
    return this.take(this.#attempt, options, 'readMessage')
  }

  /**
   * The next message if all of it has come, else `undefined`, also at the end. Throws what {@link readMessage} rejects
   * with.
   */
  tryReadMessage(): T | undefined {
    return this.takeNow(this.#attempt, 'tryReadMessage')
  }

  /**
   * From the next message on another decoder is used, which gets what the one before has left unread. Returns the
   * reader as one of such messages: `const body = reader.setDecoder(lengthPrefixed())`.
   *
   * Throws {@link InvalidStateError} while a read waits: it has been promised a message of the decoder before. After
   * a decoder has failed for good, another one changes nothing.
   */
  setDecoder<U>(decoder: Source<Decoder<U>>): FramedReader<U> {
    this.refuseWhileReading('setDecoder')
    const reader = this as unknown as FramedReader<U>
    reader.#decoder = resolveSource(decoder)
    return reader
  }

  protected override nextItem(): T | undefined | Promise<T | undefined> {
    // V8 takes twice as long to resolve a promise with a Buffer as with the result of an iterator. But a subclass that
    // has a readMessage of its own means it.
    if (this.readMessage !== FramedReader.prototype.readMessage) return this.readMessage()
    const message = this.tryReadMessage()
    return message === undefined ? this.readMessage() : message
  }

  #decoderFailed(error: unknown, queue: ByteQueue): unknown {
    // A stream that was cut is at its end, as it says itself.
    if (error instanceof IncompleteReadError) return error
    if (error instanceof FrameError) {
      nameThePeer(error, this.peer, queue)
      if (error.recoverable) return error
    }
    this.refuseReads(error)
    return error
  }
}

/** Adds to a decoder's error where the bytes came from, and what they may be: `queue` begins with them. */
export function nameThePeer(error: FrameError, peer: string | undefined, queue: ByteQueue): void {
  if (error.peer !== undefined || peer === undefined) return
  error.peer = peer
  const { message } = error
  const hint = queue.length < 3 ? '' : tlsHint(queue.at(0), queue.at(1), queue.at(2))
  error.message = `${message} (from ${peer})${hint}`
  // The stack begins with the message as it was. To have it written out takes longer than all the rest, and a peer
  // may have thousands of messages discarded in one chunk.
  if (!error.recoverable && error.stack !== undefined) error.stack = error.stack.replace(message, () => error.message)
}
