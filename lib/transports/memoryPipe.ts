import { ByteQueue } from '../bytes/byteQueue.ts'
import { clock } from '../clock.ts'

/** One direction: written by one transport, read by the other. */
export class MemoryPipe {
  readonly bytes = new ByteQueue()
  readonly size: number
  readonly #latencyMs: number
  /** How many of the bytes have come to the reading end, and whether the end of the stream has. */
  arrived = 0
  ended = false
  #endSent = false
  #cleared = false
  /** The reading end is gone: what is written is lost. */
  broken = false
  /** Calls the reading end, when something has arrived. */
  notify = (): void => {}

  constructor(size: number, latencyMs: number) {
    this.size = size
    this.#latencyMs = latencyMs
  }

  get room(): number {
    return this.size - this.bytes.length
  }

  push(piece: Uint8Array): void {
    this.bytes.push(piece)
    this.#travel(() => {
      if (!this.#cleared) this.arrived += piece.length
    })
  }

  end(): void {
    if (this.#endSent) return
    this.#endSent = true
    this.#travel(() => (this.ended = true))
  }

  /** What is under way is lost; nothing is pushed any more. */
  clear(): void {
    this.#cleared = true
    this.arrived = 0
    this.bytes.clear()
  }

  take(n: number): Uint8Array {
    this.arrived -= n
    return this.bytes.take(n)
  }

  // Timers of one length run in the order in which they were set.
  #travel(arrive: () => void): void {
    const arrived = (): void => {
      arrive()
      this.notify()
    }
    if (this.#latencyMs > 0) clock.setTimeout(arrived, this.#latencyMs, true)
    else arrived()
  }
}
