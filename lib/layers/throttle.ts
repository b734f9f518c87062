/**
 * A limit of the rate of a connection, as a layer.
 *
 * Strategy: each direction takes turns at a token bucket. A chunk that may not be delivered yet is held, one at most,
 * and the transport below is paused until it is gone. What may not be sent yet is queued and counted here; below, the
 * marks are 0, so that it has no more than one turn's worth, and tells when that is gone.
 */
import { toBytes } from '../bytes/allocate.ts'
import { ByteQueue } from '../bytes/byteQueue.ts'
import type { ErrorHandler } from '../diagnostics.ts'
import { InvalidStateError } from '../errors.ts'
import type { AnyProtocol } from '../protocol.ts'
import { peerOf, type AbortOptions, type BufferLimits, type Transport } from '../transport.ts'
import { rejected, type WaitOptions } from '../wait.ts'
import { BucketTurns, MOST_PER_TURN } from './bucketTurns.ts'
import { FlowControlMixin, flushLost } from '../transports/flowControlMixin.ts'
import type { Layer } from './layer.ts'
import { LayerTransport } from './layerTransport.ts'
import { TokenBucket, type TokenBucketOptions } from './tokenBucket.ts'
import { writeAfterClose } from '../transports/writeAfterClose.ts'

export interface ThrottleOptions {
  /**
   * The limit of what is received: options for a bucket per connection, or a bucket that connections share. No limit by
   * default.
   */
  read?: TokenBucket | TokenBucketOptions | undefined
  /** The limit of what is sent, likewise. */
  write?: TokenBucket | TokenBucketOptions | undefined
}

/**
 * A layer that limits the rate in each direction.
 *
 * Reading is paused below while the bucket is empty, so that the peer is slowed down; at most one chunk that had come
 * already is held. What may not be sent yet is in the write buffer: it is counted by `getWriteBufferSize()`, and pauses
 * the protocol; `close()` and `writeEof()` come after it, at the rate, `abort()` drops it, and `flush()` waits for it.
 *
 * Connections that share a bucket have turns in the order in which they asked, of 64 KiB at most. Throws a RangeError
 * for a rate that makes no sense. (Twisted: `ThrottlingFactory`; Netty: `ChannelTrafficShapingHandler` and
 * `GlobalTrafficShapingHandler`.)
 */
export function throttle({ read, write }: ThrottleOptions): Layer {
  const makeRead = bucketMaker(read)
  const makeWrite = bucketMaker(write)
  return (inner, protocol, report) =>
    new ThrottledTransport(inner, protocol, report, makeRead?.(), makeWrite?.()).start()
}

function bucketMaker(limit: TokenBucket | TokenBucketOptions | undefined): (() => TokenBucket) | undefined {
  if (limit === undefined) return undefined
  if (limit instanceof TokenBucket) return () => limit
  // The options are wrong now, not at the first connection.
  void new TokenBucket(limit)
  return () => new TokenBucket(limit)
}

class ThrottledTransport extends LayerTransport {
  readonly #readTurns: BucketTurns | undefined
  readonly #output: ThrottledOutput | undefined
  readonly #reader = {
    wanted: 0,
    turn: (available: number): void => this.#readTurn(available),
  }
  #paused = false
  #closing = false
  #lost = false
  #aborted = false
  #eofWritten = false
  #writesAfterClose = 0
  /** What has come and was not delivered; the first `#paid` bytes of it may be. While there is some, `inner` is paused. */
  #held: Buffer | undefined
  #paid = 0

  constructor(
    inner: Transport,
    protocol: AnyProtocol,
    report: ErrorHandler<Transport> | undefined,
    readBucket: TokenBucket | undefined,
    writeBucket: TokenBucket | undefined,
  ) {
    super(inner, protocol, report)
    this.#readTurns = readBucket && BucketTurns.of(readBucket)
    if (writeBucket !== undefined) {
      const flow = new FlowControlMixin(this, (error) => this.report(error))
      this.#output = new ThrottledOutput(flow, inner, BucketTurns.of(writeBucket), () => this.#outputProgress())
    }
  }

  override start(): void {
    // From here on it is to tell of every byte that is not taken at once, and again when all are.
    if (this.#output !== undefined) this.inner.setWriteBufferLimits({ high: 0 })
    super.start()
  }

  override get bytesRead(): number {
    return Math.max(0, this.inner.bytesRead - (this.#held?.length ?? 0))
  }

  protected override below(): AnyProtocol {
    return { ...super.below({}), dataReceived: (chunk: Buffer) => this.#received(chunk) }
  }

  protected override onEof(): boolean {
    // What is still to be sent goes at its rate, so the transport below must not close by itself.
    if (!this.#closing && !super.onEof()) this.close()
    return true
  }

  protected override onPauseWriting(): void {
    if (this.#output === undefined) super.onPauseWriting()
    else this.#output.pause()
  }

  protected override onResumeWriting(): void {
    if (this.#output === undefined) super.onResumeWriting()
    else this.#output.resume()
  }

  override isClosing(): boolean {
    return this.#closing || this.inner.isClosing()
  }

  // --- reading

  override isReading(): boolean {
    return !this.#paused && !this.isClosing()
  }

  override pauseReading(): void {
    if (this.isClosing()) return
    this.#paused = true
    this.#readTurns?.withdraw(this.#reader)
    this.inner.pauseReading()
  }

  override resumeReading(): void {
    if (this.isClosing() || !this.#paused) return
    this.#paused = false
    this.#goOn()
  }

  #received(chunk: Buffer): void {
    if (this.#closing) return
    this.#held = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk])
    const turns = this.#readTurns
    if (turns === undefined || turns.availableTo(this.#reader) >= this.#held.length) {
      turns?.take(this.#held.length)
      this.#paid = this.#held.length
      this.#deliverPaid()
    }
    if (!this.isReading()) return
    if (this.#held !== undefined) this.inner.pauseReading()
    this.#goOn()
  }

  /** Reading is not paused: what is held goes next, if it may, and then what comes. */
  #goOn(): void {
    if (this.#held === undefined) this.inner.resumeReading()
    else if (this.#paid > 0) process.nextTick(() => this.#deliverLater())
    else {
      this.#reader.wanted = this.#held.length
      this.#readTurns!.request(this.#reader)
    }
  }

  #readTurn(available: number): void {
    // Paused meanwhile, it asks again when it is resumed.
    if (this.#held === undefined || this.#paid > 0 || !this.isReading()) return
    const n = Math.min(available, this.#held.length, MOST_PER_TURN)
    this.#readTurns!.take(n)
    this.#paid = n
    this.#deliverLater()
  }

  #deliverLater(): void {
    if (this.#paid === 0 || !this.isReading()) return
    try {
      this.#deliverPaid()
    } catch (error) {
      return this.fail(error)
    }
    if (this.isReading()) this.#goOn()
  }

  #deliverPaid(): void {
    const whole = this.#held!
    const n = this.#paid
    const left = this.deliver(n === whole.length ? whole : whole.subarray(0, n))
    if (this.#closing) return
    this.#paid = left?.length ?? 0
    const from = n - this.#paid
    this.#held = from === whole.length ? undefined : whole.subarray(from)
  }

  // --- writing

  override setWriteBufferLimits(limits?: BufferLimits): void {
    if (this.#output === undefined) return super.setWriteBufferLimits(limits)
    this.#output.send()
    this.#output.flow.setWriteBufferLimits(limits)
  }

  override getWriteBufferLimits(): [low: number, high: number] {
    return this.#output?.flow.getWriteBufferLimits() ?? super.getWriteBufferLimits()
  }

  override getWriteBufferSize(): number {
    return super.getWriteBufferSize() + (this.#output?.length ?? 0)
  }

  override write(data: Uint8Array | string): void {
    const output = this.#output
    if (output === undefined) return super.write(data)
    const bytes = toBytes(data)
    if (this.#eofWritten) throw new InvalidStateError(`write to ${this.#peer()} after writeEof()`)
    if (bytes.length === 0) return
    if (this.isClosing()) return writeAfterClose(this, ++this.#writesAfterClose)
    output.append(bytes)
  }

  override flush(options?: WaitOptions): Promise<void> {
    if (this.#output === undefined) return super.flush(options)
    if (this.#lost || this.#aborted) return rejected(flushLost(this.#peer()))
    this.#output.send()
    return this.#output.flow.flush(options)
  }

  override writeEof(): void {
    if (this.#output === undefined || !this.canWriteEof()) return super.writeEof()
    if (this.isClosing() || this.#eofWritten) return
    this.#eofWritten = true
    this.#output.send()
    this.#outputProgress()
  }

  #outputProgress(): void {
    const output = this.#output
    if (output === undefined || this.#lost || this.#aborted || !output.isEmpty) return
    if (this.#closing) this.inner.close()
    else if (this.#eofWritten) this.inner.writeEof()
  }

  // --- the end

  override close(): void {
    if (this.isClosing()) return
    this.#output?.send()
    this.#closing = true
    this.#stopReading()
    if (this.#output === undefined) return this.inner.close()
    // What comes meanwhile is dropped. A peer that is gone is to be noticed.
    this.inner.resumeReading()
    this.#outputProgress()
  }

  override abort(options?: AbortOptions): void {
    if (this.#lost) return
    this.#closing = this.#aborted = true
    this.#stopReading()
    this.#output?.drop()
    this.inner.abort(options)
    this.#output?.flow.connectionLost(null)
  }

  protected override onLost(error: Error | null): void {
    this.#lost = this.#closing = true
    this.#stopReading()
    this.#output?.drop()
    this.#output?.flow.connectionLost(error)
    super.onLost(error)
  }

  #stopReading(): void {
    this.#held = undefined
    this.#paid = 0
    this.#readTurns?.withdraw(this.#reader)
  }

  #peer(): string {
    return peerOf(this) ?? '(unknown)'
  }
}

/** What is written and may not be sent yet. */
class ThrottledOutput {
  readonly flow: FlowControlMixin
  readonly #inner: Transport
  readonly #turns: BucketTurns
  readonly #progress: () => void
  readonly #queue = new ByteQueue()
  /** The transport below has not sent all it was given. */
  #paused = false

  readonly #taker = {
    wanted: 0,
    turn: (available: number): void => {
      this.#sendUpTo(available)
      this.#requestTurn()
      this.#afterSend()
    },
  }

  /** Calls `progress` after bytes have gone. */
  constructor(flow: FlowControlMixin, inner: Transport, turns: BucketTurns, progress: () => void) {
    this.flow = flow
    this.#inner = inner
    this.#turns = turns
    this.#progress = progress
  }

  get length(): number {
    return this.#queue.length
  }

  /** Whether nothing is left, here or below. */
  get isEmpty(): boolean {
    return this.#queue.length === 0 && !this.#paused
  }

  append(bytes: Uint8Array): void {
    this.#queue.push(bytes)
    // Else what is written in a turn leaves together.
    if (this.#queue.length > Math.min(MOST_PER_TURN, this.flow.high)) this.send()
    else this.#requestTurn()
    this.flow.maybePauseProtocol()
  }

  /** Sends at once what may go. */
  send(): void {
    const before = this.#queue.length
    while (!this.#paused && this.#queue.length > 0) {
      const available = this.#turns.availableTo(this.#taker)
      if (available < this.#turns.least(this.#queue.length)) break
      this.#sendUpTo(available)
    }
    this.#requestTurn()
    // Not from inside a write.
    if (this.#queue.length < before) process.nextTick(() => this.#afterSend())
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#requestTurn()
    this.#afterSend()
  }

  drop(): void {
    this.#queue.clear()
    this.#turns.withdraw(this.#taker)
  }

  #requestTurn(): void {
    this.#taker.wanted = this.#queue.length
    if (!this.#paused && this.#queue.length > 0) this.#turns.request(this.#taker)
    else this.#turns.withdraw(this.#taker)
  }

  #sendUpTo(available: number): void {
    if (this.#paused) return
    const n = Math.min(available, this.#queue.length, MOST_PER_TURN)
    if (n === 0) return
    this.#turns.take(n)
    this.#inner.write(this.#queue.take(n))
  }

  #afterSend(): void {
    this.flow.maybeResumeProtocol()
    this.#progress()
  }
}
