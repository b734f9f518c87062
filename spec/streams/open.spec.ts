import * as net from 'node:net'
import { ConnectError, InvalidStateError, TimeoutError } from '../../lib/errors.ts'
import { openConnection, openUnixConnection, startServer, startUnixServer } from '../../lib/streams/open.ts'
import type { Streams } from '../../lib/streams/streamClasses.ts'
import { StreamReader } from '../../lib/streams/streamReader.ts'
import { StreamReaderProtocol } from '../../lib/streams/streamReaderProtocol.ts'
import { StreamWriter } from '../../lib/streams/streamWriter.ts'
import type { Server } from '../../lib/endpoints/server.ts'
import {
  netDefer,
  netDial,
  netError,
  netListen,
  netPromise,
  netRoundTrip,
  netServe,
  netStop,
  netUnixPath,
} from '../support/netTools.ts'

interface Message {
  type: number
  body: string
}

/** A type and a length byte, then the body. */
class QbpReader extends StreamReader<Message> {
  async readMessage(): Promise<Message> {
    const head = await this.readExactly(2)
    return { type: head[0]!, body: String(await this.readExactly(head[1]!)) }
  }
}

class QbpWriter extends StreamWriter {
  writeMessage({ type, body }: Message): void {
    this.writeLines([Buffer.from([type, body.length]), body])
  }
}

const shout = ({ type, body }: Message): Message => ({ type, body: body.toUpperCase() })

const HOST = { host: '127.0.0.1' }

async function echoServer(): Promise<{ server: Server; port: number }> {
  const server = await startServer(async (reader, writer) => {
    for await (const line of reader) writer.write(line)
    writer.close()
  }, HOST)
  netStop(server)
  return { server, port: server.sockets[0]!.port }
}

function stopAfter<R, W extends StreamWriter>(streams: Streams<R, W>): Streams<R, W> {
  netDefer(() => streams.writer.transport.abort())
  return streams
}

describe('openConnection and startServer', () => {
  it('give a reader and a writer on both sides (A32, A33)', async () => {
    const { port } = await echoServer()
    const [reader, writer] = await openConnection({ ...HOST, port })
    writer.write('hello\n')
    expect(String(await reader.readLine())).toBe('hello\n')
    writer.writeEof()
    expect(await reader.read()).toHaveLength(0)
    writer.close()
    await writer.waitClosed()
  })

  it('give the two as a pair and by name (A32)', async () => {
    const { port } = await echoServer()
    const streams = stopAfter(await openConnection({ ...HOST, port }))
    const [first, second] = streams
    const { reader, writer } = streams
    expect(reader).toBe(first)
    expect(writer).toBe(second)
    expect(reader).toBeInstanceOf(StreamReader)
    expect(writer).toBeInstanceOf(StreamWriter)
    expect(streams).toHaveLength(2)
  })

  it('pass the limit on to the readers (A32, A35)', async () => {
    const { address, accepted } = await netListen()
    const { reader } = stopAfter(await openConnection({ ...(address as { port: number }), limit: 3 }))
    const peer = await accepted()
    peer.socket.write('abcdef\n')
    await expect(reader.readLine()).rejects.toThrow('limit of 3')
    await expect(openConnection({ ...(address as { port: number }), limit: 0 })).rejects.toThrow(RangeError)
  })

  it('accept a handler that is not async (A33)', async () => {
    const server = await startServer((_reader, writer) => {
      writer.write('hi')
      writer.close()
    }, HOST)
    netStop(server)
    const { reader, writer } = await openConnection({ ...HOST, port: server.sockets[0]!.port })
    expect(String(await reader.read())).toBe('hi')
    writer.close()
    await writer.waitClosed()
  })

  it('refuse a handler that is no function (A33)', async () => {
    await expect(startServer('x' as unknown as () => void, HOST)).rejects.toThrow(TypeError)
  })

  it('serve many connections at a time, none of which disturbs another (A33, S30)', async () => {
    const { port } = await echoServer()
    const answers = Array.from({ length: 50 }, async (_, i) => {
      const { reader, writer } = await openConnection({ ...HOST, port })
      for (let n = 0; n < 10; n++) {
        writer.write(`${i} ${n}\n`)
        await writer.drain()
        expect(String(await reader.readLine())).toBe(`${i} ${n}\n`)
      }
      writer.close()
      await writer.waitClosed()
    })
    await Promise.all(answers)
  })

  it('reject with the address if nobody listens (A32)', async () => {
    const { port, server } = await echoServer()
    server.close()
    await server.waitClosed()
    const error = await netError<ConnectError>(openConnection({ ...HOST, port }))
    expect(error).toBeInstanceOf(ConnectError)
    expect(error.message).toContain(`127.0.0.1:${port}`)
  })

  it('leave nothing open when cancelled (A53)', async () => {
    const { address, peers } = await netListen()
    const controller = new AbortController()
    const reason = new Error('enough')
    let made = 0
    class Counting extends StreamReaderProtocol {
      override connectionMade(): void {
        made++
      }
    }
    const opening = netError(
      openConnection({ ...(address as { port: number }), ...HOST, signal: controller.signal, protocol: Counting }),
    )
    controller.abort(reason)
    expect(await opening).toBe(reason)
    await netRoundTrip()
    for (const peer of peers) await peer.until(() => peer.ended || peer.closed)
    expect(made).toBe(0)
  })

  it('govern only the call by the signal, not the connection (A53)', async () => {
    const { port } = await echoServer()
    const controller = new AbortController()
    const { reader, writer } = stopAfter(await openConnection({ ...HOST, port, signal: controller.signal }))
    controller.abort()
    writer.write('still here\n')
    expect(String(await reader.readLine())).toBe('still here\n')
  })

  it('do not listen when cancelled', async () => {
    await expect(startServer(() => {}, { ...HOST, signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow(
      'before',
    )
    const controller = new AbortController()
    const free = await netListen()
    const { port } = free.address as { port: number }
    await new Promise((resolve) => free.listener.close(resolve))
    const starting = netError(startServer(() => {}, { ...HOST, port, signal: controller.signal }))
    controller.abort(new Error('enough'))
    expect((await starting).message).toBe('enough')
    await netRoundTrip()
    await expect(netDial({ port })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('adopt a connected socket (A53)', async () => {
    const { port } = await echoServer()
    const sock = net.connect(port, '127.0.0.1')
    await new Promise((resolve) => sock.once('connect', resolve))
    const { reader, writer } = stopAfter(await openConnection({ sock }))
    writer.write('adopted\n')
    expect(String(await reader.readLine())).toBe('adopted\n')
    expect(writer.getExtraInfo('socket')).toBe(sock)
  })
})

describe('openUnixConnection and startUnixServer', () => {
  it('do the same over a path (A34)', async () => {
    const path = netUnixPath()
    const server = await startUnixServer(
      async (reader, writer) => {
        expect(writer.getExtraInfo('sockname')).toBe(path)
        writer.write(await reader.readLine())
        writer.close()
      },
      { path },
    )
    netStop(server)
    expect(server.sockets[0]).toMatchObject({ family: 'unix', address: path, port: 0 })
    const { reader, writer } = await openUnixConnection({ path })
    expect(writer.getExtraInfo('peername')).toBe(path)
    writer.write('hello\n')
    expect(String(await reader.read())).toBe('hello\n')
    writer.close()
    await writer.waitClosed()
  })

  it('name the path in what goes wrong (A34)', async () => {
    const path = netUnixPath('nobody')
    const error = await netError<ConnectError>(openUnixConnection({ path }))
    expect(error).toBeInstanceOf(ConnectError)
    expect(error.message).toContain(`unix:${path}`)
    expect((error.cause as NodeJS.ErrnoException).code).toBe('ENOENT')
  })

  it('name the path in a timeout of a read, too (A34)', async () => {
    const { address } = await netListen('unix')
    const { reader } = stopAfter(await openUnixConnection(address as { path: string }))
    const error = await netError<TimeoutError>(reader.readLine({ timeoutMs: 1 }))
    expect(error.message).toContain(`readLine from unix:${(address as { path: string }).path}`)
  })
})

describe('plugging classes in (D1, S46)', () => {
  it('a reader and a writer class, on both sides', async () => {
    const server = await startServer(
      async (reader, writer) => {
        writer.writeMessage(shout(await reader.readMessage()))
        writer.close()
      },
      { ...HOST, reader: QbpReader, writer: QbpWriter },
    )
    netStop(server)
    const port = server.sockets[0]!.port
    const { reader, writer } = await openConnection({ ...HOST, port, reader: QbpReader, writer: QbpWriter })
    writer.writeMessage({ type: 7, body: 'quiet' })
    expect(await reader.readMessage()).toEqual({ type: 7, body: 'QUIET' })
    writer.close()
    await writer.waitClosed()
  })

  it('functions in place of classes', async () => {
    const limits: (number | undefined)[] = []
    const { address, accepted } = await netListen()
    const { reader, writer } = stopAfter(
      await openConnection({
        ...(address as { port: number }),
        limit: 77,
        reader: (options) => {
          limits.push(options.limit)
          return new QbpReader(options)
        },
        writer: (transport, protocol, inner) => new QbpWriter(transport, protocol, inner),
      }),
    )
    const peer = await accepted()
    peer.socket.write('\x01\x02ab')
    expect(await reader.readMessage()).toEqual({ type: 1, body: 'ab' })
    writer.writeMessage({ type: 2, body: 'c' })
    await peer.until(() => peer.text === '\x02\x01c')
    expect(limits).toEqual([77])
  })

  it('a protocol class, which sees every callback', async () => {
    const lost = netPromise<Error | null>()
    class Watching extends StreamReaderProtocol<StreamReader, StreamWriter> {
      override connectionLost(error: Error | null): void {
        super.connectionLost(error)
        lost.resolve(error)
      }
    }
    const server = await startServer((_reader, writer) => writer.close(), { ...HOST, protocol: Watching })
    netStop(server)
    const { reader, writer } = await openConnection({ ...HOST, port: server.sockets[0]!.port })
    expect(await reader.read()).toHaveLength(0)
    expect(await lost.promise).toBeNull()
    writer.close()
    await writer.waitClosed()
  })

  it('a reader class that cannot be made: the rejection says why, and nothing is open', async () => {
    const { address, peers } = await netListen()
    class Broken extends StreamReader {
      constructor() {
        super()
        throw new InvalidStateError('no reader today')
      }
    }
    await expect(openConnection({ ...(address as { port: number }), reader: Broken })).rejects.toThrow(
      'no reader today',
    )
    await netRoundTrip()
    expect(peers).toEqual([])
  })

  it('a writer class that cannot be made: the connection is not left behind', async () => {
    const { address, accepted } = await netListen()
    const writer = (): StreamWriter => {
      throw new InvalidStateError('no writer today')
    }
    await expect(openConnection({ ...(address as { port: number }), writer })).rejects.toThrow('no writer today')
    const peer = await accepted()
    await peer.until(() => peer.ended || peer.closed)
    const errors: unknown[] = []
    const server = await startServer(() => {}, { ...HOST, writer, onConnectionError: (error) => errors.push(error) })
    netStop(server)
    const client = await netDial({ port: server.sockets[0]!.port })
    await client.until(() => client.ended)
    expect(errors).toMatchObject([{ message: 'no writer today' }])
  })
})

/** True if the two types are the same, not only assignable. */
type Equals<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const holds = <_ extends true>(): void => {}

// What is asserted in here is checked by the compiler; the calls only have to work.
describe('the types follow what is plugged in (D1)', () => {
  it('the handler gets the very classes, with no annotation', async () => {
    const server = await startServer(
      (reader, writer) => {
        holds<Equals<typeof reader, QbpReader>>()
        holds<Equals<typeof writer, QbpWriter>>()
        const exact: QbpReader = reader
        const exactWriter: QbpWriter = writer
        // @ts-expect-error -- a QbpReader has no such method
        expect(exact.readNothing).toBeUndefined()
        // @ts-expect-error -- nor has a QbpWriter
        expect(exactWriter.writeNothing).toBeUndefined()
        writer.close()
      },
      { ...HOST, reader: QbpReader, writer: QbpWriter },
    )
    netStop(server)
    const client = await netDial({ port: server.sockets[0]!.port })
    await client.until(() => client.ended)
  })

  it('without classes it gets the plain ones', async () => {
    const server = await startServer((reader, writer) => {
      holds<Equals<typeof reader, StreamReader>>()
      holds<Equals<typeof writer, StreamWriter>>()
      // @ts-expect-error -- that is a method of QbpReader
      expect(reader.readMessage).toBeUndefined()
      // @ts-expect-error -- that is a method of QbpWriter
      expect(writer.writeMessage).toBeUndefined()
      writer.close()
    }, HOST)
    netStop(server)
    const client = await netDial({ port: server.sockets[0]!.port })
    await client.until(() => client.ended)
  })

  it('with only one of the two the other is plain', async () => {
    const server = await startServer(
      (reader, writer) => {
        holds<Equals<typeof reader, QbpReader>>()
        holds<Equals<typeof writer, StreamWriter>>()
        writer.close()
      },
      { ...HOST, reader: QbpReader },
    )
    netStop(server)
    const path = netUnixPath()
    const unix = await startUnixServer(
      (reader, writer) => {
        holds<Equals<typeof reader, StreamReader>>()
        holds<Equals<typeof writer, QbpWriter>>()
        writer.close()
      },
      { path, writer: QbpWriter },
    )
    netStop(unix)
    for (const address of [{ port: server.sockets[0]!.port }, { path }]) {
      const client = await netDial(address)
      await client.until(() => client.ended)
      expect(client.text).toBe('')
    }
  })

  it('openConnection resolves with them, from classes and from functions', async () => {
    const { port } = await netServe(() => ({}))
    const streams = stopAfter(await openConnection({ ...HOST, port, reader: QbpReader, writer: QbpWriter }))
    const [reader, writer] = streams
    holds<Equals<typeof reader, QbpReader>>()
    holds<Equals<typeof writer, QbpWriter>>()
    holds<Equals<typeof streams.reader, QbpReader>>()
    const made = stopAfter(
      await openConnection({
        ...HOST,
        port,
        reader: (options) => new QbpReader(options),
        writer: (transport, protocol, inner) => new QbpWriter(transport, protocol, inner),
      }),
    )
    holds<Equals<typeof made.reader, QbpReader>>()
    holds<Equals<typeof made.writer, QbpWriter>>()
    const plain = stopAfter(await openConnection({ ...HOST, port }))
    holds<Equals<typeof plain.reader, StreamReader>>()
    holds<Equals<typeof plain.writer, StreamWriter>>()
    expect(reader).toBeInstanceOf(QbpReader)
    expect(made.writer).toBeInstanceOf(QbpWriter)
  })

  it('for await gives the items of the reader', async () => {
    const reader = new StreamReader()
    reader.feedData(Buffer.from('a\n'))
    reader.feedEof()
    for await (const item of reader) {
      holds<Equals<typeof item, Buffer>>()
      expect(item).toHaveLength(2)
    }
  })

  it('refuses a class that is no reader', async () => {
    // @ts-expect-error -- a Map is no StreamReader
    const opening = netError(openConnection({ ...HOST, port: 1, reader: Map }))
    expect(await opening).toBeInstanceOf(Error)
  })
})
