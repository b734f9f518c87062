/**
 * Outgoing bytes: encoders append here, a transport sends from here.
 *
 * Strategy: small pieces are copied one behind the other into a block, so that any number of messages leaves in one
 * write; a large piece is kept as it is, between blocks. Blocks come in two sizes and go back to a pool as soon as the
 * kernel has taken them: an idle connection holds none, and a busy one allocates nothing.
 */
import { allocate } from './allocate.ts'
import { writeLatin1 } from './latin1.ts'

const SMALL_BLOCK = 4 * 1024
const LARGE_BLOCK = 72 * 1024
/** Pieces from this size on are kept by reference. */
const BY_REFERENCE = 16 * 1024

const pools = [
  { size: SMALL_BLOCK, most: 64, free: [] as Uint8Array[] },
  { size: LARGE_BLOCK, most: 16, free: [] as Uint8Array[] },
]

function takeBlock(least: number): Uint8Array {
  for (const pool of pools) if (least <= pool.size) return pool.free.pop() ?? allocate(pool.size)
  return allocate(least)
}

/** Gives back a block of {@link OutgoingBuffer.detach} that nobody refers to any more. */
export function giveBlock(block: Uint8Array): void {
  for (const pool of pools) if (block.length === pool.size && pool.free.length < pool.most) pool.free.push(block)
}

const NONE: Uint8Array = allocate(0)

/**
 * What an encoder writes to. It appends with {@link append}, {@link uint} and {@link latin1}, or asks for room with
 * {@link reserve} and fills `bytes` from the returned place on.
 */
export class OutgoingBuffer {
  /** The block being filled. Valid until the next call of a method: a growing buffer moves. */
  bytes: Uint8Array = NONE
  /** What is in front of the block's open part: pieces by reference and closed parts of blocks, in order. */
  #parts: Uint8Array[] | undefined
  #partsLength = 0
  /** The open part of the block is `[#start, #end)`. */
  #start = 0
  #end = 0

  /** The number of bytes appended and not taken. */
  get length(): number {
    return this.#partsLength + this.#end - this.#start
  }

  /** Appends `n` bytes to be filled in by the caller at once; returns their place in `bytes`. */
  reserve(n: number): number {
    const place = this.#end
    if (place + n <= this.bytes.length) {
      this.#end = place + n
      return place
    }
    return this.#grow(n)
  }

  /** Appends `data`. Small pieces are copied; a large one must not be changed until it is sent. */
  append(data: Uint8Array): void {
    const n = data.length
    if (n >= BY_REFERENCE) {
      this.#close()
      ;(this.#parts ??= []).push(data)
      this.#partsLength += n
      return
    }
    const place = this.reserve(n)
    const bytes = this.bytes
    // Below some forty bytes a loop beats the call of `set`.
    if (n <= 40) for (let i = 0; i < n; i++) bytes[place + i] = data[i]!
    else bytes.set(data, place)
  }

  /** Appends all that `other` holds, and empties it. Small pieces are copied, large ones change hands. */
  appendFrom(other: OutgoingBuffer): void {
    const small = other.single()
    if (small === undefined || small.length >= BY_REFERENCE) {
      for (const part of other.take()) this.append(part)
      return
    }
    this.append(small)
    other.recycle()
  }

  /** Appends an unsigned integer of `width` (1 to 8) bytes; up to 2^53 it is exact. */
  uint(value: number, width: number, littleEndian = false): void {
    const place = this.reserve(width)
    const bytes = this.bytes
    if (width === 4 && !littleEndian) {
      bytes[place] = value >>> 24
      bytes[place + 1] = value >>> 16
      bytes[place + 2] = value >>> 8
      bytes[place + 3] = value
      return
    }
    let left = value
    for (let i = 0; i < width; i++) {
      bytes[littleEndian ? place + i : place + width - 1 - i] = left % 256
      left = Math.floor(left / 256)
    }
  }

  /** Appends `text`, one byte per character: of those above U+00FF the lowest byte, as Node does. */
  latin1(text: string): void {
    const n = text.length
    if (n < BY_REFERENCE) {
      const place = this.reserve(n)
      writeLatin1(text, this.bytes, place)
    } else {
      const bytes = allocate(n)
      writeLatin1(text, bytes, 0)
      this.append(bytes)
    }
  }

  /**
   * Takes back what was appended after the buffer had `length` bytes: for an encoder that fails half-way. Throws a
   * RangeError if it has not so many.
   */
  truncate(length: number): void {
    let excess = this.length - length
    if (!(excess >= 0 && length >= 0)) throw new RangeError(`truncate to ${length} of ${this.length} bytes`)
    const open = this.#end - this.#start
    if (excess <= open) {
      this.#end -= excess
      return
    }
    this.#end = this.#start
    excess -= open
    this.#partsLength -= excess
    while (excess > 0) {
      const last = this.#parts!.pop()!
      if (last.length > excess) this.#parts!.push(last.subarray(0, last.length - excess))
      excess -= Math.min(excess, last.length)
    }
  }

  /**
   * Everything appended, in order and without a copy; the buffer is empty afterwards. The memory stays with the
   * caller, unless {@link recycle} gives the block back.
   */
  take(): Uint8Array[] {
    this.#close()
    const parts = this.#parts ?? []
    this.#parts = undefined
    this.#partsLength = 0
    this.bytes = NONE
    this.#start = this.#end = 0
    return parts
  }

  /** Everything appended, as one piece in memory of just that size; the buffer is empty afterwards, and takes no memory. */
  takeCopy(): Uint8Array {
    const copy = allocate(this.length)
    let place = 0
    for (const part of this.#parts ?? []) {
      copy.set(part, place)
      place += part.length
    }
    copy.set(this.bytes.subarray(this.#start, this.#end), place)
    this.recycle()
    return copy
  }

  /** If all that was appended lies in the one block: a view of it. Nothing is consumed. */
  single(): Uint8Array | undefined {
    if (this.#partsLength > 0) return undefined
    return this.bytes.subarray(this.#start, this.#end)
  }

  /** Empties the buffer whose block nobody refers to any more, and gives the block back to the pool. */
  recycle(): void {
    if (this.bytes !== NONE) giveBlock(this.bytes)
    this.#parts = undefined
    this.#partsLength = 0
    this.bytes = NONE
    this.#start = this.#end = 0
  }

  /** Empties the buffer, whose bytes are a {@link single} piece. The block is the caller's, until {@link giveBlock}. */
  detach(): Uint8Array {
    const block = this.bytes
    this.bytes = NONE
    this.#start = this.#end = 0
    return block
  }

  /** Forgets everything; the block may still be in use by whoever was given a view of it. */
  clear(): void {
    this.take()
  }

  #close(): void {
    if (this.#end === this.#start) return
    ;(this.#parts ??= []).push(this.bytes.subarray(this.#start, this.#end))
    this.#partsLength += this.#end - this.#start
    this.#start = this.#end
  }

  #grow(n: number): number {
    let open = this.#end - this.#start
    if (open + n > LARGE_BLOCK) {
      this.#close()
      open = 0
    }
    const block = takeBlock(open + n)
    if (open > 0) block.set(this.bytes.subarray(this.#start, this.#end))
    // A block that starts at 0 has no closed part that refers to it.
    if (this.#start === 0 && this.bytes !== NONE) giveBlock(this.bytes)
    this.bytes = block
    this.#start = 0
    this.#end = open + n
    return open
  }
}
