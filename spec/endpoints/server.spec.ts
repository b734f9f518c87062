import * as net from 'node:net'
import { CancelledError, ConnectionLostError, InvalidStateError, TimeoutError } from '../../lib/errors.ts'
import { createServer } from '../../lib/endpoints/listen.ts'
import type { Server } from '../../lib/endpoints/server.ts'
import { Protocol } from '../../lib/protocol.ts'
import type { Transport } from '../../lib/transport.ts'
import {
  netDial,
  netError,
  type NetPeer,
  netProgram,
  NetRecorder,
  netRoundTrip,
  netServe,
  netStop,
  netTurns,
  netUnixPath,
} from '../support/netTools.ts'
import { signalScope } from '../support/signalScope.ts'

const HOST = '127.0.0.1'

/** A factory, and the recorders it made. */
function recorders(): { factory: () => NetRecorder; made: NetRecorder[]; count: (n: number) => Promise<void> } {
  const made: NetRecorder[] = []
  let changed = (): void => {}
  const factory = (): NetRecorder => {
    const recorder = new NetRecorder()
    recorder.keepOpen = true
    made.push(recorder)
    changed()
    return recorder
  }
  const count = (n: number): Promise<void> =>
    new Promise((resolve) => {
      changed = () => void (made.length >= n && resolve())
      changed()
    })
  return { factory, made, count }
}

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const settle = (): void => void (settled = true)
  promise.then(settle, settle)
  await netRoundTrip()
  return !settled
}

const refused = (port: number): Promise<{ code?: string }> => netError(netDial({ port }))

describe('Server', () => {
  it('makes one protocol per connection, from a class or a function (S47)', async () => {
    const { factory, made, count } = recorders()
    const { address } = await netServe(factory)
    const [one, two] = [await netDial(address), await netDial(address)]
    await count(2)
    one.socket.end('first')
    two.socket.end('second')
    await Promise.all(made.map((each) => each.untilEvent('eof')))
    expect(made.map((each) => each.text).sort()).toEqual(['first', 'second'])

    const greeted = await netServe(
      class extends Protocol {
        override connectionMade(transport: Transport): void {
          transport.write('hi')
          transport.close()
        }
      },
    )
    const peer = await netDial(greeted.address)
    await peer.until(() => peer.ended)
    expect(peer.text).toBe('hi')
  })

  describe('close', () => {
    it('stops listening at once; sockets is empty, and isServing false (I19, A22, A27)', async () => {
      const { server, port } = await netServe(NetRecorder)
      expect(server.isServing()).toBe(true)
      expect(server.sockets).toHaveLength(1)
      server.close()
      expect(server.isServing()).toBe(false)
      expect(server.sockets).toEqual([])
      expect((await refused(port)).code).toBe('ECONNREFUSED')
      server.close()
    })

    it('leaves open connections as they are (I19, A22)', async () => {
      const { factory, made, count } = recorders()
      const { server, address } = await netServe(factory)
      const peer = await netDial(address)
      await count(1)
      server.close()
      peer.socket.write('still here')
      await made[0]!.untilEvent('data')
      made[0]!.transport.write('so am I')
      await peer.until(() => peer.text === 'so am I')
      expect(made[0]!.log).toEqual(['made', 'data'])
    })

    it('while serveForever runs leaves them too (I19, A25)', async () => {
      const { factory, made, count } = recorders()
      const { server, address } = await netServe(factory)
      const serving = server.serveForever()
      const peer = await netDial(address)
      await count(1)
      server.close()
      expect(await isPending(serving)).toBe(true)
      peer.socket.write('still here')
      await made[0]!.untilEvent('data')
      made[0]!.transport.close()
      expect(await netError(serving)).toBeInstanceOf(CancelledError)
    })
  })

  describe('waitClosed', () => {
    it('waits for the close, then for the last connection (I19, A26)', async () => {
      const { factory, made, count } = recorders()
      const { server, address } = await netServe(factory)
      await netDial(address)
      await netDial(address)
      await count(2)
      const closed = server.waitClosed()
      expect(await isPending(closed)).toBe(true)
      server.close()
      expect(await isPending(closed)).toBe(true)
      made[0]!.transport.close()
      await made[0]!.untilEvent('lost')
      expect(await isPending(closed)).toBe(true)
      made[1]!.transport.close()
      await closed
      expect(made[1]!.log).toContain('lost')
    })

    it('does so when the connections are gone before the close (I19, A26)', async () => {
      const { factory, made, count } = recorders()
      const { server, address } = await netServe(factory)
      await netDial(address)
      await count(1)
      made[0]!.transport.abort()
      await made[0]!.untilEvent('lost')
      const closed = server.waitClosed()
      expect(await isPending(closed)).toBe(true)
      server.close()
      await closed
      expect(await server.waitClosed()).toBeUndefined()
    })

    it('may be called many times, and be cancelled by signal, timeout or scope (A26)', async () => {
      const { server, address } = await netServe(NetRecorder)
      await netDial(address)
      await netRoundTrip()
      server.close()
      const controller = new AbortController()
      const cancelled = netError(server.waitClosed({ signal: controller.signal }))
      const others = [server.waitClosed(), server.waitClosed()]
      controller.abort(new Error('enough'))
      expect((await cancelled).message).toBe('enough')
      await expect(server.waitClosed({ timeoutMs: 1 })).rejects.toThrow('waitClosed (1 connections open)')
      await expect(server.waitClosed({ scope: signalScope(controller.signal) })).rejects.toThrow('enough')
      server.abortClients()
      expect(await Promise.all(others)).toEqual([undefined, undefined])
    })
  })

  describe('closeClients and abortClients', () => {
    it('close sends what is written to every connection (A23)', async () => {
      const { factory, made, count } = recorders()
      const { server, address } = await netServe(factory)
      const peers = [await netDial(address), await netDial(address)]
      await count(2)
      for (const each of made) each.transport.write('last words')
      server.close()
      server.closeClients()
      for (const peer of peers) {
        await peer.until(() => peer.ended)
        expect(peer.text).toBe('last words')
      }
      await server.waitClosed()
      expect(made.map((each) => each.lostWith)).toEqual([null, null])
    })

    it('close waits for a peer that does not read, abort does not (A23)', async () => {
      const { factory, made, count } = recorders()
      const { server, address } = await netServe(factory)
      await netDial(address, { reading: false })
      await count(1)
      while (!made[0]!.log.includes('pause')) made[0]!.transport.write(Buffer.alloc(256 * 1024))
      server.close()
      server.closeClients()
      const closed = server.waitClosed()
      expect(await isPending(closed)).toBe(true)
      server.abortClients()
      await closed
      expect(made[0]!.lostWith).toBeNull()
    })

    it('leave the server itself open (A23)', async () => {
      const { factory, made, count } = recorders()
      const { server, address } = await netServe(factory)
      await netDial(address)
      await count(1)
      server.closeClients()
      await made[0]!.untilEvent('lost')
      await netDial(address)
      await count(2)
      expect(server.isServing()).toBe(true)
    })
  })

  describe('startServing', () => {
    it('is not needed by default, and may be called again (A24)', async () => {
      const { factory, count } = recorders()
      const { server, address } = await netServe(factory)
      await server.startServing()
      await server.startServing()
      await netDial(address)
      await count(1)
      expect(server.isServing()).toBe(true)
    })

    it('lets in what has waited, if the server was made with startServing: false (A24)', async () => {
      const { factory, made, count } = recorders()
      const { server, address } = await netServe(factory, 'tcp', { startServing: false })
      expect(server.isServing()).toBe(false)
      expect(server.sockets).toHaveLength(1)
      const peer = await netDial(address)
      peer.socket.end('early')
      await netRoundTrip()
      expect(made).toEqual([])
      await server.startServing()
      await count(1)
      await made[0]!.untilEvent('eof')
      expect(made[0]!.text).toBe('early')
      expect(server.isServing()).toBe(true)
    })

    it('closed before it, a server drops what has waited (A22, A24)', async () => {
      const { factory, made } = recorders()
      const { server, address } = await netServe(factory, 'tcp', { startServing: false })
      const peer = await netDial(address)
      await netRoundTrip()
      server.close()
      await peer.until(() => peer.ended || peer.closed)
      await server.waitClosed()
      expect(made).toEqual([])
    })

    it('rejects when closed (A24)', async () => {
      const { server } = await netServe(NetRecorder)
      server.close()
      await expect(server.startServing()).rejects.toBeInstanceOf(InvalidStateError)
    })
  })

  describe('with maxConnections (D13)', () => {
    it('lets those beyond wait, unread, and serves them in their order as others end', async () => {
      const { factory, made, count } = recorders()
      const { address } = await netServe(factory, 'tcp', { maxConnections: 2 })
      const clients: NetPeer[] = []
      for (const name of ['a', 'b', 'c', 'd']) {
        const client = await netDial(address)
        client.socket.write(name)
        clients.push(client)
      }
      await count(2)
      await netRoundTrip()
      expect(made.map((each) => each.text)).toEqual(['a', 'b'])
      expect(clients.some((client) => client.ended || client.closed)).toBe(false)
      made[1]!.transport.close()
      await count(3)
      await made[2]!.until(() => made[2]!.text === 'c')
      await netRoundTrip()
      expect(made).toHaveLength(3)
      made[0]!.transport.close()
      await count(4)
      await made[3]!.until(() => made[3]!.text === 'd')
    })

    it('lets no more than `backlog` wait: the others are closed and reported, once in a while', async () => {
      const { factory, made, count } = recorders()
      const { address, errors, server } = await netServe(factory, 'tcp', { maxConnections: 1, backlog: 1 })
      const first = await netDial(address)
      await count(1)
      const second = await netDial(address)
      await netRoundTrip()
      const refusedOnes = [await netDial(address), await netDial(address)]
      for (const client of refusedOnes) await client.until(() => client.closed || client.ended)
      expect(errors.map(({ error }) => (error as Error).message)).toEqual([
        `the backlog of 1 is full: the connection from 127.0.0.1:${refusedOnes[0]!.socket.localPort} was closed`,
      ])
      first.socket.end()
      await made[0]!.untilEvent('eof')
      made[0]!.transport.close()
      await count(2)
      second.socket.end('second')
      await made[1]!.untilEvent('eof')
      expect(made[1]!.text).toBe('second')
      expect(server.isServing()).toBe(true)
    })

    it('closed, it drops what waits, and is done with its connections', async () => {
      const { factory, made, count } = recorders()
      const { address, server } = await netServe(factory, 'tcp', { maxConnections: 1 })
      await netDial(address)
      await count(1)
      const waiting = await netDial(address)
      await netRoundTrip()
      server.close()
      await waiting.until(() => waiting.closed || waiting.ended)
      made[0]!.transport.abort()
      await server.waitClosed()
      expect(made).toHaveLength(1)
    })

    it.each([0, -1, NaN])('refuses %p', async (maxConnections) => {
      await expect(createServer(NetRecorder, { host: HOST, maxConnections })).rejects.toThrow(RangeError)
    })
  })

  describe('close with graceMs (D7)', () => {
    it('resolves when the last connection has ended by itself', async () => {
      const { factory, made, count } = recorders()
      const { server, address } = await netServe(factory)
      const peer = await netDial(address)
      await count(1)
      const closed = server.close({ graceMs: 60_000 })
      expect(server.sockets).toEqual([])
      expect(await isPending(closed)).toBe(true)
      made[0]!.transport.write('bye')
      made[0]!.transport.close()
      await closed
      await peer.until(() => peer.ended)
      expect(peer.text).toBe('bye')
      expect(made[0]!.lostWith).toBeNull()
    })

    it('aborts what is left after the time, though a peer never reads', async () => {
      const { factory, made, count } = recorders()
      const { server, address } = await netServe(factory)
      await netDial(address, { reading: false })
      await count(1)
      const { transport } = made[0]!
      while (transport.getWriteBufferSize() === 0) transport.write(Buffer.alloc(1024 * 1024))
      transport.close()
      await server.close({ graceMs: 1 })
      expect(made[0]!.count('lost')).toBe(1)
      await server.waitClosed()
    })

    it('with 0 aborts at once, and resolves at once if there is nothing', async () => {
      const { factory, made, count } = recorders()
      const { server, address } = await netServe(factory)
      await netDial(address)
      await count(1)
      await server.close({ graceMs: 0 })
      expect(made[0]!.log).toContain('lost')
      await server.close({ graceMs: 60_000 })
      const { server: idle } = await netServe(NetRecorder)
      await idle.close({ graceMs: 60_000 })
    })

    it('can be cut short by a signal', async () => {
      const { factory, made, count } = recorders()
      const { server, address } = await netServe(factory)
      await netDial(address)
      await count(1)
      const hurry = new AbortController()
      const closed = server.close({ graceMs: 60_000, signal: hurry.signal })
      expect(await isPending(closed)).toBe(true)
      hurry.abort()
      await closed
      expect(made[0]!.lostWith).toBeNull()
    })

    it('refuses a time that is none, closing nothing', async () => {
      const { server } = await netServe(NetRecorder)
      expect(() => server.close({ graceMs: -1 })).toThrow(RangeError)
      expect(() => server.close({ graceMs: NaN })).toThrow(RangeError)
      expect(server.isServing()).toBe(true)
    })

    it('tells the handlers by the signal `closing`', async () => {
      const { server } = await netServe(NetRecorder)
      expect(server.closing.aborted).toBe(false)
      server.close()
      expect(server.closing.aborted).toBe(true)
      expect(server.closing.reason).toBeInstanceOf(CancelledError)
    })
  })

  it('settles a close with graceMs when nothing else keeps the process alive, and lets any number listen to `closing` (D7)', async () => {
    const program = netProgram(
      `import { openConnection, startServer } from 'millrace'
       const waiting = []
       const server = await startServer(async (reader, writer) => {
         server.closing.addEventListener('abort', () => waiting.push(writer))
         writer.close()
         await new Promise(() => {})
       }, { host: '127.0.0.1' })
       for (let i = 0; i < 12; i++) {
         const { reader, writer } = await openConnection({ host: '127.0.0.1', port: server.sockets[0].port })
         await reader.read()
         writer.close()
         await writer.waitClosed()
       }
       await server.close({ graceMs: 50 })
       console.log('settled', waiting.length)`,
    )
    const { code, stdout, stderr } = await program.ended
    expect([code, stdout, stderr]).toEqual([0, 'settled 12\n', ''])
  })

  describe('with idleTimeoutMs (C10)', () => {
    it('a connection over which nothing moves is lost, with a reason that says so', async () => {
      const { factory, made, count } = recorders()
      const { address, errors } = await netServe(factory, 'tcp', { idleTimeoutMs: 20 })
      const peer = await netDial(address)
      peer.socket.write('abc')
      await count(1)
      await made[0]!.untilEvent('lost')
      const lost = made[0]!.lostWith as ConnectionLostError
      expect(lost).toBeInstanceOf(ConnectionLostError)
      expect(lost.message).toMatch(
        /^connection with 127\.0\.0\.1:\d+ lost: idle: no byte in either direction for 20 ms after 3 bytes in and 0 out/,
      )
      expect(lost.cause).toBeInstanceOf(TimeoutError)
      expect(errors).toEqual([])
    })

    it('bytes in one direction are enough to keep it', async () => {
      const { factory, made, count } = recorders()
      const { address } = await netServe(factory, 'tcp', { idleTimeoutMs: 500 })
      const peer = await netDial(address)
      await count(1)
      const began = performance.now()
      while (performance.now() - began < 1000) {
        await new Promise((resolve) => setTimeout(resolve, 20))
        made[0]!.transport.write('.')
      }
      await peer.until(() => peer.size > 0)
      expect(made[0]!.log).toEqual(['made'])
      await made[0]!.untilEvent('lost')
      expect(made[0]!.lostWith).toBeInstanceOf(ConnectionLostError)
    })

    it('ends a close that waits for a peer that does not read', async () => {
      const { factory, made, count } = recorders()
      const { address } = await netServe(factory, 'tcp', { idleTimeoutMs: 20 })
      await netDial(address, { reading: false })
      await count(1)
      const { transport } = made[0]!
      while (transport.getWriteBufferSize() === 0) transport.write(Buffer.alloc(1024 * 1024))
      transport.close()
      await made[0]!.untilEvent('lost')
      expect(made[0]!.lostWith).toBeInstanceOf(ConnectionLostError)
    })

    it('Infinity is no limit, and 0 is refused', async () => {
      const { factory, count } = recorders()
      const { address } = await netServe(factory, 'tcp', { idleTimeoutMs: Infinity })
      await netDial(address)
      await count(1)
      await expect(createServer(NetRecorder, { host: HOST, idleTimeoutMs: 0 })).rejects.toThrow(RangeError)
    })
  })

  describe('serveForever', () => {
    it('ended by its signal closes the server and its connections, and rejects with the reason (A25)', async () => {
      const { factory, made, count } = recorders()
      const { server, address, port } = await netServe(factory, 'tcp', { startServing: false })
      const controller = new AbortController()
      const reason = new Error('SIGTERM')
      const serving = server.serveForever({ signal: controller.signal })
      expect(server.isServing()).toBe(true)
      const peer = await netDial(address)
      await count(1)
      expect(await isPending(serving)).toBe(true)
      made[0]!.transport.write('bye')
      controller.abort(reason)
      expect(await netError(serving)).toBe(reason)
      expect(made[0]!.log).toEqual(['made', 'lost'])
      expect((await refused(port)).code).toBe('ECONNREFUSED')
      await peer.until(() => peer.ended)
      expect(peer.text).toBe('bye')
    })

    it('ended by close() rejects with CancelledError (A25)', async () => {
      const { server } = await netServe(NetRecorder)
      const serving = server.serveForever()
      server.close()
      const error = await netError<CancelledError>(serving)
      expect(error).toBeInstanceOf(CancelledError)
      expect(error.code).toBe('ABORT_ERR')
    })

    it('runs once at a time, and not when closed (A25)', async () => {
      const { server } = await netServe(NetRecorder)
      const serving = netError(server.serveForever())
      await expect(server.serveForever()).rejects.toBeInstanceOf(InvalidStateError)
      expect(server.isServing()).toBe(true)
      server.close()
      await serving
      await expect(server.serveForever()).rejects.toBeInstanceOf(InvalidStateError)
    })

    it('with a signal already aborted closes at once (A25)', async () => {
      const { server } = await netServe(NetRecorder)
      await expect(server.serveForever({ signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before')
      expect(server.sockets).toEqual([])
    })
  })

  describe('await using', () => {
    it('closes and waits for the connections (A28)', async () => {
      const { factory, made, count } = recorders()
      let outside: Server
      const block = (async () => {
        await using server = await createServer(factory, { host: HOST })
        outside = server
        await netDial({ port: server.sockets[0]!.port })
        await count(1)
      })()
      expect(await isPending(block)).toBe(true)
      expect(outside!.sockets).toEqual([])
      made[0]!.transport.close()
      await block
      expect(made[0]!.log).toContain('lost')
    })
  })

  describe('a connection that misbehaves', () => {
    it('a factory that throws is reported; that socket is closed, and the server goes on (A31)', async () => {
      let calls = 0
      const bug = new Error('bug')
      const { address, errors, server } = await netServe(() => {
        if (++calls === 1) throw bug
        return new NetRecorder()
      })
      const first = await netDial(address)
      await first.until(() => first.ended || first.closed)
      expect(errors).toEqual([{ error: bug, transport: undefined }])
      await netDial(address)
      await netRoundTrip()
      expect(calls).toBe(2)
      server.close()
      server.abortClients()
      await server.waitClosed()
    })

    it('a connectionLost that throws still leaves the server (I13)', async () => {
      const bug = new Error('bug')
      const { address, errors, server } = await netServe(() => ({
        connectionLost() {
          throw bug
        },
      }))
      const peer = await netDial(address)
      peer.socket.end()
      await peer.until(() => peer.ended)
      server.close()
      await server.waitClosed()
      expect(errors.map((each) => each.error)).toEqual([bug])
      expect(errors[0]!.transport).toBeDefined()
    })

    it('an error handler that throws does no harm: both errors go to stderr (A69)', async () => {
      const program = netProgram(
        `import { createServer } from 'millrace'
         const server = await createServer(() => ({ dataReceived() { throw new Error('first bug') } }), {
           host: '127.0.0.1', onConnectionError() { throw new Error('second bug') } })
         console.log(server.sockets[0].port)
         process.stdin.once('data', () => { server.close(); process.stdin.destroy() })`,
      )
      const peer = await netDial({ port: Number(await program.line()) })
      peer.socket.write('x')
      await peer.until(() => peer.ended || peer.closed)
      program.send('end')
      const { code, stderr } = await program.ended
      expect(code).toBe(0)
      expect(stderr).toMatch(/unhandled error on the connection with 127\.0\.0\.1:\d+: Error: first bug/)
      expect(stderr).toContain('second bug')
    })

    it('without a handler an error is printed with its peer, and the server goes on (A69)', async () => {
      const program = netProgram(
        `import { createServer } from 'millrace'
         const server = await createServer(() => ({ dataReceived() { throw new Error('bug') } }), { host: '127.0.0.1' })
         console.log(server.sockets[0].port)
         process.stdin.once('data', () => { server.close(); process.stdin.destroy() })`,
      )
      const port = Number(await program.line())
      for (let i = 0; i < 2; i++) {
        const peer = await netDial({ port })
        peer.socket.write('x')
        await peer.until(() => peer.ended || peer.closed)
      }
      program.send('end')
      const { code, stderr } = await program.ended
      expect(code).toBe(0)
      expect(
        stderr.match(/millrace: unhandled error on the connection with 127\.0\.0\.1:\d+: Error: bug/g),
      ).toHaveLength(2)
    })
  })

  describe('out of descriptors', () => {
    it('goes on, and serves again when there are some (A30)', async () => {
      const program = netProgram(
        `import { createServer } from 'millrace'
         const server = await createServer(() => ({
           connectionMade(transport) { this.transport = transport },
           dataReceived(data) { this.transport.write(data) },
         }), { host: '127.0.0.1', backlog: 5 })
         console.log(server.sockets[0].port)
         process.stdin.once('data', () => { server.close(); server.abortClients(); process.stdin.destroy() })`,
        { shell: 'ulimit -n 100' },
      )
      const port = Number(await program.line())
      const peers: NetPeer[] = []
      // One after the other until the program has no descriptor left, and a connection is dropped.
      for (;;) {
        const peer = await netDial({ port })
        peers.push(peer)
        peer.socket.write('?')
        await peer.until(() => peer.text === '?' || peer.ended || peer.closed)
        if (peer.text === '') break
        expect(peers.length).toBeLessThan(120)
      }
      expect(peers.length).toBeGreaterThan(5)
      // Those that it has go on, …
      peers[0]!.socket.write('!')
      await peers[0]!.until(() => peers[0]!.text === '?!')
      // … and new ones are served when old ones have gone.
      for (const peer of peers) peer.socket.destroy()
      for (;;) {
        const peer = await netDial({ port })
        peer.socket.write('again')
        await peer.until(() => peer.text === 'again' || peer.ended || peer.closed)
        if (peer.text === 'again') break
      }
      program.send('end')
      expect((await program.ended).code).toBe(0)
    }, 20_000)
  })

  describe('sockets', () => {
    it('tell family, address and port (A27)', async () => {
      const { server, port } = await netServe(NetRecorder)
      const [socket] = server.sockets
      expect(socket).toMatchObject({ family: 'IPv4', address: HOST, port })
      expect(socket!.getsockname()).toEqual([HOST, port])
      const path = netUnixPath()
      const listener = net.createServer()
      await new Promise<void>((resolve) => listener.listen(path, resolve))
      listener.close()
      const unix = await netServe(NetRecorder, 'unix')
      expect(unix.server.sockets[0]).toMatchObject({ family: 'unix', port: 0 })
      expect(unix.server.sockets[0]!.getsockname()).toBe((unix.address as { path: string }).path)
    })
  })

  it('is left by a program that has closed it and its clients', async () => {
    const program = netProgram(
      `import { startServer, openConnection } from 'millrace'
       const server = await startServer(async (reader, writer) => { writer.write(await reader.readLine()) }, { host: '127.0.0.1' })
       const { reader, writer } = await openConnection({ host: '127.0.0.1', port: server.sockets[0].port })
       writer.write('x\\n')
       console.log(String(await reader.readLine()).trim())
       server.close(); server.closeClients(); writer.close()`,
    )
    expect(await program.ended).toEqual({ code: 0, stdout: 'x\n', stderr: '' })
    await netTurns()
    netStop(await createServer(NetRecorder, { host: HOST }))
  })
})
