/** CONTRACT: what a `Server` accepts from, be it a listening socket or a name in this process. */
import type { AnyProtocol } from '../protocol.ts'
import type { TransportOwner } from '../transports/transportOwner.ts'

/** One address that a server listens on. */
export interface ServerSocket {
  readonly family: 'IPv4' | 'IPv6' | 'unix' | 'memory' | 'stdio'
  /** The address, the path of a Unix socket (empty if it was inherited), or a name. */
  readonly address: string
  /** 0 for all that have none. */
  readonly port: number
  /** `[host, port]`, or the path or name. */
  getsockname(): [host: string, port: number] | string
}

/** A connection that has come, and waits to be taken on: with all greetings done, and nothing more read from it. */
export interface Arrival {
  /** Names the other end in errors. */
  readonly peer: string
  /** It was lost while it waited: nobody needs to know of it. */
  readonly gone: boolean
  /** Makes its transport, and calls `connectionMade`. */
  begin(protocol: AnyProtocol, owner: TransportOwner): void
  /** Closes it, in place of {@link begin}. */
  destroy(): void
}

/** Where the arrivals of a listener go, and what else it has to tell. */
export interface Accepting {
  accept(arrival: Arrival): void
  /** How many connections it may be that are still being greeted. */
  room(): number
  /** A connection that never came to be, by a fault of its own; the error names its peer. */
  refused(error: unknown): void
  /** An accept that failed, or a connection that there was no room for: as often as the peers please. */
  overrun(error: unknown): void
}

/** Listens already. */
export interface Listener {
  readonly address: ServerSocket
  /** Called once, before anything can arrive. */
  open(accepting: Accepting): void
  /** Stops listening, and destroys what is still being greeted, silently. */
  close(): void
}
