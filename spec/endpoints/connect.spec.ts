import { once } from 'node:events'
import * as net from 'node:net'
import { createConnection, createUnixConnection } from '../../lib/endpoints/connect.ts'
import { ConnectError, TimeoutError } from '../../lib/errors.ts'
import { Protocol } from '../../lib/protocol.ts'
import type { Transport } from '../../lib/transport.ts'
import {
  netDefer,
  netDial,
  netError,
  netListen,
  netClogged,
  netPromise,
  NetRecorder,
  netRoundTrip,
  netTurns,
  netUnixPath,
} from '../support/netTools.ts'
import { signalScope } from '../support/signalScope.ts'

const HOST = '127.0.0.1'

/** A port of the loopback on which nobody listens. */
async function freePort(): Promise<number> {
  const { address, listener } = await netListen()
  await new Promise((resolve) => listener.close(resolve))
  return (address as { port: number }).port
}

async function listening() {
  const { address, accepted, peers } = await netListen()
  return { ...(address as { port: number }), accepted, peers }
}

function abortAfter<P>([transport, protocol]: [Transport, P]): [Transport, P] {
  netDefer(() => transport.abort())
  return [transport, protocol]
}

const openSockets = (): number =>
  process.getActiveResourcesInfo().filter((each) => each === 'TCPSocketWrap' || each === 'TCPConnectWrap').length

describe('createConnection', () => {
  it('resolves with the transport and the protocol, which is connected (A53)', async () => {
    const { port, accepted } = await listening()
    const [transport, protocol] = abortAfter(await createConnection(NetRecorder, { host: HOST, port }))
    expect(protocol).toBeInstanceOf(NetRecorder)
    expect(protocol.transport).toBe(transport)
    const peer = await accepted()
    transport.write('hello')
    await peer.until(() => peer.text === 'hello')
  })

  it('makes the protocol from a class or a function, once (A53)', async () => {
    const { port } = await listening()
    let made = 0
    const [, protocol] = abortAfter(
      await createConnection(
        () => {
          made++
          return new NetRecorder()
        },
        { host: HOST, port },
      ),
    )
    expect(made).toBe(1)
    expect(protocol.log).toEqual(['made'])
  })

  it('has localhost as its host by default, and resolves names (A53)', async () => {
    const { port, accepted } = await listening()
    abortAfter(await createConnection(NetRecorder, { port }))
    expect((await accepted()).socket.remoteAddress).toBe(HOST)
  })

  it('closes a socket that it was to take over when the factory throws', async () => {
    const listener = net.createServer().listen(0, HOST)
    await once(listener, 'listening')
    const sock = net.connect((listener.address() as net.AddressInfo).port, HOST)
    await once(sock, 'connect')
    const failure = new Error('no protocol today')
    const connected = createConnection(
      () => {
        throw failure
      },
      { sock },
    )
    await expect(connected).rejects.toBe(failure)
    expect(sock.destroyed).toBe(true)
    await new Promise((resolve) => listener.close(resolve))
  })

  it('takes either a port or a sock, and only one (A53)', async () => {
    for (const options of [{}, { host: HOST }, { port: 1, sock: new net.Socket() }]) {
      await expect(createConnection(NetRecorder, options)).rejects.toBeInstanceOf(TypeError)
    }
  })

  it.each([70_000, -1, NaN])('rejects a port of %p (A53)', async (port) => {
    await expect(createConnection(NetRecorder, { host: HOST, port })).rejects.toThrow(/port/i)
  })

  it('refused, names the address and keeps the system’s error as its cause (A53)', async () => {
    const port = await freePort()
    const error = await netError<ConnectError>(createConnection(NetRecorder, { host: HOST, port }))
    expect(error).toBeInstanceOf(ConnectError)
    expect(error.message).toBe(`could not connect to 127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}`)
    expect(error.peer).toBe(`127.0.0.1:${port}`)
    expect((error.cause as NodeJS.ErrnoException).code).toBe('ECONNREFUSED')
  })

  it('says what happened to each address of a name, if none will do (A53)', async () => {
    const port = await freePort()
    const error = await netError<ConnectError>(createConnection(NetRecorder, { host: 'localhost', port }))
    expect(error.message).toMatch(new RegExp(`^could not connect to localhost:${port}: .*127\\.0\\.0\\.1:${port}`))
  })

  it('rejects a name that does not resolve (A53)', async () => {
    const error = await netError<ConnectError>(createConnection(NetRecorder, { host: 'no.such.host.invalid', port: 1 }))
    expect(error).toBeInstanceOf(ConnectError)
    expect(error.message).toMatch(/^could not connect to no\.such\.host\.invalid:1: /)
  })

  it('makes no protocol for a connection that fails (I2, A53)', async () => {
    const port = await freePort()
    let made = 0
    class Counting extends Protocol {
      constructor() {
        super()
        made++
      }
    }
    await expect(createConnection(Counting, { host: HOST, port })).rejects.toBeInstanceOf(ConnectError)
    await netTurns()
    expect(made).toBe(0)
  })

  it('binds its own end to localAddr (A53)', async () => {
    const { port, accepted } = await listening()
    const localPort = await freePort()
    const [transport] = abortAfter(
      await createConnection(NetRecorder, { host: HOST, port, localAddr: ['127.0.0.2', localPort] }),
    )
    expect(transport.getExtraInfo('sockname')).toEqual(['127.0.0.2', localPort])
    const { remoteAddress, remotePort } = (await accepted()).socket
    expect([remoteAddress, remotePort]).toEqual(['127.0.0.2', localPort])
  })

  it('with port 0 in localAddr takes any (A53)', async () => {
    const { port, accepted } = await listening()
    abortAfter(await createConnection(NetRecorder, { host: HOST, port, localAddr: ['127.0.0.2', 0] }))
    expect((await accepted()).socket.remoteAddress).toBe('127.0.0.2')
  })

  it('with a localAddr that is none of ours rejects (A53)', async () => {
    const { port } = await listening()
    const error = await netError<ConnectError>(
      createConnection(NetRecorder, { host: HOST, port, localAddr: ['192.0.2.1', 0] }),
    )
    expect((error.cause as NodeJS.ErrnoException).code).toBe('EADDRNOTAVAIL')
  })

  it('uses addresses of one family only, if asked to (A53)', async () => {
    const { port, accepted } = await listening()
    abortAfter(await createConnection(NetRecorder, { host: 'localhost', port, family: 4 }))
    expect((await accepted()).socket.remoteFamily).toBe('IPv4')
    await expect(createConnection(NetRecorder, { host: 'localhost', port, family: 6 })).rejects.toBeInstanceOf(
      ConnectError,
    )
  })

  it('a factory that throws rejects, and leaves no connection (A53)', async () => {
    const { port, accepted } = await listening()
    const factory = (): Protocol => {
      throw new Error('no protocol today')
    }
    await expect(createConnection(factory, { host: HOST, port })).rejects.toThrow('no protocol today')
    const peer = await accepted()
    await peer.until(() => peer.ended || peer.closed)
  })

  it('tells onConnectionError of what reaches nobody (I13)', async () => {
    const { port, accepted } = await listening()
    const bug = new Error('bug')
    const told = netPromise<[unknown, Transport | undefined]>()
    const [transport] = abortAfter(
      await createConnection(
        () => ({
          dataReceived() {
            throw bug
          },
        }),
        { host: HOST, port, onConnectionError: (error, each) => told.resolve([error, each]) },
      ),
    )
    ;(await accepted()).socket.write('x')
    expect(await told.promise).toEqual([bug, transport])
  })

  it.each([0, -1, NaN])('refuses an idleTimeoutMs of %p, and does not connect', async (idleTimeoutMs) => {
    const { port, peers } = await listening()
    const connecting = createConnection(NetRecorder, { host: HOST, port, idleTimeoutMs }).then(abortAfter)
    await expect(connecting).rejects.toThrow('idleTimeoutMs must be above 0')
    await netRoundTrip()
    expect(peers).toHaveLength(0)
    const { socket } = await netDial({ port })
    const adopting = createConnection(NetRecorder, { sock: socket, idleTimeoutMs }).then(abortAfter)
    await expect(adopting).rejects.toThrow(RangeError)
    expect(socket.destroyed).toBe(false)
  })

  describe('with a timeout', () => {
    it('gives up an address that does not answer, and leaves no socket (A53)', async () => {
      // A listener that never accepts, and whose queue is full, answers no further connection.
      const { port } = await netClogged()
      const before = openSockets()
      const error = await netError<TimeoutError>(
        createConnection(NetRecorder, { host: HOST, port, connectTimeoutMs: 20 }),
      )
      expect(error).toBeInstanceOf(TimeoutError)
      expect(error.message).toBe(`connect to 127.0.0.1:${port} took longer than 20 ms`)
      await netTurns()
      expect(openSockets()).toBe(before)
    })

    it('of less than nothing throws', () => {
      expect(() => createConnection(NetRecorder, { host: HOST, port: 1, connectTimeoutMs: -1 })).toThrow(RangeError)
    })
  })

  describe('cancelled', () => {
    it('before it begins, connects nothing (A53)', async () => {
      const { port, peers } = await listening()
      const signal = AbortSignal.abort(new Error('before'))
      await expect(createConnection(NetRecorder, { host: HOST, port, signal })).rejects.toThrow('before')
      await netRoundTrip()
      expect(peers).toEqual([])
    })

    it('meanwhile, leaves no socket and makes no connectionMade (A53)', async () => {
      const { port, peers } = await listening()
      const before = openSockets()
      let made = 0
      const factory = (): Protocol => {
        made++
        return new Protocol()
      }
      for (const turns of [0, 1, 2]) {
        const controller = new AbortController()
        const reason = new Error(`after ${turns}`)
        const connecting = createConnection(factory, { host: HOST, port, signal: controller.signal })
        // As far as connecting has come: it may be done only after a poll of the sockets.
        for (let i = 0; i < turns; i++) await new Promise<void>((resolve) => process.nextTick(resolve))
        controller.abort(reason)
        expect(await netError(connecting)).toBe(reason)
      }
      await netRoundTrip()
      for (const peer of peers) {
        await peer.until(() => peer.ended || peer.closed)
        peer.socket.destroy()
      }
      await netTurns()
      expect(made).toBe(0)
      expect(openSockets()).toBe(before)
    })

    it('while nobody answers (A53)', async () => {
      const { port } = await netClogged()
      const before = openSockets()
      const controller = new AbortController()
      const connecting = netError(createConnection(NetRecorder, { host: HOST, port, signal: controller.signal }))
      await netRoundTrip()
      controller.abort(new Error('enough'))
      expect((await connecting).message).toBe('enough')
      await netTurns()
      expect(openSockets()).toBe(before)
    })

    it('by its scope (A53)', async () => {
      const { port } = await listening()
      const scope = new AbortController()
      const connecting = netError(createConnection(NetRecorder, { host: HOST, port, scope: signalScope(scope.signal) }))
      scope.abort(new Error('scope ended'))
      expect((await connecting).message).toBe('scope ended')
    })

    it('later, changes nothing: the signal governs the call only (A53)', async () => {
      const { port, accepted } = await listening()
      const controller = new AbortController()
      const [transport] = abortAfter(
        await createConnection(NetRecorder, { host: HOST, port, signal: controller.signal }),
      )
      controller.abort()
      transport.write('x')
      const peer = await accepted()
      await peer.until(() => peer.text === 'x')
      expect(transport.isClosing()).toBe(false)
    })
  })

  describe('with a sock', () => {
    it('takes over a connected socket (A53, A56)', async () => {
      const { port, accepted } = await listening()
      const sock = net.connect(port, HOST)
      await new Promise((resolve) => sock.once('connect', resolve))
      const [transport, protocol] = abortAfter(await createConnection(NetRecorder, { sock }))
      const peer = await accepted()
      transport.write('from us')
      await peer.until(() => peer.text === 'from us')
      peer.socket.end('to us')
      await protocol.untilEvent('lost')
      expect(protocol.log).toEqual(['made', 'data', 'eof', 'lost'])
      expect(protocol.text).toBe('to us')
    })

    it('takes over an accepted one, too (A56)', async () => {
      const taken = netPromise<net.Socket>()
      const listener = net.createServer((socket) => taken.resolve(socket))
      netDefer(() => listener.close())
      await new Promise<void>((resolve) => listener.listen(0, HOST, resolve))
      const peer = await netDial({ port: (listener.address() as net.AddressInfo).port })
      const [transport, protocol] = abortAfter(await createConnection(NetRecorder, { sock: await taken.promise }))
      peer.socket.end('hello')
      await protocol.untilEvent('eof')
      expect(protocol.text).toBe('hello')
      transport.close()
    })

    it('loses no byte that the socket has read, and delivers none before the caller has had a turn (I3, A47)', async () => {
      const { port, accepted } = await listening()
      const sock = net.connect(port, HOST)
      await new Promise((resolve) => sock.once('connect', resolve))
      sock.pause()
      const peer = await accepted()
      const readable = new Promise((resolve) => sock.once('readable', resolve))
      peer.socket.write('early ')
      await readable
      expect(sock.readableLength).toBeGreaterThan(0)
      const seen = netPromise<string[]>()
      const recorder = new NetRecorder()
      // From outside of any promise: there the system's ticks come before the continuation of an await.
      setImmediate(() => {
        void createConnection(() => recorder, { sock }).then(() => seen.resolve([...recorder.log]))
      })
      expect(await seen.promise).toEqual(['made'])
      peer.socket.end('late')
      await recorder.untilEvent('lost')
      expect(recorder.text).toBe('early late')
    })

    it('sees the end of a stream that the socket has seen already (A56)', async () => {
      const { port, accepted } = await listening()
      const sock = net.connect({ port, host: HOST, allowHalfOpen: true })
      await new Promise((resolve) => sock.once('connect', resolve))
      const peer = await accepted()
      const readable = new Promise((resolve) => sock.once('readable', resolve))
      peer.socket.end('all')
      await readable
      await netRoundTrip()
      const [, protocol] = abortAfter(await createConnection(NetRecorder, { sock }))
      await protocol.untilEvent('lost')
      expect(protocol.text).toBe('all')
      expect(protocol.log).toEqual(['made', 'data', 'eof', 'lost'])
    })

    it('sees it likewise if all was read before (A56)', async () => {
      const { port, accepted } = await listening()
      const sock = net.connect({ port, host: HOST, allowHalfOpen: true })
      await new Promise((resolve) => sock.once('connect', resolve))
      ;(await accepted()).socket.end()
      await new Promise((resolve) => sock.once('end', resolve).resume())
      const [, protocol] = abortAfter(await createConnection(NetRecorder, { sock }))
      await protocol.untilEvent('lost')
      expect(protocol.log).toEqual(['made', 'eof', 'lost'])
    })

    it('stays open after writeEof, though Node destroys a socket that has ended on both sides', async () => {
      const { port, accepted } = await listening()
      const sock = net.connect({ port, host: HOST, allowHalfOpen: true })
      await new Promise((resolve) => sock.once('connect', resolve))
      const peer = await accepted()
      peer.socket.end()
      await new Promise((resolve) => sock.once('end', resolve).resume())
      const recorder = new NetRecorder()
      recorder.keepOpen = true
      const [transport] = abortAfter(await createConnection(() => recorder, { sock }))
      await recorder.untilEvent('eof')
      const gone = new Promise((resolve) => sock.once('close', resolve))
      transport.write('answer')
      transport.writeEof()
      peer.read()
      await peer.until(() => peer.text === 'answer')
      await gone
      await netRoundTrip()
      transport.pauseReading()
      transport.resumeReading()
      await netRoundTrip()
      expect(recorder.log).toEqual(['made', 'eof'])
      expect(transport.isClosing()).toBe(false)
      transport.close()
      expect(recorder.log).toEqual(['made', 'eof'])
      await recorder.untilEvent('lost')
      expect(recorder.lostWith).toBeNull()
    })

    it('leaves none when its signal has aborted already', async () => {
      const { port } = await listening()
      const { socket: sock } = await netDial({ port })
      const signal = AbortSignal.abort(new Error('before'))
      await expect(createConnection(NetRecorder, { sock, signal })).rejects.toThrow('before')
      expect(sock.destroyed).toBe(true)
    })

    it('refuses one that is not connected (A53)', async () => {
      await expect(createConnection(NetRecorder, { sock: new net.Socket() })).rejects.toBeInstanceOf(TypeError)
      const destroyed = new net.Socket()
      destroyed.destroy()
      await expect(createConnection(NetRecorder, { sock: destroyed })).rejects.toBeInstanceOf(TypeError)
    })
  })
})

describe('createUnixConnection', () => {
  it('connects to a path (A55)', async () => {
    const { address, accepted } = await netListen('unix')
    const { path } = address as { path: string }
    const [transport, protocol] = abortAfter(await createUnixConnection(NetRecorder, { path }))
    const peer = await accepted()
    transport.write('hello')
    await peer.until(() => peer.text === 'hello')
    peer.socket.end('bye')
    await protocol.untilEvent('lost')
    expect(protocol.text).toBe('bye')
  })

  it('takes over a connected socket (A55)', async () => {
    const { address, accepted } = await netListen('unix')
    const peer = await netDial(address, { reading: false })
    const [transport] = abortAfter(await createUnixConnection(NetRecorder, { sock: peer.socket }))
    transport.write('hello')
    const other = await accepted()
    await other.until(() => other.text === 'hello')
    expect(transport.getExtraInfo('peername')).toBe('')
  })

  it('takes either a path or a sock, and only one (A55)', async () => {
    await expect(createUnixConnection(NetRecorder, {})).rejects.toBeInstanceOf(TypeError)
    const both = { path: netUnixPath(), sock: new net.Socket() }
    await expect(createUnixConnection(NetRecorder, both)).rejects.toBeInstanceOf(TypeError)
  })

  it('needs a name to compare a certificate with (A53)', async () => {
    const path = netUnixPath()
    const error = await netError(createUnixConnection(NetRecorder, { path, tls: true }))
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toBe('tls over a Unix socket needs a serverHostname')
    await expect(createUnixConnection(NetRecorder, { path, tls: { servername: 'x' } })).rejects.toThrow(ConnectError)
  })

  it('names the path if nobody listens (A55)', async () => {
    const path = netUnixPath()
    const error = await netError<ConnectError>(createUnixConnection(NetRecorder, { path }))
    expect(error).toBeInstanceOf(ConnectError)
    expect(error.message).toBe(`could not connect to unix:${path}: connect ENOENT ${path}`)
  })
})
