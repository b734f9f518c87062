import { abortedOnEntry, rejected, Waiter, type WaitOptions } from '../wait.ts'
import type { ChannelState } from './channelOptions.ts'

interface StateWait {
  readonly states: readonly ChannelState[]
  readonly waiter: Waiter<ChannelState>
}

/** The state of a channel, and who waits for another one. */
export class ChannelStates {
  readonly #changed: (state: ChannelState) => void
  readonly #waits = new Set<StateWait>()
  #current: ChannelState = 'idle'

  /** `changed` is called behind each change. */
  constructor(changed: (state: ChannelState) => void) {
    this.#changed = changed
  }

  get current(): ChannelState {
    return this.#current
  }

  change(state: ChannelState): void {
    if (state === this.#current) return
    this.#current = state
    for (const wait of this.#waits) {
      if (!wait.states.includes(state)) continue
      this.#waits.delete(wait)
      wait.waiter.resolve(state)
    }
    this.#changed(state)
  }

  /** Resolves with the first of `states` that there is, or comes. */
  wait(states: readonly ChannelState[], options: WaitOptions | undefined): Promise<ChannelState> {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    if (states.includes(this.#current)) return Promise.resolve(this.#current)
    const wait: StateWait = {
      states,
      waiter: new Waiter<ChannelState>(
        options,
        () => `waitForState(${states.join(', ')}) of a channel that is ${this.#current}`,
        () => this.#waits.delete(wait),
      ),
    }
    this.#waits.add(wait)
    return wait.waiter.promise
  }

  /** No other state comes. */
  rejectAll(error: Error): void {
    for (const { waiter } of this.#waits) waiter.reject(error)
    this.#waits.clear()
  }
}
