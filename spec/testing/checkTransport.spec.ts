import { mkdtempSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CompressedTransport } from '../../lib/compression/index.ts'
import {
  connectDuplex,
  connectReadPipe,
  connectWritePipe,
  createConnection,
  createServer,
  createUnixConnection,
  createUnixServer,
  TransportWrapper,
  type AnyProtocol,
  type Server,
  type Transport,
} from '../../lib/index.ts'
import { turned } from '../../lib/testing/checkTwoWay.ts'
import {
  checkHalfCloseable,
  checkOneWay,
  checkTransport,
  checkTwoWay,
  Clog,
  memoryPair,
  oneWayChecks,
  RecordingProtocol,
  transportChecks,
  type MakeOneWay,
  type MakePair,
} from '../../lib/testing/index.ts'
import { JoinedDuplex } from '../../lib/transports/joinedDuplex.ts'
import { CrossedDuplex } from '../support/crossedDuplexes.ts'
import { netDial, netListen } from '../support/netTools.ts'
import { systemPipe } from '../support/systemPipe.ts'

const quiet = { onConnectionError: () => {} }

/** Servers that the next connection is given a protocol by. */
const servers: Server[] = []
const directory = mkdtempSync(join(tmpdir(), 'millrace-'))
afterAll(async () => {
  for (const server of servers) server.close()
  await Promise.all(servers.map((server) => server.waitClosed()))
  rmSync(directory, { recursive: true })
})

/** Makes pairs through a server that is started once. */
function overServer(
  listen: (factory: () => AnyProtocol) => Promise<Server>,
  dial: (factory: () => AnyProtocol, server: Server) => Promise<[Transport, AnyProtocol]>,
): MakePair {
  let next: AnyProtocol
  let accepted: (transport: Transport) => void
  let server: Promise<Server> | undefined
  return async (clientProtocol, serverProtocol) => {
    server ??= listen(() => {
      // What connectionMade is given is the server's end.
      const made = next as { connectionMade?: (transport: Transport) => void }
      const original = made.connectionMade?.bind(next)
      made.connectionMade = (transport) => {
        original?.(transport)
        accepted(transport)
      }
      return next
    })
    if (!servers.includes(await server)) servers.push(await server)
    next = serverProtocol
    const serverEnd = new Promise<Transport>((resolve) => (accepted = resolve))
    const [client] = await dial(() => clientProtocol, await server)
    return [client, await serverEnd]
  }
}

const pairs: Record<string, MakePair> = {
  'a TCP socket': overServer(
    (factory) => createServer(factory, { host: '127.0.0.1', port: 0, ...quiet }),
    (factory, server) => createConnection(factory, { host: '127.0.0.1', port: server.sockets[0]!.port, ...quiet }),
  ),
  'a Unix socket': overServer(
    (factory) => createUnixServer(factory, { path: join(directory, 'socket'), ...quiet }),
    (factory, server) => createUnixConnection(factory, { path: server.sockets[0]!.address, ...quiet }),
  ),
  'two crossed Duplexes': async (client, server) => {
    const [a, b] = CrossedDuplex.pair()
    return [connectDuplex(() => client, a, quiet)[0], connectDuplex(() => server, b, quiet)[0]]
  },
  'sockets as plain Duplexes': async (client, server) => {
    const { address, accepted } = await netListen('tcp', { reading: false })
    const [near, far] = [await netDial(address, { reading: false }), await accepted()]
    return [connectDuplex(() => client, near.socket, quiet)[0], connectDuplex(() => server, far.socket, quiet)[0]]
  },
  'pipes of the system': async (client, server) => {
    const [there, back] = [systemPipe(), systemPipe()]
    const end = (readFrom: number, writeTo: number): JoinedDuplex =>
      new JoinedDuplex(
        new Socket({ fd: readFrom, readable: true, writable: false }),
        new Socket({ fd: writeTo, readable: false, writable: true }),
      )
    return [
      connectDuplex(() => client, end(back.reading, there.writing), quiet)[0],
      connectDuplex(() => server, end(there.reading, back.writing), quiet)[0],
    ]
  },
  'the memory pair': async (client, server) => memoryPair(client, server, quiet),
  'the memory pair, byte by byte': async (client, server) =>
    memoryPair(client, server, { chunkSize: 5000, pipeSize: 1000, latencyMs: 0.1, ...quiet }),
  'the memory pair in lockstep': async (client, server) => memoryPair(client, server, { lockstep: true, ...quiet }),
  'the memory pair, clogged where it may be': Object.assign(
    (async (client, server) => memoryPair(client, server, quiet)) as MakePair,
    {
      clogged: (async (client, server) => memoryPair(client, server, { clog: new Clog(), ...quiet })) as MakePair,
    },
  ),
}

/** What can only be written to at one end, and read from at the other. */
const ways: Record<string, MakeOneWay> = {
  'a pipe of the system': async (writer, reader) => {
    const { reading, writing } = systemPipe()
    return [connectWritePipe(() => writer, writing, quiet)[0], connectReadPipe(() => reader, reading, quiet)[0]]
  },
  'a stream of Node': async (writer, reader) => {
    const [near, far] = CrossedDuplex.pair()
    return [connectWritePipe(() => writer, near, quiet)[0], connectReadPipe(() => reader, far, quiet)[0]]
  },
}

for (const [name, makePair] of Object.entries(ways)) {
  describe(`checkOneWay over ${name}`, () => {
    for (const check of oneWayChecks) it(check.name, () => check.run(makePair))
  })
}

describe.each(['a TCP socket', 'the memory pair in lockstep', 'the memory pair, clogged where it may be'])(
  'checkOneWay, the server writing, over %s',
  (name) => {
    const back = turned(pairs[name]!)
    for (const check of oneWayChecks) it(check.name, () => check.run(back))
  },
)

for (const [name, makePair] of Object.entries(pairs)) {
  describe(`checkTransport over ${name}`, () => {
    for (const check of transportChecks) it(check.name, () => check.run(makePair))
  })
}

describe.each(['a TCP socket', 'the memory pair'])('checkTransport over a CompressedTransport over %s', (below) => {
  const compress: MakePair = async (client, server) => {
    const ends = await pairs[below]!({}, {})
    const layers = ends.map((end, i) => new CompressedTransport(end, i === 0 ? client : server, quiet))
    for (const layer of layers) layer.start()
    return [layers[0]!, layers[1]!]
  }
  for (const check of transportChecks) it(check.name, () => check.run(compress))
})

describe('checkTransport over a TransportWrapper', () => {
  const wrap: MakePair = async (client, server) => {
    const ends = await pairs['a TCP socket']!(client, server)
    const wrappers: [Transport, Transport] = [new TransportWrapper(ends[0]), new TransportWrapper(ends[1])]
    for (const [i, protocol] of [client, server].entries()) {
      if (protocol instanceof RecordingProtocol) protocol.transport = wrappers[i]!
    }
    return wrappers
  }
  for (const check of transportChecks) it(check.name, () => check.run(wrap))
})

describe('checkTransport', () => {
  class Reversing extends TransportWrapper {
    override write(data: Uint8Array | string): void {
      super.write(Buffer.from(data as Uint8Array).reverse())
    }
  }

  it('runs all the checks', async () => {
    await expect(checkTransport(pairs['the memory pair']!)).resolves.toBeUndefined()
  })

  it('is made of lists that can be run by themselves', async () => {
    const makePair = pairs['the memory pair']!
    await checkOneWay(makePair)
    await checkTwoWay(makePair)
    await checkHalfCloseable(makePair)
  })

  it('checkTwoWay tries the other direction, too', async () => {
    const backwards: MakePair = async (client, server) => {
      const [a, b] = memoryPair(client, server, quiet)
      if (server instanceof RecordingProtocol) server.transport = new Reversing(b)
      return [a, b]
    }
    await checkOneWay(backwards)
    await expect(checkTwoWay(backwards)).rejects.toThrow(/delivers all bytes in order/)
  })

  it('checkHalfCloseable fails for a transport that cannot', async () => {
    class Whole extends TransportWrapper {
      override canWriteEof(): boolean {
        return false
      }
    }
    const whole: MakePair = async (client, server) => {
      const [a, b] = memoryPair(client, server, quiet)
      if (client instanceof RecordingProtocol) client.transport = new Whole(a)
      return [a, b]
    }
    await expect(checkHalfCloseable(whole)).rejects.toThrow('says that it can end its writing alone')
  })

  it('names the check that a wrong transport fails', async () => {
    const reversing: MakePair = async (client, server) => {
      const [a, b] = memoryPair(client, server, quiet)
      if (client instanceof RecordingProtocol) client.transport = new Reversing(a)
      return [a, b]
    }
    await expect(checkTransport(reversing)).rejects.toThrow(/delivers all bytes in order/)
  })
})
