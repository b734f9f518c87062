import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { ConnectionLostError } from '../../../lib/errors.ts'
import { openConnection, startServer } from '../../../lib/streams/open.ts'
import { toNodeStream } from '../../../lib/streams/interop/toNodeStream.ts'
import { openStreams } from '../../support/openStreams.ts'
import { netError, netStop, netTurns } from '../../support/netTools.ts'

const numbered = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff))

describe('toNodeStream of a reader and a writer', () => {
  it('is a Duplex: what is written goes out, what comes in is read', async () => {
    const [client, server] = openStreams()
    const duplex = toNodeStream(client.reader, client.writer)
    duplex.write('to ')
    duplex.end('you')
    expect((await server.reader.read()).toString()).toBe('to you')
    server.writer.write('and back')
    server.writer.close()
    const chunks: Buffer[] = []
    for await (const chunk of duplex) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).toString()).toBe('and back')
    await client.writer.waitClosed()
  })

  it('carries any number of bytes through pipeline, both ways at once', async () => {
    const [client, server] = openStreams({}, { pipeSize: 1000 })
    const bytes = numbered(1_000_000)
    const [a, b] = [toNodeStream(client), toNodeStream(server)]
    const collected: Buffer[] = []
    await Promise.all([
      pipeline(b, createGzip(), createGunzip(), b),
      pipeline(Readable.from([bytes.subarray(0, 300_000), bytes.subarray(300_000)]), a),
      pipeline(a, async (source) => {
        for await (const chunk of source) collected.push(chunk as Buffer)
      }),
    ])
    expect(Buffer.concat(collected).equals(bytes)).toBe(true)
    await Promise.all([client.writer.waitClosed(), server.writer.waitClosed()])
  })

  it('takes nothing from the reader before it is asked, and gives up a read untouched', async () => {
    const [client, server] = openStreams()
    const duplex = toNodeStream(client.reader, client.writer)
    server.writer.write('for the reader')
    await netTurns()
    expect(duplex.readableLength).toBe(0)
    expect((await client.reader.readExactly(4)).toString()).toBe('for ')
    duplex.on('error', () => {})
    expect((duplex.read(0), duplex.readableLength)).toBe(0)
    await netTurns()
    expect(duplex.read()?.toString()).toBe('the reader')
  })

  it('holds the writing back as drain() does', async () => {
    const [client, server] = openStreams({}, { pipeSize: 1000 })
    const duplex = toNodeStream(client.reader, client.writer)
    let taken = 0
    for (let i = 0; i < 100; i++) duplex.write(Buffer.alloc(10_000), () => taken++)
    await netTurns()
    expect(client.writer.transport.getWriteBufferSize()).toBeLessThan(200_000)
    expect(taken).toBeLessThan(20)
    expect((await server.reader.readExactly(1_000_000)).length).toBe(1_000_000)
    await netTurns()
    expect(taken).toBe(100)
  })

  it('tells that it has finished when all is sent, and of its close when the connection is gone', async () => {
    const [client, server] = openStreams({}, { pipeSize: 1000 })
    const duplex = toNodeStream(client)
    const told: string[] = []
    for (const event of ['finish', 'close']) duplex.on(event, () => told.push(event))
    server.writer.writeEof()
    server.writer.transport.pauseReading()
    duplex.resume()
    duplex.end(Buffer.alloc(50_000))
    await once(duplex, 'end')
    await netTurns()
    expect([told, client.writer.isClosing()]).toEqual([[], false])
    const closed = once(duplex, 'close')
    server.writer.transport.resumeReading()
    expect((await server.reader.read()).length).toBe(50_000)
    await closed
    expect(told).toEqual(['finish', 'close'])
    await client.writer.waitClosed()
  })

  it('does not hide that what it ended with was lost', async () => {
    const [client, server] = openStreams({}, { pipeSize: 1000 })
    const duplex = toNodeStream(client)
    server.writer.transport.pauseReading()
    const ended = netError(pipeline(Readable.from([Buffer.alloc(50_000)]), duplex))
    await netTurns()
    server.writer.transport.abort()
    expect(await ended).toBeInstanceOf(ConnectionLostError)
  })

  it('destroyed before its end aborts the connection; with an error, by a reset', async () => {
    const [one, other] = openStreams()
    toNodeStream(one).destroy()
    expect(one.writer.isClosing()).toBe(true)
    expect((await other.reader.read()).length).toBe(0)
    const [third, fourth] = openStreams()
    const failing = toNodeStream(third)
    const failure = new Error('cannot go on')
    failing.destroy(failure)
    expect(await netError(finished(failing))).toBe(failure)
    expect(await netError(fourth.reader.read())).toBeInstanceOf(ConnectionLostError)
  })

  it('destroyed by pipeline, when the source fails, does not look like a clean end', async () => {
    const [client, server] = openStreams()
    const failure = new Error('no more')
    const source = Readable.from(
      (function* () {
        yield Buffer.from('half')
        throw failure
      })(),
    )
    expect(await netError(pipeline(source, toNodeStream(client)))).toBe(failure)
    await netError(server.reader.readExactly(5))
    expect(server.reader.exception()).toBeInstanceOf(ConnectionLostError)
  })

  it('is destroyed with the reason when the connection is lost, though nothing is read or written', async () => {
    const [client, server] = openStreams()
    const duplex = toNodeStream(client)
    server.writer.transport.abort({ reset: true })
    const error = await netError(finished(duplex))
    expect(error).toBeInstanceOf(ConnectionLostError)
    expect(error).toBe(client.reader.exception())
  })

  it('fails a write on a connection that was closed under it', async () => {
    const [client] = openStreams()
    const duplex = toNodeStream(client)
    client.writer.close()
    duplex.write('lost')
    const error = await netError(finished(duplex))
    expect(error).toMatchObject({ code: 'ERR_MILLRACE_CONNECTION_LOST', message: expect.stringContaining('is closed') })
  })

  it('closes at end() where there is no half-close', async () => {
    const [client, server] = openStreams()
    client.writer.canWriteEof = () => false
    const duplex = toNodeStream(client)
    duplex.end('all')
    expect((await server.reader.read()).toString()).toBe('all')
    expect(client.writer.isClosing()).toBe(true)
  })

  it('works over sockets', async () => {
    const server = await startServer((reader, writer) => pipeline(toNodeStream(reader, writer), toNodeStream(writer)), {
      host: '127.0.0.1',
    })
    netStop(server)
    const streams = await openConnection({ host: '127.0.0.1', port: server.sockets[0]!.port })
    const duplex = toNodeStream(streams)
    const bytes = numbered(500_000)
    duplex.end(bytes)
    const chunks: Buffer[] = []
    for await (const chunk of duplex) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true)
  })
})

describe('toNodeStream of a reader', () => {
  it('is a Readable up to the end; the connection stays open', async () => {
    const [client, server] = openStreams()
    const readable = toNodeStream(client.reader)
    server.writer.write('text')
    server.writer.writeEof()
    const sink = new PassThrough()
    await pipeline(readable, sink)
    expect(String(sink.read())).toBe('text')
    expect(client.writer.isClosing()).toBe(false)
    client.writer.write('still here')
    expect((await server.reader.readExactly(10)).toString()).toBe('still here')
  })

  it('given up, leaves the reader where it was, with what comes later', async () => {
    const [client, server] = openStreams()
    const readable = toNodeStream(client.reader)
    readable.resume()
    await netTurns()
    readable.destroy()
    await finished(readable).catch(() => {})
    server.writer.write('later')
    expect((await client.reader.readExactly(5)).toString()).toBe('later')
  })

  it('given up in the turn in which bytes come, puts them back', async () => {
    const [client] = openStreams()
    const readable = toNodeStream(client.reader)
    readable.resume()
    await netTurns()
    client.reader.feedData(Buffer.from('just in time'))
    readable.destroy()
    await netTurns()
    expect(client.reader.tryRead().toString()).toBe('just in time')
  })

  it('does not read ahead: what comes behind a chunk that was asked for stays with the reader', async () => {
    const [client, server] = openStreams()
    for (const stream of [toNodeStream(client.reader), toNodeStream(client)]) {
      const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>
      server.writer.write('first')
      expect(String((await chunks.next()).value)).toBe('first')
      server.writer.write('second')
      await netTurns()
      expect((await client.reader.readExactly(6)).toString()).toBe('second')
    }
  })

  it('left by break, has taken no more than it gave', async () => {
    const [client, server] = openStreams()
    server.writer.write(Buffer.alloc(100_000, 'x'))
    let got = 0
    for await (const chunk of toNodeStream(client.reader)) {
      got += (chunk as Buffer).length
      break
    }
    server.writer.writeEof()
    expect((await client.reader.read()).length + got).toBe(100_000)
  })

  it('is destroyed with the reason when the connection is lost', async () => {
    const [client, server] = openStreams()
    const readable = toNodeStream(client.reader)
    readable.resume()
    server.writer.transport.abort({ reset: true })
    expect(await netError(finished(readable))).toBeInstanceOf(ConnectionLostError)
  })
})

describe('toNodeStream of a writer', () => {
  it('is a Writable; its end is writeEof, and the connection stays open', async () => {
    const [client, server] = openStreams()
    await pipeline(Readable.from(['one ', 'two']), toNodeStream(client.writer))
    expect((await server.reader.read()).toString()).toBe('one two')
    expect(client.writer.isClosing()).toBe(false)
    server.writer.write('reply')
    expect((await client.reader.readExactly(5)).toString()).toBe('reply')
  })

  it('destroyed aborts; destroyed after its end does not', async () => {
    const [client] = openStreams()
    toNodeStream(client.writer).destroy()
    expect(client.writer.isClosing()).toBe(true)
    const [second] = openStreams()
    const ended = toNodeStream(second.writer).end()
    await finished(ended)
    ended.destroy()
    expect(second.writer.isClosing()).toBe(false)
  })

  it('is destroyed when the connection ends under it, with the reason if there is one', async () => {
    const [client] = openStreams()
    const writable = toNodeStream(client.writer)
    client.writer.close()
    expect(await netError(finished(writable))).toMatchObject({ code: 'ERR_STREAM_PREMATURE_CLOSE' })
    const [second, peer] = openStreams()
    const broken = toNodeStream(second.writer)
    peer.writer.transport.abort({ reset: true })
    expect(await netError(finished(broken))).toBeInstanceOf(ConnectionLostError)
  })
})
