import { RpcServer } from '../../lib/rpc/index.ts'
import {
  closeWith,
  createServer,
  failAfter,
  failAt,
  Loop,
  moveOnAfter,
  moveOnAt,
  openConnection,
  openNursery,
  run,
  serveCalls,
  sleep,
  startServer,
  TrioExecutor,
  type Nursery,
} from '../../lib/structured/index.ts'
import { Protocol } from '../../lib/protocol.ts'

const where = { host: '127.0.0.1', port: 0 }
const promise = Promise.resolve()
const NURSERY = 'a nursery is needed first, as openNursery() gives it to its body, not'
const PROMISE = 'takes a function, not the promise that it returns'

// What JavaScript lets through, and what a forgotten argument makes of a call.
const calls: [name: string, call: (nursery: never) => unknown, says: string][] = [
  [
    'createServer without a nursery',
    () => createServer(Protocol as never, where as never, undefined as never),
    NURSERY,
  ],
  ['startServer without a nursery', () => startServer((async () => {}) as never, where as never, {}), NURSERY],
  ['openConnection without a nursery', () => openConnection(where as never, undefined as never), `${NURSERY} object`],
  ['serveCalls without a nursery', () => serveCalls(new RpcServer() as never, where as never, where), NURSERY],
  ['a Loop without a nursery', async () => new Loop(undefined as never), `${NURSERY} undefined`],
  ['closeWith without a nursery', async () => closeWith(null as never, { [Symbol.dispose]() {} }), NURSERY],
  ['closeWith of nothing', async (nursery) => closeWith(nursery, undefined as never), 'closeWith() takes what'],
  ['serveCalls without a server', (nursery) => serveCalls(nursery, {} as never, where), 'an RpcServer is needed'],
  ['openNursery of a promise', async () => openNursery(promise as never), `openNursery() ${PROMISE}`],
  ['moveOnAfter of a promise', () => moveOnAfter(1, promise as never), `moveOnAfter() ${PROMISE}`],
  ['moveOnAt of a promise', () => moveOnAt(1, promise as never), `moveOnAt() ${PROMISE}`],
  ['failAfter of a promise', () => failAfter(1, promise as never), `failAfter() ${PROMISE}`],
  ['failAt of a promise', () => failAt(1, promise as never), `failAt() ${PROMISE}`],
  [
    'arguments of a thread',
    () => new TrioExecutor().run(() => 1, 5 as never),
    'run(fn, args): the arguments as an array',
  ],
]

describe('wrong arguments', () => {
  it.each(calls)('%s', async (_, call, says) => {
    await openNursery(async (nursery: Nursery) => {
      const error = await (async () => call(nursery as never))().catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(TypeError)
      expect((error as Error).message).toContain(says)
    })
  })

  it('run of a promise', async () => {
    await expect(run(promise as never)).rejects.toThrow(`run() ${PROMISE}`)
  })

  it('a time that is no number, but looks like one', async () => {
    await expect(sleep('1' as never)).rejects.toThrow(new RangeError('ms must be a number of milliseconds, not 1'))
  })
})
