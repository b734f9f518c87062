import { abortedOnEntry, DONE, rejected, WaitList } from '../wait.ts'
import type { CheckpointOptions } from './checkpoint.ts'

/**
 * Something that happens once, and that any number of tasks may wait for. It cannot be taken back: make another one.
 * (trio: `Event`.)
 */
export class Event {
  readonly #waits = new WaitList()
  #isSet = false

  /** Wakes all that wait, in the order in which they came. From now on nobody has to wait. */
  set(): void {
    this.#isSet = true
    this.#waits.resolveAll()
  }

  isSet(): boolean {
    return this.#isSet
  }

  /**
   * Resolves when the event is set. A checkpoint, also if that is so already: rejects with the reason if the scope or
   * the signal is cancelled.
   */
  wait(options?: CheckpointOptions): Promise<void> {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    return this.#isSet ? DONE : this.#waits.wait(options, () => 'wait for an Event')
  }
}
