import type { WaitOptions } from '../wait.ts'
import { Channel } from './channel.ts'
import type { ChannelOptions } from './channelOptions.ts'
import type { Client } from './client.ts'
import type { DialEndpoint, RpcEndpoints, TcpEndpoint, UnixEndpoint } from './dial.ts'
import type { ClientCallContext } from './intercepted.ts'
import { combine, type Interceptor } from './interceptor.ts'
import { makeClient } from './makeClient.ts'
import type { Service } from './service.ts'

/** What a client may be given besides its channel. */
export interface ClientOptions {
  /** Around every call, the first outermost. */
  readonly interceptors?: readonly Interceptor<ClientCallContext>[] | undefined
}

/** Where to connect to, how, and until when to wait for it. */
export type RpcConnectOptions = (TcpEndpoint | UnixEndpoint | DialEndpoint | RpcEndpoints) &
  ChannelOptions &
  ClientOptions &
  Pick<WaitOptions, 'signal' | 'scope'>

/** A client with a channel of its own. No method can have the name `$channel`. */
export type ConnectedClient<S> = Client<S> & { readonly $channel: Channel } & AsyncDisposable

/**
 * Connects, and resolves with a client of the service: a function for each of its methods. With `lazy: true` it resolves
 * at once, and connects with the first call. To close it: `await client.$channel.close()`, or `await using`.
 *
 * Rejects with {@link RpcError} UNAVAILABLE if no connection could be made (the reason is its `cause`), or with the
 * reason of `signal`; then nothing is left.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- any service
export async function connect<S extends Service<any>>(
  service: S,
  options: RpcConnectOptions,
): Promise<ConnectedClient<S>> {
  const [target, channelOptions, { signal, scope, interceptors }] = divide(options)
  // Before there is a channel: it throws for what is no interceptor.
  const combined = combine(interceptors ?? [])
  const channel = new Channel(target, channelOptions)
  try {
    const client = makeClient(service, channel, combined)
    if (options.lazy !== true) await channel.ready({ signal, scope })
    return Object.assign(client, {
      $channel: channel,
      [Symbol.asyncDispose]: () => channel.close(),
    }) as ConnectedClient<S>
  } catch (error) {
    channel.abort()
    throw error
  }
}

/** A client of another service on a channel that there is. */
// oxlint-disable-next-line typescript/no-explicit-any -- any service
export function createClient<S extends Service<any>>(
  service: S,
  channel: Channel,
  options: ClientOptions = {},
): Client<S> {
  return makeClient(service, channel, combine(options.interceptors ?? []))
}

/** Where to connect to must not get what is the channel's: a connection knows some of the same names. */
function divide(
  options: RpcConnectOptions,
): [TcpEndpoint | UnixEndpoint | DialEndpoint | RpcEndpoints, ChannelOptions, ClientOptions & WaitOptions] {
  const { signal, scope, interceptors, ...rest } = options
  const {
    maxMessageLength,
    windowLength,
    extension,
    timeoutMs,
    policy,
    lazy,
    connectTimeoutMs,
    backoff,
    stableMs,
    keepaliveMs,
    keepaliveTimeoutMs,
    keepaliveIdle,
    idleTimeoutMs,
    maxQueuedCalls,
    retry,
    keepProcessAlive,
    onStateChange,
    onConnectionError,
    ...target
  } = rest
  const channelOptions: Required<ChannelOptions> = {
    maxMessageLength,
    windowLength,
    extension,
    timeoutMs,
    policy,
    lazy,
    connectTimeoutMs,
    backoff,
    stableMs,
    keepaliveMs,
    keepaliveTimeoutMs,
    keepaliveIdle,
    idleTimeoutMs,
    maxQueuedCalls,
    retry,
    keepProcessAlive,
    onStateChange,
    onConnectionError,
  }
  return [target, channelOptions, { signal, scope, interceptors }]
}
