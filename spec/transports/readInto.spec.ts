import { randomBytes } from 'node:crypto'
import * as net from 'node:net'
import { createConnection } from '../../lib/endpoints/connect.ts'
import { createServer } from '../../lib/endpoints/listen.ts'
import { BufferedProtocol, Protocol, type AnyProtocol } from '../../lib/protocol.ts'
import type { Transport } from '../../lib/transport.ts'
import { readInto } from '../../lib/transports/readInto.ts'
import {
  netConnection,
  netDefer,
  netDial,
  netListen,
  netPromise,
  NetRecorder,
  netRoundTrip,
  netServe,
  netTurns,
  NetWatched,
  type NetPeer,
} from '../support/netTools.ts'
import { ca, certified } from '../support/tlsFixtures.ts'

const HOST = '127.0.0.1'

/** Reads into blocks of `size` bytes, and keeps what came and how it was asked for. */
class Blocks extends BufferedProtocol {
  transport!: Transport
  readonly #size: number
  #block = Buffer.alloc(0)
  readonly parts: Buffer[] = []
  readonly hints: number[] = []
  received = 0
  lost: Error | null | undefined
  readonly #watched = new NetWatched()
  onUpdate = (): void => {}

  constructor(size = 64 * 1024) {
    super()
    this.#size = size
  }
  override connectionMade(transport: Transport): void {
    this.transport = transport
  }
  override getBuffer(hint: number): Uint8Array {
    this.hints.push(hint)
    return (this.#block = Buffer.alloc(this.#size))
  }
  override bufferUpdated(n: number): void {
    this.parts.push(this.#block.subarray(0, n))
    this.received += n
    this.onUpdate()
    this.#watched.changed()
  }
  override connectionLost(error: Error | null): void {
    this.lost = error
    this.#watched.changed()
  }
  get bytes(): Buffer {
    return Buffer.concat(this.parts)
  }
  /** How often the system was lent memory. */
  get direct(): number {
    return this.hints.filter((hint) => hint === -1).length
  }
  until(condition: () => boolean): Promise<void> {
    return this.#watched.until(condition)
  }
  get ended(): Promise<void> {
    return this.until(() => this.lost !== undefined)
  }
}

const bulk = randomBytes(3_000_000)

/** What a protocol becomes connected to, and how the other end sends. */
type Wire = (protocol: AnyProtocol, bytes: Buffer) => Promise<unknown>

const wires: [name: string, wire: Wire][] = [
  [
    'an accepted connection',
    async (protocol, bytes) => {
      const { address } = await netServe(() => protocol)
      const peer = await netDial(address)
      peer.socket.end(bytes)
    },
  ],
  [
    'an accepted Unix connection',
    async (protocol, bytes) => {
      const { address } = await netServe(() => protocol, 'unix')
      const peer = await netDial(address)
      peer.socket.end(bytes)
    },
  ],
  [
    'a connection of ours, by a factory',
    async (protocol, bytes) => {
      const { peer } = await netConnection('tcp', 'client', protocol)
      peer.socket.end(bytes)
    },
  ],
  [
    'a connection of ours, by a class',
    async (protocol, bytes) => {
      const { address, accepted } = await netListen('tcp')
      // A class that makes what it was given: to `createConnection` it is a class like any other.
      class Given extends Blocks {
        constructor() {
          super()
          return protocol as Given
        }
      }
      const [transport] = await createConnection(Given, { host: HOST, ...(address as { port: number }) })
      netDefer(() => transport.abort())
      ;(await accepted()).socket.end(bytes)
    },
  ],
  [
    'a TLS connection',
    async (protocol, bytes) => {
      const { port } = await netServe(() => protocol, 'tcp', { tls: certified('localhost') })
      const [transport] = await createConnection(Protocol, {
        host: HOST,
        port,
        tls: { ca },
        serverHostname: 'localhost',
      })
      netDefer(() => transport.abort())
      transport.write(bytes)
      transport.close()
    },
  ],
]

describe.each(wires)('a buffered protocol over %s', (_name, wire) => {
  it('lends its memory to the system for bytes in bulk (A18)', async () => {
    const blocks = new Blocks()
    await wire(blocks, bulk)
    await blocks.ended
    expect(blocks.lost).toBeNull()
    expect(blocks.bytes.equals(bulk)).toBe(true)
    expect(blocks.direct).toBeGreaterThan(10)
  })

  it('is asked for memory when there are bytes for it, if they are few', async () => {
    const blocks = new Blocks()
    await wire(blocks, Buffer.from('few'))
    await blocks.ended
    expect(blocks.hints).toEqual([3])
    expect(blocks.bytes.toString()).toBe('few')
  })

  it('may pause at any piece, from inside and from outside', async () => {
    const blocks = new Blocks()
    let pieces = 0
    const resumeLater = (): void => {
      blocks.transport.pauseReading()
      setImmediate(() => blocks.transport.resumeReading())
    }
    blocks.onUpdate = () => {
      pieces++
      if (pieces % 3 === 0) resumeLater()
      if (pieces % 5 === 0) setImmediate(resumeLater)
    }
    await wire(blocks, bulk)
    await blocks.ended
    expect(blocks.bytes.equals(bulk)).toBe(true)
  })

  it('may be replaced at any piece, by either kind', async () => {
    const all: Buffer[] = []
    let size = 0
    let turn = 0
    const end = netPromise()
    let transport!: Transport
    let lent: Buffer | undefined
    const next = (): AnyProtocol => (++turn % 3 === 0 ? plain() : buffered())
    const take = (bytes: Buffer): void => {
      all.push(bytes)
      size += bytes.length
      if (all.length % 4 === 0) transport.setProtocol(next())
      // Between two reads: what is lent to the system by then is not the new one's.
      if (all.length % 4 === 2) setImmediate(() => transport.setProtocol(next()))
    }
    const plain = (): AnyProtocol => ({
      connectionMade: (made) => void (transport = made),
      dataReceived: take,
      connectionLost: () => end.resolve(),
    })
    const buffered = (): AnyProtocol => {
      let mine: Buffer | undefined
      return {
        connectionMade: (made) => void (transport = made),
        getBuffer: () => (mine = lent = Buffer.alloc(50_000)),
        bufferUpdated: (n) => {
          // Of the protocol that was asked last.
          expect(mine).toBe(lent)
          take(Buffer.from(mine!.subarray(0, n)))
        },
        connectionLost: () => end.resolve(),
      }
    }
    await wire(buffered(), bulk)
    await end.promise
    expect(size).toBe(bulk.length)
    expect(Buffer.concat(all).equals(bulk)).toBe(true)
  })

  it('may close at a piece; then nothing more is asked or told', async () => {
    const blocks = new Blocks()
    blocks.onUpdate = () => {
      if (blocks.parts.length === 4) blocks.transport.close()
    }
    await wire(blocks, bulk)
    await blocks.ended
    expect(blocks.parts).toHaveLength(4)
    expect(blocks.hints).toHaveLength(4)
  })
})

describe('memory that is asked for ahead', () => {
  async function connected(protocol: AnyProtocol, send: Buffer[], sent: () => Promise<void>): Promise<unknown[]> {
    const { address, errors } = await netServe(() => protocol)
    const peer = await netDial(address)
    for (const bytes of send) {
      peer.socket.write(bytes)
      await sent()
    }
    peer.socket.end()
    return errors
  }

  it.each([
    ['is empty', (): Uint8Array => Buffer.alloc(0)],
    [
      'is refused',
      (): Uint8Array => {
        throw new RangeError('getBuffer() has had enough')
      },
    ],
  ])('and %s is no error if no bytes come for it, and fatal if some do', async (_name, refuse) => {
    class Full extends Blocks {
      override getBuffer(hint: number): Uint8Array {
        return this.received < 40_000 ? super.getBuffer(hint) : refuse()
      }
    }
    const content = new Full(20_000)
    await connected(content, [bulk.subarray(0, 40_000)], () => content.until(() => content.received === 40_000))
    await content.ended
    expect(content.lost).toBeNull()

    const greedy = new Full(20_000)
    const errors = await connected(greedy, [bulk.subarray(0, 40_000), Buffer.from('more')], () =>
      greedy.until(() => greedy.received === 40_000),
    )
    await greedy.ended
    expect(greedy.lost).toBeInstanceOf(RangeError)
    expect(errors).toEqual([expect.objectContaining({ error: greedy.lost })])
  })

  it('is not held by a connection on which little comes', async () => {
    const blocks = new Blocks()
    let expected = 0
    const pieces = [bulk.subarray(0, 100_000), Buffer.from('x'), Buffer.from('y')]
    await connected(blocks, pieces, () => {
      expected = expected === 0 ? 100_000 : expected + 1
      return blocks.until(() => blocks.received === expected)
    })
    await blocks.ended
    expect(blocks.bytes.subarray(100_000).toString()).toBe('xy')
    // Memory was lent for the first of the two, behind bytes in bulk, and not for the second.
    expect(blocks.hints.at(-1)).toBe(1)
  })

  it('may be one buffer for all connections: it is filled and told of in one go', async () => {
    const shared = Buffer.alloc(64 * 1024)
    const made: Shared[] = []
    class Shared extends Blocks {
      constructor() {
        super()
        made.push(this)
      }
      override getBuffer(): Uint8Array {
        return shared
      }
      override bufferUpdated(n: number): void {
        this.parts.push(Buffer.from(shared.subarray(0, n)))
      }
    }
    const server = await createServer(Shared, { host: HOST })
    netDefer(() => server.close())
    const contents = [1, 2, 3].map((fill) => Buffer.alloc(1_000_000, fill))
    const peers = await Promise.all(contents.map(() => netDial({ port: server.sockets[0]!.port })))
    peers.forEach((peer, i) => peer.socket.end(contents[i]!))
    await Promise.all(peers.map((peer) => peer.until(() => peer.closed)))
    await server.close({ graceMs: 10_000 })
    expect(made).toHaveLength(3)
    for (const each of made) expect(contents.some((content) => content.equals(each.bytes))).toBe(true)
    expect(new Set(made.map(({ parts }) => parts[0]![0])).size).toBe(3)
  })
})

describe('memory that was lent', () => {
  /** A connection on which bytes have come in bulk: the memory of its protocol is lent for the next. */
  async function lending(blocks: Blocks): Promise<{ peer: NetPeer; lent: () => Buffer }> {
    let lent!: Buffer
    const ask = blocks.getBuffer.bind(blocks)
    blocks.getBuffer = (hint) => {
      const memory = ask(hint) as Buffer
      if (hint === -1) lent = memory
      return memory
    }
    const { peer } = await netConnection('tcp', 'server', blocks, { reading: false })
    peer.socket.write(bulk.subarray(0, 30_000))
    await blocks.until(() => blocks.received === 30_000)
    await netTurns()
    return { peer, lent: () => lent }
  }

  it('is not written to when another protocol has come', async () => {
    const blocks = new Blocks()
    const { peer, lent } = await lending(blocks)
    const next = new NetRecorder()
    blocks.transport.setProtocol(next)
    peer.socket.write(bulk.subarray(0, 1000))
    await next.until(() => next.size === 1000)
    expect(Buffer.concat(next.chunks).equals(bulk.subarray(0, 1000))).toBe(true)
    expect(lent().every((byte) => byte === 0)).toBe(true)
    // Back again, it is lent anew.
    blocks.transport.setProtocol(blocks)
    peer.socket.end(bulk)
    await blocks.ended
    expect(blocks.bytes.subarray(30_000).equals(bulk)).toBe(true)
    expect(blocks.direct).toBeGreaterThan(10)
  })

  it('is not written to after connectionLost, though what comes is dropped in the background', async () => {
    const blocks = new Blocks(20_000)
    const { peer, lent } = await lending(blocks)
    blocks.transport.pauseReading()
    blocks.transport.write(bulk.subarray(0, 200_000))
    blocks.transport.close()
    await blocks.ended
    peer.socket.write(bulk)
    await netRoundTrip()
    expect(lent().every((byte) => byte === 0)).toBe(true)
    // All of it is dropped, and not only the first piece: else the answer would be lost to a reset.
    peer.socket.end()
    peer.read()
    await peer.until(() => peer.closed)
    expect([peer.error, peer.size]).toEqual([undefined, 200_000])
  })

  it('is not lent as long as there are bytes that have come before', async () => {
    // Taken over in the middle of reading: what was read waits for a turn, and more comes meanwhile.
    const { address, accepted } = await netListen('tcp')
    const socket = net.connect({ ...(address as { port: number }), host: HOST })
    socket.pause()
    const peer = await accepted()
    peer.socket.end(bulk)
    await netRoundTrip()
    // A message in one block, each part behind the last.
    const block = Buffer.alloc(bulk.length)
    let filled = 0
    const end = netPromise()
    const message: AnyProtocol = {
      getBuffer: () => block.subarray(filled),
      bufferUpdated: (n) => void (filled += n),
      connectionLost: () => end.resolve(),
    }
    socket.once('readable', () => void createConnection(() => message, { sock: socket }))
    await end.promise
    expect(filled).toBe(bulk.length)
    expect(block.equals(bulk)).toBe(true)
  })

  it('must be of bytes: what is not is fatal, and not filled', async () => {
    class Words extends Blocks {
      override getBuffer(hint: number): Uint8Array {
        return hint === -1 ? (new ArrayBuffer(1000) as unknown as Uint8Array) : super.getBuffer(hint)
      }
    }
    const words = new Words()
    const { peer } = await netConnection('tcp', 'server', words)
    peer.socket.end(bulk)
    await words.ended
    expect(words.bytes.equals(bulk)).toBe(true)
  })

  it.each([false, true])('is no obstacle to startTls (tlsRequireCloseNotify: %s)', async (tlsRequireCloseNotify) => {
    const [near, far] = [new Blocks(), new Blocks()]
    class Near extends Blocks {
      constructor() {
        super()
        return near as Near
      }
    }
    const { port } = await netServe(() => far)
    const [transport] = await createConnection(Near, { host: HOST, port })
    const options = { tlsRequireCloseNotify }
    const plain = bulk.subarray(0, 40_000)
    transport.write(plain)
    await far.until(() => far.received === plain.length)
    const [client, server] = await Promise.all([
      transport.startTls({ ...options, tls: { ca }, serverHostname: 'localhost' }),
      far.transport.startTls({ ...options, tls: certified('localhost'), serverSide: true }),
    ])
    server.write(bulk)
    client.write(bulk)
    await Promise.all([far.until(() => far.received === 3_040_000), near.until(() => near.received === 3_000_000)])
    expect(near.bytes.equals(bulk)).toBe(true)
    expect(far.bytes.equals(Buffer.concat([plain, bulk]))).toBe(true)
    client.close()
    await Promise.all([near.ended, far.ended])
  })
})

describe('readInto', () => {
  it('says no where the socket cannot; then the bytes are copied into the memory', async () => {
    const { address, accepted } = await netListen('tcp')
    const socket = net.connect({ port: (address as { port: number }).port, host: HOST })
    await new Promise((resolve) => socket.once('connect', resolve))
    Object.assign((socket as unknown as { _handle: object })._handle, { useUserBuffer: undefined })
    expect(readInto(socket, { buffer: () => Buffer.alloc(1), callback: () => true })).toBe(false)
    const blocks = new Blocks()
    await createConnection(() => blocks, { sock: socket })
    ;(await accepted()).socket.end(bulk)
    await blocks.ended
    expect(blocks.bytes.equals(bulk)).toBe(true)
    expect(blocks.direct).toBe(0)
  })
})
