import { clock, LONGEST_TIMER_MS, type Timer } from '../clock.ts'
import { CancelledError, ConnectionLostError, InvalidStateError } from '../errors.ts'
import { reportTo } from '../transports/transportOwner.ts'
import { abortedOnEntry, detached, DONE, handled, rejected, WaitList, type WaitOptions } from '../wait.ts'
import { Backoff, type BackoffOptions } from './backoff.ts'

/**
 * Before the first attempt; during one; with a connection; between a loss and the next attempt; for good. What `closed`
 * was reached by is to be seen from `connected()`.
 */
export type ReconnectingState = 'idle' | 'connecting' | 'connected' | 'waiting' | 'closed'

/** What the connecting function must pass on to `openConnection`, `createConnection` or their like. */
export interface ReconnectingAttempt {
  /** Aborted by `close()`. */
  readonly signal: AbortSignal
  readonly onConnectionLost: (error: Error | null) => void
}

export interface ReconnectingOptions<C extends readonly [unknown, unknown]> extends BackoffOptions {
  /** How long a connection must have lived for the waits to begin anew, in milliseconds; 5,000 by default. */
  stableMs?: number | undefined
  /** Called at each change of `state`, with everything else up to date. */
  onStateChange?: ((state: ReconnectingState, client: ReconnectingClient<C>) => void) | undefined
  /** Whether a wait between attempts keeps the process alive; false by default, as for all timers here. */
  keepProcessAlive?: boolean | undefined
}

interface Attempt<C> {
  readonly controller: AbortController
  connection: C | undefined
  connectedAt: number
  /** `undefined` until it is lost. */
  lost: Error | null | undefined
}

/**
 * Keeps one connection open: after a failed attempt, or when the connection is lost for whatever reason, it waits and
 * connects again. It begins with the first `start()`, `connected()` or iteration.
 *
 * ```ts
 * const client = new ReconnectingClient((attempt) => openConnection({ host, port, ...attempt }))
 * for await (const [reader, writer] of client) await talk(reader, writer)
 * ```
 *
 * Works with any function that resolves with streams, or with `[transport, protocol]`, and passes on the options it
 * gets; more may be done in it, such as a login, as long as a failure closes the connection. Errors of attempts are to
 * be seen in `lastError`. A peer that ends its side, and is still listening, has not left until the writer is closed.
 * The waits are those of {@link Backoff}. (Twisted: `ReconnectingClientFactory`.)
 */
export class ReconnectingClient<C extends readonly [unknown, unknown]> implements AsyncIterable<C>, AsyncDisposable {
  readonly #connect: (attempt: ReconnectingAttempt) => Promise<C>
  readonly #options: ReconnectingOptions<C>
  readonly #backoff: Backoff
  readonly #stableMs: number
  readonly #connectedWaiters = new WaitList<C>()
  readonly #closedWaiters = new WaitList()
  #state: ReconnectingState = 'idle'
  #attempts = 0
  #current: Attempt<C> | undefined
  #timer: Timer | undefined
  #delayMs: number | undefined
  #retryAt: number | undefined
  #lastError: unknown = null
  /** Why it is closed, if not by `close()`. */
  #failure: unknown

  /** Throws a RangeError for times and numbers that make no sense. */
  constructor(connect: (attempt: ReconnectingAttempt) => Promise<C>, options: ReconnectingOptions<C> = {}) {
    const { stableMs = 5000 } = options
    if (!(stableMs >= 0)) throw new RangeError(`stableMs must be 0 at least, not ${stableMs}`)
    this.#connect = connect
    this.#options = options
    this.#backoff = new Backoff(options)
    this.#stableMs = stableMs
  }

  get state(): ReconnectingState {
    return this.#state
  }

  /** How many attempts there were since the last connection that was stable, this one included; 0 when idle. */
  get attempt(): number {
    return this.#attempts
  }

  /** While waiting: for how long, in milliseconds. */
  get delayMs(): number | undefined {
    return this.#delayMs
  }

  /** While waiting: until when, as `Date.now()` tells it. */
  get retryAt(): number | undefined {
    return this.#retryAt
  }

  /** What the last attempt failed with, or the last connection was lost to; `null` for neither, and for a clean end. */
  get lastError(): unknown {
    return this.#lastError
  }

  /** The connection that there is. */
  get connection(): C | undefined {
    return this.#current?.connection
  }

  /** Begins to connect, if it has not begun; ends a wait between attempts early. Throws InvalidStateError when closed. */
  start(): void {
    if (this.#state === 'closed') throw new InvalidStateError('start() on a client that is closed')
    if (this.#state === 'idle' || this.#state === 'waiting') this.#begin()
  }

  /**
   * Resolves with the connection that there is, or else with the next one. Rejects when the client is closed: with
   * {@link CancelledError} by `close()`, with the last error where there are no retries left. Any number of calls may
   * wait; cancelled, it changes nothing.
   */
  connected(options?: WaitOptions): Promise<C> {
    return this.#next(undefined, options)
  }

  /**
   * Ends attempts and waits at once, and closes the connection that there is; what was written to it is still sent. May
   * be called again. When it is gone: {@link waitClosed}.
   */
  close(): void {
    if (this.#state === 'closed') return
    this.#end(new CancelledError('the client was closed'))
  }

  /** Resolves when the client is closed and its connection is gone. It does not close anything itself. */
  waitClosed(options?: WaitOptions): Promise<void> {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    if (this.#state === 'closed' && this.connection === undefined) return DONE
    return this.#closedWaiters.wait(options, () => `waitClosed of a client that is ${this.#state}`)
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close()
    return this.waitClosed()
  }

  /**
   * Each connection once, as long as it lives: the next one comes when the last is lost. Ends with `close()`; throws the
   * last error where there are no retries left. Leaving the loop closes nothing.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<C> {
    let given: C | undefined
    const done: IteratorReturnResult<undefined> = { done: true, value: undefined }
    return {
      next: () => {
        const next = this.#next(given).then(
          (value) => ({ done: false as const, value: (given = value) }),
          (error: unknown) => {
            if (this.#state === 'closed' && this.#failure === undefined) return done
            throw error
          },
        )
        return handled(next)
      },
      return: () => Promise.resolve(done),
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  // --- inside

  /** The connection that there is, if it is not `given`, or else the next. */
  #next(given: C | undefined, options?: WaitOptions): Promise<C> {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    if (this.#state === 'idle') this.start()
    if (this.state === 'closed') return rejected(this.#failure ?? new CancelledError('the client is closed'))
    const { connection } = this
    if (connection !== undefined && connection !== given) return Promise.resolve(connection)
    return this.#connectedWaiters.wait(options, () => `connected (attempt ${this.#attempts}, ${this.#state})`)
  }

  #begin(): void {
    clock.clearTimeout(this.#timer)
    this.#delayMs = this.#retryAt = undefined
    this.#attempts++
    const attempt: Attempt<C> = {
      controller: new AbortController(),
      connection: undefined,
      connectedAt: 0,
      lost: undefined,
    }
    this.#current = attempt
    this.#change('connecting')
    // Whoever was told of it may have closed the client.
    // Not in the scope of who happens to ask first: the next attempts are nobody's either.
    if (this.#current === attempt) void detached(() => this.#run(attempt))
  }

  async #run(attempt: Attempt<C>): Promise<void> {
    let connection: C
    try {
      connection = await this.#connect({
        signal: attempt.controller.signal,
        onConnectionLost: (error) => {
          attempt.lost = error
          if (attempt.connection !== undefined) this.#ended(attempt, error)
        },
      })
    } catch (error) {
      return this.#ended(attempt, error)
    }
    // Closed meanwhile, by a function that does not heed its signal.
    if (this.#current !== attempt || this.#state === 'closed') return closeConnection(connection)
    if (attempt.lost !== undefined) return this.#ended(attempt, attempt.lost)
    attempt.connection = connection
    attempt.connectedAt = clock.now()
    this.#change('connected')
    if (attempt.connection !== undefined) this.#connectedWaiters.resolveAll(connection)
  }

  /** An attempt has failed, or its connection is gone. */
  #ended(attempt: Attempt<C>, error: unknown): void {
    if (this.#current !== attempt) return
    const stable = attempt.connection !== undefined && clock.now() - attempt.connectedAt >= this.#stableMs
    this.#current = undefined
    attempt.connection = undefined
    if (this.#state === 'closed') return this.#closedWaiters.resolveAll()
    this.#lastError = error
    if (stable) {
      this.#backoff.reset()
      this.#attempts = 0
    }
    const delayMs = this.#backoff.next()
    if (delayMs === undefined) {
      this.#failure = error ?? new ConnectionLostError('the connection was closed, and there are no retries left')
      return this.#end(this.#failure)
    }
    this.#delayMs = delayMs
    this.#retryAt = Date.now() + delayMs
    const { keepProcessAlive } = this.#options
    this.#timer = clock.setTimeout(() => this.#begin(), Math.min(delayMs, LONGEST_TIMER_MS), keepProcessAlive)
    this.#change('waiting')
  }

  #end(reason: unknown): void {
    clock.clearTimeout(this.#timer)
    this.#delayMs = this.#retryAt = undefined
    const { connection } = this
    if (connection === undefined) {
      this.#current?.controller.abort(reason)
      this.#current = undefined
    } else {
      closeConnection(connection)
    }
    this.#change('closed')
    this.#connectedWaiters.rejectAll(reason)
    if (connection === undefined) this.#closedWaiters.resolveAll()
  }

  #change(state: ReconnectingState): void {
    this.#state = state
    try {
      this.#options.onStateChange?.(state, this)
    } catch (error) {
      reportTo(undefined, error, undefined)
    }
  }
}

/** Of `[transport, protocol]` the first can be closed, of `[reader, writer]` the second. */
function closeConnection(connection: readonly [unknown, unknown]): void {
  for (const each of connection as readonly [{ close?: unknown }, { close?: unknown }]) {
    if (typeof each.close === 'function') return (each as { close(): void }).close()
  }
}
