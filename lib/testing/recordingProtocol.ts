import { Protocol } from '../protocol.ts'
import type { Transport } from '../transport.ts'

/** How long a test waits before it calls something missing. */
const PATIENCE_MS = 10_000

/**
 * A protocol that writes down what happens to it, and lets a test wait for it. (Twisted: `AccumulatingProtocol`.)
 */
export class RecordingProtocol extends Protocol {
  /** The names of the callbacks in order; several `dataReceived` in a row count once. */
  readonly events: string[] = []
  /** What `eofReceived` answers. */
  keepOpen = false
  transport!: Transport
  /** The argument of `connectionLost`; `undefined` before it. */
  lost: Error | null | undefined
  readonly #chunks: Buffer[] = []
  #length = 0
  readonly #watchers = new Set<() => void>()

  /** All bytes received. */
  get data(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  /** The number of bytes received. */
  get length(): number {
    return this.#length
  }

  override connectionMade(transport: Transport): void {
    this.transport = transport
    this.#record('connectionMade')
  }

  override dataReceived(data: Buffer): void {
    this.#chunks.push(data)
    this.#length += data.length
    this.#record('dataReceived')
  }

  override eofReceived(): boolean {
    this.#record('eofReceived')
    return this.keepOpen
  }

  override pauseWriting(): void {
    this.#record('pauseWriting')
  }

  override resumeWriting(): void {
    this.#record('resumeWriting')
  }

  override connectionLost(error: Error | null): void {
    this.lost = error
    this.#record('connectionLost')
  }

  /** Resolves once `condition` holds, which is looked at after each callback. Rejects after ten seconds. */
  until(what: string, condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer)
        this.#watchers.delete(watcher)
      }
      const watcher = (): void => {
        if (!condition()) return
        end()
        resolve()
      }
      const timer = setTimeout(() => {
        end()
        reject(new Error(`no ${what} within ${PATIENCE_MS} ms; there was: ${this.events.join(', ')}`))
      }, PATIENCE_MS)
      this.#watchers.add(watcher)
    })
  }

  /** Resolves after the callback of that name was called (at least once). */
  untilEvent(name: string): Promise<void> {
    return this.until(name, () => this.events.includes(name))
  }

  /** Resolves once `n` bytes have come. */
  untilBytes(n: number): Promise<void> {
    return this.until(`${n} bytes (${this.#length} have come)`, () => this.#length >= n)
  }

  #record(name: string): void {
    if (name !== 'dataReceived' || this.events.at(-1) !== name) this.events.push(name)
    for (const watcher of [...this.#watchers]) watcher()
  }
}
