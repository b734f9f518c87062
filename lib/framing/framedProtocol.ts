/** The push side of framing: a protocol that gets messages. The fastest way to serve: no promise per message. */
import { ByteQueue } from '../bytes/byteQueue.ts'
import { FrameError } from '../errors.ts'
import { Protocol } from '../protocol.ts'
import { peerOf, type Transport } from '../transport.ts'
import { resolveSource, type Codec, type Source } from './codec.ts'
import { decodeFrame, writeFrame } from './connectionFrames.ts'
import { nameThePeer } from './framedReader.ts'

/**
 * A protocol whose peer speaks in messages. Subclass it and override {@link messageReceived}.
 *
 * Messages are delivered in order, each once, none after `transport.close()`. When the bytes cannot be a message, or
 * the stream ends inside one, the messages before have been delivered; the error is reported, the connection is
 * closed by force, and `connectionLost` gets the error.
 */
export abstract class FramedProtocol<In, Out = In> extends Protocol {
  readonly #queue = new ByteQueue()
  #codec: Codec<In, Out> | undefined
  #transport: Transport | undefined
  #paused = false
  #delivering = false
  #eof = false

  /** The codec may also come later, from {@link createCodec}. */
  constructor(codec?: Source<Codec<In, Out>>) {
    super()
    if (codec !== undefined) this.#codec = resolveSource(codec)
  }

  /** One message has come. What it throws is fatal, as in `dataReceived`. */
  abstract messageReceived(message: In): void

  /**
   * The codec has dropped a message, as its options told it to, and goes on with the next: a `recoverable` error. Does
   * nothing by default. What it throws is fatal; to close the connection over it, throw the error.
   */
  messageDiscarded(_error: FrameError): void {}

  /** The peer has ended its side, between messages. Returns whether to stay open for writing; false by default. */
  endReceived(): boolean | void {}

  /** Makes the codec of a subclass that gives none to the constructor; called once. */
  protected createCodec(): Codec<In, Out> {
    throw new TypeError(`${this.constructor.name} has no codec: pass one to super(), or override createCodec()`)
  }

  /** The connection. Throws a TypeError before `connectionMade`. */
  protected get transport(): Transport {
    if (this.#transport === undefined) throw new TypeError('there is no transport before connectionMade()')
    return this.#transport
  }

  /** Writes one message; never waits. If the encoder throws, nothing is written. */
  sendMessage(message: Out): void {
    writeFrame(this.transport, this.#getCodec(), message)
  }

  /** Stops the delivery of messages, also of those that have come already. (Twisted: `pauseProducing`.) */
  pauseReading(): void {
    this.#paused = true
    this.transport.pauseReading()
  }

  /**
   * Goes on where {@link pauseReading} stopped: what has come is delivered from inside this call. An error in it is as
   * fatal as in `dataReceived`, and is not thrown here.
   */
  resumeReading(): void {
    if (!this.#paused) return
    this.#paused = false
    if (this.#delivering) return this.transport.resumeReading()
    try {
      this.#deliver()
    } catch (error) {
      return this.#fail(error instanceof Error ? error : new Error(String(error), { cause: error }))
    }
    if (this.#paused) return
    if (this.#eof && !this.endReceived()) this.transport.close()
    else this.transport.resumeReading()
  }

  override connectionMade(transport: Transport): void {
    this.#transport = transport
  }

  override dataReceived(data: Uint8Array): void {
    this.#queue.push(data)
    if (!this.#paused && !this.#delivering) this.#deliver()
  }

  override eofReceived(): boolean | void {
    this.#eof = true
    this.#deliver()
    // Paused among the last messages, the end waits for resumeReading().
    return this.#paused || this.endReceived()
  }

  /**
   * An error outside of the transport's own calls. It is brought to the transport in the one callback that still comes,
   * so that it is reported there, and is what the protocol is told of.
   */
  #fail(error: Error): void {
    const transport = this.transport
    const protocol = transport.getProtocol()
    transport.setProtocol({
      connectionLost() {
        protocol.connectionLost?.(error)
        throw error
      },
    })
    transport.abort()
  }

  #getCodec(): Codec<In, Out> {
    return (this.#codec ??= this.createCodec())
  }

  /** The next message that is whole and good. */
  #next(codec: Codec<In, Out>, queue: ByteQueue, transport: Transport): In | undefined {
    for (;;) {
      try {
        return decodeFrame(codec, queue, this.#eof, transport)
      } catch (error) {
        if (!(error instanceof FrameError)) throw error
        nameThePeer(error, peerOf(transport))
        if (!error.recoverable) throw error
        this.messageDiscarded(error)
        if (this.#paused || transport.isClosing()) return undefined
      }
    }
  }

  #deliver(): void {
    const codec = this.#getCodec()
    const transport = this.transport
    const queue = this.#queue
    this.#delivering = true
    try {
      while (!this.#paused && !transport.isClosing()) {
        const message = this.#next(codec, queue, transport)
        if (message === undefined) return
        this.messageReceived(message)
      }
    } finally {
      this.#delivering = false
    }
  }
}
