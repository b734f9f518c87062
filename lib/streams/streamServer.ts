import type { Listener } from '../endpoints/listener.ts'
import { Server, type ServerOptions } from '../endpoints/server.ts'
import { InvalidStateError } from '../errors.ts'
import type { AnyProtocol } from '../protocol.ts'
import { reportTo } from '../transports/transportOwner.ts'
import { abortedOnEntry, handled, rejected, WaitList, type WaitOptions } from '../wait.ts'
import { streamFactories, toStreams, type AnyReader, type StreamClasses, type Streams } from './streamClasses.ts'
import type { ClientConnectedCallback } from './streamReaderProtocol.ts'
import type { StreamWriter } from './streamWriter.ts'

/**
 * The server that `startServer` makes. Given a handler, it calls it for each connection. Without one, connections are
 * taken from it, by {@link accept} or by iterating; until one is taken it waits, unread, and no more than `backlog` of
 * them do.
 *
 * ```ts
 * for await (const { reader, writer } of server) void serve(reader, writer)
 * ```
 *
 * Several loops may share a server. Leaving one closes nothing; `close()` ends them all.
 */
export class StreamServer<R extends AnyReader, W extends StreamWriter>
  extends Server
  implements AsyncIterable<Streams<R, W>>
{
  readonly #hasHandler: boolean
  readonly #accepts = new WaitList<Streams<R, W>>()
  #handlers = 0

  constructor(
    listeners: readonly Listener[],
    options: ServerOptions & StreamClasses<R, W>,
    clientConnectedCb?: ClientConnectedCallback<R, W>,
  ) {
    const { makeReader, makeProtocol, options: protocolOptions } = streamFactories(options)
    const connected: ClientConnectedCallback<R, W> =
      clientConnectedCb ?? ((reader, writer) => this.#accepts.resolveFirst(toStreams(reader, writer)))
    super(listeners, (): AnyProtocol => makeProtocol(makeReader(), connected, protocolOptions), options)
    this.#hasHandler = clientConnectedCb !== undefined
    protocolOptions.report = (error, transport) => reportTo(options.onConnectionError, error, transport)
    protocolOptions.handlerStarted = () => void this.#handlers++
    protocolOptions.handlerEnded = () => {
      this.#handlers--
      this.settled()
    }
  }

  /**
   * Resolves with the streams of the next connection. Any number of calls may wait; one that is cancelled takes none.
   * Rejects with {@link CancelledError} when the server is closed meanwhile, and with {@link InvalidStateError} if it is
   * closed already or has a handler.
   */
  accept(options?: WaitOptions): Promise<Streams<R, W>> {
    if (this.#hasHandler) return rejected(new InvalidStateError('accept() on a server that has a handler'))
    if (this.closed) return rejected(new InvalidStateError('accept() on a server that is closed'))
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    const accepted = this.#accepts.wait(options, () => 'accept')
    this.admit()
    return accepted
  }

  /** The streams of each connection, until the server is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Streams<R, W>> {
    return {
      next: () => {
        if (this.closed) return Promise.resolve({ done: true, value: undefined })
        const accepted = this.accept().then(
          (value) => ({ done: false as const, value }),
          (error: unknown) => {
            if (this.closed) return { done: true as const, value: undefined }
            throw error
          },
        )
        return handled(accepted)
      },
      return: () => Promise.resolve({ done: true, value: undefined }),
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  protected override demand(): number {
    return this.#hasHandler ? Infinity : this.#accepts.size
  }

  protected override isDone(): boolean {
    return this.#handlers === 0 && super.isDone()
  }

  protected override ended(): void {
    this.#accepts.rejectAll(this.closing.reason)
  }
}
