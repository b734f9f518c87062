/** Messages over a stream of bytes and a codec. */
import type { FrameError } from '../errors.ts'
import type { Codec, Source } from '../framing/codec.ts'
import { FramedProtocol } from '../framing/framedProtocol.ts'
import type { Transport } from '../transport.ts'
import { LayeredMessages } from './layeredMessages.ts'
import type { MessageProtocol } from './messageProtocol.ts'

/**
 * The protocol of the stream transport: brings its messages to a message protocol. Those that the codec discards are
 * events; what cannot be decoded is `receivingFailed`.
 */
export class FramedMessages<In, Out = In> extends FramedProtocol<In, Out> {
  readonly #first: Partial<MessageProtocol<In, Out>>
  #messages: FramedMessageTransport<In, Out> | undefined

  constructor(codec: Source<Codec<In, Out>>, protocol: Partial<MessageProtocol<In, Out>>) {
    super(codec)
    this.#first = protocol
  }

  get #protocol(): Partial<MessageProtocol<In, Out>> {
    return this.#messages?.getProtocol() ?? this.#first
  }

  override connectionMade(transport: Transport): void {
    super.connectionMade(transport)
    this.#messages = new FramedMessageTransport(transport, this.#first, this)
    this.#first.connectionMade?.(this.#messages)
  }

  override messageReceived(message: In, size: number): void {
    this.#protocol.messageReceived?.(message, size)
  }

  override messageDiscarded(error: FrameError): void {
    this.#protocol.eventReceived?.(error)
  }

  override decodeFailed(error: unknown): void {
    if (this.#protocol.receivingFailed === undefined) throw error
    this.#protocol.receivingFailed(error)
  }

  override endReceived(): boolean | void {
    return this.#protocol.eofReceived?.()
  }

  override pauseWriting(): void {
    this.#protocol.pauseWriting?.()
  }

  override resumeWriting(): void {
    this.#protocol.resumeWriting?.()
  }

  override connectionLost(error: Error | null): void {
    try {
      // It is no close of ours: what came before can still be read.
      if (error !== null) this.deliverHeld()
    } finally {
      this.#protocol.connectionLost?.(error)
    }
  }
}

/** What the message protocol is given. */
export class FramedMessageTransport<In, Out> extends LayeredMessages<In, Out, Transport> {
  readonly #frames: FramedMessages<In, Out>

  constructor(below: Transport, protocol: Partial<MessageProtocol<In, Out>>, frames: FramedMessages<In, Out>) {
    super(below, protocol)
    this.#frames = frames
  }

  override send(message: Out): void {
    this.#frames.sendMessage(message)
  }

  override pauseReading(): void {
    this.#frames.pauseReading()
  }

  override resumeReading(): void {
    this.#frames.resumeReading()
  }
}
