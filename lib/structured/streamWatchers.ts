import type { EventEmitter } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import type { LoopCalls } from './loopCalls.ts'
import type { Handle } from './handle.ts'

/** What `addReader` takes. */
export type WatchedReadable = EventEmitter & Pick<Readable, 'read'>
/** What `addWriter` takes. */
export type WatchedWritable = EventEmitter & Pick<Writable, 'write' | 'writableNeedDrain'>

/** The readers or the writers of a loop: streams, and what is called when they have something, or take something. */
export class StreamWatchers {
  readonly #event: 'readable' | 'drain'
  readonly #calls: LoopCalls
  readonly #unwatch = new Map<object, () => void>()

  constructor(event: 'readable' | 'drain', calls: LoopCalls) {
    this.#event = event
    this.#calls = calls
  }

  /** In place of what there was for that stream, until it closes. `atOnce`: it is ready now. */
  add(stream: EventEmitter, call: () => unknown, atOnce: boolean): void {
    this.remove(stream)
    let due: Handle | undefined
    const soon = this.#calls.later(() => {
      due = undefined
      return call()
    })
    const listener = (): void => {
      due ??= soon()
    }
    const closed = (): void => void this.#unwatch.delete(stream)
    stream.on(this.#event, listener)
    stream.once('close', closed)
    this.#unwatch.set(stream, () => {
      stream.off(this.#event, listener)
      stream.off('close', closed)
      due?.cancel()
    })
    if (atOnce) listener()
  }

  /** Whether there was one. */
  remove(stream: object): boolean {
    this.#unwatch.get(stream)?.()
    return this.#unwatch.delete(stream)
  }

  close(): void {
    for (const unwatch of this.#unwatch.values()) unwatch()
    this.#unwatch.clear()
  }
}

/** Throws a TypeError for what is no stream, a descriptor above all. */
export function checkStream(operation: string, method: 'read' | 'write', stream: unknown): void {
  const candidate = stream as Record<string, unknown> | null | undefined
  if (
    typeof candidate === 'object' &&
    typeof candidate?.['on'] === 'function' &&
    typeof candidate[method] === 'function'
  )
    return
  const hint =
    typeof stream === 'number' ? ': Node tells nobody when a descriptor is ready; use new net.Socket({fd})' : ''
  throw new TypeError(`${operation}() takes a ${method === 'read' ? 'readable' : 'writable'} stream${hint}`)
}
