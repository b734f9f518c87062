/**
 * The transport over any stream of Node's: a channel of SSH, a WebSocket stream, TLS over anything, a pair of pipes.
 *
 * Strategy: inwards the stream flows, and `pause()` holds it back; what it has read ahead stays in its own buffer.
 * Outwards `DuplexOutput` gathers and counts; the stream's own thresholds play no part. A stream may give bytes from
 * inside a write to it; they are put back for a later turn.
 */
import type { Duplex } from 'node:stream'
import { toBytes } from '../bytes/allocate.ts'
import { clock } from '../clock.ts'
import { ConnectionLostError, InvalidStateError, NotImplementedError } from '../errors.ts'
import { isBuffered, type AnyProtocol, type Protocol } from '../protocol.ts'
import { peerOf, Transport, type AbortOptions, type BufferLimits, type Encoder, type ExtraInfo } from '../transport.ts'
import type { StartTlsOptions } from '../tlsOptions.ts'
import { rejected, type WaitOptions } from '../wait.ts'
import { publishClose, publishError, publishOpen } from './connectionEvents.ts'
import { deliverBuffered } from './deliverBuffered.ts'
import { DuplexOutput, SLICE } from './duplexOutput.ts'
import { FlowControlMixin, flushLost } from './flowControlMixin.ts'
import { startTlsOver } from './startTlsOver.ts'
import type { TransportOwner } from './transportOwner.ts'
import { writeAfterClose } from './writeAfterClose.ts'

/** Made by `connectDuplex`. */
export class DuplexTransport extends Transport {
  readonly #duplex: Duplex
  readonly #owner: TransportOwner
  readonly #extra: Readonly<Record<string, unknown>>
  readonly #halfOpen: boolean
  readonly #flow = new FlowControlMixin(this, (error) => this.#owner.report(error, this))
  #protocol: AnyProtocol

  #started = false
  #paused = false
  #heldEof = false
  #bytesRead = 0

  readonly #output: DuplexOutput
  #eofWritten = false

  #closing = false
  #aborted = false
  #lossRequested = false
  #lost = false
  /** The stream has closed. */
  #down = false
  #error: Error | null = null
  #writesAfterClose = 0
  readonly #openedAt = clock.now()

  /** `extra` is what `getExtraInfo` answers, ahead of what the stream knows itself. Throws a TypeError for a stream that decodes text. */
  constructor(duplex: Duplex, protocol: AnyProtocol, owner: TransportOwner, extra: Partial<ExtraInfo> = {}) {
    super()
    if (duplex.readableEncoding != null) {
      throw new TypeError(`the stream must give bytes, not ${duplex.readableEncoding}: do not call setEncoding()`)
    }
    if (duplex.destroyed) throw new TypeError('the stream is destroyed')
    this.#duplex = duplex
    this.#output = new DuplexOutput(duplex, () => this.#afterFlush())
    this.#protocol = protocol
    this.#owner = owner
    this.#extra = extra as Readonly<Record<string, unknown>>
    this.#halfOpen = duplex.allowHalfOpen && duplex.writable
  }

  /** Calls `connectionMade`; reading begins in the next turn, unless the protocol has paused it. */
  start(): void {
    const duplex = this.#duplex
    // Else it ends its writing by itself at the peer's end, before what is queued here.
    duplex.allowHalfOpen = true
    duplex.pause()
    // An end that was seen before us does not come again.
    this.#heldEof = duplex.readableEnded
    duplex.on('data', (chunk: unknown) => this.#received(chunk))
    duplex.on('end', () => this.#endReached())
    duplex.on('error', (error) => this.#failed(error))
    duplex.on('close', () => this.#closed())
    this.#owner.attach(this)
    if (!this.#owner.isLayer) publishOpen(this, this.#owner.side)
    try {
      ;(this.#protocol as Partial<Protocol>).connectionMade?.(this)
    } catch (error) {
      this.#owner.report(error, this)
    }
    setImmediate(() => {
      this.#started = true
      this.#startReading()
    })
  }

  override get bytesRead(): number {
    return this.#bytesRead
  }

  override get bytesWritten(): number {
    return this.#output.sent
  }

  override getExtraInfo<K extends keyof ExtraInfo>(name: K): ExtraInfo[K] | null
  override getExtraInfo<K extends keyof ExtraInfo, D>(name: K, defaultValue: D): ExtraInfo[K] | D
  override getExtraInfo(name: string, defaultValue?: unknown): unknown
  override getExtraInfo(name: string, defaultValue: unknown = null): unknown {
    return this.#extra[name] ?? (name === 'socket' ? this.#duplex : defaultValue)
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
    if (this.#closing) return
    this.#paused = true
    this.#duplex.pause()
  }

  override resumeReading(): void {
    if (this.#closing || !this.#paused) return
    this.#paused = false
    process.nextTick(() => this.#startReading())
  }

  #startReading(): void {
    if (!this.#started || !this.isReading()) return
    if (this.#heldEof) this.#endReached()
    else if (!this.#duplex.destroyed) this.#duplex.resume()
  }

  #received(data: unknown): void {
    if (this.#closing) return
    const duplex = this.#duplex
    if (this.#output.handingOver) {
      duplex.pause()
      duplex.unshift(data)
      process.nextTick(() => this.#startReading())
      return
    }
    try {
      const bytes = toBytes(data as Uint8Array | string)
      if (bytes.length === 0) return
      const chunk = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
      this.#bytesRead += chunk.length
      const protocol = this.#protocol
      if (isBuffered(protocol)) {
        const rest = deliverBuffered(this, chunk)
        if (rest === undefined || this.#closing) return
        this.#bytesRead -= rest.length
        duplex.unshift(rest)
      } else {
        ;(protocol as Partial<Protocol>).dataReceived?.(chunk)
      }
    } catch (error) {
      this.#fail(error)
    }
  }

  /** The stream tells its end once, also if reading was paused in the last chunk. */
  #endReached(): void {
    this.#heldEof = this.#paused
    if (this.isReading()) this.#deliverEof()
  }

  #deliverEof(): void {
    let keepOpen: unknown = false
    try {
      keepOpen = (this.#protocol as Partial<Protocol>).eofReceived?.()
    } catch (error) {
      return this.#fail(error)
    }
    if (!keepOpen || !this.#halfOpen) this.close()
  }

  // --- writing

  override setWriteBufferLimits(limits?: BufferLimits): void {
    // As if all writes so far had gone to the stream at once: only what it refuses counts against the new marks.
    this.#output.flush()
    this.#flow.setWriteBufferLimits(limits)
  }

  override getWriteBufferLimits(): [low: number, high: number] {
    return this.#flow.getWriteBufferLimits()
  }

  override getWriteBufferSize(): number {
    return this.#output.unsent
  }

  override canWriteEof(): boolean {
    return this.#halfOpen
  }

  override write(data: Uint8Array | string): void {
    const bytes = toBytes(data)
    if (!this.#mayWrite(bytes.length)) return
    this.#output.append(bytes)
    this.#written()
  }

  override writeEncoded<T>(encoder: Encoder<T>, message: T): void {
    if (!this.#mayWrite(1)) return
    const before = this.#output.length
    try {
      encoder.encode(message, this.#output)
    } catch (error) {
      this.#output.truncate(before)
      throw error
    }
    this.#written()
  }

  override startTls(options: StartTlsOptions, received?: Uint8Array): Promise<Transport> {
    return startTlsOver(this, options, received, (error) => this.#owner.report(error, this))
  }

  override writeEof(): void {
    if (!this.#halfOpen) throw new NotImplementedError('writeEof() on a stream that cannot be half open')
    if (this.#closing || this.#eofWritten) return
    this.#eofWritten = true
    this.#output.flush()
    this.#afterFlush()
  }

  override flush(options?: WaitOptions): Promise<void> {
    if (this.#lost || this.#aborted || this.#error !== null) {
      return rejected(flushLost(this.#peer(), this.#error === null ? undefined : { cause: this.#error }))
    }
    this.#output.flush()
    return this.#flow.flush(options)
  }

  #mayWrite(size: number): boolean {
    if (this.#eofWritten) throw new InvalidStateError(`write to ${this.#peer()} after writeEof()`)
    if (!this.#duplex.writable && !this.#closing && !this.#down) {
      throw new InvalidStateError('write to a stream that is not writable')
    }
    if (this.#closing && size > 0) writeAfterClose(this, ++this.#writesAfterClose)
    return size > 0 && !this.#closing
  }

  #written(): void {
    const output = this.#output
    if (output.unsent <= SLICE && output.unsent <= this.#flow.high) return output.requestFlush()
    output.flush()
    this.#flow.maybePauseProtocol()
  }

  #afterFlush(): void {
    this.#flow.maybeResumeProtocol()
    if (this.getWriteBufferSize() > 0) return
    if (this.#closing || this.#eofWritten) this.#end()
  }

  /** Everything is handed over: ends the stream, and destroys it if we are closing. */
  #end(): void {
    const duplex = this.#duplex
    if (duplex.writable) duplex.end()
    if (!this.#closing) return
    if (duplex.writableEnded && !duplex.writableFinished) duplex.once('finish', () => duplex.destroy())
    else duplex.destroy()
  }

  // --- the end

  override close(): void {
    if (this.#closing) return
    this.#output.flush()
    this.#closing = true
    if (this.#down) return this.#requestLoss()
    // What comes is dropped. There are streams that send only as long as they are read from.
    this.#duplex.resume()
    if (this.getWriteBufferSize() === 0) this.#end()
  }

  /** With `reset` the stream is destroyed with an error, or reset if it can be: what that tells the peer is up to it. */
  override abort({ reset = false }: AbortOptions = {}): void {
    if (this.#lost) return
    this.#closing = true
    this.#aborted = this.#error === null
    this.#drop()
    const duplex = this.#duplex as Duplex & { resetAndDestroy?: () => void }
    if (!reset) duplex.destroy()
    else if (typeof duplex.resetAndDestroy === 'function') duplex.resetAndDestroy()
    else duplex.destroy(new ConnectionLostError(`connection with ${this.#peer()} aborted`, peerOf(this)))
    this.#requestLoss()
  }

  /** The protocol has thrown, or the stream gives what is not bytes: the connection cannot go on. */
  #fail(error: unknown): void {
    this.#owner.report(error, this)
    if (this.#lost || this.#aborted) return
    this.#error ??= error instanceof Error ? error : new Error(String(error), { cause: error })
    this.#closing = true
    this.#drop()
    this.#duplex.destroy()
    this.#requestLoss()
  }

  #failed(error: Error): void {
    if (this.#error !== null || this.#aborted || this.#lost) return
    const { code, message } = error as NodeJS.ErrnoException
    const what = `${code ?? message} after ${this.#bytesRead} bytes in and ${this.#output.sent} out`
    this.#error =
      error instanceof ConnectionLostError
        ? error
        : new ConnectionLostError(
            `connection with ${this.#peer()} lost: ${what} (${this.getWriteBufferSize()} unsent)`,
            peerOf(this),
            { cause: error },
          )
    this.#closing = true
    if (!this.#owner.isLayer) publishError(this, this.#owner.side, this.#error)
    // There are streams that do not do so by themselves.
    this.#duplex.destroy()
    this.#requestLoss()
  }

  #closed(): void {
    this.#down = true
    if (!this.#closing) {
      // Both sides have ended, and the stream has destroyed itself: the protocol has not closed it yet.
      if (this.#duplex.readableEnded && this.#duplex.writableFinished) return
      this.#failed(new Error('the stream was closed before its end'))
    }
    this.#finish()
  }

  /** Not every stream that is destroyed tells so in good time. */
  #requestLoss(): void {
    if (this.#lossRequested) return
    this.#lossRequested = true
    setImmediate(() => this.#finish())
  }

  #finish(): void {
    if (this.#lost) return
    this.#lost = true
    this.#drop()
    const error = this.#aborted ? null : this.#error
    try {
      this.#protocol.connectionLost?.(error)
    } catch (thrown) {
      this.#owner.report(thrown, this)
    }
    if (!this.#owner.isLayer) publishClose(this, this.#owner.side, error, this.#openedAt)
    this.#owner.detach(this, error)
  }

  /** What is unsent will not be sent. */
  #drop(): void {
    this.#output.drop()
    this.#flow.connectionLost(this.#aborted ? null : this.#error)
  }

  #peer(): string {
    return peerOf(this) ?? '(unknown)'
  }
}
