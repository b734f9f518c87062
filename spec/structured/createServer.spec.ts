import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import {
  ConnectionLostError,
  DecodeError,
  FrameTooLargeError,
  IncompleteReadError,
  InvalidStateError,
  LimitOverrunError,
  TimeoutError,
} from '../../lib/errors.ts'
import { createConnection } from '../../lib/endpoints/connect.ts'
import { BufferedProtocol, Protocol } from '../../lib/protocol.ts'
import { StreamReader } from '../../lib/streams/streamReader.ts'
import type { Streams } from '../../lib/streams/streamClasses.ts'
import type { StreamWriter } from '../../lib/streams/streamWriter.ts'
import { CancelScope } from '../../lib/structured/cancelScope.ts'
import { createServer, runServer } from '../../lib/structured/createServer.ts'
import { currentAsyncLibrary, currentLoop, currentScope } from '../../lib/structured/current.ts'
import { Event } from '../../lib/structured/event.ts'
import { Cancelled } from '../../lib/structured/errors.ts'
import { ExceptionGroup } from '../../lib/structured/exceptionGroup.ts'
import { Loop } from '../../lib/structured/loop.ts'
import { openNursery, type Nursery } from '../../lib/structured/nursery.ts'
import { run } from '../../lib/structured/run.ts'
import { sleep, sleepForever } from '../../lib/structured/sleep.ts'
import type { Server } from '../../lib/endpoints/server.ts'
import type { Transport } from '../../lib/transport.ts'
import { Leftovers } from '../support/leftovers.ts'
import { ca, certified } from '../support/tlsFixtures.ts'
import { LayerTransport } from '../../lib/layers/layerTransport.ts'
import { openConnection } from '../../lib/streams/open.ts'

const HOST = '127.0.0.1'

/** Says what becomes of it. */
class Recorder extends Protocol {
  static made: Recorder[] = []
  static arrived = new Event()
  readonly events: unknown[] = []
  readonly lost = new Event()
  transport!: Transport

  constructor() {
    super()
    Recorder.made.push(this)
  }
  override connectionMade(transport: Transport): void {
    this.transport = transport
    this.events.push('made')
    Recorder.arrived.set()
  }
  override dataReceived(data: Buffer): void {
    this.events.push(data.toString())
    if (data.toString() === 'throw') throw new Error('thrown by the protocol')
    this.transport.write(data)
  }
  override connectionLost(error: Error | null): void {
    this.events.push(['lost', error?.message ?? null])
    this.lost.set()
  }
}

const client = async (server: Server): Promise<Socket> => {
  const [socket] = [connect({ port: server.sockets[0]!.port, host: HOST })]
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}
const failing = async (nursery: Promise<unknown>): Promise<ExceptionGroup> => {
  const error: unknown = await nursery.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(ExceptionGroup)
  return error as ExceptionGroup
}

let leftovers: Leftovers
beforeEach(() => {
  Recorder.made = []
  Recorder.arrived = new Event()
  leftovers = new Leftovers()
})
afterEach(() => leftovers.gone())

describe('createServer in a nursery', () => {
  it('serves until the server is closed and its last connection is gone; then the nursery ends', async () => {
    let server!: Server
    await openNursery(async (nursery) => {
      server = await createServer(nursery, Recorder, { host: HOST })
      expect(server.isServing()).toBe(true)
      expect(nursery.childTasks.size).toBe(1)
      const socket = await client(server)
      socket.write('hello')
      expect(String((await once(socket, 'data'))[0])).toBe('hello')
      server.close()
      socket.write('more')
      expect(String((await once(socket, 'data'))[0])).toBe('more')
      socket.end()
    })
    expect(Recorder.made.map(({ events }) => events)).toEqual([['made', 'hello', 'more', ['lost', null]]])
  })

  it('cancelled, stops listening and aborts connections: connectionLost(null)', async () => {
    let server!: Server
    await openNursery(async (nursery) => {
      server = await createServer(nursery, Recorder, { host: HOST })
      const sockets = [await client(server), await client(server)]
      const closed = sockets.map((socket) => once(socket, 'close'))
      while (Recorder.made.length < 2) await new Promise(setImmediate)
      nursery.cancelScope.cancel()
      await Promise.all(closed)
    })
    expect(server.isServing()).toBe(false)
    expect(Recorder.made.map(({ events }) => events)).toEqual(Array(2).fill(['made', ['lost', null]]))
  })

  it('fails with what a protocol throws, after its connectionLost', async () => {
    const group = await failing(
      openNursery(async (nursery) => {
        const server = await createServer(nursery, Recorder, { host: HOST })
        const socket = await client(server)
        socket.write('throw')
        await sleepForever()
      }),
    )
    expect(group.errors.map(String)).toEqual(['Error: thrown by the protocol'])
    expect(Recorder.made.map(({ events }) => events)).toEqual([['made', 'throw', ['lost', 'thrown by the protocol']]])
  })

  it('fails with what a factory throws', async () => {
    const group = await failing(
      openNursery(async (nursery) => {
        const factory = (): Protocol => {
          throw new Error('no protocol today')
        }
        await client(await createServer(nursery, factory, { host: HOST }))
      }),
    )
    expect(group.errors.map(String)).toEqual(['Error: no protocol today'])
  })

  it('goes on where there is an onConnectionError, which is told', async () => {
    const told: unknown[] = []
    await openNursery(async (nursery) => {
      const onConnectionError = (error: unknown, transport: Transport | undefined): void =>
        void told.push([String(error), transport === Recorder.made[0]?.transport])
      const server = await createServer(nursery, Recorder, { host: HOST, onConnectionError })
      const first = await client(server)
      first.write('throw')
      await once(first, 'close')
      const second = await client(server)
      second.write('still there')
      expect(String((await once(second, 'data'))[0])).toBe('still there')
      second.destroy()
      server.close()
    })
    expect(told).toHaveLength(1)
    expect(told[0]).toEqual(['Error: thrown by the protocol', expect.any(Boolean)])
  })

  it('goes on when a peer resets: only connectionLost is told', async () => {
    await openNursery(async (nursery) => {
      const server = await createServer(nursery, Recorder, { host: HOST })
      const socket = await client(server)
      await Recorder.arrived.wait()
      socket.resetAndDestroy()
      await Recorder.made[0]!.lost.wait()
      const second = await client(server)
      second.write('still there')
      expect(String((await once(second, 'data'))[0])).toBe('still there')
      second.destroy()
      server.close()
    })
    expect(Recorder.made[0]!.events[1]).toEqual(['lost', expect.stringContaining('ECONNRESET')])
  })

  it('goes on when a peer sends what makes no sense', async () => {
    const printed = jest.spyOn(console, 'error').mockImplementation(() => {})
    class Strict extends Recorder {
      override dataReceived(): void {
        throw new FrameTooLargeError(100, 10)
      }
    }
    await openNursery(async (nursery) => {
      const server = await createServer(nursery, Strict, { host: HOST })
      const socket = await client(server)
      socket.write('x')
      await once(socket, 'close')
      expect(server.isServing()).toBe(true)
      server.close()
    })
    expect(printed.mock.calls.flat().join(' ')).toContain('FRAME_TOO_LARGE')
    printed.mockRestore()
  })

  it('rejects where it cannot listen, and leaves the nursery usable', async () => {
    const ran = await openNursery(async (nursery) => {
      const server = await createServer(nursery, Recorder, { host: HOST })
      const again = createServer(nursery, Recorder, { host: HOST, port: server.sockets[0]!.port })
      await expect(again).rejects.toMatchObject({ code: 'EADDRINUSE' })
      server.close()
      return nursery.startSoon(async () => 'yes').outcome()
    })
    expect(ran).toEqual({ ok: true, value: 'yes' })
  })

  it('is refused by a nursery that is closed, and by a cancelled scope, and does not listen then', async () => {
    let closed!: Nursery
    await openNursery(async (nursery) => void (closed = nursery))
    await expect(createServer(closed, Recorder, { host: HOST })).rejects.toThrow(InvalidStateError)
    const scope = new CancelScope()
    await scope.run(async () => {
      await openNursery(async (nursery) => {
        scope.cancel()
        await createServer(nursery, Recorder, { host: HOST })
      })
    })
    expect(scope.cancelledCaught).toBe(true)
  })

  it('calls a protocol in the flavour of asyncio, in a scope of its connection, whatever the callback', async () => {
    const seen: unknown[] = []
    const scopes = new Set<unknown>()
    const note = (name: string): void => {
      seen.push([name, currentAsyncLibrary()])
      scopes.add(currentScope())
    }
    class Curious extends Recorder {
      override connectionMade(transport: Transport): void {
        note('made')
        transport.setWriteBufferLimits({ high: 0 })
        super.connectionMade(transport)
      }
      override dataReceived(data: Buffer): void {
        note('data')
        super.dataReceived(data)
        this.transport.write(Buffer.alloc(16_000_000))
      }
      override pauseWriting(): void {
        note('pause')
      }
      override resumeWriting(): void {
        note('resume')
      }
      override eofReceived(): void {
        note('eof')
      }
      override connectionLost(error: Error | null): void {
        note('lost')
        super.connectionLost(error)
      }
    }
    let outer: CancelScope | undefined
    await openNursery(async (nursery) => {
      outer = currentScope()
      const server = await createServer(nursery, Curious, { host: HOST })
      const socket = await client(server)
      socket.write('hello')
      let received = 0
      for await (const chunk of socket) {
        received += (chunk as Buffer).length
        if (received === 16_000_005) break
      }
      server.close()
    })
    const order = ['made', 'data', 'pause', 'resume', 'eof', 'lost']
    expect(seen).toEqual(order.map((name) => [name, 'asyncio']))
    expect(scopes.size).toBe(1)
    expect([...scopes]).not.toContain(outer)
  })

  it('calls a buffered protocol there, too', async () => {
    const seen: string[] = []
    class Buffered extends BufferedProtocol {
      readonly #memory = Buffer.alloc(100)
      #transport!: Transport
      override connectionMade(transport: Transport): void {
        this.#transport = transport
      }
      override getBuffer(): Uint8Array {
        seen.push(`get ${currentAsyncLibrary()}`)
        return this.#memory
      }
      override bufferUpdated(n: number): void {
        seen.push(`updated ${currentAsyncLibrary()}`)
        this.#transport.write(Buffer.from(this.#memory.subarray(0, n)))
      }
    }
    await openNursery(async (nursery) => {
      const server = await createServer(nursery, Buffered, { host: HOST })
      const socket = await client(server)
      socket.write('hello')
      expect(String((await once(socket, 'data'))[0])).toBe('hello')
      socket.end()
      server.close()
    })
    expect(new Set(seen)).toEqual(new Set(['get asyncio', 'updated asyncio']))
  })

  it('cancels what a callback has begun and left to itself with the nursery, and not with the connection', async () => {
    const ended = new Event()
    const scope = new CancelScope()
    let reason: unknown
    class Waiting extends Recorder {
      override connectionMade(transport: Transport): void {
        super.connectionMade(transport)
        void new StreamReader().readExactly(8).catch((error: unknown) => {
          reason = error
          ended.set()
        })
      }
    }
    await openNursery(async (nursery) => {
      const server = await createServer(nursery, Waiting, { host: HOST })
      const socket = await client(server)
      socket.end()
      await once(socket, 'close')
      await Recorder.made[0]!.lost.wait()
      expect(reason).toBeUndefined()
      nursery.cancelScope.cancel('over')
      await ended.wait({ scope })
    })
    expect(reason).toBeInstanceOf(Cancelled)
  })

  it('has its protocols’ background tasks in the nursery, by a loop that they are given, or that is around', async () => {
    const log: string[] = []
    class Ticking extends Recorder {
      readonly #loop: Loop
      constructor({ loop = currentLoop()! }: { loop?: Loop } = {}) {
        super()
        this.#loop = loop
      }
      override connectionMade(transport: Transport): void {
        super.connectionMade(transport)
        this.#loop.createTask(async () => {
          log.push(`ticking in ${currentAsyncLibrary()}`)
          try {
            for (;;) await sleep(1) // oxlint-disable-line no-await-in-loop -- what it is for
          } finally {
            log.push('stopped')
          }
        })
        this.#loop.callSoon(() => transport.write('soon'))
      }
    }
    await run(async () => {
      const around = currentLoop()
      await openNursery(async (nursery) => {
        const loop = new Loop(nursery)
        const given = await createServer(nursery, () => new Ticking({ loop }), { host: HOST })
        const ambient = await createServer(nursery, Ticking, { host: HOST })
        for (const server of [given, ambient]) {
          const socket = await client(server) // oxlint-disable-line no-await-in-loop -- one after the other
          expect(String((await once(socket, 'data'))[0])).toBe('soon') // oxlint-disable-line no-await-in-loop
          socket.destroy()
        }
        expect(around).not.toBeNull()
        nursery.cancelScope.cancel()
      })
      // That of the loop around goes on until that ends.
      expect(log).toEqual(['ticking in trio', 'ticking in trio', 'stopped'])
    })
    expect(log.slice(3)).toEqual(['stopped'])
  })

  it('lets a protocol be replaced, and be asked for', async () => {
    await openNursery(async (nursery) => {
      const flavours: string[] = []
      const second: Partial<Protocol> = { dataReceived: () => void flavours.push(currentAsyncLibrary()) }
      class First extends Recorder {
        override dataReceived(): void {
          expect(this.transport.getProtocol()).toBe(this)
          this.transport.setProtocol(second)
          expect(this.transport.getProtocol()).toBe(second)
          this.transport.write('changed')
        }
      }
      const server = await createServer(nursery, First, { host: HOST })
      const socket = await client(server)
      socket.write('1')
      await once(socket, 'data')
      socket.end('2')
      await once(socket, 'close')
      server.close()
      expect(flavours).toEqual(['asyncio'])
    })
  })
})

describe('what else a server in a nursery is told', () => {
  const tls = certified('localhost')

  /** Goes over to TLS when it is asked to. */
  class Upgrading extends Recorder {
    static seen: unknown[] = []
    scope: unknown
    #note(what: string): void {
      const isSame = currentScope() === this.scope
      Upgrading.seen.push(`${what} ${currentAsyncLibrary()}${isSame ? '' : ' in another scope'}`)
    }
    override connectionMade(transport: Transport): void {
      this.scope = currentScope()
      super.connectionMade(transport)
      this.#note('made')
    }
    override dataReceived(data: Buffer): void {
      this.#note(String(data).trim())
      if (String(data) !== 'STARTTLS\n') return this.transport.write(data)
      const before = this.transport
      before.write('go ahead\n')
      const goOver = (): Promise<Transport> => before.startTls({ tls, serverSide: true })
      void before
        .flush()
        .then(goOver)
        .then(
          (transport) => {
            this.transport = transport
            this.#note(transport.getProtocol() === this ? 'secured' : 'for another')
            transport.write('secured\n')
          },
          (error: Error) => Upgrading.seen.push(error.name),
        )
    }
    override eofReceived(): void {
      this.#note('eof')
    }
    override connectionLost(error: Error | null): void {
      super.connectionLost(error)
      this.#note(`lost ${error?.name ?? null}`)
    }
  }

  const secured = async (server: Server): Promise<Streams<StreamReader, StreamWriter>> => {
    const streams = await openConnection({ host: HOST, port: server.sockets[0]!.port })
    const { reader, writer } = streams
    writer.write('STARTTLS\n')
    await reader.readLine()
    await writer.startTls({ tls: { ca }, serverHostname: 'localhost' })
    await reader.readLine()
    return streams
  }

  it('goes over to TLS in mid-stream, and is called in its place as before', async () => {
    Upgrading.seen = []
    const layer = (inner: Transport, protocol: never, report: never): void =>
      new LayerTransport(inner, protocol, report).start()
    for (const layers of [[], [layer]]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await openNursery(async (nursery) => {
        const server = await createServer(nursery, Upgrading, { host: HOST, layers: layers as never })
        const { reader, writer } = await secured(server)
        writer.write('hello\n')
        expect(String(await reader.readLine())).toBe('hello\n')
        writer.close()
        await Recorder.made.at(-1)!.lost.wait()
        server.close()
      })
    }
    const once = ['made', 'STARTTLS', 'secured', 'hello', 'eof', 'lost null'].map((what) => `${what} asyncio`)
    expect(Upgrading.seen).toEqual([...once, ...once])
  })

  it('lets the protocol be replaced after TLS', async () => {
    Upgrading.seen = []
    await openNursery(async (nursery) => {
      const server = await createServer(nursery, Upgrading, { host: HOST })
      const { reader, writer } = await secured(server)
      const { transport } = Recorder.made[0]!
      transport.setProtocol({
        dataReceived: (data) => transport.write(`replaced in ${currentAsyncLibrary()}: ${String(data)}`),
      })
      writer.write('hello\n')
      expect(String(await reader.readLine())).toBe('replaced in asyncio: hello\n')
      writer.close()
      server.close()
    })
    expect(Upgrading.seen).not.toContain('hello asyncio')
  })

  it('aborts one that went over to TLS with the nursery', async () => {
    Upgrading.seen = []
    await openNursery(async (nursery) => {
      const server = await createServer(nursery, Upgrading, { host: HOST })
      const { reader, writer } = await secured(server)
      nursery.cancelScope.cancel()
      await reader.read(1, { scope: new CancelScope() }).catch(() => {})
      writer.transport.abort()
    })
    expect(Upgrading.seen.slice(-2)).toEqual(['secured asyncio', 'lost null asyncio'])
  })

  it('hears once of the end where going over to TLS fails, and goes on', async () => {
    Upgrading.seen = []
    const printed = jest.spyOn(console, 'error').mockImplementation(() => {})
    await openNursery(async (nursery) => {
      const server = await createServer(nursery, Upgrading, { host: HOST })
      const socket = await client(server)
      socket.write('STARTTLS\n')
      await once(socket, 'data')
      socket.write('this is no TLS')
      await Recorder.made[0]!.lost.wait()
      expect(nursery.cancelScope.cancelCalled).toBe(false)
      server.close()
    })
    printed.mockRestore()
    const seen = ['made asyncio', 'STARTTLS asyncio', 'TlsHandshakeError', 'lost TlsHandshakeError asyncio']
    expect(new Set(Upgrading.seen)).toEqual(new Set(seen))
    expect(Upgrading.seen).toHaveLength(4)
    expect(Recorder.made[0]!.events.filter((event) => Array.isArray(event))).toHaveLength(1)
  })

  it('goes on after a handshake that fails, and ends those under way when it is cancelled', async () => {
    const printed = jest.spyOn(console, 'error').mockImplementation(() => {})
    await openNursery(async (nursery) => {
      const server = await createServer(nursery, Recorder, { host: HOST, tls })
      const plain = await client(server)
      plain.write('GET / HTTP/1.0\r\n\r\n')
      await once(plain, 'close')
      expect(nursery.cancelScope.cancelCalled).toBe(false)
      expect(printed.mock.calls.flat().join(' ')).toContain('ERR_MILLRACE_TLS_HANDSHAKE')
      printed.mockRestore()
      const { reader, writer } = await openConnection({
        host: HOST,
        port: server.sockets[0]!.port,
        tls: { ca },
        serverHostname: 'localhost',
      })
      writer.write('hello')
      expect(String(await reader.readExactly(5))).toBe('hello')
      const silent = await client(server)
      const closed = once(silent, 'close')
      nursery.cancelScope.cancel()
      await closed
      writer.transport.abort()
    })
    expect(Recorder.made.map(({ events }) => events)).toEqual([['made', 'hello', ['lost', null]]])
  })

  it('has layers of the user’s above its own place', async () => {
    const seen: string[] = []
    class Doubling extends LayerTransport {
      override write(data: Uint8Array | string): void {
        super.write(data)
        super.write(data)
      }
      protected override onData(data: Uint8Array): void {
        seen.push(`${String(data)} ${currentAsyncLibrary()}`)
      }
    }
    await openNursery(async (nursery) => {
      const server = await createServer(nursery, Recorder, {
        host: HOST,
        layers: [(inner, protocol, report) => new Doubling(inner, protocol, report).start()],
      })
      const { reader, writer } = await openConnection({ host: HOST, port: server.sockets[0]!.port })
      writer.write('ab')
      expect(String(await reader.readExactly(4))).toBe('abab')
      nursery.cancelScope.cancel()
      await reader.read(1, { scope: new CancelScope() }).catch(() => {})
      writer.transport.abort()
    })
    expect(seen).toEqual(['ab asyncio'])
    expect(Recorder.made[0]!.events).toEqual(['made', 'ab', ['lost', null]])
  })

  it('takes on no more than maxConnections at a time', async () => {
    await openNursery(async (nursery) => {
      const server = await createServer(nursery, Recorder, { host: HOST, maxConnections: 1 })
      const first = await client(server)
      await Recorder.arrived.wait()
      const second = await client(server)
      second.write('me')
      await new Promise(setImmediate)
      expect(Recorder.made).toHaveLength(1)
      first.end()
      expect(String((await once(second, 'data'))[0])).toBe('me')
      second.end()
      server.close()
    })
    expect(Recorder.made).toHaveLength(2)
  })

  it('lets a protocol with buffers be replaced by one without, and the other way', async () => {
    const seen: string[] = []
    let transport!: Transport
    const said = (by: string, what: string): void => {
      seen.push(`${by} ${what} ${currentAsyncLibrary()}`)
      transport.setProtocol(by === 'plain' ? new Lending() : plain)
      transport.write(what)
    }
    const plain: Partial<Protocol> = { dataReceived: (data) => said('plain', String(data)) }
    class Lending extends BufferedProtocol {
      readonly #memory = Buffer.alloc(100)
      override connectionMade(made: Transport): void {
        transport = made
      }
      override getBuffer(): Uint8Array {
        return this.#memory
      }
      override bufferUpdated(n: number): void {
        said('lending', String(this.#memory.subarray(0, n)))
      }
    }
    await openNursery(async (nursery) => {
      const server = await createServer(nursery, Lending, { host: HOST })
      const socket = await client(server)
      for (const what of ['1', '2', '3']) {
        socket.write(what)
        await once(socket, 'data') // oxlint-disable-line no-await-in-loop -- in order
      }
      socket.end()
      server.close()
    })
    expect(seen).toEqual(['lending 1 asyncio', 'plain 2 asyncio', 'lending 3 asyncio'])
  })

  it('has nothing ambient in a nursery without', async () => {
    const seen: unknown[] = []
    class Bare extends Recorder {
      override dataReceived(data: Buffer): void {
        seen.push(currentScope(), transportOf(this).constructor.name)
        super.dataReceived(data)
      }
    }
    const transportOf = ({ transport }: Recorder): Transport => transport
    const group = await failing(
      openNursery(
        async (nursery) => {
          const server = await createServer(nursery, Bare, { host: HOST })
          const socket = await client(server)
          socket.write('throw')
          await sleepForever({ scope: nursery.cancelScope })
        },
        { ambient: false },
      ),
    )
    expect(seen).toEqual([undefined, 'SocketTransport'])
    expect(group.errors.map(String)).toEqual(['Error: thrown by the protocol'])
  })

  it('does not even listen for a nursery that is closed, and stops if that ends meanwhile', async () => {
    let closed!: Nursery
    let late!: Promise<Server>
    await openNursery(async (nursery) => {
      closed = nursery
      late = createServer(nursery, Recorder, { host: HOST })
      void late.catch(() => {})
    })
    await expect(late).rejects.toThrow(InvalidStateError)
    await openNursery(async (nursery) => {
      const server = await createServer(nursery, Recorder, { host: HOST })
      const { port } = server.sockets[0]!
      await expect(createServer(closed, Recorder, { host: HOST, port })).rejects.toThrow('a nursery that is closed')
      server.close()
    })
  })

  it('fails with all that its protocols throw at their end', async () => {
    class Sulking extends Recorder {
      override connectionLost(): void {
        throw new Error(`${Recorder.made.indexOf(this)} did not want to end`)
      }
    }
    const sockets: Socket[] = []
    const group = await failing(
      openNursery(async (nursery) => {
        const server = await createServer(nursery, Sulking, { host: HOST })
        sockets.push(await client(server), await client(server))
        while (Recorder.made.length < 2) await new Promise(setImmediate) // oxlint-disable-line no-await-in-loop
        nursery.cancelScope.cancel()
      }),
    )
    expect(group.errors).toEqual([expect.any(ExceptionGroup)])
    expect(group.leaves().map(String).sort()).toEqual(['0', '1'].map((which) => `Error: ${which} did not want to end`))
    for (const socket of sockets) socket.destroy()
  })

  it('goes on after whatever is the fault of the peer, and not after a group that has more', async () => {
    const printed = jest.spyOn(console, 'error').mockImplementation(() => {})
    const faults = [
      new ConnectionLostError('lost', 'somebody'),
      new IncompleteReadError(Buffer.alloc(1), 8),
      new FrameTooLargeError(9, 8),
      new LimitOverrunError('too long', 9, 8),
      new DecodeError('a message', 9, 0, 'nonsense'),
      new TimeoutError('read', 5),
    ]
    let errors: Error[] = [...faults, new ExceptionGroup('all', faults)]
    class Failing extends Recorder {
      override dataReceived(): void {
        throw errors.shift()!
      }
    }
    const serve = async (nursery: Nursery): Promise<void> => {
      const server = await createServer(nursery, Failing, { host: HOST })
      while (errors.length > 0) {
        const socket = await client(server) // oxlint-disable-line no-await-in-loop -- one after the other
        socket.write('x')
        await once(socket, 'close') // oxlint-disable-line no-await-in-loop
      }
      server.close()
    }
    await openNursery(serve)
    errors = [new ExceptionGroup('both', [faults[1]!, new Error('ours')])]
    const group = await failing(openNursery(serve))
    expect(group.leaves()).toContainEqual(new Error('ours'))
    printed.mockRestore()
  })

  it('waits with startServing: false', async () => {
    await openNursery(async (nursery) => {
      const server = await createServer(nursery, Recorder, { host: HOST, startServing: false })
      expect(server.isServing()).toBe(false)
      await server.startServing()
      expect(server.isServing()).toBe(true)
      server.close()
    })
  })

  it('fails with what an onConnectionError throws', async () => {
    const group = await failing(
      openNursery(async (nursery) => {
        const onConnectionError = (error: unknown): void => {
          throw new Error('told, and not pleased', { cause: error })
        }
        const server = await createServer(nursery, Recorder, { host: HOST, onConnectionError })
        const socket = await client(server)
        socket.write('throw')
        await sleepForever()
      }),
    )
    expect(group.errors.map(String)).toEqual(['Error: told, and not pleased'])
    expect(Recorder.made[0]!.events.at(-1)).toEqual(['lost', 'thrown by the protocol'])
  })
})

describe('runServer', () => {
  it('serves in a nursery of its own, and tells the server by start()', async () => {
    await run(async () => {
      await openNursery(async (nursery) => {
        const server = await nursery.start<Server>(runServer, Recorder, { host: HOST, port: 0 })
        const [transport, protocol] = await createConnection(Recorder, { port: server.sockets[0]!.port, host: HOST })
        transport.close()
        await protocol.lost.wait()
        nursery.cancelScope.cancel()
      })
    })
    expect(Recorder.made).toHaveLength(2)
  })

  it('rejects where it cannot listen', async () => {
    await openNursery(async (nursery) => {
      const server = await createServer(nursery, Recorder, { host: HOST })
      const { port } = server.sockets[0]!
      await expect(runServer(Recorder, { host: HOST, port })).rejects.toMatchObject({
        errors: [expect.objectContaining({ code: 'EADDRINUSE' })],
      })
      server.close()
    })
  })
})
