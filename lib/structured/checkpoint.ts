import { clock } from '../clock.ts'
import { abortedOnEntry, DONE, nextTurn, rejected, type WaitOptions } from '../wait.ts'

/** What a wait of the structured flavour may be told. */
export type CheckpointOptions = Pick<WaitOptions, 'scope' | 'signal'>

/** So long, or so often, a loop of checkpoints may go on without timers and I/O. */
const TURN_MS = 1
const TURN_CHECKPOINTS = 200
let lastTurn = -Infinity
let sinceTurn = 0

/**
 * Raises `Cancelled` in a cancelled scope, and lets others run: a loop that does nothing else still lets timers and I/O
 * through. (trio: `checkpoint`.)
 */
export function checkpoint(options?: CheckpointOptions): Promise<void> {
  const cancellation = abortedOnEntry(options)
  return cancellation === undefined ? turn() : rejected(cancellation.reason)
}

/** Raises `Cancelled` in a cancelled scope, and is over at once in others. (trio: `checkpoint_if_cancelled`.) */
export function checkpointIfCancelled(options?: CheckpointOptions): Promise<void> {
  const cancellation = abortedOnEntry(options)
  return cancellation === undefined ? DONE : rejected(cancellation.reason)
}

/** Lets others run, and is not cancelled. (trio: `cancel_shielded_checkpoint`.) */
export function cancelShieldedCheckpoint(): Promise<void> {
  return turn()
}

function turn(): Promise<void> {
  if (++sinceTurn < TURN_CHECKPOINTS && clock.now() - lastTurn < TURN_MS) return DONE
  sinceTurn = 0
  return nextTurn().then(() => {
    lastTurn = clock.now()
  })
}
