import type { Listener } from '../endpoints/listener.ts'
import type { ServerOptions } from '../endpoints/server.ts'
import { HandlerServer } from './handlerServer.ts'
import { streamFactories, toStreams, type AnyReader, type StreamClasses, type Streams } from './streamClasses.ts'
import type { ClientConnectedCallback } from './streamReaderProtocol.ts'
import type { StreamWriter } from './streamWriter.ts'

/**
 * The server that `startServer` makes. Given a handler, it calls it for each connection. Without one, connections are
 * taken from it as their streams; see {@link HandlerServer}.
 *
 * ```ts
 * for await (const { reader, writer } of server) void serve(reader, writer)
 * ```
 */
export class StreamServer<R extends AnyReader, W extends StreamWriter> extends HandlerServer<Streams<R, W>> {
  constructor(
    listeners: readonly Listener[],
    options: ServerOptions & StreamClasses<R, W>,
    clientConnectedCb?: ClientConnectedCallback<R, W>,
  ) {
    super(
      listeners,
      (offer, serving) => {
        const { makeReader, makeProtocol, options: protocolOptions } = streamFactories(options)
        Object.assign(protocolOptions, serving)
        const connected: ClientConnectedCallback<R, W> =
          clientConnectedCb ?? ((reader, writer) => offer(toStreams(reader, writer)))
        return () => makeProtocol(makeReader(), connected, protocolOptions)
      },
      options,
      clientConnectedCb !== undefined,
    )
  }
}
