/**
 * The pull side of a connection: bytes come in by `feedData`, reads take them out.
 *
 * Strategy: every read is an attempt on the buffered bytes that either has its result or takes nothing ("look, then
 * take"). A read that must wait leaves its attempt behind, and each chunk that comes tries it again. So a read that is
 * cancelled has taken nothing, and one that is done has its result already.
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
import { peerOf, type Transport } from '../transport.ts'
import { abortedOnEntry, mayBeCancelled, handled, rejected, Waiter, type WaitOptions } from '../wait.ts'
import { separatorSearch, toSeparators } from './separatorSearch.ts'

/** Options of the constructor, and of all that make readers. */
export interface StreamReaderOptions {
  /**
   * In bytes, 64 KiB by default. Bounds `readLine` and `readUntil`, and sets when the peer is held back: reading is
   * paused above twice the limit and goes on at the limit.
   */
  limit?: number | undefined
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
}

/**
 * Reads bytes from a connection. Made by `openConnection` and `startServer`; subclass it for a wire format of your
 * own and pass the class to them, building its methods on {@link take}.
 *
 * All reads have these rules in common. One may wait at a time: another is refused with {@link InvalidStateError} at
 * once, and does not disturb the first. A read that is cancelled, or times out, has consumed nothing. When the
 * connection is lost, every read rejects with the reason. Results may share memory with the chunks they came in;
 * they are yours to keep, and never written to again.
 *
 * `Item` is what `for await` gives: lines here, messages in framed readers. (asyncio: `StreamReader`.)
 */
export class StreamReader<Item = Buffer> implements AsyncIterable<Item> {
  readonly #queue = new ByteQueue()
  readonly #limit: number
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
  }

  // --- the side of the protocol

  /** Names the transport that is paused when too much is buffered. May be called once. */
  setTransport(transport: Transport): void {
    if (this.#transport !== undefined) throw new InvalidStateError('the reader has a transport already')
    this.#transport = transport
  }

  /** Adds bytes at the end. The chunk is kept, not copied. Throws {@link InvalidStateError} after `feedEof()`. */
  feedData(data: Uint8Array): void {
    if (this.#eof) throw new InvalidStateError(`feedData of ${data.length} bytes after feedEof()`)
    if (data.length === 0) return
    this.#queue.push(asBuffer(data))
    if (this.#pending !== undefined) this.#retry()
    // While a read waits for more than that, more must come.
    if (this.#pending === undefined && this.#queue.length > 2 * this.#limit) this.#pause()
  }

  /** Marks the end of the stream. May be called again. */
  feedEof(): void {
    this.#eof = true
    if (this.#pending !== undefined) this.#retry()
  }

  /** From now on every read rejects with `error`, the waiting one included. */
  setException(error: unknown): void {
    this.#exception = error
    const pending = this.#pending
    this.#pending = undefined
    pending?.waiter.reject(error)
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

  /**
   * Resolves with at most `n` bytes, as soon as there is one; with none at the end of the stream. Without `n`, or
   * with a negative one, resolves with everything up to the end of the stream. (asyncio: `StreamReader.read`.)
   */
  read(n = -1, options?: WaitOptions): Promise<Buffer> {
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
  readExactly(n: number, options?: WaitOptions): Promise<Buffer> {
    if (!(n >= 0)) return rejected(new RangeError(`readExactly of ${n} bytes`))
    return this.#read(
      (queue, eof) => {
        if (queue.length >= n) return queue.take(n)
        if (eof) throw new IncompleteReadError(queue.takeAll(), n, this.peer)
        return undefined
      },
      options,
      'readExactly',
    )
  }

  /**
   * Resolves with the next line including its `\n`; at the end of the stream with what is left, which may be nothing.
   *
   * Rejects with {@link LimitOverrunError} if the line without its `\n` is longer than the limit: then the line is
   * dropped if its end was there, else all that was buffered. (asyncio: `StreamReader.readline`.)
   */
  readLine(options?: WaitOptions): Promise<Buffer> {
    const search = separatorSearch(NEWLINE, this.#limit)
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
   * Resolves with everything up to and including `separator`: one, or several of which the shortest match counts.
   *
   * Rejects with {@link IncompleteReadError} (`expected` is `null`) at the end of the stream, what is left being
   * consumed; and with {@link LimitOverrunError} if the bytes before the separator are more than the limit: they stay
   * in the buffer. No separator, or an empty one, is a RangeError. (asyncio: `StreamReader.readuntil`.)
   */
  readUntil(separator: Separator | readonly Separator[] = '\n', options?: WaitOptions): Promise<Buffer> {
    let search: (queue: ByteQueue) => Uint8Array | undefined
    try {
      search = separatorSearch(toSeparators(separator), this.#limit)
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
        const result: Promise<IteratorResult<Item, undefined>> = this.nextItem().then(toResult, (error: unknown) => {
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

  /** The next item of an iteration, `undefined` at the end: here a line. A reader of messages overrides it. */
  protected async nextItem(): Promise<Item | undefined> {
    const line = await this.readLine()
    return line.length === 0 ? undefined : (line as Item)
  }

  /**
   * The read that all others are made of: resolves with what `attempt` returns, trying it at once and again whenever
   * bytes come. Cancelled, it leaves every byte where it was; so a message whose header and body are taken in one
   * attempt is never torn, as it can be between two `readExactly`.
   *
   * At the end of the stream an attempt that still returns `undefined` resolves with `undefined` if nothing is left,
   * and rejects with {@link IncompleteReadError} otherwise. `operation` names the read in errors.
   */
  protected take<T>(attempt: ReadAttempt<T>, options?: WaitOptions, operation = 'read'): Promise<T | undefined> {
    const refusal = this.#refusal(options, operation)
    if (refusal !== undefined) return rejected(refusal.reason)
    let result: T | undefined
    try {
      result = this.#attempt(attempt)
    } catch (error) {
      return rejected(error)
    }
    if (result !== undefined || this.#eof) return Promise.resolve(result)
    return this.#wait(attempt, options, operation)
  }

  /** Like {@link take} without waiting: `undefined` if more bytes are needed, or at the end. Throws what it rejects with. */
  protected takeNow<T>(attempt: ReadAttempt<T>, operation = 'read'): T | undefined {
    const refusal = this.#refusal(undefined, operation)
    if (refusal !== undefined) throw refusal.reason
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

  /** The other end, for messages; `undefined` while there is no transport. */
  protected get peer(): PeerName | undefined {
    return peerOf(this.#transport)
  }

  // --- inside

  #read(attempt: ReadAttempt<Uint8Array>, options: WaitOptions | undefined, operation: string): Promise<Buffer> {
    return this.take(attempt, options, operation) as Promise<Buffer>
  }

  #refusal(options: WaitOptions | undefined, operation: string): { readonly reason: unknown } | undefined {
    const pending = this.#pending
    if (pending !== undefined) {
      return {
        reason: new InvalidStateError(`${operation}() while ${pending.operation}() is waiting on the same reader`),
      }
    }
    if (this.#exception !== null) return { reason: this.#exception }
    if (this.#refused !== undefined) return this.#refused
    return abortedOnEntry(options)
  }

  #attempt<T>(attempt: ReadAttempt<T>): T | undefined {
    const queue = this.#queue
    try {
      const result = attempt(queue, this.#eof)
      if (result !== undefined || !this.#eof || queue.length === 0) return result
      throw new IncompleteReadError(queue.takeAll(), null, this.peer)
    } finally {
      if (this.#paused && queue.length <= this.#limit) this.#resume()
    }
  }

  #wait<T>(attempt: ReadAttempt<T>, options: WaitOptions | undefined, operation: string): Promise<T | undefined> {
    const waiter = mayBeCancelled(options) ? this.#cancellable(options, operation) : new Waiter<unknown>()
    this.#pending = { attempt, operation, waiter }
    if (this.#paused) this.#resume()
    return waiter.promise as Promise<T | undefined>
  }

  // A method of its own, so that a wait that nothing can cancel makes no closures: there is one per idle connection.
  #cancellable(options: WaitOptions | undefined, operation: string): Waiter<unknown> {
    return new Waiter<unknown>(
      options,
      () => `${operation}${this.peer === undefined ? '' : ` from ${this.peer}`} (${this.#queue.length} bytes buffered)`,
      () => (this.#pending = undefined),
    )
  }

  #retry(): void {
    const { attempt, waiter } = this.#pending!
    try {
      const result = this.#attempt(attempt)
      if (result === undefined && !this.#eof) return
      this.#pending = undefined
      waiter.resolve(result)
    } catch (error) {
      this.#pending = undefined
      waiter.reject(error)
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

/** The same memory as a Buffer, where there are Buffers. */
function asBuffer(data: Uint8Array): Uint8Array {
  if (typeof Buffer !== 'function' || data instanceof Buffer) return data
  return Buffer.from(data.buffer, data.byteOffset, data.length)
}
