/**
 * Decodes bodies where they lie in a chunk. Types of the copy of protobufjs that is loaded here read from a reader that
 * is used again and again, so that no view of the body is made; all others get a view.
 */
import protobuf from 'protobufjs/minimal.js'
import { decodeBody, type MessageType } from './messageType.ts'

interface Reader {
  buf: Uint8Array
  pos: number
  len: number
  view?: DataView | null
  discardUnknown: boolean
}

interface ReadsFrom<T> {
  decode(reader: Reader, length: number): T
}

// A field that no type has, so that all of it is read and nothing comes of it.
const NO_FIELD = Uint8Array.of(0xf8, 0xff, 0xff, 0xff, 0x0f, 0x00)

/** For chunks of one kind: Buffers, or plain arrays. While it is in use there is none. */
let ofBuffers: Reader | undefined
let ofArrays: Reader | undefined

/** Decodes the bodies of one type. */
export class BodyDecoder<T> {
  readonly #type: MessageType<T, never>
  readonly #readsFrom: boolean

  constructor(type: MessageType<T, never>) {
    this.#type = type
    this.#readsFrom = readsFromReader(type)
  }

  /** The message in `bytes[start, end)`. Throws a {@link DecodeError}. */
  decode(bytes: Uint8Array, start: number, end: number): T {
    if (this.#readsFrom) {
      const isBuffer = typeof Buffer === 'function' && bytes instanceof Buffer
      const reader = isBuffer ? (ofBuffers ?? makeReader(bytes)) : (ofArrays ?? makeReader(bytes))
      if (isBuffer) ofBuffers = undefined
      else ofArrays = undefined
      reader.buf = bytes
      reader.pos = start
      reader.len = end
      reader.view = null
      reader.discardUnknown = protobuf.Reader.discardUnknown
      try {
        const message = (this.#type as unknown as ReadsFrom<T>).decode(reader, end - start)
        // What it has read from may be large.
        reader.buf = NO_FIELD
        if (isBuffer) ofBuffers = reader
        else ofArrays = reader
        return message
      } catch {
        // Once more, for an error that counts from the beginning of the body.
      }
    }
    return decodeBody(this.#type, bytes.subarray(start, end))
  }
}

function makeReader(bytes: Uint8Array): Reader {
  return protobuf.Reader.create(bytes) as unknown as Reader
}

/** Whether a type reads from a reader of ours. Other libraries would take it for something else. */
function readsFromReader(type: MessageType<unknown, never>): boolean {
  const reader = makeReader(NO_FIELD)
  try {
    ;(type as unknown as ReadsFrom<unknown>).decode(reader, NO_FIELD.length)
  } catch {
    return false
  }
  return reader.pos === NO_FIELD.length
}
