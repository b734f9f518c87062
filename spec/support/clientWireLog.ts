import { messageType } from '../../lib/protobuf/messageType.ts'
import { ClientMethod } from '../../lib/rpc/clientMethod.ts'
import { ClientWire, type ClientStream, type ClientWireEvents } from '../../lib/rpc/clientWire.ts'
import { encodeMetadata, type KeyValues, type ResponseEnvelope } from '../../lib/rpc/envelope.ts'
import { ourExtension } from '../../lib/rpc/extension.ts'
import { FrameReader } from '../../lib/rpc/frame.ts'
import { OutgoingBuffer } from '../../lib/bytes/outgoingBuffer.ts'
import type { Encoder } from '../../lib/transport.ts'
import { takeFrame, type RawFrame } from './ttrpcRaw.ts'

const bytesType = messageType({ name: 'Bytes', encode: (bytes: Uint8Array) => bytes, decode: (bytes) => bytes })

/** A method `Call`, `Up`, `Down` or `Both`, of bytes. */
function methodOf(name: string): ClientMethod {
  return new ClientMethod({
    service: 's.S',
    name,
    path: `s.S/${name}`,
    requestType: bytesType,
    responseType: bytesType,
    requestStream: name === 'Up' || name === 'Both',
    responseStream: name === 'Down' || name === 'Both',
    idempotent: false,
  })
}

/** The client's wire with nothing in front of it. What it tells is written down in words. */
export class ClientWireLog implements ClientWireEvents<ClientStream> {
  readonly log: string[] = []
  isClogged = false
  readonly wire: ClientWire<ClientStream>
  readonly #reader: FrameReader
  #sent: Buffer = Buffer.alloc(0)

  constructor({ offer = false, window = 1000, max = 4 * 1024 * 1024 } = {}) {
    const sink = {
      writeEncoded: <T>(encoder: Encoder<T>, message: T): void => {
        const out = new OutgoingBuffer()
        encoder.encode(message, out)
        this.#sent = Buffer.concat([this.#sent, ...out.take()])
      },
    }
    this.wire = new ClientWire<ClientStream>(ourExtension(window, max), offer, sink, this)
    this.#reader = new FrameReader(this.wire, max)
  }

  start(
    name: string,
    request: Uint8Array = Buffer.alloc(0),
    { timeoutMs = Infinity, metadata = [] as KeyValues } = {},
  ): ClientStream {
    const call: ClientStream = {
      id: 0,
      method: methodOf(name),
      request,
      timeoutMs,
      metadata: encodeMetadata(metadata),
      open: false,
      window: undefined,
    }
    this.wire.start(call)
    return call
  }

  receive(...chunks: Uint8Array[]): void {
    for (const chunk of chunks) this.#reader.push(chunk)
  }

  /** What was told since the last call. */
  told(): string[] {
    return this.log.splice(0)
  }

  /** The frames sent since the last call. */
  sent(): RawFrame[] {
    const frames: RawFrame[] = []
    for (;;) {
      const taken = takeFrame(this.#sent)
      if (taken === undefined) return frames
      frames.push(taken.frame)
      this.#sent = taken.rest
    }
  }

  responded(call: ClientStream, response: ResponseEnvelope, bytes: Uint8Array): void {
    const { code, message, details, payloadStart, payloadEnd, header, trailer } = response
    const payload = Buffer.from(bytes.subarray(payloadStart, payloadEnd)).toString('latin1')
    const outcome = code === 0 ? `"${payload}"` : `${code} ${message} ${details?.length ?? 0}`
    const extra = header === undefined && trailer === undefined ? '' : ` ${JSON.stringify([header, trailer])}`
    this.log.push(`response ${call.id} ${outcome}${extra}`)
  }

  messageReceived(call: ClientStream, bytes: Uint8Array, start: number, end: number, cost: number): void {
    this.log.push(`message ${call.id} "${Buffer.from(bytes.subarray(start, end)).toString('latin1')}" costs ${cost}`)
  }

  responsesEnded(call: ClientStream): void {
    this.log.push(`end ${call.id}`)
  }

  violated(call: ClientStream, reason: string): void {
    this.log.push(`violated ${call.id} ${reason}`)
  }

  headersReceived(call: ClientStream, pairs: KeyValues): void {
    this.log.push(`headers ${call.id} ${JSON.stringify(pairs)}`)
  }

  trailersReceived(call: ClientStream, pairs: KeyValues): void {
    this.log.push(`trailers ${call.id} ${JSON.stringify(pairs)}`)
  }

  windowOpened(call: ClientStream): void {
    this.log.push(`window ${call.id}`)
  }

  negotiated(): void {
    this.log.push(`negotiated ${this.wire.extension === null ? 'nothing' : 'the extension'}`)
  }

  goingAway(reason: string, unprocessed: readonly ClientStream[]): void {
    this.log.push(`going away: ${reason}, without ${unprocessed.map(({ id }) => id).join()}`)
  }

  pong(): void {
    this.log.push('pong')
  }

  failed(error: Error): void {
    this.log.push(`failed ${error.message}`)
  }
}
