/**
 * The frames of the wire (docs/protocol.md): ten bytes of header, and data.
 *
 *     | length of the data, u32 | stream id, u32 | type, u8 | flags, u8 | data |        big-endian
 *
 * Strategy: frames are read where they lie, as a range of the chunk they came in. Only one that straddles chunks is
 * joined, once, when the last of it has come.
 */
import { ByteQueue } from '../bytes/byteQueue.ts'
import type { Encoder } from '../transport.ts'

/** Bytes in front of a frame's data. */
export const HEADER_LENGTH = 10
/** The most data that a frame may have for a peer that did not say otherwise. */
export const MAX_DATA_LENGTH = 4 * 1024 * 1024
/** A frame that is too large is skipped if its data is no longer than this; else the connection is of no use any more. */
export const MAX_SKIPPED_LENGTH = 64 * 1024 * 1024

export const FrameType = {
  REQUEST: 1,
  RESPONSE: 2,
  DATA: 3,
  // Of the extension: only between peers that have agreed on it.
  HELLO: 0x10,
  PING: 0x11,
  CANCEL: 0x12,
  WINDOW: 0x13,
  GOAWAY: 0x14,
  METADATA: 0x15,
} as const

/** Of Request and Data. */
export const Flag = {
  /** The sender sends no more on this stream. */
  REMOTE_CLOSED: 1,
  /** The sender will send more on this stream. */
  REMOTE_OPEN: 2,
  /** There is no message in this frame; without it even a frame of length 0 is one: an empty message. */
  NO_DATA: 4,
} as const

/** Of Ping. */
export const PING_ANSWER = 1
/** Of Metadata: trailers, not headers. */
export const TRAILERS = 1

/** What frames of the connection itself, not of one of its streams, have for an id: from a server, and from a client. */
export const SERVER_CONNECTION_ID = 0
export const CLIENT_CONNECTION_ID = 0x7fffffff

/** Writes a header to `bytes` at `place`. */
export function putHeader(
  bytes: Uint8Array,
  place: number,
  length: number,
  id: number,
  type: number,
  flags: number,
): void {
  bytes[place] = length >>> 24
  bytes[place + 1] = length >>> 16
  bytes[place + 2] = length >>> 8
  bytes[place + 3] = length
  bytes[place + 4] = id >>> 24
  bytes[place + 5] = id >>> 16
  bytes[place + 6] = id >>> 8
  bytes[place + 7] = id
  bytes[place + 8] = type
  bytes[place + 9] = flags
}

/** Where frames go. A `Transport` is one. */
export interface FrameSink {
  writeEncoded<T>(encoder: Encoder<T>, message: T): void
}

interface AnyFrame {
  readonly id: number
  readonly type: number
  readonly flags: number
  readonly data: Uint8Array
}

export const NOTHING: Uint8Array = new Uint8Array(0)

/** Encodes frames that are not on the hot path. */
export const anyFrame: Encoder<AnyFrame> = {
  encode({ id, type, flags, data }, out) {
    const place = out.reserve(HEADER_LENGTH)
    putHeader(out.bytes, place, data.length, id, type, flags)
    if (data.length > 0) out.append(data)
  },
}

export function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

/** The big-endian number at `place`. */
export function readUint32(bytes: Uint8Array, place: number): number {
  return bytes[place]! * 0x1000000 + ((bytes[place + 1]! << 16) | (bytes[place + 2]! << 8) | bytes[place + 3]!)
}

/** What frames are read for. */
export interface FrameReceiver {
  /** A frame; its data is `bytes[start, end)`. The memory is the receiver's to keep. */
  frameReceived(id: number, type: number, flags: number, bytes: Uint8Array, start: number, end: number): void
  /** A frame with more data than is allowed; it will be skipped. Returns whether to go on. */
  frameTooLarge(id: number, type: number, flags: number, length: number): boolean
}

/** Cuts what comes into frames. */
export class FrameReader {
  readonly #receiver: FrameReceiver
  readonly #maxDataLength: number
  /** The beginning of a frame whose end has not come. */
  readonly #held = new ByteQueue()
  /** Bytes of a frame that is too large, which are still to come. */
  #skip = 0
  #stopped = false

  constructor(receiver: FrameReceiver, maxDataLength: number) {
    this.#receiver = receiver
    this.#maxDataLength = maxDataLength
  }

  /** From now on nothing is received, also of what was pushed before. */
  stop(): void {
    this.#stopped = true
    this.#held.clear()
  }

  push(chunk: Uint8Array): void {
    const held = this.#held
    if (held.length === 0) return this.#scan(chunk)
    held.push(chunk)
    // A frame that began earlier. What is behind it lies in the chunk.
    if (held.length < HEADER_LENGTH) return
    const length = held.uint(0, 4)
    if (length > this.#maxDataLength) return this.#scan(held.takeAll())
    if (held.length < HEADER_LENGTH + length) return
    this.#scan(held.take(HEADER_LENGTH + length))
    if (held.length > 0) this.#scan(held.takeAll())
  }

  #scan(bytes: Uint8Array): void {
    const size = bytes.length
    let at = 0
    while (!this.#stopped) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, size - at)
        this.#skip -= skipped
        at += skipped
      }
      const start = at + HEADER_LENGTH
      if (start > size) break
      const length = readUint32(bytes, at)
      const id = readUint32(bytes, at + 4)
      if (length > this.#maxDataLength) {
        if (!this.#receiver.frameTooLarge(id, bytes[at + 8]!, bytes[at + 9]!, length)) return this.stop()
        this.#skip = length
        at = start
        continue
      }
      const end = start + length
      if (end > size) break
      this.#receiver.frameReceived(id, bytes[at + 8]!, bytes[at + 9]!, bytes, start, end)
      at = end
    }
    if (at < size && !this.#stopped) this.#held.push(at === 0 ? bytes : bytes.subarray(at))
  }
}
