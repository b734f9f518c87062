/**
 * What layers put on top of a transport: a wrapper that sees both directions. The transport below gets a protocol of
 * ours, which tells the layer and then the protocol above, whatever kind of protocol that is.
 */
import type { ErrorHandler } from '../diagnostics.ts'
import { isBuffered, type AnyProtocol, type Protocol } from '../protocol.ts'
import type { StartTlsOptions } from '../tlsOptions.ts'
import type { Transport } from '../transport.ts'
import { deliverBuffered } from '../transports/deliverBuffered.ts'
import { startTlsOver } from '../transports/startTlsOver.ts'
import { reportTo } from '../transports/transportOwner.ts'
import { TransportWrapper } from '../transports/transportWrapper.ts'

/**
 * A transport on top of another that also sees what is received: override the methods whose names begin with `on`,
 * which pass it on to the protocol, and those of {@link TransportWrapper} for what is sent. An error thrown in one of
 * them is as if the protocol had thrown it.
 */
export class LayerTransport extends TransportWrapper {
  #protocol: AnyProtocol
  #failure: Error | undefined
  readonly #report: ErrorHandler<Transport>

  /** The arguments are those of a layer; errors that reach nobody are printed without a `report`. */
  constructor(inner: Transport, protocol: AnyProtocol, report?: ErrorHandler<Transport>) {
    super(inner)
    this.#protocol = protocol
    this.#report = report ?? ((error, transport) => reportTo(undefined, error, transport))
  }

  /** Takes the place of the protocol below, and calls `connectionMade`. */
  start(): void {
    this.inner.setProtocol(this.below(this.#protocol))
    ;(this.#protocol as Partial<Protocol>).connectionMade?.(this)
  }

  override setProtocol(protocol: AnyProtocol): void {
    const sameKind = isBuffered(protocol) === isBuffered(this.#protocol)
    this.#protocol = protocol
    // The memory of one buffered protocol may be lent to what is below: it is not to be told to the next one.
    if (!sameKind || isBuffered(protocol)) this.inner.setProtocol(this.below(protocol))
  }

  override getProtocol(): AnyProtocol {
    return this.#protocol
  }

  override startTls(options: StartTlsOptions, received?: Uint8Array): Promise<Transport> {
    return startTlsOver(this, options, received, (error) => this.report(error))
  }

  /** Bytes that have come from below. They are not yours to keep: the memory may be the protocol's. */
  protected onData(_data: Uint8Array): void {}

  /** Returns what the protocol says. */
  protected onEof(): boolean | void {
    return (this.#protocol as Partial<Protocol>).eofReceived?.()
  }

  protected onPauseWriting(): void {
    this.#protocol.pauseWriting?.()
  }

  protected onResumeWriting(): void {
    this.#protocol.resumeWriting?.()
  }

  /** `error` is what the protocol is told. */
  protected onLost(error: Error | null): void {
    this.#protocol.connectionLost?.(error)
  }

  /**
   * Makes an end of the connection, for an error that came about outside of a callback from below: `connectionLost`
   * gets it, and it is {@link report}ed.
   */
  protected fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = error instanceof Error ? error : new Error(String(error), { cause: error })
    this.report(this.#failure)
    this.abort()
  }

  /** For an error that would reach nobody. */
  protected report(error: unknown): void {
    this.#report(error, this)
  }

  /** Hands `chunk` to the protocol; what it left when it paused, if it has buffers of its own. */
  protected deliver(chunk: Buffer): Buffer | undefined {
    const protocol = this.#protocol
    if (isBuffered(protocol)) return deliverBuffered(this, chunk)
    ;(protocol as Partial<Protocol>).dataReceived?.(chunk)
    return undefined
  }

  /** What the transport below is given for a protocol of this kind. */
  protected below(protocol: AnyProtocol): AnyProtocol {
    const callbacks = {
      eofReceived: () => this.onEof(),
      pauseWriting: () => this.onPauseWriting(),
      resumeWriting: () => this.onResumeWriting(),
      connectionLost: (error: Error | null) => this.onLost(this.#failure ?? error),
    }
    if (!isBuffered(protocol)) {
      return {
        ...callbacks,
        dataReceived: (data) => {
          this.onData(data)
          ;(this.#protocol as Partial<Protocol>).dataReceived?.(data)
        },
      }
    }
    let buffer: Uint8Array
    return {
      ...callbacks,
      getBuffer: (sizeHint) => (buffer = protocol.getBuffer(sizeHint)),
      bufferUpdated: (n) => {
        this.onData(buffer.subarray(0, n))
        protocol.bufferUpdated(n)
      },
    }
  }
}
