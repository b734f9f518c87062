/**
 * The sending half of a transport over a stream of Node's: what was written and the stream has not dealt with.
 *
 * Strategy: what is written in one turn is gathered, and handed over in slices, one at a time, so that what waits is
 * counted here, by the byte, and not in the stream by its own rules. Blocks are not used again: a stream may keep them.
 */
import type { Writable } from 'node:stream'
import { OutgoingBuffer } from '../bytes/outgoingBuffer.ts'

/** The most that the stream gets at a time; what is gathered beyond this goes out at once, within the turn. */
export const SLICE = 64 * 1024

/** Bytes are gathered by the methods of `OutgoingBuffer`; `flush` hands them over. */
export class DuplexOutput extends OutgoingBuffer {
  readonly #stream: Writable
  readonly #progress: () => void
  /** Parts gathered earlier that are next to go. */
  readonly #queue: Uint8Array[] = []
  #queued = 0
  /** Bytes of the slice that the stream has and has not dealt with, and the slice's number. */
  #sending = 0
  #slices = 0
  #sent = 0
  #flushRequested = false
  #handingOver = false

  /** Calls `progress()` at the end of a turn with a requested flush, and whenever the stream has taken more. */
  constructor(stream: Writable, progress: () => void) {
    super()
    this.#stream = stream
    this.#progress = progress
  }

  /** All bytes written that the stream has not dealt with. */
  get unsent(): number {
    return this.length + this.#queued + this.#sending
  }

  /** Bytes that it has dealt with. */
  get sent(): number {
    return this.#sent
  }

  /** Whether the stream is being written to at this moment: what it does now, it does inside of our call. */
  get handingOver(): boolean {
    return this.#handingOver
  }

  /** Asks for a flush at the end of this turn, after the microtasks: what they write leaves together. */
  requestFlush(): void {
    if (this.#flushRequested || this.#sending > 0) return
    this.#flushRequested = true
    process.nextTick(() => {
      this.#flushRequested = false
      this.flush()
      this.#progress()
    })
  }

  /** Hands over what is gathered, until the stream refuses. */
  flush(): void {
    if (this.#sending > 0) return
    this.#queued += this.length
    if (this.length > 0) this.#queue.push(...this.take())
    const stream = this.#stream
    while (this.#queued > 0 && this.#sending === 0 && !stream.destroyed) {
      const part = this.#queue[0]!
      const slice = part.length <= SLICE ? part : part.subarray(0, SLICE)
      if (slice === part) this.#queue.shift()
      else this.#queue[0] = part.subarray(SLICE)
      this.#queued -= slice.length
      this.#sending = slice.length
      const number = ++this.#slices
      this.#handingOver = true
      try {
        // Failed, it says nothing but that: the stream is about to tell why it is lost.
        stream.write(slice, (error) => {
          if (!error && number === this.#slices) this.#onSent()
        })
      } catch (error) {
        // A stream must not throw: it is not known what it has done.
        stream.destroy(error instanceof Error ? error : new Error(String(error), { cause: error }))
      }
      this.#handingOver = false
      // Dealt with at once: then there is no need to wait for the callback.
      if (stream.writableLength === 0 && !stream.destroyed && !stream.errored) this.#countSent()
    }
  }

  /** Forgets everything. Nothing is sent from now on, but for what the stream has. */
  drop(): void {
    this.clear()
    this.#queue.length = 0
    this.#queued = this.#sending = 0
  }

  #onSent(): void {
    if (this.#sending === 0) return
    this.#countSent()
    this.flush()
    this.#progress()
  }

  #countSent(): void {
    this.#sent += this.#sending
    this.#sending = 0
  }
}
