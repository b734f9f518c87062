/**
 * How much of a connection's streams has come and was not taken; and what to do about it: nothing is read while there is
 * too much. That holds up all streams, and also what would open the peer's windows to us. So it is done only to peers
 * that know no better: those without windows, and those that do not keep to them.
 */
import type { StreamWindow } from './streamWindow.ts'

interface Pausable {
  pauseReading(): void
  resumeReading(): void
}

interface Stream {
  readonly window: StreamWindow | undefined
}

const EXCESS = Symbol('excess')

/** Lets a connection read as long as nobody holds it. */
export class Inflow {
  readonly #maxExcess: number
  readonly #hasWindows: () => boolean
  /** Why nothing is read. */
  readonly #holders = new Set<unknown>()
  #transport: Pausable | undefined
  /** What all streams together hold beyond their windows. */
  #excess = 0

  constructor(maxExcess: number, hasWindows: () => boolean) {
    this.#maxExcess = maxExcess
    this.#hasWindows = hasWindows
  }

  /** The connection is there. */
  open(transport: Pausable): void {
    this.#transport = transport
  }

  /** A message has come; to be called before it can be taken. */
  received({ window }: Stream, cost: number): void {
    const before = window!.excess
    window!.received(cost)
    this.#excess += window!.excess - before
  }

  /** To be called when it had the chance to be taken at once. */
  check(stream: Stream): void {
    if (!stream.window!.isFull) return
    if (!this.#hasWindows()) this.hold(stream)
    else if (this.#excess > this.#maxExcess) this.hold(EXCESS)
  }

  /** Returns by how much more the peer is to be told that it may send, 0 for not worth telling yet. */
  taken(stream: Stream, cost: number): number {
    const window = stream.window!
    const before = window.excess
    const more = window.taken(cost)
    if (before > 0) {
      this.#excess -= before - window.excess
      if (this.#excess <= this.#maxExcess) this.release(EXCESS)
    }
    if (!window.isFull) this.release(stream)
    return this.#hasWindows() ? more : 0
  }

  /** The stream is over: what it holds is nobody's concern any more. */
  forget(stream: Stream): void {
    const { window } = stream
    if (window === undefined) return
    this.#excess -= window.excess
    window.forget()
    if (this.#excess <= this.#maxExcess) this.release(EXCESS)
    this.release(stream)
  }

  /** Nothing is to be read, until `holder` releases it. */
  hold(holder: unknown): void {
    if (this.#holders.has(holder)) return
    this.#holders.add(holder)
    if (this.#holders.size === 1) this.#transport?.pauseReading()
  }

  release(holder: unknown): void {
    if (this.#holders.size === 0 || !this.#holders.delete(holder)) return
    if (this.#holders.size === 0) this.#transport?.resumeReading()
  }
}
