/** The callbacks of a loop: what is due runs in the order in which it came, in a microtask of its own. */
import { DONE, nextTurn } from '../wait.ts'
import type { Context } from './context.ts'
import { asker, Handle, runHandle, startTimer, TimerHandle, type HandleHome } from './handle.ts'

/** After so many rounds of callbacks the next one waits for timers and I/O: they may ask for each other for ever. */
const ROUNDS = 200

export class LoopCalls implements HandleHome {
  readonly failed: (error: unknown) => void
  #context: Context | undefined
  readonly #timers = new Set<TimerHandle>()
  #queue: Handle[] = []
  #scheduled = false
  #rounds = 0
  #closed = false

  constructor(context: Context | undefined, failed: (error: unknown) => void) {
    this.#context = context
    this.failed = failed
  }

  /** What is ambient in callbacks. */
  get context(): Context | undefined {
    return this.#context
  }

  soon(call: () => unknown): Handle {
    const handle = new Handle(call, this)
    this.enqueue(handle)
    return handle
  }

  /** What has it called, whenever that is, and as for who asks now. */
  later(call: () => unknown): () => Handle {
    const by = asker()
    return () => {
      const handle = new Handle(call, this, by)
      this.enqueue(handle)
      return handle
    }
  }

  at(when: number, call: () => unknown): TimerHandle {
    const timer = new TimerHandle(call, this, when)
    startTimer(timer, this.#timers, this.enqueue)
    return timer
  }

  readonly enqueue = (handle: Handle): void => {
    // As asyncio: a future that is done after the end of its loop tells only those who await it.
    if (this.#closed) return
    this.#queue.push(handle)
    if (this.#scheduled) return
    this.#scheduled = true
    this.#schedule()
  }

  /** Resolves when everything that is due now has run. */
  ran(): Promise<void> {
    return new Promise((resolve) => this.soon(resolve))
  }

  /** Timers and callbacks that have not run by now never do. */
  close(): void {
    this.#closed = true
    this.#context = undefined
    this.#queue = []
    for (const timer of this.#timers) timer.cancel()
  }

  #schedule(): void {
    const crowded = ++this.#rounds >= ROUNDS
    if (crowded) this.#rounds = 0
    void (crowded ? nextTurn() : DONE).then(this.#run)
  }

  readonly #run = (): void => {
    const due = this.#queue
    // What they ask for is the next round.
    this.#queue = []
    for (const handle of due) runHandle(handle)
    this.#scheduled = this.#queue.length > 0
    if (this.#scheduled) this.#schedule()
  }
}
