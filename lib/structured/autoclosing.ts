/** What a loop can close at its end: it has one of these. */
export type Closable =
  | { destroy(): unknown }
  | { close(): unknown }
  | { [Symbol.dispose](): void }
  | { [Symbol.asyncDispose](): PromiseLike<void> }

/** What is closed together with a loop. */
export class Autoclosing {
  readonly #resources = new Set<Closable>()

  /** Throws a TypeError for what has no way to be closed. */
  add(resource: Closable): void {
    if (closerOf(resource) === undefined) {
      throw new TypeError(
        'autoclose() takes what has destroy(), close(), [Symbol.dispose]() or [Symbol.asyncDispose]()',
      )
    }
    this.#resources.add(resource)
  }

  remove(resource: Closable): void {
    this.#resources.delete(resource)
  }

  /** Closes them all, the last first, and waits for those that are disposed of asynchronously. Returns the errors. */
  async close(): Promise<unknown[]> {
    const errors: unknown[] = []
    for (const resource of [...this.#resources].reverse()) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- one may need the other
        await closerOf(resource)!()
      } catch (error) {
        errors.push(error)
      }
    }
    this.#resources.clear()
    return errors
  }
}

function closerOf(resource: unknown): (() => unknown) | undefined {
  if (typeof resource !== 'object' || resource === null) return undefined
  for (const name of ['destroy', 'close', Symbol.asyncDispose, Symbol.dispose]) {
    const closer = (resource as Record<string | symbol, unknown>)[name]
    if (typeof closer === 'function') return () => closer.call(resource) as unknown
  }
  return undefined
}
