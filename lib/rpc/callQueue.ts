import type { ClientCall } from './clientCall.ts'
import { Deadlines } from './deadlines.ts'

/** Calls that wait for a connection, in the order in which they came. Their deadlines count here as well. */
export class CallQueue {
  readonly #calls = new Set<ClientCall>()
  readonly #deadlines: Deadlines<ClientCall>

  /** `expired` is called for a call whose deadline has passed; it is not in the queue any more. */
  constructor(expired: (call: ClientCall) => void) {
    this.#deadlines = new Deadlines(
      () => [...this.#calls],
      (call) => {
        if (this.delete(call)) expired(call)
      },
    )
  }

  get size(): number {
    return this.#calls.size
  }

  add(call: ClientCall): void {
    this.#calls.add(call)
    if (call.expires < Infinity) this.#deadlines.watch(call.expires)
  }

  /** Returns whether it was there. */
  delete(call: ClientCall): boolean {
    if (!this.#calls.delete(call)) return false
    if (this.#calls.size === 0) this.#deadlines.stop()
    return true
  }

  /** Takes those out for which `condition` holds. */
  take(condition: (call: ClientCall) => boolean = () => true): ClientCall[] {
    const taken = [...this.#calls].filter(condition)
    for (const call of taken) this.delete(call)
    return taken
  }
}
