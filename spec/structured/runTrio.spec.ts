import { InvalidStateError } from '../../lib/errors.ts'
import { currentAsyncLibrary } from '../../lib/structured/current.ts'
import { ExceptionGroup } from '../../lib/structured/exceptionGroup.ts'
import type { Future } from '../../lib/structured/future.ts'
import { openLoop } from '../../lib/structured/openLoop.ts'
import { runTrio, runTrioTask } from '../../lib/structured/runTrio.ts'
import { sleep, sleepForever } from '../../lib/structured/sleep.ts'

describe('runTrio', () => {
  it('runs a function in trio flavour, for asyncio', async () => {
    await openLoop(async (loop) => {
      const outcome = await loop.aioTask(async () => {
        const future: Future<string> = runTrio(async (word: string) => `${word} ${currentAsyncLibrary()}`, 'in')
        return future
      })
      expect(outcome).toBe('in trio')
    })
  })

  it('tells of misuse at once', async () => {
    expect(() => runTrio(async () => {})).toThrow(InvalidStateError)
    expect(() => runTrioTask(async () => {})).toThrow(InvalidStateError)
    await openLoop(async () => {
      expect(() => runTrio(Promise.resolve() as never)).toThrow(/not the promise/)
      expect(() => runTrioTask(7 as never)).toThrow(TypeError)
    })
  })
})

describe('runTrioTask', () => {
  it('has no outcome, but its error ends the loop', async () => {
    const block = openLoop(async () => {
      const none: void = runTrioTask(async (word: string) => {
        await sleep(0)
        throw new Error(word)
      }, 'boom')
      expect(none).toBeUndefined()
      await sleepForever()
    })
    const group = await block.catch((error: unknown) => error)
    expect((group as ExceptionGroup).leaves()).toEqual([new Error('boom')])
  })

  it('ends with the loop', async () => {
    let ended = false
    await openLoop(async () => {
      runTrioTask(async () => {
        try {
          await sleepForever()
        } finally {
          ended = true
        }
      })
      await sleep(1)
    })
    expect(ended).toBe(true)
  })
})
