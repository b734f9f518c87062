/** Connections within the process: a server listens on a name, a client connects to it. */
import { ConnectError } from '../errors.ts'
import { toFactory, type AnyProtocol, type ProtocolFactory } from '../protocol.ts'
import type { Transport } from '../transport.ts'
import { MemoryTransport } from '../transports/memoryTransport.ts'
import { clientOwner, type TransportOwner } from '../transports/transportOwner.ts'
import { abortedOnEntry, rejected } from '../wait.ts'
import { beginConnection } from './beginLayered.ts'
import type { ConnectOptions } from './connect.ts'
import type { Accepting, Arrival, Listener, ServerSocket } from './listener.ts'

const names = new Map<string, MemoryListener>()

export class MemoryListener implements Listener {
  readonly address: ServerSocket
  readonly #name: string
  #accepting: Accepting | undefined

  /** Throws as the system does (`EADDRINUSE`) where somebody listens on the name. */
  constructor(name: string) {
    if (names.has(name)) {
      const message = `listen EADDRINUSE: somebody listens on memory:${name}`
      throw Object.assign(new Error(message), { code: 'EADDRINUSE', syscall: 'listen' })
    }
    names.set(name, this)
    this.#name = name
    this.address = { family: 'memory', address: name, port: 0, getsockname: () => name }
  }

  open(accepting: Accepting): void {
    this.#accepting = accepting
  }

  close(): void {
    if (names.get(this.#name) === this) names.delete(this.#name)
    this.#accepting = undefined
  }

  arrive(arrival: Arrival): void {
    if (this.#accepting === undefined) arrival.destroy()
    else this.#accepting.accept(arrival)
  }
}

/** As `createConnection`, to a server in this process. Rejects with {@link ConnectError} where nobody listens. */
export function connectMemory<P extends AnyProtocol>(
  protocolFactory: ProtocolFactory<P>,
  name: string,
  options: ConnectOptions,
): Promise<[transport: Transport, protocol: P]> {
  const factory = toFactory<[], P>(protocolFactory)
  const aborted = abortedOnEntry(options)
  if (aborted !== undefined) return rejected(aborted.reason)
  const listener = names.get(name)
  if (listener === undefined) return rejected(new ConnectError(`memory:${name}`, 'nobody listens on it'))
  try {
    const protocol = factory()
    const owner = clientOwner(options.onConnectionError, undefined, options.onConnectionLost)
    const start = (below: AnyProtocol): Transport => {
      const accepted = new AcceptedOwner()
      const [transport, other] = MemoryTransport.pair([below, {}], [owner, accepted], {})
      // As over a socket, the server has its connection in a later turn than the client.
      setImmediate(() => listener.arrive(new MemoryArrival(other, accepted)))
      transport.start()
      return transport
    }
    return Promise.resolve([beginConnection(options.layers, protocol, owner, start), protocol])
  } catch (error) {
    return rejected(error)
  }
}

/** Nobody's until a server takes the connection on. */
class AcceptedOwner implements TransportOwner {
  readonly side = 'server'
  owner: TransportOwner | undefined
  attach(transport: Transport): void {
    this.owner?.attach(transport)
  }
  detach(transport: Transport, error?: Error | null): void {
    this.owner?.detach(transport, error)
  }
  report(error: unknown, transport: Transport | undefined): void {
    this.owner?.report(error, transport)
  }
}

class MemoryArrival implements Arrival {
  readonly peer = 'a client in this process'
  readonly #transport: MemoryTransport
  readonly #accepted: AcceptedOwner

  constructor(transport: MemoryTransport, accepted: AcceptedOwner) {
    this.#transport = transport
    this.#accepted = accepted
  }

  get gone(): boolean {
    return this.#transport.isClosing()
  }

  begin(protocol: AnyProtocol, owner: TransportOwner): void {
    this.#accepted.owner = owner
    this.#transport.setProtocol(protocol)
    this.#transport.start()
  }

  destroy(): void {
    this.#transport.abort({ reset: true })
  }
}
