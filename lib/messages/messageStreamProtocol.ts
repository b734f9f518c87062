import { followHandler, handlerFailed, type ServingOptions } from '../streams/serveClient.ts'
import { MessageProtocol } from './messageProtocol.ts'
import type { MessageStream, MessageStreamOptions } from './messageStream.ts'
import type { MessageTransport } from './messageTransport.ts'

/** Any message stream, whatever it carries. */
export type AnyMessageStream = MessageStream<any, any, any> // oxlint-disable-line typescript/no-explicit-any

/** How the stream is made: a class like `MessageStream`, or a function with the same argument. */
export type MessageStreamFactory<S extends AnyMessageStream> =
  (new (options: MessageStreamOptions) => S) | ((options: MessageStreamOptions) => S)

/** The class to plug in. What comes back has its type. */
export interface MessageStreamClass<S extends AnyMessageStream> extends MessageStreamOptions {
  stream?: MessageStreamFactory<S> | undefined
}

/**
 * Feeds a stream from a message transport: for transports of your own, `new MessageStreamProtocol(new MessageStream())`
 * is the protocol to call. With `connected` the stream is passed to it on connection: the way of a server.
 */
export class MessageStreamProtocol<
  In,
  Out = In,
  S extends MessageStream<In, Out> = MessageStream<In, Out>,
> extends MessageProtocol<In, Out> {
  readonly stream: S
  readonly #connected: ((stream: S) => unknown) | undefined
  readonly #serving: ServingOptions<MessageTransport<In, Out>>

  constructor(stream: S, connected?: (stream: S) => unknown, serving: ServingOptions<MessageTransport<In, Out>> = {}) {
    super()
    this.stream = stream
    this.#connected = connected
    this.#serving = serving
  }

  override connectionMade(transport: MessageTransport<In, Out>): void {
    this.stream.setTransport(transport)
    const connected = this.#connected
    if (connected === undefined) return
    try {
      followHandler(connected(this.stream), this.stream, this.#serving)
    } catch (error) {
      handlerFailed(error, transport, this.#serving)
    }
  }

  override messageReceived(message: In, size: number): void {
    this.stream.feedMessage(message, size)
  }

  override eventReceived(event: unknown): void {
    this.stream.feedEvent(event)
  }

  override receivingFailed(error: unknown): void {
    this.stream.refuseReads(error)
  }

  /** Keeps the transport open for writing. */
  override eofReceived(): boolean {
    this.stream.feedEof()
    return true
  }

  override pauseWriting(): void {
    this.stream.setWritingPaused(true)
  }

  override resumeWriting(): void {
    this.stream.setWritingPaused(false)
  }

  override connectionLost(error: Error | null): void {
    this.stream.connectionLost(error)
  }
}
