import { mapped } from './interceptor.ts'
import type { ServerCall } from './serverCall.ts'

/** Where the responses of a stream go. */
export interface ResponseSink {
  /** Throws if the message cannot be encoded, or is too large. */
  send(call: ServerCall, response: unknown): void
  /** Whether there is room for more; `call.wake` is called when that may have changed. */
  maySend(call: ServerCall): boolean
}

/**
 * Runs the handler of a call, with the messages that go in and out as the interceptors make them. Resolves with the
 * response, or with `undefined` when the last of a stream was sent. Rejects with what the handler throws, and with the
 * reason if the call ends before.
 */
export async function handle(call: ServerCall, request: unknown, sink: ResponseSink): Promise<unknown> {
  const { handler, interceptors, method } = call.route
  const mapRequest = interceptors?.request
  const mapResponse = interceptors?.response
  let input = request
  if (mapRequest !== undefined) {
    input = method.requestStream ? mapped(call.requests!, mapRequest, call) : await mapRequest(request, call)
  }
  const output = handler(input, call)
  if (!method.responseStream) {
    const response = await output
    return mapResponse === undefined ? response : mapResponse(response, call)
  }
  const responses = output as AsyncIterable<unknown>
  await pump(call, mapResponse === undefined ? responses : mapped(responses, mapResponse, call), sink)
  return undefined
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
