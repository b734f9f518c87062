/**
 * A peer that misbehaves, at any stage of a connection and on either side of it: the documented error, one
 * `connectionLost` if there was a `connectionMade`, and nothing that is left behind.
 */
import * as net from 'node:net'
import * as tls from 'node:tls'
import { createConnection } from '../../lib/endpoints/connect.ts'
import { createServer } from '../../lib/endpoints/listen.ts'
import type { Server } from '../../lib/endpoints/server.ts'
import { ConnectError, ConnectionLostError, TimeoutError, TlsHandshakeError } from '../../lib/errors.ts'
import { JoinedDuplex } from '../../lib/transports/joinedDuplex.ts'
import { Leftovers } from '../support/leftovers.ts'
import { netError, netPromise, NetRecorder, netRoundTrip } from '../support/netTools.ts'
import { ca, certified } from '../support/tlsFixtures.ts'

const HOST = '127.0.0.1'
// Long enough for the peer that behaves, on a machine that has other things to do.
const TIMES = { tlsHandshakeTimeoutMs: 300, tlsShutdownTimeoutMs: 100 }
const IDLE_MS = 200
// The system's buffers grow while they are filled, at their leisure, up to some 36 MB where they are large.
const MORE_THAN_IS_HELD = 64_000_000
const GARBAGE = Buffer.alloc(64 * 1024, 'garbage ')

type Side = 'server' | 'client'
type Wire = 'plain' | 'TLS'
type Behaviour = 'resets' | 'ends' | 'is silent' | 'floods'
const SIDES: Side[] = ['server', 'client']
const BEHAVIOURS: Behaviour[] = ['resets', 'ends', 'is silent', 'floods']

/** Does it, over the bare socket; a flood goes on until the socket takes no more, and again whenever it does. */
function misbehave(raw: net.Socket, how: Behaviour, write = (): boolean => raw.write(GARBAGE)): void {
  if (how === 'resets') raw.resetAndDestroy()
  if (how === 'ends') raw.end()
  if (how !== 'floods') return
  const flood = (): void => {
    while (!raw.destroyed && write());
  }
  raw.on('drain', flood)
  flood()
}

/** The first bytes of a handshake, but not all of its first message. */
async function begunHandshake(): Promise<Buffer> {
  const captured = netPromise<Buffer>()
  const [near, far] = [new net.Socket(), new net.Socket()]
  const wire = new JoinedDuplex(near, near)
  wire._write = (chunk: Buffer, _encoding, callback) => {
    captured.resolve(chunk)
    callback()
  }
  const secured = tls.connect({ socket: wire, servername: 'localhost' })
  secured.on('error', () => {})
  const hello = await captured.promise
  secured.destroy()
  far.destroy()
  return hello.subarray(0, hello.length / 2)
}

/** One end is ours, by `recorder`; the other is a bare socket, `raw`, with TLS above it where that is asked for. */
interface Scene {
  recorder: NetRecorder
  raw: net.Socket
  /** The peer's TLS. */
  secured: tls.TLSSocket | undefined
  /** What reached `onConnectionError`. */
  errors: unknown[]
  end: () => Promise<void>
}

/** A connected socket of the peer, of which nothing is read yet. */
const peerSocket = (raw: net.Socket): net.Socket => {
  raw.on('error', () => {})
  raw.pause()
  return raw
}

async function listening(onSocket: (socket: net.Socket) => void): Promise<[net.Server, number]> {
  const listener = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    onSocket(peerSocket(socket))
  })
  await new Promise<void>((resolve) => listener.listen(0, HOST, resolve))
  return [listener, (listener.address() as net.AddressInfo).port]
}

async function dialled(port: number): Promise<net.Socket> {
  const raw = peerSocket(net.connect({ port, host: HOST, allowHalfOpen: true }))
  await new Promise((resolve) => raw.once('connect', resolve))
  return raw
}

/** TLS of the peer's, above a stream: a socket that lies below TLS itself cannot be reset. */
async function secure(raw: net.Socket, role: Side): Promise<tls.TLSSocket> {
  const wire = new JoinedDuplex(raw, raw)
  const secured = netPromise<tls.TLSSocket>()
  if (role === 'client') {
    const socket = tls.connect({ socket: wire, rejectUnauthorized: false })
    socket.on('secureConnect', () => secured.resolve(socket))
    socket.on('error', () => {})
  } else {
    const server = tls.createServer({ ...certified('localhost'), pauseOnConnect: true }, (socket) => {
      socket.on('error', () => {})
      secured.resolve(socket)
    })
    server.on('tlsClientError', () => {})
    server.emit('connection', wire)
  }
  return secured.promise
}

async function connected(side: Side, wire: Wire, { idleTimeoutMs }: { idleTimeoutMs?: number } = {}): Promise<Scene> {
  const recorder = new NetRecorder()
  const errors: unknown[] = []
  const options = { ...TIMES, idleTimeoutMs, onConnectionError: (error: unknown) => void errors.push(error) }
  const isSecured = wire === 'TLS'
  if (side === 'server') {
    const server = await createServer(() => recorder, {
      host: HOST,
      ...options,
      ...(isSecured && { tls: certified('localhost') }),
    })
    const raw = await dialled(server.sockets[0]!.port)
    const secured = isSecured ? await secure(raw, 'client') : undefined
    await recorder.untilEvent('made')
    return { recorder, raw, secured, errors, end: () => endOf(server, raw) }
  }
  const accepted = netPromise<net.Socket>()
  const [listener, port] = await listening(accepted.resolve)
  const dial = createConnection(() => recorder, {
    host: HOST,
    port,
    ...options,
    ...(isSecured && { tls: { ca }, serverHostname: 'localhost' }),
  })
  const raw = await accepted.promise
  const [secured, [transport]] = await Promise.all([isSecured ? secure(raw, 'server') : undefined, dial])
  const end = (): Promise<void> => {
    transport.abort()
    return endOf(listener, raw)
  }
  return { recorder, raw, secured, errors, end }
}

async function endOf(server: Server | net.Server, raw?: net.Socket): Promise<void> {
  raw?.destroy()
  if (server instanceof net.Server) {
    server.close()
    return
  }
  server.close()
  server.abortClients()
  await server.waitClosed()
}

/** Fills what the system keeps for the peer, and more. */
async function clog({ transport }: NetRecorder): Promise<void> {
  transport.write(Buffer.alloc(MORE_THAN_IS_HELD))
  let before = Infinity
  for (let turns = 0; turns < 5; await new Promise((resolve) => setImmediate(resolve))) {
    const unsent = transport.getWriteBufferSize()
    turns = unsent === before ? turns + 1 : 0
    before = unsent
  }
}

let leftovers: Leftovers
beforeEach(() => {
  leftovers = new Leftovers()
})
afterEach(() => leftovers.gone())

describe('a peer that, before it has shaken hands,', () => {
  describe.each([
    ['has said nothing', async () => Promise.resolve(Buffer.alloc(0))],
    ['has begun to', begunHandshake],
  ])('%s', (_stage, beginning) => {
    it.each(BEHAVIOURS)('and as a client %s, is reported by name; the server goes on', async (how) => {
      const reported = netPromise<unknown>()
      const recorder = new NetRecorder()
      let made = 0
      const server = await createServer(
        () => {
          made++
          return recorder
        },
        { host: HOST, tls: certified('localhost'), ...TIMES, onConnectionError: reported.resolve },
      )
      const { port } = server.sockets[0]!
      const raw = await dialled(port)
      const name = `${HOST}:${raw.localPort}`
      raw.write(await beginning())
      misbehave(raw, how)
      const error = await reported.promise
      expect(error).toBeInstanceOf(how === 'is silent' ? TimeoutError : TlsHandshakeError)
      expect((error as Error).message).toContain(name)
      expect(made).toBe(0)

      const [good] = await createConnection(NetRecorder, { host: HOST, port, tls: { ca }, serverHostname: 'localhost' })
      await recorder.untilEvent('made')
      good.abort()
      await endOf(server, raw)
      expect([made, recorder.count('lost')]).toEqual([1, 1])
    })

    it.each(BEHAVIOURS)('and as a server %s, makes connecting fail', async (how) => {
      const bytes = (await beginning()).subarray(0, 20)
      let raw: net.Socket | undefined
      const [listener, port] = await listening((socket) => {
        raw = socket
        // The client has begun.
        socket.once('readable', () => {
          socket.write(bytes)
          misbehave(socket, how)
        })
      })
      let made = 0
      const dial = createConnection(
        () => {
          made++
          return {}
        },
        { host: HOST, port, tls: { ca }, serverHostname: 'localhost', ...TIMES },
      )
      const error = await netError(dial)
      expect(error).toBeInstanceOf(how === 'is silent' ? TimeoutError : TlsHandshakeError)
      expect(error.message).toContain(`${HOST}:${port}`)
      expect(made).toBe(0)
      await endOf(listener, raw)
    })
  })

  it('refuses the connection, makes connecting fail', async () => {
    const [listener, port] = await listening(() => {})
    await new Promise((resolve) => listener.close(resolve))
    const error = await netError<ConnectError>(createConnection(NetRecorder, { host: HOST, port, tls: true }))
    expect(error).toBeInstanceOf(ConnectError)
    expect(error.cause).toHaveProperty('code', 'ECONNREFUSED')
  })

  it('is waited for no longer than the server is open', async () => {
    const server = await createServer(NetRecorder, { host: HOST, tls: certified('localhost') })
    const raw = await dialled(server.sockets[0]!.port)
    const gone = new Promise((resolve) => raw.once('close', resolve))
    raw.resume()
    raw.write(await begunHandshake())
    server.close()
    await server.waitClosed()
    raw.end()
    await gone
    expect(server.sockets).toEqual([])
  })
})

describe.each(['plain', 'TLS'] as const)('a %s peer that', (wire) => {
  describe.each(SIDES)('is connected to our %s, and', (side) => {
    it('resets, is a loss', async () => {
      const { recorder, raw, errors, end } = await connected(side, wire)
      // TLS has something to send behind its handshake; if that is what meets the reset, nobody is told of it.
      await netRoundTrip()
      misbehave(raw, 'resets')
      await recorder.untilEvent('lost')
      expect(recorder.lostWith).toBeInstanceOf(ConnectionLostError)
      expect((recorder.lostWith as ConnectionLostError).cause).toHaveProperty('code', 'ECONNRESET')
      expect(recorder.log).toEqual(['made', 'lost'])
      await end()
      expect([recorder.count('lost'), errors]).toEqual([1, []])
    })

    it('ends, is an end', async () => {
      const { recorder, raw, errors, end } = await connected(side, wire)
      misbehave(raw, 'ends')
      raw.resume()
      await recorder.untilEvent('lost')
      expect([recorder.log, recorder.lostWith]).toEqual([['made', 'eof', 'lost'], null])
      await end()
      expect([recorder.count('lost'), errors]).toEqual([1, []])
    })

    it('is half open, may be written to; what it does not take is a loss in the end', async () => {
      const { recorder, raw, secured, end } = await connected(side, wire, { idleTimeoutMs: IDLE_MS })
      recorder.keepOpen = true
      ;(secured ?? raw).end()
      await recorder.untilEvent('eof')
      await clog(recorder)
      await recorder.untilEvent('lost')
      expect((recorder.lostWith as ConnectionLostError).cause).toBeInstanceOf(TimeoutError)
      await end()
      expect(recorder.count('lost')).toBe(1)
    })

    it('is silent, is a loss after the idle time', async () => {
      const { recorder, errors, end } = await connected(side, wire, { idleTimeoutMs: IDLE_MS })
      await recorder.untilEvent('lost')
      expect(recorder.lostWith).toBeInstanceOf(ConnectionLostError)
      expect((recorder.lostWith as ConnectionLostError).cause).toBeInstanceOf(TimeoutError)
      expect(recorder.log).toEqual(['made', 'lost'])
      await end()
      expect([recorder.count('lost'), errors]).toEqual([1, []])
    })

    it('floods, is held back while we do not read', async () => {
      const { recorder, raw, secured, end } = await connected(side, wire)
      recorder.transport.pauseReading()
      const before = recorder.transport.bytesRead
      const stuck = new Promise<void>((resolve) => {
        const flood = (): void => {
          while ((secured ?? raw).write(GARBAGE));
          // As much as the system holds, and then nothing for a while.
          let size = raw.bytesWritten
          const look = setInterval(() => {
            if (raw.bytesWritten === size) {
              clearInterval(look)
              resolve()
            }
            size = raw.bytesWritten
          }, 50)
        }
        flood()
        ;(secured ?? raw).on('drain', () => {
          while ((secured ?? raw).write(GARBAGE));
        })
      })
      await stuck
      expect(recorder.transport.bytesRead - before).toBeLessThan(256 * 1024)
      recorder.transport.abort()
      await recorder.untilEvent('lost')
      expect([recorder.log, recorder.lostWith]).toEqual([['made', 'lost'], null])
      await end()
    })
  })

  describe.each(SIDES)('does not take what our %s has written, and while that is closing', (side) => {
    it.each(BEHAVIOURS)('%s', async (how) => {
      const { recorder, raw, secured, errors, end } = await connected(side, wire, { idleTimeoutMs: IDLE_MS })
      await clog(recorder)
      recorder.transport.close()
      misbehave(raw, how, () => (secured ?? raw).write(GARBAGE))
      await recorder.untilEvent('lost')
      const lost = recorder.lostWith as ConnectionLostError
      expect(lost).toBeInstanceOf(ConnectionLostError)
      // A reset tells at once; a peer that takes nothing is given the time there is.
      expect(how === 'resets' || lost.cause instanceof TimeoutError).toBe(true)
      await end()
      expect([recorder.count('lost'), errors]).toEqual([1, []])
    })
  })

  describe.each(SIDES)('after our %s has closed', (side) => {
    it.each(BEHAVIOURS)('%s, is nothing to anyone', async (how) => {
      const { recorder, raw, secured, errors, end } = await connected(side, wire)
      recorder.transport.write('last words')
      recorder.transport.close()
      await recorder.untilEvent('lost')
      misbehave(raw, how, () => (secured ?? raw).write(GARBAGE))
      raw.resume()
      await end()
      expect([recorder.log, recorder.lostWith, errors]).toEqual([['made', 'lost'], null, []])
    })
  })
})
