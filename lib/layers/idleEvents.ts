/**
 * Idle connections, as events. A chunk costs a reading of the clock; there is one timer per connection, which looks at
 * these readings when it fires and is set again for the next time at which something may be idle.
 */
import { clock, type Timer } from '../clock.ts'
import type { ErrorHandler } from '../diagnostics.ts'
import type { AnyProtocol } from '../protocol.ts'
import type { Encoder, Transport } from '../transport.ts'
import type { Layer } from './layer.ts'
import { LayerTransport } from './layerTransport.ts'

/** What was idle: reading, writing, or both. */
export type IdleKind = 'read' | 'write' | 'all'

export interface IdleEventsOptions {
  /** Nothing has come for so long, in milliseconds above 0. */
  readIdleMs?: number | undefined
  /** Nothing was sent for so long: taken by the system, that is, so a peer that does not read counts as well. */
  writeIdleMs?: number | undefined
  /** Nothing has come and nothing was sent for so long. */
  allIdleMs?: number | undefined
  /**
   * Told each time, `count` being 1 for the first since something moved, then 2 after as long again, and so on. Nothing
   * is closed: that is for it to do. An error that it throws, or rejects with, ends the connection as one of the
   * protocol would.
   *
   * `transport` is that of this layer. To write to it, put the layer above those that change what is sent.
   */
  onIdle: (transport: Transport, kind: IdleKind, count: number) => unknown
}

/** Longer than a timer can be. */
const MOST_MS = 0x7fffffff

/**
 * A layer that tells when nothing moves: to send a heartbeat, or to end the connection.
 *
 * While our side has paused the reading, the peer is held back and not idle: there are no events for reading or for
 * both, and the time begins anew when reading is resumed. After the peer's end of stream nothing is expected of it any more, and only
 * writing counts. Events go on until the connection is lost, so that a close that is not taken can be ended by an
 * abort. The timer keeps no process alive.
 *
 * Throws a TypeError without any of the times, and a RangeError for one that is not above 0.
 * (Netty: `IdleStateHandler`, with `observeOutput`.)
 */
export function idleEvents(options: IdleEventsOptions): Layer {
  const { readIdleMs, writeIdleMs, allIdleMs } = options
  const times = Object.entries({ readIdleMs, writeIdleMs, allIdleMs }).filter(([, ms]) => ms !== undefined)
  if (times.length === 0) throw new TypeError('idleEvents needs readIdleMs, writeIdleMs or allIdleMs')
  for (const [name, ms] of times) if (!(ms! > 0)) throw new RangeError(`${name} must be above 0, not ${ms}`)
  return (inner, protocol, report) => new WatchedTransport(inner, protocol, report, options).start()
}

/** One of the times that are watched. */
interface Watch {
  readonly kind: IdleKind
  readonly idleMs: number
  /** The last activity; how many events there were since, and when the next is due. */
  since: number
  count: number
  dueAt: number
}

class WatchedTransport extends LayerTransport {
  readonly #onIdle: IdleEventsOptions['onIdle']
  readonly #watches: readonly Watch[]
  #timer: Timer | undefined
  #lastRead = 0
  /** When bytes were last known to have gone, and when some were last written. */
  #lastSent = 0
  #lastWrite = 0
  /** `bytesWritten` when it was last looked at. */
  #sent = 0
  /** Whether some of it had not gone by then. */
  #wasUnsent = false
  #peerEnded = false
  #lost = false

  constructor(
    inner: Transport,
    protocol: AnyProtocol,
    report: ErrorHandler<Transport> | undefined,
    options: IdleEventsOptions,
  ) {
    super(inner, protocol, report)
    this.#onIdle = options.onIdle
    const { readIdleMs, writeIdleMs, allIdleMs } = options
    const times = { read: readIdleMs, write: writeIdleMs, all: allIdleMs }
    this.#watches = (Object.keys(times) as IdleKind[]).flatMap((kind) => {
      const idleMs = times[kind]
      return idleMs === undefined ? [] : [{ kind, idleMs, since: -Infinity, count: 0, dueAt: Infinity }]
    })
  }

  override start(): void {
    this.#lastRead = this.#lastSent = clock.now()
    this.#sent = this.inner.bytesWritten
    this.#setTimer(this.#lastRead)
    super.start()
  }

  protected override onData(): void {
    this.#lastRead = clock.now()
  }

  protected override onEof(): boolean | void {
    this.#peerEnded = true
    return super.onEof()
  }

  override resumeReading(): void {
    if (!this.inner.isReading()) this.#lastRead = clock.now()
    super.resumeReading()
  }

  protected override onResumeWriting(): void {
    this.#lastSent = clock.now()
    super.onResumeWriting()
  }

  override write(data: Uint8Array | string): void {
    this.#lastWrite = clock.now()
    super.write(data)
  }

  override writeEncoded<T>(encoder: Encoder<T>, message: T): void {
    this.#lastWrite = clock.now()
    this.inner.writeEncoded(encoder, message)
  }

  protected override onLost(error: Error | null): void {
    this.#lost = true
    clock.clearTimeout(this.#timer)
    super.onLost(error)
  }

  #lastActivity(kind: IdleKind): number {
    if (kind === 'read') return this.#lastRead
    return kind === 'write' ? this.#lastSent : Math.max(this.#lastRead, this.#lastSent)
  }

  /** When bytes have gone is not told; it is found out from their number. */
  #look(now: number): void {
    if (!this.inner.isReading() && !this.isClosing() && !this.#peerEnded) this.#lastRead = now
    const { bytesWritten } = this.inner
    const unsent = this.inner.getWriteBufferSize()
    // Of a transport that does not count its bytes, the writes are all that is known.
    const moved = bytesWritten === 0 ? unsent === 0 && this.#lastWrite > this.#lastSent : bytesWritten !== this.#sent
    if (moved) this.#lastSent = this.#wasUnsent || unsent > 0 ? now : Math.max(this.#lastSent, this.#lastWrite)
    this.#sent = bytesWritten
    this.#wasUnsent = unsent > 0
  }

  #check(): void {
    const now = clock.now()
    this.#look(now)
    for (const watch of this.#watches) {
      this.#renew(watch)
      if (now < watch.dueAt || this.#isOver(watch)) continue
      watch.count++
      watch.dueAt = now + watch.idleMs
      this.#tell(watch)
    }
    this.#setTimer(now)
  }

  /** Counts anew if there was activity. */
  #renew(watch: Watch): void {
    const last = this.#lastActivity(watch.kind)
    if (last <= watch.since) return
    watch.since = last
    watch.count = 0
    watch.dueAt = last + watch.idleMs
  }

  #isOver({ kind }: Watch): boolean {
    return kind === 'read' && this.#peerEnded
  }

  #tell({ kind, count }: Watch): void {
    try {
      const told = this.#onIdle(this, kind, count)
      if (told instanceof Promise) told.catch((error: unknown) => this.fail(error))
    } catch (error) {
      this.fail(error)
    }
  }

  #setTimer(now: number): void {
    if (this.#lost) return
    let next = Infinity
    for (const watch of this.#watches) {
      this.#renew(watch)
      if (!this.#isOver(watch)) next = Math.min(next, watch.dueAt)
    }
    if (next === Infinity) return
    this.#timer = clock.setTimeout(() => this.#check(), Math.min(MOST_MS, Math.max(1, Math.ceil(next - now))))
  }
}
