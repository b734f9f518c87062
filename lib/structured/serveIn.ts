/** A server whose owner is a nursery: what `createServer`, `startServer` and `serveCalls` have in common. */
import type { ErrorHandler } from '../diagnostics.ts'
import type { ListenOptions } from '../endpoints/listen.ts'
import type { Server } from '../endpoints/server.ts'
import {
  ConnectionLostError,
  DecodeError,
  FrameError,
  IncompleteReadError,
  LimitOverrunError,
  TimeoutError,
} from '../errors.ts'
import { reportTo } from '../transports/transportOwner.ts'
import type { Transport } from '../transport.ts'
import { DONE, handled, UNCANCELLED, Waiter } from '../wait.ts'
import type { CancelScope } from './cancelScope.ts'
import { connectionContext } from './connectionContext.ts'
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
  const reported = (error: unknown, transport: Transport | undefined): boolean => {
    const isOurs = thrown.delete(error) || !isFaultOfPeer(error, transport)
    try {
      if (onConnectionError !== undefined) onConnectionError(error, transport)
      else if (isOurs) return false
      else reportTo(undefined, error, transport)
    } catch (anew) {
      fail(anew)
    }
    return true
  }
  const fail = (error: unknown): void => {
    failures.push(error)
    failed.resolve()
  }
  const server = await listen({
    reported,
    onConnectionError: (error, transport) => {
      if (!reported(error, transport)) fail(error)
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

/** Whether an error tells of the network, or of bytes that a peer has sent or not taken: the server goes on after it. */
export function isFaultOfPeer(error: unknown, transport: Transport | undefined): boolean {
  // Of those that never were a connection: a handshake that has failed, an accept.
  if (transport === undefined) return true
  if (error instanceof ExceptionGroup) return error.leaves().every((leaf) => isFaultOfPeer(leaf, transport))
  return FAULTS_OF_PEERS.some((kind) => error instanceof kind)
}

const FAULTS_OF_PEERS = [
  ConnectionLostError,
  IncompleteReadError,
  FrameError,
  LimitOverrunError,
  DecodeError,
  TimeoutError,
]
