/** What becomes of an error of a connection that a nursery owns: whose fault it is, and who is told. */
import type { ErrorHandler } from '../diagnostics.ts'
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
import { ExceptionGroup } from './exceptionGroup.ts'

/**
 * Tells `handler` of an error, if there is one, or prints it, if it is a fault of the peer; else answers `false`: the
 * nursery is to fail with it. What `handler` throws goes to `fail`.
 */
export function reported(
  handler: ErrorHandler<Transport> | undefined,
  error: unknown,
  transport: Transport | undefined,
  fail: (error: unknown) => void,
  isOurs = !isFaultOfPeer(error, transport),
): boolean {
  try {
    if (handler !== undefined) handler(error, transport)
    else if (isOurs) return false
    else reportTo(undefined, error, transport)
  } catch (anew) {
    fail(anew)
  }
  return true
}

/** Whether an error tells of the network, or of bytes that a peer has sent or not taken: the server goes on after it. */
function isFaultOfPeer(error: unknown, transport: Transport | undefined): boolean {
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
