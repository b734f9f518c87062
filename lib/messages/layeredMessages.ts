import type { AbortOptions, BaseTransport, BufferLimits, Transport } from '../transport.ts'
import type { MessageProtocol } from './messageProtocol.ts'
import { MessageTransport } from './messageTransport.ts'

/** What a transport of another kind has in common with one of messages. */
export type Below = Pick<
  BaseTransport<never>,
  'id' | 'bytesRead' | 'bytesWritten' | 'getExtraInfo' | 'isClosing' | 'close'
> &
  Pick<Transport, 'abort' | 'setWriteBufferLimits' | 'getWriteBufferLimits' | 'getWriteBufferSize'>

/** A message transport that lies on another transport: all but the messages is the other one's. */
export abstract class LayeredMessages<In, Out, T extends Below> extends MessageTransport<In, Out> {
  /** The connection that the messages go over. */
  readonly below: T
  #protocol: Partial<MessageProtocol<In, Out>>

  constructor(below: T, protocol: Partial<MessageProtocol<In, Out>>) {
    super()
    this.below = below
    this.#protocol = protocol
  }

  override get id(): number {
    return this.below.id
  }

  override get bytesRead(): number {
    return this.below.bytesRead
  }

  override get bytesWritten(): number {
    return this.below.bytesWritten
  }

  override getExtraInfo(name: string, defaultValue?: unknown): never {
    return this.below.getExtraInfo(name, defaultValue) as never
  }

  override setProtocol(protocol: Partial<MessageProtocol<In, Out>>): void {
    this.#protocol = protocol
  }

  override getProtocol(): Partial<MessageProtocol<In, Out>> {
    return this.#protocol
  }

  override isClosing(): boolean {
    return this.below.isClosing()
  }

  override close(): void {
    this.below.close()
  }

  override abort(options?: AbortOptions): void {
    this.below.abort(options)
  }

  override setWriteBufferLimits(limits?: BufferLimits): void {
    this.below.setWriteBufferLimits(limits)
  }

  override getWriteBufferLimits(): [low: number, high: number] {
    return this.below.getWriteBufferLimits()
  }

  override getWriteBufferSize(): number {
    return this.below.getWriteBufferSize()
  }
}
