/** The transport over a `dgram.Socket`. */
import type { Socket } from 'node:dgram'
import { toBytes } from '../bytes/allocate.ts'
import { ConnectionLostError } from '../errors.ts'
import type { DatagramProtocol } from '../protocol.ts'
import {
  DatagramTransport,
  formatAddress,
  type BufferLimits,
  type DatagramAddress,
  type ExtraInfo,
} from '../transport.ts'
import { FlowControlMixin } from './flowControlMixin.ts'
import { writeAfterClose } from './writeAfterClose.ts'

/** What a datagram counts for in the write buffer, besides its bytes. */
const HEADER = 8

/** Made by `createDatagramEndpoint`. */
export class UdpTransport extends DatagramTransport {
  readonly #socket: Socket
  readonly #peer: DatagramAddress | undefined
  readonly #report: (error: unknown) => void
  readonly #flow: FlowControlMixin
  #protocol: Partial<DatagramProtocol>
  /** Datagrams that Node was given and has not called back about. */
  #underway = 0
  #sockname: DatagramAddress | undefined
  #closing = false
  /** The socket is closed; it is not to be asked for anything any more. */
  #down = false
  #lost = false
  #error: Error | null = null
  #sendsAfterClose = 0

  /** Takes over a bound socket; `peer` is where it is connected to, if it is. */
  constructor(
    socket: Socket,
    protocol: Partial<DatagramProtocol>,
    peer: DatagramAddress | undefined,
    report: (error: unknown) => void,
  ) {
    super()
    this.#socket = socket
    this.#protocol = protocol
    this.#peer = peer
    this.#report = report
    this.#flow = new FlowControlMixin(this, report)
    const { address, port } = socket.address()
    this.#sockname = [address, port]
  }

  /** Calls `connectionMade`; datagrams are delivered from the next turn on. */
  start(): void {
    this.#socket.on('error', (error) => this.#tellError(error))
    this.#socket.on('close', () => this.#finish())
    this.#guarded(() => this.#protocol.connectionMade?.(this))
    this.#socket.on('message', (data, { address, port }) => {
      if (this.#closing || this.#isStranger(address, port)) return
      try {
        this.#protocol.datagramReceived?.(data, [address, port])
      } catch (error) {
        this.#fail(error)
      }
    })
  }

  override getExtraInfo<K extends keyof ExtraInfo>(name: K): ExtraInfo[K] | null
  override getExtraInfo<K extends keyof ExtraInfo, D>(name: K, defaultValue: D): ExtraInfo[K] | D
  override getExtraInfo(name: string, defaultValue?: unknown): unknown
  override getExtraInfo(name: string, defaultValue: unknown = null): unknown {
    if (name === 'sockname') return this.#sockname
    if (name === 'peername') return this.#peer ?? defaultValue
    return name === 'socket' ? this.#socket : defaultValue
  }

  override setProtocol(protocol: Partial<DatagramProtocol>): void {
    this.#protocol = protocol
  }

  override getProtocol(): Partial<DatagramProtocol> {
    return this.#protocol
  }

  override isClosing(): boolean {
    return this.#closing
  }

  override sendto(data: Uint8Array | string, address?: DatagramAddress): void {
    const bytes = toBytes(data)
    const peer = this.#peer
    if (peer === undefined && address === undefined) {
      throw new TypeError('sendto() needs an address: the endpoint is not connected')
    }
    if (peer !== undefined && address !== undefined && (peer[0] !== address[0] || peer[1] !== address[1])) {
      throw new TypeError(`sendto() ${formatAddress(address)} on an endpoint connected to ${formatAddress(peer)}`)
    }
    if (this.#closing) return writeAfterClose(this, ++this.#sendsAfterClose)
    const sent = (error: Error | null): void => {
      this.#underway--
      if (error !== null && !this.#closing) this.#tellError(error)
      if (this.#down) return
      this.#flow.maybeResumeProtocol()
      if (this.#closing && this.#underway === 0) this.#shut()
    }
    if (peer === undefined) this.#socket.send(bytes, address![1], address![0], sent)
    else this.#socket.send(bytes, sent)
    // Only now: it may have thrown, for a port that is none.
    this.#underway++
    this.#flow.maybePauseProtocol()
  }

  override setWriteBufferLimits(limits?: BufferLimits): void {
    this.#flow.setWriteBufferLimits(limits)
  }

  override getWriteBufferLimits(): [low: number, high: number] {
    return this.#flow.getWriteBufferLimits()
  }

  override getWriteBufferSize(): number {
    if (this.#down) return 0
    return this.#socket.getSendQueueSize() + HEADER * this.#socket.getSendQueueCount()
  }

  /** What is not sent is still sent; `connectionLost(null)` follows. Nothing is received from now on. */
  override close(): void {
    if (this.#closing) return
    this.#closing = true
    if (this.#underway === 0) this.#shut()
  }

  override abort(): void {
    if (this.#down) return
    this.#closing = true
    this.#shut()
  }

  #shut(): void {
    this.#down = true
    this.#socket.close()
  }

  /** What came between binding and connecting is still delivered by the system, whoever has sent it. */
  #isStranger(host: string, port: number): boolean {
    const peer = this.#peer
    return peer !== undefined && (port !== peer[1] || host !== peer[0])
  }

  #tellError(error: Error): void {
    try {
      this.#protocol.errorReceived?.(error)
    } catch (thrown) {
      this.#fail(thrown)
    }
  }

  /** The protocol has thrown: it cannot go on. */
  #fail(error: unknown): void {
    this.#report(error)
    this.#error ??= error instanceof Error ? error : new ConnectionLostError(String(error), undefined, { cause: error })
    this.abort()
  }

  #finish(): void {
    if (this.#lost) return
    this.#lost = this.#down = this.#closing = true
    this.#guarded(() => this.#protocol.connectionLost?.(this.#error))
  }

  #guarded(callback: () => void): void {
    try {
      callback()
    } catch (error) {
      this.#report(error)
    }
  }
}
