/**
 * The server's side of the wire (docs/protocol.md): what each frame means, and what may be sent. No I/O: frames come in
 * by `frameReceived`, and leave through a sink, which a transport is.
 *
 * No frame makes it fail. What is wrong with one call is answered on that call; what cannot be skipped ends the
 * connection.
 */
import type { OutgoingBuffer } from '../bytes/outgoingBuffer.ts'
import { InvalidFrameError } from '../errors.ts'
import type { BodyEncoder } from '../protobuf/messageType.ts'
import type { Encoder } from '../transport.ts'
import { CallTable } from './callTable.ts'
import { DataEncoder, tooLarge } from './dataEncoder.ts'
import {
  encodeMetadata,
  encodeResponseMetadata,
  encodeStatus,
  RequestEnvelope,
  RESPONSE_PAYLOAD_TAG,
  type KeyValues,
} from './envelope.ts'
import { agree, EXTENSION_KEY, formatExtension, parseExtension, type Extension } from './extension.ts'
import {
  anyFrame,
  Flag,
  FrameType,
  HEADER_LENGTH,
  MAX_DATA_LENGTH,
  MAX_SKIPPED_LENGTH,
  NOTHING,
  PING_ANSWER,
  putHeader,
  readUint32,
  SERVER_CONNECTION_ID,
  TRAILERS,
  uint32,
  type FrameReceiver,
  type FrameSink,
} from './frame.ts'
import { encodeText, putVarint, varintLength } from './protoFields.ts'
import { RpcError, type Any } from './rpcError.ts'
import { Status } from './status.ts'
import { StreamWindow } from './streamWindow.ts'

/** What the wire knows of a call. */
export class ServerStream {
  readonly id: number
  /** Whether the client sends messages of their own, besides the Request. */
  readonly requestStream: boolean
  /** Whether the client may still send. */
  open: boolean
  /** The final frame was sent, or there will be none. */
  finished = false
  /** Only of calls that stream. */
  readonly window: StreamWindow | undefined

  constructor(id: number, requestStream: boolean, open: boolean, window: StreamWindow | undefined) {
    this.id = id
    this.requestStream = requestStream
    this.open = open
    this.window = window
  }
}

export interface ServerWireEvents<S extends ServerStream> {
  /** A call begins: to be met by {@link ServerWire.add}, or by {@link ServerWire.refuse}. `same` is for the same method as the last. */
  requestReceived(id: number, envelope: RequestEnvelope, bytes: Uint8Array, flags: number, same: boolean): void
  /** A message of a client's stream: `bytes[start, end)`, which counts as `cost` bytes of the window. */
  messageReceived(stream: S, bytes: Uint8Array, start: number, end: number, cost: number): void
  /** The client has sent its last message. */
  requestsEnded(stream: S): void
  /** The call has ended before its answer: by the client, or because it broke the rules. */
  cancelled(stream: S, reason: RpcError): void
  /** There is room in the client's window again. */
  windowOpened(stream: S): void
  /** The connection is of no use any more: the peer broke the rules of the connection. */
  failed(error: Error): void
}

export class ServerWire<S extends ServerStream> implements FrameReceiver {
  readonly calls = new CallTable<S>()
  /** What both sides can do beyond plain ttrpc; `null` for a plain client, `undefined` as long as no Request has come. */
  extension: Extension | null | undefined
  readonly #ours: Extension
  readonly #sink: FrameSink
  readonly #events: ServerWireEvents<S>
  readonly #envelope = new RequestEnvelope()
  readonly #response: ResponseEncoder
  readonly #data: DataEncoder
  #lastId = 0

  constructor(ours: Extension, sink: FrameSink, events: ServerWireEvents<S>) {
    this.#ours = ours
    this.#sink = sink
    this.#events = events
    this.#response = new ResponseEncoder()
    this.#data = new DataEncoder()
  }

  /** The highest id of a call so far; 0 before the first. */
  get lastId(): number {
    return this.#lastId
  }

  /** How many bytes of a stream's messages the client may send at first. */
  get ourWindow(): number {
    return this.#ours.window
  }

  /** Whether the extension is there with this feature. */
  can(feature: string): boolean {
    return this.extension?.features.has(feature) ?? false
  }

  // --- what comes in

  frameReceived(id: number, type: number, flags: number, bytes: Uint8Array, start: number, end: number): void {
    if (id % 2 === 0)
      return this.refuse(id, Status.INVALID_ARGUMENT, 'StreamID must be odd for client initiated streams')
    if (type === FrameType.REQUEST) this.#request(id, flags, bytes, start, end)
    else if (type === FrameType.DATA) this.#message(id, flags, bytes, start, end)
    else if (this.extension) this.#extended(id, type, flags, bytes, start, end)
    // All others are for protocols to come.
  }

  frameTooLarge(id: number, _type: number, _flags: number, length: number): boolean {
    const limit = this.#ours.maxDataLength
    const message = `message length ${length} exceeds the limit of ${limit} bytes`
    const call = this.calls.get(id)
    if (call !== undefined) this.#violated(call, Status.RESOURCE_EXHAUSTED, message)
    else this.refuse(id, Status.RESOURCE_EXHAUSTED, message)
    if (length <= MAX_SKIPPED_LENGTH) return true
    this.#events.failed(
      new InvalidFrameError(`a frame of ${length} bytes on stream ${id} is too long even to be skipped`),
    )
    return false
  }

  #request(id: number, flags: number, bytes: Uint8Array, start: number, end: number): void {
    if (id <= this.#lastId) {
      const message = `StreamID ${id} cannot be re-used and must increment beyond ${this.#lastId}`
      const call = this.calls.get(id)
      // One final frame for an id: the call that it names ends with it.
      if (call !== undefined) this.#violated(call, Status.INVALID_ARGUMENT, message)
      else this.refuse(id, Status.INVALID_ARGUMENT, message)
      return
    }
    this.#lastId = id
    const envelope = this.#envelope
    let same: boolean
    try {
      same = envelope.read(bytes, start, end)
    } catch (error) {
      return this.refuse(id, Status.INVALID_ARGUMENT, `undecodable Request: ${(error as Error).message}`)
    }
    if (this.extension === undefined) this.#negotiate(envelope.metadata)
    this.#events.requestReceived(id, envelope, bytes, flags, same)
  }

  #negotiate(metadata: KeyValues | undefined): void {
    this.extension = null
    for (const [key, value] of metadata ?? []) {
      if (key !== EXTENSION_KEY) continue
      const theirs = parseExtension(value)
      if (theirs === undefined) return
      this.extension = agree(this.#ours, theirs)
      this.#response.maxLength = this.#data.maxLength = this.extension.maxDataLength
      this.#frame(SERVER_CONNECTION_ID, FrameType.HELLO, 0, encodeText(formatExtension(this.#ours)))
      return
    }
  }

  #message(id: number, flags: number, bytes: Uint8Array, start: number, end: number): void {
    const stream = this.calls.get(id)
    if (stream === undefined) {
      // Of a call that has ended here: the client did not know yet.
      if (id <= this.#lastId) return
      return this.refuse(id, Status.INVALID_ARGUMENT, `StreamID ${id} is not active`)
    }
    const noData = (flags & Flag.NO_DATA) !== 0
    if (!stream.open) {
      if (noData) return
      const what = stream.requestStream ? 'after the end of its messages' : 'though its method takes no stream'
      return this.#violated(stream, Status.INVALID_ARGUMENT, `the client sent Data on stream ${id} ${what}`)
    }
    const last = (flags & Flag.REMOTE_CLOSED) !== 0
    if (last) stream.open = false
    if (!noData) {
      this.#events.messageReceived(stream, bytes, start, end, end - start + HEADER_LENGTH)
      if (stream.finished) return
    }
    if (last) this.#events.requestsEnded(stream)
  }

  #extended(id: number, type: number, flags: number, bytes: Uint8Array, start: number, end: number): void {
    if (type === FrameType.PING) {
      // We ask nothing. What is longer than a ping is none, and is not to be echoed.
      if (flags !== PING_ANSWER && end - start === 8) {
        this.#frame(SERVER_CONNECTION_ID, FrameType.PING, PING_ANSWER, bytes.slice(start, end))
      }
      return
    }
    const stream = this.calls.get(id)
    if (stream === undefined || end - start !== 4) return
    if (type === FrameType.CANCEL) {
      const late = readUint32(bytes, start) === Status.DEADLINE_EXCEEDED
      const reason = late
        ? new RpcError(Status.DEADLINE_EXCEEDED, 'the deadline of the call has passed, says the client')
        : new RpcError(Status.CANCELLED, 'the client has cancelled the call')
      this.drop(stream)
      this.#events.cancelled(stream, reason)
    } else if (type === FrameType.WINDOW) {
      if (stream.window?.granted(readUint32(bytes, start))) this.#events.windowOpened(stream)
    }
  }

  /** The client broke the rules of one call: it ends with an error. */
  #violated(stream: S, status: Status, message: string): void {
    this.fail(stream, status, message, [])
    this.#events.cancelled(stream, new RpcError(status, message))
  }

  // --- what goes out

  /** A call has begun. */
  add(stream: S): void {
    this.calls.add(stream)
  }

  /** A window for a stream that begins. */
  newWindow(): StreamWindow {
    const window = new StreamWindow(this.#ours.window)
    if (this.extension) window.limit(this.extension.window)
    return window
  }

  /** The whole answer to a call that is none here. */
  refuse(id: number, status: Status, message: string): void {
    this.#frame(id, FrameType.RESPONSE, 0, encodeStatus(status, message, []))
  }

  /**
   * The answer of a call with one message, which ends it. Throws, and the call is not ended, if the message cannot be
   * encoded or is too large ({@link RpcError} RESOURCE_EXHAUSTED).
   */
  respond<T>(stream: S, body: BodyEncoder<T>, message: T, header?: KeyValues, trailer?: KeyValues): void {
    const encoder = this.#response
    encoder.body = body as BodyEncoder<unknown>
    encoder.message = message
    encoder.extra = header === undefined && trailer === undefined ? NOTHING : encodeResponseMetadata(header, trailer)
    this.#sink.writeEncoded(encoder, stream)
    this.drop(stream)
  }

  /** An error, which ends the call. */
  fail(
    stream: S,
    status: Status,
    message: string,
    details: readonly Any[],
    header?: KeyValues,
    trailer?: KeyValues,
  ): void {
    const fields = [encodeStatus(status, message, details), encodeResponseMetadata(header, trailer)]
    const length = fields[0]!.length + fields[1]!.length
    const limit = this.#response.maxLength
    if (length > limit) {
      const shortened = `${message.slice(0, 1000)} (${length} bytes of details and metadata are over the limit of ${limit})`
      this.refuse(stream.id, status, shortened)
    } else {
      const data = new Uint8Array(length)
      data.set(fields[0]!)
      data.set(fields[1]!, fields[0]!.length)
      this.#frame(stream.id, FrameType.RESPONSE, 0, data)
    }
    this.drop(stream)
  }

  /** One message of a stream. Returns its length in bytes. Throws as {@link respond}. */
  send<T>(stream: S, body: BodyEncoder<T>, message: T): number {
    this.#data.set(stream.id, body as BodyEncoder<unknown>, message)
    this.#sink.writeEncoded(this.#data, stream)
    stream.window!.sent(this.#data.length + HEADER_LENGTH)
    return this.#data.length
  }

  /** The end of a stream without an error, which ends the call. Throws as {@link respond} for too large trailers. */
  end(stream: S, trailer?: KeyValues): void {
    if (trailer !== undefined && this.can('trailers')) {
      this.#metadata(stream, TRAILERS, 'the trailers', trailer)
    }
    this.#frame(stream.id, FrameType.DATA, Flag.REMOTE_CLOSED | Flag.NO_DATA, NOTHING)
    this.drop(stream)
  }

  /** Headers, ahead of the answer. Only with the feature `trailers`. Throws as {@link respond} for too large ones. */
  sendHeader(stream: S, header: KeyValues): void {
    this.#metadata(stream, 0, 'the headers', header)
  }

  #metadata(stream: S, flags: number, what: string, pairs: KeyValues): void {
    const data = encodeMetadata(pairs)
    const limit = this.#response.maxLength
    if (data.length > limit) throw tooLarge(what, data.length, limit)
    this.#frame(stream.id, FrameType.METADATA, flags, data)
  }

  /** So many bytes were taken from the stream's queue: the client may send as many more. */
  grant(stream: S, bytes: number): void {
    this.#frame(stream.id, FrameType.WINDOW, 0, uint32(bytes))
  }

  /** Calls beyond those that have come are not handled. Only with the feature `goaway`. */
  goAway(reason: string): void {
    const text = encodeText(reason)
    const data = new Uint8Array(4 + text.length)
    data.set(uint32(this.#lastId))
    data.set(text, 4)
    this.#frame(SERVER_CONNECTION_ID, FrameType.GOAWAY, 0, data)
  }

  /** Forgets a call: nothing is sent on it any more. */
  drop(stream: S): void {
    stream.finished = true
    stream.open = false
    this.calls.delete(stream.id)
  }

  #frame(id: number, type: number, flags: number, data: Uint8Array): void {
    this.#sink.writeEncoded(anyFrame, { id, type, flags, data })
  }
}

/** The Response to a unary call: the payload is encoded behind its envelope, in place. */
class ResponseEncoder implements Encoder<ServerStream> {
  maxLength = MAX_DATA_LENGTH
  body!: BodyEncoder<unknown>
  message: unknown
  /** Fields behind the payload. */
  extra = NOTHING

  encode(stream: ServerStream, out: OutgoingBuffer): void {
    const { body, extra } = this
    const payload = body.prepare(this.message)
    this.message = undefined
    const head = payload === 0 ? 0 : 1 + varintLength(payload)
    const length = head + payload + extra.length
    if (length > this.maxLength) throw tooLarge('the response', length, this.maxLength)
    const place = out.reserve(HEADER_LENGTH + head)
    putHeader(out.bytes, place, length, stream.id, FrameType.RESPONSE, 0)
    if (payload > 0) {
      out.bytes[place + HEADER_LENGTH] = RESPONSE_PAYLOAD_TAG
      putVarint(out.bytes, place + HEADER_LENGTH + 1, payload)
      body.append(out)
    }
    if (extra.length > 0) out.append(extra)
  }
}
