/** When a connection is idle: the timer behind `idleTimeoutMs`. */
import type { Socket } from 'node:net'
import { clock, type Timer } from '../clock.ts'

/** Calls `idle` once, when no byte has moved for `ms`. */
export class IdleTimer {
  readonly #socket: Socket & { _handle?: { writeQueueSize?: number } | null }
  readonly #ms: number
  readonly #idle: () => void
  #last = clock.now()
  /** What the kernel had still to take of the last write. */
  #queued = 0
  #timer: Timer | undefined

  constructor(socket: Socket, ms: number, idle: () => void) {
    this.#socket = socket
    this.#ms = ms
    this.#idle = idle
    this.#arm(ms)
  }

  /** Something was read. */
  read(): void {
    this.#last = clock.now()
  }

  /** Something was written, or the kernel has taken some. */
  written(): void {
    this.#last = clock.now()
    this.#queued = this.#underway()
  }

  stop(): void {
    clock.clearTimeout(this.#timer)
  }

  #look(): void {
    const now = clock.now()
    const queued = this.#underway()
    // Of a long write only the end is told, but the handle knows how it gets on.
    if (this.#queued > 0 && queued !== this.#queued) this.#last = now
    this.#queued = queued
    const leftMs = this.#last + this.#ms - now
    if (leftMs <= 0) this.#idle()
    else this.#arm(leftMs)
  }

  // A timer for every connection: it is not set anew with every byte, but looks again when it runs.
  #arm(ms: number): void {
    this.#timer = clock.setTimeout(() => this.#look(), Math.ceil(ms))
  }

  #underway(): number {
    return this.#socket._handle?.writeQueueSize ?? 0
  }
}
