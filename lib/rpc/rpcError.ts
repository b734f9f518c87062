import { brand, MillraceError, type PeerName } from '../errors.ts'
import { decodeBody, fullNameOf, type MessageType } from '../protobuf/messageType.ts'
import { Metadata, type MetadataInit } from './metadata.ts'
import { Status, statusName } from './status.ts'

/** A message of any type, with the name of its type (google.protobuf.Any). */
export interface Any {
  /** `type.googleapis.com/chat.v1.Line`; what counts is behind the last slash. */
  readonly typeUrl: string
  readonly value: Uint8Array
}

/** What an error may carry: an {@link Any}, or a type with a message of it. */
export type DetailInit = Any | readonly [type: MessageType<unknown, never>, message: unknown]

export interface RpcErrorOptions {
  /** On a server: sent as the trailer. */
  readonly metadata?: MetadataInit | undefined
  readonly path?: string | undefined
  readonly peer?: PeerName | undefined
  readonly cause?: unknown
}

/**
 * A call that failed. Thrown by a handler it reaches the client with its status, message, details and trailer; on a
 * client it is what a call rejects with.
 *
 * `message` begins with what is known of the call: `chat.v1.Chat/Send on 127.0.0.1:5000: NOT_FOUND: no such room`.
 * What went over the wire is `statusMessage`. The constructor throws a RangeError for `Status.OK`, and a TypeError for
 * a detail whose type does not tell its full name: give an {@link Any} then.
 */
export class RpcError extends MillraceError {
  readonly code = 'ERR_MILLRACE_RPC'
  readonly status: Status
  /** The message alone, as it was given. */
  readonly statusMessage: string
  /** More about the error, in messages of any type: {@link detail} decodes them. */
  readonly details: readonly Any[]
  /** The trailer that came with the error. */
  readonly metadata: Metadata
  /** The call: `chat.v1.Chat/Send`. Undefined on the server that makes the error. */
  readonly path: string | undefined
  readonly peer: PeerName | undefined
  static {
    brand(this, 'RpcError')
  }

  constructor(status: Status, message: string, details: readonly DetailInit[] = [], options: RpcErrorOptions = {}) {
    const { path, peer, cause } = options
    super(described(status, message, path, peer), cause === undefined ? undefined : { cause })
    if (status === Status.OK) throw new RangeError('Status.OK is no error')
    this.status = status
    this.statusMessage = message
    this.details = details.map(toAny)
    this.metadata = new Metadata(options.metadata)
    this.path = path
    this.peer = peer
  }

  /**
   * The first detail of that type, decoded; undefined if there is none. Throws {@link DecodeError} if its bytes are no
   * such message, and a TypeError if the type does not tell its full name.
   */
  detail<T>(type: MessageType<T, never>): T | undefined {
    const name = typeName(type)
    const found = this.details.find((detail) => nameIn(detail) === name)
    return found === undefined ? undefined : decodeBody(type, found.value)
  }

  /** All details of that type, decoded, as {@link detail} does it. */
  detailsOf<T>(type: MessageType<T, never>): T[] {
    const name = typeName(type)
    return this.details.filter((detail) => nameIn(detail) === name).map((detail) => decodeBody(type, detail.value))
  }

  override toJSON(): object {
    return { ...super.toJSON(), metadata: this.metadata.toJSON() }
  }
}

function described(status: number, message: string, path: string | undefined, peer: PeerName | undefined): string {
  if (path === undefined && peer === undefined) return message
  const call = [path, peer].filter((part) => part !== undefined).join(' on ')
  return `${call}: ${statusName(status)}${message === '' ? '' : `: ${message}`}`
}

const nameIn = ({ typeUrl }: Any): string => typeUrl.slice(typeUrl.lastIndexOf('/') + 1)

function typeName(type: object): string {
  const name = fullNameOf(type)
  if (name === undefined) throw new TypeError('the type of a detail does not tell its full name: use an Any')
  return name
}

function toAny(detail: DetailInit): Any {
  if ('typeUrl' in detail) return { typeUrl: detail.typeUrl, value: detail.value }
  const [type, message] = detail
  const value = type.encode(message as never).finish()
  return { typeUrl: `type.googleapis.com/${typeName(type)}`, value }
}
