/** Messages that are datagrams. */
import { DatagramProtocol } from '../protocol.ts'
import type { DatagramAddress, DatagramTransport } from '../transport.ts'
import { LayeredMessages } from './layeredMessages.ts'
import type { MessageProtocol } from './messageProtocol.ts'

/** A datagram of an endpoint that is not connected: from there, or to there. */
export interface Datagram<Data = Uint8Array | string> {
  data: Data
  address: DatagramAddress
}

/** How a datagram as it is received becomes a message, and how one is sent. */
export interface DatagramShape<In, Out> {
  received(data: Buffer, address: DatagramAddress): In
  send(transport: DatagramTransport, message: Out): void
}

/** Of a connected endpoint: the bytes. */
export const dataOnly: DatagramShape<Buffer, Uint8Array | string> = {
  received: (data) => data,
  send: (transport, data) => transport.sendto(data),
}

/** Of any endpoint: the bytes and the address. */
export const addressed: DatagramShape<Datagram<Buffer>, Datagram> = {
  received: (data, address) => ({ data, address }),
  send: (transport, { data, address }) => transport.sendto(data, address),
}

/** What a datagram counts for besides its bytes, as in the write buffer: empty ones count, too. */
const HEADER = 8

/** The protocol of the datagram transport: brings its datagrams to a message protocol, and its errors as events. */
export class DatagramMessages<In, Out> extends DatagramProtocol {
  readonly #shape: DatagramShape<In, Out>
  readonly #first: Partial<MessageProtocol<In, Out>>
  #messages: DatagramMessageTransport<In, Out> | undefined

  constructor(shape: DatagramShape<In, Out>, protocol: Partial<MessageProtocol<In, Out>>) {
    super()
    this.#shape = shape
    this.#first = protocol
  }

  get #protocol(): Partial<MessageProtocol<In, Out>> {
    return this.#messages?.getProtocol() ?? this.#first
  }

  override connectionMade(transport: DatagramTransport): void {
    this.#messages = new DatagramMessageTransport(transport, this.#first, this.#shape)
    this.#first.connectionMade?.(this.#messages)
  }

  override datagramReceived(data: Buffer, address: DatagramAddress): void {
    if (!this.#messages!.takes()) return
    this.#protocol.messageReceived?.(this.#shape.received(data, address), data.length + HEADER)
  }

  override errorReceived(error: Error): void {
    this.#protocol.eventReceived?.(error)
  }

  override pauseWriting(): void {
    this.#protocol.pauseWriting?.()
  }

  override resumeWriting(): void {
    this.#protocol.resumeWriting?.()
  }

  override connectionLost(error: Error | null): void {
    this.#protocol.connectionLost?.(error)
  }
}

/** What the message protocol is given. Paused, it drops what comes, and counts it: nobody can hold a sender back. */
export class DatagramMessageTransport<In, Out> extends LayeredMessages<In, Out, DatagramTransport> {
  readonly #shape: DatagramShape<In, Out>
  #paused = false
  #dropped = 0

  constructor(below: DatagramTransport, protocol: Partial<MessageProtocol<In, Out>>, shape: DatagramShape<In, Out>) {
    super(below, protocol)
    this.#shape = shape
  }

  /** Whether a datagram that has come is passed on. */
  takes(): boolean {
    if (this.#paused) this.#dropped++
    return !this.#paused
  }

  override get dropped(): number {
    return this.#dropped
  }

  override send(message: Out): void {
    this.#shape.send(this.below, message)
  }

  override pauseReading(): void {
    this.#paused = true
  }

  override resumeReading(): void {
    this.#paused = false
  }
}
