import { InvalidStateError } from '../../lib/errors.ts'
import { aioAsTrio } from '../../lib/structured/aioAsTrio.ts'
import { allowAsyncio } from '../../lib/structured/allowAsyncio.ts'
import { CancelScope } from '../../lib/structured/cancelScope.ts'
import { currentAsyncLibrary, currentLoop } from '../../lib/structured/current.ts'
import { openLoop } from '../../lib/structured/openLoop.ts'
import { sleep } from '../../lib/structured/sleep.ts'

describe('allowAsyncio', () => {
  it('calls a function of trio flavour, in which both may be used', async () => {
    await openLoop(async () => {
      const hybrid = async (n: number): Promise<unknown[]> => {
        await sleep(1)
        const future = currentLoop()!.createFuture<number>()
        currentLoop()!.callSoon(() => future.setResult(n))
        return [await future, currentAsyncLibrary(), await aioAsTrio(async () => n + 1)()]
      }
      expect(await allowAsyncio(hybrid, 1)).toEqual([1, 'trio', 2])
    })
  })

  it('is a checkpoint, wants a loop, and takes a function', async () => {
    await expect(allowAsyncio(async () => {})).rejects.toThrow(InvalidStateError)
    await openLoop(async () => {
      let called = false
      await expect(allowAsyncio(Promise.resolve() as never)).rejects.toThrow(TypeError)
      const scope = new CancelScope()
      scope.cancel()
      await scope.run(async () =>
        allowAsyncio(async () => {
          called = true
        }),
      )
      expect([called, scope.cancelledCaught]).toEqual([false, true])
    })
  })
})
