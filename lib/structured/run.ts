import { clock, LONGEST_TIMER_MS, type Timer } from '../clock.ts'
import { InvalidStateError } from '../errors.ts'
import { forget, watchSignal } from '../wait.ts'
import { CancelScope } from './cancelScope.ts'
import { checkFunction } from './checkFunction.ts'
import { currentContext, NO_CONTEXT, runIn } from './context.ts'
import { openLoop } from './openLoop.ts'

export interface RunOptions {
  /** Cancels everything; then `runWith` rejects with the signal's reason, after all has unwound. */
  readonly signal?: AbortSignal | undefined
  /** What nurseries inside do with an error that is alone, unless they are told otherwise; true by default. */
  readonly strictExceptionGroups?: boolean | undefined
}

/**
 * Runs `fn(...args)` with a loop of its own, and resolves with its value when it and all that it has begun in nurseries
 * has ended. Keeps the process alive meanwhile. Rejects with what `fn` fails with, as it is; with
 * {@link InvalidStateError} inside of another `run`. (trio: `run`; trio-asyncio: `run`.)
 */
// oxlint-disable-next-line typescript/no-explicit-any -- of any arguments
export function run<A extends any[], T>(fn: (...args: A) => Promise<T>, ...args: A): Promise<T> {
  return runWith({}, fn, ...args)
}

/** {@link run} with options. */
// oxlint-disable-next-line typescript/no-explicit-any -- of any arguments
export async function runWith<A extends any[], T>(
  { signal, strictExceptionGroups = true }: RunOptions,
  fn: (...args: A) => Promise<T>,
  ...args: A
): Promise<T> {
  if (currentContext()?.run?.ended === false)
    throw new InvalidStateError('run() inside of run(): call the function, or use openLoop()')
  checkFunction('run', fn)
  signal?.throwIfAborted()
  const scope = new CancelScope()
  const watched = signal && watchSignal(signal, scope)
  const alive = keepAlive()
  const own = { ended: false }
  try {
    const value = await scope.run((): Promise<T> => {
      const context = { ...(currentContext() ?? NO_CONTEXT), strict: strictExceptionGroups, run: own }
      return runIn(context, openLoop, () => fn(...args)) as Promise<T>
    })
    if (scope.cancelledCaught) throw signal!.reason
    return value as T
  } finally {
    own.ended = true
    forget(watched)
    alive()
  }
}

/** Node ends a process in which nothing is open, though tasks may wait for each other. Returns what ends it. */
function keepAlive(): () => void {
  let timer: Timer | undefined
  const arm = (): void => {
    timer = clock.setTimeout(arm, LONGEST_TIMER_MS, true)
  }
  arm()
  return () => clock.clearTimeout(timer)
}
