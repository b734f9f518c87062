/**
 * Incoming bytes: chunks in at the back, bytes out at the front, without copying where that can be helped.
 *
 * Strategy: the chunk being read is `#head` with an offset, later chunks wait in a list. What lies within one chunk is
 * handed out as a view of it; only what straddles chunks is joined, each byte once. Small chunks behind another are
 * gathered into blocks, so that a peer who dribbles single bytes costs bytes, not objects.
 */
import { allocate } from './allocate.ts'
import { readLatin1 } from './latin1.ts'

const EMPTY = allocate(0)
/** A chunk smaller than this does not deserve an object of its own. */
const SMALL = 1024
/** Blocks grow with what is buffered, so that a connection with half a header does not hold much. */
const SMALLEST_BLOCK = SMALL
const LARGEST_BLOCK = 16 * 1024
const SHORT_SEARCH = 16

/** A first-in first-out store of bytes. Chunks pushed are kept, not copied: the caller must not change them. */
export class ByteQueue {
  #length = 0
  #head: Uint8Array = EMPTY
  #offset = 0
  /** Chunks after the head, from `#restStart` on. Absent until there is one: an idle connection holds no array. */
  #rest: Uint8Array[] | undefined
  #restStart = 0
  /** If the last chunk of `#rest` is a block of ours: the block, and how much of it is filled. */
  #block: Uint8Array | undefined
  #blockLength = 0
  #revision = 0
  /** Where the last look into `#rest` ended, and that chunk's distance from the end of the head: a search goes on there. */
  #cursor = 0
  #cursorStart = 0

  /** The number of bytes in the queue. */
  get length(): number {
    return this.#length
  }

  /** Another number whenever the front has changed: what was found out about the buffered bytes then holds no longer. */
  get revision(): number {
    return this.#revision
  }

  /** Adds a chunk at the back. An empty one is ignored. */
  push(chunk: Uint8Array): void {
    const n = chunk.length
    if (n === 0) return
    if (this.#length === 0) {
      this.#head = chunk
      this.#offset = 0
    } else if (n < SMALL) {
      this.#gather(chunk)
    } else {
      this.#seal(true)
      this.#append(chunk)
    }
    this.#length += n
  }

  /** Puts a chunk back in front of all others. An empty one is ignored. */
  unshift(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    if (this.#length === 0) return this.push(chunk)
    const head = this.#offset === 0 ? this.#head : this.#head.subarray(this.#offset)
    if (this.#rest === undefined) this.#rest = [head]
    else if (this.#restStart > 0) this.#rest[--this.#restStart] = head
    else this.#rest.unshift(head)
    this.#head = chunk
    this.#offset = 0
    this.#length += chunk.length
    this.#cursor = this.#restStart
    this.#cursorStart = 0
    this.#revision++
  }

  /** The byte at `index`, which must be below `length`. */
  at(index: number): number {
    const i = this.#offset + index
    if (i < this.#head.length) return this.#head[i]!
    if (index >= this.#length) throw new RangeError(`byte ${index} of ${this.#length} in the queue`)
    const j = this.#seek(i - this.#head.length)
    return this.#rest![this.#cursor]![j]!
  }

  /**
   * The unsigned integer of `width` (1 to 8) bytes at `index`, without consuming it; all of it must be in the queue.
   * Above 2^53 the result is rounded, but never down to below 2^53: comparing it with a limit is safe.
   */
  uint(index: number, width: number, littleEndian = false): number {
    const start = this.#offset + index
    const head = this.#head
    if (start + width <= head.length) {
      if (width === 4) {
        return littleEndian
          ? (head[start]! | (head[start + 1]! << 8) | (head[start + 2]! << 16)) + head[start + 3]! * 0x1000000
          : head[start]! * 0x1000000 + ((head[start + 1]! << 16) | (head[start + 2]! << 8) | head[start + 3]!)
      }
      let value = 0
      if (littleEndian) for (let i = start + width; i > start;) value = value * 256 + head[--i]!
      else for (let i = start; i < start + width; i++) value = value * 256 + head[i]!
      return value
    }
    let value = 0
    for (let i = 0; i < width; i++) value = value * 256 + this.at(littleEndian ? index + width - 1 - i : index + i)
    return value
  }

  /** The `n` bytes from `index` on as text of one character each, without consuming them; all must be in the queue. */
  latin1(index: number, n: number): string {
    const start = this.#offset + index
    if (n >= 0 && index >= 0 && start + n <= this.#head.length) return readLatin1(this.#head, start, start + n)
    return readLatin1(this.peek(n, index), 0, n)
  }

  /**
   * Consumes `n` bytes, after dropping `skip`, and returns them: a view of the chunk if they lie in one, else joined.
   * Like all that takes or looks at bytes, it throws a RangeError and takes nothing if there are not so many.
   */
  take(n: number, skip = 0): Uint8Array {
    const start = this.#offset + skip
    const end = start + n
    if (end < this.#head.length && n >= 0 && skip >= 0) {
      const bytes = this.#head.subarray(start, end)
      this.#offset = end
      this.#length -= skip + n
      this.#revision++
      return bytes
    }
    const bytes = this.peek(n, skip)
    this.skip(skip + n)
    return bytes
  }

  /** The first `n` bytes, or those from `start` on, without consuming them: a view where possible, else joined. */
  peek(n: number, start = 0): Uint8Array {
    if (!(n >= 0 && start >= 0 && start + n <= this.#length)) this.#refuse(n >= 0 ? start + n : n)
    const from = this.#offset + start
    if (from + n <= this.#head.length) return this.#head.subarray(from, from + n)
    if (n === 0) return EMPTY
    const chunk = this.chunkAt(start)
    if (n <= chunk.length) return chunk.subarray(0, n)
    const joined = allocate(n)
    this.#copy(joined, start)
    return joined
  }

  /** Consumes as many bytes as `target` has room for, or all there are, into `target`; returns how many. */
  takeInto(target: Uint8Array): number {
    const n = Math.min(target.length, this.#length)
    this.#copy(n === target.length ? target : target.subarray(0, n), 0)
    this.skip(n)
    return n
  }

  /**
   * The bytes from `index` on, as far as they lie in one chunk: a view of at least one byte, for a search of your own
   * that looks at each byte once. Nothing is consumed.
   */
  chunkAt(index: number): Uint8Array {
    if (!(index >= 0 && index < this.#length)) throw new RangeError(`byte ${index} of ${this.#length} in the queue`)
    const i = this.#offset + index
    if (i < this.#head.length) return i === 0 ? this.#head : this.#head.subarray(i)
    const j = this.#seek(i - this.#head.length)
    const chunk = this.#restChunk(this.#rest!, this.#cursor)
    return j === 0 ? chunk : chunk.subarray(j)
  }

  /** Consumes `n` bytes unseen. */
  skip(n: number): void {
    if (!(n >= 0 && n <= this.#length)) this.#refuse(n)
    this.#length -= n
    this.#revision++
    let left = n
    while (left >= this.#head.length - this.#offset && this.#head !== EMPTY) {
      left -= this.#head.length - this.#offset
      this.#shift()
    }
    this.#offset += left
  }

  /** Consumes everything. */
  takeAll(): Uint8Array {
    return this.take(this.#length)
  }

  clear(): void {
    this.skip(this.#length)
  }

  /** Where `pattern` (of at least one byte) first begins at or after `from`, else -1. */
  indexOf(pattern: Uint8Array, from = 0): number {
    const last = this.#length - pattern.length
    const first = pattern[0]!
    let index = from
    while (index <= last) {
      let chunk = this.#head
      let end = chunk.length
      let j = this.#offset + index
      if (j >= end) {
        j = this.#seek(j - end)
        chunk = this.#rest![this.#cursor]!
        end = chunk === this.#block ? this.#blockLength : chunk.length
      }
      const found = indexOfByte(chunk, first, j, end)
      if (found === -1) {
        index += end - j
        continue
      }
      index += found - j
      if (index > last) return -1
      let k = 1
      while (k < pattern.length && this.at(index + k) === pattern[k]) k++
      if (k === pattern.length) return index
      index++
    }
    return -1
  }

  /** Fills `target` with the bytes from `start` on. */
  #copy(target: Uint8Array, start: number): void {
    let filled = 0
    for (const chunk of this.#chunks(start)) {
      const room = target.length - filled
      if (room === 0) return
      const part = chunk.length > room ? chunk.subarray(0, room) : chunk
      target.set(part, filled)
      filled += part.length
    }
  }

  /** The chunk of the byte that is `i` bytes behind the head is `#cursor` afterwards; returns its place in it. */
  #seek(i: number): number {
    const rest = this.#rest!
    // From the front, or from where the last look ended, forwards or backwards: whichever is nearer.
    const near = i * 2 >= this.#cursorStart
    let start = near ? this.#cursorStart : 0
    let r = near ? this.#cursor : this.#restStart
    while (i < start) start -= rest[--r]!.length
    while (i >= start + rest[r]!.length) start += rest[r++]!.length
    this.#cursor = r
    this.#cursorStart = start
    return i - start
  }

  #refuse(n: number): never {
    throw new RangeError(`${n} bytes of ${this.#length} in the queue`)
  }

  /** What is there from `start` on, chunk by chunk; found from where the last look ended. */
  *#chunks(start: number): Generator<Uint8Array> {
    if (start === this.#length) return
    const first = this.chunkAt(start)
    let r = this.#offset + start < this.#head.length ? this.#restStart : this.#cursor + 1
    yield first
    for (const rest = this.#rest ?? []; r < rest.length; r++) yield this.#restChunk(rest, r)
  }

  /** A chunk of the rest; of the block that is still being filled, the filled part. */
  #restChunk(rest: Uint8Array[], r: number): Uint8Array {
    const chunk = rest[r]!
    return chunk === this.#block ? chunk.subarray(0, this.#blockLength) : chunk
  }

  #append(chunk: Uint8Array): void {
    if (this.#rest === undefined) this.#rest = [chunk]
    else this.#rest.push(chunk)
  }

  #gather(chunk: Uint8Array): void {
    if (this.#block === undefined || this.#blockLength + chunk.length > this.#block.length) {
      this.#seal()
      this.#block = allocate(Math.max(SMALLEST_BLOCK, Math.min(LARGEST_BLOCK, this.#length)))
      this.#blockLength = 0
      this.#append(this.#block)
    }
    this.#block.set(chunk, this.#blockLength)
    this.#blockLength += chunk.length
  }

  /** No more goes into the block. With `trim` one that is mostly empty is given up for a copy of what it has. */
  #seal(trim = false): void {
    if (this.#block === undefined) return
    let filled = this.#block.subarray(0, this.#blockLength)
    // A peer that mixes single bytes with large chunks must not make us keep a block for each byte.
    if (trim && filled.length * 2 < this.#block.length) {
      const copy = allocate(filled.length)
      copy.set(filled)
      filled = copy
    }
    this.#rest![this.#rest!.length - 1] = filled
    this.#block = undefined
  }

  #shift(): void {
    const rest = this.#rest
    this.#offset = 0
    if (rest === undefined) {
      this.#head = EMPTY
      return
    }
    // The block becomes the head: later small chunks start another one.
    if (rest[this.#restStart] === this.#block) this.#seal()
    this.#head = rest[this.#restStart]!
    rest[this.#restStart++] = EMPTY
    if (this.#restStart === rest.length) {
      this.#rest = undefined
      this.#restStart = 0
    } else if (this.#restStart >= 1024 && this.#restStart * 2 > rest.length) {
      rest.splice(0, this.#restStart)
      this.#restStart = 0
    }
    this.#cursor = this.#restStart
    this.#cursorStart = 0
  }
}

/** Where `byte` first is in `[from, end)` of `chunk`, else -1. */
function indexOfByte(chunk: Uint8Array, byte: number, from: number, end: number): number {
  // A peer that dribbles has us look at a byte or two each time, and a call of the platform's search takes longer.
  if (end - from <= SHORT_SEARCH) {
    for (let i = from; i < end; i++) if (chunk[i] === byte) return i
    return -1
  }
  return (end === chunk.length ? chunk : chunk.subarray(0, end)).indexOf(byte, from)
}
