import { HEADER_LENGTH } from './frame.ts'

/**
 * How much of a stream may still be sent, and how much of it was received and not taken. A frame costs its data and its
 * header, so that empty messages count as well.
 *
 * A sender may send as long as anything is left, so that a message may be longer than the window. A receiver whose peer
 * knows of no windows has to stop reading when it {@link isFull}.
 */
export class StreamWindow {
  /** All that was sent; all that may be. */
  #sent = 0
  #limit = Infinity
  /** All that was received, and all that the peer may have sent: what was taken and one window more. */
  #received = 0
  #taken = 0
  #allowed: number
  /** What has come though nothing was allowed any more. */
  #excess = 0
  readonly #size: number

  /** `size` is how many bytes may be received and not taken. */
  constructor(size: number) {
    this.#size = size
    this.#allowed = size
  }

  // --- sending

  get maySend(): boolean {
    return this.#sent < this.#limit
  }

  sent(cost: number): void {
    this.#sent += cost
  }

  /** The peer takes so much from the beginning of the stream on; called once, and perhaps late. */
  limit(bytes: number): void {
    if (this.#limit === Infinity) this.#limit = bytes
  }

  /** The peer takes so much more. Returns whether that lets a sender go on. */
  granted(bytes: number): boolean {
    const blocked = !this.maySend
    this.#limit += bytes
    return blocked && this.maySend
  }

  // --- receiving

  /** Whether the peer has sent all that it may, or more. */
  get isFull(): boolean {
    return this.#received >= this.#allowed
  }

  /** What a peer that knows of windows should not have sent, as far as it was not taken. */
  get excess(): number {
    return this.#excess
  }

  received(cost: number): void {
    if (this.isFull) this.#excess += cost
    this.#received += cost
  }

  /** From now on there is no excess. */
  forget(): void {
    this.#excess = 0
  }

  /** Returns by how much more the peer is to be told that it may send, 0 for not worth telling yet. */
  taken(cost: number): number {
    this.#taken += cost
    if (this.#excess > 0) this.#excess = Math.min(this.#excess, this.#received - this.#taken)
    const more = this.#taken + this.#size - this.#allowed
    if (more < this.#size / 2) return 0
    this.#allowed += more
    return more
  }
}

/** What a message costs. */
export const costOf = (dataLength: number): number => dataLength + HEADER_LENGTH
