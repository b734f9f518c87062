import type { TcpListenOptions, UnixListenOptions } from '../endpoints/listen.ts'
import type { Server } from '../endpoints/server.ts'
import { TimeoutError } from '../errors.ts'
import { startServer as listenTcp, startUnixServer } from '../streams/open.ts'
import type { AnyReader, StreamClasses } from '../streams/streamClasses.ts'
import type { StreamReader } from '../streams/streamReader.ts'
import type { StreamWriter } from '../streams/streamWriter.ts'
import { DONE, UNCANCELLED, WaitList } from '../wait.ts'
import { childrenOf, type Nursery } from './nursery.ts'
import { serveIn, type Serving } from './serveIn.ts'
import { isAbort } from './task.ts'
import { withoutCancelled } from './withoutCancelled.ts'

export type StreamServeOptions = TcpListenOptions | (UnixListenOptions & { readonly path: string })

/**
 * Listens, and calls `handler(reader, writer)` as a child of `nursery` for each connection, which is closed when the
 * handler ends. Resolves with the server, which is a child too, and ends as that of {@link createServer} does; but if the
 * nursery is cancelled, connections are not aborted before all handlers have ended: one may say good-bye in a shield.
 *
 * What a handler throws ends the nursery, unless there is an `onConnectionError`. A connection that was lost, a stream that
 * ended too soon, bytes that make no sense and time that ran out are faults of the peer: they end the one connection alone.
 */
export function startServer<R extends AnyReader = StreamReader, W extends StreamWriter = StreamWriter>(
  nursery: Nursery,
  handler: (reader: R, writer: W) => Promise<unknown>,
  options: StreamServeOptions & StreamClasses<R, W>,
): Promise<Server> {
  let running = 0
  const idle = new WaitList()
  const ended = (): Promise<void> => (running === 0 ? DONE : idle.wait({ scope: UNCANCELLED }, () => 'startServer'))
  const listen = (serving: Serving): Promise<Server> => {
    if (typeof handler !== 'function') throw new TypeError('the handler must be an async function')
    const children = childrenOf(nursery)
    const serve = async (reader: R, writer: W): Promise<void> => {
      try {
        await handler(reader, writer)
        writer.close()
      } catch (error) {
        if (error instanceof TimeoutError) writer.transport.abort()
        else writer.close()
        const [left] = withoutCancelled(error, () => {})
        if (left === undefined) throw error
        if (!isAbort(left.error) && !serving.reported(left.error, writer.transport)) throw left.error
      } finally {
        if (--running === 0) idle.resolveAll()
      }
    }
    const connected = (reader: R, writer: W): void => {
      children.startSoon(serve, [reader, writer])
      running++
    }
    const own = { ...options, startServing: false, onConnectionError: serving.onConnectionError }
    if ('path' in own && own.path !== undefined) return startUnixServer<R, W>(connected, own)
    return listenTcp<R, W>(connected, own as TcpListenOptions & StreamClasses<R, W>)
  }
  return serveIn(nursery, options, listen, ended)
}
