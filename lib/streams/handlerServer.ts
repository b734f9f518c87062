import type { Listener } from '../endpoints/listener.ts'
import { Server, type ServerOptions } from '../endpoints/server.ts'
import { InvalidStateError } from '../errors.ts'
import type { AnyProtocol } from '../protocol.ts'
import type { Transport } from '../transport.ts'
import { reportTo } from '../transports/transportOwner.ts'
import { abortedOnEntry, handled, rejected, WaitList, type WaitOptions } from '../wait.ts'
import type { ServingOptions } from './serveClient.ts'

/** Makes what makes the protocols; those hand their connections to `offer`, where there is no handler. */
export type ProtocolsOf<C> = (offer: (connection: C) => void, serving: ServingOptions<Transport>) => () => AnyProtocol

/**
 * A server whose connections are served by a handler, or, without one, taken from it by {@link accept} or by iterating;
 * until one is taken it waits, unread, and no more than `backlog` of them do.
 *
 * Several loops may share a server. Leaving one closes nothing; `close()` ends them all.
 */
export class HandlerServer<C> extends Server implements AsyncIterable<C> {
  readonly #hasHandler: boolean
  readonly #accepts = new WaitList<C>()
  #handlers = 0

  constructor(
    listeners: readonly Listener[],
    protocolsOf: ProtocolsOf<C>,
    options: ServerOptions,
    hasHandler: boolean,
  ) {
    const offer = (connection: C): void => this.#accepts.resolveFirst(connection)
    const serving: ServingOptions<Transport> = {
      report: (error, transport) => reportTo(options.onConnectionError, error, transport),
      handlerStarted: () => void this.#handlers++,
      handlerEnded: () => {
        this.#handlers--
        this.settled()
      },
    }
    super(listeners, protocolsOf(offer, serving), options)
    this.#hasHandler = hasHandler
  }

  /**
   * Resolves with the next connection. Any number of calls may wait; one that is cancelled takes none. Rejects with
   * {@link CancelledError} when the server is closed meanwhile, and with {@link InvalidStateError} if it is closed
   * already or has a handler.
   */
  accept(options?: WaitOptions): Promise<C> {
    if (this.#hasHandler) return rejected(new InvalidStateError('accept() on a server that has a handler'))
    if (this.closed) return rejected(new InvalidStateError('accept() on a server that is closed'))
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    const accepted = this.#accepts.wait(options, () => 'accept')
    this.admit()
    return accepted
  }

  /** Each connection, until the server is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<C> {
    return {
      next: () => {
        const aborted = abortedOnEntry(undefined)
        if (aborted !== undefined) return rejected(aborted.reason)
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
