/** The little of protobuf's encoding that the envelopes need; messages of users go through their own types. */
import type { OutgoingBuffer } from '../bytes/outgoingBuffer.ts'
import { readLatin1 } from '../bytes/latin1.ts'
import { InvalidFrameError } from '../errors.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Wire types. */
export const VARINT = 0
export const FIXED64 = 1
export const LENGTH_DELIMITED = 2
export const FIXED32 = 5

/** Most texts are short and plain: those cost less this way. */
const SHORT = 40

/** As UTF-8. */
export function encodeText(text: string): Uint8Array {
  const n = text.length
  if (n > SHORT) return encoder.encode(text)
  const bytes = new Uint8Array(n)
  for (let i = 0; i < n; i++) {
    const code = text.charCodeAt(i)
    if (code >= 0x80) return encoder.encode(text)
    bytes[i] = code
  }
  return bytes
}

/** Text that a peer means for people to read: what is not UTF-8 in it is shown as such. */
export const readText = (bytes: Uint8Array, start: number, end: number): string =>
  new TextDecoder().decode(bytes.subarray(start, end))

/** How many bytes a whole number from 0 to 2^53 takes. */
export function varintLength(value: number): number {
  let n = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) n++
  return n
}

/** Writes a whole number from 0 to 2^53; returns the place behind it. */
export function putVarint(bytes: Uint8Array, place: number, value: number): number {
  let rest = value
  let at = place
  while (rest > 0x7fffffff) {
    bytes[at++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  while (rest > 0x7f) {
    bytes[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  bytes[at++] = rest
  return at
}

/** How many bytes a field of so many bytes takes, with a field number below 16. */
export const fieldLength = (length: number, tagLength = 1): number => tagLength + varintLength(length) + length

/** Writes a field of bytes; returns the place behind it. */
export function putField(bytes: Uint8Array, place: number, tag: number, value: Uint8Array): number {
  const at = putVarint(bytes, putVarint(bytes, place, tag), value.length)
  bytes.set(value, at)
  return at + value.length
}

/** Appends a field of bytes. `tag` is `number << 3 | wire type`. */
export function appendField(out: OutgoingBuffer, tag: number, value: Uint8Array): void {
  appendFieldHead(out, tag, value.length)
  out.append(value)
}

/** Appends what is in front of a field's bytes. */
export function appendFieldHead(out: OutgoingBuffer, tag: number, length: number): void {
  const place = out.reserve(varintLength(tag) + varintLength(length))
  putVarint(out.bytes, putVarint(out.bytes, place, tag), length)
}

/** Reads fields one after the other. Throws {@link InvalidFrameError} where the bytes are none. */
export class FieldReader {
  bytes: Uint8Array
  place: number
  end: number

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes
    this.place = start
    this.end = end
  }

  /** Reads others, with the same object. */
  reset(bytes: Uint8Array, start: number, end: number): this {
    this.bytes = bytes
    this.place = start
    this.end = end
    return this
  }

  /** A whole number; above 2^53 it is rounded. */
  varint(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 10; i++) {
      if (this.place >= this.end) throw this.#broken('a varint is cut off')
      const byte = this.bytes[this.place++]!
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
    throw this.#broken('a varint of more than 10 bytes')
  }

  /** A signed number of 64 bits; beyond 2^53 it is rounded. */
  int64(): number {
    const start = this.place
    const value = this.varint()
    // Only a negative number has ten bytes.
    return this.place - start < 10 ? value : this.#signed(start)
  }

  /** The length of a field of bytes, all of which must be there. */
  length(): number {
    const length = this.varint()
    if (length > this.end - this.place)
      throw this.#broken(`a field of ${length} bytes with ${this.end - this.place} left`)
    return length
  }

  /** A field of text in UTF-8. */
  text(): string {
    const length = this.length()
    const start = this.place
    this.place += length
    return this.#decode(start, this.place)
  }

  /** A field of bytes, as a view. */
  view(): Uint8Array {
    const length = this.length()
    const view = this.bytes.subarray(this.place, this.place + length)
    this.place += length
    return view
  }

  /** Passes over the value of a field with that tag. */
  skip(tag: number): void {
    const wireType = tag % 8
    if (wireType === VARINT) this.varint()
    else if (wireType === LENGTH_DELIMITED) {
      const length = this.length()
      this.place += length
    } else if (wireType === FIXED64) this.#pass(8)
    else if (wireType === FIXED32) this.#pass(4)
    else throw this.#broken(`a field of the wire type ${wireType}`)
  }

  #signed(start: number): number {
    let value = 0n
    for (let i = 0; i < 10; i++) value |= BigInt(this.bytes[start + i]! & 0x7f) << BigInt(7 * i)
    return Number(BigInt.asIntN(64, value))
  }

  #pass(n: number): void {
    if (n > this.end - this.place) throw this.#broken(`a field of ${n} bytes with ${this.end - this.place} left`)
    this.place += n
  }

  #decode(start: number, end: number): string {
    for (let i = start; i < end; i++) {
      if (this.bytes[i]! < 0x80) continue
      try {
        return decoder.decode(this.bytes.subarray(start, end))
      } catch {
        throw this.#broken('text that is not UTF-8')
      }
    }
    return readLatin1(this.bytes, start, end)
  }

  #broken(reason: string): InvalidFrameError {
    return new InvalidFrameError(`${reason}, at byte ${this.place} of ${this.end}`, this.place)
  }
}
