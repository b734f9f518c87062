import { spawnSync } from 'node:child_process'
import * as net from 'node:net'
import * as tls from 'node:tls'
import { createConnection } from '../../lib/endpoints/connect.ts'
import type { TcpListenOptions } from '../../lib/endpoints/listen.ts'
import { InvalidFrameError, TimeoutError, TlsHandshakeError } from '../../lib/errors.ts'
import { openConnection, startServer } from '../../lib/streams/open.ts'
import type { ProxyInfo, Transport } from '../../lib/transport.ts'
import { proxyHeader } from '../../lib/transports/proxyHeader.ts'
import { everySplit } from '../support/everySplit.ts'
import {
  netDefer,
  netDial,
  netError,
  type NetPeer,
  NetRecorder,
  netRoundTrip,
  netServe,
  type NetServing,
  netStop,
  netTurns,
  NetWatched,
} from '../support/netTools.ts'
import { itWith, Program } from '../support/program.ts'
import { ca, certified } from '../support/tlsFixtures.ts'

const HOST = '127.0.0.1'
const serverTls = certified('localhost')
const itWithCurl = itWith('curl')

interface Serving extends NetServing {
  made: NetRecorder[]
  /** Resolves with the first error that is reported. */
  failed: () => Promise<Error>
  /** Resolves with the protocol of the nth connection. */
  nth: (n: number) => Promise<NetRecorder>
}

/** A server whose protocols record, and keep their connections. */
async function serve(options: TcpListenOptions, kind: 'tcp' | 'unix' = 'tcp'): Promise<Serving> {
  const made: NetRecorder[] = []
  const watched = new NetWatched()
  const errors: NetServing['errors'] = []
  const factory = (): NetRecorder => {
    const recorder = new NetRecorder()
    recorder.keepOpen = true
    made.push(recorder)
    watched.changed()
    return recorder
  }
  const onConnectionError = (error: unknown, transport: Transport | undefined): void => {
    errors.push({ error, transport })
    watched.changed()
  }
  const serving = await netServe(factory, kind, { onConnectionError, ...options })
  const failed = async (): Promise<Error> => {
    await watched.until(() => errors.length > 0)
    return errors[0]!.error as Error
  }
  const nth = async (n: number): Promise<NetRecorder> => {
    await watched.until(() => made.length >= n)
    return made[n - 1]!
  }
  return { ...serving, errors, made, failed, nth }
}

/** A client that connects, sends and resets while this process accepts nothing. */
function resetBeforeAccept(port: number, text: string): void {
  const script = `const socket = require('net').connect(${port}, '${HOST}', () => {
    socket.write(${JSON.stringify(text)}, () => socket.resetAndDestroy())
  })`
  expect(spawnSync(process.execPath, ['-e', script]).status).toBe(0)
}

const closed = (peer: NetPeer): Promise<void> => peer.until(() => peer.closed || peer.ended)

const CLIENT: [string, number] = ['192.0.2.7', 56_324]
const TARGET: [string, number] = ['198.51.100.9', 443]
const header = proxyHeader({ source: CLIENT, destination: TARGET, tlvs: [[1, Buffer.from('h2')]], checksum: true })
const line = proxyHeader({ version: 1, source: CLIENT, destination: TARGET })

describe('proxyProtocol', () => {
  it.each([
    ['version 1', line],
    ['version 2', header],
  ])('%s, cut anywhere: the addresses are those that it tells, the bytes behind it are data', async (_, bytes) => {
    const { address, nth, errors } = await serve({ proxyProtocol: true })
    let n = 0
    for (const { name, chunks } of everySplit(Buffer.concat([bytes, Buffer.from('data')])).filter(
      (_each, i) => i % 4 < 2,
    )) {
      const peer = await netDial(address)
      peer.socket.setNoDelay(true)
      for (const chunk of chunks) {
        peer.socket.write(chunk)
        await netTurns(1)
      }
      peer.socket.end()
      const recorder = await nth(++n)
      await recorder.untilEvent('eof')
      const { transport } = recorder
      expect([name, recorder.text, transport.getExtraInfo('peername')]).toEqual([name, 'data', CLIENT])
      expect(transport.getExtraInfo('sockname')).toEqual(TARGET)
      const proxy: ProxyInfo = transport.getExtraInfo('proxy')!
      expect(proxy).toMatchObject({
        version: bytes === line ? 1 : 2,
        command: 'PROXY',
        source: CLIENT,
        destination: TARGET,
      })
      expect(proxy.tlvs.length).toBe(bytes === line ? 0 : 2)
      transport.abort()
    }
    expect(errors).toEqual([])
  })

  it.each([
    ['LOCAL', proxyHeader({ command: 'LOCAL' })],
    ['an unspecified family', proxyHeader({})],
    ['UNKNOWN', proxyHeader({ version: 1 })],
  ])('%s keeps the addresses of the socket', async (_, bytes) => {
    const { address, port, nth } = await serve({ proxyProtocol: true })
    const peer = await netDial(address)
    peer.socket.write(bytes)
    const { transport } = await nth(1)
    expect(transport.getExtraInfo('peername')).toEqual([HOST, peer.socket.localPort])
    expect(transport.getExtraInfo('sockname')).toEqual([HOST, port])
    expect((transport.getExtraInfo('proxy') as ProxyInfo).source).toBeNull()
  })

  it('goes with connectionMade before a byte of data, also for a client that only listens', async () => {
    const { address, nth } = await serve({ proxyProtocol: true })
    const peer = await netDial(address)
    peer.socket.write(line)
    const { transport } = await nth(1)
    transport.write('220 hello')
    await peer.until(() => peer.size === 9)
    expect(peer.text).toBe('220 hello')
  })

  it('makes errors name the client that the header tells', async () => {
    const { address, failed } = await serve({ proxyProtocol: true, tls: serverTls })
    const peer = await netDial(address)
    peer.socket.write(Buffer.concat([line, Buffer.from('no TLS')]))
    const error = await failed()
    expect(error).toBeInstanceOf(TlsHandshakeError)
    expect(error.message).toMatch('TLS handshake with 192.0.2.7:56324 failed: the other end does not seem to speak TLS')
    await closed(peer)
  })

  it('comes before TLS, from a client of ours too; startTls keeps it', async () => {
    const { port, nth } = await serve({ proxyProtocol: true, tls: serverTls })
    const client = new NetRecorder()
    const [transport] = await createConnection(() => client, {
      host: HOST,
      port,
      tls: { ca },
      serverHostname: 'localhost',
      proxyHeader: header,
    })
    transport.write('secret')
    const server = await nth(1)
    await server.until(() => server.text === 'secret')
    expect(server.transport.getExtraInfo('peername')).toEqual(CLIENT)
    expect(server.transport.getExtraInfo('tlsVersion')).toBe('TLSv1.3')
    transport.abort()

    const upgrading = await startServer(
      async (reader, writer) => {
        await reader.readLine()
        await writer.startTls({ tls: serverTls })
        writer.write(`${String(writer.getExtraInfo('peername'))} ${writer.getExtraInfo('tlsVersion')}\n`)
        writer.close()
      },
      { host: HOST, proxyProtocol: true },
    )
    netStop(upgrading)
    const [reader, writer] = await openConnection({ host: HOST, port: upgrading.sockets[0]!.port, proxyHeader: line })
    writer.write('go\n')
    await writer.startTls({ tls: { ca }, serverHostname: 'localhost' })
    expect(String(await reader.readLine())).toBe('192.0.2.7,56324 TLSv1.3\n')
    writer.close()
  })

  it('works over Unix sockets', async () => {
    const { address, nth } = await serve({ proxyProtocol: { trusted: new net.BlockList() } }, 'unix')
    const peer = await netDial(address)
    peer.socket.write(line)
    expect((await nth(1)).transport.getExtraInfo('peername')).toEqual(CLIENT)
  })

  describe('without a valid header', () => {
    it.each<[string, Buffer | string, RegExp]>([
      ['another protocol', 'GET / HTTP/1.1\r\n\r\n', /no PROXY header: the first bytes are "GET \/ HTTP\/1"$/],
      ['a wrong checksum', Buffer.from(header).fill(1, 16, 18), /the checksum of a PROXY header is wrong$/],
      [
        'one that is too long',
        Buffer.concat([header.subarray(0, 14), Buffer.of(0xff, 0xff)]),
        /over the limit of 4096$/,
      ],
    ])('%s: closed and reported by the address of the socket; no protocol is made', async (_, bytes, message) => {
      const { address, failed, made, nth } = await serve({ proxyProtocol: true })
      const peer = await netDial(address)
      peer.socket.write(bytes)
      await closed(peer)
      const error = await failed()
      expect(error.message).toMatch(new RegExp(`^PROXY header of ${HOST}:${peer.socket.localPort}: `))
      expect(error.message).toMatch(message)
      expect(made).toEqual([])
      const good = await netDial(address)
      good.socket.write(line)
      await nth(1)
    })

    it('a client that ends, resets or says nothing is closed and reported', async () => {
      const ended = await serve({ proxyProtocol: true })
      const ending = await netDial(ended.address)
      ending.socket.end(line.subarray(0, 9))
      expect((await ended.failed()).message).toMatch(/read 9 bytes from 127\.0\.0\.1:\d+ before the end of the stream$/)

      const reset = await serve({ proxyProtocol: true })
      const resetting = await netDial(reset.address)
      const port = resetting.socket.localPort
      resetting.socket.write('PRO')
      await netRoundTrip()
      resetting.socket.resetAndDestroy()
      expect((await reset.failed()).message).toMatch(
        `connection with ${HOST}:${port} lost: read ECONNRESET in its PROXY header (3 bytes so far)`,
      )

      const silent = await serve({ proxyProtocol: { timeoutMs: 20 } })
      const waiting = await netDial(silent.address)
      waiting.socket.write('PROXY')
      await closed(waiting)
      const error = await silent.failed()
      expect(error).toBeInstanceOf(TimeoutError)
      expect(error.message).toMatch(/^PROXY header from 127\.0\.0\.1:\d+ \(5 bytes so far\) took longer than 20 ms$/)
      for (const { made } of [ended, reset, silent]) expect(made).toEqual([])
    })

    it('close() ends what still waits for one, silently', async () => {
      const { server, address, errors } = await serve({ proxyProtocol: true })
      const peer = await netDial(address)
      peer.socket.write('PROXY')
      await netRoundTrip()
      server.close()
      await closed(peer)
      await server.waitClosed()
      expect(errors).toEqual([])
    })
  })

  it('is taken only from those who are trusted', async () => {
    const trusted = new net.BlockList()
    trusted.addSubnet('10.0.0.0', 8)
    const strict = await serve({ proxyProtocol: { trusted } })
    const peer = await netDial(strict.address)
    peer.socket.write(line)
    await closed(peer)
    expect((await strict.failed()).message).toMatch(/^127\.0\.0\.1:\d+ is not trusted to send a PROXY header/)
    expect(strict.made).toEqual([])
    const asked: string[] = []
    const open = await serve({ proxyProtocol: { trusted: (address) => asked.push(address) > 0 } })
    ;(await netDial(open.address)).socket.write(line)
    await open.nth(1)
    expect(asked).toEqual([HOST])
    trusted.addAddress(HOST)
    ;(await netDial(strict.address)).socket.write(line)
    await strict.nth(1)
  })

  it('is not taken from whoever resets the connection before he can be asked who he is', async () => {
    const trusted = new net.BlockList()
    trusted.addAddress('10.0.0.1')
    const { address, failed, made } = await serve({ proxyProtocol: { trusted } })
    const { port } = address as net.TcpNetConnectOpts
    resetBeforeAccept(port!, 'PROXY TCP4 10.0.0.9 10.0.0.1 1 2\r\nDELETE')
    expect((await failed()).message).toBe('a connection was reset before its peer could be asked for its address')
    expect(made).toEqual([])
    const secured = await serve({ tls: serverTls })
    resetBeforeAccept((secured.address as net.TcpNetConnectOpts).port, 'x')
    expect((await secured.failed()).message).toMatch(/^TLS handshake with \(unknown\) failed/)
  })

  it('refuses options that make no sense', async () => {
    await expect(serve({ proxyProtocol: { timeoutMs: 0 } })).rejects.toThrow(RangeError)
    await expect(serve({ proxyProtocol: { maxHeaderBytes: 15 } })).rejects.toThrow(RangeError)
    await expect(serve({ proxyProtocol: { trusted: ['::1'] as never } })).rejects.toThrow(TypeError)
  })

  itWithCurl('curl sends one', async () => {
    const server = await startServer(
      async (reader, writer) => {
        for await (const each of reader) if (String(each) === '\r\n') break
        const { command, version, destination } = writer.getExtraInfo('proxy')!
        const body = `${command} ${version} ${String(destination)} ${String(writer.getExtraInfo('peername'))}`
        writer.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
        writer.close()
      },
      { host: HOST, proxyProtocol: true },
    )
    netStop(server)
    const { port } = server.sockets[0]!
    const curl = new Program('curl', ['-sS', '--haproxy-protocol', `http://${HOST}:${port}/`])
    expect([await curl.exit(), curl.stderr]).toEqual([0, ''])
    expect(curl.stdout).toMatch(new RegExp(`^PROXY 1 127\\.0\\.0\\.1,${port} 127\\.0\\.0\\.1,\\d+$`))
  })
})

describe('tlsOptional', () => {
  const options = { tls: serverTls, tlsOptional: true }

  it('serves TLS and plain clients on one port; the cipher tells', async () => {
    const { port, address, nth, errors } = await serve(options)
    const plain = await netDial(address)
    plain.socket.write('plain')
    const first = await nth(1)
    await first.until(() => first.text === 'plain')
    expect(first.transport.getExtraInfo('cipher')).toBeNull()
    first.transport.write('answer')
    await plain.until(() => plain.text === 'answer')
    plain.socket.end()
    await first.untilEvent('eof')
    const [transport] = await createConnection(NetRecorder, {
      host: HOST,
      port,
      tls: { ca },
      serverHostname: 'localhost',
    })
    transport.write('secret')
    const second = await nth(2)
    await second.until(() => second.text === 'secret')
    expect(second.transport.getExtraInfo('cipher')).toHaveProperty('name')
    transport.abort()
    expect(errors).toEqual([])
  })

  it('reads nothing more of a connection that waits for its turn, and loses nothing', async () => {
    const { address, nth, made } = await serve({ ...options, maxConnections: 1 })
    const first = await netDial(address)
    first.socket.write('first')
    const one = await nth(1)
    const second = await netDial(address, { reading: false })
    const bytes = Buffer.alloc(30_000_000, 'second')
    second.socket.end(bytes)
    await netRoundTrip()
    expect(made).toHaveLength(1)
    expect(second.socket.writableLength).toBeGreaterThan(0)
    one.transport.abort()
    const two = await nth(2)
    await two.untilEvent('eof')
    expect(Buffer.concat(two.chunks).equals(bytes)).toBe(true)
  })

  it('knows the end of a connection that has ended while it waited, and forgets one that was reset', async () => {
    const { address, nth, made, server } = await serve({ ...options, maxConnections: 1 })
    ;(await netDial(address)).socket.write('first')
    const one = await nth(1)
    const ended = await netDial(address)
    ended.socket.end('second')
    await netRoundTrip()
    const gone = await netDial(address)
    gone.socket.write('third')
    await netRoundTrip()
    gone.socket.resetAndDestroy()
    await netRoundTrip()
    const last = await netDial(address)
    last.socket.write('last')
    await netRoundTrip()
    one.transport.abort()
    const two = await nth(2)
    await two.untilEvent('eof')
    expect(two.text).toBe('second')
    two.transport.close()
    const three = await nth(3)
    await three.until(() => three.text === 'last')
    three.transport.abort()
    server.close()
    await server.waitClosed()
    expect(made).toHaveLength(3)
  })

  it('closes and reports a client that says nothing, in time; one that goes; and a handshake that goes wrong', async () => {
    const silent = await serve({ ...options, tlsHandshakeTimeoutMs: 20 })
    const waiting = await netDial(silent.address)
    await closed(waiting)
    expect((await silent.failed()).message).toMatch(/^first byte from 127\.0\.0\.1:\d+ .* took longer than 20 ms$/)

    const gone = await serve(options)
    ;(await netDial(gone.address)).socket.end()
    expect((await gone.failed()).message).toMatch('before the end of the stream')

    const wrong = await serve(options)
    ;(await netDial(wrong.address)).socket.write(Buffer.of(0x16, 9, 9, 9, 9, 9, 9, 9, 9))
    expect(await wrong.failed()).toBeInstanceOf(TlsHandshakeError)
    for (const { made } of [silent, gone, wrong]) expect(made).toEqual([])
  })

  it('goes with a PROXY header in front of either', async () => {
    const { address, port, nth } = await serve({ ...options, proxyProtocol: true })
    ;(await netDial(address)).socket.write(Buffer.concat([header, Buffer.from('plain')]))
    const plain = await nth(1)
    await plain.until(() => plain.text === 'plain')
    const socket = net.connect(port, HOST)
    netDefer(() => socket.destroy())
    socket.write(header)
    tls
      .connect({ socket, ca, servername: 'localhost' })
      .on('error', () => {})
      .write('secret')
    const secret = await nth(2)
    await secret.until(() => secret.text === 'secret')
    expect([plain, secret].map(({ transport }) => transport.getExtraInfo('peername'))).toEqual([CLIENT, CLIENT])
  })

  it('is refused without tls', async () => {
    await expect(serve({ tlsOptional: true })).rejects.toThrow(TypeError)
  })
})

describe('a handshake over a Unix socket', () => {
  it('is ended by close(), whichever of several it is', async () => {
    const { server, address, errors } = await serve({ tls: serverTls }, 'unix')
    const peers = [await netDial(address), await netDial(address), await netDial(address)]
    await netRoundTrip()
    server.close()
    await Promise.all(peers.map(closed))
    expect(errors).toEqual([])
  })
})

describe('a certificate that is none', () => {
  it('rejects the listening call', async () => {
    const error = await netError(serve({ tls: { ...serverTls, key: 'nonsense' } }))
    expect(error).toHaveProperty('code', 'ERR_OSSL_UNSUPPORTED')
  })
})

describe('maxConnections and backlog', () => {
  it('bound how many may be greeted at a time', async () => {
    const { address, failed, errors, nth } = await serve({ tls: serverTls, maxConnections: 1, backlog: 1 })
    const silent = [await netDial(address), await netDial(address)]
    const above = await netDial(address)
    await closed(above)
    expect((await failed()).message).toBe(
      `2 connections are being greeted, and no more may be: the one from ${HOST}:${above.socket.localPort} was closed`,
    )
    expect(silent.some((each) => each.closed)).toBe(false)
    silent[0]!.socket.resetAndDestroy()
    await netRoundTrip()
    expect(errors).toHaveLength(2)
    const [transport] = await createConnection(NetRecorder, {
      ...(address as net.TcpNetConnectOpts),
      host: 'localhost',
      family: 4,
      tls: { ca },
    })
    await nth(1)
    transport.abort()
  })

  it('do not count those that have gone while they waited', async () => {
    const { address, errors, nth } = await serve({ tls: serverTls, tlsOptional: true, maxConnections: 1, backlog: 1 })
    ;(await netDial(address)).socket.write('first')
    const one = await nth(1)
    const gone = await netDial(address)
    gone.socket.write('second')
    await netRoundTrip()
    gone.socket.resetAndDestroy()
    await netRoundTrip()
    const last = await netDial(address)
    last.socket.write('last')
    await netRoundTrip()
    one.transport.abort()
    const two = await nth(2)
    await two.until(() => two.text === 'last')
    expect(errors).toEqual([])
  })
})

describe('maxConnectionsPerPeer', () => {
  it('closes and reports what is above, and counts what has ended no more', async () => {
    const { address, nth, failed, errors, made } = await serve({ maxConnectionsPerPeer: 2 })
    await netDial(address)
    const second = await netDial(address)
    await nth(2)
    const third = await netDial(address)
    await closed(third)
    const { message } = await failed()
    expect(message).toBe(
      `127.0.0.1 has reached the limit of 2 connections per peer: the connection from 127.0.0.1:${third.socket.localPort} was closed`,
    )
    await closed(await netDial(address))
    // At most one report a second.
    expect(errors).toHaveLength(1)
    expect(made).toHaveLength(2)
    second.socket.end()
    const recorder = await nth(2)
    await recorder.untilEvent('eof')
    recorder.transport.close()
    await recorder.untilEvent('lost')
    await netDial(address)
    await nth(3)
  })

  it('counts handshakes, and goes by the address of a PROXY header', async () => {
    const { address, failed } = await serve({ maxConnectionsPerPeer: 1, tls: serverTls })
    const shaking = await netDial(address)
    await closed(await netDial(address))
    expect((await failed()).message).toMatch('127.0.0.1 has reached the limit of 1 ')
    expect(shaking.closed).toBe(false)

    const behind = await serve({ maxConnectionsPerPeer: 1, proxyProtocol: true })
    const from = (host: string): Buffer => proxyHeader({ version: 1, source: [host, 1], destination: TARGET })
    ;(await netDial(behind.address)).socket.write(from('192.0.2.1'))
    await behind.nth(1)
    ;(await netDial(behind.address)).socket.write(from('192.0.2.2'))
    await behind.nth(2)
    const again = await netDial(behind.address)
    again.socket.write(from('192.0.2.1'))
    await closed(again)
    expect((await behind.failed()).message).toMatch('192.0.2.1 has reached the limit of 1 ')
  })

  it.each([0, -1, NaN])('refuses %p', async (maxConnectionsPerPeer) => {
    await expect(serve({ maxConnectionsPerPeer })).rejects.toThrow(RangeError)
  })
})

it('an InvalidFrameError is what a wrong PROXY header gives, with its peer', async () => {
  const { address, failed } = await serve({ proxyProtocol: true })
  const peer = await netDial(address)
  peer.socket.write('x')
  const error = (await failed()) as InvalidFrameError
  expect(error).toBeInstanceOf(InvalidFrameError)
  expect(error.peer).toBe(`${HOST}:${peer.socket.localPort}`)
})
