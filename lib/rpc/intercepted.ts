/** Calls of a client with interceptors around them. */
import type { CallOptions } from './client.ts'
import type { ClientMethod } from './clientMethod.ts'
import { mapped, type Interceptors } from './interceptor.ts'
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

  constructor({ method }: ClientMethod, options: CallOptions = {}) {
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

  /** For one attempt. */
  get callOptions(): CallOptions {
    return { ...this.options, metadata: this.metadata }
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
    const response = await caller.call(method, input, context.callOptions).promise
    return interceptors.response === undefined ? response : interceptors.response(response, context)
  }
  return interceptors.around === undefined ? core() : interceptors.around(context, core)
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
    const { responses } = caller.call(method, input, context.callOptions)
    const map = interceptors.response
    await stream.through(map === undefined ? responses! : mapped(responses!, map, context))
  }
  stream.run(interceptors.around === undefined ? core() : interceptors.around(context, core))
  return stream
}

type Responses = AsyncIterator<unknown, unknown, undefined>

const END: IteratorReturnResult<undefined> = { done: true, value: undefined }

class InterceptedStream implements AsyncIterableIterator<unknown, undefined, undefined>, AsyncDisposable {
  /** All that the interceptors do. */
  #outcome!: Promise<unknown>
  /** The call has begun; or it never will. */
  readonly #begun: Promise<Responses | undefined>
  #begin!: (responses: Responses | undefined) => void
  #end: (() => void) | undefined
  #fail: ((error: unknown) => void) | undefined
  #left = false

  constructor() {
    this.#begun = new Promise((resolve) => (this.#begin = resolve))
  }

  run(outcome: Promise<unknown>): void {
    this.#outcome = outcome
    const never = (): void => this.#begin(undefined)
    outcome.then(never, never)
  }

  /** Hands the responses to the caller; resolves at their end. */
  through(responses: Responses): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#end = resolve
      this.#fail = reject
      this.#begin(responses)
      if (this.#left) void this.return()
    })
  }

  async next(): Promise<IteratorResult<unknown, undefined>> {
    const responses = this.#left ? undefined : await this.#begun
    if (responses === undefined) return this.#finished()
    let result: IteratorResult<unknown>
    try {
      result = await responses.next()
    } catch (error) {
      this.#fail!(error)
      return this.#finished()
    }
    if (result.done !== true) return result
    this.#end!()
    return this.#finished()
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#left = true
    if (this.#end === undefined) return END
    const responses = await this.#begun
    await responses?.return?.()
    this.#end()
    return END
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async #finished(): Promise<IteratorReturnResult<undefined>> {
    const left = this.#left
    this.#left = true
    // Told once, as of any iterator.
    if (!left) await this.#outcome
    return END
  }
}
