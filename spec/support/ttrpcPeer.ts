/** The other end of a ttrpc connection, by hand: it sends whatever frames it is told to, and knows nothing of lib/rpc. */
import protobufjs from 'protobufjs'
import { netDial, netListen, netDefer, type NetPeer } from './netTools.ts'

export const REQUEST = 1
export const RESPONSE = 2
export const DATA = 3
export const HELLO = 0x10
export const PING = 0x11
export const CANCEL = 0x12
export const WINDOW = 0x13
export const GOAWAY = 0x14
export const METADATA = 0x15

/** Flags. */
export const CLOSED = 1
export const OPEN = 2
export const NO_DATA = 4

const { root } = protobufjs.parse(
  `syntax = "proto3";
   message KeyValue { string key = 1; string value = 2; }
   message Any { string type_url = 1; bytes value = 2; }
   message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
   message Request {
     string service = 1; string method = 2; bytes payload = 3; int64 timeout_nano = 4; repeated KeyValue metadata = 5;
   }
   message Response {
     Status status = 1; bytes payload = 2; repeated KeyValue header = 101; repeated KeyValue trailer = 102;
   }`,
)
const Request = root.lookupType('Request')
const Response = root.lookupType('Response')

export interface RequestFields {
  service?: string
  method?: string
  payload?: Uint8Array
  timeoutNano?: number
  metadata?: { key: string; value: string }[]
}

export interface ResponseFields {
  status?: { code: number; message?: string }
  payload?: Uint8Array
}

export interface RawFrame {
  id: number
  type: number
  flags: number
  data: Buffer
}

export function rawFrame(id: number, type: number, flags = 0, data: Uint8Array | string = ''): Buffer {
  const bytes = Buffer.from(data)
  const header = Buffer.alloc(10)
  header.writeUInt32BE(bytes.length, 0)
  header.writeUInt32BE(id, 4)
  header[8] = type
  header[9] = flags
  return Buffer.concat([header, bytes])
}

export const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

export const requestBytes = (fields: RequestFields): Uint8Array => Request.encode(Request.create(fields)).finish()
export const responseBytes = (fields: ResponseFields): Uint8Array => Response.encode(Response.create(fields)).finish()
export const requestOf = (frame: RawFrame): RequestFields => Request.toObject(Request.decode(frame.data))
export const responseOf = (frame: RawFrame): ResponseFields => Response.toObject(Response.decode(frame.data))

/** The end of a ttrpc connection that a spec plays. */
export class RawPeer {
  readonly net: NetPeer
  readonly frames: RawFrame[] = []
  /** Frames taken by {@link next}. */
  #taken = 0
  #parsed = 0

  constructor(peer: NetPeer) {
    this.net = peer
    peer.read()
  }

  send(...frames: Uint8Array[]): void {
    this.net.socket.write(Buffer.concat(frames))
  }

  /** Resolves with the next frame; rejects if the connection ends before. */
  async next(): Promise<RawFrame> {
    await this.net.until(() => this.#parse() > this.#taken || this.net.ended || this.net.closed)
    const frame = this.frames[this.#taken]
    if (frame === undefined) throw new Error('the connection has ended')
    this.#taken++
    return frame
  }

  /** The next frame of that type; others before it are passed over. */
  async nextOf(type: number): Promise<RawFrame> {
    for (;;) {
      const frame = await this.next()
      if (frame.type === type) return frame
    }
  }

  async untilEnded(): Promise<void> {
    await this.net.until(() => this.net.ended || this.net.closed)
    this.#parse()
  }

  respond(id: number, fields: ResponseFields): void {
    this.send(rawFrame(id, RESPONSE, 0, responseBytes(fields)))
  }

  #parse(): number {
    const { chunks } = this.net
    let bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
    if (this.#parsed > 0 && chunks.length === 1 && bytes.length === this.#parsed) return this.frames.length
    let at = 0
    while (bytes.length - at >= 10 && bytes.length - at >= 10 + bytes.readUInt32BE(at)) {
      const end = at + 10 + bytes.readUInt32BE(at)
      const data = bytes.subarray(at + 10, end)
      this.frames.push({ id: bytes.readUInt32BE(at + 4), type: bytes[at + 8]!, flags: bytes[at + 9]!, data })
      at = end
    }
    bytes = bytes.subarray(at)
    chunks.splice(0, chunks.length, ...(bytes.length > 0 ? [bytes] : []))
    this.#parsed = bytes.length
    return this.frames.length
  }
}

export interface RawServer {
  readonly port: number
  /** The next client that connects. */
  accepted(): Promise<RawPeer>
  /** Closes the port; those that are connected stay. */
  close(): void
}

/** A server on a port of its own. */
export async function rawServer(): Promise<RawServer> {
  const { address, accepted, listener } = await netListen()
  return {
    port: (address as { port: number }).port,
    accepted: async () => new RawPeer(await accepted()),
    close: () => void listener.close(),
  }
}

/** A client of a server on this machine. */
export async function rawClient(port: number): Promise<RawPeer> {
  const peer = new RawPeer(await netDial({ port }))
  netDefer(() => peer.net.socket.destroy())
  return peer
}

export const OUR_OFFER = '1;cancel,window,ping,goaway,trailers,large;window=262144;max=4194304'
