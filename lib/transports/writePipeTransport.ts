/**
 * The transport over a stream that is only written to: the write end of a pipe, a child's stdin, this process's stdout.
 *
 * Strategy: `DuplexOutput` gathers and counts, as in `DuplexTransport`. That the reader has hung up is told by the next
 * write, and where the pipe is a socket, also without one: nothing can come from it but its end, which is read for.
 */
import { Socket } from 'node:net'
import { constants } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import { toBytes } from '../bytes/allocate.ts'
import { clock } from '../clock.ts'
import { ConnectionLostError, InvalidStateError } from '../errors.ts'
import type { AnyProtocol } from '../protocol.ts'
import { peerOf, Transport, type AbortOptions, type BufferLimits, type Encoder, type ExtraInfo } from '../transport.ts'
import { rejected, type WaitOptions } from '../wait.ts'
import { publishClose, publishError, publishOpen } from './connectionEvents.ts'
import { DuplexOutput, SLICE } from './duplexOutput.ts'
import { FlowControlMixin, flushLost } from './flowControlMixin.ts'
import type { TransportOwner } from './transportOwner.ts'
import { writeAfterClose } from './writeAfterClose.ts'

/**
 * Made by `connectWritePipe` and for the stdin of a child. A reader that hangs up closes it: with `null` if all that was
 * written had been taken, else with a ConnectionLostError. `writeEof()` is `close()`. It has no reading side:
 * `pauseReading()` throws NotImplementedError.
 */
export class WritePipeTransport extends Transport {
  readonly #stream: Writable
  readonly #owner: TransportOwner
  readonly #extra: Readonly<Record<string, unknown>>
  readonly #flow = new FlowControlMixin(this, (error) => this.#owner.report(error, this))
  readonly #output: DuplexOutput
  #protocol: AnyProtocol

  #closing = false
  #eofWritten = false
  #aborted = false
  #lossRequested = false
  #lost = false
  #error: Error | null = null
  #writesAfterClose = 0
  readonly #openedAt = clock.now()

  /** `extra` is what `getExtraInfo` answers. Throws a TypeError for a stream that is destroyed or was ended. */
  constructor(stream: Writable, protocol: AnyProtocol, owner: TransportOwner, extra: Partial<ExtraInfo> = {}) {
    super()
    if (!stream.writable) throw new TypeError('the stream is not writable')
    this.#stream = stream
    this.#owner = owner
    this.#extra = extra as Readonly<Record<string, unknown>>
    this.#output = new DuplexOutput(stream, () => this.#afterFlush())
    this.#protocol = protocol
  }

  /** Calls `connectionMade`. */
  start(): void {
    const stream = this.#stream
    stream.on('error', (error) => this.#failed(error))
    stream.on('close', () => this.#closed())
    if (stream instanceof Socket && stream.readable) {
      // Else it ends its writing by itself at the other end's, before what is queued here.
      stream.allowHalfOpen = true
      stream.on('end', () => this.#hungUp())
      stream.resume()
    }
    this.#owner.attach(this)
    if (!this.#owner.isLayer) publishOpen(this, this.#owner.side)
    try {
      this.#protocol.connectionMade?.(this)
    } catch (error) {
      this.#owner.report(error, this)
    }
  }

  override get bytesWritten(): number {
    return this.#output.sent
  }

  override getExtraInfo(name: string, defaultValue: unknown = null): never {
    return (this.#extra[name] ?? (name === 'pipe' ? this.#stream : defaultValue)) as never
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

  override isReading(): boolean {
    return false
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

  override canWriteEof(): boolean {
    return true
  }

  override writeEof(): void {
    if (this.#closing) return
    this.#eofWritten = true
    this.close()
  }

  override flush(options?: WaitOptions): Promise<void> {
    if (this.#lost || this.#aborted || this.#error !== null) {
      return rejected(flushLost(peerOf(this), this.#error === null ? undefined : { cause: this.#error }))
    }
    this.#output.flush()
    return this.#flow.flush(options)
  }

  #mayWrite(size: number): boolean {
    if (this.#eofWritten) throw new InvalidStateError(`write to ${this.#peer()} after writeEof()`)
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
    if (this.#lost) return
    this.#flow.maybeResumeProtocol()
    if (this.#closing && this.getWriteBufferSize() === 0) this.#end()
  }

  /** Everything is handed over. */
  #end(): void {
    const stream = this.#stream
    if (stream.destroyed) return this.#requestLoss()
    if (stream.writableEnded) return
    stream.end()
    stream.once('finish', () => {
      // Of a stream with another side that side may still be read from; a socket would stay open.
      if (stream instanceof Socket || !(stream as Writable & Partial<Pick<Readable, 'readable'>>).readable)
        stream.destroy()
      this.#requestLoss()
    })
  }

  // --- the end

  override close(): void {
    if (this.#closing) return
    this.#output.flush()
    this.#closing = true
    if (this.getWriteBufferSize() === 0) this.#end()
  }

  override abort(_options?: AbortOptions): void {
    if (this.#lost) return
    this.#closing = true
    this.#aborted = this.#error === null
    this.#drop()
    this.#stream.destroy()
    this.#requestLoss()
  }

  /** The other end reads no more. */
  #hungUp(): void {
    if (this.#lost || this.#aborted) return
    if (this.getWriteBufferSize() === 0) return this.close()
    const [code, errno, syscall] = ['EPIPE', -constants.errno.EPIPE, 'write']
    this.#stream.destroy(Object.assign(new Error(`${syscall} ${code}`), { code, errno, syscall }))
  }

  #failed(error: Error): void {
    if (this.#error !== null || this.#aborted || this.#lost) return
    const { code, message } = error as NodeJS.ErrnoException
    const what = `${code ?? message} after ${this.#output.sent} bytes (${this.getWriteBufferSize()} unsent)`
    this.#error = new ConnectionLostError(`pipe to ${this.#peer()} lost: ${what}`, peerOf(this), { cause: error })
    this.#closing = true
    if (!this.#owner.isLayer) publishError(this, this.#owner.side, this.#error)
    this.#requestLoss()
  }

  #closed(): void {
    if (!this.#closing || this.getWriteBufferSize() > 0) this.#failed(new Error('the stream was closed before its end'))
    this.#requestLoss()
  }

  /** Not every stream that is destroyed tells so in good time. */
  #requestLoss(): void {
    if (this.#lossRequested) return
    this.#lossRequested = true
    setImmediate(() => this.#finish())
  }

  #finish(): void {
    this.#lost = true
    this.#drop()
    const error = this.#aborted ? null : this.#error
    try {
      this.#protocol.connectionLost?.(error)
    } catch (thrown) {
      this.#owner.report(thrown, this)
    }
    if (!this.#owner.isLayer) publishClose(this, this.#owner.side, error, this.#openedAt)
    this.#owner.detach(this)
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
