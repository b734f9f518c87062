/** A server whose owner is a nursery: what `createServer`, `startServer` and `serveCalls` have in common. */
import type { ErrorHandler } from '../diagnostics.ts'
import type { ListenOptions } from '../endpoints/listen.ts'
import type { Server } from '../endpoints/server.ts'
import type { Transport } from '../transport.ts'
import { DONE, handled, UNCANCELLED, Waiter } from '../wait.ts'
import type { CancelScope } from './cancelScope.ts'
import { connectionContext } from './connectionContext.ts'
import { reported } from './connectionErrors.ts'
import { ExceptionGroup } from './exceptionGroup.ts'
import { childrenOf, type Nursery } from './nursery.ts'

/** What the server is to be made with. */
export interface Serving {
  /** For errors that reach nobody else: those of our own making, and what the user's throws, end the server and its nursery. */
  readonly onConnectionError: ErrorHandler<Transport>
  /** The same for an error that its caller can throw on into the nursery: whether somebody else was told of it. */
  reported(error: unknown, transport: Transport): boolean
  /** The same factory, of which it is known what it throws. */
  guard<T>(factory: () => T): () => T
  /** That of the server, once it serves. */
  readonly scope: () => CancelScope
}

/**
 * Has `listen` make a server that does not accept yet, and keeps it as a child of the nursery, which ends when the server
 * is closed and its last connection gone. Cancelled, it stops listening, waits for `handlersEnded()` if there are
 * handlers, which are children of the nursery, too, and aborts all connections.
 */
export function serveIn<S extends Server>(...args: Parameters<typeof serve<S>>): Promise<S> {
  return handled(serve(...args))
}

async function serve<S extends Server>(
  nursery: Nursery,
  options: Pick<ListenOptions, 'startServing' | 'onConnectionError'>,
  listen: (serving: Serving) => Promise<S>,
  handlersEnded: () => Promise<void> = () => DONE,
): Promise<S> {
  const children = childrenOf(nursery)
  children.check('a server')
  const { startServing = true, onConnectionError } = options
  const failures: unknown[] = []
  const failed = new Waiter<void>({ scope: UNCANCELLED })
  const thrown = new Set<unknown>()
  let scope: CancelScope
  // Where it is the server alone that is cancelled, handlers have not heard of it.
  const lastWords = (): Promise<void> => (children.scope.cancellation === undefined ? DONE : handlersEnded())
  const isReported = (error: unknown, transport: Transport | undefined): boolean =>
    reported(onConnectionError, error, transport, fail, thrown.delete(error) || undefined)
  const fail = (error: unknown): void => {
    failures.push(error)
    failed.resolve()
  }
  const server = await listen({
    reported: isReported,
    onConnectionError: (error, transport) => {
      if (!isReported(error, transport)) fail(error)
    },
    guard: (factory) => () => {
      try {
        return factory()
      } catch (error) {
        thrown.add(error)
        throw error
      }
    },
    scope: () => scope,
  })
  try {
    const task = children.startSoon(() => keep(server, failed.promise, failures, scope, lastWords), [])
    scope = task.scope
  } catch (error) {
    server.close()
    throw error
  }
  if (startServing) await server.startServing()
  return server
}

/** The task that a server is. */
async function keep(
  server: Server,
  failed: Promise<void>,
  failures: readonly unknown[],
  scope: CancelScope,
  lastWords: () => Promise<void>,
): Promise<void> {
  const ended = new Waiter<void>({ scope })
  const end = (): void => ended.resolve()
  void failed.then(end)
  void server.waitClosed({ scope: UNCANCELLED }).then(end)
  try {
    await ended.promise
  } catch (error) {
    server.close()
    await lastWords()
    throw error
  } finally {
    server.close()
    server.abortClients()
    await server.waitClosed({ scope: UNCANCELLED })
    // Also those of callbacks that were told of the end.
    if (failures.length === 1) throw failures[0] // oxlint-disable-line no-unsafe-finally -- more than a cancel
    if (failures.length > 1) throw new ExceptionGroup('errors of a server', failures) // oxlint-disable-line no-unsafe-finally
  }
}

/** Options by which a server of protocols is made to serve so. */
export function optionsIn<O extends ListenOptions>(nursery: Nursery, serving: Serving, options: O): O {
  const { context } = childrenOf(nursery)
  const layers = context === undefined ? [] : [connectionContext(context, serving.scope)]
  return {
    ...options,
    startServing: false,
    onConnectionError: serving.onConnectionError,
    layers: [...layers, ...(options.layers ?? [])],
  }
}
