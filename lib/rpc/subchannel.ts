import { clock, LONGEST_TIMER_MS, type Timer } from '../clock.ts'
import type { Backoff } from '../endpoints/backoff.ts'
import type { ErrorHandler } from '../diagnostics.ts'
import { ConnectionLostError } from '../errors.ts'
import type { Transport } from '../transport.ts'
import { detached } from '../wait.ts'
import type { Dialer } from './dial.ts'
import { Link, type LinkOptions, type LinkOwner } from './link.ts'

export type SubchannelState = 'idle' | 'connecting' | 'ready' | 'transientFailure'

export interface SubchannelOptions extends LinkOptions {
  readonly connectTimeoutMs: number
  /** A connection that lived for less counts as a failed attempt. */
  readonly stableMs: number
  readonly makeBackoff: () => Backoff
  readonly onConnectionError: ErrorHandler<Transport> | undefined
}

export interface SubchannelOwner {
  /** Whether a connection is wanted now, be it for calls that wait. */
  readonly wantsConnection: boolean
  /** Whether somebody waits for it: that keeps the process alive. */
  readonly awaitsConnection: boolean
  readonly keepsProcessAlive: boolean
  /** Its state has changed, or another connection has taken the place of the last. */
  subchannelChanged(subchannel: Subchannel): void
  /** A connection has no calls any more; it may be one that drains. */
  linkRested(link: Link): void
  /** A connection is gone. */
  linkGone(): void
}

/**
 * One connection to the first of some endpoints that answers, tried in their order; another one when it is lost or
 * drains. When all of them have failed, it waits and tries again, as long as a connection is wanted.
 */
export class Subchannel implements LinkOwner {
  readonly #dialers: readonly Dialer[]
  readonly #options: SubchannelOptions
  readonly #owner: SubchannelOwner
  readonly #backoff: Backoff
  #state: SubchannelState = 'idle'
  #link: Link | undefined
  /** Links that finish their calls. */
  readonly #draining = new Set<Link>()
  #attempt: AbortController | undefined
  /** The endpoint that is tried first. */
  #first = 0
  #timer: Timer | undefined
  #timerKeepsAlive = false
  #retryAt = 0
  #lastError: unknown
  #lastName: string

  constructor(dialers: readonly Dialer[], options: SubchannelOptions, owner: SubchannelOwner) {
    this.#dialers = dialers
    this.#options = options
    this.#owner = owner
    this.#backoff = options.makeBackoff()
    this.#lastName = dialers[0]!.name
  }

  get state(): SubchannelState {
    return this.#state
  }

  /** The one that takes new calls, while it is ready. */
  get link(): Link | undefined {
    return this.#link
  }

  get lastError(): unknown {
    return this.#lastError
  }

  /** The endpoint that {@link lastError} is about. */
  get lastName(): string {
    return this.#lastName
  }

  /** All its connections. */
  get links(): Link[] {
    return this.#link === undefined ? [...this.#draining] : [this.#link, ...this.#draining]
  }

  /** Begins to connect, unless it does or has done so; a wait between attempts goes on, unless it is to end now. */
  connect(now = false): void {
    if (this.#state === 'idle' || (now && this.#state === 'transientFailure')) this.#begin()
    else this.wantsChanged()
  }

  /** Somebody waits for a connection, or does no more: the wait for the next attempt keeps the process alive, or not. */
  wantsChanged(): void {
    if (this.#state === 'transientFailure' && this.#timerKeepsAlive !== this.#owner.awaitsConnection) this.#wait()
  }

  /** Its connection takes no calls, though nobody has said so: there are no ids left, or it is about to be lost. */
  retire(): void {
    if (this.#link !== undefined) this.linkDraining(this.#link, 'it has ended the connection')
  }

  /** Ends what it is about, and lets the connection finish its calls. */
  close(): void {
    this.#stop()
    const link = this.#link
    this.#link = undefined
    if (link !== undefined) {
      this.#hasLasted(link)
      this.#drain(link)
    }
    this.#change('idle')
  }

  abort(error: Error): void {
    this.close()
    for (const link of this.#draining) link.connection.abort(error)
  }

  // --- for its links

  get keepsProcessAlive(): boolean {
    return this.#owner.keepsProcessAlive
  }

  linkDraining(link: Link, reason: string): void {
    if (link !== this.#link) return
    const { name } = link.dialer
    this.#failed(link.dialer, new ConnectionLostError(`${name} takes no more calls: ${reason}`, name))
    this.#leave(link, undefined)
  }

  linkLost(link: Link, error: Error | null): void {
    this.#draining.delete(link)
    if (link === this.#link) this.#leave(link, error)
    this.#owner.linkGone()
  }

  linkRested(link: Link): void {
    this.#owner.linkRested(link)
  }

  // --- inside

  /** The connection takes no more calls. `error` is what it was lost to. */
  #leave(link: Link, error: Error | null | undefined): void {
    this.#link = undefined
    if (error === undefined) this.#drain(link)
    else this.#failed(link.dialer, error)
    const { wantsConnection } = this.#owner
    if (this.#hasLasted(link)) {
      if (wantsConnection) this.#begin()
      else this.#change('idle')
      return
    }
    this.#first = (this.#dialers.indexOf(link.dialer) + 1) % this.#dialers.length
    if (wantsConnection || this.#backoff.retries > 0) return this.#retryLater()
    // It may happen to any server that it restarts now: the next call is not kept waiting, only one behind that.
    this.#backoff.next()
    this.#change('idle')
  }

  /** Whether all was well with it: then what comes next begins as at first. */
  #hasLasted(link: Link): boolean {
    if (clock.now() - link.since < this.#options.stableMs) return false
    this.#backoff.reset()
    this.#first = 0
    return true
  }

  #drain(link: Link): void {
    this.#draining.add(link)
    link.connection.close()
  }

  #failed(dialer: Dialer, error: unknown): void {
    this.#lastError = error
    this.#lastName = dialer.name
  }

  #begin(): void {
    this.#stop()
    const attempt = new AbortController()
    this.#attempt = attempt
    this.#change('connecting')
    // Whoever was told of it may have ended it.
    // Not in the scope of whoever makes the first call: others will use the connection.
    if (this.#attempt === attempt) void detached(() => this.#run(attempt))
  }

  async #run(attempt: AbortController): Promise<void> {
    const dialers = this.#dialers
    const { connectTimeoutMs, onConnectionError } = this.#options
    for (let i = 0; i < dialers.length; i++) {
      const dialer = dialers[(this.#first + i) % dialers.length]!
      const link = new Link(dialer, this, this.#options)
      try {
        await link.open({ signal: attempt.signal, connectTimeoutMs, onConnectionError })
      } catch (error) {
        if (this.#attempt !== attempt) return
        this.#failed(dialer, error)
        continue
      }
      // By a dialler that does not heed its signal.
      if (this.#attempt !== attempt) return link.connection.abort()
      this.#attempt = undefined
      this.#link = link
      return this.#change('ready')
    }
    this.#attempt = undefined
    this.#first = 0
    this.#retryLater()
  }

  #retryLater(): void {
    this.#retryAt = clock.now() + Math.min(this.#backoff.next() ?? Infinity, LONGEST_TIMER_MS)
    this.#wait()
    this.#change('transientFailure')
  }

  #wait(): void {
    clock.clearTimeout(this.#timer)
    this.#timerKeepsAlive = this.#owner.awaitsConnection
    const over = (): void => {
      if (this.#owner.wantsConnection) this.#begin()
      else {
        this.#timer = undefined
        this.#change('idle')
      }
    }
    this.#timer = clock.setTimeout(over, Math.max(0, this.#retryAt - clock.now()), this.#timerKeepsAlive)
  }

  /** Ends an attempt, or the wait for one. */
  #stop(): void {
    clock.clearTimeout(this.#timer)
    this.#timer = undefined
    const attempt = this.#attempt
    this.#attempt = undefined
    attempt?.abort(new ConnectionLostError('the connection is not wanted any more'))
  }

  #change(state: SubchannelState): void {
    this.#state = state
    this.#owner.subchannelChanged(this)
  }
}
