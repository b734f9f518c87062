/**
 * A stopper for connections in memory: while it is in, nothing that either end writes is taken, as if the network had
 * stood still. It is in from the start; one may serve any number of pairs. Losses and resets go past it.
 */
export class Clog {
  #clogged = true
  readonly #flows = new Set<() => void>()

  get clogged(): boolean {
    return this.#clogged
  }

  /** What is written from now on is not taken. */
  clog(): void {
    this.#clogged = true
  }

  /** Everything that was written flows. */
  unclog(): void {
    this.#clogged = false
    for (const flow of [...this.#flows]) flow()
  }

  /** For the transport: `flow` is called when it may go on. Returns how to forget it. */
  onUnclog(flow: () => void): () => void {
    this.#flows.add(flow)
    return () => this.#flows.delete(flow)
  }
}
