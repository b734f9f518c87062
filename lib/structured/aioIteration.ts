import { abortedOnEntry, UNCANCELLED } from '../wait.ts'
import { callAio, type AioCallOptions } from './aioCall.ts'
import { currentContext } from './context.ts'
import { tellAbandoned, type Loop } from './loop.ts'
import { requireLoop } from './requireLoop.ts'

type Result<T> = IteratorResult<T, unknown>

/** For waits that are no checkpoint. */
const NO_CHECKPOINT = { scope: UNCANCELLED }

/**
 * An iteration of asyncio's flavour for trio's. Each `next()` is a checkpoint, and can be left while it waits. However the
 * iteration ends early, by a `break` or by a cancel, the source is closed, in asyncio's flavour; that is waited for,
 * unless the source still waits for what cannot hear of the cancel.
 */
export class AioIteration<T, S extends AsyncIterable<T>> implements AsyncIterableIterator<T>, AsyncDisposable {
  /** What is iterated over. */
  readonly value: S
  readonly #loop: Loop | undefined
  readonly #options: Omit<AioCallOptions, 'loop'>
  #iterator: AsyncIterator<T, unknown, unknown> | undefined = undefined
  #over = false

  constructor(source: S, { loop, ...options }: AioCallOptions) {
    this.value = source
    this.#loop = loop
    this.#options = options
  }

  async next(...args: [] | [unknown]): Promise<Result<T>> {
    const loop = requireLoop('next() of an asyncio iteration', this.#loop)
    if (this.#over) return { done: true, value: undefined }
    const cancellation = abortedOnEntry(this.#options)
    if (cancellation !== undefined) {
      await this.#closeUncancelled(loop)
      throw cancellation.reason
    }
    const wait = callAio<Result<T>>(loop, () => this.#source().next(...args), this.#options)
    try {
      const result = await wait.promise
      if (result.done) this.#over = true
      return result
    } catch (error) {
      this.#over = true
      // A loop closes no iteration whose next() has failed.
      if (wait.hasLeft) this.#closeBehind(loop)
      else if (wait.wasCancelled) await this.#close(loop)
      throw error
    }
  }

  /** Ends it: closes the source, and waits for that. Is itself no checkpoint, but can be cancelled. */
  async return(value?: unknown): Promise<Result<T>> {
    if (this.#over) return { done: true, value }
    const loop = requireLoop('return() of an asyncio iteration', this.#loop)
    await this.#close(loop)
    return { done: true, value }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Ends it, and disposes of the source if that can be. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
    const dispose = (this.value as Partial<AsyncDisposable>)[Symbol.asyncDispose]
    if (dispose === undefined) return
    const loop = requireLoop('disposal of an asyncio iteration', this.#loop)
    await closeAio(loop, () => dispose.call(this.value), this.#options)
  }

  #source(): AsyncIterator<T, unknown, unknown> {
    return (this.#iterator ??= this.value[Symbol.asyncIterator]())
  }

  async #close(loop: Loop): Promise<void> {
    this.#over = true
    await closeAio(loop, () => this.#source().return?.(), this.#options)
  }

  /** The source is somewhere in `next()` still. A stream of Node's can be closed there; others close behind it, if ever. */
  #closeBehind(loop: Loop): void {
    const { destroy } = this.value as { readonly destroy?: unknown }
    if (typeof destroy === 'function') destroy.call(this.value)
    this.#closeUncancelled(loop).catch((late: unknown) => tellAbandoned(loop, late))
  }

  #closeUncancelled(loop: Loop): Promise<unknown> {
    this.#over = true
    return callAio(loop, () => this.#source().return?.(), NO_CHECKPOINT).promise
  }
}

/**
 * Closes something, in asyncio's flavour. It begins even where it is cancelled already: then it is let finish, and the next
 * wait tells of the cancel. One that comes meanwhile is as for every call.
 */
export async function closeAio(loop: Loop, close: () => unknown, options: Omit<AioCallOptions, 'loop'>): Promise<void> {
  const cancellation = abortedOnEntry(options)
  if (cancellation === undefined) {
    await callAio(loop, close, options).promise
    return
  }
  // A scope goes on telling; a task does not.
  const task = options.scope === undefined && options.signal?.aborted !== true ? currentContext()?.task : undefined
  try {
    await callAio(loop, close, { ...options, ...NO_CHECKPOINT, signal: undefined }).promise
  } finally {
    task?.undelivered(cancellation.reason)
  }
}
