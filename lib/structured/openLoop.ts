import { rejected } from '../wait.ts'
import { currentContext, NO_CONTEXT, runIn } from './context.ts'
import { checkFunction } from './checkFunction.ts'
import { Loop } from './loop.ts'
import { runNursery } from './nursery.ts'

/**
 * Runs `body` with a loop of its own, which is the `currentLoop()` there, and resolves with its value. When the body has
 * ended, callbacks that are due still run; then all tasks of the loop are cancelled and waited for, of both flavours, and
 * the loop is closed: its timers, readers and signal handlers go, what was to autoclose is closed.
 *
 * Rejects with what the body fails with, as it is; with an {@link ExceptionGroup} if tasks fail, too. Resolves with
 * `undefined` if `loop.stop()` has ended the body. Loops may be nested, and be open at the same time. (trio-asyncio:
 * `open_loop`.)
 */
export function openLoop<T>(body: (loop: Loop) => Promise<T>): Promise<T> {
  try {
    checkFunction('openLoop', body)
  } catch (error) {
    return rejected(error)
  }
  return runNursery(
    async (nursery) => {
      const loop = new Loop(nursery)
      try {
        return await runIn({ ...(currentContext() ?? NO_CONTEXT), loop }, body, loop)
      } finally {
        await loop.calls.ran()
        nursery.cancelScope.cancel('the block of the loop has ended')
      }
    },
    undefined,
    true,
  )
}
