/** Two message transports connected in one process. */
import { ConnectionLostError } from '../errors.ts'
import { formatAddress, type AbortOptions, type BufferLimits } from '../transport.ts'
import { FlowControlMixin } from '../transports/flowControlMixin.ts'
import { writeAfterClose } from '../transports/writeAfterClose.ts'
import type { MessageProtocol } from './messageProtocol.ts'
import { MessageQueue } from './messageQueue.ts'
import { MessageTransport } from './messageTransport.ts'

let ends = 0

/** What messages count for. */
export type SizeOf<M> = (message: M) => number

/** One end; messages are handed over as they are, not copied, in the next turn of the event loop. */
export class MemoryMessageTransport<In, Out> extends MessageTransport<In, Out> {
  readonly #name: [string, number] = ['memory', ++ends]
  readonly #sizeOf: SizeOf<Out>
  readonly #report: (error: unknown) => void
  readonly #flow: FlowControlMixin
  readonly #unsent = new MessageQueue<Out>()
  #protocol: Partial<MessageProtocol<In, Out>>
  #other!: MemoryMessageTransport<Out, In>
  #started = false
  #paused = false
  #deliveryRequested = false
  #endDelivered = false
  #closing = false
  #lossRequested = false
  #gone = false
  #sendsAfterClose = 0

  /** Two ends that have not begun: call {@link start} on both. `report` is told of what a protocol throws. */
  static pair<A, B>(
    protocols: [Partial<MessageProtocol<A, B>>, Partial<MessageProtocol<B, A>>],
    sizeOf: SizeOf<A | B>,
    report: (error: unknown) => void,
  ): [MemoryMessageTransport<A, B>, MemoryMessageTransport<B, A>] {
    const a = new MemoryMessageTransport<A, B>(protocols[0], sizeOf, report)
    const b = new MemoryMessageTransport<B, A>(protocols[1], sizeOf, report)
    a.#other = b
    b.#other = a
    return [a, b]
  }

  private constructor(
    protocol: Partial<MessageProtocol<In, Out>>,
    sizeOf: SizeOf<Out>,
    report: (error: unknown) => void,
  ) {
    super()
    this.#protocol = protocol
    this.#sizeOf = sizeOf
    this.#report = report
    this.#flow = new FlowControlMixin(this, report)
  }

  /** Calls `connectionMade`; messages are delivered from the next turn on. */
  start(): void {
    this.#guarded(() => this.#protocol.connectionMade?.(this))
    this.#started = true
    this.#requestDelivery()
  }

  override getExtraInfo(name: string, defaultValue: unknown = null): never {
    const known = name === 'sockname' ? this.#name : name === 'peername' ? this.#other.#name : undefined
    return (known ?? defaultValue) as never
  }

  override setProtocol(protocol: Partial<MessageProtocol<In, Out>>): void {
    this.#protocol = protocol
  }

  override getProtocol(): Partial<MessageProtocol<In, Out>> {
    return this.#protocol
  }

  override isClosing(): boolean {
    return this.#closing
  }

  override send(message: Out): void {
    if (message === undefined) throw new TypeError('a message may be anything but undefined')
    if (this.#closing) return writeAfterClose(this, ++this.#sendsAfterClose)
    this.#unsent.push(message, this.#sizeOf(message))
    if (this.#other.#gone) return this.#lose(this.#broken())
    this.#other.#requestDelivery()
    this.#flow.maybePauseProtocol()
  }

  override pauseReading(): void {
    this.#paused = true
  }

  override resumeReading(): void {
    this.#paused = false
    this.#requestDelivery()
  }

  override setWriteBufferLimits(limits?: BufferLimits): void {
    this.#flow.setWriteBufferLimits(limits)
  }

  override getWriteBufferLimits(): [low: number, high: number] {
    return this.#flow.getWriteBufferLimits()
  }

  /** What the other end has not read. */
  override getWriteBufferSize(): number {
    return this.#unsent.size
  }

  override close(): void {
    if (this.#closing) return
    this.#closing = true
    if (this.#unsent.length === 0) this.#requestLoss(null)
  }

  /** With `reset` the other end loses the connection at once. */
  override abort({ reset = false }: AbortOptions = {}): void {
    this.#lose(null)
    if (reset && !this.#gone) this.#other.#lose(this.#other.#lostTo('reset by the peer'))
  }

  #requestDelivery(): void {
    if (this.#deliveryRequested || !this.#started) return
    this.#deliveryRequested = true
    setImmediate(() => {
      this.#deliveryRequested = false
      try {
        this.#deliver()
      } catch (error) {
        this.#report(error)
        this.#lose(error instanceof Error ? error : new Error(String(error), { cause: error }))
      }
    })
  }

  #deliver(): void {
    const other = this.#other
    const incoming = other.#unsent
    while (incoming.length > 0 && !this.#paused && !this.#closing) {
      const [message, size] = incoming.shift()
      this.#protocol.messageReceived?.(message, size)
    }
    other.#flow.maybeResumeProtocol()
    if (incoming.length > 0 || !other.#closing) return
    other.#requestLoss(null)
    if (this.#endDelivered || this.#paused || this.#closing) return
    this.#endDelivered = true
    if (!this.#protocol.eofReceived?.()) this.close()
  }

  #lostTo(what: string): ConnectionLostError {
    const peer = formatAddress(this.#other.#name)
    return new ConnectionLostError(`connection with ${peer} lost: ${what}`, peer)
  }

  #broken(): ConnectionLostError {
    return this.#lostTo(`it is closed (${this.#unsent.length} messages unsent)`)
  }

  /** Ends this end now. */
  #lose(error: Error | null): void {
    if (this.#lossRequested) return
    this.#closing = true
    this.#unsent.clear()
    this.#requestLoss(error)
  }

  #requestLoss(error: Error | null): void {
    if (this.#lossRequested) return
    this.#lossRequested = true
    setImmediate(() => {
      const other = this.#other
      this.#gone = true
      // What the other end has sent will not be read any more.
      if (other.#unsent.length > 0) other.#lose(other.#broken())
      else other.#requestDelivery()
      this.#guarded(() => this.#protocol.connectionLost?.(error))
    })
  }

  #guarded(callback: () => void): void {
    try {
      callback()
    } catch (error) {
      this.#report(error)
    }
  }
}
