import type { AnyProtocol } from '../protocol.ts'
import { Transport, type AbortOptions, type BufferLimits, type ExtraInfo } from '../transport.ts'
import type { StartTlsOptions } from '../tlsOptions.ts'
import type { WaitOptions } from '../wait.ts'
import { startTlsOver } from './startTlsOver.ts'
import { reportTo } from './transportOwner.ts'

/**
 * A transport on top of another: every method goes to the one below. Override those that should do something else.
 *
 * `writeLines` and `writeEncoded` are built on {@link write}, so overriding `write` catches all that is sent. To change
 * what is received, give the transport below a protocol of your own, which passes it on.
 */
export class TransportWrapper extends Transport {
  /** The transport below. */
  protected readonly inner: Transport

  constructor(inner: Transport) {
    super()
    this.inner = inner
  }

  override get id(): number {
    return this.inner.id
  }

  override get bytesRead(): number {
    return this.inner.bytesRead
  }

  override get bytesWritten(): number {
    return this.inner.bytesWritten
  }

  override getExtraInfo<K extends keyof ExtraInfo>(name: K): ExtraInfo[K] | null
  override getExtraInfo<K extends keyof ExtraInfo, D>(name: K, defaultValue: D): ExtraInfo[K] | D
  override getExtraInfo(name: string, defaultValue?: unknown): unknown
  override getExtraInfo(name: string, defaultValue?: unknown): unknown {
    return this.inner.getExtraInfo(name, defaultValue)
  }

  override isClosing(): boolean {
    return this.inner.isClosing()
  }

  override close(): void {
    this.inner.close()
  }

  override setProtocol(protocol: AnyProtocol): void {
    this.inner.setProtocol(protocol)
  }

  override getProtocol(): AnyProtocol {
    return this.inner.getProtocol()
  }

  override isReading(): boolean {
    return this.inner.isReading()
  }

  override pauseReading(): void {
    this.inner.pauseReading()
  }

  override resumeReading(): void {
    this.inner.resumeReading()
  }

  override setWriteBufferLimits(limits?: BufferLimits): void {
    this.inner.setWriteBufferLimits(limits)
  }

  override getWriteBufferLimits(): [low: number, high: number] {
    return this.inner.getWriteBufferLimits()
  }

  override getWriteBufferSize(): number {
    return this.inner.getWriteBufferSize()
  }

  override write(data: Uint8Array | string): void {
    this.inner.write(data)
  }

  override flush(options?: WaitOptions): Promise<void> {
    return this.inner.flush(options)
  }

  override writeEof(): void {
    this.inner.writeEof()
  }

  override canWriteEof(): boolean {
    return this.inner.canWriteEof()
  }

  /** TLS is put on top of this transport: what goes through it from then on is ciphertext. */
  override startTls(options: StartTlsOptions, received?: Uint8Array): Promise<Transport> {
    return startTlsOver(this, options, received, (error) => reportTo(undefined, error, this))
  }

  override abort(options?: AbortOptions): void {
    this.inner.abort(options)
  }
}
