import * as net from 'node:net'
import { join } from 'node:path'
import { createConnection } from '../../lib/endpoints/connect.ts'
import { createServer, type TcpListenOptions } from '../../lib/endpoints/listen.ts'
import type { Server } from '../../lib/endpoints/server.ts'
import { ConnectionLostError, NotImplementedError, TimeoutError, TlsHandshakeError } from '../../lib/errors.ts'
import { openConnection, openUnixConnection, startServer, startUnixServer } from '../../lib/streams/open.ts'
import type { Protocol } from '../../lib/protocol.ts'
import type { Transport } from '../../lib/transport.ts'
import type { StreamReader } from '../../lib/streams/streamReader.ts'
import type { StreamWriter } from '../../lib/streams/streamWriter.ts'
import { transportChecks } from '../../lib/testing/checkTransport.ts'
import type { MakePair } from '../../lib/testing/transportCheck.ts'
import {
  netDefer,
  netDial,
  netError,
  netPromise,
  NetRecorder,
  netServe,
  netRoundTrip,
  netStop,
  netUnixPath,
} from '../support/netTools.ts'
import { itWith, Program } from '../support/program.ts'
import { ca, certified } from '../support/tlsFixtures.ts'

const HOST = '127.0.0.1'
const serverTls = certified('localhost')
const clientTls = { ca }

const itWithOpenssl = itWith('openssl')
const itWithPython = itWith('python3')

/** An echo server with TLS, and what reached its error handler. */
async function echo(
  options: TcpListenOptions = {},
): Promise<{ server: Server; port: number; errors: Error[]; reported: () => Promise<Error> }> {
  const errors: Error[] = []
  let told = netPromise<Error>()
  const server = await startServer(
    async (reader, writer) => {
      for await (const line of reader) writer.write(line)
      writer.close()
    },
    {
      host: HOST,
      tls: serverTls,
      onConnectionError: (error) => {
        errors.push(error as Error)
        told.resolve(error as Error)
        told = netPromise<Error>()
      },
      ...options,
    },
  )
  netStop(server)
  const reported = (): Promise<Error> => (errors.length > 0 ? Promise.resolve(errors[0]!) : told.promise)
  return { server, port: server.sockets[0]!.port, errors, reported }
}

async function dial(port: number, options: object = {}): Promise<{ reader: StreamReader; writer: StreamWriter }> {
  const streams = await openConnection({ host: HOST, port, tls: clientTls, serverHostname: 'localhost', ...options })
  netDefer(() => streams.writer.transport.abort())
  return streams
}

async function ping({ reader, writer }: { reader: StreamReader; writer: StreamWriter }): Promise<string> {
  writer.write('ping\n')
  return String(await reader.readLine())
}

describe('TLS', () => {
  it('is one option on either side: streams, protocols and their order are as without it (A73)', async () => {
    const { port, errors } = await echo()
    const streams = await dial(port)
    expect(await ping(streams)).toBe('ping\n')
    streams.writer.close()
    await streams.writer.waitClosed()
    expect(errors).toEqual([])
  })

  it('goes over Unix sockets, too', async () => {
    const path = netUnixPath()
    const server = await startUnixServer(
      async (reader, writer) => {
        writer.write(await reader.readLine())
        writer.close()
      },
      { path, tls: serverTls },
    )
    netStop(server)
    const streams = await openUnixConnection({ path, tls: clientTls, serverHostname: 'localhost' })
    expect(await ping(streams)).toBe('ping\n')
    expect(streams.writer.getExtraInfo('peername')).toBe(path)
    streams.writer.close()
    await streams.writer.waitClosed()
  })

  it('goes over a connected socket that is taken over, which needs the name of its server (A53)', async () => {
    const { port } = await echo()
    const connected = async (): Promise<net.Socket> => (await netDial({ port }, { reading: false })).socket
    const unread = await connected()
    for (const each of [{ tls: clientTls }, { tls: true }, { serverHostname: 'localhost' }]) {
      await expect(openConnection({ sock: unread, ...each })).rejects.toThrow(TypeError)
    }
    expect(unread.destroyed).toBe(false)
    const streams = await openConnection({ sock: unread, tls: clientTls, serverHostname: 'localhost' })
    expect(await ping(streams)).toBe('ping\n')
    expect(streams.writer.getExtraInfo('tlsVersion')).toBe('TLSv1.3')
    streams.writer.close()
    await streams.writer.waitClosed()
    const other = await connected()
    const error = await netError(openConnection({ sock: other, tls: { ...clientTls, servername: 'other.example' } }))
    expect(error).toBeInstanceOf(TlsHandshakeError)
    expect(other.destroyed).toBe(true)
    const aborted = await connected()
    const controller = new AbortController()
    const { signal } = controller
    const waiting = openConnection({ sock: aborted, tls: clientTls, serverHostname: 'localhost', signal })
    controller.abort()
    await expect(waiting).rejects.toBe(signal.reason)
    expect(aborted.destroyed).toBe(true)
  })

  it('tells of certificate, cipher, version, protocol and name in getExtraInfo (A1)', async () => {
    const connected = netPromise<StreamWriter>()
    const server = await startServer((_reader, writer) => connected.resolve(writer), {
      host: HOST,
      tls: { ...serverTls, ALPNProtocols: ['b', 'a'] },
    })
    netStop(server)
    const { writer } = await dial(server.sockets[0]!.port, { tls: { ca, ALPNProtocols: ['a', 'b'] } })
    const peer = await connected.promise
    expect(writer.getExtraInfo('peercert')).toMatchObject({ subject: { CN: 'localhost' } })
    expect(peer.getExtraInfo('peercert')).toBeNull()
    for (const each of [writer, peer]) {
      expect(each.getExtraInfo('tlsVersion')).toBe('TLSv1.3')
      expect(each.getExtraInfo('cipher')).toHaveProperty('name')
      expect(each.getExtraInfo('alpn')).toBe('b')
    }
    expect(peer.getExtraInfo('servername')).toBe('localhost')
    const plain = await startServer(() => {}, { host: HOST })
    netStop(plain)
    const { writer: without } = await dial(plain.sockets[0]!.port, { tls: false, serverHostname: undefined })
    expect(without.getExtraInfo('cipher')).toBeNull()
    peer.close()
  })

  it('asks for a certificate of the client, and refuses one without (A79)', async () => {
    const tls = { ...serverTls, ca, requestCert: true }
    const { port, reported } = await echo({ tls })
    const mine = await dial(port, { tls: { ca, ...certified('client') } })
    expect(await ping(mine)).toBe('ping\n')
    // With TLS 1.3 the client has connected before it is refused, and may or may not get the alert that says why.
    const without = await dial(port)
    const outcome = await without.reader.read().then(
      (rest) => rest.length === 0,
      (error: unknown) => error instanceof ConnectionLostError,
    )
    expect(outcome).toBe(true)
    const error = await reported()
    expect(error).toBeInstanceOf(TlsHandshakeError)
    expect(error.message).toMatch(/^TLS handshake with 127\.0\.0\.1:\d+ failed: peer did not return a certificate$/)
  })

  describe('half-close (A77, D12)', () => {
    it('is possible from TLS 1.3 on', async () => {
      const { port } = await echo()
      const { reader, writer } = await dial(port)
      expect(writer.canWriteEof()).toBe(true)
      writer.write('one\ntwo')
      writer.writeEof()
      expect(String(await reader.read())).toBe('one\ntwo')
      // It is as true of one that is gone, which is no reason for writeEof to throw.
      const other = await dial(port)
      other.writer.transport.abort()
      other.writer.writeEof()
      expect(other.writer.canWriteEof()).toBe(true)
    })

    it('is not before: writeEof throws, and the end of the peer closes (I7, I8)', async () => {
      const { port } = await echo({ tls: { ...serverTls, maxVersion: 'TLSv1.2' } })
      const { reader, writer } = await dial(port)
      expect(writer.getExtraInfo('tlsVersion')).toBe('TLSv1.2')
      expect(writer.canWriteEof()).toBe(false)
      expect(() => writer.writeEof()).toThrow(NotImplementedError)
      expect(await ping({ reader, writer })).toBe('ping\n')
      writer.close()
      await writer.waitClosed()
    })
  })

  describe('a certificate', () => {
    it.each<[string, object, RegExp]>([
      ['that nobody is known to have signed', { tls: true }, /the certificate is not signed by anyone who is trusted/],
      ['of another name', { serverHostname: 'other.example' }, /the certificate is for another name .*other\.example/],
    ])('%s is refused', async (_, options, reason) => {
      const { port, errors, reported } = await echo()
      const error = await netError(dial(port, options))
      expect(error).toBeInstanceOf(TlsHandshakeError)
      expect(error.message).toMatch(new RegExp(`^TLS handshake with 127\\.0\\.0\\.1:${port} failed: `))
      expect(error.message).toMatch(reason)
      expect(error.cause).toHaveProperty('code')
      await reported()
      expect(errors[0]).toBeInstanceOf(TlsHandshakeError)
    })

    it('that has expired is refused', async () => {
      const { port } = await echo({ tls: certified('expired') })
      await expect(dial(port)).rejects.toThrow('the certificate has expired')
    })

    it('is compared with the host if no other name is given, an address included', async () => {
      const { port } = await echo({ host: ['127.0.0.1'] })
      for (const host of ['localhost', '127.0.0.1']) {
        const streams = await openConnection({ host, port, family: 4, tls: clientTls })
        expect(await ping(streams)).toBe('ping\n')
        streams.writer.transport.abort()
      }
      const { port: other } = await echo({ tls: certified('other') })
      await expect(openConnection({ host: HOST, port: other, tls: clientTls })).rejects.toThrow('127.0.0.1')
    })
  })

  describe('with an end that does not speak it', () => {
    it('a plain client is reported by its address, and what it did; the server goes on', async () => {
      const { port, errors, reported } = await echo()
      const http = await netDial({ port })
      http.socket.write('GET / HTTP/1.1\r\n\r\n')
      const error = await reported()
      expect(error.message).toMatch(
        `TLS handshake with 127.0.0.1:${http.socket.localPort} failed: the client does not speak TLS, but HTTP`,
      )
      await http.until(() => http.closed || http.ended)
      errors.length = 0
      const text = await netDial({ port })
      text.socket.write('hello, is anybody there?\n')
      expect((await reported()).message).toMatch('the other end does not seem to speak TLS')
      expect(await ping(await dial(port))).toBe('ping\n')
    })

    it('a plain server makes the client say so', async () => {
      const plain = await startServer(
        async (reader, writer) => {
          await reader.read(1)
          writer.write('220 hello\r\n')
          writer.close()
        },
        { host: HOST },
      )
      netStop(plain)
      const error = await netError(dial(plain.sockets[0]!.port))
      expect(error).toBeInstanceOf(TlsHandshakeError)
      expect(error.message).toMatch('the other end does not seem to speak TLS')
    })

    it('a client that goes away in the middle is reported, a server that does rejects', async () => {
      const { port, reported } = await echo()
      const gone = await netDial({ port })
      gone.socket.end()
      expect((await reported()).message).toMatch('the connection was closed in the middle of it')
      const closing = net.createServer((socket) => void socket.destroy())
      await new Promise<void>((resolve) => closing.listen(0, HOST, resolve))
      netDefer(() => closing.close())
      const { port: other } = closing.address() as net.AddressInfo
      expect((await netError(dial(other))).message).toMatch('the connection was closed in the middle of it')
    })
  })

  describe('the time of the handshake (A74)', () => {
    it('is limited on the server', async () => {
      const { port, reported } = await echo({ tlsHandshakeTimeoutMs: 20 })
      const silent = await netDial({ port })
      const error = await reported()
      expect(error).toBeInstanceOf(TimeoutError)
      expect(error.message).toBe(`TLS handshake with 127.0.0.1:${silent.socket.localPort} took longer than 20 ms`)
      await silent.until(() => silent.closed || silent.ended)
    })

    it.each([Infinity, 2 ** 40])('may be %p', async (tlsHandshakeTimeoutMs) => {
      for (const tlsRequireCloseNotify of [false, true]) {
        // oxlint-disable-next-line no-await-in-loop -- each on its own
        const { port } = await echo({ tlsHandshakeTimeoutMs, tlsRequireCloseNotify })
        // oxlint-disable-next-line no-await-in-loop
        const streams = await dial(port, { tlsHandshakeTimeoutMs })
        // oxlint-disable-next-line no-await-in-loop
        expect(await ping(streams)).toBe('ping\n')
        streams.writer.close()
      }
    })

    it('is limited on the client', async () => {
      const silent = net.createServer()
      await new Promise<void>((resolve) => silent.listen(0, HOST, resolve))
      netDefer(() => silent.close())
      const { port } = silent.address() as net.AddressInfo
      const closed = netPromise()
      silent.on('connection', (socket) =>
        socket
          .on('error', () => {})
          .on('close', () => closed.resolve())
          .resume(),
      )
      const error = await netError<TimeoutError>(dial(port, { tlsHandshakeTimeoutMs: 20 }))
      expect(error).toBeInstanceOf(TimeoutError)
      expect(error.message).toBe(`TLS handshake with 127.0.0.1:${port} took longer than 20 ms`)
      await closed.promise
    })

    it('can be cut short by the signal, and by closing the server', async () => {
      const silent = net.createServer()
      await new Promise<void>((resolve) => silent.listen(0, HOST, resolve))
      netDefer(() => silent.close())
      const { port } = silent.address() as net.AddressInfo
      const controller = new AbortController()
      const closed = netPromise()
      silent.on('connection', (socket) => {
        socket
          .on('error', () => {})
          .on('close', () => closed.resolve())
          .resume()
        controller.abort(new Error('enough'))
      })
      expect((await netError(dial(port, { signal: controller.signal }))).message).toBe('enough')
      await closed.promise
      const { server, port: other, errors } = await echo()
      const waiting = await netDial({ port: other })
      await netRoundTrip()
      server.close()
      await waiting.until(() => waiting.closed || waiting.ended)
      expect(errors).toEqual([])
    })

    it.each([0, -1, NaN])('refuses %p', async (tlsHandshakeTimeoutMs) => {
      await expect(echo({ tlsHandshakeTimeoutMs })).rejects.toThrow(RangeError)
      await expect(dial(1, { tlsHandshakeTimeoutMs })).rejects.toThrow(RangeError)
    })
  })

  it('rejects with what Node says of a certificate that is none', async () => {
    const { address } = await netServe(() => new NetRecorder())
    const options = { ...address, host: HOST, tls: { cert: 'none', key: 'none' } }
    expect(await netError(createConnection(NetRecorder, options))).toHaveProperty('code', 'ERR_OSSL_PEM_NO_START_LINE')
  })

  it('takes Infinity for no limit of the handshake', async () => {
    const tlsHandshakeTimeoutMs = Infinity
    const { port } = await netServe(() => new NetRecorder(), 'tcp', {
      tls: certified('localhost'),
      tlsHandshakeTimeoutMs,
    })
    const options = { host: HOST, port, tls: { ca }, serverHostname: 'localhost', tlsHandshakeTimeoutMs }
    const [transport] = await createConnection(NetRecorder, options)
    expect(transport.getExtraInfo('tlsVersion')).toBe('TLSv1.3')
    transport.abort()
  })

  it('refuses options that make no sense', async () => {
    await expect(echo({ tls: true as unknown as object })).rejects.toThrow(TypeError)
    await expect(dial(1, { tls: undefined })).rejects.toThrow('serverHostname is only for TLS')
  })

  it('keeps what comes with the handshake, and behind it, for who takes over (A75, I3)', async () => {
    const server = await createServer(
      () => ({
        connectionMade(transport) {
          transport.write('first')
          transport.close()
        },
      }),
      { host: HOST, tls: serverTls },
    )
    netStop(server)
    for (let i = 0; i < 20; i++) {
      const recorder = new NetRecorder()
      await createConnection(() => recorder, {
        host: HOST,
        port: server.sockets[0]!.port,
        tls: clientTls,
        serverHostname: 'localhost',
      })
      await recorder.untilEvent('lost')
      expect([recorder.text, recorder.log, recorder.lostWith]).toEqual(['first', ['made', 'data', 'eof', 'lost'], null])
    }
  })

  it('waits for maxConnections with the handshake done, and loses nothing meanwhile', async () => {
    const { port } = await echo({ maxConnections: 1 })
    const first = await dial(port)
    expect(await ping(first)).toBe('ping\n')
    const second = await dial(port)
    second.writer.write('early\n')
    second.writer.writeEof()
    await netRoundTrip()
    first.writer.close()
    expect(String(await second.reader.read())).toBe('early\n')
  })

  describe('checkTransport', () => {
    const makePair: MakePair = async (client, server) => {
      const accepted = netPromise<Transport>()
      const made = (server as Partial<Protocol>).connectionMade
      Object.assign(server, {
        connectionMade(transport: Transport) {
          accepted.resolve(transport)
          made?.call(server as Protocol, transport)
        },
      })
      const onConnectionError = (): void => {}
      const listening = await createServer(() => server, { host: HOST, tls: serverTls, onConnectionError })
      netStop(listening)
      const [transport] = await createConnection(() => client, {
        host: HOST,
        port: listening.sockets[0]!.port,
        tls: clientTls,
        serverHostname: 'localhost',
        onConnectionError,
      })
      return [transport, await accepted.promise]
    }
    makePair.turnsPerWrite = 3

    it.each(transportChecks.map((check) => [check.name, check] as const))('%s', (_, check) => check.run(makePair))
  })

  describe('with others that speak it', () => {
    itWithOpenssl('s_client talks to a server of ours', async () => {
      const { port } = await echo()
      const client = new Program('openssl', [
        's_client',
        '-connect',
        `${HOST}:${port}`,
        '-quiet',
        '-servername',
        'localhost',
      ])
      client.child.stdin.write('over and out\n')
      await client.output(/^over and out$/m)
      client.child.kill()
    })

    itWithPython('asyncio does', async () => {
      const { port, errors } = await echo()
      const file = join(__dirname, '../fixtures/tls/ca.crt')
      const client = new Program('python3', ['spec/peers/tls_client.py', String(port), file])
      expect([await client.exit(), client.stderr]).toEqual([0, ''])
      expect(client.stdout).toBe("TLSv1.3\nb'over and out\\n'\n1000000\n")
      expect(errors).toEqual([])
    })
  })
})
