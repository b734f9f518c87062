/**
 * CONTRACT: how bytes become messages and messages bytes. A codec touches no stream: the same object works under
 * {@link FramedReader} and {@link FramedWriter}, under {@link FramedProtocol}, and by hand with {@link MessageDecoder}.
 */
import type { ByteQueue } from '../bytes/byteQueue.ts'
import { OutgoingBuffer } from '../bytes/outgoingBuffer.ts'
import type { Encoder } from '../transport.ts'

export type { Encoder } from '../transport.ts'

/**
 * Finds messages in buffered bytes.
 *
 * A message may be anything but `undefined`. It may share memory with the queue's chunks, which are never written to
 * again. A decoder that keeps no state between calls can serve any number of connections; one that does has
 * {@link clone}, or is given as a function that makes one per connection.
 */
export interface Decoder<T> {
  /**
   * Takes one message off the front of `input` and returns it. If it is not all there, takes nothing and returns
   * `undefined`; it is called again when there is more. Throws a `FrameError` if the bytes cannot be a message: then
   * nothing after them can be decoded, and it is not called again; unless the error is `recoverable`, when it goes on
   * with the next message. Bytes that belong to no message (the rest of one that is discarded) it may take at any time.
   *
   * A limit is to be checked from the header alone, and no memory may be taken on the word of a header.
   */
  decode(input: ByteQueue): T | undefined

  /**
   * Called in place of `decode` once the stream has ended, until it returns `undefined`. If it then leaves bytes in
   * `input`, the stream was cut inside a message: IncompleteReadError. Without this method `decode` is called. This one
   * may find `input` empty, `decode` never does.
   */
  decodeEof?(input: ByteQueue): T | undefined

  /** A decoder with the same options and none of the state: each connection takes one. Absent where there is no state. */
  clone?(): Decoder<T>
}

/** Both directions. `In` is what is decoded, `Out` what may be encoded. */
export interface Codec<In, Out = In> extends Decoder<In>, Encoder<Out> {
  clone?(): Codec<In, Out>
}

/** A codec whose messages are the frames themselves, and that can write a frame's header alone. */
export interface FrameCodec extends Codec<Uint8Array, Uint8Array | string> {
  /**
   * Appends the header of a frame of `length` bytes, which the caller appends next: so that a message can be encoded
   * straight behind its header. Throws like `encode`, appending nothing.
   */
  encodeHeader(length: number, out: OutgoingBuffer): void
  clone?(): FrameCodec
}

/**
 * What becomes of a message that is over a limit (`onTooLong`) or malformed (`onInvalid`). With `'fail'` nothing after
 * it is decoded. With `'discard'` the error is raised once and is `recoverable`: the decoder drops that one message,
 * without buffering it, and goes on with the next. A stream that ends while a message is being dropped ends cleanly,
 * since the loss was reported.
 */
export type BadMessagePolicy = 'fail' | 'discard'

/** A codec, or a function that makes one for each connection. */
export type Source<C extends object> = C | (() => C)

/** A codec for one connection: what the function makes, a clone of what has state, or the codec itself. */
export function resolveSource<C extends object>(source: Source<C>): C {
  if (typeof source === 'function') return (source as () => C)()
  const { clone } = source as { clone?: () => C }
  return clone === undefined ? source : clone.call(source)
}

/** What a decoder makes of `input` once the stream has ended: its `decodeEof`, else `decode`. For codecs around others. */
export function decodeAtEof<T>(decoder: Decoder<T>, input: ByteQueue): T | undefined {
  if (decoder.decodeEof !== undefined) return decoder.decodeEof(input)
  return input.length === 0 ? undefined : decoder.decode(input)
}

/** One message as bytes, for use without a stream. */
export function encodeMessage<T>(encoder: Encoder<T>, message: T): Uint8Array {
  const out = new OutgoingBuffer()
  encoder.encode(message, out)
  return out.takeCopy()
}
