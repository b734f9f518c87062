import { nextTurn } from '../wait.ts'

/** What a message costs besides its bytes. */
const MESSAGE_COST = 2048
/** Some 500 small messages: less than a millisecond or two, in which nothing else is done. */
const MOST = 1024 * 1024

/**
 * How much of a turn of the event loop the streams of a connection may take. A peer that takes everything at once never
 * makes a generator wait for anything that is not done within the turn: without a limit nobody else would be served, and
 * no timer would run.
 */
export class TurnBudget {
  readonly #renewed: () => void
  #spent = 0

  /** `renewed` is called in the next turn after it was {@link isSpent}. */
  constructor(renewed: () => void) {
    this.#renewed = renewed
  }

  /** Whether nothing more should be sent in this turn. */
  get isSpent(): boolean {
    return this.#spent >= MOST
  }

  /** A message of so many bytes was sent. */
  spend(length: number): void {
    const before = this.isSpent
    this.#spent += length + MESSAGE_COST
    if (!before && this.isSpent) void this.#renew()
  }

  async #renew(): Promise<void> {
    await nextTurn()
    this.#spent = 0
    this.#renewed()
  }
}
