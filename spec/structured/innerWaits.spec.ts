/** Waits inside of the library: what is shared belongs to nobody's scope, and clean-up does what it says in a cancelled one. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openConnection, startServer } from '../../lib/streams/open.ts'
import { copyBidirectional } from '../../lib/streams/copyBidirectional.ts'
import { createSubprocessExec } from '../../lib/streams/createSubprocessExec.ts'
import { toNodeStream } from '../../lib/streams/interop/toNodeStream.ts'
import { toWeb } from '../../lib/streams/interop/toWeb.ts'
import type { StreamReader } from '../../lib/streams/streamReader.ts'
import { sendFile } from '../../lib/endpoints/sendFile.ts'
import { ConnectionLostError, FrameError } from '../../lib/errors.ts'
import { framed } from '../../lib/framing/framed.ts'
import { lengthPrefixed } from '../../lib/framing/lengthPrefixed.ts'
import { connect, Pushable, RpcServer } from '../../lib/rpc/index.ts'
import { FakeClock } from '../../lib/testing/fakeClock.ts'
import { UNCANCELLED } from '../../lib/wait.ts'
import { CancelScope } from '../../lib/structured/cancelScope.ts'
import { checkpointIfCancelled } from '../../lib/structured/checkpoint.ts'
import { currentScope } from '../../lib/structured/current.ts'
import { Cancelled } from '../../lib/structured/errors.ts'
import { openNursery, type Nursery } from '../../lib/structured/nursery.ts'
import { openConnection as openIn } from '../../lib/structured/openConnection.ts'
import { serveCalls } from '../../lib/structured/serveCalls.ts'
import { sleepForever } from '../../lib/structured/sleep.ts'
import { buildIfMissing, runModule } from '../support/builtPackage.ts'
import { echo, Echo, echoPair } from '../support/echoRpc.ts'
import { Leftovers } from '../support/leftovers.ts'
import { netTurns } from '../support/netTools.ts'
import { openStreams } from '../support/openStreams.ts'
import { call, hello, HOST, openChannel } from '../support/rpcChannel.ts'
import { PING, rawServer, REQUEST } from '../support/ttrpcPeer.ts'

const host = '127.0.0.1'
const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => {
      throw new Error(`resolved with ${String(value)}`)
    },
    (error: unknown) => error,
  )
/** Runs `fn` in a scope that is cancelled; what it gives comes out. */
async function inCancelled<T>(fn: (scope: CancelScope) => Promise<T>): Promise<T> {
  const scope = new CancelScope()
  let value!: T
  await scope.run(async () => {
    scope.cancel()
    value = await fn(scope)
  })
  expect(scope.cancelledCaught).toBe(false)
  return value
}

let leftovers: Leftovers
beforeEach(() => (leftovers = new Leftovers()))
afterEach(() => leftovers.gone())

describe('calls', () => {
  it('a connection is looked after when the scope of its first call is cancelled', async () => {
    using clock = new FakeClock()
    const server = await rawServer()
    const { client } = openChannel({ host: HOST, port: server.port }, { keepaliveMs: 1000, keepaliveTimeoutMs: 200 })
    const scope = new CancelScope()
    await scope.run(async () => {
      const first = client.send(call)
      const peer = await server.accepted()
      await hello(peer, 1)
      await first
      scope.cancel()
      // Somebody else's, who needs the connection.
      const lost = errorOf(client.send(call, { scope: UNCANCELLED }))
      await peer.nextOf(REQUEST)
      await clock.advance(1000)
      await peer.nextOf(PING)
      await clock.advance(200)
      expect(String(await lost)).toMatch(/no sign of life/)
    })
  })

  it('close() of a channel in a cancelled scope still keeps its time of grace', async () => {
    const server = await rawServer()
    const { client, channel } = openChannel({ host: HOST, port: server.port })
    const waiting = errorOf(client.send(call))
    const peer = await server.accepted()
    await peer.nextOf(REQUEST)
    expect(await inCancelled(() => errorOf(channel.close({ graceMs: 20 })))).toBeInstanceOf(Cancelled)
    expect(String(await waiting)).toMatch(/the channel was aborted/)
  })

  it('messages of a stream are not taken in a cancelled scope, and stay for the next', async () => {
    const { client } = await echoPair()
    const items = client.down({ text: 'x', count: 3 }, { scope: undefined })
    expect((await items.next()).value).toMatchObject({ count: 0 })
    // All of them have come.
    await netTurns(20)
    expect(await inCancelled(() => errorOf(items.next()))).toBeInstanceOf(Cancelled)
    expect((await items.next()).value).toMatchObject({ count: 1 })
    const lines = new Pushable<string>()
    lines.push('a')
    expect(await inCancelled(() => errorOf(lines.next()))).toBeInstanceOf(Cancelled)
    expect(await lines.next()).toEqual({ done: false, value: 'a' })
  })

  it('messages of a stream go by the scope that the call was given', async () => {
    const { client } = await echoPair()
    const given = new CancelScope()
    await inCancelled(async () => {
      const items = client.down({ text: 'x', count: 3 }, { scope: given })
      expect((await items.next()).value).toMatchObject({ count: 0 })
      given.cancel()
      expect(await errorOf(items.next())).toBeInstanceOf(Cancelled)
    })
  })

  it('what makes the messages of a call runs in its caller’s scope, whoever makes the connection', async () => {
    const server = new RpcServer().add(Echo, echo)
    await server.listen({ host, port: 0 })
    const client = await connect(Echo, { ...server.address, lazy: true })
    const scope = new CancelScope()
    const seen: unknown[] = []
    await scope.run(async () => {
      async function* items() {
        try {
          seen.push(currentScope())
          yield { text: 'a' }
          seen.push(currentScope())
          scope.cancel()
          await sleepForever()
        } finally {
          seen.push('ended')
        }
      }
      await client.up(items())
    })
    await netTurns(5)
    expect(seen).toEqual([scope, scope, 'ended'])
    await client.$channel.close()
    await server.shutdown()
  })

  it('a server of a nursery that is shut down in a cancelled scope answers what it has begun', async () => {
    let finish!: () => void
    const finished = new Promise<void>((resolve) => (finish = resolve))
    const server = new RpcServer().add(Echo, { one: (item) => finished.then(() => item) })
    await openNursery(async (nursery) => {
      await serveCalls(nursery, server, { host })
      const client = await connect(Echo, server.address)
      const answered = client.one({ text: 'hello' })
      while (server.connections === 0) await netTurns(1) // oxlint-disable-line no-await-in-loop
      await netTurns(10)
      // Its own call is cut short, which forces the end: handlers are waited for nevertheless.
      const forced = inCancelled(() => server.shutdown({ graceMs: 10_000 }))
      expect(String(await errorOf(answered))).toMatch(/UNAVAILABLE|shut/)
      await forced
      expect(nursery.childTasks.size).toBeGreaterThan(0)
      finish()
      await client.$channel.close()
    })
  })
})

describe('streams', () => {
  it('checkpoints tell of the cancel also where there is an error to tell of', async () => {
    const [near, far] = openStreams()
    far.writer.transport.abort({ reset: true })
    await errorOf(near.reader.read(1))
    expect(near.reader.exception()).toBeInstanceOf(ConnectionLostError)
    await inCancelled(async () => {
      expect(await errorOf(near.writer.drain())).toBeInstanceOf(Cancelled)
      expect(await errorOf(near.writer.flush())).toBeInstanceOf(Cancelled)
    })
    expect(await errorOf(near.writer.drain())).toBeInstanceOf(ConnectionLostError)
    const [decoding, raw] = openStreams(framed(lengthPrefixed({ maxFrameLength: 5 })))
    raw.writer.transport.write('too long for it')
    const refused = await errorOf(decoding.reader.readMessage())
    expect(refused).toBeInstanceOf(FrameError)
    expect(await inCancelled(() => errorOf(decoding.reader.readMessage()))).toBeInstanceOf(Cancelled)
    expect(await errorOf(decoding.reader.readMessage())).toBe(refused)
  })

  it('copyBidirectional with a scope of its own goes by that alone', async () => {
    const [client, proxyIn] = openStreams()
    const [proxyOut, server] = openStreams()
    const own = new CancelScope()
    await inCancelled(async () => {
      const copying = errorOf(copyBidirectional(proxyIn, proxyOut, { scope: own }))
      client.writer.write('hello')
      expect(String(await server.reader.readExactly(5, { scope: UNCANCELLED }))).toBe('hello')
      own.cancel()
      expect(await copying).toBeInstanceOf(Cancelled)
    })
    expect([proxyIn.writer.isClosing(), proxyOut.writer.isClosing()]).toEqual([false, false])
    // Nothing was lost, and nobody reads any more.
    client.writer.write('rest')
    expect(String(await proxyIn.reader.readExactly(4))).toBe('rest')
  })

  it('sendFile with a scope of its own goes by that alone', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'millrace-'))
    try {
      writeFileSync(join(dir, 'file'), 'x'.repeat(300_000))
      const [near, far] = openStreams()
      const sent = inCancelled(() => sendFile(near.writer, join(dir, 'file'), { scope: new CancelScope() }))
      expect(await far.reader.readExactly(300_000)).toHaveLength(300_000)
      expect(await sent).toBe(300_000)
    } finally {
      rmSync(dir, { recursive: true })
    }
  })

  it('a stream of Node’s stays as it is when the scope is cancelled in which it was made, or is asked', async () => {
    const [near, far] = openStreams()
    const duplex = await inCancelled(async () => {
      const made = toNodeStream(near)
      made.read()
      made.write('hello')
      return made
    })
    expect(String(await far.reader.readExactly(5))).toBe('hello')
    const scope = new CancelScope()
    await scope.run(async () => {
      toNodeStream(far.writer)
      scope.cancel()
    })
    await netTurns(3)
    far.writer.write('back')
    expect(String((await new Promise<Buffer>((resolve) => duplex.once('data', resolve))) as Buffer)).toBe('back')
    expect(duplex.destroyed).toBe(false)
    duplex.destroy()
  })

  it('streams of the Web stay as they are, too', async () => {
    const [near, far] = openStreams()
    const { readable, writable } = await inCancelled(async () => toWeb(near))
    const reading = readable.getReader()
    const writing = writable.getWriter()
    const read = await inCancelled(async () => {
      await writing.write('hello')
      return [reading.read()]
    })
    expect(String(await far.reader.readExactly(5))).toBe('hello')
    far.writer.write('back')
    expect(String(Buffer.from((await read[0]!).value!))).toBe('back')
    await inCancelled(() => writing.close())
    expect(await far.reader.read(1)).toHaveLength(0)
    far.writer.close()
    expect((await reading.read()).done).toBe(true)
  })

  it('communicate() that is cancelled puts back what it has read to the end', async () => {
    const child = await createSubprocessExec(
      process.execPath,
      ['-e', "require('fs').writeSync(1, 'all of it'); require('fs').closeSync(1); setTimeout(() => {}, 60_000)"],
      { stdout: 'pipe', stderr: 'pipe' },
    )
    const scope = new CancelScope()
    await scope.run(async () => {
      const communicated = child.communicate()
      while (!child.stdout.atEof()) await new Promise((resolve) => setImmediate(resolve)) // oxlint-disable-line no-await-in-loop
      scope.cancel()
      await communicated
    })
    expect(scope.cancelledCaught).toBe(true)
    expect(String(await child.stdout.read())).toBe('all of it')
    await inCancelled(() => child[Symbol.asyncDispose]())
    expect(child.returncode).toBe(-9)
  })
})

describe('servers', () => {
  it('the handler belongs to the scope of startServer, also where there was none at all', async () => {
    const seen: unknown[] = []
    const server = await startServer(
      (_reader, writer) => {
        seen.push(currentScope())
        writer.close()
      },
      { host, startServing: false },
    )
    const [reader, writer] = await openConnection({ host, port: server.sockets[0]!.port })
    await netTurns(10)
    await new CancelScope().run(async () => {
      await server.startServing()
      await reader.read(1)
    })
    expect(seen).toEqual([undefined])
    writer.close()
    server.close()
    await server.waitClosed()
  })

  it('serveForever in a cancelled scope closes the server, and takes no connection', async () => {
    const handled = jest.fn()
    const server = await startServer(handled, { host, startServing: false })
    const [reader, writer] = await openConnection({ host, port: server.sockets[0]!.port })
    await netTurns(10)
    expect(await inCancelled(() => errorOf(server.serveForever()))).toBeInstanceOf(Cancelled)
    expect(server.isServing()).toBe(false)
    expect(handled).not.toHaveBeenCalled()
    await reader.read(1).catch(() => {})
    writer.close()
  })

  it('iterating over a server is a checkpoint, also at its end', async () => {
    const server = await startServer({ host })
    const iterator = server[Symbol.asyncIterator]()
    server.close()
    expect(await inCancelled(() => errorOf(iterator.next()))).toBeInstanceOf(Cancelled)
    expect((await iterator.next()).done).toBe(true)
  })

  it('classes that make no sense are refused, and nothing listens', async () => {
    const refused = await errorOf(startServer(() => {}, { host, reader: 5 as never }))
    expect(refused).toBeInstanceOf(TypeError)
  })

  it('close({graceMs}) in a cancelled scope does not wait for that, and waits for the end', async () => {
    const server = await startServer({ host })
    const [reader, writer] = await openConnection({ host, port: server.sockets[0]!.port })
    await server.accept()
    await inCancelled(() => server.close({ graceMs: 60_000 }))
    await expect(server.waitClosed()).resolves.toBeUndefined()
    await errorOf(reader.readExactly(1))
    writer.close()
    // Behind a shield it is as long as it says.
    const patient = await startServer({ host })
    const [other, otherWriter] = await openConnection({ host, port: patient.sockets[0]!.port })
    const accepted = await patient.accept()
    await inCancelled(async () => {
      const shield = new CancelScope({ shield: true })
      await shield.run(async () => {
        const closed = patient.close({ graceMs: 60_000 })
        accepted.writer.write('bye')
        accepted.writer.close()
        expect(String(await other.readExactly(3))).toBe('bye')
        otherWriter.close()
        await closed
      })
    })
  })
})

describe('what nobody looks at', () => {
  it('is no unhandled rejection when it is cancelled', () => {
    buildIfMissing()
    const { code, stdout, stderr } = runModule(`
      import { Protocol } from 'millrace'
      import { RpcServer } from 'millrace/rpc'
      import { createServer, openConnection, openNursery, serveCalls, sleepForever, startServer } from 'millrace/structured'
      process.on('unhandledRejection', (error) => console.log(String(error)))
      const here = { host: '127.0.0.1', port: 0 }
      await openNursery(async (nursery) => {
        nursery.cancelScope.cancel()
        void nursery.startSoon(sleepForever).outcome()
        void nursery.start(sleepForever)
        void createServer(nursery, Protocol, here)
        void startServer(nursery, async () => {}, here)
        void serveCalls(nursery, new RpcServer(), here)
        void openConnection(nursery, { ...here, port: 1 })
      })
      await new Promise((resolve) => setTimeout(resolve, 20))
      console.log('done')
    `)
    expect([code, stdout, stderr]).toEqual([0, 'done\n', ''])
  })
})

describe('blocks', () => {
  it('a block that was not waited for is in the block around the one that has ended', async () => {
    const outer = new CancelScope()
    const middle = new CancelScope()
    const inner = new CancelScope()
    let floating!: Promise<unknown>
    await outer.run(async () => {
      await middle.run(async () => {
        floating = inner.run(() => sleepForever())
      })
      expect(inner.cancellation).toBeUndefined()
      // Behind its end it has no say.
      middle.cancel()
      expect(inner.cancellation).toBeUndefined()
      outer.cancel()
      expect(inner.cancellation).toBeDefined()
      expect(await errorOf(floating)).toBeInstanceOf(Cancelled)
    })
  })

  it('a cancel behind the end of a block does not reach those that go on in it', async () => {
    const scope = new CancelScope()
    let floating!: Promise<unknown>
    let go!: () => void
    const gone = new Promise<void>((resolve) => (go = resolve))
    // Something is ambient all the time.
    await new CancelScope().run(async () => {
      await scope.run(async () => {
        floating = gone.then(() => checkpointIfCancelled())
      })
      scope.cancel()
      go()
      await floating
    })
  })

  it('start() of a nursery where nothing is ambient begins its child in the nursery', async () => {
    // In a scope of somebody else's, which is.
    await new CancelScope().run(async () => {
      const log: unknown[] = []
      await openNursery(
        async (nursery) => {
          const starting = errorOf(
            nursery.start(({ taskStatus: { scope } }: { taskStatus: { scope: CancelScope } }) =>
              sleepForever({ scope }),
            ),
          )
          await netTurns(1)
          nursery.cancelScope.cancel()
          log.push(await starting)
        },
        { ambient: false },
      )
      expect(log).toEqual([expect.any(Cancelled)])
    })
  })

  it('a connection of a nursery where nothing is ambient is waited for, whoever cancels', async () => {
    const server = await startServer((reader: StreamReader, writer) => reader.read().then(() => writer.close()), {
      host,
    })
    const around = new CancelScope()
    const log: string[] = []
    await around.run(async () => {
      setImmediate(() => around.cancel())
      const options = { host, port: server.sockets[0]!.port, scope: UNCANCELLED }
      const body = async (nursery: Nursery): Promise<void> => {
        await openIn(nursery, { ...options, onConnectionLost: () => log.push('lost') })
        await sleepForever({ scope: nursery.cancelScope })
      }
      await openNursery(body, { ambient: false, parent: around }).finally(() => log.push('nursery gone'))
    })
    expect(log).toEqual(['lost', 'nursery gone'])
    server.close()
    await server.waitClosed()
  })
})

describe('a nursery that goes on for ever', () => {
  it('keeps nothing of children, blocks, signals and connections that come and go', () => {
    buildIfMissing()
    const { stdout, stderr } = runModule(`
      import v8 from 'node:v8'
      import vm from 'node:vm'
      import { openConnection as connect } from 'millrace'
      import { CancelScope, checkpoint, openConnection, openNursery, sleep, startServer } from 'millrace/structured'
      v8.setFlagsFromString('--expose-gc')
      const gc = vm.runInNewContext('gc')
      const heap = async () => {
        for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(() => resolve(gc()), 5))
        return process.memoryUsage().heapUsed
      }
      const host = '127.0.0.1'
      await openNursery(async (nursery) => {
        const echo = async (reader, writer) => void writer.write(await reader.readLine())
        const { port } = (await startServer(nursery, echo, { host, port: 0 })).sockets[0]
        const talk = async ([reader, writer]) => {
          writer.write('hello\\n')
          await reader.readLine()
          writer.close()
          await writer.waitClosed()
        }
        const { signal } = new AbortController()
        const all = {
          child: [5000, () => nursery.startSoon(async () => {}).outcome()],
          start: [5000, () => nursery.start(async ({ taskStatus }) => taskStatus.started())],
          scope: [5000, () => new CancelScope({ deadline: 1e12 }).run(() => checkpoint())],
          nursery: [5000, () => openNursery(async (inner) => void inner.startSoon(async () => {}))],
          signal: [5000, () => sleep(0, { signal, scope: nursery.cancelScope })],
          accepted: [1000, async () => talk(await connect({ host, port }))],
          opened: [1000, async () => talk(await openConnection(nursery, { host, port }))],
        }
        for (const [name, [times, once]] of Object.entries(all)) {
          for (let i = 0; i < times / 2; i++) await once()
          const before = await heap()
          for (let i = 0; i < times; i++) await once()
          const each = ((await heap()) - before) / times
          if (each > 400) console.log(name, each)
        }
        console.log('children', nursery.childTasks.size)
        nursery.cancelScope.cancel()
      })
    `)
    expect([stdout, stderr]).toEqual(['children 1\n', ''])
  }, 60_000)
})
