import * as tls from 'node:tls'
import { createServer } from '../../lib/endpoints/listen.ts'
import { IncompleteReadError, tlsHint } from '../../lib/errors.ts'
import type { Codec } from '../../lib/framing/codec.ts'
import { framed } from '../../lib/framing/framed.ts'
import { FramedProtocol } from '../../lib/framing/framedProtocol.ts'
import { lengthPrefixed } from '../../lib/framing/lengthPrefixed.ts'
import { lines } from '../../lib/framing/lines.ts'
import { netstrings } from '../../lib/framing/netstrings.ts'
import { openConnection, startServer } from '../../lib/streams/open.ts'
import type { StreamReader } from '../../lib/streams/streamReader.ts'
import { netDefer, netError, netPromise, netStop } from '../support/netTools.ts'

const HOST = '127.0.0.1'
const HINT = /did you mean TLS\? the first byte was 0x16$/

/** A client of TLS that gives up when the server closes. */
function dialTls(port: number): tls.TLSSocket {
  const socket = tls.connect({ host: HOST, port, rejectUnauthorized: false })
  socket.on('error', () => {})
  netDefer(() => socket.destroy())
  return socket
}

describe('a TLS client on a port without TLS', () => {
  it.each([
    ['a length prefix', lengthPrefixed()],
    ['netstrings', netstrings()],
    // No longer than what every client begins with: behind that are random bytes, of which one may end the line.
    ['lines', lines({ maxLength: 2 })],
  ] as [string, Codec<unknown>][])('is guessed by a framed reader: %s', async (_name, codec) => {
    const failed = netPromise<Error>()
    const server = await startServer(
      async (reader, writer) => {
        try {
          await reader.readMessage()
        } catch (error) {
          failed.resolve(error as Error)
        }
        writer.close()
      },
      { host: HOST, ...framed(codec) },
    )
    netStop(server)
    dialTls(server.sockets[0]!.port)
    const error = await failed.promise
    expect(error.message).toMatch(HINT)
    expect(error.message).toContain(`from ${HOST}:`)
  })

  it('is guessed by a framed protocol', async () => {
    const failed = netPromise<Error>()
    class Echo extends FramedProtocol<Uint8Array> {
      constructor() {
        super(lengthPrefixed())
      }
      override messageReceived(): void {}
    }
    const server = await createServer(Echo, {
      host: HOST,
      onConnectionError: (error) => failed.resolve(error as Error),
    })
    netStop(server)
    dialTls(server.sockets[0]!.port)
    expect((await failed.promise).message).toMatch(HINT)
  })

  it.each<[string, (reader: StreamReader) => Promise<unknown>]>([
    ['readUntil over the limit', (reader) => reader.readUntil(Buffer.from('no such bytes'))],
    ['readUntil with a predicate', (reader) => reader.readUntil(() => false)],
    ['readExactly at the end', (reader) => reader.readExactly(100_000)],
  ])('is guessed by a reader: %s', async (_name, read) => {
    const failed = netPromise<Error>()
    const server = await startServer(
      async (reader, writer) => {
        try {
          await read(reader)
        } catch (error) {
          failed.resolve(error as Error)
        }
        writer.close()
      },
      { host: HOST, limit: 16 },
    )
    netStop(server)
    const socket = dialTls(server.sockets[0]!.port)
    // What it sends first is all it sends: it waits for an answer.
    socket.on('connect', () => setImmediate(() => socket.end()))
    setImmediate(() => socket.end())
    expect((await failed.promise).message).toMatch(HINT)
  })
})

it('a client without TLS that reads the alert of a TLS server is told so', async () => {
  const alert = Buffer.from('15030300020246', 'hex')
  const server = await startServer(
    (_reader, writer) => {
      writer.write(alert)
      writer.close()
    },
    { host: HOST },
  )
  netStop(server)
  const { reader, writer } = await openConnection({ host: HOST, port: server.sockets[0]!.port })
  netDefer(() => writer.transport.abort())
  const error = await netError<IncompleteReadError>(reader.readExactly(8))
  expect(error).toBeInstanceOf(IncompleteReadError)
  expect(error.message).toMatch(/does the other end want TLS\? the first byte was 0x15, a TLS alert$/)
})

describe('tlsHint', () => {
  it.each([
    [[0x16, 3, 1], true],
    [[0x16, 3, 4], true],
    [[0x15, 3, 3], true],
    [[0x16, 3, 5], false],
    [[0x16, 2, 1], false],
    [[0x17, 3, 3], false],
    [[0x47, 0x45, 0x54], false],
  ] as [[number, number, number], boolean][])('of %j: %j', (first, given) => {
    expect(tlsHint(...first) !== '').toBe(given)
  })
})
