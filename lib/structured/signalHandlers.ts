import { constants } from 'node:os'
import type { LoopCalls } from './loopCalls.ts'

/** The signal handlers of a loop, at most one for each signal. */
export class SignalHandlers {
  readonly #calls: LoopCalls
  readonly #listeners = new Map<NodeJS.Signals, () => void>()

  constructor(calls: LoopCalls) {
    this.#calls = calls
  }

  /** In place of what there was. Throws a TypeError for a signal that there is not, or that nobody can handle. */
  add(signal: NodeJS.Signals, call: () => unknown): void {
    if (!(signal in constants.signals)) throw new TypeError(`there is no signal ${String(signal)} here`)
    if (signal === 'SIGKILL' || signal === 'SIGSTOP') throw new TypeError(`${signal} cannot be handled`)
    this.remove(signal)
    const listener = this.#calls.later(call)
    process.on(signal, listener)
    this.#listeners.set(signal, listener)
  }

  /** Whether there was one. */
  remove(signal: NodeJS.Signals): boolean {
    const listener = this.#listeners.get(signal)
    if (listener === undefined) return false
    process.off(signal, listener)
    return this.#listeners.delete(signal)
  }

  close(): void {
    for (const signal of this.#listeners.keys()) this.remove(signal)
  }
}
