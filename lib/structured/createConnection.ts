import {
  createConnection as connectTcp,
  createUnixConnection,
  type TcpConnectOptions,
  type UnixConnectOptions,
} from '../endpoints/connect.ts'
import type { AnyProtocol, ProtocolFactory } from '../protocol.ts'
import type { Transport } from '../transport.ts'
import { handled, UNCANCELLED, Waiter } from '../wait.ts'
import { closing } from './closeWith.ts'
import { connectionContext } from './connectionContext.ts'
import { reported } from './connectionErrors.ts'
import { childrenOf, type Nursery } from './nursery.ts'

/** Where to connect to: over TCP, or on the Unix socket at `path`. */
export type CreateConnectionOptions = TcpConnectOptions | (UnixConnectOptions & { readonly path: string })

/**
 * Connects a protocol, as the main entry's `createConnection` does; the connection belongs to `nursery`. When all children
 * have ended it is closed in good order, and the nursery ends behind its `connectionLost`. If the nursery is cancelled, it
 * is aborted: `connectionLost(null)`; so it is after startTls, unless the nursery is not ambient.
 *
 * Callbacks run, and errors of the protocol count, as those of {@link createServer}: what is of our own making ends the
 * nursery, unless there is an `onConnectionError`.
 */
export function createConnection<P extends AnyProtocol>(
  nursery: Nursery,
  protocolFactory: ProtocolFactory<P>,
  options: CreateConnectionOptions,
): Promise<[transport: Transport, protocol: P]> {
  return handled(connect(nursery, protocolFactory, options))
}

async function connect<P extends AnyProtocol>(
  nursery: Nursery,
  protocolFactory: ProtocolFactory<P>,
  options: CreateConnectionOptions,
): Promise<[Transport, P]> {
  const children = childrenOf(nursery)
  children.check('createConnection()')
  const { context } = children
  const { onConnectionError, onConnectionLost } = options
  const gone = new Waiter<void>({ scope: UNCANCELLED })
  let current: Transport | undefined
  const moved = (transport: Transport): void => void (current = transport)
  const layers = context === undefined ? [] : [connectionContext(context, () => children.scope, moved)]
  const fail = (error: unknown): void => void children.startSoon(() => Promise.reject(error), [])
  const own: CreateConnectionOptions = {
    ...options,
    layers: [...layers, ...(options.layers ?? [])],
    onConnectionError: (error, transport) => {
      if (!reported(onConnectionError, error, transport, fail)) fail(error)
    },
    onConnectionLost: (error) => {
      gone.resolve()
      onConnectionLost?.(error)
    },
  }
  const connected = await ('path' in own && own.path !== undefined
    ? createUnixConnection(protocolFactory, own)
    : connectTcp(protocolFactory, own as TcpConnectOptions))
  const [transport] = connected
  // Above layers of the user's there is no startTls of ours.
  const top = (): Transport => (options.layers?.length ? transport : (current ?? transport))
  try {
    const remove = closing(nursery, {
      abort: () => (current ?? transport).abort(),
      close() {
        top().close()
        return gone.promise
      },
    })
    void gone.promise.then(remove)
  } catch (error) {
    transport.abort()
    throw error
  }
  return connected
}
