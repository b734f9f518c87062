import { abortedOnEntry, rejected, WaitList, type WaitOptions } from '../wait.ts'

/**
 * What is told beside the messages. It holds a limited number of events, and drops the oldest one for the next, so that
 * nobody has to read them.
 */
export class EventQueue<Event> implements AsyncIterable<Event> {
  readonly #events: Event[] = []
  readonly #waits = new WaitList<Event | undefined>()
  readonly limit: number
  #dropped = 0
  #ended = false

  /** Throws a RangeError unless `limit` is at least 1. */
  constructor(limit: number) {
    if (!(limit >= 1)) throw new RangeError(`the backlog of events must be at least 1, not ${limit}`)
    this.limit = limit
  }

  /** How many events wait to be read. */
  get length(): number {
    return this.#events.length
  }

  /** How many were dropped unread. */
  get dropped(): number {
    return this.#dropped
  }

  /** Adds an event: the read that has waited longest gets it. */
  push(event: Event): void {
    if (this.#waits.size > 0) return this.#waits.resolveFirst(event)
    if (this.#events.length >= this.limit) {
      this.#events.shift()
      this.#dropped++
    }
    this.#events.push(event)
  }

  /** No more events will come. */
  end(): void {
    this.#ended = true
    this.#waits.resolveAll(undefined)
  }

  /**
   * Resolves with the next event, or with `undefined` when the connection is over and all were read. Any number of
   * reads may wait, and each event goes to one of them; one that is cancelled takes none.
   */
  read(options?: WaitOptions): Promise<Event | undefined> {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    if (this.#events.length > 0 || this.#ended) return Promise.resolve(this.#events.shift())
    return this.#waits.wait(options, () => 'readEvent')
  }

  /** The next event if there is one. */
  tryRead(): Event | undefined {
    return this.#events.shift()
  }

  /** Events until the connection is over. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Event> {
    return {
      next: async () => {
        const event = await this.read()
        return event === undefined ? { done: true, value: undefined } : { done: false, value: event }
      },
      return: () => Promise.resolve({ done: true, value: undefined }),
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }
}
