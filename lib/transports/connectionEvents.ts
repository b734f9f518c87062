/** What a transport publishes of its connection; with nobody subscribed each costs one check. */
import { clock } from '../clock.ts'
import { connectionClose, connectionError, connectionOpen, type ConnectionEvent } from '../diagnostics.ts'
import { peerOf, type Transport } from '../transport.ts'

type Side = ConnectionEvent['side']

/** To be called in front of `connectionMade`. */
export function publishOpen(transport: Transport, side: Side): void {
  // Asked for in any case: ids follow the order in which connections open.
  void transport.id
  if (connectionOpen.hasSubscribers) connectionOpen.publish(eventOf(transport, side))
}

/** The connection is lost to `error`; the close is yet to come. */
export function publishError(transport: Transport, side: Side, error: unknown): void {
  if (connectionError.hasSubscribers) connectionError.publish({ ...eventOf(transport, side), error })
}

/** To be called behind `connectionLost`; `openedAt` is a reading of the clock. */
export function publishClose(transport: Transport, side: Side, error: Error | null, openedAt: number): void {
  if (!connectionClose.hasSubscribers) return
  const { bytesRead, bytesWritten } = transport
  const durationMs = clock.now() - openedAt
  connectionClose.publish({ ...eventOf(transport, side), error, bytesRead, bytesWritten, durationMs })
}

function eventOf(transport: Transport, side: Side): ConnectionEvent {
  return { id: transport.id, transport, peer: peerOf(transport) ?? '(unknown)', side }
}
