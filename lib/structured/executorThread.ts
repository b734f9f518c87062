import { Worker, type ResourceLimits } from 'node:worker_threads'
import { detached, Waiter, type WaitOptions } from '../wait.ts'
import { BrokenWorkerError } from './errors.ts'
import { threadMain, type CallReply, type CallRequest, type PackedError } from './threadMain.ts'

/** One thread of an executor. It does one call at a time, and keeps the process alive only meanwhile. */
export class ExecutorThread {
  /** Resolves when the thread is gone, for whatever reason. */
  readonly gone: Promise<void>
  readonly #worker: Worker
  #usable = true
  #call: Waiter<unknown> | undefined
  #name = ''
  #error: Error | undefined

  constructor(resourceLimits: ResourceLimits | undefined) {
    const source = `(${String(threadMain)})((specifier) => import(specifier))`
    // It is nobody's in whose call it happens to be begun.
    this.#worker = detached(() => new Worker(source, { eval: true, ...(resourceLimits && { resourceLimits }) }))
    this.#worker.on('message', (reply: CallReply) => this.#replied(reply))
    this.#worker.on('messageerror', (error) => this.#settle((call) => call.reject(error)))
    this.#worker.on('error', (error: Error) => (this.#error = error))
    this.gone = new Promise((resolve) => {
      this.#worker.on('exit', (code) => {
        this.#exited(code)
        resolve()
      })
    })
    // Not before: it is listened to.
    this.#worker.unref()
  }

  /** Whether it can be called: not once it is being ended, or has ended by itself. */
  get usable(): boolean {
    return this.#usable
  }

  /** Cancelled by `options` it ends the thread. Only while there is no other call. */
  call(request: CallRequest, options: WaitOptions): Promise<unknown> {
    const call = new Waiter<unknown>(
      options,
      () => request.name,
      () => void this.end(),
    )
    if (call.settled) return call.promise
    try {
      this.#worker.postMessage(request)
    } catch (error) {
      const message = `an argument of ${request.name} cannot be sent to a thread: ${(error as Error).message}`
      call.reject(new TypeError(message, { cause: error }))
      return call.promise
    }
    this.#worker.ref()
    this.#call = call
    this.#name = request.name
    return call.promise
  }

  /** Ends it at once. Resolves when it is gone. */
  end(): Promise<void> {
    this.#usable = false
    void this.#worker.terminate()
    return this.gone
  }

  #replied(reply: CallReply): void {
    this.#settle((call) => ('value' in reply ? call.resolve(reply.value) : call.reject(unpacked(reply.error))))
  }

  #exited(code: number): void {
    const ended = this.#usable
    this.#usable = false
    const error = this.#error
    this.#settle((call) => {
      const why = error === undefined ? `with exit code ${code}` : `by ${String(error)}`
      const options = error === undefined ? undefined : { cause: error }
      call.reject(new BrokenWorkerError(`the thread was ended ${why} before ${this.#name} was done`, options))
      this.#error = undefined
    })
    // What a function has left behind in it, such as a timer, has failed between calls.
    if (ended && this.#error !== undefined) console.error('millrace: unhandled error in a thread:', this.#error)
  }

  #settle(settle: (call: Waiter<unknown>) => void): void {
    const call = this.#call
    if (call === undefined) return
    this.#call = undefined
    this.#worker.unref()
    settle(call)
  }
}

const ERRORS: Record<string, ErrorConstructor | undefined> = {
  TypeError,
  RangeError,
  SyntaxError,
  ReferenceError,
  URIError,
  EvalError,
}

function unpacked(packed: PackedError | { readonly value: unknown }): unknown {
  if ('value' in packed) return packed.value
  const { name, message, stack, base, fields } = packed
  const error = base === 'AggregateError' ? new AggregateError([], message) : new (ERRORS[base] ?? Error)(message)
  const hidden = (key: string, value: unknown): void => {
    Object.defineProperty(error, key, { value, configurable: true, writable: true })
  }
  if (error.name !== name) hidden('name', name)
  hidden('stack', stack)
  for (const [key, field] of fields) {
    const value = unpacked(field)
    if (key === 'errors' && Array.isArray(value))
      hidden(
        key,
        value.map((each) => unpacked(each as PackedError)),
      )
    else if (key === 'cause') hidden(key, value)
    else (error as unknown as Record<string, unknown>)[key] = value
  }
  return error
}
