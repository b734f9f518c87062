import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FrameTooLargeError, InvalidStateError } from '../../lib/errors.ts'
import { createServer as listen, createUnixServer } from '../../lib/endpoints/listen.ts'
import type { Server } from '../../lib/endpoints/server.ts'
import { Protocol } from '../../lib/protocol.ts'
import type { Transport } from '../../lib/transport.ts'
import { CancelScope } from '../../lib/structured/cancelScope.ts'
import { createConnection } from '../../lib/structured/createConnection.ts'
import { currentAsyncLibrary, currentScope } from '../../lib/structured/current.ts'
import { Cancelled } from '../../lib/structured/errors.ts'
import { Event } from '../../lib/structured/event.ts'
import type { ExceptionGroup } from '../../lib/structured/exceptionGroup.ts'
import { openNursery, type Nursery } from '../../lib/structured/nursery.ts'
import { sleepForever } from '../../lib/structured/sleep.ts'
import { Leftovers } from '../support/leftovers.ts'
import { ca, certified } from '../support/tlsFixtures.ts'

const host = '127.0.0.1'
const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => {
      throw new Error(`resolved with ${String(value)}`)
    },
    (error: unknown) => error,
  )

class Echo extends Protocol {
  protected transport!: Transport
  override connectionMade(transport: Transport): void {
    this.transport = transport
  }
  override dataReceived(data: Buffer): void {
    this.transport.write(data)
  }
}

/** Says what becomes of it, and in whose flavour. */
class Client extends Protocol {
  readonly events: unknown[] = []
  readonly received = new Event()
  readonly lost = new Event()
  transport!: Transport
  override connectionMade(transport: Transport): void {
    this.transport = transport
    this.events.push(`made in ${currentAsyncLibrary()}`)
  }
  override dataReceived(data: Buffer): void {
    this.events.push(`${String(data)} in ${currentAsyncLibrary()}`)
    this.received.set()
    if (String(data) === 'throw') throw new Error('thrown by the protocol')
    if (String(data) === 'frame') throw new FrameTooLargeError(2, 1)
  }
  override connectionLost(error: Error | null): void {
    this.events.push(['lost', error?.message ?? null, currentScope() !== undefined])
    this.lost.set()
  }
}

let leftovers: Leftovers
let server: Server
let port: number
beforeEach(async () => {
  leftovers = new Leftovers()
  server = await listen(Echo, { host, port: 0 })
  port = server.sockets[0]!.port
})
afterEach(async () => {
  server.close()
  await server.waitClosed()
  await leftovers.gone()
})

describe('createConnection in a nursery', () => {
  it('is closed in good order when the children have ended, and the nursery ends behind connectionLost', async () => {
    const protocol = await openNursery(async (nursery) => {
      const [transport, made] = await createConnection(nursery, Client, { host, port })
      expect(made.transport).toBe(transport)
      nursery.startSoon(async () => {
        transport.write('hello')
        await made.received.wait()
      })
      return made
    })
    expect(protocol.events).toEqual(['made in asyncio', 'hello in asyncio', ['lost', null, true]])
  })

  it('is aborted when the nursery is cancelled, whatever is unsent', async () => {
    const protocol = await openNursery(async (nursery) => {
      const [transport, made] = await createConnection(nursery, Client, { host, port })
      transport.write(Buffer.alloc(50_000_000))
      nursery.cancelScope.cancel()
      return made
    })
    expect(protocol.events.at(-1)).toEqual(['lost', null, true])
  })

  it('is so after startTls, and where nothing is ambient', async () => {
    const upgrading = await listen(
      class extends Echo {
        override dataReceived(): void {
          this.transport.write('go')
          void this.transport
            .flush()
            .then(() => this.transport.startTls({ tls: certified('localhost'), serverSide: true }))
            // The client may abort before the end of the handshake is seen here.
            .catch(() => {})
        }
      },
      { host, port: 0 },
    )
    const protocol = await openNursery(async (nursery) => {
      const [transport, made] = await createConnection(nursery, Client, { host, port: upgrading.sockets[0]!.port })
      transport.write('tls')
      await made.received.wait()
      const secured = await transport.startTls({ tls: { ca }, serverHostname: 'localhost' })
      expect(secured.getExtraInfo('cipher')).not.toBeNull()
      expect(secured.getProtocol()).toBe(made)
      nursery.cancelScope.cancel()
      return made
    })
    expect(protocol.events.at(-1)).toEqual(['lost', null, true])
    upgrading.close()
    await upgrading.waitClosed()

    const lost: unknown[] = []
    await openNursery(
      async (nursery) => {
        const plain = { connectionLost: (error: Error | null) => void lost.push(error) }
        await createConnection(nursery, () => plain, { host, port })
        nursery.cancelScope.cancel()
      },
      { ambient: false },
    )
    expect(lost).toEqual([null])
  })

  it('fails the nursery with what the protocol throws, unless somebody is told; a fault of the peer ends nothing', async () => {
    const made: Client[] = []
    const factory = (): Client => {
      made.push(new Client())
      return made.at(-1)!
    }
    const error = await errorOf(
      openNursery(async (nursery) => {
        const [transport] = await createConnection(nursery, factory, { host, port })
        transport.write('throw')
        await sleepForever()
      }),
    )
    expect((error as ExceptionGroup).errors.map(String)).toEqual(['Error: thrown by the protocol'])
    expect(made[0]!.events.at(-1)).toEqual(['lost', 'thrown by the protocol', true])

    const told: unknown[] = []
    const printed = jest.spyOn(console, 'error').mockImplementation(() => {})
    await openNursery(async (nursery) => {
      const onConnectionError = (thrown: unknown): void => void told.push(String(thrown))
      const [transport, client] = await createConnection(nursery, factory, { host, port, onConnectionError })
      transport.write('throw')
      await client.lost.wait()
      const [second, other] = await createConnection(nursery, factory, { host, port })
      second.write('frame')
      await other.lost.wait()
      expect(nursery.cancelScope.cancelCalled).toBe(false)
    })
    expect(told).toEqual(['Error: thrown by the protocol'])
    expect(printed.mock.calls.flat().join(' ')).toContain('FRAME_TOO_LARGE')
    printed.mockRestore()
  })

  it('rejects where nobody listens; is a checkpoint; and is refused by a nursery that is closed', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-'))
    let kept!: Nursery
    await openNursery(async (nursery) => {
      kept = nursery
      expect(await errorOf(createConnection(nursery, Client, { path: join(directory, 'none') }))).toMatchObject({
        code: 'ERR_MILLRACE_CONNECT',
      })
      const scope = new CancelScope()
      await scope.run(async () => {
        scope.cancel()
        expect(await errorOf(createConnection(nursery, Client, { host, port }))).toBeInstanceOf(Cancelled)
      })
    })
    expect(await errorOf(createConnection(kept, Client, { host, port }))).toBeInstanceOf(InvalidStateError)
    rmSync(directory, { recursive: true })
  })

  it('connects to a Unix socket, tells of the loss whoever asked, and may be lost before', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-'))
    const path = join(directory, 's')
    const unix = await createUnixServer(Echo, { path })
    const told: unknown[] = []
    await openNursery(async (nursery) => {
      const onConnectionLost = (error: unknown): void => void told.push(error)
      const [transport, client] = await createConnection(nursery, Client, { path, onConnectionLost })
      transport.close()
      await client.lost.wait()
    })
    expect(told).toEqual([null])
    unix.close()
    await unix.waitClosed()
    rmSync(directory, { recursive: true })
  })
})
