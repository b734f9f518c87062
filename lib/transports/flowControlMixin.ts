/**
 * The marks of a write buffer, and telling a protocol when they are crossed. An object of its own, held by a
 * transport: every transport here has one, and one of your own gets the same rules from it.
 */
import { ConnectionLostError } from '../errors.ts'
import { peerOf, type BufferLimits, type WriteTransport } from '../transport.ts'
import { abortedOnEntry, DONE, rejected, WaitList, type WaitOptions } from '../wait.ts'

const DEFAULT_HIGH = 64 * 1024

/** The marks that `limits` stand for. Throws a RangeError for those that make no sense. */
export function writeMarks({ high, low }: BufferLimits = {}): [low: number, high: number] {
  const newHigh = high ?? (low === undefined ? DEFAULT_HIGH : 4 * low)
  const newLow = low ?? Math.floor(newHigh / 4)
  if (!(newHigh >= newLow && newLow >= 0)) {
    throw new RangeError(`the write buffer needs high >= low >= 0, not high ${newHigh} and low ${newLow}`)
  }
  return [newLow, newHigh]
}

/** What a flow control needs of the transport that holds it. */
export interface FlowControlled extends Pick<WriteTransport, 'getWriteBufferSize' | 'isClosing' | 'getExtraInfo'> {
  getProtocol(): { pauseWriting?(): void; resumeWriting?(): void }
}

/**
 * Calls `pauseWriting` once when the buffer is above (strictly) the high mark and `resumeWriting` once when it is at
 * or below the low mark, strictly in turn, and never `resumeWriting` on a transport that is closing.
 * (asyncio: `transports._FlowControlMixin`.)
 */
export class FlowControlMixin {
  readonly #transport: FlowControlled
  readonly #report: (error: unknown) => void
  #high = DEFAULT_HIGH
  #low = DEFAULT_HIGH / 4
  #protocolPaused = false
  #flushWaiters: WaitList | undefined

  /** `report` is told of an error that the protocol's callback throws; nothing else becomes of it. */
  constructor(transport: FlowControlled, report: (error: unknown) => void) {
    this.#transport = transport
    this.#report = report
  }

  /** Whether the protocol was told to pause and not yet to resume. */
  get protocolPaused(): boolean {
    return this.#protocolPaused
  }

  /** In bytes. */
  get high(): number {
    return this.#high
  }

  setWriteBufferLimits(limits?: BufferLimits): void {
    ;[this.#low, this.#high] = writeMarks(limits)
    this.maybePauseProtocol()
  }

  getWriteBufferLimits(): [low: number, high: number] {
    return [this.#low, this.#high]
  }

  /** To be called whenever the buffer has grown. */
  maybePauseProtocol(): void {
    if (this.#protocolPaused || this.#transport.getWriteBufferSize() <= this.#high) return
    this.#protocolPaused = true
    try {
      this.#transport.getProtocol().pauseWriting?.()
    } catch (error) {
      this.#report(error)
    }
  }

  /** To be called whenever the buffer has shrunk. */
  maybeResumeProtocol(): void {
    if (this.#flushWaiters !== undefined && this.#transport.getWriteBufferSize() === 0) this.#flushWaiters.resolveAll()
    if (!this.#protocolPaused || this.#transport.getWriteBufferSize() > this.#low) return
    if (this.#transport.isClosing()) return
    this.#protocolPaused = false
    try {
      this.#transport.getProtocol().resumeWriting?.()
    } catch (error) {
      this.#report(error)
    }
  }

  /** What the transport's `flush()` waits for: that its buffer is empty. */
  flush(options?: WaitOptions): Promise<void> {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    const transport = this.#transport
    if (transport.getWriteBufferSize() === 0) return DONE
    this.#flushWaiters ??= new WaitList()
    return this.#flushWaiters.wait(
      options,
      () => `flush to ${peerOf(transport)} (${transport.getWriteBufferSize()} bytes unsent)`,
    )
  }

  /** To be called when the connection is gone: whoever waits for a flush that is not done learns it. */
  connectionLost(error: Error | null): void {
    if (this.#flushWaiters === undefined || this.#flushWaiters.size === 0) return
    const peer = peerOf(this.#transport)
    this.#flushWaiters.rejectAll(error ?? flushLost(peer))
  }
}

/** The error of a `flush()` that can no longer be. */
export function flushLost(peer: string | undefined, cause?: ErrorOptions): ConnectionLostError {
  return new ConnectionLostError(`flush on a connection with ${peer} that is closed`, peer, cause)
}
