/** Calls of a client with interceptors around them. */
import type { CallOptions } from './client.ts'
import type { ClientMethod } from './clientMethod.ts'
import { clock } from '../clock.ts'
import { InvalidStateError } from '../errors.ts'
import { rejected } from '../wait.ts'
import { mapped, type Interceptors } from './interceptor.ts'
import { leave, leaveUnused } from './iteratorOf.ts'
import type { Caller } from './makeClient.ts'
import { Metadata } from './metadata.ts'
import type { AnyMethod } from './method.ts'

/** What an interceptor of a client knows of a call. */
export interface ClientCallContext {
  /** `chat.v1.Chat` */
  readonly service: string
  /** `Send` */
  readonly method: string
  /** The method's types, and whether it streams. */
  readonly definition: AnyMethod
  /** What is sent along: to be added to. */
  readonly metadata: Metadata
  /** What the caller has given. */
  readonly options: CallOptions
}

export class ClientContext implements ClientCallContext {
  readonly definition: AnyMethod
  readonly metadata: Metadata
  readonly options: CallOptions
  /** Whether there was an attempt. */
  begun = false
  readonly #expires: number | undefined

  constructor({ method }: ClientMethod, options: CallOptions = {}) {
    const { timeoutMs } = options
    this.#expires = timeoutMs === undefined ? undefined : clock.now() + timeoutMs
    this.definition = method
    this.metadata = new Metadata(options.metadata)
    this.options = options
  }

  get service(): string {
    return this.definition.service
  }

  get method(): string {
    return this.definition.name
  }

  /** For one attempt: what is left of the time, which is for all of them. */
  get callOptions(): CallOptions {
    const { options, metadata } = this
    if (this.#expires === undefined) return { ...options, metadata }
    return { ...options, metadata, timeoutMs: Math.max(0, this.#expires - clock.now()) }
  }
}

type Interception = Interceptors<ClientContext>

/** A call with one response. */
export async function interceptedCall(
  method: ClientMethod,
  caller: Caller,
  interceptors: Interception,
  request: unknown,
  options: CallOptions | undefined,
): Promise<unknown> {
  const context = new ClientContext(method, options)
  const core = async (): Promise<unknown> => {
    const input = await mappedRequest(context, interceptors, request)
    const { promise } = caller.call(method, input, context.callOptions)
    context.begun = true
    const response = await promise
    return interceptors.response === undefined ? response : interceptors.response(response, context)
  }
  return runWithin(interceptors, context, core, request)
}

/** All that the interceptors do. Requests that were given for a call which they have not begun are told so. */
async function runWithin(
  { around }: Interception,
  context: ClientContext,
  core: () => Promise<unknown>,
  request: unknown,
): Promise<unknown> {
  try {
    return await (around === undefined ? core() : around(context, core))
  } finally {
    if (!context.begun && context.definition.requestStream) void leaveUnused(request)
  }
}

function mappedRequest(context: ClientContext, { request: map }: Interception, request: unknown): unknown {
  if (map === undefined) return request
  if (!context.definition.requestStream) return map(request, context)
  return mapped(request as AsyncIterable<unknown>, map, context)
}

/** A call with a stream of responses, which go to the caller while the interceptors wait for their end. */
export function interceptedStream(
  method: ClientMethod,
  caller: Caller,
  interceptors: Interception,
  request: unknown,
  options: CallOptions | undefined,
): AsyncIterableIterator<unknown> & AsyncDisposable {
  const stream = new InterceptedStream()
  const context = new ClientContext(method, options)
  const core = async (): Promise<undefined> => {
    const input = await mappedRequest(context, interceptors, request)
    if (stream.left) return
    const { responses } = caller.call(method, input, context.callOptions)
    context.begun = true
    const map = interceptors.response
    await stream.through(map === undefined ? responses! : mapped(responses!, map, context))
  }
  stream.run(runWithin(interceptors, context, core, request))
  return stream
}

type Responses = AsyncIterator<unknown, unknown, undefined>

/** One call that the interceptors have begun. */
interface Attempt {
  readonly responses: Responses
  readonly end: () => void
  readonly fail: (error: unknown) => void
}

const END: IteratorReturnResult<undefined> = { done: true, value: undefined }

/** What the caller takes from: the responses of one attempt after the other, then the outcome of the interceptors. */
class InterceptedStream implements AsyncIterableIterator<unknown, undefined, undefined>, AsyncDisposable {
  /** All that the interceptors do. */
  #outcome!: Promise<unknown>
  #settled = false
  /** Those whose end was not handed on; the first is the one that is taken from. */
  readonly #attempts: Attempt[] = []
  /** Ends the wait for another attempt. */
  #wake: (() => void) | undefined
  #waiting = false
  #told = false

  /** Nobody takes any more. */
  left = false

  run(outcome: Promise<unknown>): void {
    this.#outcome = outcome
    outcome.then(
      () => this.#settle(),
      () => {
        this.#settle()
        this.#leaveAll()
      },
    )
  }

  /** Hands the responses to the caller; resolves at their end. */
  through(responses: Responses): Promise<void> {
    return new Promise((end, fail) => {
      this.#attempts.push({ responses, end, fail })
      this.#wake?.()
    })
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    if (this.#waiting) return rejected(new InvalidStateError('next() while another next() is waiting'))
    this.#waiting = true
    return this.#next()
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.left = true
    this.#wake?.()
    this.#leaveAll()
    return Promise.resolve(END)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async #next(): Promise<IteratorResult<unknown, undefined>> {
    try {
      while (!this.left) {
        const attempt = this.#attempts[0]
        if (attempt === undefined) {
          if (this.#settled) break
          await new Promise<void>((resolve) => (this.#wake = resolve))
          continue
        }
        try {
          const result = await attempt.responses.next()
          if (result.done !== true) return result
          attempt.end()
        } catch (error) {
          attempt.fail(error)
        }
        if (this.#attempts[0] === attempt) this.#attempts.shift()
      }
      return await this.#finished()
    } finally {
      this.#waiting = false
    }
  }

  async #finished(): Promise<IteratorReturnResult<undefined>> {
    const told = this.#told || this.left
    this.#told = true
    // Told once, as of any iterator.
    if (!told) await this.#outcome
    return END
  }

  #settle(): void {
    this.#settled = true
    this.#wake?.()
  }

  /** For the interceptors that is an end like any other. */
  #leaveAll(): void {
    for (const { responses, end } of this.#attempts.splice(0)) {
      void leave(responses)
      end()
    }
  }
}
