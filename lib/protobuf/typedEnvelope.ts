/**
 * Messages of several types on one connection: each behind a header of type id and length.
 *
 *     | type id, typeFieldLength bytes | length, lengthFieldLength bytes | body |
 */
import type { ByteQueue } from '../bytes/byteQueue.ts'
import type { OutgoingBuffer } from '../bytes/outgoingBuffer.ts'
import { FrameTooLargeError, UnknownTypeError } from '../errors.ts'
import type { BadMessagePolicy, Codec } from '../framing/codec.ts'
import { discardTooLong } from '../framing/discardTooLong.ts'
import { BodyEncoder, decodeBody, type InputOf, type MessageOf, type MessageType } from './messageType.ts'

/** One registered type. */
export interface EnvelopeType {
  /** Its number on the wire. */
  id: number
  type: MessageType<any, any> // oxlint-disable-line typescript/no-explicit-any -- any message
  /** The longest body of this type in bytes; the envelope's `maxMessageLength` by default. */
  maxLength?: number | undefined
}

/** The registry: names that the program uses, with their types. */
export type EnvelopeTypes = Readonly<Record<string, EnvelopeType>>

/** A decoded message with its name: `switch (envelope.type)` tells what `envelope.message` is. */
export type Envelope<R extends EnvelopeTypes> = {
  [K in keyof R]: { readonly type: K; readonly message: MessageOf<R[K]['type']> }
}[keyof R]

/** What may be encoded. */
export type EnvelopeInput<R extends EnvelopeTypes> = {
  [K in keyof R]: { readonly type: K; readonly message: InputOf<R[K]['type']> }
}[keyof R]

/** A message of a type that is not registered, as it came. It can be encoded again as it is. */
export interface RawEnvelope {
  readonly type: null
  readonly id: number
  readonly body: Uint8Array
}

export interface TypedEnvelopeOptions<U extends UnknownTypePolicy = UnknownTypePolicy> {
  /** Width of the type id in bytes, 1 to 4; 2 by default. */
  typeFieldLength?: number | undefined
  /** Width of the length in bytes, 1 to 8; 4 by default. */
  lengthFieldLength?: number | undefined
  /** Big-endian by default. */
  littleEndian?: boolean | undefined
  /** The longest body of any type in bytes; 4 MiB by default. */
  maxMessageLength?: number | undefined
  /**
   * What becomes of a message that is over its limit; `'fail'` by default. With `'discard'` exactly that message is
   * swallowed as it comes, which takes a state per connection.
   */
  onTooLong?: BadMessagePolicy | undefined
  /**
   * What becomes of a type that is not registered: `'error'` (the default) ends the stream with
   * {@link UnknownTypeError}, `'skip'` drops the message, `'raw'` delivers a {@link RawEnvelope}.
   */
  unknownType?: U | undefined
}

export type UnknownTypePolicy = 'error' | 'skip' | 'raw'

const DEFAULT_MAX_MESSAGE_LENGTH = 4 * 1024 * 1024

/**
 * A codec for all the types of a registry, both ways.
 *
 * Limits are checked from the header alone, the type's own before its body is waited for: {@link FrameTooLargeError}.
 * Throws a RangeError if two types share an id, or if an id or a limit does not fit its field.
 */
export function typedEnvelope<const R extends EnvelopeTypes, U extends UnknownTypePolicy = 'error'>(
  types: R,
  options: TypedEnvelopeOptions<U> = {},
): Codec<Envelope<R> | (U extends 'raw' ? RawEnvelope : never), EnvelopeInput<R> | RawEnvelope> {
  const codec = new TypedEnvelopeCodec(types, options)
  return (options.onTooLong === 'discard' ? discardTooLong(codec, (input) => codec.extent(input)) : codec) as never
}

interface Registered {
  readonly name: string
  readonly id: number
  readonly type: MessageType<unknown, unknown>
  readonly limit: number
  readonly encoder: BodyEncoder<unknown>
}

class TypedEnvelopeCodec implements Codec<unknown, { type: string; message: unknown } | RawEnvelope> {
  readonly #byId = new Map<number, Registered>()
  readonly #byName = new Map<string, Registered>()
  readonly #typeWidth: number
  readonly #lengthWidth: number
  readonly #littleEndian: boolean
  readonly #limit: number
  readonly #unknownType: UnknownTypePolicy

  constructor(types: EnvelopeTypes, options: TypedEnvelopeOptions) {
    const { typeFieldLength = 2, lengthFieldLength = 4, littleEndian = false, unknownType = 'error' } = options
    whole('typeFieldLength', typeFieldLength, 1, 4)
    whole('lengthFieldLength', lengthFieldLength, 1, 8)
    this.#typeWidth = typeFieldLength
    this.#lengthWidth = lengthFieldLength
    this.#littleEndian = littleEndian
    this.#unknownType = unknownType
    const { maxMessageLength = DEFAULT_MAX_MESSAGE_LENGTH } = options
    whole('maxMessageLength', maxMessageLength, 0, Number.MAX_SAFE_INTEGER)
    this.#limit = Math.min(maxMessageLength, 2 ** (8 * lengthFieldLength) - 1)
    for (const [name, { id, type, maxLength = this.#limit }] of Object.entries(types)) {
      whole(`the id of ${name}`, id, 0, 2 ** (8 * typeFieldLength) - 1)
      whole(`maxLength of ${name}`, maxLength, 0, Number.MAX_SAFE_INTEGER)
      const other = this.#byId.get(id)
      if (other !== undefined) throw new RangeError(`${name} and ${other.name} have the same id ${id}`)
      const limit = Math.min(maxLength, this.#limit)
      const registered = { name, id, type, limit, encoder: new BodyEncoder<unknown>(type) }
      this.#byId.set(id, registered)
      this.#byName.set(name, registered)
    }
  }

  decode(input: ByteQueue): unknown {
    for (;;) {
      const head = this.#typeWidth + this.#lengthWidth
      if (input.length < head) return undefined
      const id = input.uint(0, this.#typeWidth, this.#littleEndian)
      const length = input.uint(this.#typeWidth, this.#lengthWidth, this.#littleEndian)
      const known = this.#byId.get(id)
      const limit = known === undefined ? this.#limit : known.limit
      if (length > limit) throw new FrameTooLargeError(length, limit, `a message of type ${known?.name ?? id}`)
      if (known === undefined && this.#unknownType === 'error') throw new UnknownTypeError(id, length)
      if (input.length < head + length) return undefined
      input.skip(head)
      if (known !== undefined) return { type: known.name, message: decodeBody(known.type, input.take(length)) }
      if (this.#unknownType === 'raw') return { type: null, id, body: input.take(length) }
      input.skip(length)
    }
  }

  /** How many bytes the message at the front takes in all. Its header must be there. */
  extent(input: ByteQueue): number {
    return this.#typeWidth + this.#lengthWidth + input.uint(this.#typeWidth, this.#lengthWidth, this.#littleEndian)
  }

  encode(envelope: { type: string; message: unknown } | RawEnvelope, out: OutgoingBuffer): void {
    if (envelope.type === null) {
      const { id, body } = envelope
      whole('the id of a raw message', id, 0, 2 ** (8 * this.#typeWidth) - 1)
      this.#encodeHeader(id, body.length, this.#limit, String(id), out)
      return out.append(body)
    }
    const known = this.#byName.get(envelope.type)
    if (known === undefined) throw new TypeError(`no type is registered by the name of ${envelope.type}`)
    const length = known.encoder.prepare(envelope.message)
    this.#encodeHeader(known.id, length, known.limit, known.name, out)
    known.encoder.append(out)
  }

  #encodeHeader(id: number, length: number, limit: number, name: string, out: OutgoingBuffer): void {
    if (length > limit) throw new FrameTooLargeError(length, limit, `a message of type ${name}`)
    out.uint(id, this.#typeWidth, this.#littleEndian)
    out.uint(length, this.#lengthWidth, this.#littleEndian)
  }
}

function whole(what: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return
  throw new RangeError(`${what} must be a whole number from ${least} to ${most}, not ${value}`)
}
