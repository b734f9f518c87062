import {
  createServer as listenTcp,
  createUnixServer,
  type TcpListenOptions,
  type UnixListenOptions,
} from '../endpoints/listen.ts'
import type { Server } from '../endpoints/server.ts'
import { toFactory, type AnyProtocol, type ProtocolFactory } from '../protocol.ts'
import { openNursery, type Nursery } from './nursery.ts'
import { optionsIn, serveIn } from './serveIn.ts'
import type { TaskStatus } from './taskHandle.ts'

/** Where to listen: over TCP, or on the Unix socket at `path`. */
export type ServeOptions = TcpListenOptions | (UnixListenOptions & { readonly path: string })

/**
 * Listens, and serves each connection by a protocol of its own, as asyncio does; the server is a child of `nursery`.
 * Resolves with it when it accepts. It ends when it is closed and its last connection gone; if the nursery is cancelled,
 * it stops listening, and all connections are aborted: `connectionLost(null)`.
 *
 * The callbacks of a protocol run in a scope of their connection, inside of the nursery's: what they begin, and leave to
 * itself, is cancelled with that, and not by the connection's end, as in asyncio. An error in one ends the connection by `connectionLost(error)`, and then
 * the nursery, unless there is an `onConnectionError`. What is the network's fault, or the peer's, ends nothing.
 *
 * Rejects as the main entry's `createServer` does; the nursery goes on then. (trio-protocol: `create_server`.)
 */
export function createServer(
  nursery: Nursery,
  protocolFactory: ProtocolFactory,
  options: ServeOptions,
): Promise<Server> {
  return serveIn(nursery, options, (serving) => {
    const factory = toFactory<[], AnyProtocol>(protocolFactory)
    return listenOn(serving.guard(factory), optionsIn(nursery, serving, options))
  })
}

/**
 * Serves until it is cancelled, in a nursery of its own. Begun by `nursery.start()`, it says that it is started with the
 * server. (trio-protocol: `run_server`.)
 */
export function runServer(
  protocolFactory: ProtocolFactory,
  { taskStatus, ...options }: ServeOptions & { readonly taskStatus?: TaskStatus<Server> | undefined },
): Promise<void> {
  return openNursery(async (nursery) => {
    const server = await createServer(nursery, protocolFactory, options)
    taskStatus?.started(server)
  })
}

function listenOn(factory: () => AnyProtocol, options: ServeOptions): Promise<Server> {
  if ('path' in options && options.path !== undefined) return createUnixServer(factory, options)
  return listenTcp(factory, options as TcpListenOptions)
}
