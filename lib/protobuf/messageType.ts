/**
 * CONTRACT: what a message type must be able to do. Only `encode` and `decode` are used, so the types of any copy and
 * version of protobufjs fit as they are, reflected or generated, and so do ts-proto's.
 */
import type { OutgoingBuffer } from '../bytes/outgoingBuffer.ts'
import { DecodeError, MillraceError } from '../errors.ts'

/** `T` is what is decoded, `I` what may be encoded (a generated class takes plain objects as well). */
export interface MessageType<T, I = T> {
  /** Encodes to a writer: to the one given, or to a new one. */
  encode(message: I, writer?: never): { finish(): Uint8Array }
  decode(bytes: Uint8Array): T
}

/** The message that a type decodes to. */
export type MessageOf<M> = M extends MessageType<infer T, never> ? T : never
/** What may be given to a type to encode. */
export type InputOf<M> = M extends MessageType<unknown, infer I> ? I : never

/**
 * A message type from two functions over bytes, for libraries whose messages have no methods. For protobuf-es:
 *
 * ```ts
 * const Person = messageType({
 *   name: PersonSchema.typeName,
 *   encode: (person: Person) => toBinary(PersonSchema, person),
 *   decode: (bytes) => fromBinary(PersonSchema, bytes),
 * })
 * ```
 */
export function messageType<T>(functions: {
  name: string
  encode: (message: T) => Uint8Array
  decode: (bytes: Uint8Array) => T
}): MessageType<T> & { name: string } {
  const { name, encode, decode } = functions
  return {
    name,
    encode: (message) => {
      const bytes = encode(message)
      return { finish: () => bytes }
    },
    decode,
  }
}

/** The type's full name where it has one, for messages. */
export function nameOf(type: object): string {
  const { fullName, typeName, $type, name } = type as Record<string, unknown>
  const given = [fullName, typeName, $type, name].find((value) => typeof value === 'string' && value !== '')
  return given === undefined ? 'message' : (given as string).replace(/^\./, '')
}

/**
 * The type's name with its package, if the type tells it: as an `Any` needs it. The name of a generated class is not
 * that name.
 */
export function fullNameOf(type: object): string | undefined {
  const { getTypeUrl, fullName, typeName, $type, name } = type as Record<string, unknown>
  if (typeof getTypeUrl === 'function') {
    const url: unknown = getTypeUrl.call(type, '')
    if (typeof url === 'string') return url.slice(url.lastIndexOf('/') + 1)
  }
  const candidates = typeof type === 'function' ? [fullName, typeName, $type] : [fullName, typeName, $type, name]
  const given = candidates.find((value) => typeof value === 'string' && value !== '') as string | undefined
  return given?.replace(/^\./, '')
}

/** Decodes a whole body. Whatever the decoder throws becomes a {@link DecodeError} with the type and the place. */
export function decodeBody<T>(type: MessageType<T, never>, body: Uint8Array): T {
  try {
    return type.decode(body)
  } catch (error) {
    if (error instanceof MillraceError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    // protobufjs: "index out of range: 12 + 10 > 15", "invalid wire type 7 at offset 5".
    const place = /(?:out of range: |offset )(\d+)/.exec(reason)?.[1]
    throw new DecodeError(nameOf(type), body.length, place === undefined ? undefined : Number(place), reason, {
      cause: error,
    })
  }
}

/** A writer of protobufjs, as far as it is used: it can be used again, and copies to where it is told. */
interface ReusableWriter {
  readonly len: number
  /** Of versions that write straight into one; the bytes are at its beginning. */
  readonly buf?: Uint8Array
  finish(): Uint8Array
  finishInto(bytes: Uint8Array, offset: number): Uint8Array
  reset(): ReusableWriter
}

const NOTHING = new Uint8Array(0)
/** A writer that has grown beyond this is not kept. */
const LARGEST_KEPT = 256 * 1024

/**
 * Encodes the bodies of one type: first to a writer, which tells the length for the header, then behind the header.
 * Where the writer can be used again (protobufjs) no memory is taken per message.
 */
export class BodyEncoder<I> {
  readonly #type: MessageType<unknown, I>
  #kept: ReusableWriter | undefined
  #body: Uint8Array | ReusableWriter = NOTHING

  constructor(type: MessageType<unknown, I>) {
    this.#type = type
  }

  /** Encodes `message`; returns its length in bytes. The next {@link append} appends it. */
  prepare(message: I): number {
    const kept = this.#kept
    // Until it is done: an encoder that throws leaves its writer in no state to be used again.
    this.#kept = undefined
    const writer = this.#type.encode(message, kept?.reset() as never)
    if (isReusable(writer)) {
      if (writer.len <= LARGEST_KEPT) this.#kept = writer
      this.#body = writer
      return writer.len
    }
    this.#body = writer.finish()
    return this.#body.length
  }

  /** The body in memory of its own. */
  finish(): Uint8Array {
    const body = this.#body
    this.#body = NOTHING
    return body instanceof Uint8Array ? body : body.finish()
  }

  append(out: OutgoingBuffer): void {
    const body = this.#body
    if (body instanceof Uint8Array) out.append(body)
    else if (body.len <= LARGEST_KEPT) {
      const n = body.len
      const place = out.reserve(n)
      const { buf } = body
      // For so few a loop beats the two calls.
      const { bytes } = out
      if (n <= 64 && buf instanceof Uint8Array) for (let i = 0; i < n; i++) bytes[place + i] = buf[i]!
      else body.finishInto(bytes, place)
    } else out.append(body.finish())
    this.#body = NOTHING
  }
}

function isReusable(writer: object): writer is ReusableWriter {
  const { finishInto, reset, len } = writer as Partial<ReusableWriter>
  return typeof finishInto === 'function' && typeof reset === 'function' && typeof len === 'number'
}
