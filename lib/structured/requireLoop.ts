import { InvalidStateError } from '../errors.ts'
import { currentContext } from './context.ts'
import { checkRunning, type Loop } from './loop.ts'

/**
 * The loop that is given, or that of the block around. Throws {@link InvalidStateError} where there is none, and for one
 * that has ended.
 */
export function requireLoop(operation: string, loop: Loop | undefined): Loop {
  const found = loop ?? currentContext()?.loop
  if (found === undefined) throw new InvalidStateError(`${operation} outside of a loop: use run() or openLoop()`)
  checkRunning(found, operation)
  return found
}
