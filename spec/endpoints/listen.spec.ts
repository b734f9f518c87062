import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import * as net from 'node:net'
import { createServer, createUnixServer } from '../../lib/endpoints/listen.ts'
import { Protocol } from '../../lib/protocol.ts'
import {
  netDial,
  netError,
  netListen,
  NetRecorder,
  netRoundTrip,
  netServe,
  netStop,
  netTurns,
  netUnixPath,
} from '../support/netTools.ts'

const HOST = '127.0.0.1'

/** Whether this machine has an IPv6 loopback; some containers have not. */
const ipv6 = new Promise<boolean>((resolve) => {
  const probe = net.createServer().unref()
  probe.once('error', () => resolve(false))
  probe.listen(0, '::1', () => probe.close(() => resolve(true)))
})

describe('createServer', () => {
  it('is ready when it resolves (A54)', async () => {
    const { address } = await netServe(NetRecorder)
    const peer = await netDial(address)
    expect(peer.socket.remoteAddress).toBe(HOST)
  })

  it('takes a free port by default (A54)', async () => {
    const server = await createServer(NetRecorder, { host: HOST })
    netStop(server)
    expect(server.sockets[0]!.port).toBeGreaterThan(0)
  })

  it('binds a host that is named twice once (A29)', async () => {
    const server = await createServer(NetRecorder, { host: [HOST, HOST] })
    netStop(server)
    expect(server.sockets.map((each) => each.address)).toEqual([HOST])
  })

  it('listens on several hosts, and port 0 is the same port for all (A29)', async () => {
    const hosts = [HOST, '127.0.0.2', '127.0.0.3']
    const { factory, made } = counted()
    const server = await createServer(factory, { host: hosts, port: 0 })
    netStop(server)
    expect(server.sockets.map((each) => each.address)).toEqual(hosts)
    expect(new Set(server.sockets.map((each) => each.port)).size).toBe(1)
    const { port } = server.sockets[0]!
    for (const host of hosts) await netDial({ host, port })
    await netRoundTrip()
    expect(made()).toBe(3)
    server.close()
    for (const host of hosts) {
      expect(await netError(netDial({ host, port }))).toMatchObject({ code: 'ECONNREFUSED' })
    }
  })

  it.each([[''], [null], [undefined]])('listens on all interfaces if the host is %p (A29)', async (host) => {
    const server = await createServer(NetRecorder, { host })
    netStop(server)
    const addresses = server.sockets.map((each) => each.address)
    expect(addresses).toEqual(['0.0.0.0', ...((await ipv6) ? ['::'] : [])])
    expect(new Set(server.sockets.map((each) => each.port)).size).toBe(1)
    await netDial({ port: server.sockets[0]!.port })
  })

  it('takes only IPv6 on an IPv6 socket (A29)', async () => {
    if (!(await ipv6)) return
    const server = await createServer(NetRecorder, { host: '::' })
    netStop(server)
    const { port } = server.sockets[0]!
    expect(server.sockets[0]!.family).toBe('IPv6')
    expect(await netError(netDial({ port }))).toMatchObject({ code: 'ECONNREFUSED' })
    await netDial({ port, host: '::1' })
  })

  it('resolves a name (A54)', async () => {
    const server = await createServer(NetRecorder, { host: 'localhost' })
    netStop(server)
    expect(server.sockets.map((each) => each.address)).toContain(HOST)
  })

  it('refuses an empty list of hosts (A54)', async () => {
    await expect(createServer(NetRecorder, { host: [] })).rejects.toThrow(new TypeError('host is an empty list'))
  })

  it('rejects with the system’s error if the address is taken, and keeps no other (A54)', async () => {
    const { address } = await netListen()
    const { port } = address as { port: number }
    const error = await netError<NodeJS.ErrnoException>(createServer(NetRecorder, { host: ['127.0.0.2', HOST], port }))
    expect(error.code).toBe('EADDRINUSE')
    expect(await netError(netDial({ port, host: '127.0.0.2' }))).toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('rejects a host that is none of ours, and a port out of range (A54)', async () => {
    const error = await netError<NodeJS.ErrnoException>(createServer(NetRecorder, { host: '192.0.2.1' }))
    expect(error.code).toBe('EADDRNOTAVAIL')
    expect(await netError(createServer(NetRecorder, { host: HOST, port: 70_000 }))).toMatchObject({
      code: 'ERR_SOCKET_BAD_PORT',
    })
  })

  it('lets an address be taken again right after its server and clients are gone (A54)', async () => {
    const first = await netServe(NetRecorder)
    const peer = await netDial(first.address)
    await netRoundTrip()
    first.server.close()
    first.server.closeClients()
    await first.server.waitClosed()
    await peer.until(() => peer.ended)
    const second = await createServer(NetRecorder, { host: HOST, port: first.port })
    netStop(second)
    expect(second.sockets[0]!.port).toBe(first.port)
  })

  it('does not listen if its signal is aborted before or meanwhile', async () => {
    const signal = AbortSignal.abort(new Error('before'))
    await expect(createServer(NetRecorder, { host: HOST, signal })).rejects.toThrow('before')
    const { server, port } = await netServe(NetRecorder)
    server.close()
    const controller = new AbortController()
    const starting = netError(createServer(NetRecorder, { host: HOST, port, signal: controller.signal }))
    controller.abort(new Error('enough'))
    expect((await starting).message).toBe('enough')
    await netRoundTrip()
    expect(await netError(netDial({ port }))).toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('listens no longer if its signal is aborted while it binds', async () => {
    const { server, port } = await netServe(NetRecorder)
    server.close()
    for (let microtasks = 0; microtasks < 10; microtasks++) {
      const controller = new AbortController()
      const starting = netError(createServer(NetRecorder, { host: HOST, port, signal: controller.signal }))
      for (let i = 0; i < microtasks; i++) await Promise.resolve()
      controller.abort(new Error('enough'))
      expect((await starting).message).toBe('enough')
      await netTurns()
      expect(await netError(netDial({ port }))).toMatchObject({ code: 'ECONNREFUSED' })
    }
  })

  it('has its signal govern the call only: the server goes on', async () => {
    const controller = new AbortController()
    const server = await createServer(NetRecorder, { host: HOST, signal: controller.signal })
    netStop(server)
    controller.abort()
    expect(server.isServing()).toBe(true)
    await netDial({ port: server.sockets[0]!.port })
  })

  it('refuses a factory that is neither class nor function', () => {
    expect(() => createServer(new Protocol() as unknown as () => Protocol, { host: HOST })).toThrow(TypeError)
  })
})

describe('createUnixServer', () => {
  it('listens on a path, which is gone after close (A55)', async () => {
    const path = netUnixPath()
    const server = await createUnixServer(NetRecorder, { path })
    netStop(server)
    expect(existsSync(path)).toBe(true)
    await netDial({ path })
    server.close()
    expect(existsSync(path)).toBe(false)
  })

  it('refuses a path on which somebody listens (N11)', async () => {
    const { address } = await netListen('unix')
    const { path } = address as { path: string }
    expect(await netError(createUnixServer(NetRecorder, { path }))).toMatchObject({ code: 'EADDRINUSE' })
    const peer = await netDial({ path })
    expect(peer.closed).toBe(false)
  })

  it('refuses a path that is another kind of file, and leaves that alone (A55)', async () => {
    const file = netUnixPath('file')
    writeFileSync(file, 'precious')
    expect(await netError(createUnixServer(NetRecorder, { path: file }))).toMatchObject({ code: 'EADDRINUSE' })
    expect(existsSync(file)).toBe(true)
    const directory = netUnixPath('directory')
    mkdirSync(directory)
    expect(await netError(createUnixServer(NetRecorder, { path: directory }))).toMatchObject({ code: 'EADDRINUSE' })
    expect(existsSync(directory)).toBe(true)
  })

  it('leaves no socket file if its signal is aborted (A55)', async () => {
    const path = netUnixPath()
    const controller = new AbortController()
    const starting = netError(createUnixServer(NetRecorder, { path, signal: controller.signal }))
    controller.abort(new Error('enough'))
    expect((await starting).message).toBe('enough')
    await netTurns()
    expect(existsSync(path)).toBe(false)
  })

  it('takes an abstract path on Linux (A34)', async () => {
    const path = `\0millrace-spec-${process.pid}`
    const { factory, made } = counted()
    if (process.platform !== 'linux') return
    const server = await createUnixServer(factory, { path })
    netStop(server)
    await netDial({ path })
    await netRoundTrip()
    expect(made()).toBe(1)
  })
})

function counted(): { factory: () => NetRecorder; made: () => number } {
  let made = 0
  const factory = (): NetRecorder => {
    made++
    return new NetRecorder()
  }
  return { factory, made: () => made }
}
