/**
 * What can be seen from outside: named channels of node:diagnostics_channel, and printers that are only subscribers of
 * theirs, for `NODE_DEBUG=millrace` (connections), `millrace:frame` (messages) and `millrace:rpc` (calls). With nobody
 * subscribed an event costs one check.
 */
import { channel, type Channel } from 'node:diagnostics_channel'
import { debuglog } from 'node:util'
import { InvalidStateError, MillraceError } from './errors.ts'
import { setFrameChannels, type FrameEvent } from './frameEvents.ts'
import { setRpcChannels, type RpcEvent } from './rpcEvents.ts'

/** The message on the connection channels. `transport` is the connection's identity for as long as it lives. */
export interface ConnectionEvent {
  /** `transport.id`: counted up through the process, in the order in which connections open. */
  readonly id: number
  readonly transport: object
  readonly peer: string
  readonly side: 'client' | 'server'
  /** Only on `millrace:connection:close` and `:error`: why it ended; `null` for a clean end. */
  readonly error?: unknown
  /** Only on `millrace:connection:close`: what was received and sent over the whole of its life. */
  readonly bytesRead?: number
  readonly bytesWritten?: number
  /** Only on `millrace:connection:close`: how long it was open, in milliseconds. */
  readonly durationMs?: number
}

/** `millrace:connection:open`, `millrace:connection:close`, `millrace:connection:error`. */
export const connectionOpen: Channel = channel('millrace:connection:open')
export const connectionClose: Channel = channel('millrace:connection:close')
export const connectionError: Channel = channel('millrace:connection:error')

/** `millrace:frame:in`, `millrace:frame:out`: one {@link FrameEvent} for each framed message. */
const frameIn: Channel = channel('millrace:frame:in')
const frameOut: Channel = channel('millrace:frame:out')
setFrameChannels(frameIn, frameOut)

/** `millrace:rpc:client`, `millrace:rpc:server`: one {@link RpcEvent} for each call that has ended. */
const rpcClient: Channel = channel('millrace:rpc:client')
const rpcServer: Channel = channel('millrace:rpc:server')
setRpcChannels(rpcClient, rpcServer)

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
    const { id, side, peer } = message as ConnectionEvent
    debug('%s connection %d with %s open', side, id, peer)
  })
  connectionClose.subscribe((message) => {
    const { id, side, peer, error, bytesRead, bytesWritten, durationMs } = message as ConnectionEvent
    const after = `after ${bytesRead} bytes in and ${bytesWritten} out, ${Math.round(durationMs!)} ms`
    debug('%s connection %d with %s closed %s: %s', side, id, peer, after, error ?? 'clean')
  })
  connectionError.subscribe((message) => {
    const { id, side, peer, error } = message as ConnectionEvent
    debug('%s connection %d with %s: %s', side, id, peer, error)
  })
}

const debugFrame = debuglog('millrace:frame')
if (debugFrame.enabled) {
  for (const [direction, frames] of [
    ['from', frameIn],
    ['to', frameOut],
  ] as const) {
    frames.subscribe((message) => {
      const { id, peer, size } = message as FrameEvent
      debugFrame('frame of %d bytes %s %s on connection %d', size, direction, peer, id)
    })
  }
}

const debugRpc = debuglog('millrace:rpc')
if (debugRpc.enabled) {
  for (const [side, calls] of [
    ['of', rpcServer],
    ['to', rpcClient],
  ] as const) {
    calls.subscribe((message) => {
      const { service, method, peer, status, durationMs } = message as RpcEvent
      debugRpc(
        'call %s %s of %s/%s: status %d after %d ms',
        side,
        peer,
        service,
        method,
        status,
        Math.round(durationMs),
      )
    })
  }
}
