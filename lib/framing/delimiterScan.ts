/**
 * The search for delimiters that every delimited codec is made of.
 *
 * Strategy: for each delimiter the scan remembers its next place, or how far it has been looked for, counted from the
 * front of the queue; what is taken shifts these. So each byte is looked at once per delimiter, however the stream is
 * cut, and a delimiter that is rare costs nothing again for each frame of one that is not. If somebody else has
 * changed the front meanwhile (`ByteQueue.revision`), the search begins anew.
 */
import type { ByteQueue } from '../bytes/byteQueue.ts'
import { FrameTooLargeError } from '../errors.ts'
import type { BadMessagePolicy } from './codec.ts'

export interface DelimiterScanOptions {
  readonly delimiters: readonly Uint8Array[]
  /** The most bytes in front of a delimiter. */
  readonly limit: number
  readonly onTooLong: BadMessagePolicy
  /** The error for a frame of at least `size` bytes. */
  readonly tooLong: (size: number) => FrameTooLargeError
}

/** How far one delimiter has been looked for. */
interface Trail {
  readonly delimiter: Uint8Array
  /** Its first place, or -1. */
  found: number
  /** Where the search goes on, while `found` is -1. */
  next: number
}

export class DelimiterScan {
  readonly #options: DelimiterScanOptions
  readonly #trails: Trail[]
  readonly #longest: number
  #revision = -1
  #discarding = false

  constructor(options: DelimiterScanOptions) {
    this.#options = options
    this.#trails = options.delimiters.map((delimiter) => ({ delimiter, found: -1, next: 0 }))
    this.#longest = Math.max(...options.delimiters.map((delimiter) => delimiter.length))
  }

  /**
   * Takes the next frame with its delimiter; returns it without, or with if `keep`. `undefined` if there is none yet.
   * Throws what `tooLong` makes as soon as it is sure; told to discard, it drops everything up to the next delimiter.
   */
  take(input: ByteQueue, keep = false): Uint8Array | undefined {
    for (;;) {
      const first = this.#first(input)
      if (first === undefined) return this.#without(input)
      const { found, delimiter } = first
      const end = found + delimiter.length
      if (this.#discarding) {
        this.#drop(input, end)
        this.#discarding = false
        continue
      }
      if (found > this.#options.limit) {
        const error = this.#tooLong(found)
        if (error.recoverable) this.#drop(input, end)
        throw error
      }
      const frame = input.peek(keep ? end : found)
      this.#drop(input, end)
      return frame
    }
  }

  /** What {@link take} does at the end of the stream; what is left behind the last delimiter is a frame if `rest`. */
  takeAtEof(input: ByteQueue, rest: boolean, keep = false): Uint8Array | undefined {
    const frame = this.take(input, keep)
    if (frame !== undefined) return frame
    if (this.#discarding) {
      input.clear()
      this.#discarding = false
    }
    if (!rest || input.length === 0) return undefined
    if (input.length > this.#options.limit) {
      const error = this.#tooLong(input.length)
      if (error.recoverable) input.clear()
      throw error
    }
    return input.takeAll()
  }

  /** The delimiter that ends first; of those that end at the same byte the longest. */
  #first(input: ByteQueue): Trail | undefined {
    const trails = this.#trails
    if (input.revision !== this.#revision) {
      for (const trail of trails) {
        trail.found = -1
        trail.next = 0
      }
      this.#revision = input.revision
    }
    let first: Trail | undefined
    let firstEnd = Infinity
    for (const trail of trails) {
      if (trail.found === -1) this.#search(input, trail)
      if (trail.found === -1) continue
      const end = trail.found + trail.delimiter.length
      if (end > firstEnd || (end === firstEnd && trail.found > first!.found)) continue
      first = trail
      firstEnd = end
    }
    return first
  }

  #search(input: ByteQueue, trail: Trail): void {
    trail.found = input.indexOf(trail.delimiter, trail.next)
    if (trail.found === -1) trail.next = Math.max(trail.next, input.length + 1 - trail.delimiter.length)
  }

  /** There is no delimiter in what has come: all but the last few bytes are certainly part of the frame. */
  #without(input: ByteQueue): undefined {
    const sure = input.length + 1 - this.#longest
    if (this.#discarding) this.#dropFrame(input)
    else if (sure > this.#options.limit) {
      const error = this.#tooLong(sure)
      if (error.recoverable) {
        this.#discarding = true
        this.#dropFrame(input)
      }
      throw error
    }
    return undefined
  }

  /** Drops all but the last bytes, if they may be the first ones of a delimiter. */
  #dropFrame(input: ByteQueue): void {
    let kept = Math.min(this.#longest - 1, input.length)
    while (kept > 0 && !this.#mayBegin(input, input.length - kept)) kept--
    this.#drop(input, input.length - kept)
  }

  /** Whether what is from `start` on is the beginning of a delimiter. */
  #mayBegin(input: ByteQueue, start: number): boolean {
    return this.#trails.some(({ delimiter }) => {
      const n = input.length - start
      if (n >= delimiter.length) return false
      let k = 0
      while (k < n && input.at(start + k) === delimiter[k]) k++
      return k === n
    })
  }

  #tooLong(size: number): FrameTooLargeError {
    const { onTooLong, tooLong } = this.#options
    const error = tooLong(size)
    error.recoverable = onTooLong === 'discard'
    return error
  }

  #drop(input: ByteQueue, n: number): void {
    input.skip(n)
    this.#revision = input.revision
    for (const trail of this.#trails) {
      trail.next = Math.max(0, trail.next - n)
      // One that overlapped with what is gone is gone, too; it was looked for from further in front.
      trail.found = trail.found < n ? -1 : trail.found - n
    }
  }
}
