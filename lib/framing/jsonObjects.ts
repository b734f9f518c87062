/**
 * JSON objects and arrays one behind the other, as some peers send them, with nothing but white space in between.
 *
 * Strategy: braces (in an array: brackets) are counted outside of strings until they balance, which needs no parser
 * and goes on where it stopped when more comes; only then the text is parsed.
 */
import type { ByteQueue } from '../bytes/byteQueue.ts'
import { toBytes } from '../bytes/allocate.ts'
import type { OutgoingBuffer } from '../bytes/outgoingBuffer.ts'
import { FrameTooLargeError, InvalidFrameError } from '../errors.ts'
import type { BadMessagePolicy, Codec } from './codec.ts'
import { toJson } from './jsonLines.ts'
import { decodeUtf8 } from './lines.ts'
import { asFrameError } from './mapCodec.ts'
import { natural } from './natural.ts'

export interface JsonObjectsOptions {
  /** The most bytes of one value, from brace to brace; 1 MiB by default. */
  maxFrameLength?: number | undefined
  /** What becomes of a longer one; `'fail'` by default. With `'discard'` it is dropped up to its last brace as it comes. */
  onTooLong?: BadMessagePolicy | undefined
  /** What becomes of one whose braces balance, but that is no JSON, or no UTF-8; `'fail'` by default. */
  onInvalid?: BadMessagePolicy | undefined
}

const DEFAULT_MAX_FRAME_LENGTH = 1024 * 1024
const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

/**
 * A codec for concatenated JSON objects and arrays. That they are of type `T` is taken on trust.
 *
 * Decoding throws {@link InvalidFrameError} for anything else than a value's first brace or bracket, where the next
 * value cannot be found any more; {@link FrameTooLargeError} as soon as one cannot but be over the limit; and
 * {@link DecodeError} for one that is no JSON. Encoding throws a TypeError for what is neither an object nor an array,
 * and {@link FrameTooLargeError} over the limit. (Netty: `JsonObjectDecoder`.)
 */
export function jsonObjects<T extends object = object>(options: JsonObjectsOptions = {}): Codec<T> {
  return new JsonObjectsCodec<T>(options)
}

class JsonObjectsCodec<T> implements Codec<T> {
  readonly #options: JsonObjectsOptions
  readonly #limit: number
  /** How much of the value at the front has been looked at, and what was found. */
  #seen = 0
  #depth = 0
  #inString = false
  #escaped = false
  #open = 0
  #revision = -1
  #discarding = false

  constructor(options: JsonObjectsOptions) {
    this.#options = options
    this.#limit = natural('maxFrameLength', options.maxFrameLength ?? DEFAULT_MAX_FRAME_LENGTH)
  }

  decode(input: ByteQueue): T | undefined {
    for (;;) {
      if (!this.#discarding && input.revision !== this.#revision) this.#reset(input)
      if (this.#seen === 0 && this.#depth === 0 && !this.#begin(input)) return undefined
      const whole = this.#scan(input)
      if (this.#discarding) {
        input.skip(this.#seen)
        this.#seen = 0
        if (!whole) return undefined
        this.#discarding = false
        this.#reset(input)
        continue
      }
      // A value that is not whole has at least one byte more.
      const size = whole ? this.#seen : this.#seen + 1
      if (size > this.#limit) throw this.#refused(input, size, whole)
      return whole ? this.#parse(input.take(size)) : undefined
    }
  }

  decodeEof(input: ByteQueue): T | undefined {
    const value = this.decode(input)
    if (value === undefined && this.#discarding) {
      this.#discarding = false
      this.#reset(input)
    }
    return value
  }

  encode(message: T, out: OutgoingBuffer): void {
    const text = toJson(message)
    if (text[0] !== '{' && text[0] !== '[') throw new TypeError(`${text} is neither an object nor an array`)
    const bytes = toBytes(text)
    if (bytes.length > this.#limit) throw new FrameTooLargeError(bytes.length, this.#limit)
    out.append(bytes)
  }

  clone(): Codec<T> {
    return new JsonObjectsCodec<T>(this.#options)
  }

  #reset(input: ByteQueue): void {
    this.#seen = this.#depth = 0
    this.#inString = this.#escaped = false
    this.#revision = input.revision
  }

  /** Drops white space; whether there is a value behind it. */
  #begin(input: ByteQueue): boolean {
    let blank = 0
    while (blank < input.length && isWhitespace(input.at(blank))) blank++
    input.skip(blank)
    this.#revision = input.revision
    if (input.length === 0) return false
    const first = input.at(0)
    if (first !== OPEN_BRACE && first !== OPEN_BRACKET) {
      throw new InvalidFrameError(`byte ${first} where a JSON object or array has to begin`)
    }
    this.#open = first
    return true
  }

  /** Looks at the bytes not seen yet, up to the end of the value; whether it is there. */
  #scan(input: ByteQueue): boolean {
    const open = this.#open
    const close = open === OPEN_BRACE ? CLOSE_BRACE : CLOSE_BRACKET
    let depth = this.#depth
    let inString = this.#inString
    let escaped = this.#escaped
    while (this.#seen < input.length) {
      const chunk = input.chunkAt(this.#seen)
      for (let i = 0; i < chunk.length; i++) {
        const byte = chunk[i]
        if (inString) {
          if (escaped) escaped = false
          else if (byte === BACKSLASH) escaped = true
          else if (byte === QUOTE) inString = false
        } else if (byte === QUOTE) inString = true
        else if (byte === open) depth++
        else if (byte === close && --depth === 0) {
          this.#seen += i + 1
          this.#depth = 0
          return true
        }
      }
      this.#seen += chunk.length
    }
    this.#depth = depth
    this.#inString = inString
    this.#escaped = escaped
    return false
  }

  #refused(input: ByteQueue, size: number, whole: boolean): FrameTooLargeError {
    const error = new FrameTooLargeError(size, this.#limit, 'a JSON value')
    if (this.#options.onTooLong !== 'discard') return error
    error.recoverable = true
    this.#discarding = !whole
    input.skip(this.#seen)
    this.#seen = 0
    if (whole) this.#reset(input)
    return error
  }

  #parse(bytes: Uint8Array): T {
    try {
      return JSON.parse(decodeUtf8(bytes)) as T
    } catch (error) {
      throw asFrameError(error, 'JSON', bytes.length, this.#options.onInvalid ?? 'fail')
    }
  }
}

const isWhitespace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
