import type { ByteQueue } from '../bytes/byteQueue.ts'
import type { OutgoingBuffer } from '../bytes/outgoingBuffer.ts'
import { FrameTooLargeError, InvalidFrameError } from '../errors.ts'
import type { Codec, FrameCodec } from './codec.ts'

/**
 * The same codec, but a frame that it refuses as too large is swallowed as it comes, to its last byte, and none of it
 * is buffered. `codec` must have no state, raise {@link FrameTooLargeError} from the header alone, and leave the
 * header in the queue: `extent` reads from it how many bytes the frame takes in all. With `trailer` that byte must
 * follow them, else {@link InvalidFrameError}.
 *
 * The error is `recoverable`, unless the extent is not a size that can be counted down: not above 0, or above 2^53 - 1.
 */
export function discardTooLong(codec: FrameCodec, extent: Extent): FrameCodec
export function discardTooLong<In, Out>(codec: Codec<In, Out>, extent: Extent, trailer?: number): Codec<In, Out>
export function discardTooLong(codec: AnyCodec, extent: Extent, trailer?: number): AnyCodec {
  return 'encodeHeader' in codec
    ? new DiscardingFrameCodec(codec as FrameCodec, extent)
    : new DiscardingCodec(codec, extent, trailer)
}

type Extent = (input: ByteQueue) => number
type AnyCodec = Codec<any, any> // oxlint-disable-line typescript/no-explicit-any -- any messages

class DiscardingCodec<In, Out> implements Codec<In, Out> {
  readonly #codec: Codec<In, Out>
  readonly #extent: Extent
  readonly #trailer: number | undefined
  /** The bytes that are still to be swallowed. */
  #left = 0
  #trailerIsDue = false

  constructor(codec: Codec<In, Out>, extent: Extent, trailer?: number) {
    this.#codec = codec
    this.#extent = extent
    this.#trailer = trailer
  }

  decode(input: ByteQueue): In | undefined {
    if (!this.#swallow(input) || input.length === 0) return undefined
    try {
      return this.#codec.decode(input)
    } catch (error) {
      if (error instanceof FrameTooLargeError) this.#discard(error, input)
      throw error
    }
  }

  encode(message: Out, out: OutgoingBuffer): void {
    this.#codec.encode(message, out)
  }

  clone(): Codec<In, Out> {
    return new DiscardingCodec(this.#codec, this.#extent, this.#trailer)
  }

  #discard(error: FrameTooLargeError, input: ByteQueue): void {
    const extent = this.#extent(input)
    if (!(extent > 0 && Number.isSafeInteger(extent))) return
    error.recoverable = true
    this.#left = extent
    this.#trailerIsDue = this.#trailer !== undefined
    const n = Math.min(extent, input.length)
    input.skip(n)
    this.#left -= n
  }

  /** Whether the frame that is discarded, if any, is all gone. */
  #swallow(input: ByteQueue): boolean {
    if (this.#left > 0) {
      const n = Math.min(this.#left, input.length)
      input.skip(n)
      this.#left -= n
      if (this.#left > 0) return false
    }
    if (!this.#trailerIsDue) return true
    if (input.length === 0) return false
    const byte = input.at(0)
    if (byte !== this.#trailer) throw new InvalidFrameError(`byte ${byte} where a frame has to end`)
    input.skip(1)
    this.#trailerIsDue = false
    return true
  }
}

class DiscardingFrameCodec extends DiscardingCodec<Uint8Array, Uint8Array | string> implements FrameCodec {
  readonly #codec: FrameCodec
  readonly #extent: Extent

  constructor(codec: FrameCodec, extent: Extent) {
    super(codec, extent)
    this.#codec = codec
    this.#extent = extent
  }

  encodeHeader(length: number, out: OutgoingBuffer): void {
    this.#codec.encodeHeader(length, out)
  }

  override clone(): FrameCodec {
    return new DiscardingFrameCodec(this.#codec, this.#extent)
  }
}
