import { Waiter } from '../wait.ts'

/** What the queue needs of a wait. */
interface Queued {
  readonly promise: Promise<unknown>
  readonly settled: boolean
  queue: { delete(wait: Queued): void } | undefined
  before: Queued | undefined
  behind: Queued | undefined
}

/** A wait in a {@link ParkedQueue}; one that is cancelled leaves it by itself. Its fields are the queue's. */
export class Parked<T> extends Waiter<T> {
  /** @internal */
  queue: { delete(wait: Queued): void } | undefined = undefined
  /** @internal */
  before: Queued | undefined = undefined
  /** @internal */
  behind: Queued | undefined = undefined

  override cancel(reason: unknown): void {
    this.queue?.delete(this)
    super.cancel(reason)
  }
}

/**
 * Waits of which one at a time is let go, the one that has waited longest. Linked, as a set that every wait comes to and
 * leaves is all garbage.
 */
export class ParkedQueue<P extends Queued> {
  #first: P | undefined
  #last: P | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The one that has waited longest. */
  get first(): P | undefined {
    return this.#first
  }

  /** Returns the promise of the wait. One that is over already, as its time may be, is not queued. */
  park(wait: P): P['promise'] {
    if (wait.settled) return wait.promise
    const last = this.#last
    wait.queue = this
    wait.before = last
    if (last === undefined) this.#first = wait
    else last.behind = wait
    this.#last = wait
    this.#size++
    return wait.promise
  }

  /** Takes the one that has waited longest; whoever calls settles it. */
  shift(): P | undefined {
    const first = this.#first
    if (first !== undefined) this.delete(first)
    return first
  }

  /** Takes those that are meant, in order; whoever calls settles them. */
  takeIf(meant: (wait: P) => boolean): P[] {
    const taken: P[] = []
    for (let wait = this.#first; wait !== undefined;) {
      const next = wait.behind as P | undefined
      if (meant(wait)) {
        this.delete(wait)
        taken.push(wait)
      }
      wait = next
    }
    return taken
  }

  delete(wait: Queued): void {
    const before = wait.before as P | undefined
    const behind = wait.behind as P | undefined
    wait.queue = wait.before = wait.behind = undefined
    if (before === undefined) this.#first = behind
    else before.behind = behind
    if (behind === undefined) this.#last = before
    else behind.before = before
    this.#size--
  }
}
