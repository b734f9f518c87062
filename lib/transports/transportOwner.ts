import { printError, type ErrorHandler } from '../diagnostics.ts'
import { ConnectionLostError } from '../errors.ts'
import { peerOf, type BaseTransport, type ExtraInfo, type Transport } from '../transport.ts'

/** Who made a transport: the server that accepted it, or the call that connected it. One for all its transports. */
export interface TransportOwner {
  readonly side: 'client' | 'server'
  /** A connection over which no byte has moved for so long is lost. */
  readonly idleTimeoutMs?: number | undefined
  /** The transport lies on another one, which has told the diagnostics channels of the connection. */
  readonly isLayer?: boolean
  /** What is known better than the socket knows it: the addresses that a PROXY header tells. */
  readonly extraInfo?: Partial<ExtraInfo> | undefined
  attach(transport: Transport): unknown
  /** The connection is gone and its protocol has been told of `error`; or another transport has taken it over. */
  detach(transport: Transport, error?: Error | null): void
  /** An error that has reached nobody. */
  report(error: unknown, transport: Transport | undefined): void
}

/** Hands an error to `handler`, or prints it. A handler that throws does no harm: both errors are printed then. */
export function reportTo<T extends Pick<BaseTransport, 'getExtraInfo'>>(
  handler: ErrorHandler<T> | undefined,
  error: unknown,
  transport: T | undefined,
): void {
  const peer = transport === undefined ? '(none yet)' : (peerOf(transport) ?? '(unknown)')
  if (handler === undefined) {
    // A peer that goes away is an everyday event; the diagnostics channels have it.
    if (!(error instanceof ConnectionLostError)) printError(error, peer)
    return
  }
  try {
    handler(error, transport)
  } catch (thrown) {
    printError(error, peer)
    printError(thrown, peer)
  }
}

/** The owner of a connection that we opened ourselves. */
export function clientOwner(
  handler: ErrorHandler<Transport> | undefined,
  idleTimeoutMs?: number,
  onConnectionLost?: (error: Error | null) => void,
): TransportOwner {
  // Going over to TLS, one transport comes before the other goes.
  let attached = 0
  return {
    side: 'client',
    idleTimeoutMs,
    attach: () => attached++,
    detach(transport, error = null) {
      if (--attached > 0) return
      try {
        onConnectionLost?.(error)
      } catch (thrown) {
        reportTo(handler, thrown, transport)
      }
    },
    report: (error, transport) => reportTo(handler, error, transport),
  }
}
