/** A server over a socket, and clients of it: gone after the test. */
import { connect, RpcServer, type ConnectedClient, type RpcServerOptions, type Service } from '../../lib/rpc/index.ts'
import { netDefer } from './netTools.ts'

export interface Served {
  readonly server: RpcServer
  readonly port: number
  // oxlint-disable-next-line typescript/no-explicit-any -- any service
  readonly client: <S extends Service<any>>(service: S) => Promise<ConnectedClient<S>>
}

/** Serves what `add` adds. */
export async function served(add: (server: RpcServer) => void, options?: RpcServerOptions): Promise<Served> {
  const server = new RpcServer(options)
  add(server)
  netDefer(() => server.shutdown({ graceMs: 0 }))
  await server.listen({ host: '127.0.0.1', port: 0 })
  const { port } = server.address as { port: number }
  return {
    server,
    port,
    client: async (service) => {
      const client = await connect(service, { host: '127.0.0.1', port })
      netDefer(() => client.$channel.abort())
      return client
    },
  }
}
