import type { OutgoingBuffer } from '../bytes/outgoingBuffer.ts'
import type { BodyEncoder } from '../protobuf/messageType.ts'
import type { Encoder } from '../transport.ts'
import { FrameType, HEADER_LENGTH, MAX_DATA_LENGTH, putHeader } from './frame.ts'
import { RpcError } from './rpcError.ts'
import { Status } from './status.ts'

/** Encodes the messages of streams, of either side. */
export class DataEncoder implements Encoder<unknown> {
  maxLength = MAX_DATA_LENGTH
  /** Of the last message, in bytes. */
  length = 0
  #id = 0
  #body: BodyEncoder<unknown> | undefined
  #message: unknown

  /** What is encoded next. */
  set(id: number, body: BodyEncoder<unknown>, message: unknown): void {
    this.#id = id
    this.#body = body
    this.#message = message
  }

  encode(_: unknown, out: OutgoingBuffer): void {
    const body = this.#body!
    const message = this.#message
    this.#message = undefined
    const length = (this.length = body.prepare(message))
    if (length > this.maxLength) throw tooLarge('a message', length, this.maxLength)
    const place = out.reserve(HEADER_LENGTH)
    putHeader(out.bytes, place, length, this.#id, FrameType.DATA, 0)
    body.append(out)
  }
}

/** A message that the peer would not take. */
export function tooLarge(what: string, length: number, limit: number): RpcError {
  return new RpcError(Status.RESOURCE_EXHAUSTED, `${what} of ${length} bytes is over the peer's limit of ${limit}`)
}
