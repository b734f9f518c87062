import { EventEmitter, once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { CancelScope } from '../../lib/structured/cancelScope.ts'
import { ExceptionGroup } from '../../lib/structured/exceptionGroup.ts'
import { moveOnAfter } from '../../lib/structured/moveOn.ts'
import { openNursery } from '../../lib/structured/nursery.ts'

describe('what Node ends with after the signal of a scope', () => {
  it('is taken in by the scope, as the Cancelled that is its cause', async () => {
    const scope = new CancelScope()
    setImmediate(() => scope.cancel())
    expect(await scope.run(({ signal }) => delay(60_000, 'late', { signal }))).toBeUndefined()
    expect(scope.cancelledCaught).toBe(true)
  })

  it('is no error of a nursery, whoever of it was ended, and from wherever', async () => {
    const caught = await moveOnAfter(5, async (outer) => {
      await openNursery(async (nursery) => {
        nursery.startSoon(() => delay(60_000, 'late', { signal: nursery.signal }))
        nursery.startSoon(() => once(new EventEmitter(), 'never', { signal: outer.signal }))
        await delay(60_000, 'late', { signal: nursery.signal })
      })
      return 'not reached'
    })
    expect(caught).toBeUndefined()
  })

  it('is an error where the scope was not cancelled, or the signal is somebody else’s', async () => {
    const elsewhere = new CancelScope()
    elsewhere.cancel()
    const { signal } = elsewhere
    await expect(new CancelScope().run(() => delay(60_000, 'late', { signal }))).rejects.toThrow('aborted')
    const scope = new CancelScope()
    const another = AbortSignal.abort(new Error('theirs'))
    const run = scope.run(async () => {
      scope.cancel()
      await delay(60_000, 'late', { signal: another })
    })
    await expect(run).rejects.toThrow('aborted')
  })

  it('leaves the others of a group', async () => {
    const scope = new CancelScope()
    const mine = new Error('mine')
    const group = scope.run(async ({ signal }) => {
      scope.cancel()
      const aborted: unknown = await delay(1, 'late', { signal }).catch((error: unknown) => error)
      throw new ExceptionGroup('both', [aborted, mine])
    })
    await expect(group).rejects.toMatchObject({ errors: [mine] })
  })
})
