import { WaitChain, type Ambience, type WaitLink, type WaitScope } from '../../lib/wait.ts'

/** A scope that is cancelled when the signal aborts, with its reason. */
export function signalScope(signal: AbortSignal): WaitScope {
  const waits = new (class extends WaitChain {
    readonly #ended = (): void => this.cancelAll(signal.reason)
    override add(link: WaitLink): void {
      if (this.isEmpty) signal.addEventListener('abort', this.#ended)
      super.add(link)
    }
    override delete(link: WaitLink): void {
      super.delete(link)
      if (this.isEmpty) signal.removeEventListener('abort', this.#ended)
    }
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
