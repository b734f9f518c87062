// What the keys hold, and until when.
import { ReplyError } from './resp.ts'

const WRONG_TYPE = new ReplyError('WRONGTYPE Operation against a key holding the wrong kind of value')
/** How many deadlines one sweep looks at. */
const SWEEP = 1000

/** A list that grows at both ends, the front one being kept in reverse: both are ends of an array. */
export class List {
  #front: string[] = []
  #back: string[] = []

  get length(): number {
    return this.#front.length + this.#back.length
  }

  pushFront(value: string): void {
    this.#front.push(value)
  }

  pushBack(value: string): void {
    this.#back.push(value)
  }

  popFront(): string | undefined {
    if (this.#front.length === 0) {
      this.#front = this.#back.reverse()
      this.#back = []
    }
    return this.#front.pop()
  }

  /** From `start` up to and without `end`, both within the list. */
  slice(start: number, end: number): string[] {
    const n = this.#front.length
    const front = this.#front.slice(Math.max(0, n - end), Math.max(0, n - start)).reverse()
    return front.concat(this.#back.slice(Math.max(0, start - n), Math.max(0, end - n)))
  }
}

export type Value = string | List | Set<string> | Map<string, string>

export class Database {
  readonly values = new Map<string, Value>()
  /** Unix milliseconds, for the keys that expire. */
  readonly deadlines = new Map<string, number>()

  get(key: string): Value | undefined {
    if (this.deadlines.size > 0 && this.deadlines.get(key)! <= Date.now()) this.delete(key)
    return this.values.get(key)
  }

  string(key: string): string | undefined {
    const value = this.get(key)
    if (value !== undefined && typeof value !== 'string') throw WRONG_TYPE
    return value
  }

  collection<T extends Value & object>(key: string, kind: new () => T): T | undefined {
    const value = this.get(key)
    if (value !== undefined && !(value instanceof kind)) throw WRONG_TYPE
    return value
  }

  /** The collection at `key`, made if there is none. */
  opened<T extends Value & object>(key: string, kind: new () => T): T {
    let value = this.collection(key, kind)
    if (value === undefined) this.values.set(key, (value = new kind()))
    return value
  }

  /** The key is as new: without a deadline, unless one is given. */
  set(key: string, value: Value, deadline?: number): void {
    this.values.set(key, value)
    if (deadline !== undefined) this.deadlines.set(key, deadline)
    else if (this.deadlines.size > 0) this.deadlines.delete(key)
  }

  delete(key: string): boolean {
    this.deadlines.delete(key)
    return this.values.delete(key)
  }

  clear(): void {
    this.values.clear()
    this.deadlines.clear()
  }

  /** Drops what has expired and nobody asks for, a part of it at a time: what was looked at goes to the end. */
  sweep(): void {
    const now = Date.now()
    let left = Math.min(SWEEP, this.deadlines.size)
    for (const [key, deadline] of this.deadlines) {
      if (left-- === 0) return
      if (deadline <= now) this.delete(key)
      else if (this.deadlines.delete(key)) this.deadlines.set(key, deadline)
    }
  }
}
