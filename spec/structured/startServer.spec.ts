import { mkdtempSync, rmSync, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CancelledError, ConnectionLostError, InvalidStateError } from '../../lib/errors.ts'
import { openConnection as connectPlain, startServer as startPlain } from '../../lib/streams/open.ts'
import type { Server } from '../../lib/endpoints/server.ts'
import type { Streams } from '../../lib/streams/streamClasses.ts'
import { UNCANCELLED } from '../../lib/wait.ts'
import type { StreamReader } from '../../lib/streams/streamReader.ts'
import type { StreamWriter } from '../../lib/streams/streamWriter.ts'
import { CancelScope } from '../../lib/structured/cancelScope.ts'
import { closeWith } from '../../lib/structured/closeWith.ts'
import { Cancelled } from '../../lib/structured/errors.ts'
import { Event } from '../../lib/structured/event.ts'
import { ExceptionGroup } from '../../lib/structured/exceptionGroup.ts'
import { openNursery, type Nursery } from '../../lib/structured/nursery.ts'
import { openConnection } from '../../lib/structured/openConnection.ts'
import { moveOnAfter } from '../../lib/structured/moveOn.ts'
import { sleep, sleepForever } from '../../lib/structured/sleep.ts'
import { startServer } from '../../lib/structured/startServer.ts'
import { Leftovers } from '../support/leftovers.ts'

const host = '127.0.0.1'
const portOf = (server: Server): number => server.sockets[0]!.port
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => {
      throw new Error(`resolved with ${String(value)}`)
    },
    (error: unknown) => error,
  )
const echo = async (reader: StreamReader, writer: StreamWriter): Promise<void> => {
  for await (const line of reader) {
    writer.write(line)
    await writer.drain()
  }
}

let leftovers: Leftovers
beforeEach(() => (leftovers = new Leftovers()))
afterEach(() => leftovers.gone())

describe('startServer in a nursery', () => {
  it('has a child for each connection, and closes that when the handler ends', async () => {
    await openNursery(async (nursery) => {
      const server = await startServer(nursery, echo, { host })
      const clients = [
        await connectPlain({ host, port: portOf(server) }),
        await connectPlain({ host, port: portOf(server) }),
      ]
      for (const [reader, writer] of clients) {
        writer.write('hello\n')
        expect(String(await reader.readLine())).toBe('hello\n')
      }
      expect(nursery.childTasks.size).toBe(3)
      for (const [reader, writer] of clients) {
        writer.writeEof()
        expect(await reader.read(1)).toHaveLength(0)
        writer.close()
      }
      server.close()
    })
  })

  it('ends handlers, and aborts connections, when it is cancelled', async () => {
    const ended: unknown[] = []
    let client!: [StreamReader, StreamWriter]
    await openNursery(async (nursery) => {
      const begun = new Event()
      const server = await startServer(
        nursery,
        async (reader) => {
          begun.set()
          await reader.readExactly(8).catch((error: unknown) => {
            ended.push(error)
            throw error
          })
        },
        { host },
      )
      client = await connectPlain({ host, port: portOf(server) })
      await begun.wait()
      nursery.cancelScope.cancel()
    })
    expect(ended).toEqual([expect.any(Cancelled)])
    expect(await client[0].read(1).catch(() => Buffer.alloc(0))).toHaveLength(0)
    client[1].close()
  })

  it('lets handlers say good-bye in a shield when it is cancelled', async () => {
    const said: unknown[] = []
    const scope = new CancelScope()
    let client!: Streams<StreamReader, StreamWriter>
    await scope.run(() =>
      openNursery(async (nursery) => {
        const begun = new Event()
        const server = await startServer(
          nursery,
          async (reader, writer) => {
            const slow = String(await reader.readLine()) === 'slow\n'
            if (slow) begun.set()
            try {
              await sleepForever()
            } finally {
              await moveOnAfter(
                5000,
                async () => {
                  // The one that takes its time is not cut off by the end of the other.
                  if (slow) await sleep(20)
                  writer.write('good-bye\n')
                  await writer.drain()
                  said.push(slow)
                },
                { shield: true },
              )
            }
          },
          { host },
        )
        const quick = await connectPlain({ host, port: portOf(server) })
        quick.writer.write('quick\n')
        client = await connectPlain({ host, port: portOf(server) })
        client.writer.write('slow\n')
        await begun.wait()
        scope.cancel()
        expect(String(await quick.reader.read(-1, { scope: UNCANCELLED }))).toBe('good-bye\n')
        expect(server.isServing()).toBe(false)
        quick.writer.close()
      }),
    )
    expect(said).toEqual([false, true])
    expect(String(await client.reader.read(-1))).toBe('good-bye\n')
    client.writer.close()
  })

  it('begins no handler that is left running, at the very moment of the cancel', async () => {
    const ended: string[] = []
    let clients: Streams<StreamReader, StreamWriter>[] = []
    await openNursery(async (nursery) => {
      const server = await startServer(
        nursery,
        async (reader) => {
          const name = `handler ${ended.push('begun')}`
          // The first one ends the nursery in the very turn in which others are begun.
          nursery.cancelScope.cancel()
          await reader.read(1).catch((error: unknown) => {
            ended.push(error instanceof Cancelled ? 'cancelled' : name)
            throw error
          })
        },
        { host, startServing: false },
      )
      clients = await Promise.all([1, 2, 3].map(() => connectPlain({ host, port: portOf(server) })))
      await server.startServing()
    })
    expect(ended.filter((each) => each === 'begun').length).toBe(ended.filter((each) => each === 'cancelled').length)
    expect(ended).toContain('begun')
    for (const { reader, writer } of clients) {
      await reader.read(1).catch(() => {}) // oxlint-disable-line no-await-in-loop -- one after the other
      writer.transport.abort()
    }
  })

  it('whose task alone is cancelled aborts its connections, and handlers hear of that', async () => {
    await openNursery(async (nursery) => {
      const begun = new Event()
      const handler = async (reader: StreamReader): Promise<void> => {
        begun.set()
        expect(await reader.read(1)).toHaveLength(0)
      }
      const server = await startServer(nursery, handler, { host })
      const [task] = nursery.childTasks
      const [reader, writer] = await connectPlain({ host, port: portOf(server) })
      await begun.wait()
      task!.cancel()
      await reader.read(1).catch(() => {})
      writer.transport.abort()
    })
  })

  it('fails with what an onConnectionError throws', async () => {
    const error = await errorOf(
      openNursery(async (nursery) => {
        const onConnectionError = (reason: unknown): void => {
          throw new Error('told', { cause: reason })
        }
        const server = await startServer(nursery, () => Promise.reject(new Error('mine')), { host, onConnectionError })
        const [, writer] = await connectPlain({ host, port: portOf(server) })
        await sleepForever().finally(() => writer.transport.abort())
      }),
    )
    expect((error as ExceptionGroup).errors).toEqual([new Error('told')])
  })

  it('fails with what a handler throws', async () => {
    const reason = new Error('mine')
    const error = await errorOf(
      openNursery(async (nursery) => {
        const server = await startServer(nursery, () => Promise.reject(reason), { host })
        const [, writer] = await connectPlain({ host, port: portOf(server) })
        try {
          await sleepForever()
        } finally {
          writer.transport.abort()
        }
      }),
    )
    expect((error as ExceptionGroup).errors).toEqual([reason])
  })

  it('goes on where there is an onConnectionError', async () => {
    const told: unknown[] = []
    await openNursery(async (nursery) => {
      const onConnectionError = (error: unknown): void => void told.push(String(error))
      const handler = async (reader: StreamReader): Promise<void> => {
        throw new Error(String(await reader.readLine()).trim())
      }
      const server = await startServer(nursery, handler, { host, onConnectionError })
      for (const text of ['one', 'two']) {
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        const [reader, writer] = await connectPlain({ host, port: portOf(server) })
        writer.write(`${text}\n`)
        expect(await reader.read(1)).toHaveLength(0) // oxlint-disable-line no-await-in-loop
        writer.close()
      }
      server.close()
    })
    expect(told).toEqual(['Error: one', 'Error: two'])
  })

  it('goes on after faults of the peer, and after handlers that were cancelled in asyncio’s way', async () => {
    const printed = jest.spyOn(console, 'error').mockImplementation(() => {})
    const controller = new AbortController()
    const handlers = [
      (reader: StreamReader) => reader.readExactly(8),
      () => Promise.reject(new CancelledError('stopped')),
      (reader: StreamReader) => reader.read(1, { signal: controller.signal }),
      () => Promise.reject(new ConnectionLostError('lost', 'somebody')),
    ]
    await openNursery(async (nursery) => {
      const server = await startServer(nursery, (reader) => handlers.shift()!(reader), { host })
      for (let i = 0; i < 4; i++) {
        const [reader, writer] = await connectPlain({ host, port: portOf(server) }) // oxlint-disable-line no-await-in-loop
        writer.writeEof()
        controller.abort()
        expect(await reader.read(1)).toHaveLength(0) // oxlint-disable-line no-await-in-loop
        writer.close()
      }
      expect(nursery.cancelScope.cancelCalled).toBe(false)
      server.close()
    })
    expect(printed.mock.calls.flat().join(' ')).toContain('read 0 of 8 bytes')
    expect(printed).toHaveBeenCalledTimes(1)
    printed.mockRestore()
  })

  it('knows a fault of the peer in a group, too, and keeps what is left of one that was cancelled', async () => {
    const printed = jest.spyOn(console, 'error').mockImplementation(() => {})
    const reason = new Error('unwinding')
    const begun = new Event()
    const error = await errorOf(
      openNursery(async (nursery) => {
        const server = await startServer(
          nursery,
          (reader) =>
            openNursery(async (inner) => {
              inner.startSoon(async () => {
                const length = Number(String(await reader.readLine()))
                if (length === 0) begun.set()
                await reader.readExactly(length || 1)
              })
              await sleepForever().catch((cancelled: unknown) => {
                throw nursery.cancelScope.cancelCalled ? reason : cancelled
              })
            }),
          { host },
        )
        const first = await connectPlain({ host, port: portOf(server) })
        first.writer.write('8\nabc')
        first.writer.writeEof()
        expect(await first.reader.read(1)).toHaveLength(0)
        first.writer.close()
        const second = await connectPlain({ host, port: portOf(server) })
        second.writer.write('0\n')
        await begun.wait()
        second.writer.transport.abort()
        nursery.cancelScope.cancel()
      }),
    )
    expect((error as ExceptionGroup).leaves()).toEqual([reason])
    expect(printed).toHaveBeenCalledTimes(1)
    printed.mockRestore()
  })

  it('aborts the connection of a peer that has taken too long to read', async () => {
    const printed = jest.spyOn(console, 'error').mockImplementation(() => {})
    await openNursery(async (nursery) => {
      const handler = async (_: StreamReader, writer: StreamWriter): Promise<void> => {
        writer.write(Buffer.alloc(50_000_000))
        await writer.drain({ timeoutMs: 5 })
      }
      const server = await startServer(nursery, handler, { host })
      const [reader, writer] = await connectPlain({ host, port: portOf(server), limit: 1000 })
      server.close()
      await server.waitClosed()
      await reader.read(-1).catch(() => {})
      writer.transport.abort()
    })
    expect(printed.mock.calls.flat().join(' ')).toContain('took longer than 5 ms')
    printed.mockRestore()
  })

  it('listens on a Unix socket, too', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-'))
    const path = join(directory, 's')
    await openNursery(async (nursery) => {
      await startServer(nursery, echo, { path })
      const [reader, writer] = await openConnection(nursery, { path })
      writer.write('hello\n')
      expect(String(await reader.readLine())).toBe('hello\n')
      nursery.cancelScope.cancel()
    })
    expect(existsSync(path)).toBe(false)
    rmSync(directory, { recursive: true })
  })

  it('refuses what is no handler', async () => {
    await openNursery(async (nursery) => {
      expect(await errorOf(startServer(nursery, 3 as never, { host }))).toBeInstanceOf(TypeError)
    })
  })
})

describe('openConnection in a nursery', () => {
  it('is closed in good order when the children have ended: all is sent', async () => {
    let received!: Promise<Buffer>
    const got = new Event()
    const server = await startPlain(
      (reader, writer) => {
        received = reader.read(-1).finally(() => writer.close())
        got.set()
      },
      { host },
    )
    await openNursery(async (nursery) => {
      const [, writer] = await openConnection(nursery, { host, port: portOf(server) })
      nursery.startSoon(async () => {
        await turn()
        writer.write(Buffer.alloc(1_000_000, 1))
      })
    })
    await got.wait()
    expect(await received).toHaveLength(1_000_000)
    server.close()
    await server.waitClosed()
  })

  it('is aborted when the nursery is cancelled, whatever is unsent', async () => {
    let closed!: StreamWriter
    await openNursery(async (outer) => {
      const server = await startServer(outer, () => sleepForever(), { host })
      await openNursery(async (nursery) => {
        const [, writer] = await openConnection(nursery, { host, port: portOf(server) })
        writer.write(Buffer.alloc(50_000_000))
        nursery.cancelScope.cancel()
        closed = writer
      })
      expect(closed.transport.getWriteBufferSize()).toBe(0)
      outer.cancelScope.cancel()
    })
  })

  it('that was lost before holds up nobody, and is no error', async () => {
    await openNursery(async (outer) => {
      const handler = async (reader: StreamReader, writer: StreamWriter): Promise<void> => {
        await reader.read(1)
        writer.transport.abort({ reset: true })
      }
      const server = await startServer(outer, handler, { host })
      await openNursery(async (nursery) => {
        const [reader, writer] = await openConnection(nursery, { host, port: portOf(server) })
        writer.write('x')
        expect(await errorOf(reader.read(1))).toBeInstanceOf(ConnectionLostError)
      })
      server.close()
    })
  })

  it('that is being closed is aborted by a cancel, whatever is unsent', async () => {
    await openNursery(async (outer) => {
      const server = await startServer(outer, () => sleepForever(), { host })
      let writer!: StreamWriter
      const scope = new CancelScope()
      await scope.run(() =>
        openNursery(async (nursery) => {
          ;({ writer } = await openConnection(nursery, { host, port: portOf(server) }))
          writer.write(Buffer.alloc(50_000_000))
          setTimeout(() => scope.cancel(), 20)
        }),
      )
      expect(scope.cancelledCaught).toBe(true)
      expect(writer.transport.getWriteBufferSize()).toBe(0)
      outer.cancelScope.cancel()
    })
  })

  it('that is lost while it is closed is no error', async () => {
    let lost!: StreamWriter
    await openNursery(async (outer) => {
      const handler = async (_: StreamReader, writer: StreamWriter): Promise<void> => {
        await sleep(20)
        writer.transport.abort({ reset: true })
      }
      const server = await startServer(outer, handler, { host })
      await openNursery(async (nursery) => {
        const [, writer] = await openConnection(nursery, { host, port: portOf(server) })
        writer.write(Buffer.alloc(50_000_000))
        lost = writer
      })
      expect(lost.transport.isClosing()).toBe(true)
      server.close()
    })
  })

  it('is closed if the nursery ends while it connects', async () => {
    await openNursery(async (outer) => {
      const server = await startServer(outer, echo, { host })
      let late!: Promise<unknown>
      await openNursery(async (nursery) => {
        // Its wait is not the nursery's.
        late = openConnection(nursery, { host, port: portOf(server), scope: outer.cancelScope })
        void late.catch(() => {})
      })
      expect(await errorOf(late)).toBeInstanceOf(InvalidStateError)
      server.close()
    })
  })

  it('is refused by a nursery that is closed', async () => {
    let kept!: Nursery
    await openNursery(async (nursery) => void (kept = nursery))
    expect(await errorOf(openConnection(kept, { host, port: 1 }))).toBeInstanceOf(InvalidStateError)
  })
})

describe('closeWith', () => {
  const resource = (log: string[], name = 'closed') => ({
    [Symbol.asyncDispose]: async () => {
      await turn()
      log.push(name)
    },
  })

  it('disposes of it when all children have ended, and the nursery waits for that', async () => {
    const log: string[] = []
    await openNursery(async (nursery) => {
      expect(closeWith(nursery, resource(log))).toHaveProperty([Symbol.asyncDispose])
      nursery.startSoon(async () => {
        await turn()
        log.push('child')
      })
    })
    expect(log).toEqual(['child', 'closed'])
  })

  it('disposes of it as soon as the nursery is cancelled; aborts first what can be', async () => {
    const log: string[] = []
    const scope = new CancelScope()
    await scope.run(() =>
      openNursery(async (nursery) => {
        closeWith(nursery, { ...resource(log), abort: () => log.push('abort') })
        closeWith(nursery, { [Symbol.dispose]: () => log.push('sync') })
        scope.cancel()
        log.push('cancelled')
        closeWith(nursery, { [Symbol.dispose]: () => log.push('late') })
      }),
    )
    expect(log).toEqual(['abort', 'sync', 'cancelled', 'late', 'closed'])
  })

  it('aborts one whose disposal is under way', async () => {
    const log: string[] = []
    const scope = new CancelScope()
    class Slow {
      readonly #aborted = new Event()
      abort(): void {
        log.push('abort')
        this.#aborted.set()
      }
      async [Symbol.asyncDispose](): Promise<void> {
        log.push('begins')
        scope.cancel()
        await this.#aborted.wait()
        log.push('ends')
      }
    }
    await scope.run(() => openNursery(async (nursery) => void closeWith(nursery, new Slow())))
    expect(log).toEqual(['begins', 'abort', 'ends'])
  })

  it('disposes of what can be disposed of in both ways in the one that can be waited for', async () => {
    const log: string[] = []
    await openNursery(async (nursery) => {
      closeWith(nursery, { ...resource(log, 'async'), [Symbol.dispose]: () => log.push('sync') })
    })
    expect(log).toEqual(['async'])
  })

  it('has what it fails with as an error of the nursery', async () => {
    const reason = new Error('disposal')
    for (const cancelled of [false, true]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const error = await errorOf(
        openNursery(async (nursery) => {
          closeWith(nursery, { [Symbol.asyncDispose]: () => Promise.reject(reason) })
          if (cancelled) nursery.cancelScope.cancel()
        }),
      )
      expect((error as ExceptionGroup).errors).toEqual([reason])
    }
  })

  it('has what its abort fails with as an error of the nursery, and disposes of it', async () => {
    const log: string[] = []
    const abort = (): void => {
      throw new Error('abort')
    }
    const error = await errorOf(
      openNursery(async (nursery) => {
        closeWith(nursery, { ...resource(log), abort })
        nursery.cancelScope.cancel()
      }),
    )
    expect((error as ExceptionGroup).errors).toEqual([new Error('abort')])
    expect(log).toEqual(['closed'])
  })

  it('refuses what cannot be disposed of', async () => {
    await openNursery(async (nursery) => {
      expect(() => closeWith(nursery, {} as never)).toThrow(TypeError)
    })
  })
})
