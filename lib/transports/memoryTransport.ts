/**
 * A connected pair in one process, for tests.
 *
 * Strategy: each direction is a pipe of limited capacity, which plays the kernel. What a writer has and the pipe does
 * not take stays in the writer's buffer and counts there; a reader that pauses leaves its pipe full. So back-pressure,
 * half-close and loss behave as on a socket, only the same way every time.
 */
import { toBytes } from '../bytes/allocate.ts'
import { ByteQueue } from '../bytes/byteQueue.ts'
import { clock } from '../clock.ts'
import { ConnectionLostError, InvalidStateError } from '../errors.ts'
import { isBuffered, type AnyProtocol, type Protocol } from '../protocol.ts'
import { formatAddress, Transport, type AbortOptions, type BufferLimits } from '../transport.ts'
import type { StartTlsOptions } from '../tlsOptions.ts'
import { rejected, type WaitOptions } from '../wait.ts'
import type { Clog } from './clog.ts'
import { publishClose, publishError, publishOpen } from './connectionEvents.ts'
import { deliverBuffered } from './deliverBuffered.ts'
import { FlowControlMixin, flushLost } from './flowControlMixin.ts'
import { MemoryPipe } from './memoryPipe.ts'
import { startTlsOver } from './startTlsOver.ts'
import type { TransportOwner } from './transportOwner.ts'
import { writeAfterClose } from './writeAfterClose.ts'

export interface MemoryPairOptions {
  /**
   * How long each piece is under way, in milliseconds, from when the pipe takes it; any number may be under way at
   * once. By default it arrives in the next turn.
   */
  latencyMs?: number | undefined
  /** The most bytes of one `dataReceived`; 64 KiB by default. 1 finds every mistake in reassembly. */
  chunkSize?: number | undefined
  /** How many bytes each direction takes before its writer has to buffer, those under way included; 64 KiB by default. */
  pipeSize?: number | undefined
  /**
   * Nothing counts as sent before the other end has read it, so that a `flush()` is over when it has, and with marks of 0
   * a `drain()` as well: both ends go in step, the same way every time. Takes the place of `pipeSize`. (trio: lockstep
   * streams.)
   */
  lockstep?: boolean | undefined
  /** While it is in, nothing is taken. */
  clog?: Clog | undefined
}

let pairs = 0

/** One end of a pair; made by {@link connectedPair}. */
export class MemoryTransport extends Transport {
  readonly #owner: TransportOwner
  readonly #options: MemoryPairOptions
  readonly #incoming: MemoryPipe
  readonly #outgoing: MemoryPipe
  readonly #names: { sockname: [string, number]; peername: [string, number] }
  readonly #flow = new FlowControlMixin(this, (error) => this.#owner.report(error, this))
  readonly #unsent = new ByteQueue()
  #protocol: AnyProtocol
  #other!: MemoryTransport
  #started = false
  #paused = false
  /** What a buffered protocol left of a chunk when it paused. */
  #held: Buffer | undefined
  #deliveryRequested = false
  #eofDelivered = false
  #eofWritten = false
  #closing = false
  #lossRequested = false
  #lost = false
  /** It ended without sending all that was written, or might have. */
  #cut = false
  #error: Error | null = null
  #writesAfterClose = 0
  #bytesRead = 0
  #bytesWritten = 0
  #forgetClog: (() => void) | undefined
  readonly #openedAt = clock.now()

  /** Two connected transports that have not begun: call {@link start} on both. */
  static pair(
    protocols: [AnyProtocol, AnyProtocol],
    owners: [TransportOwner, TransportOwner],
    options: MemoryPairOptions,
  ): [MemoryTransport, MemoryTransport] {
    const { latencyMs = 0, lockstep = false } = options
    const pipeSize = lockstep ? Infinity : (options.pipeSize ?? 64 * 1024)
    const [up, down] = [new MemoryPipe(pipeSize, latencyMs), new MemoryPipe(pipeSize, latencyMs)]
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
    down.notify = () => a.#requestDelivery()
    up.notify = () => b.#requestDelivery()
    return [a, b]
  }

  private constructor(
    protocol: AnyProtocol,
    owner: TransportOwner,
    options: MemoryPairOptions,
    incoming: MemoryPipe,
    outgoing: MemoryPipe,
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
    this.#forgetClog = this.#options.clog?.onUnclog(() => this.#send())
    publishOpen(this, this.#owner.side)
    try {
      ;(this.#protocol as Partial<Protocol>).connectionMade?.(this)
    } catch (error) {
      this.#owner.report(error, this)
    }
    this.#started = true
    this.#requestDelivery()
  }

  override get bytesRead(): number {
    return this.#bytesRead
  }

  override get bytesWritten(): number {
    return this.#bytesWritten - this.#unread
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
    const { arrived, ended, bytes } = this.#incoming
    const atEnd = ended && bytes.length === 0 && !this.#eofDelivered
    if (this.#held === undefined && arrived === 0 && !atEnd) return
    this.#deliveryRequested = true
    setImmediate(() => {
      this.#deliveryRequested = false
      if (!this.isReading()) return
      this.#deliver()
      this.#requestDelivery()
    })
  }

  #deliver(): void {
    const chunk = this.#takeChunk()
    const protocol = this.#protocol
    try {
      if (chunk === undefined) {
        this.#eofDelivered = true
        if (!(protocol as Partial<Protocol>).eofReceived?.()) this.close()
      } else if (isBuffered(protocol)) {
        this.#held = deliverBuffered(this, chunk)
      } else {
        ;(protocol as Partial<Protocol>).dataReceived?.(chunk)
      }
    } catch (error) {
      this.#owner.report(error, this)
      this.#lose(error instanceof Error ? error : new Error(String(error), { cause: error }))
    }
  }

  /** `undefined` at the end. */
  #takeChunk(): Buffer | undefined {
    const held = this.#held
    this.#held = undefined
    const pipe = this.#incoming
    if (held !== undefined || pipe.arrived === 0) return held
    const { chunkSize = 64 * 1024 } = this.#options
    // A chunk is the receiver's own: on a socket, too, it shares no memory with what the peer wrote.
    const chunk = Buffer.from(pipe.take(Math.min(chunkSize, pipe.arrived)))
    this.#bytesRead += chunk.length
    this.#other.#send()
    return chunk
  }

  // --- writing

  override setWriteBufferLimits(limits?: BufferLimits): void {
    this.#flow.setWriteBufferLimits(limits)
  }

  override getWriteBufferLimits(): [low: number, high: number] {
    return this.#flow.getWriteBufferLimits()
  }

  override getWriteBufferSize(): number {
    return this.#unsent.length + this.#unread
  }

  /** In step, what the other end has not read is still ours. */
  get #unread(): number {
    return this.#options.lockstep === true ? this.#outgoing.bytes.length : 0
  }

  override canWriteEof(): boolean {
    return true
  }

  override write(data: Uint8Array | string): void {
    const bytes = toBytes(data)
    if (this.#eofWritten)
      throw new InvalidStateError(`write to ${formatAddress(this.#names.peername)} after writeEof()`)
    if (bytes.length === 0) return
    if (this.#closing) return writeAfterClose(this, ++this.#writesAfterClose)
    this.#unsent.push(Uint8Array.from(bytes))
    this.#send()
    this.#flow.maybePauseProtocol()
  }

  override flush(options?: WaitOptions): Promise<void> {
    if (this.#lost || this.#cut) return rejected(flushLost(formatAddress(this.#names.peername)))
    return this.#flow.flush(options)
  }

  override startTls(options: StartTlsOptions, received?: Uint8Array): Promise<Transport> {
    return startTlsOver(this, options, received, (error) => this.#owner.report(error, this))
  }

  override writeEof(): void {
    if (this.#closing || this.#eofWritten) return
    this.#eofWritten = true
    this.#send()
  }

  /** Moves what fits into the pipe. */
  #send(): void {
    const pipe = this.#outgoing
    if (pipe.broken && this.getWriteBufferSize() > 0) return this.#breakPipe()
    if (this.#options.clog?.clogged === true) return
    const n = Math.min(this.#unsent.length, pipe.room)
    if (n > 0) {
      this.#bytesWritten += n
      pipe.push(this.#unsent.take(n))
    }
    if (this.#unsent.length === 0) {
      if (this.#eofWritten || this.#closing) pipe.end()
      if (this.#closing && this.#unread === 0) this.#requestLoss()
    }
    this.#flow.maybeResumeProtocol()
  }

  #breakPipe(): void {
    const peer = formatAddress(this.#names.peername)
    const message = `connection with ${peer} lost: broken pipe (${this.getWriteBufferSize()} unsent)`
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
    if (!reset || this.#lost) return
    const other = this.#other
    const peer = formatAddress(other.#names.peername)
    other.#lose(new ConnectionLostError(`connection with ${peer} lost: reset by the peer`, peer))
  }

  /** This end loses the connection with `error`, as if the system had reported it. */
  fail(error: Error): void {
    this.#lose(error)
  }

  /** Ends this end now; what is in the pipe still reaches the other one. */
  #lose(error: Error | null): void {
    if (this.#lossRequested) return
    this.#closing = true
    this.#cut = true
    this.#error = error
    this.#unsent.clear()
    if (this.#unread > 0) this.#outgoing.clear()
    this.#outgoing.end()
    if (error instanceof ConnectionLostError) publishError(this, this.#owner.side, error)
    this.#requestLoss()
  }

  #requestLoss(): void {
    if (this.#lossRequested) return
    this.#lossRequested = true
    this.#incoming.broken = true
    this.#forgetClog?.()
    setImmediate(() => {
      // What the other end still has to send will not be read any more.
      if (this.#other.getWriteBufferSize() > 0) this.#other.#breakPipe()
      this.#lost = true
      this.#flow.connectionLost(this.#error)
      try {
        this.#protocol.connectionLost?.(this.#error)
      } catch (error) {
        this.#owner.report(error, this)
      }
      publishClose(this, this.#owner.side, this.#error, this.#openedAt)
      this.#owner.detach(this, this.#error)
    })
  }
}
