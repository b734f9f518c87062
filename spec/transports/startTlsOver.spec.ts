import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ConnectionEvent } from '../../lib/diagnostics.ts'
import { connectDuplex } from '../../lib/endpoints/connectDuplex.ts'
import { ConnectionLostError, InvalidStateError, TlsHandshakeError } from '../../lib/errors.ts'
import { Protocol, type AnyProtocol } from '../../lib/protocol.ts'
import { transportChecks } from '../../lib/testing/checkTransport.ts'
import type { MakePair } from '../../lib/testing/transportCheck.ts'
import { memoryPair, memoryStreams } from '../../lib/testing/memoryPair.ts'
import { RecordingProtocol } from '../../lib/testing/recordingProtocol.ts'
import type { Transport } from '../../lib/transport.ts'
import { LoggingTransport } from '../../lib/layers/loggingTransport.ts'
import { CrossedDuplex } from '../support/crossedDuplexes.ts'
import { netDefer, netError, netTurns } from '../support/netTools.ts'
import { ca, certified } from '../support/tlsFixtures.ts'

const CLIENT = { tls: { ca }, serverHostname: 'localhost' } as const
const SERVER = { tls: certified('localhost'), serverSide: true } as const

/** Two connected transports without a socket of the system's below them. */
type Plain = (client: AnyProtocol, server: AnyProtocol) => Promise<readonly [Transport, Transport]>

const silent = { onConnectionError: (): void => {} }
const kinds: [name: string, plain: Plain][] = [
  ['a memory pair', async (client, server) => Promise.resolve(memoryPair(client, server, silent))],
  [
    'a memory pair of small pipes',
    async (client, server) => Promise.resolve(memoryPair(client, server, { ...silent, pipeSize: 1000, chunkSize: 97 })),
  ],
  [
    "streams of Node's",
    async (client, server) => {
      const [a, b] = CrossedDuplex.pair()
      return Promise.resolve([connectDuplex(() => client, a, silent)[0], connectDuplex(() => server, b, silent)[0]])
    },
  ],
  [
    'a wrapper',
    async (client, server) => {
      const pair = memoryPair(client, server, silent)
      return Promise.resolve([new LoggingTransport(pair[0], () => {}), new LoggingTransport(pair[1], () => {})])
    },
  ],
]

async function secured(
  plain: Plain,
  client: AnyProtocol,
  server: AnyProtocol,
): Promise<readonly [client: Transport, server: Transport]> {
  const [near, far] = await plain(client, server)
  return Promise.all([near.startTls(CLIENT), far.startTls(SERVER)])
}

describe.each(kinds)('startTls over %s', (_name, plain) => {
  describe('checkTransport', () => {
    const makePair: MakePair = async (client, server) => {
      // The protocols of the checks keep the transport that they are told of; it is the secured one they are to use.
      const begin = (protocol: AnyProtocol): AnyProtocol => ({
        connectionLost: (error) => protocol.connectionLost?.(error),
      })
      const pair = await secured(plain, begin(client), begin(server))
      pair.forEach((transport, i) => {
        const protocol = [client, server][i] as Partial<Protocol>
        transport.setProtocol(protocol)
        protocol.connectionMade?.(transport)
      })
      return pair
    }
    makePair.turnsPerWrite = 12
    // A wrapper has nobody to report to what the protocol of one check throws.
    beforeEach(() => void jest.spyOn(console, 'error').mockImplementation(() => {}))
    afterEach(() => jest.restoreAllMocks())
    // oxlint-disable-next-line jest/expect-expect
    it.each(transportChecks.map((check) => [check.name, check] as const))('%s', (_, check) => check.run(makePair))
  })

  it('keeps the protocol, the names and the number, and what had come before (D11)', async () => {
    const [client, server] = [new RecordingProtocol(), new RecordingProtocol()]
    const [near, far] = await plain(client, server)
    const upgraded = near.startTls(CLIENT)
    // Its hello has been read as if it were data.
    await server.untilEvent('dataReceived')
    server.transport.pauseReading()
    const [a, b] = await Promise.all([upgraded, far.startTls(SERVER, server.data)])
    expect([a.getProtocol(), b.getProtocol()]).toEqual([client, server])
    expect(a.id).toBe(near.id)
    expect(a.getExtraInfo('peername')).toEqual(near.getExtraInfo('peername'))
    expect(a.getExtraInfo('tlsVersion')).toBe('TLSv1.3')
    a.write('secret')
    await server.until('the secret', () => server.data.toString('latin1').endsWith('secret'))
    a.close()
    await Promise.all([client.untilEvent('connectionLost'), server.untilEvent('connectionLost')])
    expect(client.events).toEqual(['connectionMade', 'connectionLost'])
    expect(server.events).toEqual(['connectionMade', 'dataReceived', 'eofReceived', 'connectionLost'])
  })

  it('goes over twice', async () => {
    const [client, server] = [new RecordingProtocol(), new RecordingProtocol()]
    const [near, far] = await secured(plain, client, server)
    const [a, b] = await Promise.all([near.startTls(CLIENT), far.startTls(SERVER)])
    a.write('deep')
    await server.untilBytes(4)
    b.abort()
    a.abort()
    await Promise.all([client.untilEvent('connectionLost'), server.untilEvent('connectionLost')])
    expect(server.data.toString()).toBe('deep')
  })

  it('that fails closes both ends, with one connectionLost each', async () => {
    const [client, server] = [new RecordingProtocol(), new RecordingProtocol()]
    const [near, far] = await plain(client, server)
    const [error, other] = await Promise.all([
      netError(near.startTls({ tls: true, serverHostname: 'localhost' })),
      // With TLS 1.3 the server may have done its part before it is refused.
      far.startTls(SERVER).then(
        () => undefined,
        (thrown: unknown) => thrown,
      ),
    ])
    expect(error).toBeInstanceOf(TlsHandshakeError)
    await Promise.all([client.untilEvent('connectionLost'), server.untilEvent('connectionLost')])
    expect(client.lost).toBe(error)
    expect(other === undefined || server.lost === other).toBe(true)
    expect([client.events, server.events]).toEqual([
      ['connectionMade', 'connectionLost'],
      ['connectionMade', 'connectionLost'],
    ])
  })

  it('has a signal, and a state in which it is possible', async () => {
    const [client, server] = [new RecordingProtocol(), new RecordingProtocol()]
    const [near, far] = await plain(client, server)
    const controller = new AbortController()
    const upgrade = netError(near.startTls({ ...CLIENT, signal: controller.signal }))
    await server.untilEvent('dataReceived')
    controller.abort(new Error('enough'))
    expect((await upgrade).message).toBe('enough')
    await client.untilEvent('connectionLost')
    expect(client.lost).toBeNull()
    far.close()
    await expect(far.startTls(SERVER)).rejects.toThrow(InvalidStateError)
    await server.untilEvent('connectionLost')
    expect(client.events).toEqual(['connectionMade', 'connectionLost'])
  })

  it('is lost with what it lies on', async () => {
    const [client, server] = [new RecordingProtocol(), new RecordingProtocol()]
    const [near, far] = await plain(client, server)
    await Promise.all([near.startTls({ ...CLIENT, tlsRequireCloseNotify: true }), far.startTls(SERVER)])
    far.abort()
    await client.untilEvent('connectionLost')
    expect(client.lost).toBeInstanceOf(ConnectionLostError)
    expect(client.events).toEqual(['connectionMade', 'connectionLost'])
  })
})

it('after writeEof() rejects: nothing can be said any more', async () => {
  const [client, server] = [new RecordingProtocol(), new RecordingProtocol()]
  const [near] = memoryPair(client, server, silent)
  near.writeEof()
  expect(await netError(near.startTls(CLIENT))).toBeInstanceOf(TlsHandshakeError)
  await client.untilEvent('connectionLost')
  server.transport.abort()
})

it('is lost for the reason for which what it lies on is, which is no bug', async () => {
  const [client, server] = [new RecordingProtocol(), new RecordingProtocol()]
  const errors: unknown[] = []
  const onConnectionError = (error: unknown): void => void errors.push(error)
  const plain: Plain = async (a, b) => Promise.resolve(memoryPair(a, b, { onConnectionError }))
  const [, far] = await secured(plain, client, server)
  far.abort({ reset: true })
  await Promise.all([client.untilEvent('connectionLost'), server.untilEvent('connectionLost')])
  expect(client.lost).toBeInstanceOf(ConnectionLostError)
  expect(client.lost!.message).toMatch(/^connection with memory:\d+ lost: reset by the peer$/)
  expect(server.lost).toBeNull()
  expect(errors).toEqual([])
})

it('is one connection to the diagnostics: closed once', async () => {
  const closed: unknown[] = []
  const listener = (event: unknown): void => void closed.push((event as ConnectionEvent).id)
  subscribe('millrace:connection:close', listener)
  netDefer(() => unsubscribe('millrace:connection:close', listener))
  const [client, server] = [new RecordingProtocol(), new RecordingProtocol()]
  const [a, b] = await secured(kinds[0]![1], client, server)
  a.close()
  await Promise.all([client.untilEvent('connectionLost'), server.untilEvent('connectionLost')])
  await netTurns()
  for (const { id } of [a, b]) expect(closed.filter((each) => each === id)).toHaveLength(1)
})

it('streams go over to TLS without a network', async () => {
  const [client, server] = memoryStreams()
  const greeted = (async () => {
    expect(String(await server.reader.readLine())).toBe('STARTTLS\n')
    server.writer.write('go ahead\n')
    await server.writer.startTls({ ...SERVER })
    server.writer.write(await server.reader.readLine())
    server.writer.close()
  })()
  client.writer.write('STARTTLS\n')
  expect(String(await client.reader.readLine())).toBe('go ahead\n')
  await client.writer.startTls(CLIENT)
  client.writer.write('secret\n')
  expect(String(await client.reader.read())).toBe('secret\n')
  await greeted
  client.writer.close()
  await client.writer.waitClosed()
})
