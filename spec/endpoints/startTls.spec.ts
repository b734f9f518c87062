import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import * as net from 'node:net'
import { join } from 'node:path'
import { createConnection } from '../../lib/endpoints/connect.ts'
import { createServer } from '../../lib/endpoints/listen.ts'
import type { ConnectionEvent } from '../../lib/diagnostics.ts'
import type { Server } from '../../lib/endpoints/server.ts'
import { ConnectionLostError, InvalidStateError, TimeoutError, TlsHandshakeError } from '../../lib/errors.ts'
import { openConnection, startServer } from '../../lib/streams/open.ts'
import type { StreamReader } from '../../lib/streams/streamReader.ts'
import type { StreamWriter } from '../../lib/streams/streamWriter.ts'
import type { StartTlsOptions } from '../../lib/tlsOptions.ts'
import {
  netConnection,
  netDefer,
  netDial,
  netError,
  netPromise,
  NetRecorder,
  netRoundTrip,
  netStop,
} from '../support/netTools.ts'
import { itWith, Program } from '../support/program.ts'
import { ca, certified } from '../support/tlsFixtures.ts'

const HOST = '127.0.0.1'
const CLIENT = { tls: { ca }, serverHostname: 'localhost' }
const itWithPython = itWith('python3')

/** A server that goes over to TLS when it is asked to, and says what it got. */
async function upgrading(
  options: { tls?: object; tlsHandshakeTimeoutMs?: number } = {},
): Promise<{ server: Server; port: number; ended: Promise<unknown> }> {
  const ended = netPromise<unknown>()
  const server = await startServer(
    async (reader, writer) => {
      try {
        for await (const line of reader) {
          writer.write(`got ${line.toString()}`)
          if (line.toString() === 'STARTTLS\n') await writer.startTls({ tls: certified('localhost'), ...options })
        }
        writer.close()
        ended.resolve(null)
      } catch (error) {
        ended.resolve(error)
        writer.close()
      }
    },
    { host: HOST },
  )
  netStop(server)
  return { server, port: server.sockets[0]!.port, ended: ended.promise }
}

async function dial(port: number): Promise<{ reader: StreamReader; writer: StreamWriter }> {
  const streams = await openConnection({ host: HOST, port })
  netDefer(() => streams.writer.transport.abort())
  return streams
}

async function say({ reader, writer }: { reader: StreamReader; writer: StreamWriter }, line: string): Promise<string> {
  writer.write(`${line}\n`)
  return String(await reader.readLine())
}

describe('startTls (A47, A59, D11)', () => {
  it('goes over in mid-stream: reader, writer and protocol all see the new transport', async () => {
    const { port, ended } = await upgrading()
    const streams = await dial(port)
    const before = streams.writer.transport
    expect(await say(streams, 'one')).toBe('got one\n')
    expect(await say(streams, 'STARTTLS')).toBe('got STARTTLS\n')
    await streams.writer.startTls(CLIENT)
    expect(streams.writer.transport).not.toBe(before)
    expect(before.isClosing()).toBe(true)
    expect(streams.writer.getExtraInfo('tlsVersion')).toBe('TLSv1.3')
    expect(streams.writer.getExtraInfo('peername')).toEqual(before.getExtraInfo('peername'))
    expect(await say(streams, 'two')).toBe('got two\n')
    // Back-pressure works over the new transport: more than twice the limit at once.
    streams.writer.write(`${'x'.repeat(60_000)}\n`.repeat(10))
    streams.writer.writeEof()
    expect(await streams.reader.read()).toHaveLength(10 * 60_005)
    expect(await ended).toBeNull()
    streams.writer.close()
    await streams.writer.waitClosed()
  })

  it('keeps what came right behind the agreement: it belongs to the handshake', async () => {
    const { port } = await upgrading()
    const streams = await dial(port)
    // The request and the first bytes of the handshake in one piece.
    streams.writer.write('STARTTLS\n')
    const upgraded = streams.writer.startTls(CLIENT).catch((error: unknown) => error)
    // Its answer in front of the handshake is plain, and no TLS: so the client must have read it first.
    expect(await upgraded).toBeInstanceOf(TlsHandshakeError)

    const silent = await startServer(
      async (reader, writer) => {
        await reader.readLine()
        await reader.peek(1)
        expect(reader.buffered).toBeGreaterThan(100)
        await writer.startTls({ tls: certified('localhost') })
        writer.write(await reader.readLine())
        writer.close()
      },
      { host: HOST },
    )
    netStop(silent)
    const eager = await dial(silent.sockets[0]!.port)
    eager.writer.write('no answer wanted\n')
    await eager.writer.startTls(CLIENT)
    expect(await say(eager, 'hello')).toBe('hello\n')
  })

  it('goes over twice: TLS in TLS', async () => {
    const { port } = await upgrading()
    const streams = await dial(port)
    for (let layer = 1; layer <= 2; layer++) {
      expect(await say(streams, 'STARTTLS')).toBe('got STARTTLS\n')
      await streams.writer.startTls(CLIENT)
      expect(await say(streams, `layer ${layer}`)).toBe(`got layer ${layer}\n`)
    }
    streams.writer.close()
    await streams.writer.waitClosed()
  })

  it('of a transport leaves its protocol in place, which gets no second connectionMade', async () => {
    const [client, server] = [new NetRecorder(), new NetRecorder()]
    const listening = await createServer(() => server, { host: HOST })
    netStop(listening)
    const [plain] = await createConnection(() => client, { host: HOST, port: listening.sockets[0]!.port })
    await server.untilEvent('made')
    const options = { tls: certified('localhost'), serverSide: true } as const
    const [a, b] = await Promise.all([plain.startTls(CLIENT), server.transport.startTls(options)])
    expect([a.getProtocol(), b.getProtocol()]).toEqual([client, server])
    a.write('secret')
    await server.until(() => server.text === 'secret')
    plain.write('into the void')
    b.close()
    await Promise.all([client.untilEvent('lost'), server.untilEvent('lost')])
    expect(client.log).toEqual(['made', 'eof', 'lost'])
    expect(server.log).toEqual(['made', 'data', 'lost'])
    listening.close()
    await listening.waitClosed()
  })

  it('needs what is written to be sent, an open connection, and no waiting read', async () => {
    const { port } = await upgrading()
    const { reader, writer } = await dial(port)
    writer.transport.write('not sent yet')
    await expect(writer.transport.startTls(CLIENT)).rejects.toThrow('12 bytes unsent')
    const read = netError(reader.read(1))
    await expect(writer.startTls(CLIENT)).rejects.toThrow(InvalidStateError)
    writer.transport.abort()
    await expect(writer.transport.startTls(CLIENT)).rejects.toThrow('closing')
    await read.catch(() => {})
  })

  it('that fails closes the connection, with one connectionLost on either end', async () => {
    const { port, server, ended } = await upgrading()
    const client = new NetRecorder()
    const [transport] = await createConnection(() => client, { host: HOST, port })
    transport.write('STARTTLS\n')
    await client.until(() => client.text === 'got STARTTLS\n')
    const failing = netError(transport.startTls({ tls: true, serverHostname: 'localhost' }))
    const error = await failing
    expect(error).toBeInstanceOf(TlsHandshakeError)
    await client.untilEvent('lost')
    expect(client.lostWith).toBe(error)
    expect(await ended).toBeInstanceOf(TlsHandshakeError)
    server.close()
    await server.waitClosed()
    expect(client.count('lost')).toBe(1)
  })

  it('has a time, and a signal', async () => {
    const { port, ended, server } = await upgrading({ tlsHandshakeTimeoutMs: 20 })
    const mute = await netDial({ port })
    mute.socket.write('STARTTLS\n')
    expect(await ended).toBeInstanceOf(TimeoutError)
    await mute.until(() => mute.ended || mute.closed)
    server.close()
    await server.waitClosed()

    const silent = net.createServer((socket) => netDefer(() => socket.destroy()))
    await new Promise<void>((resolve) => silent.listen(0, HOST, resolve))
    netDefer(() => silent.close())
    const { reader, writer } = await dial((silent.address() as net.AddressInfo).port)
    const controller = new AbortController()
    const upgrade = netError(writer.startTls({ ...CLIENT, signal: controller.signal }))
    await netRoundTrip()
    controller.abort(new Error('enough'))
    expect((await upgrade).message).toBe('enough')
    await expect(reader.read()).resolves.toHaveLength(0)
    await writer.waitClosed()
    const before = { ...CLIENT, signal: AbortSignal.abort(new Error('before')) }
    const { port: other } = await upgrading()
    await expect((await dial(other)).writer.startTls(before)).rejects.toThrow('before')
  })

  it.each(['close', 'abort'] as const)('can be given up by %s() of the old transport', async (how) => {
    const recorder = new NetRecorder()
    const { transport, peer, errors } = await netConnection('tcp', 'server', recorder)
    const upgrade = netError(transport.startTls({ tls: certified('localhost'), serverSide: true }))
    transport[how]()
    expect(recorder.log).toEqual(['made'])
    const error = await upgrade
    expect(error).toBeInstanceOf(ConnectionLostError)
    expect(error.message).toMatch(/^connection with 127\.0\.0\.1:\d+ closed while it went over to TLS$/)
    await recorder.untilEvent('lost')
    await peer.until(() => peer.closed || peer.ended)
    transport[how]()
    await netRoundTrip()
    expect([recorder.log, recorder.lostWith]).toEqual([['made', 'lost'], null])
    expect(errors).toEqual([])
  })

  it('with a certificate that is none rejects, and closes the connection', async () => {
    for (const side of ['client', 'server'] as const) {
      const recorder = new NetRecorder()
      const { transport, peer } = await netConnection('tcp', side, recorder)
      const options = { tls: { cert: 'none', key: 'none' }, serverSide: side === 'server' } as StartTlsOptions
      const error = await netError(transport.startTls(options))
      expect(error).toHaveProperty('code', 'ERR_OSSL_PEM_NO_START_LINE')
      await Promise.all([recorder.untilEvent('lost'), peer.until(() => peer.ended || peer.closed)])
      expect(recorder.lostWith).toBe(error)
    }
  })

  it('refused for its options, it leaves the connection as it was, and what had come to the reader', async () => {
    const { port } = await upgrading()
    const streams = await dial(port)
    streams.writer.write('one\n')
    expect(String(await streams.reader.readExactly(1))).toBe('g')
    await expect(streams.writer.startTls({ ...CLIENT, tlsHandshakeTimeoutMs: 0 })).rejects.toThrow(RangeError)
    expect(String(await streams.reader.readLine())).toBe('ot one\n')
    expect(await say(streams, 'two')).toBe('got two\n')
  })

  it('is one connection to the diagnostics: its number stays, and it is closed once', async () => {
    const events: ConnectionEvent[] = []
    const listener = (event: unknown): void => void events.push(event as ConnectionEvent)
    const channels = ['millrace:connection:open', 'millrace:connection:close']
    for (const channel of channels) subscribe(channel, listener)
    netDefer(() => channels.forEach((channel) => unsubscribe(channel, listener)))
    for (const tlsRequireCloseNotify of [false, true]) {
      events.length = 0
      const { port } = await upgrading()
      const streams = await dial(port)
      const { id } = streams.writer.transport
      await say(streams, 'STARTTLS')
      await streams.writer.startTls({ ...CLIENT, tlsRequireCloseNotify })
      expect(streams.writer.transport.id).toBe(id)
      streams.writer.close()
      await streams.writer.waitClosed()
      expect(events.filter((event) => event.id === id).map(({ side }) => side)).toEqual(['client', 'client'])
    }
  })

  it('a peer that resets in the middle is a loss like any other', async () => {
    const { port, ended } = await upgrading()
    const peer = await netDial({ port })
    peer.socket.write('STARTTLS\n')
    await peer.until(() => peer.text === 'got STARTTLS\n')
    await netRoundTrip()
    peer.socket.resetAndDestroy()
    expect(await ended).toBeInstanceOf(TlsHandshakeError)
  })

  itWithPython('works with asyncio’s', async () => {
    const { port, ended } = await upgrading()
    const file = join(__dirname, '../fixtures/tls/ca.crt')
    const client = new Program('python3', ['spec/peers/start_tls_client.py', String(port), file])
    const exit = await client.exit()
    // asyncio's streams have start_tls from Python 3.11 on.
    const unsupported = client.stdout === 'no start_tls\n'
    expect([exit, client.stderr, client.stdout]).toEqual([
      0,
      '',
      unsupported ? 'no start_tls\n' : "b'got STARTTLS\\n'\nTLSv1.3 b'got secret\\n'\n",
    ])
    const outcome = await ended
    expect(outcome === null || outcome instanceof ConnectionLostError).toBe(true)
  })
})
