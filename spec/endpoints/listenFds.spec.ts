import { once } from 'node:events'
import { linkSync } from 'node:fs'
import * as net from 'node:net'
import { createServer } from '../../lib/endpoints/listen.ts'
import { listenFds } from '../../lib/endpoints/listenFds.ts'
import { netDefer, netDial, netError, NetRecorder, netStop, netUnixPath, netUntil } from '../support/netTools.ts'
import { Protocol } from '../../lib/protocol.ts'
import type { Transport } from '../../lib/transport.ts'
import { spawnWith } from '../support/inheriting.ts'

const HOST = '127.0.0.1'

function withEnvironment(env: Record<string, string | undefined>): void {
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete process.env[name]
  Object.assign(process.env, env)
  netDefer(() => Object.keys(env).forEach((name) => delete process.env[name]))
}

describe('listenFds (C14)', () => {
  const mine = { LISTEN_PID: String(process.pid), LISTEN_FDS: '3', LISTEN_FDNAMES: 'http::admin' }

  it('tells descriptors and their names, once: the environment is cleaned', () => {
    withEnvironment(mine)
    expect(listenFds()).toEqual([
      { fd: 3, name: 'http' },
      { fd: 4, name: 'unknown' },
      { fd: 5, name: 'admin' },
    ])
    expect(Object.keys(process.env).filter((name) => name.startsWith('LISTEN_'))).toEqual([])
    expect(listenFds()).toEqual([])
  })

  it('leaves the environment if it is told to', () => {
    withEnvironment(mine)
    expect(listenFds({ unsetEnvironment: false })).toHaveLength(3)
    expect(listenFds()).toHaveLength(3)
  })

  it('tells none that are meant for another process', () => {
    withEnvironment({ ...mine, LISTEN_PID: '1' })
    expect(listenFds()).toEqual([])
  })

  it('refuses a number that is none', () => {
    withEnvironment({ ...mine, LISTEN_FDS: '3 or so' })
    expect(() => listenFds()).toThrow('LISTEN_FDS is "3 or so"')
  })

  it('a program serves on sockets that it has inherited, over TCP and a path', async () => {
    const path = netUnixPath()
    const listeners = [net.createServer(), net.createServer()] as const
    for (const [i, where] of [{ port: 0, host: HOST }, { path }].entries()) {
      await new Promise<void>((resolve) => listeners[i]!.listen(where, resolve))
    }
    const { port } = listeners[0].address() as net.AddressInfo
    const ended = spawnWith(
      `
      import { createServer, createUnixServer, listenFds } from 'millrace'
      const servers = []
      let gone = 0
      const greet = (name, index) => () => ({
        connectionMade(transport) {
          const [{ family, port }] = servers[index].sockets
          transport.write([name, family, port].join())
          transport.close()
          if (++gone === 2) for (const each of servers) each.close()
        },
      })
      const [tcp, unix] = listenFds()
      servers.push(await createServer(greet(tcp.name, 0), { fd: tcp.fd }))
      servers.push(await createUnixServer(greet(unix.name, 1), { fd: unix.fd }))
      `,
      listeners,
      'export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:local',
    )
    // Ours would take its share. The path goes with it, so clients go by another.
    linkSync(path, `${path}2`)
    for (const each of listeners) each.close()
    const answers = []
    for (const where of [{ port }, { path: `${path}2` }]) {
      const peer = await netDial(where)
      await peer.until(() => peer.ended)
      answers.push(peer.text)
    }
    expect(answers).toEqual([`web,IPv4,${port}`, 'local,unix,0'])
    expect(await ended).toEqual([0, ''])
  })
})

describe('fd', () => {
  it('that is no listening socket rejects, and so does one with an address', async () => {
    expect(await netError(createServer(NetRecorder, { fd: 99_999 }))).toHaveProperty('code')
    await expect(createServer(NetRecorder, { fd: 3, port: 0 })).rejects.toThrow(TypeError)
    await expect(createServer(NetRecorder, { fd: [] })).rejects.toThrow('no socket was passed')
  })
})

describe('reusePort', () => {
  const [major, minor] = process.versions.node.split('.').map(Number) as [number, number]
  const has = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12)

  it('divides the connections to a port among the servers that share it, or says what it needs', async () => {
    const made = [0, 0]
    const listen = (i: 0 | 1, port: number) =>
      createServer(() => (made[i]!++, new NetRecorder()), { host: HOST, port, reusePort: true })
    const outcome = await listen(0, 0).then(
      async (first) => {
        netStop(first)
        const { port } = first.sockets[0]!
        netStop(await listen(1, port))
        const peers = await Promise.all(Array.from({ length: 64 }, () => netDial({ port })))
        await netUntil(() => made[0]! + made[1]! === 64)
        peers.forEach((peer) => peer.socket.destroy())
        // Where it falls to one of them alone the system has not divided them: the chance of that is 2 to the -63.
        expect(made).not.toContain(0)
        const unshared = await netError<NodeJS.ErrnoException>(createServer(NetRecorder, { host: HOST, port }))
        return `divided, ${unshared.code} without`
      },
      (error: Error) => error.message,
    )
    const needs = `reusePort needs Node 22.12 or later, this is ${process.version}`
    expect(outcome).toBe(has ? 'divided, EADDRINUSE without' : needs)
  })
})

describe('sock', () => {
  const listening = async (): Promise<net.Server> => {
    const server = net.createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return server
  }

  it('takes over a server of Node that listens: half-closed clients get their answer, and it is closed with ours', async () => {
    const sock = await listening()
    const server = await createServer(
      class extends Protocol {
        #transport!: Transport
        override connectionMade(transport: Transport): void {
          this.#transport = transport
        }
        override eofReceived(): boolean {
          this.#transport.write('answered')
          this.#transport.close()
          return true
        }
      },
      { sock },
    )
    expect(server.sockets[0]!.port).toBe((sock.address() as net.AddressInfo).port)
    const client = net.connect({ port: server.sockets[0]!.port, host: '127.0.0.1' })
    client.end()
    expect(String((await once(client, 'data'))[0])).toBe('answered')
    await once(client, 'close')
    const closed = once(sock, 'close')
    server.close()
    await closed
    expect(sock.listening).toBe(false)
  })

  it('must listen, have no other owner, and be the only place', async () => {
    const sock = await listening()
    for (const wrong of [{ sock: net.createServer() }, { sock, port: 0 }, { sock, fd: 3 }]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await expect(createServer(Protocol, wrong)).rejects.toThrow(TypeError)
    }
    sock.on('connection', () => {})
    await expect(createServer(Protocol, { sock })).rejects.toThrow(TypeError)
    sock.close()
  })
})
