/**
 * The push side of framing: a protocol that gets messages. The fastest way to serve: no promise per message.
 *
 * Strategy: all bytes go through one queue, and one loop takes from it whatever is due: a message, raw bytes, or the
 * rest for the protocol that follows. What the handlers called from the loop change (the codec, the mode, a pause)
 * holds from the next round on, so that every switch may be made from inside them.
 */
import { toBytes } from '../bytes/allocate.ts'
import { ByteQueue } from '../bytes/byteQueue.ts'
import { FrameError, InvalidStateError, NotImplementedError } from '../errors.ts'
import { feedDataToBufferedProto, isBuffered, Protocol, type AnyProtocol } from '../protocol.ts'
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
  /** The end has come, and `endReceived` has not been told. */
  #endIsDue = false
  #raw = false
  /** The decoder has failed for good. */
  #failed = false
  /** Something has changed that the loop has to look at. */
  #switched = false
  /** What has come is delivered also on a connection that is gone. */
  #lost = false
  /** Who follows, from `switchProtocol` on. */
  #successor: Partial<Protocol> | undefined
  #handedOver = false
  /** What the successor's `eofReceived` has returned. */
  #successorStaysOpen: boolean | void = undefined

  /** The codec may also come later, from {@link createCodec}. */
  constructor(codec?: Source<Codec<In, Out>>) {
    super()
    if (codec !== undefined) this.#codec = resolveSource(codec)
  }

  /**
   * One message has come, which took `size` bytes, all that frames it included. What it throws is fatal, as in
   * `dataReceived`.
   */
  abstract messageReceived(message: In, size: number): void

  /**
   * The codec has dropped a message, as its options told it to, and goes on with the next: a `recoverable` error. Does
   * nothing by default. What it throws is fatal; to close the connection over it, throw the error.
   */
  messageDiscarded(_error: FrameError): void {}

  /**
   * The bytes cannot be a message, or the stream ends inside one: nothing behind can be understood. Throws the error by
   * default, which is fatal. If it is overridden and returns, the connection stays open: no further message is
   * delivered and what comes is dropped, but an answer can be sent, and {@link endReceived} is told of the end.
   */
  decodeFailed(error: unknown): void {
    throw error
  }

  /**
   * Bytes have come in raw mode; what is behind the last message comes first. To go back, call {@link setMessageMode}
   * with those of them that are not yours. Throws unless it is overridden.
   */
  rawDataReceived(_data: Buffer): void {
    throw new NotImplementedError(`${this.constructor.name} does not implement rawDataReceived()`)
  }

  /** The peer has ended its side, between messages: once. Returns whether to stay open for writing; false by default. */
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

  /**
   * From the next message on, in both directions, another codec is used: it gets what the one before has left. May be
   * called from inside {@link messageReceived}; from elsewhere it delivers what it finds before it returns, and an
   * error in that is as fatal as in `dataReceived`, and is not thrown here.
   */
  setCodec(codec: Source<Codec<In, Out>>): void {
    this.#refuseSwitched('setCodec')
    this.#codec = resolveSource(codec)
    this.#switch()
  }

  /**
   * From now on bytes go to {@link rawDataReceived} as they come, beginning with the rest behind the message that is
   * being received. May be called from anywhere, as {@link setCodec}. (Twisted: `LineReceiver.setRawMode`.)
   */
  setRawMode(): void {
    this.#refuseSwitched('setRawMode')
    this.#raw = true
    this.#switch()
  }

  /**
   * Ends the raw mode: messages are decoded from `extra`, if given, and what comes behind it. May be called from
   * anywhere, as {@link setCodec}. (Twisted: `LineReceiver.setLineMode`.)
   */
  setMessageMode(extra: Uint8Array | string = ''): void {
    this.#refuseSwitched('setMessageMode')
    this.#raw = false
    this.#queue.unshift(toBytes(extra))
    this.#switch()
  }

  /**
   * Hands the connection over to another protocol, which gets `connectionMade`, then every byte that this one has not
   * consumed, then `eofReceived` if the peer has ended already, and from then on everything from the transport. This
   * one gets nothing more, not even `connectionLost`. A pause of this one ends; the bytes that it holds are delivered
   * also if the other one pauses in its `connectionMade`.
   *
   * Called from inside {@link messageReceived}, {@link rawDataReceived} or {@link messageDiscarded} it takes effect
   * when that returns, and not at all if that throws; from elsewhere before it returns, and an error of the other
   * protocol is then as fatal as in `dataReceived`, and is not thrown here. Throws {@link InvalidStateError} the
   * second time.
   */
  switchProtocol(protocol: AnyProtocol): void {
    this.#refuseSwitched('switchProtocol')
    // Throws if there is none.
    void this.transport
    this.#successor = protocol as Partial<Protocol>
    this.#switch()
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
    // First: the messages that are delivered may hand the connection over.
    this.transport.resumeReading()
    if (this.#delivering || !this.#deliverOutside() || this.#paused) return
    if (this.#endIsDue && !this.#deliverEnd()) this.transport.close()
  }

  /** For a `connectionLost` that wants the messages that a pause still holds back: delivers them from inside. */
  protected deliverHeld(): void {
    this.#lost = true
    this.#paused = false
    if (!this.#delivering && !this.#handedOver) this.#deliver()
  }

  override connectionMade(transport: Transport): void {
    this.#transport = transport
  }

  override dataReceived(data: Uint8Array): void {
    if (this.#handedOver) return feed(this.#successor!, data)
    if (this.#failed) return
    this.#queue.push(data)
    if (!this.#paused && !this.#delivering) this.#deliver()
  }

  override eofReceived(): boolean | void {
    if (this.#handedOver) return this.#successor!.eofReceived?.()
    this.#eof = this.#endIsDue = true
    this.#deliver()
    if (this.#successor !== undefined) return this.#successorStaysOpen
    // Paused among the last messages, the end waits for resumeReading().
    return this.#paused || this.#deliverEnd()
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
    return (this.#codec ??= resolveSource(this.createCodec()))
  }

  #refuseSwitched(operation: string): void {
    if (this.#successor !== undefined) throw new InvalidStateError(`${operation}() after switchProtocol()`)
  }

  #switch(): void {
    this.#switched = true
    this.#deliverOutside()
  }

  /**
   * Delivers what a call from outside has set free. Returns whether it is for the caller to go on: not if it came from
   * inside after all, if the connection has failed, or if it is another protocol's.
   */
  #deliverOutside(): boolean {
    if (this.#delivering || this.#transport === undefined) return false
    try {
      this.#deliver()
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error), { cause: error }))
      return false
    }
    if (this.#successor === undefined) return true
    if (this.#eof && !this.#successorStaysOpen) this.transport.close()
    return false
  }

  #deliver(): void {
    const transport = this.transport
    const queue = this.#queue
    this.#delivering = true
    try {
      while (this.#successor === undefined) {
        this.#switched = false
        if (this.#raw) this.#deliverRaw(queue, transport)
        else this.#deliverMessages(queue, transport)
        if (!this.#switched) break
      }
    } finally {
      this.#delivering = false
    }
    if (this.#successor !== undefined) this.#handOver(this.#successor, transport)
  }

  /** Returns whether to stay open for writing. */
  #deliverEnd(): boolean | void {
    this.#endIsDue = false
    const stayOpen = this.endReceived()
    return this.#successor === undefined ? stayOpen : this.#successorStaysOpen
  }

  #deliverRaw(queue: ByteQueue, transport: Transport): void {
    if (queue.length === 0 || this.#paused || transport.isClosing()) return
    this.rawDataReceived(queue.takeAll() as Buffer)
    // Bytes that came meanwhile, or were given back.
    if (queue.length > 0) this.#switched = true
  }

  #deliverMessages(queue: ByteQueue, transport: Transport): void {
    const codec = this.#getCodec()
    while (!this.#paused && !this.#switched && !this.#failed && (!transport.isClosing() || this.#lost)) {
      const before = queue.length
      let message: In | undefined
      try {
        message = decodeFrame(codec, queue, this.#eof, transport)
      } catch (error) {
        this.#discarded(error, transport, queue)
        continue
      }
      if (message === undefined) return
      this.messageReceived(message, before - queue.length)
    }
  }

  #discarded(error: unknown, transport: Transport, queue: ByteQueue): void {
    if (error instanceof FrameError) {
      nameThePeer(error, peerOf(transport), queue)
      if (error.recoverable) return this.messageDiscarded(error)
    }
    this.#failed = true
    queue.clear()
    this.decodeFailed(error)
  }

  #handOver(successor: Partial<Protocol>, transport: Transport): void {
    if (this.#paused) {
      this.#paused = false
      transport.resumeReading()
    }
    this.#handedOver = true
    transport.setProtocol(successor)
    successor.connectionMade?.(transport)
    const rest = this.#queue.takeAll()
    if (rest.length > 0 && !transport.isClosing()) feed(successor, rest)
    if (this.#eof && !transport.isClosing()) this.#successorStaysOpen = successor.eofReceived?.()
  }
}

function feed(protocol: AnyProtocol, data: Uint8Array): void {
  if (isBuffered(protocol)) feedDataToBufferedProto(protocol, data)
  else (protocol as Partial<Protocol>).dataReceived?.(data as Buffer)
}
