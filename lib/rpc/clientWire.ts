/**
 * The client's side of the wire (docs/protocol.md): what each frame means, and what may be sent. No I/O: frames come in
 * by `frameReceived`, and leave through a sink, which a transport is.
 *
 * It keeps to what plain servers bear: nothing is sent on a stream behind its end or behind the final frame that came,
 * no Data on a call with one request, and nothing of the extension before the server's Hello.
 */
import type { OutgoingBuffer } from '../bytes/outgoingBuffer.ts'
import type { Encoder } from '../transport.ts'
import { CallTable } from './callTable.ts'
import type { ClientMethod } from './clientMethod.ts'
import { DataEncoder, tooLarge } from './dataEncoder.ts'
import {
  encodeMetadata,
  readMetadata,
  REQUEST_PAYLOAD_TAG,
  ResponseEnvelope,
  TIMEOUT_TAG,
  type KeyValues,
} from './envelope.ts'
import { agree, EXTENSION_KEY, formatExtension, parseExtension, type Extension } from './extension.ts'
import {
  anyFrame,
  CLIENT_CONNECTION_ID,
  Flag,
  FrameType,
  HEADER_LENGTH,
  MAX_DATA_LENGTH,
  MAX_SKIPPED_LENGTH,
  NOTHING,
  PING_ANSWER,
  putHeader,
  readUint32,
  TRAILERS,
  uint32,
  type FrameReceiver,
  type FrameSink,
} from './frame.ts'
import { InvalidFrameError } from '../errors.ts'
import { putVarint, readText, varintLength } from './protoFields.ts'
import { Status } from './status.ts'
import { StreamWindow } from './streamWindow.ts'

/** What the wire knows of a call. */
export interface ClientStream {
  /** Given by the wire. */
  id: number
  readonly method: ClientMethod
  /** The one request; a stream's messages come later. */
  readonly request: unknown
  /** How long the server has, in milliseconds; `Infinity` for ever. */
  readonly timeoutMs: number
  /** Encoded. */
  readonly metadata: Uint8Array
  /** Whether requests may still be sent. */
  open: boolean
  /** Only of calls that stream. */
  window: StreamWindow | undefined
}

export interface ClientWireEvents<C extends ClientStream> {
  /** Whether what is sent now only piles up here. */
  readonly isClogged: boolean
  /** The final frame of a call, with a payload or an error. The call is forgotten. */
  responded(call: C, response: ResponseEnvelope, bytes: Uint8Array): void
  /** A message of a server's stream: `bytes[start, end)`, which counts as `cost` bytes of the window. */
  messageReceived(call: C, bytes: Uint8Array, start: number, end: number, cost: number): void
  /** The end of a server's stream, without an error. The call is forgotten. */
  responsesEnded(call: C): void
  /** What the server has sent makes no sense for this call. The call is forgotten. */
  violated(call: C, reason: string): void
  headersReceived(call: C, pairs: KeyValues): void
  trailersReceived(call: C, pairs: KeyValues): void
  /** There is room in the server's window again. */
  windowOpened(call: C): void
  /** It is known what the server can do: see {@link ClientWire.extension}. */
  negotiated(): void
  /** The server takes no more calls; those in `unprocessed` it has not handled, and they are forgotten. */
  goingAway(reason: string, unprocessed: readonly C[]): void
  pong(): void
  /** The connection is of no use any more: the peer broke the rules of the connection. */
  failed(error: Error): void
}

const LAST_ID = 0xffffffff

export class ClientWire<C extends ClientStream> implements FrameReceiver {
  readonly calls = new CallTable<C>()
  /** What both sides can do beyond plain ttrpc; `null` for a plain server, `undefined` as long as it is not known. */
  extension: Extension | null | undefined
  readonly #ours: Extension
  readonly #sink: FrameSink
  readonly #events: ClientWireEvents<C>
  readonly #envelope = new ResponseEnvelope()
  readonly #request = new RequestEncoder()
  readonly #data = new DataEncoder()
  /** Calls that were given up before it was known how to tell the server. */
  readonly #untold: { readonly id: number; readonly toEnd: boolean; readonly status: Status }[] = []
  #nextId = 1

  /** With `offer` the first Request asks whether the server knows of the extension. */
  constructor(ours: Extension, offer: boolean, sink: FrameSink, events: ClientWireEvents<C>) {
    this.#ours = ours
    this.#sink = sink
    this.#events = events
    if (offer) this.#request.offer = encodeMetadata([[EXTENSION_KEY, formatExtension(ours)]])
    else this.extension = null
  }

  /** Whether there are ids left. */
  get hasIds(): boolean {
    return this.#nextId <= LAST_ID
  }

  can(feature: string): boolean {
    return this.extension?.features.has(feature) ?? false
  }

  /** The next call gets this id, or a higher one; ids are odd. Those in between are left out, which is harmless. */
  skipTo(id: number): void {
    this.#nextId = Math.max(this.#nextId, id)
  }

  // --- what comes in

  frameReceived(id: number, type: number, flags: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.extension === undefined) {
      this.#negotiate(
        type === FrameType.HELLO && id === 0 ? readText(bytes, start, end) : '',
        isFinal(type, flags) ? id : 0,
      )
      if (type === FrameType.HELLO) return
    }
    if (type === FrameType.RESPONSE) this.#response(id, bytes, start, end)
    else if (type === FrameType.DATA) this.#message(id, flags, bytes, start, end)
    else if (this.extension) this.#extended(id, type, flags, bytes, start, end)
    // All others are for protocols to come.
  }

  frameTooLarge(id: number, type: number, flags: number, length: number): boolean {
    const limit = this.#ours.maxDataLength
    const call = this.calls.get(id)
    if (call !== undefined) {
      const response = this.#envelope
      response.clear()
      response.code = Status.RESOURCE_EXHAUSTED
      response.message = `the server sent ${length} bytes, over the limit of ${limit}`
      this.#drop(call, isFinal(type, flags))
      this.#events.responded(call, response, NOTHING)
    }
    if (length <= MAX_SKIPPED_LENGTH) return true
    this.#events.failed(
      new InvalidFrameError(`a frame of ${length} bytes on stream ${id} is too long even to be skipped`),
    )
    return false
  }

  /** `endedId` is the call that the first frame ends, 0 for none. */
  #negotiate(hello: string, endedId: number): void {
    const theirs = parseExtension(hello)
    this.extension = theirs === undefined ? null : agree(this.#ours, theirs)
    if (this.extension !== null) {
      this.#request.maxLength = this.#data.maxLength = this.extension.maxDataLength
      for (const call of this.calls.values()) call.window?.limit(this.extension.window)
    }
    for (const { id, toEnd, status } of this.#untold.splice(0)) if (id !== endedId) this.#tell(id, toEnd, status)
    this.#events.negotiated()
  }

  #response(id: number, bytes: Uint8Array, start: number, end: number): void {
    const call = this.calls.get(id)
    // Of a call that was given up here: the server did not know yet.
    if (call === undefined) return
    this.forget(call)
    const response = this.#envelope
    try {
      response.read(bytes, start, end)
    } catch (error) {
      return this.#events.violated(call, `undecodable Response: ${(error as Error).message}`)
    }
    this.#events.responded(call, response, bytes)
  }

  #message(id: number, flags: number, bytes: Uint8Array, start: number, end: number): void {
    const call = this.calls.get(id)
    if (call === undefined) return
    if (!call.method.method.responseStream) {
      // What else it sends is for nobody.
      this.#drop(call, isFinal(FrameType.DATA, flags))
      return this.#events.violated(call, 'the server sent Data for a call with one response')
    }
    const final = isFinal(FrameType.DATA, flags)
    // Even if the message cannot be decoded, and the call is given up: nothing may follow the server's final frame.
    if (final) call.open = false
    if ((flags & Flag.NO_DATA) === 0) this.#events.messageReceived(call, bytes, start, end, end - start + HEADER_LENGTH)
    if (!final || this.calls.get(id) !== call) return
    this.forget(call)
    this.#events.responsesEnded(call)
  }

  #extended(id: number, type: number, flags: number, bytes: Uint8Array, start: number, end: number): void {
    if (type === FrameType.PING) {
      if (flags === PING_ANSWER) this.#events.pong()
      // A server that reads nothing, and asks all the time, is not to fill our memory.
      else if (end - start === 8 && !this.#events.isClogged) {
        this.#frame(CLIENT_CONNECTION_ID, FrameType.PING, PING_ANSWER, bytes.slice(start, end))
      }
    } else if (type === FrameType.GOAWAY) {
      if (end - start >= 4) this.#goAway(readUint32(bytes, start), readText(bytes, start + 4, end))
    } else {
      const call = this.calls.get(id)
      if (call === undefined) return
      if (type === FrameType.WINDOW && end - start === 4) {
        if (call.window?.granted(readUint32(bytes, start))) this.#events.windowOpened(call)
      } else if (type === FrameType.METADATA) {
        this.#metadata(call, flags, bytes, start, end)
      }
    }
  }

  /** The server broke the rules of a call: it is told so only if it may be. */
  #drop(call: C, final: boolean): void {
    if (final) this.forget(call)
    else this.cancel(call, Status.CANCELLED)
  }

  #goAway(lastId: number, reason: string): void {
    const unprocessed = this.calls.values().filter(({ id }) => id > lastId)
    for (const call of unprocessed) this.forget(call)
    this.#events.goingAway(reason, unprocessed)
  }

  #metadata(call: C, flags: number, bytes: Uint8Array, start: number, end: number): void {
    let pairs: KeyValues
    try {
      pairs = readMetadata(bytes, start, end)
    } catch (error) {
      this.cancel(call, Status.CANCELLED)
      return this.#events.violated(call, `undecodable Metadata: ${(error as Error).message}`)
    }
    if (flags === TRAILERS) this.#events.trailersReceived(call, pairs)
    else this.#events.headersReceived(call, pairs)
  }

  // --- what goes out

  /**
   * Begins a call: gives it its id, and sends its Request. Throws if the request cannot be encoded, or is too large
   * ({@link RpcError} RESOURCE_EXHAUSTED); then the call was not begun.
   */
  start(call: C): void {
    const { method } = call.method
    call.id = this.#nextId
    this.#nextId += 2
    if (this.#nextId === CLIENT_CONNECTION_ID) this.#nextId += 2
    if (method.requestStream || method.responseStream) {
      call.window = new StreamWindow(this.#ours.window)
      if (this.extension) call.window.limit(this.extension.window)
    }
    call.open = method.requestStream
    this.#sink.writeEncoded(this.#request, call)
    this.#request.offer = NOTHING
    this.calls.add(call)
  }

  /** One message of a stream. Returns its length in bytes. Throws as {@link start}; the call is still there. */
  send(call: C, message: unknown): number {
    this.#data.set(call.id, call.method.body, message)
    this.#sink.writeEncoded(this.#data, call)
    call.window!.sent(this.#data.length + HEADER_LENGTH)
    return this.#data.length
  }

  /** No more messages. */
  end(call: C): void {
    if (!call.open) return
    call.open = false
    this.#end(call.id)
  }

  #end(id: number): void {
    this.#frame(id, FrameType.DATA, Flag.REMOTE_CLOSED | Flag.NO_DATA, NOTHING)
  }

  /**
   * Gives a call up. A server that knows of the extension is told why, as soon as it is known that it does. A plain one
   * cannot be told; it goes on until the deadline, and its answer is dropped. Where messages go both ways it is told that
   * no more come. Where one response is for all of them that would make it take the part for the whole.
   */
  cancel(call: C, status: Status): void {
    const { id } = call
    const toEnd = call.open && call.method.method.responseStream
    this.forget(call)
    if (this.extension === undefined) this.#untold.push({ id, toEnd, status })
    else this.#tell(id, toEnd, status)
  }

  #tell(id: number, toEnd: boolean, status: Status): void {
    if (this.can('cancel')) this.#frame(id, FrameType.CANCEL, 0, uint32(status))
    else if (toEnd) this.#end(id)
  }

  /** So many bytes were taken from the call's responses: the server may send as many more. */
  grant(call: C, bytes: number): void {
    this.#frame(call.id, FrameType.WINDOW, 0, uint32(bytes))
  }

  /** Asks for a sign of life. Only with the feature `ping`. */
  ping(): void {
    this.#frame(CLIENT_CONNECTION_ID, FrameType.PING, 0, new Uint8Array(8))
  }

  forget(call: C): void {
    call.open = false
    this.calls.delete(call.id)
  }

  #frame(id: number, type: number, flags: number, data: Uint8Array): void {
    this.#sink.writeEncoded(anyFrame, { id, type, flags, data })
  }
}

/** Whether it is the server's last one of a call. Data behind it ends the process of a Go server before ttrpc 1.2.8. */
function isFinal(type: number, flags: number): boolean {
  return type === FrameType.RESPONSE || (type === FrameType.DATA && (flags & Flag.REMOTE_CLOSED) !== 0)
}

/** The first frame of a call. The payload is encoded behind its envelope, in place. */
class RequestEncoder implements Encoder<ClientStream> {
  maxLength = MAX_DATA_LENGTH
  /** Metadata of the connection's first Request. */
  offer = NOTHING

  encode(call: ClientStream, out: OutgoingBuffer): void {
    const { metadata, timeoutMs } = call
    const { body, prefix, method } = call.method
    const offer = this.offer
    const payload = method.requestStream ? 0 : body.prepare(call.request)
    const payloadHead = payload === 0 ? 0 : 1 + varintLength(payload)
    // At least 1, since 0 means none.
    const nanos = timeoutMs === Infinity ? 0 : Math.max(1, Math.round(timeoutMs * 1e6))
    const timeout = nanos === 0 ? 0 : 1 + varintLength(nanos)
    const length = prefix.length + payloadHead + payload + timeout + metadata.length + offer.length
    if (length > this.maxLength) throw tooLarge('the request', length, this.maxLength)
    let place = out.reserve(HEADER_LENGTH + prefix.length + payloadHead)
    const { bytes } = out
    putHeader(bytes, place, length, call.id, FrameType.REQUEST, requestFlags(method))
    place += HEADER_LENGTH
    for (let i = 0; i < prefix.length; i++) bytes[place + i] = prefix[i]!
    place += prefix.length
    if (payload > 0) {
      bytes[place] = REQUEST_PAYLOAD_TAG
      putVarint(bytes, place + 1, payload)
      body.append(out)
    }
    if (timeout > 0) {
      const at = out.reserve(timeout)
      out.bytes[at] = TIMEOUT_TAG
      putVarint(out.bytes, at + 1, nanos)
    }
    if (metadata.length > 0) out.append(metadata)
    if (offer.length > 0) out.append(offer)
  }
}

function requestFlags({ requestStream, responseStream }: ClientMethod['method']): number {
  // Without NO_DATA some servers take the missing payload for an empty message.
  if (requestStream) return Flag.REMOTE_OPEN | Flag.NO_DATA
  return responseStream ? Flag.REMOTE_CLOSED : 0
}
