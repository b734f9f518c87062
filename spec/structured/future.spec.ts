import { AsyncLocalStorage } from 'node:async_hooks'
import { CancelledError, InvalidStateError } from '../../lib/errors.ts'
import { Future } from '../../lib/structured/future.ts'
import { openLoop } from '../../lib/structured/openLoop.ts'
import { nextTurn } from '../../lib/wait.ts'
import { runModule } from '../support/builtPackage.ts'

describe('Future', () => {
  it('is pending, then has a value', async () => {
    const future = new Future<number>()
    expect([future.done(), future.cancelled()]).toEqual([false, false])
    future.setResult(7)
    expect([future.done(), future.cancelled(), future.result(), future.exception()]).toEqual([true, false, 7, null])
    expect(await future).toBe(7)
  })

  it('or an error, the very one', async () => {
    const error = new Error('boom')
    const future = new Future()
    const before = future.then()
    future.setException(error)
    expect(future.exception()).toBe(error)
    expect(() => future.result()).toThrow(error)
    await expect(before).rejects.toBe(error)
    await expect(future.then()).rejects.toBe(error)
    expect(future.cancelled()).toBe(false)
  })

  it('tells of misuse: looked at too early, set twice', () => {
    const future = new Future<number>()
    expect(() => future.result()).toThrow(InvalidStateError)
    expect(() => future.exception()).toThrow(InvalidStateError)
    future.setResult(1)
    expect(() => future.setResult(2)).toThrow(InvalidStateError)
    expect(() => future.setException(new Error('late'))).toThrow(InvalidStateError)
    expect(future.result()).toBe(1)
  })

  describe('cancel', () => {
    it('ends it with CancelledError, once', async () => {
      const future = new Future<number>()
      const waiting = future.then()
      expect(future.cancel('enough')).toBe(true)
      expect(future.cancel('again')).toBe(false)
      expect([future.done(), future.cancelled()]).toEqual([true, true])
      await expect(waiting).rejects.toThrow(new CancelledError('enough'))
      expect(() => future.result()).toThrow(CancelledError)
      expect(() => future.exception()).toThrow(CancelledError)
      expect(() => future.setResult(1)).toThrow(InvalidStateError)
    })

    it('does nothing to one that is done', () => {
      const future = new Future<number>()
      future.setResult(1)
      expect(future.cancel()).toBe(false)
      expect([future.cancelled(), future.result()]).toEqual([false, 1])
    })

    it('uses a CancelledError that it is given, and has any other reason as the cause', () => {
      const error = new CancelledError('mine')
      const [first, second] = [new Future(), new Future()]
      first.cancel(error)
      expect(() => first.result()).toThrow(error)
      const reason = new Error('why')
      second.cancel(reason)
      const thrown = ((): unknown => {
        try {
          return second.result()
        } catch (caught) {
          return caught
        }
      })()
      expect(thrown).toBeInstanceOf(CancelledError)
      expect((thrown as Error).cause).toBe(reason)
    })
  })

  describe('done callbacks', () => {
    it('are called with it, later and in their order', async () => {
      const future = new Future<number>()
      const log: unknown[] = []
      future.addDoneCallback((done) => log.push(['a', done === future]))
      future.addDoneCallback(() => log.push('b'))
      future.setResult(1)
      future.addDoneCallback(() => log.push('c'))
      expect(log).toEqual([])
      await nextTurn()
      expect(log).toEqual([['a', true], 'b', 'c'])
    })

    it('can be taken back, all of a function at once', async () => {
      const future = new Future<number>()
      const log: string[] = []
      const twice = (): unknown => log.push('twice')
      future.addDoneCallback(twice)
      future.addDoneCallback(() => log.push('once'))
      future.addDoneCallback(twice)
      expect(future.removeDoneCallback(twice)).toBe(2)
      expect(future.removeDoneCallback(twice)).toBe(0)
      future.cancel()
      await nextTurn()
      expect(log).toEqual(['once'])
    })

    it('go through the queue of the loop that made the future', async () => {
      const log: string[] = []
      await openLoop(async (loop) => {
        const future = loop.createFuture<number>()
        future.addDoneCallback(() => log.push('done'))
        loop.callSoon(() => log.push('before'))
        future.setResult(1)
        loop.callSoon(() => log.push('after'))
        await loop.synchronize()
      })
      expect(log).toEqual(['before', 'done', 'after'])
    })

    it('are called as for whoever added them', async () => {
      const storage = new AsyncLocalStorage<string>()
      const future = new Future<number>()
      const seen: unknown[] = []
      storage.run('adder', () => future.addDoneCallback(() => seen.push(storage.getStore())))
      storage.run('setter', () => future.setResult(1))
      await nextTurn()
      expect(seen).toEqual(['adder'])
    })

    it('must be functions', () => {
      expect(() => new Future().addDoneCallback(7 as never)).toThrow(TypeError)
    })
  })

  it('is a promise, by its methods and its type', async () => {
    const future = new Future<number>()
    const typed: Promise<number> = future
    const log: unknown[] = []
    const chain = typed.finally(() => log.push('finally')).then((value) => value + 1)
    const caught = new Future<number>()
    const recovered = caught.catch((error: unknown) => [error])
    future.setResult(1)
    caught.setException('no')
    expect([await chain, await recovered, log]).toEqual([2, ['no'], ['finally']])
    expect(await Promise.all([future, Promise.resolve(2)])).toEqual([1, 2])
  })

  it('that nobody awaits is no unhandled rejection, nor is one that is awaited and dropped', () => {
    const { code, stdout, stderr } = runModule(`
      import { Future } from './dist/esm/structured/future.js'
      process.on('unhandledRejection', (error) => console.log('unhandled', error))
      new Future().setException(new Error('alone'))
      new Future().cancel()
      const pending = new Future()
      void pending.then(() => {}, () => {})
      pending.setException(new Error('handled'))
      setTimeout(() => console.log('end'), 20)
    `)
    expect([code, stdout, stderr]).toEqual([0, 'end\n', ''])
  })

  it('without a loop: an error of a callback is uncaught, like that of any callback', () => {
    const { stdout } = runModule(`
      import { Future } from './dist/esm/structured/future.js'
      process.on('uncaughtException', (error) => console.log('uncaught', error.message))
      const future = new Future()
      future.addDoneCallback(() => { throw new Error('in a callback') })
      future.addDoneCallback(() => console.log('the next'))
      future.setResult(1)
    `)
    expect(stdout.split('\n').sort()).toEqual(['', 'the next', 'uncaught in a callback'])
  })
})
