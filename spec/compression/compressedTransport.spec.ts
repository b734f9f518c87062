import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import * as zlib from 'node:zlib'
import { CompressedTransport, compressProtocol, compressStreams } from '../../lib/compression/index.ts'
import type { ConnectionEvent } from '../../lib/diagnostics.ts'
import { createConnection } from '../../lib/endpoints/connect.ts'
import { ConnectionLostError } from '../../lib/errors.ts'
import { framed } from '../../lib/framing/framed.ts'
import { lengthPrefixed } from '../../lib/framing/lengthPrefixed.ts'
import { Protocol } from '../../lib/protocol.ts'
import { openConnection, startServer } from '../../lib/streams/open.ts'
import { memoryPair } from '../../lib/testing/memoryPair.ts'
import { RecordingProtocol } from '../../lib/testing/recordingProtocol.ts'
import type { Transport } from '../../lib/transport.ts'
import { netDefer, netError, netServe, netStop } from '../support/netTools.ts'
import { openStreams } from '../support/openStreams.ts'

const quiet = { onConnectionError: () => {} }

class Echo extends Protocol {
  #transport!: Transport
  override connectionMade(transport: Transport): void {
    this.#transport = transport
  }
  override dataReceived(data: Buffer): void {
    this.#transport.write(data)
  }
}

/** Two layers over a memory pair, and the transports below. */
function pair() {
  const recorders = [new RecordingProtocol(), new RecordingProtocol()] as const
  const below = memoryPair({}, {}, quiet)
  const [client, server] = below.map((inner, i) => new CompressedTransport(inner, recorders[i]!, quiet))
  client!.start()
  server!.start()
  netDefer(() => below.forEach((inner) => inner.abort()))
  return { client: recorders[0], server: recorders[1], below, transports: [client!, server!] as const }
}

// What it shares with all transports is in spec/testing/checkTransport.spec.ts.
describe('CompressedTransport', () => {
  it('is the connection of the transport below', () => {
    const { transports, below } = pair()
    expect(transports[0].inner).toBe(below[0])
    expect(transports[0].id).toBe(below[0].id)
    expect(transports[0].getExtraInfo('peername')).toEqual(below[0].getExtraInfo('peername'))
    expect(transports[0].getExtraInfo('nothing', 7)).toBe(7)
  })

  it('counts what the protocol sees, and the transport below what travels', async () => {
    const { client, server, transports, below } = pair()
    client.transport.write('words '.repeat(10_000))
    await server.untilBytes(60_000)
    expect([transports[0].bytesWritten, transports[1].bytesRead]).toEqual([60_000, 60_000])
    expect(below[1].bytesRead).toBeLessThan(1000)
    expect(below[1].bytesRead).toBe(below[0].bytesWritten)
  })

  it('flushes once for all that is written in a turn', async () => {
    const { client, server, below } = pair()
    for (let i = 0; i < 1000; i++) client.transport.write('message ')
    await server.untilBytes(8000)
    const together = below[1].bytesRead
    for (let i = 0; i < 100; i++) {
      client.transport.write('message ')
      await server.untilBytes(8000 + 8 * (i + 1))
    }
    expect(together).toBeLessThan(200)
    expect(below[1].bytesRead - together).toBeGreaterThan(100 * 5)
  })

  it('completes the compressed stream at close, and sees the end of the peer', async () => {
    const { client, server } = pair()
    client.transport.write('last words')
    client.transport.close()
    await server.untilEvent('connectionLost')
    expect(server.data.toString()).toBe('last words')
    expect([client.lost, server.lost]).toEqual([null, null])
    expect(server.events).toEqual(['connectionMade', 'dataReceived', 'eofReceived', 'connectionLost'])
  })

  it('takes an end without the end of the compressed stream for a loss', async () => {
    const { client, server, below } = pair()
    client.transport.write('cut')
    await server.untilBytes(3)
    below[0].close()
    await server.untilEvent('connectionLost')
    expect(server.lost).toBeInstanceOf(ConnectionLostError)
    expect(server.lost!.message).toMatch(
      /^connection with memory:\d+ lost: its gzip stream was cut off after \d+ bytes$/,
    )
    expect(server.events).toEqual(['connectionMade', 'dataReceived', 'connectionLost'])
  })

  it('is lost over bytes of another kind, and tells the peer by a reset', async () => {
    const [stranger, server] = [new RecordingProtocol(), new RecordingProtocol()]
    const [, inner] = memoryPair(stranger, {}, quiet)
    new CompressedTransport(inner, server, quiet).start()
    stranger.transport.write('GET / HTTP/1.1\r\n')
    await server.untilEvent('connectionLost')
    expect(server.lost!.message).toMatch(/its gzip stream is corrupt \(incorrect header check\) after \d+ bytes$/)
    await stranger.untilEvent('connectionLost')
    expect(stranger.lost).toBeInstanceOf(ConnectionLostError)
  })

  it('can begin in the middle of a connection', async () => {
    const [client, server] = [new RecordingProtocol(), new RecordingProtocol()]
    const [a, b] = memoryPair(client, server, quiet)
    a.write('COMPRESS\n')
    await server.untilBytes(9)
    const above = [new RecordingProtocol(), new RecordingProtocol()] as const
    new CompressedTransport(b, above[1], quiet).start()
    const layer = new CompressedTransport(a, above[0], quiet)
    layer.start()
    layer.write('now it is')
    await above[1].untilBytes(9)
    expect(above[1].data.toString()).toBe('now it is')
    layer.close()
    await above[1].untilEvent('connectionLost')
    expect(server.events).toEqual(['connectionMade', 'dataReceived'])
  })

  it('is one connection on the diagnostics channels', async () => {
    const opened: ConnectionEvent[] = []
    const listener = (message: unknown): void => void opened.push(message as ConnectionEvent)
    subscribe('millrace:connection:open', listener)
    netDefer(() => unsubscribe('millrace:connection:open', listener))
    const { below } = pair()
    expect(opened.map(({ transport }) => transport)).toEqual(below)
  })

  it('reports what its protocol throws', async () => {
    const errors: unknown[] = []
    const failure = new Error('cannot digest')
    class Failing extends RecordingProtocol {
      override dataReceived(): void {
        throw failure
      }
    }
    const failing = new Failing()
    const [a, b] = memoryPair({}, {}, quiet)
    new CompressedTransport(b, failing, { onConnectionError: (error) => void errors.push(error) }).start()
    const layer = new CompressedTransport(a, {}, quiet)
    layer.start()
    layer.write('food')
    await failing.untilEvent('connectionLost')
    expect([failing.lost, ...errors]).toEqual([failure, failure])
  })
})

describe('compressProtocol', () => {
  it('puts the layer under every protocol of a server, and of a connection', async () => {
    const { port } = await netServe(compressProtocol(Echo, { format: 'brotli' }))
    const client = new RecordingProtocol()
    await createConnection(
      compressProtocol(() => client, { format: 'brotli' }),
      { host: '127.0.0.1', port },
    )
    expect(client.transport).toBeInstanceOf(CompressedTransport)
    client.transport.write('to and fro')
    await client.untilBytes(10)
    expect(client.data.toString()).toBe('to and fro')
    client.transport.close()
    await client.untilEvent('connectionLost')
    expect(client.lost).toBeNull()
  })
})

describe('compressStreams', () => {
  it('gives a reader and a writer over those below, in the classes that are plugged in', async () => {
    const classes = { format: 'deflate', ...framed(lengthPrefixed()) } as const
    const server = await startServer(
      async (rawReader, rawWriter) => {
        const { reader, writer } = compressStreams({ reader: rawReader, writer: rawWriter }, classes)
        for await (const message of reader) writer.writeMessage(Buffer.from(message).reverse())
        writer.close()
        await writer.waitClosed()
      },
      { host: '127.0.0.1' },
    )
    netStop(server)
    const raw = await openConnection({ host: '127.0.0.1', port: server.sockets[0]!.port })
    const [reader, writer] = compressStreams(raw, classes)
    writer.writeMessage('abc')
    const message: Uint8Array | undefined = await reader.readMessage()
    expect(Buffer.from(message!).toString()).toBe('cba')
    expect(writer.getExtraInfo('peername')).toEqual(raw.writer.getExtraInfo('peername'))
    writer.writeEof()
    expect(await reader.readMessage()).toBeUndefined()
    writer.close()
    await writer.waitClosed()
    await raw.writer.waitClosed()
  })

  it('reads on where the reader below stands', async () => {
    const [client, server] = openStreams()
    client.writer.write('hello\n')
    client.writer.write(zlib.gzipSync('compressed from here on'))
    client.writer.writeEof()
    expect((await server.reader.readLine()).toString()).toBe('hello\n')
    const { reader, writer } = compressStreams(server)
    expect((await reader.read()).toString()).toBe('compressed from here on')
    writer.close()
    await writer.waitClosed()
  })

  it('names the peer in its errors', async () => {
    const [client, server] = openStreams()
    const { reader, writer } = compressStreams(server)
    client.writer.write('plain text')
    const error = await netError<ConnectionLostError>(reader.read())
    expect(error.message).toMatch(/^connection with memory:\d+ lost: its gzip stream is corrupt/)
    expect(await netError(writer.waitClosed())).toBe(error)
  })
})
