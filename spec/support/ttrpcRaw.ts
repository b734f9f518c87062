/** ttrpc by its bytes, written apart from lib/rpc: what a spec says of the wire does not rest on what it checks. */
import protobuf from 'protobufjs'
import { netDial, type NetAddress, type NetPeer } from './netTools.ts'

const { root } = protobuf.parse(
  `syntax = "proto3";
   message Any { string type_url = 1; bytes value = 2; }
   message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
   message KeyValue { string key = 1; string value = 2; }
   message Request { string service = 1; string method = 2; bytes payload = 3; int64 timeout_nano = 4; repeated KeyValue metadata = 5; }
   message Response { Status status = 1; bytes payload = 2; }
   message BytesValue { bytes value = 1; }
   message StringValue { string value = 1; }
   message Int64Value { int64 value = 1; }`,
  { keepCase: true },
)

const encoder =
  (name: string) =>
  (fields: object): Buffer =>
    Buffer.from(root.lookupType(name).encode(fields).finish())
const decoder =
  (name: string) =>
  (bytes: Uint8Array | undefined): Record<string, unknown> => {
    const type = root.lookupType(name)
    return type.toObject(type.decode(bytes ?? new Uint8Array(0)), { longs: Number })
  }

export const encodeRequest = encoder('Request')
export const encodeResponse = encoder('Response')
export const encodeStatus = encoder('Status')
export const decodeRequest = decoder('Request')
export const decodeResponse = decoder('Response')

/** The messages of the Go peer's service, encoded. */
export const bytesValue = (value: Uint8Array | string): Buffer => encoder('BytesValue')({ value: Buffer.from(value) })
export const stringValue = (value: string): Buffer => encoder('StringValue')({ value })
export const int64Value = (value: number): Buffer => encoder('Int64Value')({ value })
export const bytesIn = (payload: unknown): Buffer =>
  Buffer.from((decoder('BytesValue')(payload as Uint8Array | undefined)['value'] as Uint8Array | undefined) ?? [])
export const textIn = (payload: unknown): string =>
  (decoder('StringValue')(payload as Uint8Array | undefined)['value'] as string | undefined) ?? ''
export const int64In = (payload: unknown): number =>
  Number(decoder('Int64Value')(payload as Uint8Array | undefined)['value'] ?? 0)

export const REQUEST = 1
export const RESPONSE = 2
export const DATA = 3
export const REMOTE_CLOSED = 1
export const REMOTE_OPEN = 2
export const NO_DATA = 4

export interface RawFrame {
  id: number
  type: number
  flags: number
  data: Buffer
}

export function frame(id: number, type: number, flags = 0, data: Uint8Array = new Uint8Array(0)): Buffer {
  const header = Buffer.alloc(10)
  header.writeUInt32BE(data.length, 0)
  header.writeUInt32BE(id, 4)
  header[8] = type
  header[9] = flags
  return Buffer.concat([header, data])
}

export interface RawRequest {
  service?: string
  payload?: Uint8Array
  timeout_nano?: number
  metadata?: { key: string; value: string }[]
  flags?: number
}

export function request(id: number, method: string, { flags = 0, ...fields }: RawRequest = {}): Buffer {
  return frame(id, REQUEST, flags, encodeRequest({ service: 'millrace.test.Echo', method, ...fields }))
}

/** Takes the frame at the start of `bytes`, if all of it is there. */
export function takeFrame(bytes: Buffer): { frame: RawFrame; rest: Buffer } | undefined {
  if (bytes.length < 10 || bytes.length < 10 + bytes.readUInt32BE(0)) return undefined
  const end = 10 + bytes.readUInt32BE(0)
  const frame = { id: bytes.readUInt32BE(4), type: bytes[8]!, flags: bytes[9]!, data: bytes.subarray(10, end) }
  return { frame, rest: bytes.subarray(end) }
}

/** The frame of an answer, in words: `Response 5 INVALID_ARGUMENT…`. */
export interface RawAnswer {
  id: number
  type: number
  flags: number
  code?: number
  message?: string
  payload?: Buffer
}

export function answerOf({ id, type, flags, data }: RawFrame): RawAnswer {
  if (type !== RESPONSE) return { id, type, flags, payload: data }
  const { status, payload } = decodeResponse(data) as { status?: Record<string, unknown>; payload?: Uint8Array }
  return {
    id,
    type,
    flags,
    ...(status !== undefined && {
      code: Number(status['code'] ?? 0),
      message: (status['message'] as string | undefined) ?? '',
    }),
    ...(payload !== undefined && { payload: Buffer.from(payload) }),
  }
}

/** A peer that speaks frames, and knows no rule. */
export class RawPeer {
  readonly peer: NetPeer
  #bytes: Buffer = Buffer.alloc(0)

  constructor(peer: NetPeer) {
    this.peer = peer
  }

  static async dial(address: NetAddress): Promise<RawPeer> {
    return new RawPeer(await netDial(address))
  }

  send(...frames: Uint8Array[]): void {
    this.peer.socket.write(Buffer.concat(frames))
  }

  /** The next frame; undefined when the peer has closed. */
  async frame(): Promise<RawFrame | undefined> {
    for (;;) {
      const taken = takeFrame(this.#bytes)
      if (taken !== undefined) {
        this.#bytes = taken.rest
        return taken.frame
      }
      await this.peer.until(() => this.peer.chunks.length > 0 || this.peer.ended || this.peer.closed)
      if (this.peer.chunks.length === 0) return undefined
      this.#bytes = Buffer.concat([this.#bytes, ...this.peer.chunks.splice(0)])
    }
  }

  async answer(): Promise<RawAnswer | undefined> {
    const frame = await this.frame()
    return frame && answerOf(frame)
  }

  async answers(count: number): Promise<RawAnswer[]> {
    const answers: RawAnswer[] = []
    for (let i = 0; i < count; i++) {
      const answer = await this.answer()
      if (answer === undefined) throw new Error(`closed after ${i} answers of ${count}: ${JSON.stringify(answers)}`)
      answers.push(answer)
    }
    return answers
  }

  /** What was sent before has been dealt with when this has come back: an answer to a call of Echo with this id. */
  async sync(id: number): Promise<RawAnswer[]> {
    this.send(request(id, 'Echo', { payload: bytesValue(`sync ${id}`) }))
    const others: RawAnswer[] = []
    for (;;) {
      const answer = await this.answer()
      if (answer === undefined) throw new Error(`closed: ${JSON.stringify(others)}`)
      if (answer.id === id && answer.code === undefined) return others
      others.push(answer)
    }
  }

  destroy(): void {
    this.peer.socket.destroy()
  }
}
