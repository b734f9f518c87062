/** First in, first out. An array alone is slow to take from in front once it is long. */
export class Fifo<T> {
  #items: (T | undefined)[] = []
  #head = 0

  get size(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  /** Only while there is one. */
  shift(): T {
    const item = this.#items[this.#head] as T
    this.#items[this.#head++] = undefined
    if (this.#head === this.#items.length) {
      this.clear()
    } else if (this.#head >= 1024 && this.#head * 2 >= this.#items.length) {
      // At most as many are moved as were taken since.
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  clear(): void {
    this.#items.length = this.#head = 0
  }
}
