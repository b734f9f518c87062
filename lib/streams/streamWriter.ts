import type { StartTlsAsClient, StartTlsAsServer, StartTlsOptions } from '../tlsOptions.ts'
import { peerOf, type BufferLimits, type ExtraInfo, type Transport } from '../transport.ts'
import { abortedOnEntry, handled, nextTurn, rejected, type WaitOptions } from '../wait.ts'
import type { StreamReader } from './streamReader.ts'
import type { StreamReaderProtocol } from './streamReaderProtocol.ts'

/** A loop of writes and drains must let the event loop look at its sockets now and then; so often does no harm. */
const DRAINS_PER_TURN = 2048

/** As for a transport, but the side is known: see {@link StreamWriter.startTls}. */
export type WriterTlsOptions = Pick<WaitOptions, 'signal' | 'scope'> &
  (StartTlsAsClient | Omit<StartTlsAsServer, 'serverSide'>)

/** What a writer asks of its protocol: any StreamReaderProtocol, whatever classes it is made for. */
type WriterProtocol = Pick<
  StreamReaderProtocol,
  'needsDrain' | 'drainHelper' | 'waitClosed' | 'disconnected' | 'serverSide' | 'replaceTransport'
>

/**
 * Writes bytes to a connection. Made by `openConnection` and `startServer`; subclass it for a wire format of your own
 * and pass the class to them. (asyncio: `StreamWriter`.)
 *
 * A writer that is dropped without being closed has its connection closed when it is garbage collected, with a
 * warning.
 */
export class StreamWriter implements AsyncDisposable {
  #transport: Transport
  readonly #protocol: WriterProtocol
  readonly #reader: StreamReader<unknown> | undefined
  #drains = 0

  constructor(transport: Transport, protocol: WriterProtocol, reader?: StreamReader<unknown>) {
    this.#transport = transport
    this.#protocol = protocol
    this.#reader = reader
    abandoned?.register(this, transport)
  }

  /** The connection below; another one after {@link startTls}. */
  get transport(): Transport {
    return this.#transport
  }

  /** Writes bytes, or a string as UTF-8. Never waits: follow it by `await writer.drain()`. */
  write(data: Uint8Array | string): void {
    this.transport.write(data)
  }

  /** Writes several pieces in order. */
  writeLines(pieces: Iterable<Uint8Array | string>): void {
    this.transport.writeLines(pieces)
  }

  /** Ends the write side after what is written; reading goes on. */
  writeEof(): void {
    this.transport.writeEof()
  }

  canWriteEof(): boolean {
    return this.transport.canWriteEof()
  }

  /** Sets the marks of {@link drain}; see `WriteTransport.setWriteBufferLimits`. */
  setWriteBufferLimits(limits?: BufferLimits): void {
    this.transport.setWriteBufferLimits(limits)
  }

  /**
   * Waits until it is good to write on: at once if the write buffer is not above its high mark, else until it has
   * fallen to the low mark. It is not a flush. Any number of calls may wait.
   *
   * Rejects with the reader's exception, which is the reason if the connection is lost, and with {@link ConnectionLostError} also when it had ended
   * cleanly before. A `timeoutMs` is how to be rid of a peer that does not read. Cancelled, it changes nothing: what
   * was written goes on being sent. (asyncio: `StreamWriter.drain`.)
   */
  drain(options?: WaitOptions): Promise<void> {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    const exception = this.#reader?.exception() ?? null
    if (exception !== null) return rejected(exception)
    if (this.transport.isClosing() || ++this.#drains === DRAINS_PER_TURN) {
      this.#drains = 0
      // Twice, since the end of a socket is told behind the turn in which it is closed.
      return handled(
        nextTurn()
          .then(nextTurn)
          .then(() => this.#protocol.drainHelper(options)),
      )
    }
    return this.#protocol.drainHelper(options)
  }

  /**
   * Whether {@link drain} has something to wait for, or to tell: the write buffer has been above its high mark and is not
   * down at the low one yet, or the connection is closing or lost. For many messages in a turn, without a promise for
   * each: `if (writer.needsDrain) await writer.drain()`. A loop that waits for nothing else lets nothing else run until
   * then. (Node: `writableNeedDrain`.)
   */
  get needsDrain(): boolean {
    return this.#protocol.needsDrain || this.transport.isClosing()
  }

  /**
   * Waits until all that was written is taken by the system: the real flush that {@link drain} is not. Any number of
   * calls may wait. Rejects as `drain` does, and with {@link ConnectionLostError} if the connection ends with bytes
   * unsent. Cancelled, it changes nothing.
   */
  flush(options?: WaitOptions): Promise<void> {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    const exception = this.#reader?.exception() ?? null
    return exception === null ? this.transport.flush(options) : rejected(exception)
  }

  /**
   * Resolves when the peer is known to be gone, also for one who only writes: with `null` when it has ended its side or
   * the connection was closed, with the reason when it was lost. It never rejects. A peer that vanished without a word
   * is noticed by what is written to it; while reading is held back, an end is not seen.
   */
  get disconnected(): Promise<Error | null> {
    return this.#protocol.disconnected
  }

  /**
   * Goes over to TLS on the open connection: first sends what is written, then shakes hands, as the client or, on a
   * connection that a server has accepted, as the server. What the reader has received counts as part of the handshake.
   * Reader and writer go on over the new transport.
   *
   * Rejects like {@link flush}, and with TlsHandshakeError, TimeoutError or the reason of `signal`: then the connection
   * is closed. No read may be waiting: InvalidStateError. (asyncio: `StreamWriter.start_tls`.)
   */
  startTls(options: WriterTlsOptions): Promise<void> {
    return handled(this.#startTls(options))
  }

  async #startTls(options: WriterTlsOptions): Promise<void> {
    await this.flush(options)
    const { serverSide } = this.#protocol
    const received = this.#reader?.tryRead()
    let transport: Transport
    try {
      transport = await this.#transport.startTls({ serverSide, ...options } as StartTlsOptions, received)
    } catch (error) {
      // Refused before it began, it has changed nothing.
      if (received !== undefined && !this.#transport.isClosing()) this.#reader!.unread(received)
      throw error
    }
    this.#transport = transport
    this.#protocol.replaceTransport(transport)
    abandoned?.register(this, transport)
  }

  /** Sends what is written, then closes. To wait for the end: {@link waitClosed}. */
  close(): void {
    this.transport.close()
  }

  isClosing(): boolean {
    return this.transport.isClosing()
  }

  /**
   * Resolves when the connection is gone, rejects if it was lost for a reason; any number of calls may wait. It does
   * not close it: that is {@link close}.
   */
  waitClosed(options?: WaitOptions): Promise<void> {
    return this.#protocol.waitClosed(options)
  }

  /** Closes, and waits for the end: `await using writer = …`. */
  [Symbol.asyncDispose](): Promise<void> {
    this.close()
    return this.waitClosed()
  }

  /** See `BaseTransport.getExtraInfo`. */
  getExtraInfo<K extends keyof ExtraInfo>(name: K): ExtraInfo[K] | null
  getExtraInfo<K extends keyof ExtraInfo, D>(name: K, defaultValue: D): ExtraInfo[K] | D
  getExtraInfo(name: string, defaultValue?: unknown): unknown
  getExtraInfo(name: string, defaultValue?: unknown): unknown {
    return this.transport.getExtraInfo(name, defaultValue)
  }
}

const abandoned =
  typeof FinalizationRegistry !== 'function'
    ? undefined
    : new FinalizationRegistry<Transport>((transport) => {
        if (transport.isClosing()) return
        const message = `a StreamWriter to ${peerOf(transport) ?? 'a peer'} was dropped without close(): closing the connection`
        if (typeof process === 'object') process.emitWarning(message, { code: 'MILLRACE_ABANDONED_WRITER' })
        transport.close()
      })
