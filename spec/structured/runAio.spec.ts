import { InvalidStateError } from '../../lib/errors.ts'
import { CancelScope } from '../../lib/structured/cancelScope.ts'
import { currentAsyncLibrary } from '../../lib/structured/current.ts'
import { Future } from '../../lib/structured/future.ts'
import { openLoop } from '../../lib/structured/openLoop.ts'
import { runAioCoroutine, runAioFuture, runAioGenerator } from '../../lib/structured/runAio.ts'
import { sleep, sleepForever } from '../../lib/structured/sleep.ts'

describe('runAioFuture', () => {
  it('needs no loop for a future that has none', async () => {
    const future = new Future<number>()
    setImmediate(() => future.setResult(7))
    const typed: Promise<number> = runAioFuture(future)
    expect(await typed).toBe(7)
  })

  it('takes futures alone', async () => {
    await expect(runAioFuture(Promise.resolve() as never)).rejects.toThrow(TypeError)
    await expect(runAioFuture(undefined as never)).rejects.toThrow(TypeError)
  })

  it('{scope} stands in for the ambient one', async () => {
    await openLoop(async (loop) => {
      const scope = new CancelScope({ ambient: false })
      const future = loop.createFuture()
      loop.callSoon(() => scope.cancel())
      await scope.run(async () => runAioFuture(future, { scope }))
      expect([scope.cancelledCaught, future.cancelled()]).toEqual([true, true])
    })
  })
})

describe('runAioCoroutine', () => {
  it('runs a function in asyncio flavour', async () => {
    await openLoop(async () => {
      expect(await runAioCoroutine(async () => currentAsyncLibrary())).toBe('asyncio')
    })
  })

  it('waits for a promise, or a future', async () => {
    await openLoop(async (loop) => {
      expect(await runAioCoroutine(Promise.resolve(7))).toBe(7)
      const future = loop.createFuture<number>()
      future.setResult(8)
      expect(await runAioCoroutine(future)).toBe(8)
    })
  })

  it('is cancelled by {scope} and {signal}, before and meanwhile', async () => {
    await openLoop(async (loop) => {
      const controller = new AbortController()
      const hearing = runAioCoroutine(async () => sleepForever(), { signal: controller.signal })
      const deaf = runAioCoroutine(async () => new Promise(() => {}), { signal: controller.signal })
      const promise = runAioCoroutine(new Promise(() => {}), { signal: controller.signal })
      loop.callSoon(() => controller.abort('stop'))
      for (const call of [hearing, deaf, promise]) await expect(call).rejects.toBe('stop')
      let called = false
      const late = runAioCoroutine(
        async () => {
          called = true
        },
        { signal: controller.signal },
      )
      await expect(late).rejects.toBe('stop')
      expect(called).toBe(false)
      const waits = runAioCoroutine(Promise.resolve(1), { signal: controller.signal, onCancel: 'wait' })
      await expect(waits).rejects.toBe('stop')
    })
  })

  it('refuses the rest, and wants a loop', async () => {
    await expect(runAioCoroutine(7 as never)).rejects.toThrow(TypeError)
    await expect(runAioCoroutine(async () => {})).rejects.toThrow(InvalidStateError)
    await openLoop(async (loop) => {
      expect(await runAioCoroutine(async () => 1, { loop })).toBe(1)
    })
  })
})

describe('runAioGenerator', () => {
  it('goes over a source as aioAsTrio does, with options for its waits', async () => {
    await openLoop(async (loop) => {
      const source = async function* (): AsyncGenerator<string> {
        yield currentAsyncLibrary()
        await sleep(0)
        yield 'second'
        await sleepForever()
      }
      const controller = new AbortController()
      const seen: string[] = []
      const block = (async () => {
        for await (const value of runAioGenerator(source(), { signal: controller.signal })) {
          seen.push(value)
          if (value === 'second') loop.callLater(1, () => controller.abort('stop'))
        }
      })()
      await expect(block).rejects.toBe('stop')
      expect(seen).toEqual(['asyncio', 'second'])
    })
  })

  it('takes async iterables alone', () => {
    expect(() => runAioGenerator([1] as never)).toThrow(TypeError)
  })
})
