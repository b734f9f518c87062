import { createServer, createUnixServer, type TcpListenOptions } from '../endpoints/listen.ts'
import type { Server } from '../endpoints/server.ts'
import type { RpcListenOptions, RpcServer } from '../rpc/rpcServer.ts'
import { detached, forget, handled, Waiter, watchSignal } from '../wait.ts'
import type { CancelScope } from './cancelScope.ts'
import { childrenOf, type Nursery } from './nursery.ts'
import { optionsIn, serveIn } from './serveIn.ts'

/**
 * Has `server` listen, as its own `listen` does, as a child of `nursery`, which ends when the server was shut down and the
 * last handler has ended. Handlers run in a scope of their connection, inside of the nursery's. If that is cancelled, all
 * calls are answered with UNAVAILABLE, their signals abort, the connections close; the nursery waits for the handlers.
 */
export function serveCalls(nursery: Nursery, server: RpcServer, options: RpcListenOptions): Promise<Server> {
  return handled(serve(nursery, server, options))
}

async function serve(nursery: Nursery, server: RpcServer, options: RpcListenOptions): Promise<Server> {
  const children = childrenOf(nursery)
  if (typeof (server as Partial<RpcServer> | undefined)?.listen !== 'function') {
    throw new TypeError('serveCalls(nursery, server, options): an RpcServer is needed, with its services added')
  }
  const listening = await server.listen((factory) =>
    serveIn(nursery, options, (serving) => {
      const own = optionsIn(nursery, serving, options)
      if ('path' in own && own.path !== undefined) return createUnixServer(factory, own)
      // A client that has vanished is to be noticed some day.
      return createServer(factory, { keepAlive: true, ...(own as TcpListenOptions) })
    }),
  )
  const task = children.startSoon((): Promise<void> => keep(server, task.scope), [])
  return listening
}

async function keep(server: RpcServer, scope: CancelScope): Promise<void> {
  const ended = new Waiter<void>({ scope })
  const end = (): void => void finish(server).then(() => ended.resolve())
  const link = server.closing.aborted ? undefined : watchSignal(server.closing, { cancel: end })
  if (server.closing.aborted) end()
  try {
    await ended.promise
  } catch (error) {
    forget(link)
    await detached(() => server.forceShutdown())
    await finish(server)
    throw error
  }
}

/** Whoever shuts it down may do so in a scope that is cancelled, or by force: that does not wait for handlers. */
async function finish(server: RpcServer): Promise<void> {
  await detached(() => server.shutdown({ graceMs: Infinity }))
  await detached(() => server.shutdown({ graceMs: Infinity }))
}
