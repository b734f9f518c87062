import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import * as net from 'node:net'
import { dirname, join } from 'node:path'
import { compressLayer } from '../../lib/compression/index.ts'
import { ReconnectingClient } from '../../lib/endpoints/reconnectingClient.ts'
import { ConnectError, NotImplementedError } from '../../lib/errors.ts'
import { framed } from '../../lib/framing/framed.ts'
import { lengthPrefixed } from '../../lib/framing/lengthPrefixed.ts'
import { endpointFromString } from '../../lib/streams/endpointFromString.ts'
import { netDefer, netError, NetRecorder, netRoundTrip, netStop, netUnixPath } from '../support/netTools.ts'
import { spawnWith } from '../support/inheriting.ts'
import { thrownBy } from '../support/thrown.ts'

const tlsFile = (name: string): string => encodeURIComponent(join(__dirname, '../fixtures/tls', name))
const identity = `cert=${tlsFile('localhost.crt')}&key=${tlsFile('localhost.key')}`

/** An echo server on one endpoint, a client on another (by default the same), all four ways. */
async function roundTrips(listening: string, dialled: (port: number) => string = () => listening): Promise<string[]> {
  const server = await endpointFromString(listening).startServer(async (reader, writer) => {
    for await (const line of reader) writer.write(`echo ${String(line)}`)
    writer.close()
  })
  netStop(server)
  const client = endpointFromString(dialled(server.sockets[0]!.port))
  const [reader, writer] = await client.openConnection()
  writer.write('line\n')
  const heard = String(await reader.readLine())
  writer.close()
  await writer.waitClosed()
  server.close()
  await server.waitClosed()

  const accepted = new NetRecorder()
  const second = await endpointFromString(listening).createServer(() => accepted)
  netStop(second)
  const [transport, protocol] = await endpointFromString(dialled(second.sockets[0]!.port)).createConnection(NetRecorder)
  transport.write('bytes')
  await accepted.until(() => accepted.text === 'bytes')
  accepted.transport.write('answer')
  await protocol.until(() => protocol.size === 6)
  transport.close()
  await accepted.untilEvent('lost')
  second.close()
  await second.waitClosed()
  return [heard, accepted.text, protocol.text]
}

const worked = ['echo line\n', 'bytes', 'answer']

describe('endpointFromString (C13)', () => {
  it('tcp: connects and listens', async () => {
    expect(await roundTrips('tcp://127.0.0.1:0', (port) => `tcp://127.0.0.1:${port}`)).toEqual(worked)
    expect(await roundTrips('TCP://:0', (port) => `tcp://localhost:${port}/`)).toEqual(worked)
  })

  it('tls: with files, names and protocols', async () => {
    const listening = `tls://127.0.0.1:0?${identity}&alpn=h2,echo`
    const dialled = (port: number) => `tls://127.0.0.1:${port}?servername=localhost&ca=${tlsFile('ca.crt')}&alpn=echo`
    expect(await roundTrips(listening, dialled)).toEqual(worked)
    const server = await endpointFromString(listening).startServer()
    netStop(server)
    const { port } = server.sockets[0]!
    const [, writer] = await endpointFromString(dialled(port)).openConnection()
    expect(writer.getExtraInfo('alpn')).toBe('echo')
    writer.close()
    const untrusting = endpointFromString(`tls://127.0.0.1:${port}?servername=localhost`)
    expect((await netError(untrusting.openConnection())).message).toMatch('not signed by anyone who is trusted')
  })

  it('tls: a server with ca wants certificates', async () => {
    const errors: unknown[] = []
    const server = await endpointFromString(`tls://127.0.0.1:0?${identity}&ca=${tlsFile('ca.crt')}`).startServer(
      async (reader, writer) => {
        writer.write((writer.getExtraInfo('peercert') as { subject: { CN: string } }).subject.CN)
        await reader.read()
        writer.close()
      },
      { onConnectionError: (error) => errors.push(error) },
    )
    netStop(server)
    const base = `tls://127.0.0.1:${server.sockets[0]!.port}?servername=localhost&ca=${tlsFile('ca.crt')}`
    const mine = `&cert=${tlsFile('client.crt')}&key=${tlsFile('client.key')}`
    const [reader, writer] = await endpointFromString(base + mine).openConnection()
    expect(String(await reader.readExactly(8))).toBe('a client')
    writer.close()
    const [without] = await endpointFromString(base).openConnection()
    await without.read().catch(() => {})
    await netRoundTrip()
    expect(errors.map(String)).toEqual([expect.stringMatching('peer did not return a certificate')])
  })

  it('unix: a path, with what is written as %20, and an abstract name', async () => {
    const path = netUnixPath('with space')
    expect(await roundTrips(`unix://${path.replace(' ', '%20')}`)).toEqual(worked)
    expect(await roundTrips(`unix:${path.replace(' ', '%20')}`)).toEqual(worked)
    const abstract = process.platform === 'linux' ? `unix:@millrace-endpoint-${process.pid}` : `unix://${netUnixPath()}`
    expect(await roundTrips(abstract)).toEqual(worked)
  })

  describe('memory:', () => {
    it('connects within the process; the options of both are those of all endpoints', async () => {
      expect(await roundTrips('memory:echo')).toEqual(worked)
      const endpoint = endpointFromString('memory:framed')
      const classes = framed(lengthPrefixed())
      const layers = [compressLayer()]
      const server = await endpoint.startServer({ ...classes, layers, maxConnections: 1 })
      netStop(server)
      expect(server.sockets[0]).toMatchObject({ family: 'memory', address: 'framed' })
      const clients = [await endpoint.openConnection({ ...classes, layers }), await endpoint.openConnection()] as const
      clients[0].writer.writeMessage(Buffer.from('hello'))
      const [reader, writer] = await server.accept()
      expect(String(await reader.readMessage())).toBe('hello')
      const second = server.accept()
      clients[1].writer.transport.abort()
      writer.close()
      await clients[0].reader.read()
      clients[0].writer.close()
      await second
    })

    it('has one server for a name, and none after its close', async () => {
      const endpoint = endpointFromString('memory:one')
      const error = await netError(endpoint.createConnection(NetRecorder))
      expect(error).toBeInstanceOf(ConnectError)
      expect(error.message).toBe('could not connect to memory:one: nobody listens on it')
      const server = await endpoint.createServer(NetRecorder)
      await expect(endpoint.createServer(NetRecorder)).rejects.toMatchObject({ code: 'EADDRINUSE' })
      server.close()
      expect(await netError(endpoint.createConnection(NetRecorder))).toBeInstanceOf(ConnectError)
      const again = await endpoint.createServer(NetRecorder)
      server.close()
      const [transport] = await endpoint.createConnection(NetRecorder)
      transport.abort()
      again.close()
    })

    it('a client that waits when the server closes loses its connection', async () => {
      const endpoint = endpointFromString('memory:waiting')
      const server = await endpoint.createServer(NetRecorder, { startServing: false })
      const [, protocol] = await endpoint.createConnection(NetRecorder)
      const [, late] = await endpoint.createConnection(NetRecorder)
      await netRoundTrip()
      expect(protocol.log).toEqual(['made'])
      server.close()
      await protocol.untilEvent('lost')
      await late.untilEvent('lost')
      expect(String(protocol.lostWith)).toMatch('reset by the peer')
    })

    it('forgets a client that was lost while it waited', async () => {
      const endpoint = endpointFromString('memory:gone')
      const made: NetRecorder[] = []
      const factory = (): NetRecorder => made[made.push(new NetRecorder()) - 1]!
      const server = await endpoint.createServer(factory, { startServing: false })
      const [first] = await endpoint.createConnection(NetRecorder)
      const [second] = await endpoint.createConnection(NetRecorder)
      await netRoundTrip()
      first.abort({ reset: true })
      await netRoundTrip()
      await server.startServing()
      expect(made).toHaveLength(1)
      second.close()
      server.close()
      await server.waitClosed()
    })

    it('reports what goes wrong on the server to it', async () => {
      const endpoint = endpointFromString('memory:failing')
      const errors: unknown[] = []
      const server = await endpoint.createServer(
        () => ({
          dataReceived() {
            throw new Error('cannot read this')
          },
        }),
        { onConnectionError: (error) => errors.push(error) },
      )
      netStop(server)
      const [transport, protocol] = await endpoint.createConnection(NetRecorder)
      transport.write('x')
      await protocol.untilEvent('lost')
      expect(errors.map(String)).toEqual(['Error: cannot read this'])
    })
  })

  it('a ReconnectingClient goes over any of them, layers included', async () => {
    for (const text of ['memory:again', `unix://${netUnixPath()}`]) {
      const endpoint = endpointFromString(text)
      const layers = [compressLayer()]
      const server = await endpoint.startServer({ layers })
      netStop(server)
      const client = new ReconnectingClient((attempt) => endpoint.openConnection({ ...attempt, layers }), {
        initialDelayMs: 1,
      })
      const seen = new Set<unknown>()
      for await (const [reader, writer] of client) {
        seen.add(writer)
        writer.write(`${seen.size}\n`)
        const accepted = await server.accept()
        expect(String(await accepted.reader.readLine())).toBe(`${seen.size}\n`)
        accepted.writer.close()
        await reader.read()
        writer.close()
        if (seen.size === 3) break
      }
      client.close()
      await client.waitClosed()
    }
  })

  it('stdio: serves whoever has started the program', async () => {
    const source = `
      import { endpointFromString } from 'millrace'
      const server = await endpointFromString('stdio:').startServer(async (reader, writer) => {
        for await (const line of reader) writer.write('echo ' + line)
        writer.close()
        server.close()
      })
    `
    const child = spawn(process.execPath, ['--input-type=module', '-e', source], { cwd: join(__dirname, '../..') })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (data) => (stdout += String(data)))
    child.stderr.on('data', (data) => (stderr += String(data)))
    child.stdin.end('one\ntwo\n')
    const code = await new Promise((resolve) => child.on('close', resolve))
    expect([code, stdout, stderr]).toEqual([0, 'echo one\necho two\n', ''])
  })

  it('fd: and systemd: serve on what was passed', async () => {
    const listeners = [net.createServer(), net.createServer()] as const
    for (const each of listeners) await new Promise<void>((resolve) => each.listen(0, '127.0.0.1', resolve))
    const ports = listeners.map((each) => (each.address() as net.AddressInfo).port)
    const ended = spawnWith(
      `
      import { endpointFromString } from 'millrace'
      const servers = []
      for (const text of ['fd:3', 'systemd:web']) {
        servers.push(await endpointFromString(text).startServer((reader, writer) => {
          writer.write(text)
          writer.close()
          servers[text === 'fd:3' ? 0 : 1].close()
        }))
      }
      `,
      listeners,
      'export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=other:web',
    )
    for (const each of listeners) each.close()
    for (const [i, text] of ['fd:3', 'systemd:web'].entries()) {
      const [reader, writer] = await endpointFromString(`tcp://127.0.0.1:${ports[i]}`).openConnection()
      expect(String(await reader.read())).toBe(text)
      writer.close()
    }
    expect(await ended).toEqual([0, ''])
  })

  it.each<[string, RegExp]>([
    ['127.0.0.1:80', /is no endpoint: it begins with no scheme|scheme 127/],
    ['', /is no endpoint/],
    ['ftp://host:21', /the scheme ftp is not known, only tcp, tls, unix, stdio, memory, fd, systemd$/],
    ['tcp:host:80', /a scheme is followed by \/\/host:port/],
    ['tcp://host', /has no port/],
    ['tcp://host:', /has no port/],
    ['tcp://host:65536', /65536 is no port/],
    ['tcp://host:http', /http is no port/],
    ['tcp://host:-1', /-1 is no port/],
    ['tcp://::1:80', /a scheme is followed by/],
    ['tcp://[host]:80', /in brackets there must be an IPv6 address/],
    ['tcp://host:80/path', /a scheme is followed by/],
    ['tcp://host:80?ca=x', /"ca" is not known$/],
    ['tls://host:80?password=x', /"password" is not known, only ca, cert, key, servername, alpn$/],
    ['tls://host:80?ca=x&ca=y', /has ca twice/],
    ['tls://host:80?ca=', /ca is empty/],
    ['unix:', /has no path/],
    ['unix:@', /has no path/],
    ['unix://run/x', /begins with a third slash/],
    ['unix:%zz', /percent sign/],
    ['stdio:x', /nothing may follow/],
    ['memory:', /has no name/],
    ['fd:stdin', /the number of a descriptor/],
    ['systemd:', /has no name/],
  ])('%j is refused', (text, message) => {
    const error = thrownBy(() => endpointFromString(text)) as Error
    expect(error instanceof TypeError || error instanceof RangeError).toBe(true)
    expect(error.message).toMatch(message)
  })

  it('an IPv6 address is in brackets', async () => {
    const error = await netError<ConnectError>(endpointFromString('tcp://[::1]:1').openConnection())
    expect(error.peer).toBe('[::1]:1')
  })

  it('what a scheme cannot do rejects', async () => {
    const rejects = async (promise: Promise<unknown>, type: unknown, message: string | RegExp): Promise<void> => {
      const error = await netError(promise)
      expect(error).toBeInstanceOf(type)
      expect(error.message).toMatch(message)
    }
    await rejects(endpointFromString('fd:3').openConnection(), NotImplementedError, 'it is only for servers')
    await rejects(endpointFromString('systemd:x').createServer(NetRecorder), TypeError, 'none at all')
    await rejects(endpointFromString('tcp://127.0.0.1:0').openConnection(), RangeError, 'port 0 is only for listening')
    await rejects(endpointFromString('tls://127.0.0.1:0').startServer(), TypeError, 'a server needs a cert')
    await rejects(endpointFromString('memory:x').openConnection({ tls: true }), TypeError, 'memory: has no tls')
    await rejects(
      endpointFromString('stdio:').startServer({ idleTimeoutMs: 1 }),
      TypeError,
      'stdio: has no idleTimeout',
    )
    const missing = endpointFromString(`tls://127.0.0.1:0?cert=/no+where.crt&key=/no+where.key`)
    await expect(missing.startServer()).rejects.toThrow(/ENOENT.*\/no\+where/)
    await rejects(
      endpointFromString(`tls://h:0?servername=x&${identity}`).startServer(),
      TypeError,
      'servername is only for connecting',
    )
  })

  it('a certificate is read again for each server', async () => {
    const cert = join(dirname(netUnixPath()), 'cert')
    const endpoint = endpointFromString(`tls://127.0.0.1:0?cert=${cert}&key=${tlsFile('localhost.key')}`)
    await expect(endpoint.startServer()).rejects.toThrow('ENOENT')
    writeFileSync(cert, await import('../support/tlsFixtures.ts').then(({ certified }) => certified('localhost').cert))
    const server = await endpoint.startServer()
    netDefer(() => server.close())
    expect(server.isServing()).toBe(true)
  })

  it('tells what it was made from', () => {
    expect(String(endpointFromString('tcp://[::1]:80'))).toBe('tcp://[::1]:80')
  })
})
