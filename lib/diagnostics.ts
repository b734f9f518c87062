/**
 * What can be seen from outside: named channels of node:diagnostics_channel, and a printer for `NODE_DEBUG=millrace`
 * that is only one of their subscribers. With nobody subscribed an event costs one check.
 */
import { channel, type Channel } from 'node:diagnostics_channel'
import { debuglog } from 'node:util'
import { InvalidStateError, MillraceError } from './errors.ts'

/** The message on the connection channels. `transport` is the connection's identity for as long as it lives. */
export interface ConnectionEvent {
  readonly transport: object
  readonly peer: string
  readonly side: 'client' | 'server'
  /** Only on `millrace:connection:close` and `:error`: why it ended; `null` for a clean end. */
  readonly error?: unknown
}

/** `millrace:connection:open`, `millrace:connection:close`, `millrace:connection:error`. */
export const connectionOpen: Channel = channel('millrace:connection:open')
export const connectionClose: Channel = channel('millrace:connection:close')
export const connectionError: Channel = channel('millrace:connection:error')

/** Told of an error that reaches nobody else: a handler that rejects, a protocol callback that throws. */
export type ErrorHandler<T = unknown> = (error: unknown, transport: T | undefined) => void

/** The handler of last resort, on stderr: a fault of the peer as one line, anything else with its stack. */
export function printError(error: unknown, peer: string): void {
  const shown =
    error instanceof MillraceError && !(error instanceof InvalidStateError) ? `${error.code} ${error.message}` : error
  console.error(`millrace: unhandled error on the connection with ${peer}:`, shown)
}

const debug = debuglog('millrace')
if (debug.enabled) {
  connectionOpen.subscribe((message) => {
    const { side, peer } = message as ConnectionEvent
    debug('%s connection with %s open', side, peer)
  })
  connectionClose.subscribe((message) => {
    const { side, peer, error } = message as ConnectionEvent
    debug('%s connection with %s closed: %s', side, peer, error ?? 'clean')
  })
  connectionError.subscribe((message) => {
    const { side, peer, error } = message as ConnectionEvent
    debug('%s connection with %s: %s', side, peer, error)
  })
}
