import { createConnection } from '../../lib/endpoints/connect.ts'
import { createServer } from '../../lib/endpoints/listen.ts'
import { CancelledError, ConnectionLostError } from '../../lib/errors.ts'
import { openConnection, startServer } from '../../lib/streams/open.ts'
import { StreamReader } from '../../lib/streams/streamReader.ts'
import { StreamReaderProtocol } from '../../lib/streams/streamReaderProtocol.ts'
import { StreamWriter } from '../../lib/streams/streamWriter.ts'
import type { Transport } from '../../lib/transport.ts'
import { netDefer, netDial, netError, netListen, netPromise, netRoundTrip, netStop } from '../support/netTools.ts'

describe('StreamReaderProtocol', () => {
  it('feeds the reader from the transport, and keeps it open at the end of the stream (A48, I8)', async () => {
    const { address, accepted } = await netListen()
    const reader = new StreamReader()
    const [transport] = await createConnection(() => new StreamReaderProtocol(reader), address as { port: number })
    netDefer(() => transport.abort())
    const peer = await accepted()
    peer.socket.end('request')
    expect(String(await reader.read())).toBe('request')
    expect(reader.atEof()).toBe(true)
    expect(transport.isClosing()).toBe(false)
    transport.write('response')
    transport.close()
    await peer.until(() => peer.ended)
    expect(peer.text).toBe('response')
  })

  it('makes no writer of its own for a client (A48)', async () => {
    const { address } = await netListen()
    let made = 0
    class Counting extends StreamReaderProtocol {
      override createWriter(transport: Transport, reader: StreamReader): StreamWriter {
        made++
        return super.createWriter(transport, reader)
      }
    }
    const [transport] = await createConnection(() => new Counting(new StreamReader()), address as { port: number })
    expect(made).toBe(0)
    transport.close()
  })

  it('is a plain protocol: createServer makes a stream server with it (S47)', async () => {
    const server = await createServer(
      () =>
        new StreamReaderProtocol(new StreamReader(), async (reader, writer) => {
          writer.write(await reader.readUntil('!'))
          writer.close()
        }),
      { host: '127.0.0.1' },
    )
    netStop(server)
    const peer = await netDial({ port: server.sockets[0]!.port })
    peer.socket.write('hey!rest')
    await peer.until(() => peer.ended || peer.closed)
    expect(peer.text).toBe('hey!')
  })

  it('lets a subclass make the writer, with everything in place (S46, D1)', async () => {
    class LineWriter extends StreamWriter {
      writeLine(line: string): void {
        this.write(`${line}\r\n`)
      }
    }
    class LineProtocol extends StreamReaderProtocol<StreamReader, LineWriter> {
      override createWriter(transport: Transport, reader: StreamReader): LineWriter {
        expect(reader).toBe(this.reader)
        return new LineWriter(transport, this, reader)
      }
    }
    const server = await createServer(
      () =>
        new LineProtocol(new StreamReader(), (_reader, writer) => {
          writer.writeLine('welcome')
          writer.close()
        }),
      { host: '127.0.0.1' },
    )
    netStop(server)
    const peer = await netDial({ port: server.sockets[0]!.port })
    await peer.until(() => peer.ended)
    expect(peer.text).toBe('welcome\r\n')
  })

  it('gives a reader the reason of the loss, also when data was not read (A42, D8)', async () => {
    const { address, accepted } = await netListen()
    const reader = new StreamReader()
    await createConnection(() => new StreamReaderProtocol(reader), address as { port: number })
    const peer = await accepted()
    peer.socket.write('x')
    expect(String(await reader.read(1))).toBe('x')
    const read = netError(reader.readLine())
    peer.socket.resetAndDestroy()
    const error = await read
    expect(error).toBeInstanceOf(ConnectionLostError)
    expect(reader.exception()).toBe(error)
  })

  it('leaves what came before a reset to be read: lines, frames, numbers, and then the reason (D8)', async () => {
    const { address, accepted } = await netListen()
    const { reader, writer } = await openConnection({ host: '127.0.0.1', ...(address as { port: number }) })
    netDefer(() => writer.transport.abort())
    const peer = await accepted()
    peer.socket.write(Buffer.concat([Buffer.from('line\n'), Buffer.of(1, 2), Buffer.from('rest')]))
    await reader.peek(11)
    const lost = writer.disconnected
    peer.socket.resetAndDestroy()
    const reason = await lost
    expect(reason).toBeInstanceOf(ConnectionLostError)
    expect(String(await reader.readLine())).toBe('line\n')
    expect(await reader.readNumber('UInt16BE')).toBe(0x0102)
    expect(await netError(reader.readExactly(5))).toBe(reason)
    expect(String(await reader.read(9))).toBe('rest')
    expect(await netError(reader.read(1))).toBe(reason)
  })

  it('holds a peer back that sends more than is read, and takes all of it in the end (I16)', async () => {
    const { address, accepted } = await netListen()
    const reader = new StreamReader({ limit: 1000 })
    const [transport] = await createConnection(() => new StreamReaderProtocol(reader), address as { port: number })
    const peer = await accepted()
    const total = 32 * 1024 * 1024
    peer.socket.end(Buffer.alloc(total))
    await netRoundTrip()
    expect(transport.isReading()).toBe(false)
    expect(peer.socket.writableLength).toBeGreaterThan(0)
    expect(await reader.readExactly(total)).toHaveLength(total)
    expect(await reader.read()).toHaveLength(0)
    transport.close()
  })

  it('reads more than twice the limit in one read (I16)', async () => {
    const { address, accepted } = await netListen()
    const reader = new StreamReader({ limit: 10 })
    const [transport] = await createConnection(() => new StreamReaderProtocol(reader), address as { port: number })
    const peer = await accepted()
    peer.socket.write('x'.repeat(50))
    await netRoundTrip()
    expect(transport.isReading()).toBe(false)
    const read = reader.readExactly(100)
    peer.socket.write('y'.repeat(50))
    expect(await read).toHaveLength(100)
    transport.close()
  })

  describe('a handler', () => {
    const bug = new Error('bug')

    /** A server with this handler; what it reports, and a peer. */
    async function served(handler: (reader: StreamReader, writer: StreamWriter) => unknown) {
      const reported = netPromise<unknown>()
      const errors: unknown[] = []
      const transports: (Transport | undefined)[] = []
      const server = await startServer(handler, {
        host: '127.0.0.1',
        onConnectionError(error, transport) {
          errors.push(error)
          transports.push(transport)
          reported.resolve(error)
        },
      })
      netStop(server)
      const dial = () => netDial({ port: server.sockets[0]!.port })
      return { server, errors, transports, reported: reported.promise, dial, peer: await dial() }
    }

    it('that throws is reported with its connection, which is closed; the server goes on (A33, D16)', async () => {
      const { errors, transports, peer, dial, server } = await served(() => {
        throw bug
      })
      await peer.until(() => peer.ended)
      expect(errors).toEqual([bug])
      expect(transports[0]!.isClosing()).toBe(true)
      const next = await dial()
      await next.until(() => next.ended)
      expect(errors).toEqual([bug, bug])
      expect(server.isServing()).toBe(true)
    })

    it('that rejects likewise; what it wrote before is sent (A33, D16)', async () => {
      const { errors, peer, dial } = await served(async (reader, writer) => {
        writer.write(await reader.readLine())
        throw bug
      })
      peer.socket.write('last words\n')
      await peer.until(() => peer.ended)
      expect(peer.text).toBe('last words\n')
      expect(errors).toEqual([bug])
      await dial()
    })

    it('that was cancelled has its connection closed, and is not reported (A33)', async () => {
      const { errors, peer } = await served(async () => {
        throw new CancelledError('the server goes down')
      })
      await peer.until(() => peer.ended)
      const controller = new AbortController()
      const { errors: others, peer: second } = await served((reader) => reader.read(1, { signal: controller.signal }))
      controller.abort()
      await second.until(() => second.ended)
      await netRoundTrip()
      expect([...errors, ...others]).toEqual([])
    })

    it('that returns closes nothing (A33)', async () => {
      let kept: StreamWriter | undefined
      const { peer } = await served((_reader, writer) => {
        kept = writer
        return 'anything'
      })
      await netRoundTrip()
      expect(peer.ended).toBe(false)
      kept!.write('later')
      await peer.until(() => peer.text === 'later')
    })

    it('whose peer resets gets the loss as the rejection of its read; not handled, it is reported (I14)', async () => {
      const began = netPromise()
      const { reported, peer } = await served(async (reader) => {
        began.resolve()
        await reader.readLine()
      })
      await began.promise
      peer.socket.resetAndDestroy()
      expect(await reported).toBeInstanceOf(ConnectionLostError)
    })
  })
})
