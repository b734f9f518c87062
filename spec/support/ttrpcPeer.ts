/** What the specs of the extension and of channels add to bare ttrpc: its frames, and a server that is played by hand. */
import { netDefer, netDial, netListen, type NetPeer } from './netTools.ts'
import { decodeRequest, decodeResponse, encodeResponse, frame, RESPONSE, takeFrame, type RawFrame } from './ttrpcRaw.ts'

export {
  DATA,
  encodeRequest,
  NO_DATA,
  REMOTE_CLOSED,
  REMOTE_OPEN,
  REQUEST,
  RESPONSE,
  type RawFrame,
} from './ttrpcRaw.ts'

export const HELLO = 0x10
export const PING = 0x11
export const CANCEL = 0x12
export const WINDOW = 0x13
export const GOAWAY = 0x14
export const METADATA = 0x15

/** What our clients offer, and our servers answer, by default. */
export const OUR_OFFER = '1;cancel,window,ping,goaway,trailers,large;window=262144;max=4194304'

export interface ResponseFields {
  status?: { code: number; message?: string }
  payload?: Uint8Array
}

export const rawFrame = (id: number, type: number, flags = 0, data: Uint8Array | string = ''): Buffer =>
  frame(id, type, flags, Buffer.from(data))

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

export const requestOf = (frame: RawFrame): { payload: Uint8Array; timeout_nano?: number; method: string } =>
  decodeRequest(frame.data) as { payload: Uint8Array; method: string }
export const responseOf = (frame: RawFrame): ResponseFields => decodeResponse(frame.data)

/** The end of a connection that a spec plays, by frames. */
export class FramePeer {
  readonly net: NetPeer
  readonly #frames: RawFrame[] = []
  /** Those that were given out by {@link next}. */
  #taken = 0
  #rest: Buffer = Buffer.alloc(0)

  constructor(peer: NetPeer) {
    this.net = peer
    // Small frames leave at once, also those behind others.
    peer.socket.setNoDelay(true)
  }

  /** All that have come so far. */
  get frames(): readonly RawFrame[] {
    this.#parse()
    return this.#frames
  }

  send(...frames: Uint8Array[]): void {
    this.net.socket.write(Buffer.concat(frames))
  }

  respond(id: number, fields: ResponseFields): void {
    this.send(rawFrame(id, RESPONSE, 0, encodeResponse(fields)))
  }

  /** Resolves with the next frame; rejects if the connection ends before. */
  async next(): Promise<RawFrame> {
    await this.net.until(() => this.#parse() > this.#taken || this.#ended)
    const next = this.#frames[this.#taken]
    if (next === undefined) throw new Error('the connection has ended')
    this.#taken++
    return next
  }

  /** The next frame of that type; others before it are passed over. */
  async nextOf(type: number): Promise<RawFrame> {
    for (;;) {
      const next = await this.next()
      if (next.type === type) return next
    }
  }

  async untilEnded(): Promise<void> {
    await this.net.until(() => this.#ended)
  }

  get #ended(): boolean {
    return this.net.ended || this.net.closed
  }

  #parse(): number {
    const { chunks } = this.net
    if (chunks.length === 0) return this.#frames.length
    let bytes: Buffer = Buffer.concat([this.#rest, ...chunks.splice(0)])
    for (let taken = takeFrame(bytes); taken !== undefined; taken = takeFrame(bytes)) {
      this.#frames.push(taken.frame)
      bytes = taken.rest
    }
    this.#rest = bytes
    return this.#frames.length
  }
}

export interface RawServer {
  readonly port: number
  /** The next client that connects. */
  accepted(): Promise<FramePeer>
  /** Closes the port; those that are connected stay. */
  close(): void
}

/** A server on a port of its own. */
export async function rawServer(): Promise<RawServer> {
  const { address, accepted, listener } = await netListen()
  return {
    port: (address as { port: number }).port,
    accepted: async () => new FramePeer(await accepted()),
    close: () => void listener.close(),
  }
}

/** A client of a server on this machine. It reads unless it is told not to. */
export async function rawClient(port: number, options: { reading?: boolean } = {}): Promise<FramePeer> {
  const peer = new FramePeer(await netDial({ port }, options))
  netDefer(() => peer.net.socket.destroy())
  return peer
}
