import type { ChannelOptions } from '../rpc/channelOptions.ts'
import { connect, type ClientOptions, type ConnectedClient } from '../rpc/connect.ts'
import type { RpcServer } from '../rpc/rpcServer.ts'
import type { Service } from '../rpc/service.ts'
import { memoryPair, type MemoryOptions } from './memoryPair.ts'

/**
 * A client of an `RpcServer` in the same process, over a connection in memory: with the real serialisation, flow control
 * and limits, but no socket. After a loss it connects again, as any client does.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- any service
export function memoryClient<S extends Service<any>>(
  server: RpcServer,
  service: S,
  options: ChannelOptions & ClientOptions & MemoryOptions = {},
): Promise<ConnectedClient<S>> {
  return connect(service, {
    ...options,
    name: 'memory',
    dial: (factory) => {
      const protocol = factory()
      const [transport] = memoryPair(protocol, server.protocol(), options)
      return Promise.resolve([transport, protocol] as const)
    },
  })
}
