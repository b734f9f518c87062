/** Lets a connection read as long as nobody holds it. */
export class ReadGate {
  readonly #holders = new Set<unknown>()
  #transport: { pauseReading(): void; resumeReading(): void } | undefined

  /** From now on it matters. */
  open(transport: { pauseReading(): void; resumeReading(): void }): void {
    this.#transport = transport
    if (this.#holders.size > 0) transport.pauseReading()
  }

  /** Nothing is to be read, until `holder` releases it. */
  hold(holder: unknown): void {
    if (this.#holders.has(holder)) return
    this.#holders.add(holder)
    if (this.#holders.size === 1) this.#transport?.pauseReading()
  }

  release(holder: unknown): void {
    if (this.#holders.size > 0 && this.#holders.delete(holder) && this.#holders.size === 0) {
      this.#transport?.resumeReading()
    }
  }
}
