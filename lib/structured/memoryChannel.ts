import { abortedOnEntry, DONE, rejected } from '../wait.ts'
import type { CheckpointOptions } from './checkpoint.ts'
import { BrokenResourceError, ClosedResourceError, EndOfChannel, WouldBlock } from './errors.ts'
import { Fifo } from './fifo.ts'
import { Parked, ParkedQueue } from './parkedQueue.ts'

/** What is going on in a channel. (trio: `MemoryChannelStatistics`.) */
export interface MemoryChannelStatistics {
  /** How many were sent, and not received yet. */
  readonly currentBufferUsed: number
  readonly maxBufferSize: number
  /** How many ends are not closed, clones included. */
  readonly openSendChannels: number
  readonly openReceiveChannels: number
  /** How many wait for room, or for something to receive. */
  readonly tasksWaitingSend: number
  readonly tasksWaitingReceive: number
}

/**
 * A channel between the tasks of this program, by its two ends. It holds up to `maxBufferSize` things that were sent and
 * not yet received; further senders wait. With 0 each waits until somebody receives; with `Infinity` none ever waits.
 * Senders are served in the order in which they came, and receivers in theirs.
 *
 * Each task should have an end of its own (`clone()`), and close it when it is done: `using` does. When the last sender is
 * closed, receivers get what is there and then the end; without receivers sending fails.
 *
 * Throws a TypeError or RangeError unless the size is a natural number or Infinity. (trio: `open_memory_channel`.)
 */
export function openMemoryChannel<T>(maxBufferSize: number): [MemorySendChannel<T>, MemoryReceiveChannel<T>] {
  if (typeof maxBufferSize !== 'number') {
    throw new TypeError(`openMemoryChannel(maxBufferSize): how many it holds, 0 for none, not ${typeof maxBufferSize}`)
  }
  if (!(maxBufferSize >= 0 && (Number.isInteger(maxBufferSize) || maxBufferSize === Infinity))) {
    throw new RangeError(`openMemoryChannel(maxBufferSize): 0, 1, 2 … or Infinity, not ${maxBufferSize}`)
  }
  const state = new ChannelState<T>(maxBufferSize)
  return [new MemorySendChannel(state), new MemoryReceiveChannel(state)]
}

/** What the ends have in common. While somebody waits to receive, there is nothing in it and nobody waits to send. */
class ChannelState<T> {
  readonly max: number
  readonly items = new Fifo<T>()
  readonly sending = new ParkedQueue<Sending<T>>()
  readonly receiving = new ParkedQueue<Receiving<T>>()
  openSenders = 0
  openReceivers = 0

  constructor(max: number) {
    this.max = max
  }

  statistics(): MemoryChannelStatistics {
    return {
      currentBufferUsed: this.items.size,
      maxBufferSize: this.max,
      openSendChannels: this.openSenders,
      openReceiveChannels: this.openReceivers,
      tasksWaitingSend: this.sending.size,
      tasksWaitingReceive: this.receiving.size,
    }
  }

  get isEmpty(): boolean {
    return this.items.size === 0 && this.sending.size === 0
  }

  /** Gives it to a receiver, or keeps it; false if there is no room. */
  put(value: T): boolean {
    const receiver = this.receiving.shift()
    if (receiver !== undefined) receiver.deliver(value)
    else if (this.items.size < this.max) this.items.push(value)
    else return false
    return true
  }

  /** Takes the oldest, which lets a sender go. Only while the channel is not {@link isEmpty}. */
  take(): T {
    const sender = this.sending.shift()
    sender?.resolve()
    if (this.items.size === 0) return sender!.value
    const value = this.items.shift()
    if (sender !== undefined) this.items.push(sender.value)
    return value
  }
}

class Sending<T> extends Parked<void> {
  readonly end: MemorySendChannel<T>
  readonly value: T

  constructor(end: MemorySendChannel<T>, value: T, options: CheckpointOptions | undefined) {
    super(options, () => 'send')
    this.end = end
    this.value = value
  }
}

/** A `receive()`, or a `next()` of an iteration, which wants to have it in another form. */
class Receiving<T> extends Parked<T | IteratorResult<T, undefined>> {
  readonly end: MemoryReceiveChannel<T>
  readonly #iterates: boolean

  constructor(end: MemoryReceiveChannel<T>, iterates: boolean, options: CheckpointOptions | undefined) {
    super(options, () => 'receive')
    this.end = end
    this.#iterates = iterates
  }

  deliver(value: T): void {
    this.resolve(this.#iterates ? { done: false, value } : value)
  }

  finish(): void {
    if (this.#iterates) this.resolve({ done: true, value: undefined })
    else this.reject(ended('receive'))
  }
}

const closed = (operation: string): ClosedResourceError =>
  new ClosedResourceError(`${operation}(): this end of the channel is closed; give each task a clone() of its own`)
const closedMeanwhile = (operation: string): ClosedResourceError =>
  new ClosedResourceError(`this end of the channel was closed while ${operation}() waited`)
const broken = (): BrokenResourceError =>
  new BrokenResourceError('nobody can receive what is sent: every receiver of the channel is closed')
const ended = (operation: string): EndOfChannel =>
  new EndOfChannel(`${operation}(): every sender of the channel is closed, and nothing is left in it`)

/** The end that is sent to. Made by {@link openMemoryChannel}. (trio: `MemorySendChannel`.) */
export class MemorySendChannel<T> implements Disposable, AsyncDisposable {
  readonly #state: ChannelState<T>
  #closed = false

  /** @internal */
  constructor(state: ChannelState<T>) {
    checkState(state)
    this.#state = state
    state.openSenders++
  }

  /**
   * Resolves when the value was received or is in the channel. A checkpoint, also if there is room at once. What is sent
   * should be no promise: `receive()` gives what it resolves with.
   *
   * Rejects with the reason if the scope or the signal is cancelled, with {@link BrokenResourceError} if there is no
   * receiver any more, and with {@link ClosedResourceError} if this end is closed; also if that comes while it waits. In
   * each case nothing was sent.
   */
  send(value: T, options?: CheckpointOptions): Promise<void> {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    const refused = this.#refusal('send')
    if (refused !== undefined) return rejected(refused)
    const state = this.#state
    return state.put(value) ? DONE : state.sending.park(new Sending(this, value, options))
  }

  /** Sends at once, or throws {@link WouldBlock}; otherwise throws what {@link send} rejects with. */
  sendNowait(value: T): void {
    const refused = this.#refusal('sendNowait')
    if (refused !== undefined) throw refused
    const { max } = this.#state
    if (!this.#state.put(value)) throw new WouldBlock(`sendNowait(): the channel is full, it holds ${max}`)
  }

  #refusal(operation: string): Error | undefined {
    if (this.#closed) return closed(operation)
    return this.#state.openReceivers === 0 ? broken() : undefined
  }

  /** Another end of the same channel, to be closed by itself. Throws {@link ClosedResourceError} if this one is closed. */
  clone(): MemorySendChannel<T> {
    if (this.#closed) throw closed('clone')
    return new MemorySendChannel(this.#state)
  }

  /**
   * Those who wait at this very end get {@link ClosedResourceError}. If it is the last sender, receivers get the end as
   * soon as nothing is left. May be called again.
   */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    const state = this.#state
    state.openSenders--
    for (const wait of state.sending.takeIf((each) => each.end === this)) wait.reject(closedMeanwhile('send'))
    if (state.openSenders > 0) return
    for (const wait of state.receiving.takeIf(() => true)) wait.finish()
  }

  statistics(): MemoryChannelStatistics {
    return this.#state.statistics()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close()
    return DONE
  }
}

/**
 * The end that is received from: by `receive()`, or `for await`, which ends when the senders are all closed. Leaving such
 * a loop does not close it. Made by {@link openMemoryChannel}. (trio: `MemoryReceiveChannel`.)
 */
export class MemoryReceiveChannel<T> implements AsyncIterable<T, undefined>, Disposable, AsyncDisposable {
  readonly #state: ChannelState<T>
  #closed = false

  /** @internal */
  constructor(state: ChannelState<T>) {
    checkState(state)
    this.#state = state
    state.openReceivers++
  }

  /**
   * Resolves with the oldest of what was sent. A checkpoint, also if there is something at once.
   *
   * Rejects with the reason if the scope or the signal is cancelled, and takes nothing then; with {@link EndOfChannel}
   * if the senders are all closed and nothing is left; with {@link ClosedResourceError} if this end is closed, also if
   * that comes while it waits.
   */
  receive(options?: CheckpointOptions): Promise<T> {
    return this.#receive(false, options) as Promise<T>
  }

  #receive(iterates: boolean, options: CheckpointOptions | undefined): Promise<T | IteratorResult<T, undefined>> {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    if (this.#closed) return rejected(closed('receive'))
    const state = this.#state
    if (!state.isEmpty) {
      const value = state.take()
      return Promise.resolve(iterates ? { done: false, value } : value)
    }
    if (state.openSenders > 0) return state.receiving.park(new Receiving(this, iterates, options))
    return iterates ? Promise.resolve({ done: true, value: undefined }) : rejected(ended('receive'))
  }

  /** Takes the oldest at once, or throws {@link WouldBlock}; otherwise throws what {@link receive} rejects with. */
  receiveNowait(): T {
    if (this.#closed) throw closed('receiveNowait')
    if (!this.#state.isEmpty) return this.#state.take()
    if (this.#state.openSenders === 0) throw ended('receiveNowait')
    throw new WouldBlock('receiveNowait(): the channel is empty')
  }

  /** Each `next()` is a {@link receive}, but for the end. Any number of loops may share what comes. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T, undefined> {
    return {
      next: () => this.#receive(true, undefined) as Promise<IteratorResult<T, undefined>>,
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  /** Another end of the same channel, to be closed by itself. Throws {@link ClosedResourceError} if this one is closed. */
  clone(): MemoryReceiveChannel<T> {
    if (this.#closed) throw closed('clone')
    return new MemoryReceiveChannel(this.#state)
  }

  /**
   * Those who wait at this very end get {@link ClosedResourceError}. If it is the last receiver, senders get
   * {@link BrokenResourceError}, and what was not received is dropped. May be called again.
   */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    const state = this.#state
    state.openReceivers--
    for (const wait of state.receiving.takeIf((each) => each.end === this)) wait.reject(closedMeanwhile('receive'))
    if (state.openReceivers > 0) return
    for (const wait of state.sending.takeIf(() => true)) wait.reject(broken())
    state.items.clear()
  }

  statistics(): MemoryChannelStatistics {
    return this.#state.statistics()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close()
    return DONE
  }
}

function checkState(state: unknown): void {
  if (!(state instanceof ChannelState)) throw new TypeError('a memory channel is made by openMemoryChannel()')
}
