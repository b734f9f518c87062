/**
 * The pull side of a connection: bytes come in by `feedData`, reads take them out.
 *
 * Strategy: every read is an attempt on the buffered bytes that either has its result or takes nothing ("look, then
 * take"). A read that must wait leaves its attempt behind, and each chunk that comes tries it again. So a read that is
 * cancelled has taken nothing, and one that is done has its result already.
 * (Above 400 lines: all reads are methods of the one class that users know and subclass; half of it is their contract.)
 */
import { ByteQueue } from '../bytes/byteQueue.ts'
import { toBytes } from '../bytes/allocate.ts'
import {
  IncompleteReadError,
  InvalidStateError,
  LimitOverrunError,
  NotImplementedError,
  type PeerName,
} from '../errors.ts'
import { peerOf, type BufferLimits, type Transport } from '../transport.ts'
import { abortedOnEntry, mayBeCancelled, handled, rejected, Waiter } from '../wait.ts'
import { sizeOf, type NumberFormat, type NumberOf } from './numberFormat.ts'
import { ReadProgress, type ReadOptions } from './readProgress.ts'
import { byteSearch, separatorSearch, toSeparators } from './separatorSearch.ts'

/** Options of the constructor, and of all that make readers. */
export interface StreamReaderOptions {
  /**
   * In bytes, 64 KiB by default. Bounds `readLine` and `readUntil`, and sets when the peer is held back: reading is
   * paused above twice the limit and goes on at the limit, unless {@link StreamReader.setReadBufferLimits} says
   * otherwise.
   */
  limit?: number | undefined
}

/** Options of the reads that look for the end of what they read. */
export interface ReadUntilOptions extends ReadOptions {
  /** In place of the reader's limit, for this one read: the most bytes before the separator. */
  readonly limit?: number | undefined
}

/**
 * One try of a read. It looks at what is buffered and takes what it needs from `queue`, or takes nothing and returns
 * `undefined`: then it is tried again when more has come. `eof` says that no more will. What it throws rejects the
 * read.
 */
export type ReadAttempt<T> = (queue: ByteQueue, eof: boolean) => T | undefined

const DEFAULT_LIMIT = 64 * 1024

interface PendingRead {
  readonly attempt: ReadAttempt<unknown>
  readonly operation: string
  readonly waiter: Waiter<unknown>
  readonly progress: ReadProgress | undefined
}

/**
 * Reads bytes from a connection. Made by `openConnection` and `startServer`; subclass it for a wire format of your
 * own and pass the class to them, building its methods on {@link take}.
 *
 * All reads have these rules in common. One may wait at a time: another is refused with {@link InvalidStateError} at
 * once, and does not disturb the first. A read that is cancelled, or times out, has consumed nothing. When the
 * connection is lost, what came before can still be read; a read that needs more rejects with the reason. Results may
 * share memory with the chunks they came in; they are yours to keep, and never written to again.
 *
 * `Item` is what `for await` gives: lines here, messages in framed readers. (asyncio: `StreamReader`.)
 */
export class StreamReader<Item = Buffer> implements AsyncIterable<Item> {
  readonly #queue = new ByteQueue()
  readonly #limit: number
  #high: number
  #low: number
  #eof = false
  #exception: unknown = null
  #refused: { readonly reason: unknown } | undefined
  #pending: PendingRead | undefined
  #transport: Transport | undefined
  #canPause = true
  #paused = false

  /** Throws a RangeError unless `limit` is above 0. */
  constructor({ limit = DEFAULT_LIMIT }: StreamReaderOptions = {}) {
    if (!(limit > 0)) throw new RangeError(`limit must be above 0, not ${limit}`)
    this.#limit = limit
    this.#high = 2 * limit
    this.#low = limit
  }

  // --- the side of the protocol

  /** Names the transport that is paused when too much is buffered. May be called once. */
  setTransport(transport: Transport): void {
    if (this.#transport !== undefined) throw new InvalidStateError('the reader has a transport already')
    this.#transport = transport
  }

  /** Names another transport for the same connection, after `startTls`. */
  replaceTransport(transport: Transport): void {
    this.#transport = transport
    this.#paused = false
    if (this.#pending === undefined && this.#queue.length > this.#high) this.#pause()
  }

  /** Adds bytes at the end. The chunk is kept, not copied. Throws {@link InvalidStateError} after `feedEof()`. */
  feedData(data: Uint8Array): void {
    if (this.#eof) throw new InvalidStateError(`feedData of ${data.length} bytes after feedEof()`)
    if (data.length === 0) return
    this.#queue.push(asBuffer(data))
    if (this.#pending !== undefined) this.#retry(data.length)
    // While a read waits for more than that, more must come.
    if (this.#pending === undefined && this.#queue.length > this.#high) this.#pause()
  }

  /** Marks the end of the stream. May be called again. */
  feedEof(): void {
    this.#eof = true
    if (this.#pending !== undefined) this.#retry(0)
  }

  /**
   * The connection is lost: no more will come. Reads are served from what is buffered; one that needs more, such as the
   * one that waits, rejects with `error`.
   */
  setException(error: unknown): void {
    this.#exception = error
    const pending = this.#pending
    if (pending === undefined) return
    this.#settled(pending)
    pending.waiter.reject(error)
  }

  /** What was given to {@link setException}, else `null`. */
  exception(): unknown {
    return this.#exception
  }

  // --- the side of the user

  /** Whether the stream has ended and everything was read. */
  atEof(): boolean {
    return this.#eof && this.#queue.length === 0
  }

  /** The number of bytes that have come and are not read. */
  get buffered(): number {
    return this.#queue.length
  }

  /**
   * Sets the marks between which the peer is held back, in bytes: reading is paused when more than `high` are buffered
   * (unless a read waits for more), and goes on at `low`. With one of them given the other follows: `low = high / 2`,
   * `high = 2 * low`. Throws a RangeError, changing nothing, unless `high ≥ low ≥ 0`.
   */
  setReadBufferLimits({ high, low }: BufferLimits = {}): void {
    const newHigh = high ?? 2 * (low ?? this.#limit)
    const newLow = low ?? Math.floor(newHigh / 2)
    if (!(newHigh >= newLow && newLow >= 0)) {
      throw new RangeError(`the read buffer needs high >= low >= 0, not high ${newHigh} and low ${newLow}`)
    }
    this.#high = newHigh
    this.#low = newLow
    if (this.#paused) this.#maybeResume()
    else if (this.#pending === undefined && this.#queue.length > newHigh) this.#pause()
  }

  getReadBufferLimits(): [low: number, high: number] {
    return [this.#low, this.#high]
  }

  /**
   * Resolves with at most `n` bytes, as soon as there is one; with none at the end of the stream. Without `n`, or
   * with a negative one, resolves with everything up to the end of the stream. (asyncio: `StreamReader.read`.)
   */
  read(n = -1, options?: ReadOptions): Promise<Buffer> {
    return this.#read(
      (queue, eof) => {
        if (n < 0) return eof ? queue.takeAll() : undefined
        if (n === 0 || queue.length > 0 || eof) return queue.take(Math.min(n, queue.length))
        return undefined
      },
      options,
      'read',
    )
  }

  /**
   * Resolves with exactly `n` bytes, waiting for as many chunks as it takes; memory is only taken for bytes that came.
   *
   * Rejects with {@link IncompleteReadError} if the stream ends first; the bytes that did come are in `error.partial`
   * and are consumed. A negative `n` is a RangeError. (asyncio: `StreamReader.readexactly`.)
   */
  readExactly(n: number, options?: ReadOptions): Promise<Buffer> {
    if (!(n >= 0)) return rejected(new RangeError(`readExactly of ${n} bytes`))
    return this.#read((queue, eof) => this.#takeExactly(n, queue, eof), options, 'readExactly')
  }

  /**
   * Reads into `target` as many bytes as have come, at least one; resolves with their number, 0 at the end of the
   * stream or for an empty target. A large message is read into one buffer by a loop over `target.subarray(done)`,
   * without being held twice. Do not use `target` until then; cancelled, it was not written to.
   */
  readInto(target: Uint8Array, options?: ReadOptions): Promise<number> {
    return this.take(
      (queue, eof) => (queue.length > 0 || eof || target.length === 0 ? queue.takeInto(target) : undefined),
      options,
      'readInto',
    ) as Promise<number>
  }

  /**
   * Resolves with one number, in a format named as in Buffer's methods: `readNumber('UInt32BE')`. Those of 64 bits are
   * bigints.
   *
   * Rejects with {@link IncompleteReadError}, as {@link readExactly} does. What is no format is a TypeError.
   */
  readNumber<F extends NumberFormat>(format: F, options?: ReadOptions): Promise<NumberOf<F>> {
    let size: number
    try {
      size = sizeOf(format)
    } catch (error) {
      return rejected(error)
    }
    return this.take(
      (queue, eof) => (this.#takeExactly(size, queue, eof) as Buffer | undefined)?.[`read${format}`](),
      options,
      'readNumber',
    ) as Promise<NumberOf<F>>
  }

  /**
   * Resolves with the first `n` bytes, which stay in the buffer; with fewer if the stream ends before. What is looked
   * at is bounded by nothing but `n`.
   */
  peek(n: number, options?: ReadOptions): Promise<Buffer> {
    if (!(n >= 0)) return rejected(new RangeError(`peek of ${n} bytes`))
    return this.#read(
      (queue, eof) => (queue.length >= n || eof ? queue.peek(Math.min(n, queue.length)) : undefined),
      options,
      'peek',
    )
  }

  /**
   * Takes at most `n` of the bytes that have come, without waiting; there may be none. Without `n`, or with a negative
   * one, it takes them all: what a protocol that follows on the same connection must get first. Throws what
   * {@link read} rejects with.
   */
  tryRead(n = -1): Buffer {
    const attempt: ReadAttempt<Uint8Array> = (queue) =>
      queue.length > 0 ? queue.take(n < 0 ? queue.length : Math.min(n, queue.length)) : undefined
    return (this.takeNow(attempt, 'tryRead') ?? EMPTY) as Buffer
  }

  /**
   * Puts bytes back in front of what is buffered, the next read begins with them; a read that waits gets them at once.
   * The bytes are kept, not copied. Possible at the end of the stream, too.
   */
  unread(data: Uint8Array): void {
    if (data.length === 0) return
    this.#queue.unshift(asBuffer(data))
    if (this.#pending !== undefined) this.#retry(0)
    if (this.#pending === undefined && this.#queue.length > this.#high) this.#pause()
  }

  /**
   * Resolves with the next line including its `\n`; at the end of the stream with what is left, which may be nothing.
   *
   * Rejects with {@link LimitOverrunError} if the line without its `\n` is longer than the limit: then the line is
   * dropped if its end was there, else all that was buffered. (asyncio: `StreamReader.readline`.)
   */
  readLine(options?: ReadUntilOptions): Promise<Buffer> {
    const search = separatorSearch(NEWLINE, options?.limit ?? this.#limit)
    return this.#read(
      (queue, eof) => {
        try {
          return search(queue) ?? (eof ? queue.takeAll() : undefined)
        } catch (error) {
          const { consumed } = error as LimitOverrunError
          if (consumed < queue.length && queue.at(consumed) === 0x0a) queue.skip(consumed + 1)
          else queue.clear()
          throw error
        }
      },
      options,
      'readLine',
    )
  }

  /**
   * Resolves with everything up to and including `separator`: one, or several of which the one that ends first counts,
   * or a predicate of a byte.
   *
   * Rejects with {@link IncompleteReadError} (`expected` is `null`) at the end of the stream, what is left being
   * consumed; and with {@link LimitOverrunError} if the bytes before the separator are more than the limit: they stay
   * in the buffer. No separator, or an empty one, is a RangeError. (asyncio: `StreamReader.readuntil`.)
   */
  readUntil(
    separator: Separator | readonly Separator[] | ((byte: number) => boolean) = '\n',
    options?: ReadUntilOptions,
  ): Promise<Buffer> {
    const limit = options?.limit ?? this.#limit
    let search: (queue: ByteQueue) => Uint8Array | undefined
    try {
      search =
        typeof separator === 'function' ? byteSearch(separator, limit) : separatorSearch(toSeparators(separator), limit)
    } catch (error) {
      return rejected(error)
    }
    return this.#read(
      (queue, eof) => {
        const found = search(queue)
        if (found === undefined && eof) throw new IncompleteReadError(queue.takeAll(), null, this.peer)
        return found
      },
      options,
      'readUntil',
    )
  }

  /** Items until the end of the stream. Leaving the loop closes nothing: reading may go on. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Item> {
    return {
      next: () => {
        let item: Item | undefined | Promise<Item | undefined>
        try {
          item = this.nextItem()
        } catch (error) {
          return rejected(error)
        }
        if (!(item instanceof Promise)) return Promise.resolve(toResult(item))
        const result: Promise<IteratorResult<Item, undefined>> = item.then(toResult, (error: unknown) => {
          void handled(result)
          throw error
        })
        return result
      },
      return: () => Promise.resolve({ done: true, value: undefined }),
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  // --- for subclasses

  /**
   * The next item of an iteration, or a promise of it; `undefined` at the end. Here a line; a reader of messages
   * overrides it.
   */
  protected nextItem(): Item | undefined | Promise<Item | undefined> {
    return this.readLine().then((line) => (line.length === 0 ? undefined : (line as Item)))
  }

  /**
   * The read that all others are made of: resolves with what `attempt` returns, trying it at once and again whenever
   * bytes come. Cancelled, it leaves every byte where it was; so a message whose header and body are taken in one
   * attempt is never torn, as it can be between two `readExactly`.
   *
   * At the end of the stream an attempt that still returns `undefined` resolves with `undefined` if nothing is left,
   * and rejects with {@link IncompleteReadError} otherwise. `operation` names the read in errors.
   */
  protected take<T>(attempt: ReadAttempt<T>, options?: ReadOptions, operation = 'read'): Promise<T | undefined> {
    let result: T | undefined
    try {
      if (this.#mustRefuse(options)) throw this.#refusal(options, operation)
      result = this.#attempt(attempt)
    } catch (error) {
      return rejected(error)
    }
    if (result !== undefined || this.#eof) return Promise.resolve(result)
    return this.#wait(attempt, options, operation)
  }

  /** Like {@link take} without waiting: `undefined` if more bytes are needed, or at the end. Throws what it rejects with. */
  protected takeNow<T>(attempt: ReadAttempt<T>, operation = 'read'): T | undefined {
    if (this.#mustRefuse(undefined)) throw this.#refusal(undefined, operation)
    return this.#attempt(attempt)
  }

  /**
   * From now on every read rejects with `error`: what is buffered can no longer be understood. Other than
   * {@link setException} it says nothing of the connection, to which an answer may still be written and drained.
   */
  protected refuseReads(error: unknown): void {
    this.#refused = { reason: error }
  }

  /** The transport that feeds this reader; `undefined` while there is none. */
  protected get transport(): Transport | undefined {
    return this.#transport
  }

  /** Throws {@link InvalidStateError} while a read waits: for what must not change under it. */
  protected refuseWhileReading(operation: string): void {
    if (this.#pending !== undefined) throw this.#refusal(undefined, operation)
  }

  /** The other end, for messages; `undefined` while there is no transport. */
  protected get peer(): PeerName | undefined {
    return peerOf(this.#transport)
  }

  // --- inside

  #read(attempt: ReadAttempt<Uint8Array>, options: ReadOptions | undefined, operation: string): Promise<Buffer> {
    return this.take(attempt, options, operation) as Promise<Buffer>
  }

  #takeExactly(n: number, queue: ByteQueue, eof: boolean): Uint8Array | undefined {
    if (queue.length >= n) return queue.take(n)
    if (eof) throw new IncompleteReadError(queue.takeAll(), n, this.peer)
    return undefined
  }

  #mustRefuse(options: ReadOptions | undefined): boolean {
    return (
      this.#pending !== undefined ||
      this.#refused !== undefined ||
      (mayBeCancelled(options) && abortedOnEntry(options) !== undefined)
    )
  }

  #refusal(options: ReadOptions | undefined, operation: string): unknown {
    const pending = this.#pending
    if (pending !== undefined) {
      return new InvalidStateError(`${operation}() while ${pending.operation}() is waiting on the same reader`)
    }
    return (abortedOnEntry(options) ?? this.#refused)?.reason
  }

  #attempt<T>(attempt: ReadAttempt<T>): T | undefined {
    const queue = this.#queue
    const lost = this.#exception !== null
    // What a lost connection has left is no whole stream.
    const eof = this.#eof && !lost
    try {
      const result = attempt(queue, eof)
      if (result !== undefined) return result
      if (lost) throw this.#exception
      if (eof && queue.length > 0) throw new IncompleteReadError(queue.takeAll(), null, this.peer)
      return undefined
    } finally {
      if (this.#paused) this.#maybeResume()
    }
  }

  #wait<T>(attempt: ReadAttempt<T>, options: ReadOptions | undefined, operation: string): Promise<T | undefined> {
    const pending: PendingRead =
      options === undefined ? this.#plain(attempt, operation) : this.#limited(attempt, options, operation)
    this.#pending = pending
    if (this.#paused) this.#resume()
    return pending.waiter.promise as Promise<T | undefined>
  }

  // Without a closure where nothing can cancel it: there is one per idle connection.
  #plain(attempt: ReadAttempt<unknown>, operation: string): PendingRead {
    if (!mayBeCancelled(undefined)) return { attempt, operation, waiter: new Waiter<unknown>(), progress: undefined }
    return this.#inScope(attempt, operation)
  }

  #inScope(attempt: ReadAttempt<unknown>, operation: string): PendingRead {
    const waiter = new Waiter<unknown>(undefined, undefined, () => this.#settled(pending))
    const pending: PendingRead = { attempt, operation, waiter, progress: undefined }
    return pending
  }

  #limited(attempt: ReadAttempt<unknown>, options: ReadOptions, operation: string): PendingRead {
    const name = (): string =>
      `${operation}${this.peer === undefined ? '' : ` from ${this.peer}`} (${this.#queue.length} bytes buffered)`
    const watched = options.idleTimeoutMs !== undefined || options.minRate !== undefined
    const fail = (error: unknown): void => {
      this.#settled(pending)
      pending.waiter.reject(error)
    }
    // Each of the two may refuse its options, and must leave no timer of the other then.
    const progress = watched ? new ReadProgress(options, name, fail) : undefined
    const waiter = new Waiter<unknown>(options, name, () => this.#settled(pending))
    progress?.start()
    const pending: PendingRead = { attempt, operation, waiter, progress }
    return pending
  }

  /** The read waits no longer. */
  #settled(pending: PendingRead): void {
    this.#pending = undefined
    pending.progress?.stop()
  }

  /** `received` bytes have come, or none but an end. */
  #retry(received: number): void {
    const pending = this.#pending!
    pending.progress?.received(received)
    try {
      const result = this.#attempt(pending.attempt)
      if (result === undefined && !this.#eof) return
      this.#settled(pending)
      pending.waiter.resolve(result)
    } catch (error) {
      this.#settled(pending)
      pending.waiter.reject(error)
    }
  }

  #pause(): void {
    if (this.#paused || !this.#canPause || this.#transport === undefined) return
    try {
      this.#transport.pauseReading()
      this.#paused = true
    } catch (error) {
      if (!(error instanceof NotImplementedError)) throw error
      // A transport that cannot pause: then everything is buffered.
      this.#canPause = false
    }
  }

  #maybeResume(): void {
    if (this.#queue.length <= this.#low) this.#resume()
  }

  #resume(): void {
    this.#paused = false
    this.#transport?.resumeReading()
  }
}

/** A separator of `readUntil`; a string stands for its UTF-8 bytes. */
export type Separator = Uint8Array | string

const toResult = <T>(value: T | undefined): IteratorResult<T, undefined> =>
  value === undefined ? { done: true, value: undefined } : { done: false, value }

const NEWLINE = [toBytes('\n')]
const EMPTY = asBuffer(toBytes(''))

/** The same memory as a Buffer, where there are Buffers. */
function asBuffer(data: Uint8Array): Uint8Array {
  if (typeof Buffer !== 'function' || data instanceof Buffer) return data
  return Buffer.from(data.buffer, data.byteOffset, data.length)
}
