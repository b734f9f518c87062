/** What is ambient where the caller is. */
import { clock } from '../clock.ts'
import { effectiveDeadline, type CancelScope } from './cancelScope.ts'
import { currentContext, type Flavour } from './context.ts'
import { AsyncLibraryNotFoundError } from './errors.ts'
import type { Loop } from './loop.ts'
import type { Task } from './task.ts'

/** Milliseconds on the clock that deadlines are told in; it never goes back. (trio: `current_time`.) */
export function currentTime(): number {
  return clock.now()
}

/** The innermost scope: that of a block, or of the task. `undefined` outside of all. */
export function currentScope(): CancelScope | undefined {
  return currentContext()?.scope
}

/**
 * When waits here are cancelled by a deadline, unless another cancel comes before: `Infinity` if there is none, or a
 * shield hides it; `-Infinity` if they are cancelled already. (trio: `current_effective_deadline`.)
 */
export function currentEffectiveDeadline(): number {
  const scope = currentScope()
  return scope === undefined ? Infinity : effectiveDeadline(scope)
}

/** The loop of the block around; `null` outside of all. (trio-asyncio: `current_loop`.) */
export function currentLoop(): Loop | null {
  return currentContext()?.loop ?? null
}

/** The asyncio task that is running; `null` in trio's flavour, and outside. (asyncio: `current_task`.) */
export function currentTask(): Task<unknown> | null {
  return currentContext()?.task ?? null
}

/** By whose rules the caller runs. Throws {@link AsyncLibraryNotFoundError} outside. (sniffio: `current_async_library`.) */
export function currentAsyncLibrary(): Flavour {
  const context = currentContext()
  if (context === undefined) throw new AsyncLibraryNotFoundError()
  return context.flavour
}
