import { handled } from '../wait.ts'
import type { CallOptions, Client } from './client.ts'
import type { ClientCall } from './clientCall.ts'
import { ClientMethod } from './clientMethod.ts'
import type { Interceptors } from './interceptor.ts'
import { ClientContext, interceptedCall, interceptedStream } from './intercepted.ts'
import type { AnyMethod } from './method.ts'
import type { Service } from './service.ts'

/** What begins calls: a channel. */
export interface Caller {
  call(method: ClientMethod, request: unknown, options: CallOptions | undefined): ClientCall
}

type Stub = (request: unknown, options?: CallOptions) => unknown

/** An object with a function for each method of the service. */
export function makeClient<S extends Service<any>>( // oxlint-disable-line typescript/no-explicit-any -- any service
  service: S,
  caller: Caller,
  interceptors?: Interceptors<ClientContext>,
): Client<S> {
  const client: Record<string, Stub> = {}
  for (const [key, method] of Object.entries(service.methods as Record<string, AnyMethod>)) {
    client[key] = stub(new ClientMethod(method), caller, interceptors)
  }
  return client as Client<S>
}

function stub(method: ClientMethod, caller: Caller, interceptors: Interceptors<ClientContext> | undefined): Stub {
  const { responseStream } = method.method
  if (interceptors !== undefined) {
    return responseStream
      ? (request, options) => interceptedStream(method, caller, interceptors, request, options)
      : (request, options) => handled(interceptedCall(method, caller, interceptors, request, options))
  }
  if (responseStream) return (request, options) => caller.call(method, request, options).responses
  return (request, options) => caller.call(method, request, options).promise
}
