import { createHook } from 'node:async_hooks'

/** Handles and timers that were made since, and are not gone. */
export class Leftovers {
  readonly #kinds = new Map<number, string>()
  readonly #hook = createHook({
    init: (id, kind) => {
      if (!/^(Timeout|TCPWRAP|TCPSERVERWRAP|PIPEWRAP|PIPESERVERWRAP|UDPWRAP|PROCESSWRAP)$/.test(kind)) return
      const [maker = ''] = new Error()
        .stack!.split('\n')
        .filter((line) => /\(\//.test(line) && !line.includes(__filename))
      // The test runner has timers of its own.
      if (!maker.includes('node_modules')) this.#kinds.set(id, `${kind} made ${maker.trim()}`)
    },
    destroy: (id) => this.#kinds.delete(id),
  })

  constructor() {
    this.#hook.enable()
  }

  /** Resolves as soon as nothing is left; rejects with what there still is after two seconds. */
  async gone(): Promise<void> {
    const started = performance.now()
    // Immediates are no timers.
    while (this.#kinds.size > 0 && performance.now() - started < 2000) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    this.#hook.disable()
    if (this.#kinds.size > 0) throw new Error(`left behind: ${[...this.#kinds.values()].join(', ')}`)
  }
}
