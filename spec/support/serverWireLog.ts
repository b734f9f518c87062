import { OutgoingBuffer } from '../../lib/bytes/outgoingBuffer.ts'
import { messageType } from '../../lib/protobuf/messageType.ts'
import { BodyEncoder } from '../../lib/protobuf/messageType.ts'
import type { RequestEnvelope } from '../../lib/rpc/envelope.ts'
import { ourExtension } from '../../lib/rpc/extension.ts'
import { FrameReader } from '../../lib/rpc/frame.ts'
import type { RpcError } from '../../lib/rpc/rpcError.ts'
import { ServerStream, ServerWire, type ServerWireEvents } from '../../lib/rpc/serverWire.ts'
import { statusName } from '../../lib/rpc/status.ts'
import type { Encoder } from '../../lib/transport.ts'
import { answerOf, takeFrame, type RawAnswer } from './ttrpcRaw.ts'

/** Messages are bytes as they are. */
export const rawBytes = new BodyEncoder(
  messageType({ name: 'Bytes', encode: (bytes: Uint8Array) => bytes, decode: (bytes) => bytes }),
)

/** Collects frames. */
export class FrameLog {
  #bytes: Buffer = Buffer.alloc(0)

  writeEncoded<T>(encoder: Encoder<T>, message: T): void {
    const out = new OutgoingBuffer()
    encoder.encode(message, out)
    this.#bytes = Buffer.concat([this.#bytes, ...out.take()])
  }

  /** The frames since the last call. */
  take(): RawAnswer[] {
    const answers: RawAnswer[] = []
    for (;;) {
      const taken = takeFrame(this.#bytes)
      if (taken === undefined) break
      answers.push(answerOf(taken.frame))
      this.#bytes = taken.rest
    }
    return answers
  }
}

/**
 * The server's wire with nothing behind it: methods that begin with `Up` take a stream, those that begin with `Down` or
 * `Both` give one. What it tells is written down in words.
 */
export class ServerWireLog implements ServerWireEvents<ServerStream> {
  readonly sent = new FrameLog()
  readonly log: string[] = []
  readonly wire: ServerWire<ServerStream>
  readonly #reader: FrameReader

  constructor(limits: { window?: number; max?: number } = {}) {
    const max = limits.max ?? 4 * 1024 * 1024
    this.wire = new ServerWire<ServerStream>(ourExtension(limits.window ?? 1000, max), this.sent, this)
    this.#reader = new FrameReader(this.wire, max)
  }

  receive(...chunks: Uint8Array[]): void {
    for (const chunk of chunks) this.#reader.push(chunk)
  }

  call(id: number): ServerStream {
    const call = this.wire.calls.get(id)
    if (call === undefined) throw new Error(`no call ${id}`)
    return call
  }

  /** What was told since the last call. */
  told(): string[] {
    return this.log.splice(0)
  }

  requestReceived(id: number, envelope: RequestEnvelope, bytes: Uint8Array, flags: number, same: boolean): void {
    const { service, method, payloadStart, payloadEnd, timeoutNano, metadata } = envelope
    const payload = Buffer.from(bytes.subarray(payloadStart, payloadEnd)).toString('latin1')
    const extra = [
      flags === 0 ? '' : ` flags ${flags}`,
      timeoutNano === 0 ? '' : ` timeout ${timeoutNano}`,
      metadata === undefined ? '' : ` ${JSON.stringify(metadata)}`,
      same ? ' same' : '',
    ]
    this.log.push(`request ${id} ${service}/${method} "${payload}"${extra.join('')}`)
    const takes = /^(Up|Both)/.test(method)
    const streams = takes || method.startsWith('Down')
    this.wire.add(new ServerStream(id, takes, takes, streams ? this.wire.newWindow() : undefined))
  }

  messageReceived(stream: ServerStream, bytes: Uint8Array, start: number, end: number, cost: number): void {
    this.log.push(`message ${stream.id} "${Buffer.from(bytes.subarray(start, end)).toString('latin1')}" costs ${cost}`)
  }

  requestsEnded(stream: ServerStream): void {
    this.log.push(`end ${stream.id}`)
  }

  cancelled(stream: ServerStream, { status, statusMessage }: RpcError): void {
    this.log.push(`cancelled ${stream.id} ${statusName(status)} ${statusMessage}`)
  }

  windowOpened(stream: ServerStream): void {
    this.log.push(`window ${stream.id}`)
  }

  failed(error: Error): void {
    this.log.push(`failed ${error.message}`)
  }
}
