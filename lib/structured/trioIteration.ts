import { CancelScope } from './cancelScope.ts'
import { Cancelled } from './errors.ts'
import { Future } from './future.ts'
import { beginTrio, type Loop } from './loop.ts'
import { requireLoop } from './requireLoop.ts'

type Result<T> = IteratorResult<T, unknown>

/**
 * An iteration of trio's flavour for asyncio's. Each `next()` runs as a task of its own, so that no scope or nursery can
 * be open in the source from one to the next. Cancelling what it returns cancels it. However the iteration ends early, by
 * a `break` or by a cancel, the source is closed, and that is waited for.
 */
export class TrioIteration<T, S extends AsyncIterable<T>> implements AsyncDisposable {
  /** What is iterated over. */
  readonly value: S
  readonly #loop: Loop | undefined
  #iterator: AsyncIterator<T, unknown, unknown> | undefined = undefined
  #over = false

  constructor(source: S, loop: Loop | undefined) {
    this.value = source
    this.#loop = loop
  }

  next(...args: [] | [unknown]): Future<Result<T>> {
    return this.#begin('next', async () => {
      if (this.#over) return { done: true, value: undefined }
      try {
        const result = await this.#source().next(...args)
        if (result.done) this.#over = true
        return result
      } catch (error) {
        // A loop closes no iteration whose next() has failed.
        if (error instanceof Cancelled && !this.#over) {
          await new CancelScope({ shield: true }).run(() => this.#close())
        }
        this.#over = true
        throw error
      }
    })
  }

  /** Ends it: closes the source. */
  return(value?: unknown): Future<Result<T>> {
    return this.#begin('return', async () => {
      if (!this.#over) await this.#close()
      return { done: true, value }
    })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Ends it, and disposes of the source if that can be. */
  [Symbol.asyncDispose](): Future<void> {
    return this.#begin('asyncDispose', async () => {
      if (!this.#over) await this.#close()
      await (this.value as Partial<AsyncDisposable>)[Symbol.asyncDispose]?.()
    })
  }

  /** Even where it is cancelled before it has begun: the source is to be closed then. */
  #begin<R>(name: string, fn: () => Promise<R>): Future<R> {
    return beginTrio(requireLoop(`${name}() of a trio iteration`, this.#loop), name, fn, true)
  }

  async #close(): Promise<void> {
    this.#over = true
    await this.#source().return?.()
  }

  #source(): AsyncIterator<T, unknown, unknown> {
    return (this.#iterator ??= this.value[Symbol.asyncIterator]())
  }
}
