import { WaitChain, type Ambience, type WaitLink, type WaitScope } from '../../lib/wait.ts'

/** A scope that is cancelled when the signal aborts, with its reason. */
export function signalScope(signal: AbortSignal): WaitScope {
  const waits = new (class extends WaitChain {
    protected override filled = (): void => signal.addEventListener('abort', this.#ended)
    protected override emptied = (): void => signal.removeEventListener('abort', this.#ended)
    readonly #ended = (): void => this.cancelAll(signal.reason)
  })()
  return {
    get cancellation() {
      return signal.aborted ? signal : undefined
    },
    watch: (wait: WaitLink) => waits.add(wait),
  }
}

/** In which there is that scope wherever one is asked for. */
export function ambient(scope: WaitScope | undefined): Ambience {
  return { scope: () => scope, bind: (fn) => fn, exit: (fn) => fn() }
}
