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
export type RpcConnectOptions = Target & ChannelOptions & ClientOptions & Pick<WaitOptions, 'signal' | 'scope'>

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

type Target = TcpEndpoint | UnixEndpoint | DialEndpoint | RpcEndpoints

/** All that is the channel's: a connection knows some of the same names, and means something else. */
const OF_CHANNEL: Readonly<Record<keyof ChannelOptions, true>> = {
  maxMessageLength: true,
  windowLength: true,
  extension: true,
  timeoutMs: true,
  policy: true,
  lazy: true,
  connectTimeoutMs: true,
  backoff: true,
  stableMs: true,
  keepaliveMs: true,
  keepaliveTimeoutMs: true,
  keepaliveIdle: true,
  idleTimeoutMs: true,
  maxQueuedCalls: true,
  retry: true,
  keepProcessAlive: true,
  onStateChange: true,
  onConnectionError: true,
}

function divide(options: RpcConnectOptions): [Target, ChannelOptions, ClientOptions & WaitOptions] {
  const { signal, scope, interceptors, ...rest } = options
  const named = (ofChannel: boolean): object =>
    Object.fromEntries(Object.entries(rest).filter(([name]) => Object.hasOwn(OF_CHANNEL, name) === ofChannel))
  return [named(false) as Target, named(true), { signal, scope, interceptors }]
}
