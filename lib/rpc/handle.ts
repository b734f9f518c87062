import { handled } from '../wait.ts'
import { mapped } from './interceptor.ts'
import type { ServerCall } from './serverCall.ts'

/** Where the responses of a stream go. */
export interface ResponseSink {
  /** Throws if the message cannot be encoded, or is too large. */
  send(call: ServerCall, response: unknown): void
  /** Whether there is room for more; `call.wake` is called when that may have changed. */
  maySend(call: ServerCall): boolean
}

/** What goes on for a call: its handler, with the interceptors around it, which need not wait for it. */
export class Handling {
  readonly #call: ServerCall
  readonly #request: unknown
  readonly #sink: ResponseSink
  readonly #running = new Set<Promise<unknown>>()

  constructor(call: ServerCall, request: unknown, sink: ResponseSink) {
    this.#call = call
    this.#request = request
    this.#sink = sink
  }

  /** Resolves with the response, or with `undefined` for a stream; rejects with what is to be told instead. */
  outcome(): Promise<unknown> {
    const around = this.#call.route.interceptors?.around
    return around === undefined ? this.#handle() : around(this.#call, () => this.#handle())
  }

  /** Whether the handler runs, though there is an outcome. */
  get goesOn(): boolean {
    return this.#running.size > 0
  }

  /** Resolves when it has ended. */
  async ended(): Promise<void> {
    while (this.goesOn) await Promise.allSettled(this.#running)
  }

  #handle(): Promise<unknown> {
    const handling = handled(handle(this.#call, this.#request, this.#sink))
    this.#running.add(handling)
    const ended = (): void => void this.#running.delete(handling)
    handling.then(ended, ended)
    return handling
  }
}

/**
 * Runs the handler of a call, with the messages that go in and out as the interceptors make them. Resolves with the
 * response, or with `undefined` when the last of a stream was sent. Rejects with what the handler throws, and with the
 * reason if the call ends before.
 */
async function handle(call: ServerCall, request: unknown, sink: ResponseSink): Promise<unknown> {
  const { handler, interceptors, method } = call.route
  const mapRequest = interceptors?.request
  const mapResponse = interceptors?.response
  let input = request
  if (mapRequest !== undefined) {
    input = method.requestStream ? mapped(call.requests!, mapRequest, call) : await mapRequest(request, call)
  }
  if (call.finished) throw call.ended
  const output = handler(input, call)
  if (!method.responseStream) {
    const response = await output
    return mapResponse === undefined ? response : mapResponse(response, call)
  }
  const responses = known(call, output as AsyncIterable<unknown>)
  await pump(call, mapResponse === undefined ? responses : mapped(responses, mapResponse, call), sink)
  return undefined
}

/** The responses, which the call ends when it is given up: they may be waiting for something that never comes. */
function known(call: ServerCall, responses: AsyncIterable<unknown>): AsyncIterable<unknown> {
  const iterator = (responses as Partial<AsyncIterable<unknown>> | undefined)?.[Symbol.asyncIterator]?.()
  if (iterator === undefined) return responses
  call.responses = iterator
  return { [Symbol.asyncIterator]: () => iterator }
}

async function pump(call: ServerCall, responses: AsyncIterable<unknown>, sink: ResponseSink): Promise<void> {
  for await (const response of responses) {
    if (call.finished) throw call.ended
    sink.send(call, response)
    while (!sink.maySend(call)) {
      await new Promise<void>((resolve) => (call.wake = resolve))
      call.wake = undefined
      if (call.finished) throw call.ended
    }
  }
}
