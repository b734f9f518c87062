/** Calls for those who have clients of protobufjs's own: what its `rpc.Service` needs to make calls. */
import type { MessageType } from '../protobuf/messageType.ts'
import type { CallOptions } from './client.ts'
import { ClientMethod } from './clientMethod.ts'
import type { Caller } from './makeClient.ts'
import type { AnyMethod } from './method.ts'
import type { Service } from './service.ts'

/** What protobufjs says of the method that is called: a reflected `Method`, or a method of a generated class. */
export interface RpcImplMethod {
  readonly name: string
  readonly requestStream?: boolean | undefined
  readonly responseStream?: boolean | undefined
}

/** protobufjs's `RPCImpl`. It is called with `null` when the client has ended. */
export type RpcImpl = (
  method: RpcImplMethod | null,
  requestData: Uint8Array,
  callback: (error: Error | null, response?: Uint8Array | null) => void,
) => void

/** protobufjs encodes and decodes by itself. */
const bytesType: MessageType<Uint8Array> = {
  encode: (bytes) => ({ finish: () => bytes }),
  decode: (bytes) => bytes,
}

/**
 * Makes calls of a protobufjs client go over a channel: `Chat.create(rpcImpl(channel, 'chat.v1.Chat'))`. The options
 * hold for each of its calls.
 *
 * - A call with one response calls back with it, or with its {@link RpcError}; the promise does likewise.
 * - A stream of responses calls back, and emits `data`, for each. At its end the client as a whole emits `end` and makes
 *   no more calls, as protobufjs has it: make one for each stream, it costs nothing.
 * - A stream of requests is more than it can say: such a call fails with a TypeError. Classes of protobufjs-cli before 2
 *   do not tell which those are: give the `Service`, not its name.
 *
 * `client.end()` gives up the calls that have not ended, and leaves the channel as it is.
 */
export function rpcImpl(channel: Caller, service: string | Service, options: CallOptions = {}): RpcImpl {
  const methods = new Map<string, ClientMethod>()
  const ended = new AbortController()
  const signal = options.signal === undefined ? ended.signal : AbortSignal.any([options.signal, ended.signal])
  return (called, requestData, callback) => {
    if (called === null) return ended.abort()
    let method = methods.get(called.name)
    if (method === undefined) methods.set(called.name, (method = new ClientMethod(methodOf(service, called))))
    if (method.method.requestStream) {
      throw new TypeError(`${method.method.path} takes a stream of requests, which rpc.Service cannot send`)
    }
    const { promise, responses } = channel.call(method, requestData, { ...options, signal })
    if (responses !== undefined) void handOn(responses, callback)
    else {
      promise!.then(
        (response) => callback(null, response as Uint8Array),
        (error: Error) => callback(error),
      )
    }
  }
}

/** What the callback throws is not the call's: it ends the stream, and goes to the process. */
async function handOn(responses: AsyncIterator<unknown>, callback: Parameters<RpcImpl>[2]): Promise<void> {
  try {
    for (;;) {
      let next: IteratorResult<unknown>
      try {
        next = await responses.next()
      } catch (error) {
        return callback(error as Error)
      }
      if (next.done === true) return callback(null, null)
      callback(null, next.value as Uint8Array)
    }
  } finally {
    await responses.return?.()
  }
}

function methodOf(service: string | Service, { name, requestStream, responseStream }: RpcImplMethod): AnyMethod {
  const known =
    typeof service === 'string' ? undefined : Object.values(service.methods).find((each) => each.name === name)
  const serviceName = typeof service === 'string' ? service : service.name
  return {
    service: serviceName,
    name,
    path: `${serviceName}/${name}`,
    requestType: bytesType,
    responseType: bytesType,
    requestStream: known?.requestStream ?? requestStream === true,
    responseStream: known?.responseStream ?? responseStream === true,
    idempotent: known?.idempotent ?? false,
  }
}
