/**
 * Messages to read and to write, one at a time: what reader and writer are for bytes, for a wire that has messages.
 *
 * Strategy: a message that comes goes to the read that waits, else into a queue; above the high mark the transport is
 * paused, at the low one it is resumed. The state of writing and of the end is kept here too, so that a
 * `MessageStreamProtocol` only passes on what its transport calls.
 */
import { ConnectionLostError, InvalidStateError, NotImplementedError, type PeerName } from '../errors.ts'
import { peerOf, type AbortOptions, type BufferLimits, type ExtraInfo } from '../transport.ts'
import { writeMarks } from '../transports/flowControlMixin.ts'
import { abortedOnEntry, DONE, handled, nextTurn, rejected, Waiter, WaitList, type WaitOptions } from '../wait.ts'
import { EventQueue } from './eventQueue.ts'
import { MessageQueue } from './messageQueue.ts'
import type { MessageTransport } from './messageTransport.ts'

/** Options of the constructor, and of all that make message streams. */
export interface MessageStreamOptions {
  /** See {@link MessageStream.setReadBufferLimits}. */
  readBufferLimits?: BufferLimits | undefined
  /** See {@link MessageStream.setWriteBufferLimits}. */
  writeBufferLimits?: BufferLimits | undefined
  /** How many events are kept unread; 100 by default. */
  eventsBacklog?: number | undefined
}

const DEFAULT_READ_HIGH = 128 * 1024
const DEFAULT_EVENTS_BACKLOG = 100
/** A loop of writes and drains must let the event loop look at its sockets now and then; so often does no harm. */
const DRAINS_PER_TURN = 2048

/**
 * A stream of messages over any {@link MessageTransport}. Made by `openMessageStream`, `startMessageServer` and
 * `openDatagrams`; subclass it and pass the class to them.
 *
 * One read may wait at a time: another is refused with {@link InvalidStateError} at once, and does not disturb the
 * first. A read that is cancelled has taken nothing. When the connection is lost, the messages that came before can still
 * be read, then reads reject with the reason. `for await` gives messages until the end; leaving the loop closes nothing.
 */
export class MessageStream<In, Out = In, Event = unknown> implements AsyncIterable<In>, AsyncDisposable {
  /** What is told beside the messages: errors of datagrams, messages that were discarded. */
  readonly events: EventQueue<Event>
  readonly #queue = new MessageQueue<In>()
  readonly #writeBufferLimits: BufferLimits | undefined
  #transport: MessageTransport<In, Out> | undefined
  #high = 0
  #low = 0
  #canPause = true
  #readingPaused = false
  #reading: Waiter<In | undefined> | undefined
  #ended = false
  #refused: { readonly reason: unknown } | undefined
  #writingPaused = false
  #drains = 0
  #drainWaiters: WaitList | undefined
  #closedWaiters: WaitList | undefined
  /** `undefined` until the connection is lost, then why. */
  #lost: Error | null | undefined

  /** Throws a RangeError for limits that make no sense. */
  constructor({ readBufferLimits, writeBufferLimits, eventsBacklog }: MessageStreamOptions = {}) {
    this.events = new EventQueue(eventsBacklog ?? DEFAULT_EVENTS_BACKLOG)
    this.setReadBufferLimits(readBufferLimits)
    // Now, and not by the first connection.
    writeMarks(writeBufferLimits)
    this.#writeBufferLimits = writeBufferLimits
  }

  // --- the side of the protocol

  /** Names the transport. May be called once. */
  setTransport(transport: MessageTransport<In, Out>): void {
    if (this.#transport !== undefined) throw new InvalidStateError('the stream has a transport already')
    this.#transport = transport
    if (this.#writeBufferLimits !== undefined) transport.setWriteBufferLimits(this.#writeBufferLimits)
  }

  /** A message has come, which counts for `size`. */
  feedMessage(message: In, size = 1): void {
    const reading = this.#reading
    if (reading !== undefined) {
      this.#reading = undefined
      return reading.resolve(message)
    }
    this.#queue.push(message, size)
    if (this.#queue.size > this.#high) this.#pause()
  }

  /** Something has happened beside the messages. */
  feedEvent(event: Event): void {
    this.events.push(event)
  }

  /** No more messages will come. */
  feedEof(): void {
    this.#ended = true
    const reading = this.#reading
    this.#reading = undefined
    reading?.resolve(undefined)
  }

  /**
   * No more messages can be understood: behind those that came, every read rejects with `error`. It says nothing of the
   * connection, to which an answer may still be written.
   */
  refuseReads(error: unknown): void {
    this.#refused ??= { reason: error }
    const reading = this.#reading
    this.#reading = undefined
    reading?.reject(this.#refused.reason)
  }

  /** The write buffer is above its high mark, or is at its low one again. */
  setWritingPaused(paused: boolean): void {
    this.#writingPaused = paused
    if (!paused) this.#drainWaiters?.resolveAll()
  }

  /** The connection is over: `null` after an end or our own `close()`, else the reason. */
  connectionLost(error: Error | null): void {
    this.#lost = error
    if (error === null) this.feedEof()
    else this.refuseReads(error)
    this.events.end()
    for (const waiters of [this.#closedWaiters, this.#drainWaiters]) {
      if (error === null) waiters?.resolveAll()
      else waiters?.rejectAll(error)
    }
  }

  /** Why the connection was lost; `null` while it is not, and after a clean end. */
  exception(): Error | null {
    return this.#lost ?? null
  }

  // --- reading

  /**
   * Resolves with the next message, or with `undefined` at the end.
   *
   * Rejects with the reason when the connection is lost, and with the decoder's error when the bytes below cannot be a
   * message; the messages before have been given out. Cancelled, it has taken none.
   */
  readMessage(options?: WaitOptions): Promise<In | undefined> {
    let message: In | undefined
    try {
      message = this.#take('readMessage', options)
    } catch (error) {
      return rejected(error)
    }
    if (message !== undefined || this.#ended) return Promise.resolve(message)
    const waiter: Waiter<In | undefined> = new Waiter<In | undefined>(
      options,
      () => `readMessage${this.peer === undefined ? '' : ` from ${this.peer}`}`,
      () => (this.#reading = undefined),
    )
    this.#reading = waiter
    return waiter.promise
  }

  /** The next message if it has come, else `undefined`, also at the end. Throws what {@link readMessage} rejects with. */
  tryReadMessage(): In | undefined {
    return this.#take('tryReadMessage', undefined)
  }

  /** The next of {@link events}: `events.read()`. */
  readEvent(options?: WaitOptions): Promise<Event | undefined> {
    return this.events.read(options)
  }

  /** How many messages have come and are not read. */
  get buffered(): number {
    return this.#queue.length
  }

  /** Messages that came and were dropped, since more than enough were unread: of datagrams, which nothing holds back. */
  get dropped(): number {
    return this.transport.dropped
  }

  /**
   * Sets the marks between which the peer is held back: reading is paused when the unread messages are above `high`
   * together, and goes on at `low`. They count as the transport says: by their bytes on the wire. By default 128 KiB
   * and 64 KiB; with one of them given the other follows: `low = high / 2`, `high = 2 * low`. Throws a RangeError,
   * changing nothing, unless `high ≥ low ≥ 0`.
   */
  setReadBufferLimits({ high, low }: BufferLimits = {}): void {
    const newHigh = high ?? (low === undefined ? DEFAULT_READ_HIGH : 2 * low)
    const newLow = low ?? Math.floor(newHigh / 2)
    if (!(newHigh >= newLow && newLow >= 0)) {
      throw new RangeError(`the read buffer needs high >= low >= 0, not high ${newHigh} and low ${newLow}`)
    }
    this.#high = newHigh
    this.#low = newLow
    if (this.#readingPaused) this.#maybeResume()
    else if (this.#queue.size > newHigh) this.#pause()
  }

  getReadBufferLimits(): [low: number, high: number] {
    return [this.#low, this.#high]
  }

  /** Messages until the end. */
  [Symbol.asyncIterator](): AsyncIterableIterator<In> {
    const toResult = (message: In | undefined): IteratorResult<In, undefined> =>
      message === undefined ? { done: true, value: undefined } : { done: false, value: message }
    return {
      next: () => handled(this.readMessage().then(toResult)),
      return: () => Promise.resolve({ done: true, value: undefined }),
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  // --- writing

  /** Writes one message. Never waits: follow it by `await stream.drain()`. Throws as the transport's `send` does. */
  writeMessage(message: Out): void {
    this.transport.send(message)
  }

  /**
   * Waits until it is good to write on: at once if the write buffer is not above its high mark, else until it has fallen
   * to the low mark. Any number of calls may wait. Rejects with the reason if the connection is lost, and with
   * {@link ConnectionLostError} also when it had ended cleanly before. Cancelled, it changes nothing.
   */
  drain(options?: WaitOptions): Promise<void> {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    const exception = this.exception()
    if (exception !== null) return rejected(exception)
    if (this.isClosing() || ++this.#drains === DRAINS_PER_TURN) {
      this.#drains = 0
      // Twice, since the end of a socket is told behind the turn in which it is closed.
      return handled(
        nextTurn()
          .then(nextTurn)
          .then(() => this.#drained(options)),
      )
    }
    return this.#drained(options)
  }

  /** Whether {@link drain} has something to wait for, or to tell. */
  get needsDrain(): boolean {
    return this.#writingPaused || this.#lost !== undefined || this.isClosing()
  }

  /** Sets the marks of {@link drain}; see `WriteTransport.setWriteBufferLimits`. */
  setWriteBufferLimits(limits?: BufferLimits): void {
    this.transport.setWriteBufferLimits(limits)
  }

  getWriteBufferLimits(): [low: number, high: number] {
    return this.transport.getWriteBufferLimits()
  }

  // --- the end

  /** The connection below. Throws {@link InvalidStateError} while there is none. */
  get transport(): MessageTransport<In, Out> {
    if (this.#transport === undefined) throw new InvalidStateError('the stream has no transport yet')
    return this.#transport
  }

  /** Sends what is written, then closes. What is {@link buffered} can still be read. To wait for the end: {@link waitClosed}. */
  close(): void {
    this.transport.close()
  }

  /** Closes at once: what is unsent is dropped. */
  abort(options?: AbortOptions): void {
    this.transport.abort(options)
  }

  isClosing(): boolean {
    return this.transport.isClosing()
  }

  /** Whether the connection is closing, or lost, and every message that came was read. */
  atClosing(): boolean {
    return this.isClosing() && this.#queue.length === 0
  }

  /** Resolves when the connection is gone, rejects if it was lost for a reason; any number of calls may wait. */
  waitClosed(options?: WaitOptions): Promise<void> {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    if (this.#lost === null) return DONE
    if (this.#lost !== undefined) return rejected(this.#lost)
    this.#closedWaiters ??= new WaitList()
    return this.#closedWaiters.wait(options, () => `waitClosed of the connection with ${this.peer}`)
  }

  /** Closes, and waits for the end: `await using stream = …`. */
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

  /** The other end, for messages; `undefined` while there is no transport. */
  protected get peer(): PeerName | undefined {
    return peerOf(this.#transport)
  }

  // --- inside

  #take(operation: string, options: WaitOptions | undefined): In | undefined {
    if (this.#reading !== undefined) {
      throw new InvalidStateError(`${operation}() while readMessage() is waiting on the same stream`)
    }
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) throw aborted.reason
    if (this.#queue.length > 0) {
      const [message] = this.#queue.shift()
      if (this.#readingPaused) this.#maybeResume()
      return message
    }
    if (this.#refused !== undefined) throw this.#refused.reason
    return undefined
  }

  #drained(options: WaitOptions | undefined): Promise<void> {
    if (this.#lost !== undefined) {
      const cause = this.#lost === null ? undefined : { cause: this.#lost }
      const message = `drain on a connection with ${this.peer} that is closed`
      return rejected(new ConnectionLostError(message, this.peer, cause))
    }
    if (!this.#writingPaused) return DONE
    this.#drainWaiters ??= new WaitList()
    return this.#drainWaiters.wait(options, () => `drain to ${this.peer} (${this.#unsent()} unsent)`)
  }

  #unsent(): number | string {
    try {
      return this.transport.getWriteBufferSize()
    } catch {
      return 'something'
    }
  }

  #pause(): void {
    if (this.#readingPaused || !this.#canPause || this.#transport === undefined) return
    try {
      this.#transport.pauseReading()
      this.#readingPaused = true
    } catch (error) {
      if (!(error instanceof NotImplementedError)) throw error
      this.#canPause = false
    }
  }

  #maybeResume(): void {
    if (this.#queue.size > this.#low) return
    // First: it may deliver from inside.
    this.#readingPaused = false
    this.#transport?.resumeReading()
  }
}
