/** What metadata can be made from. A key may have several values. */
export type MetadataInit =
  Metadata | Readonly<Record<string, string | readonly string[]>> | Iterable<readonly [key: string, value: string]>

/**
 * What travels beside the messages of a call: with the request, and as the header and trailer of the answer.
 *
 * Keys are in lower case, and are compared so, whatever was given. A key may have several values; their order is kept,
 * that of different keys is not. Values are text: bytes go in as base64. A key or value that is no string throws a
 * TypeError.
 */
export class Metadata implements Iterable<[key: string, value: string]> {
  readonly #values = new Map<string, string[]>()

  constructor(init?: MetadataInit) {
    if (init === undefined) return
    if (isIterable(init)) for (const [key, value] of init) this.append(key, value)
    else for (const [key, value] of Object.entries(init)) this.#add(key, value)
  }

  /** The first value of that key. */
  get(key: string): string | undefined {
    return this.#values.get(key.toLowerCase())?.[0]
  }

  /** All values of that key, oldest first; none if it is not there. */
  getAll(key: string): readonly string[] {
    return [...(this.#values.get(key.toLowerCase()) ?? [])]
  }

  has(key: string): boolean {
    return this.#values.has(key.toLowerCase())
  }

  /** Replaces all values of that key. No values at all remove it. */
  set(key: string, value: string | readonly string[]): this {
    // Checked before anything is lost.
    const values = typeof value === 'string' ? [value] : value.map((one) => text(key, one))
    if (values.length === 0) this.delete(key)
    else this.#values.set(lower(key), values)
    return this
  }

  /** Adds a value behind those that the key has. */
  append(key: string, value: string): this {
    const name = lower(key)
    const values = this.#values.get(name)
    if (values === undefined) this.#values.set(name, [text(key, value)])
    else values.push(text(key, value))
    return this
  }

  /** Removes all values of that key; tells whether there were any. */
  delete(key: string): boolean {
    return this.#values.delete(key.toLowerCase())
  }

  /** How many values there are in all: as many as iterating gives. */
  get size(): number {
    let size = 0
    for (const values of this.#values.values()) size += values.length
    return size
  }

  *[Symbol.iterator](): Generator<[key: string, value: string], undefined> {
    for (const [key, values] of this.#values) for (const value of values) yield [key, value]
  }

  /** As a plain object, for logs: a list where a key has several values. */
  toJSON(): Record<string, string | string[]> {
    return Object.fromEntries(
      [...this.#values].map(([key, values]) => [key, values.length === 1 ? values[0]! : [...values]]),
    )
  }

  #add(key: string, value: string | readonly string[]): void {
    if (Array.isArray(value)) for (const one of value as readonly string[]) this.append(key, one)
    else this.append(key, value as string)
  }
}

/** What {@link Metadata} of `init` would give, in some order, with the same errors. */
export function metadataPairs(init: MetadataInit): Iterable<readonly [key: string, value: string]> {
  if (init instanceof Metadata) return init
  if (isIterable(init)) return new Metadata(init)
  const pairs: [string, string][] = []
  for (const key in init) {
    if (!Object.hasOwn(init, key)) continue
    const value = init[key]!
    const name = lower(key)
    if (typeof value === 'string') pairs.push([name, value])
    else if (Array.isArray(value)) for (const each of value as readonly string[]) pairs.push([name, text(key, each)])
    else text(key, value as unknown as string)
  }
  return pairs
}

function isIterable(init: MetadataInit): init is Iterable<readonly [string, string]> {
  return typeof (init as Partial<Iterable<unknown>>)[Symbol.iterator] === 'function'
}

function lower(key: string): string {
  if (typeof key !== 'string' || key === '') throw new TypeError(`a metadata key must be a string, not ${String(key)}`)
  return key.toLowerCase()
}

function text(key: string, value: string): string {
  if (typeof value === 'string') return value
  throw new TypeError(`metadata ${key} must be a string, not ${value === null ? 'null' : typeof value}`)
}
