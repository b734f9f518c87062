/** The waits of the main entry in scopes and tasks, and with signals: one wait after the other, in every way. */
import { once } from 'node:events'
import { createConnection } from '../../lib/endpoints/connect.ts'
import { createServer } from '../../lib/endpoints/listen.ts'
import { ReconnectingClient } from '../../lib/endpoints/reconnectingClient.ts'
import { CancelledError, ConnectError } from '../../lib/errors.ts'
import { framed } from '../../lib/framing/framed.ts'
import { lengthPrefixed } from '../../lib/framing/lengthPrefixed.ts'
import { lines } from '../../lib/framing/lines.ts'
import { openMessageStream, startMessageServer } from '../../lib/messages/openMessageStream.ts'
import { Protocol } from '../../lib/protocol.ts'
import { connect, RpcError, RpcServer } from '../../lib/rpc/index.ts'
import { createSubprocessExec } from '../../lib/streams/createSubprocessExec.ts'
import { openConnection, startServer } from '../../lib/streams/open.ts'
import { StreamReader } from '../../lib/streams/streamReader.ts'
import type { StreamWriter } from '../../lib/streams/streamWriter.ts'
import type { WaitOptions } from '../../lib/wait.ts'
import { CancelScope } from '../../lib/structured/cancelScope.ts'
import { currentScope } from '../../lib/structured/current.ts'
import { Cancelled } from '../../lib/structured/errors.ts'
import { Event } from '../../lib/structured/event.ts'
import { openLoop } from '../../lib/structured/openLoop.ts'
import { openNursery } from '../../lib/structured/nursery.ts'
import { sleepForever } from '../../lib/structured/sleep.ts'
import { buildIfMissing, runModule } from '../support/builtPackage.ts'
import { echo, Echo } from '../support/echoRpc.ts'
import { everySplit } from '../support/everySplit.ts'
import { Leftovers } from '../support/leftovers.ts'
import { netTurns } from '../support/netTools.ts'
import { openStreams } from '../support/openStreams.ts'
import { ca } from '../support/tlsFixtures.ts'
import { errorOf, onEntry, WAYS, whileParked } from '../support/waysToCancel.ts'

const host = '127.0.0.1'

let leftovers: Leftovers
beforeEach(() => (leftovers = new Leftovers()))
afterEach(() => leftovers.gone())

/** A message out of two fields, in one attempt. */
class PairReader extends StreamReader {
  readPair(options?: WaitOptions): Promise<string | undefined> {
    return this.take(
      (queue) => (queue.length < 5 ? undefined : `${String(queue.take(2))}+${String(queue.take(3))}`),
      options,
      'readPair',
    )
  }
}

/** The same out of two reads: it can be left between them. */
class HalvesReader extends StreamReader {
  #head: string | undefined

  async readPair(options?: WaitOptions): Promise<string> {
    this.#head ??= String(await this.readExactly(2, options))
    const tail = String(await this.readExactly(3, options))
    const head = this.#head
    this.#head = undefined
    return `${head}+${tail}`
  }
}

interface ReadCase {
  readonly reader?: new () => StreamReader<unknown>
  readonly bytes: string
  readonly gives: string
  /** Whether it ends with the stream. */
  readonly end?: boolean
  // oxlint-disable-next-line typescript/no-explicit-any -- of any class
  read(reader: any, options?: WaitOptions): Promise<unknown>
}

const framedReader = framed(lengthPrefixed({ lengthFieldLength: 2 }))
  .reader as unknown as new () => StreamReader<unknown>
const target = Buffer.alloc(5)
const READS: Readonly<Record<string, ReadCase>> = {
  read: { bytes: 'h', gives: 'h', read: (reader, o) => reader.read(5, o) },
  'read to the end': { bytes: 'hello', gives: 'hello', end: true, read: (reader, o) => reader.read(-1, o) },
  readExactly: { bytes: 'hello', gives: 'hello', read: (reader, o) => reader.readExactly(5, o) },
  readLine: { bytes: 'hello\n', gives: 'hello\n', read: (reader, o) => reader.readLine(o) },
  readUntil: { bytes: 'one==', gives: 'one==', read: (reader, o) => reader.readUntil('==', o) },
  readNumber: { bytes: '\0\0\x01\0', gives: '256', read: (reader, o) => reader.readNumber('UInt32BE', o) },
  peek: { bytes: 'hello', gives: 'hello', read: (reader, o) => reader.peek(5, o) },
  readInto: {
    bytes: 'h',
    gives: 'h',
    read: async (reader, o) => target.subarray(0, await reader.readInto(target, o)),
  },
  readMessage: {
    reader: framedReader,
    bytes: '\0\x05hello',
    gives: 'hello',
    read: (reader, o) => reader.readMessage(o),
  },
  'a message in one look': {
    reader: PairReader,
    bytes: 'ab123',
    gives: 'ab+123',
    read: (reader: PairReader, o) => reader.readPair(o),
  },
  'a message of two reads': {
    reader: HalvesReader,
    bytes: 'ab123',
    gives: 'ab+123',
    read: (reader: HalvesReader, o) => reader.readPair(o),
  },
}
/** Those that have no options of their own. */
const ITERATIONS: Readonly<Record<string, ReadCase>> = {
  'for await over lines': {
    bytes: 'hello\n',
    gives: 'hello\n',
    read: async (reader) => (await reader[Symbol.asyncIterator]().next()).value,
  },
  'for await over messages': {
    reader: framedReader,
    bytes: '\0\x05hello',
    gives: 'hello',
    read: async (reader) => (await reader[Symbol.asyncIterator]().next()).value,
  },
}
const isAmbient = (name: string): boolean => /around$/.test(name)
const cases = Object.entries({ ...READS, ...ITERATIONS }).flatMap(([name, each]) =>
  Object.entries(WAYS)
    .filter(([way]) => name in READS || isAmbient(way))
    .map(([way, make]) => [name, way, each, make] as const),
)

const makeReader = ({ reader = StreamReader }: ReadCase): StreamReader<unknown> =>
  'prototype' in reader && reader.prototype !== undefined
    ? new reader()
    : (reader as unknown as (o: object) => StreamReader<unknown>)({})

describe.each(cases)('%s, cancelled by %s', (_read, _way, each, make) => {
  const bytes = Buffer.from(each.bytes)
  const feed = (reader: StreamReader<unknown>, chunk: Uint8Array): void => reader.feedData(Buffer.from(chunk))

  it('before it begins has taken nothing, though it could finish at once', async () => {
    const reader = makeReader(each)
    feed(reader, bytes)
    if (each.end === true) reader.feedEof()
    await onEntry(make(), (options) => each.read(reader, options))
    expect(reader.buffered).toBe(bytes.length)
    expect(String(await each.read(reader))).toBe(each.gives)
  })

  it('while it waits loses nothing, wherever the bytes are split; the next may begin in the very catch', async () => {
    for (const { chunks } of everySplit(bytes)) {
      const reader = makeReader(each)
      const last = each.end === true ? chunks.length : chunks.length - 1
      for (const chunk of chunks.slice(0, last)) {
        feed(reader, chunk)
        await whileParked(make(), (options) => each.read(reader, options)) // oxlint-disable-line no-await-in-loop
      }
      let next!: Promise<unknown>
      const begun = whileParked(
        make(),
        (options) => each.read(reader, options),
        () => {
          next = each.read(reader)
          return next
        },
      )
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      while (next === undefined) await netTurns(1)
      for (const chunk of chunks.slice(last)) feed(reader, chunk)
      if (each.end === true) reader.feedEof()
      expect(String(await begun)).toBe(each.gives) // oxlint-disable-line no-await-in-loop
    }
  })

  it.each(['the bytes come first', 'the cancel comes first'])('in the turn in which they come: %s', async (order) => {
    const reader = makeReader(each)
    const way = make()
    let given: unknown
    await way.inside(async () => {
      const steps = [() => feed(reader, bytes), () => way.cancel()]
      if (each.end === true) steps[0] = () => (feed(reader, bytes), reader.feedEof())
      if (order === 'the cancel comes first') steps.reverse()
      setImmediate(() => steps.forEach((step) => step()))
      given = await each.read(reader, way.options).catch((error: unknown) => {
        way.check(error)
        return undefined
      })
    })
    given ??= await each.read(reader)
    expect(String(given)).toBe(each.gives)
  })
})

/** The error of a call whose signal has aborted has the reason as its cause. */
const told = <T>(calling: Promise<T>): Promise<T> =>
  calling.catch((error: unknown) => {
    throw error instanceof RpcError ? error.cause : error
  })

/** A connection over a socket, to a server that does nothing. */
async function connected() {
  const server = await startServer({ host })
  const [client, peer] = await Promise.all([openConnection({ host, port: server.sockets[0]!.port }), server.accept()])
  return {
    server,
    client,
    peer,
    close: async (): Promise<void> => {
      client.writer.transport.abort()
      peer.writer.transport.abort()
      await server.close({ graceMs: 0 })
    },
  }
}

const MORE = 8 * 1024 * 1024

describe.each(Object.entries(WAYS))('over a socket, cancelled by %s', (_way, make) => {
  it('a read loses nothing', async () => {
    const { client, peer, close } = await connected()
    peer.writer.write('hel')
    const next = whileParked(
      make(),
      (o) => client.reader.readExactly(5, o),
      () => client.reader.readExactly(5),
    )
    await netTurns(3)
    peer.writer.write('lo')
    expect(String(await next)).toBe('hello')
    await onEntry(make(), (o) => client.reader.read(0, o))
    await close()
  })

  it('drain and flush leave the output queued, and it is sent', async () => {
    const { client, peer, close } = await connected()
    peer.reader.setReadBufferLimits({ high: 0, low: 0 })
    client.writer.write(Buffer.alloc(MORE, 'x'))
    await whileParked(make(), (o) => client.writer.drain(o))
    await whileParked(make(), (o) => client.writer.flush(o))
    await onEntry(make(), (o) => client.writer.drain(o))
    expect(client.writer.transport.getWriteBufferSize()).toBeGreaterThan(0)
    expect(client.writer.isClosing()).toBe(false)
    expect((await peer.reader.readExactly(MORE)).every((byte) => byte === 120)).toBe(true)
    await client.writer.flush()
    await onEntry(make(), (o) => client.writer.drain(o))
    await onEntry(make(), (o) => client.writer.flush(o))
    client.writer.write('more')
    expect(String(await peer.reader.readExactly(4))).toBe('more')
    await close()
  })

  it('waitClosed of a writer and of a server change nothing', async () => {
    const { server, client, peer } = await connected()
    await whileParked(make(), (o) => client.writer.waitClosed(o))
    await whileParked(make(), (o) => server.waitClosed(o))
    expect([client.writer.isClosing(), server.isServing()]).toEqual([false, true])
    client.writer.write('hello')
    expect(String(await peer.reader.readExactly(5))).toBe('hello')
    client.writer.close()
    peer.writer.close()
    await Promise.all([client.writer.waitClosed(), peer.writer.waitClosed()])
    server.close()
    await server.waitClosed()
    await onEntry(make(), (o) => client.writer.waitClosed(o))
    await onEntry(make(), (o) => server.waitClosed(o))
  })

  it('serveForever closes the server, and raises behind its last connection', async () => {
    const ended = new Event()
    const server = await startServer(
      async (reader, writer) => {
        await reader.read()
        writer.close()
        ended.set()
      },
      { host },
    )
    const { port } = server.sockets[0]!
    const [reader, writer] = await openConnection({ host, port })
    await netTurns(5)
    const served = whileParked(make(), (o) => server.serveForever(o))
    expect(await reader.read(1)).toHaveLength(0)
    expect(server.isServing()).toBe(false)
    writer.close()
    await served
    await server.waitClosed({ timeoutMs: 0 })
    expect(await errorOf(openConnection({ host, port }))).toBeInstanceOf(ConnectError)
    const other = await startServer({ host })
    await onEntry(make(), (o) => other.serveForever(o))
    expect(other.isServing()).toBe(false)
  })

  it('openConnection and createConnection leave no socket, and make no connectionMade', async () => {
    const server = await startServer({ host })
    const { port } = server.sockets[0]!
    const made = jest.fn()
    class Told extends Protocol {
      override connectionMade = made
    }
    for (const open of [
      (o: object) => openConnection({ host, port, ...o }),
      (o: object) => createConnection(Told, { host, port, ...o }),
    ]) {
      await onEntry(make(), open) // oxlint-disable-line no-await-in-loop
      const way = make()
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await way.inside(async () => {
        const opening = errorOf(open(way.options))
        way.cancel()
        way.check(await opening)
      })
    }
    await netTurns(20)
    expect(made).not.toHaveBeenCalled()
    // Where the system had taken it already, it was ended.
    await server.close({ graceMs: 0 })
  })

  it('createServer and startServer do not listen', async () => {
    const probe = await startServer({ host })
    const { port } = probe.sockets[0]!
    probe.close()
    await netTurns(3)
    for (const listen of [
      (o: object) => startServer(() => {}, { host, port, ...o }),
      (o: object) => createServer(Protocol, { host, port, ...o }),
    ]) {
      await onEntry(make(), listen) // oxlint-disable-line no-await-in-loop
      const way = make()
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await way.inside(async () => {
        const listening = errorOf(listen(way.options))
        way.cancel()
        way.check(await listening)
      })
      await netTurns(3) // oxlint-disable-line no-await-in-loop
      expect(await errorOf(openConnection({ host, port }))).toBeInstanceOf(ConnectError) // oxlint-disable-line no-await-in-loop
    }
  })

  it('accept takes no connection', async () => {
    const server = await startServer({ host })
    await whileParked(make(), (o) => server.accept(o))
    const [reader, writer] = await openConnection({ host, port: server.sockets[0]!.port })
    await netTurns(10)
    await onEntry(make(), (o) => server.accept(o))
    const accepted = await server.accept()
    accepted.writer.write('hello')
    expect(String(await reader.readExactly(5))).toBe('hello')
    accepted.writer.close()
    writer.close()
    server.close()
    await server.waitClosed()
  })

  it('startTls: before it begins nothing has changed; in the handshake it ends the connection', async () => {
    const { client, peer, close } = await connected()
    const tls = { tls: { ca }, serverHostname: 'localhost' }
    peer.writer.write('plain')
    while (client.reader.buffered < 5) await netTurns(1) // oxlint-disable-line no-await-in-loop
    await onEntry(make(), (o) => client.writer.startTls({ ...tls, ...o }))
    expect(String(await client.reader.readExactly(5))).toBe('plain')
    await whileParked(make(), (o) => client.writer.startTls({ ...tls, ...o }))
    await client.writer.waitClosed()
    await close()
  })

  it('messages are not lost', async () => {
    const server = await startMessageServer(lines(), { host })
    const [client, peer] = await Promise.all([
      openMessageStream(lines(), { host, port: server.sockets[0]!.port }),
      server.accept(),
    ])
    const next = whileParked(
      make(),
      (o) => client.readMessage(o),
      () => client.readMessage(),
    )
    await netTurns(3)
    peer.writeMessage('one')
    expect(String(await next)).toBe('one')
    peer.writeMessage('two')
    while (client.buffered === 0) await netTurns(1) // oxlint-disable-line no-await-in-loop
    await onEntry(make(), (o) => client.readMessage(o))
    expect(String(await client.readMessage())).toBe('two')
    await whileParked(make(), (o) => client.readEvent(o))
    await onEntry(make(), (o) => client.drain(o))
    await whileParked(make(), (o) => client.waitClosed(o))
    client.close()
    peer.close()
    server.close()
    await server.waitClosed()
  })

  it('a client that reconnects goes on', async () => {
    const server = await startServer({ host })
    const { port } = server.sockets[0]!
    let go!: () => void
    const gone = new Promise<void>((resolve) => (go = resolve))
    const client = new ReconnectingClient(async (attempt) => {
      await gone
      return openConnection({ host, port, ...attempt })
    })
    const next = whileParked(
      make(),
      (o) => client.connected(o),
      () => client.connected(),
    )
    await netTurns(3)
    go()
    const [, writer] = await next
    expect(client.attempt).toBe(1)
    await onEntry(make(), (o) => client.connected(o))
    expect(client.connection![1]).toBe(writer)
    await whileParked(make(), (o) => client.waitClosed(o))
    expect(writer.isClosing()).toBe(false)
    client.close()
    await server.close({ graceMs: 0 })
    await client.waitClosed()
  })

  it('calls are given up, and the connection stays good', async () => {
    const begun = jest.fn()
    const server = new RpcServer().add(Echo, {
      ...echo,
      one: (item, { signal }) => {
        begun()
        return item.text === 'wait' ? once(signal, 'abort').then(() => item) : item
      },
      async *down(_item, { signal }) {
        yield { count: 1 }
        await once(signal, 'abort')
      },
    })
    await server.listen({ host, port: 0 })
    const client = await connect(Echo, server.address)
    await whileParked(make(), (o) => told(client.one({ text: 'wait' }, o)))
    await netTurns(20)
    const times = begun.mock.calls.length
    await onEntry(make(), (o) => told(client.one({ text: 'never' }, o)))
    await onEntry(make(), (o) => told(client.down({}, o).next()))
    const way = make()
    await way.inside(async () => {
      const items = client.down({}, way.options)
      expect((await items.next()).value).toMatchObject({ count: 1 })
      setImmediate(() => way.cancel())
      way.check(await errorOf(told(items.next())))
    })
    expect(await client.one({ text: 'hello' })).toMatchObject({ text: 'hello' })
    expect(begun).toHaveBeenCalledTimes(times + 1)
    await whileParked(make(), (o) => client.$channel.waitForState('shutdown', o))
    await client.$channel.close()
    await server.shutdown()
  })

  it('a child process runs on', async () => {
    await onEntry(make(), (o) => createSubprocessExec('true', [], o))
    const child = await createSubprocessExec('cat', [], { stdin: 'pipe', stdout: 'pipe' })
    await whileParked(make(), (o) => child.wait(o))
    child.stdin.write('hello')
    expect(String(await child.stdout.readExactly(5))).toBe('hello')
    await onEntry(make(), (o) => child.communicate('lost', o))
    expect(String((await child.communicate('rest')).stdout)).toBe('rest')
    await onEntry(make(), (o) => child.wait(o))
    expect(child.returncode).toBe(0)
  })
})

describe('{signal}', () => {
  it('governs the call, not the connection that it made', async () => {
    const controller = new AbortController()
    const { signal } = controller
    const server = await startServer({ host, signal })
    const [client, peer] = await Promise.all([
      openConnection({ host, port: server.sockets[0]!.port, signal }),
      server.accept({ signal }),
    ])
    controller.abort()
    peer.writer.write('hello')
    expect(String(await client.reader.readExactly(5))).toBe('hello')
    expect(server.isServing()).toBe(true)
    client.writer.close()
    peer.writer.close()
    server.close()
    await server.waitClosed()
  })
})

describe('the handler of startServer', () => {
  it('belongs to the scope that was current when startServer was called', async () => {
    const scope = new CancelScope()
    const seen: unknown[] = []
    const begun = new Event()
    let client!: [StreamReader, StreamWriter]
    const onConnectionError = jest.fn()
    await scope.run(async () => {
      const server = await startServer(
        async (reader) => {
          seen.push(currentScope())
          begun.set()
          await reader.read().catch((error: unknown) => {
            seen.push(error)
            throw error
          })
        },
        { host, onConnectionError },
      )
      // From another place, whose connection it is not.
      client = (await new CancelScope().run(() => openConnection({ host, port: server.sockets[0]!.port })))!
      await begun.wait()
      server.close()
      setImmediate(() => scope.cancel())
      await sleepForever()
    })
    expect(await client[0].read(1)).toHaveLength(0)
    client[1].close()
    await netTurns(5)
    expect(seen).toEqual([scope, expect.any(Cancelled)])
    expect(onConnectionError).not.toHaveBeenCalled()
  })

  it.each([
    ['Cancelled', () => new Cancelled('mine')],
    ['CancelledError', () => new CancelledError('mine')],
  ])('that ends with %s has its connection closed, and is not reported', async (_name, make) => {
    const onConnectionError = jest.fn()
    const server = await startServer(
      async (_reader, writer) => {
        writer.write('so far')
        await netTurns(1)
        throw make()
      },
      { host, onConnectionError },
    )
    const [reader, writer] = await openConnection({ host, port: server.sockets[0]!.port })
    expect(String(await reader.read())).toBe('so far')
    writer.close()
    server.close()
    await server.waitClosed()
    expect(onConnectionError).not.toHaveBeenCalled()
  })

  it('may be a child of a nursery, which waits for it', async () => {
    const log: string[] = []
    await openNursery(async (nursery) => {
      const serve = async (reader: StreamReader, writer: StreamWriter): Promise<void> => {
        log.push(String(await reader.readLine()))
        await netTurns(3)
        log.push('served')
        writer.close()
      }
      const server = await startServer((r, w) => void nursery.startSoon(serve, r, w), { host })
      const [reader, writer] = await openConnection({ host, port: server.sockets[0]!.port })
      writer.write('hello\n')
      while (log.length === 0) await netTurns(1) // oxlint-disable-line no-await-in-loop
      server.close()
      writer.close()
      void reader
    })
    expect(log).toEqual(['hello\n', 'served'])
  })
})

describe('an asyncio task', () => {
  it('that has ended leaves no read behind to swallow the next bytes', async () => {
    const [near, far] = openStreams()
    await openLoop(async (loop) => {
      const task = loop.aioTask(async () => {
        const late = near.reader.readExactly(3)
        await Promise.race([late, netTurns(2)])
        return late
      })
      await netTurns(4)
      task.cancel()
      expect(await errorOf(Promise.resolve(task))).toBeInstanceOf(CancelledError)
      far.writer.write('abc')
      expect(String(await near.reader.readExactly(3))).toBe('abc')
    })
  })
})

describe('without a scope', () => {
  it('the main entry does not touch AsyncLocalStorage; the first scope does, and the last gives it up', () => {
    buildIfMissing()
    const { stdout, stderr } = runModule(`
      import { AsyncLocalStorage } from 'node:async_hooks'
      import * as hooks from 'node:async_hooks'
      const calls = []
      for (const name of ['run', 'enterWith', 'getStore', 'exit', '_enable']) {
        const own = AsyncLocalStorage.prototype[name]
        if (own) AsyncLocalStorage.prototype[name] = function (...args) { calls.push(name); return own.apply(this, args) }
      }
      const { openConnection, startServer } = await import('millrace')
      const talk = async () => {
        const server = await startServer(async (reader, writer) => {
          for await (const line of reader) { writer.write(line); await writer.drain() }
          writer.close()
        }, { host: '127.0.0.1', port: 0 })
        const [reader, writer] = await openConnection({ host: '127.0.0.1', port: server.sockets[0].port })
        writer.write('hello\\n')
        await writer.flush()
        const line = String(await reader.readLine()).trim()
        writer.writeEof()
        await reader.read()
        writer.close()
        await writer.waitClosed()
        server.close()
        await server.waitClosed()
        return line
      }
      console.log(await talk(), calls.length)
      const { CancelScope } = await import('millrace/structured')
      console.log(await talk(), calls.length)
      await new CancelScope().run(talk)
      console.log(calls.includes('run'))
      await new Promise((resolve) => setTimeout(resolve, 5))
      calls.length = 0
      console.log(await talk(), calls.length)
    `)
    expect(stderr).toBe('')
    expect(stdout.split('\n')).toEqual(['hello 0', 'hello 0', 'true', 'hello 0', ''])
  })

  it('the main entry does not import the structured one', () => {
    const { stdout, stderr } = runModule(`
      const { readFileSync } = await import('node:fs')
      const { dirname, resolve } = await import('node:path')
      const seen = new Set()
      const walk = (file) => {
        if (seen.has(file)) return
        seen.add(file)
        for (const [, from] of readFileSync(file, 'utf8').matchAll(/from '(\\.[^']+)'|import '(\\.[^']+)'/g)) if (from) walk(resolve(dirname(file), from))
      }
      walk(resolve('dist/esm/index.js'))
      console.log(seen.size > 50, [...seen].filter((file) => /structured|async_hooks/.test(file)).length)
      console.log([...seen].filter((file) => /node:async_hooks/.test(readFileSync(file, 'utf8'))).length)
    `)
    expect(stderr).toBe('')
    expect(stdout).toBe('true 0\n0\n')
  })
})
