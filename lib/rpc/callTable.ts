/**
 * The calls of a connection by their ids.
 *
 * Strategy: ids only grow, and most calls end soon, so a ring indexed by the id holds nearly all of them. A `Map` would
 * leave a trail of outgrown tables behind for the garbage collector, which showed as pauses of milliseconds. The few
 * calls that live so long that the ring comes round to them move to a `Map`.
 */
const SMALLEST_RING = 16
const LARGEST_RING = 64 * 1024

export class CallTable<C extends { readonly id: number }> {
  #ring: (C | undefined)[] = new Array<C | undefined>(SMALLEST_RING).fill(undefined)
  #mask = SMALLEST_RING - 1
  #old: Map<number, C> | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  get(id: number): C | undefined {
    // Ids are odd.
    const call = this.#ring[(id >>> 1) & this.#mask]
    if (call !== undefined && call.id === id) return call
    return this.#old?.get(id)
  }

  /** Its id must not be in the table. */
  add(call: C): void {
    if (this.#size > this.#mask >>> 1 && this.#mask < LARGEST_RING - 1) this.#grow()
    const place = (call.id >>> 1) & this.#mask
    const older = this.#ring[place]
    if (older !== undefined) (this.#old ??= new Map()).set(older.id, older)
    this.#ring[place] = call
    this.#size++
  }

  /** Returns whether it was there. */
  delete(id: number): boolean {
    const place = (id >>> 1) & this.#mask
    const call = this.#ring[place]
    if (call !== undefined && call.id === id) this.#ring[place] = undefined
    else if (!this.#old?.delete(id)) return false
    this.#size--
    return true
  }

  /** All of them, in no order; calls may be added and deleted meanwhile. */
  values(): C[] {
    if (this.#size === 0) return []
    const calls = this.#old === undefined ? [] : [...this.#old.values()]
    for (const call of this.#ring) if (call !== undefined) calls.push(call)
    return calls
  }

  #grow(): void {
    const calls = this.#ring
    this.#mask = this.#mask * 4 + 3
    this.#ring = new Array<C | undefined>(this.#mask + 1).fill(undefined)
    for (const call of calls) if (call !== undefined) this.#ring[(call.id >>> 1) & this.#mask] = call
  }
}
