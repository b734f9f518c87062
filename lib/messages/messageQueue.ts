/** Messages in their order, and what they count for together. */
export class MessageQueue<T> {
  #messages: (T | undefined)[] = []
  #sizes: number[] = []
  #head = 0
  #size = 0

  /** How many messages there are. */
  get length(): number {
    return this.#messages.length - this.#head
  }

  /** The sum of their sizes. */
  get size(): number {
    return this.#size
  }

  push(message: T, size: number): void {
    this.#messages.push(message)
    this.#sizes.push(size)
    this.#size += size
  }

  /** The oldest one; there must be one. */
  shift(): [message: T, size: number] {
    const message = this.#messages[this.#head] as T
    const size = this.#sizes[this.#head]!
    this.#messages[this.#head++] = undefined
    this.#size -= size
    if (this.#head === this.#messages.length) {
      this.#messages.length = this.#sizes.length = this.#head = 0
    } else if (this.#head >= 1024 && 2 * this.#head >= this.#messages.length) {
      // A queue that is never quite empty must not grow for ever.
      this.#messages.splice(0, this.#head)
      this.#sizes.splice(0, this.#head)
      this.#head = 0
    }
    return [message, size]
  }

  clear(): void {
    this.#messages = []
    this.#sizes = []
    this.#head = this.#size = 0
  }
}
