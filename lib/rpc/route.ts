import { BodyDecoder } from '../protobuf/bodyDecoder.ts'
import { BodyEncoder } from '../protobuf/messageType.ts'
import type { CallContext } from './handlers.ts'
import type { Interceptors } from './interceptor.ts'
import type { AnyMethod } from './method.ts'

/** A handler of any kind. */
export type AnyHandler = (request: unknown, context: CallContext) => unknown

/** A method of a server, with what serves it. */
export interface Route {
  readonly method: AnyMethod
  readonly handler: AnyHandler
  readonly requests: BodyDecoder<unknown>
  readonly body: BodyEncoder<unknown>
  readonly interceptors: Interceptors<CallContext> | undefined
}

export function makeRoute(
  method: AnyMethod,
  handler: AnyHandler,
  interceptors: Interceptors<CallContext> | undefined,
): Route {
  return {
    method,
    handler,
    requests: new BodyDecoder<unknown>(method.requestType),
    body: new BodyEncoder<unknown>(method.responseType),
    interceptors,
  }
}
