/**
 * A connected pair in one process, for tests.
 *
 * Strategy: each direction is a pipe of limited capacity, which plays the kernel. What a writer has and the pipe does
 * not take stays in the writer's buffer and counts there; a reader that pauses leaves its pipe full. So back-pressure,
 * half-close and loss behave as on a socket, only the same way every time.
 */
import { toBytes } from '../bytes/allocate.ts'
import { ByteQueue } from '../bytes/byteQueue.ts'
import { ConnectionLostError, InvalidStateError } from '../errors.ts'
import { feedDataToBufferedProto, isBuffered, type AnyProtocol, type Protocol } from '../protocol.ts'
import { formatAddress, Transport, type AbortOptions, type BufferLimits } from '../transport.ts'
import { rejected, type WaitOptions } from '../wait.ts'
import { FlowControlMixin, flushLost } from './flowControlMixin.ts'
import type { TransportOwner } from './transportOwner.ts'

export interface MemoryPairOptions {
  /** How long each delivery waits, in milliseconds; by default it comes in the next turn. Deliveries wait in line. */
  latencyMs?: number | undefined
  /** The most bytes of one `dataReceived`; 64 KiB by default. 1 finds every mistake in reassembly. */
  chunkSize?: number | undefined
  /** How many bytes each direction takes before its writer has to buffer; 64 KiB by default. */
  pipeSize?: number | undefined
}

let pairs = 0

/** One direction: written by one transport, read by the other. */
class Pipe {
  readonly bytes = new ByteQueue()
  readonly size: number
  ended = false
  /** The reading end is gone: what is written is lost. */
  broken = false
  constructor(size: number) {
    this.size = size
  }
}

/** One end of a pair; made by {@link connectedPair}. */
export class MemoryTransport extends Transport {
  readonly #owner: TransportOwner
  readonly #options: MemoryPairOptions
  readonly #incoming: Pipe
  readonly #outgoing: Pipe
  readonly #names: { sockname: [string, number]; peername: [string, number] }
  readonly #flow = new FlowControlMixin(this, (error) => this.#owner.report(error, this))
  readonly #unsent = new ByteQueue()
  #protocol: AnyProtocol
  #other!: MemoryTransport
  #started = false
  #paused = false
  #deliveryRequested = false
  #eofDelivered = false
  #eofWritten = false
  #closing = false
  #lossRequested = false
  #lost = false
  #error: Error | null = null

  /** Two connected transports that have not begun: call {@link start} on both. */
  static pair(
    protocols: [AnyProtocol, AnyProtocol],
    owners: [TransportOwner, TransportOwner],
    options: MemoryPairOptions,
  ): [MemoryTransport, MemoryTransport] {
    const { pipeSize = 64 * 1024 } = options
    const [up, down] = [new Pipe(pipeSize), new Pipe(pipeSize)]
    const names: [[string, number], [string, number]] = [
      ['memory', ++pairs],
      ['memory', ++pairs],
    ]
    const a = new MemoryTransport(protocols[0], owners[0], options, down, up, {
      sockname: names[0],
      peername: names[1],
    })
    const b = new MemoryTransport(protocols[1], owners[1], options, up, down, {
      sockname: names[1],
      peername: names[0],
    })
    a.#other = b
    b.#other = a
    return [a, b]
  }

  private constructor(
    protocol: AnyProtocol,
    owner: TransportOwner,
    options: MemoryPairOptions,
    incoming: Pipe,
    outgoing: Pipe,
    names: { sockname: [string, number]; peername: [string, number] },
  ) {
    super()
    this.#protocol = protocol
    this.#owner = owner
    this.#options = options
    this.#incoming = incoming
    this.#outgoing = outgoing
    this.#names = names
  }

  /** Calls `connectionMade`; bytes are delivered from the next turn on. */
  start(): void {
    this.#owner.attach(this)
    try {
      ;(this.#protocol as Partial<Protocol>).connectionMade?.(this)
    } catch (error) {
      this.#owner.report(error, this)
    }
    this.#started = true
    this.#requestDelivery()
  }

  override getExtraInfo(name: string, defaultValue: unknown = null): never {
    return ((name === 'peername' || name === 'sockname' ? this.#names[name] : undefined) ?? defaultValue) as never
  }

  override setProtocol(protocol: AnyProtocol): void {
    this.#protocol = protocol
  }

  override getProtocol(): AnyProtocol {
    return this.#protocol
  }

  override isClosing(): boolean {
    return this.#closing
  }

  // --- reading

  override isReading(): boolean {
    return !this.#closing && !this.#paused
  }

  override pauseReading(): void {
    if (!this.#closing) this.#paused = true
  }

  override resumeReading(): void {
    if (this.#closing || !this.#paused) return
    this.#paused = false
    this.#requestDelivery()
  }

  #requestDelivery(): void {
    if (this.#deliveryRequested || !this.#started || !this.isReading()) return
    if (this.#incoming.bytes.length === 0 && (!this.#incoming.ended || this.#eofDelivered)) return
    this.#deliveryRequested = true
    const deliver = (): void => {
      this.#deliveryRequested = false
      if (!this.isReading()) return
      this.#deliver()
      this.#requestDelivery()
    }
    const { latencyMs = 0 } = this.#options
    if (latencyMs > 0) setTimeout(deliver, latencyMs)
    else setImmediate(deliver)
  }

  #deliver(): void {
    const { bytes, ended } = this.#incoming
    try {
      if (bytes.length > 0) {
        const { chunkSize = 64 * 1024 } = this.#options
        // A chunk is the receiver's own: on a socket, too, it shares no memory with what the peer wrote.
        const chunk = Buffer.from(bytes.take(Math.min(chunkSize, bytes.length)))
        this.#other.#send()
        const protocol = this.#protocol
        if (isBuffered(protocol)) feedDataToBufferedProto(protocol, chunk)
        else (protocol as Partial<Protocol>).dataReceived?.(chunk)
      } else if (ended && !this.#eofDelivered) {
        this.#eofDelivered = true
        if (!(this.#protocol as Partial<Protocol>).eofReceived?.()) this.close()
      }
    } catch (error) {
      this.#owner.report(error, this)
      this.#lose(error instanceof Error ? error : new Error(String(error), { cause: error }))
    }
  }

  // --- writing

  override setWriteBufferLimits(limits?: BufferLimits): void {
    this.#flow.setWriteBufferLimits(limits)
  }

  override getWriteBufferLimits(): [low: number, high: number] {
    return this.#flow.getWriteBufferLimits()
  }

  override getWriteBufferSize(): number {
    return this.#unsent.length
  }

  override canWriteEof(): boolean {
    return true
  }

  override write(data: Uint8Array | string): void {
    const bytes = toBytes(data)
    if (this.#eofWritten)
      throw new InvalidStateError(`write to ${formatAddress(this.#names.peername)} after writeEof()`)
    if (this.#closing || bytes.length === 0) return
    this.#unsent.push(Uint8Array.from(bytes))
    this.#send()
    this.#flow.maybePauseProtocol()
  }

  override flush(options?: WaitOptions): Promise<void> {
    if (this.#lost) return rejected(flushLost(formatAddress(this.#names.peername)))
    return this.#flow.flush(options)
  }

  override writeEof(): void {
    if (this.#closing || this.#eofWritten) return
    this.#eofWritten = true
    this.#send()
  }

  /** Moves what fits into the pipe. */
  #send(): void {
    const pipe = this.#outgoing
    if (pipe.broken && this.#unsent.length > 0) return this.#breakPipe()
    const n = Math.min(this.#unsent.length, pipe.size - pipe.bytes.length)
    if (n > 0) pipe.bytes.push(this.#unsent.take(n))
    if (this.#unsent.length === 0) {
      if (this.#eofWritten || this.#closing) pipe.ended = true
      if (this.#closing) this.#requestLoss()
    }
    this.#other.#requestDelivery()
    this.#flow.maybeResumeProtocol()
  }

  #breakPipe(): void {
    const peer = formatAddress(this.#names.peername)
    const message = `connection with ${peer} lost: broken pipe (${this.#unsent.length} unsent)`
    this.#lose(new ConnectionLostError(message, peer))
  }

  // --- the end

  override close(): void {
    if (this.#closing) return
    this.#closing = true
    this.#send()
  }

  /** With `reset` the peer loses the connection at once, and what it has not read. */
  override abort({ reset = false }: AbortOptions = {}): void {
    this.#lose(null)
    if (!reset) return
    const other = this.#other
    const peer = formatAddress(other.#names.peername)
    other.#lose(new ConnectionLostError(`connection with ${peer} lost: reset by the peer`, peer))
  }

  /** Ends this end now; what is in the pipe still reaches the other one. */
  #lose(error: Error | null): void {
    if (this.#lossRequested) return
    this.#closing = true
    this.#error = error
    this.#unsent.clear()
    this.#outgoing.ended = true
    this.#requestLoss()
    this.#other.#requestDelivery()
  }

  #requestLoss(): void {
    if (this.#lossRequested) return
    this.#lossRequested = true
    this.#incoming.broken = true
    setImmediate(() => {
      // What the other end still has to send will not be read any more.
      if (this.#other.#unsent.length > 0) this.#other.#breakPipe()
      this.#lost = true
      this.#flow.connectionLost(this.#error)
      try {
        this.#protocol.connectionLost?.(this.#error)
      } catch (error) {
        this.#owner.report(error, this)
      }
      this.#owner.detach(this)
    })
  }
}
