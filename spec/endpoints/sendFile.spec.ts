import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex, PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import {
  connectDuplex,
  createConnection,
  createServer,
  createUnixConnection,
  createUnixServer,
  InvalidStateError,
  sendFile,
  SendFileError,
  TimeoutError,
  type Transport,
} from '../../lib/index.ts'
import { memoryPair, memoryStreams, RecordingProtocol } from '../../lib/testing/index.ts'
import { throttle } from '../../lib/layers/throttle.ts'
import { stackLayers } from '../../lib/layers/layer.ts'
import { netDefer, netError, netStop, netUnixPath } from '../support/netTools.ts'
import { ca, certified } from '../support/tlsFixtures.ts'

const KiB = 1024
const BLOCK = 256 * KiB
/** Bytes that tell where they are, of no whole number of blocks. */
const content = Buffer.alloc(5 * BLOCK + 12_345)
for (let i = 0; i < content.length; i += 4) content.writeUInt32BE(i, Math.min(i, content.length - 4))

const directory = mkdtempSync(join(tmpdir(), 'millrace-'))
const path = join(directory, 'file')
writeFileSync(path, content)
afterAll(() => rmSync(directory, { recursive: true }))

const hash = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')

/** Two recorders in memory; nothing is sent for nobody. */
function pair(pipeSize = 64 * KiB) {
  const [client, server] = [new RecordingProtocol(), new RecordingProtocol()]
  memoryPair(client, server, { pipeSize, onConnectionError: () => {} })
  netDefer(() => server.transport.abort())
  return { client, server }
}

type Connected = { client: RecordingProtocol; server: RecordingProtocol }
const quiet = { onConnectionError: () => {} }
const made = (server: RecordingProtocol): Promise<void> => server.untilEvent('connectionMade')

const connections: Record<string, () => Promise<Connected>> = {
  memory: async () => pair(),
  async TCP() {
    const [client, server] = [new RecordingProtocol(), new RecordingProtocol()]
    const listener = await createServer(() => server, { host: '127.0.0.1', ...quiet })
    netStop(listener)
    await createConnection(() => client, { host: '127.0.0.1', port: listener.sockets[0]!.port })
    await made(server)
    return { client, server }
  },
  async 'a Unix socket'() {
    const [client, server] = [new RecordingProtocol(), new RecordingProtocol()]
    const address = { path: netUnixPath() }
    netStop(await createUnixServer(() => server, { ...address, ...quiet }))
    await createUnixConnection(() => client, address)
    await made(server)
    return { client, server }
  },
  async TLS() {
    const [client, server] = [new RecordingProtocol(), new RecordingProtocol()]
    const listener = await createServer(() => server, { host: '127.0.0.1', tls: certified('localhost'), ...quiet })
    netStop(listener)
    const { port } = listener.sockets[0]!
    await createConnection(() => client, { host: '127.0.0.1', port, tls: { ca, servername: 'localhost' } })
    await made(server)
    return { client, server }
  },
  async 'a throttled connection'() {
    const [client, server] = [new RecordingProtocol(), new RecordingProtocol()]
    const layer = throttle({ write: { bytesPerSecond: 50_000_000, burst: 1_000_000 } })
    memoryPair(stackLayers([layer], client), server)
    return { client, server }
  },
}

describe.each(Object.keys(connections))('sendFile over %s', (name) => {
  it('sends the file, behind what was written and in front of what is written afterwards', async () => {
    const { client, server } = await connections[name]!()
    client.transport.write('head ')
    expect(await sendFile(client.transport, path)).toBe(content.length)
    expect(client.transport.getWriteBufferSize()).toBe(0)
    client.transport.write(' tail')
    await server.untilBytes(content.length + 10)
    expect(hash(server.data)).toBe(hash(Buffer.concat([Buffer.from('head '), content, Buffer.from(' tail')])))
    client.transport.close()
    await client.untilEvent('connectionLost')
  })
})

describe('sendFile', () => {
  it.each([
    [{ offset: 100 }, 100, content.length],
    [{ count: 1000 }, 0, 1000],
    [{ offset: BLOCK - 1, count: BLOCK + 2 }, BLOCK - 1, 2 * BLOCK + 1],
    [{ offset: 7, count: BLOCK }, 7, BLOCK + 7],
    [{ offset: 12, count: 0 }, 12, 12],
    [{ offset: content.length - 5, count: 100 }, content.length - 5, content.length],
    [{ offset: content.length + 5 }, 0, 0],
  ])('with %j sends that part', async (options, from, to) => {
    const { client, server } = pair()
    expect(await sendFile(client.transport, path, options)).toBe(to - from)
    client.transport.close()
    await server.untilEvent('connectionLost')
    expect(hash(server.data)).toBe(hash(content.subarray(from, to)))
  })

  it('sends the right bytes over a stream that keeps what it is given', async () => {
    const [up, down] = [new PassThrough({ highWaterMark: 2 * content.length }), new PassThrough()]
    const [transport] = connectDuplex(() => new RecordingProtocol(), Duplex.from({ readable: down, writable: up }))
    netDefer(() => transport.abort())
    expect(await sendFile(transport, path)).toBe(content.length)
    transport.close()
    expect(hash(await buffer(up))).toBe(hash(content))
  })

  it('takes a URL, and a writer in place of its transport', async () => {
    const [client, server] = memoryStreams()
    const sent = sendFile(client.writer, pathToFileURL(path))
    const received = await server.reader.readExactly(content.length)
    expect(await sent).toBe(content.length)
    expect(hash(received)).toBe(hash(content))
    client.writer.close()
  })

  it('tells how many bytes are gone, block by block', async () => {
    const { client } = pair()
    const told: number[] = []
    await sendFile(client.transport, path, { onProgress: (bytesSent) => told.push(bytesSent) })
    expect(told).toEqual([1, 2, 3, 4, 5].map((n) => n * BLOCK).concat(content.length))
  })

  it('never has more than a block in the write buffer, nor reads ahead more than one', async () => {
    const { client, server } = pair()
    server.transport.pauseReading()
    const handle = await opened()
    const read = jest.spyOn(handle, 'read')
    const sent = sendFile(client.transport, handle)
    await client.untilEvent('pauseWriting')
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(client.transport.getWriteBufferSize()).toBe(BLOCK - 64 * KiB)
    expect(read).toHaveBeenCalledTimes(2)
    server.transport.resumeReading()
    expect(await sent).toBe(content.length)
  })

  it('leaves an open file open, and its position alone; two may send from it at once', async () => {
    const handle = await opened()
    await handle.read(Buffer.alloc(3), 0, 3, null)
    const [a, b] = [pair(), pair()]
    const sent = [a, b].map(({ client }) => sendFile(client.transport, handle))
    expect(await Promise.all(sent)).toEqual([content.length, content.length])
    await Promise.all([a, b].map(({ server }) => server.untilBytes(content.length)))
    expect(hash(a.server.data)).toBe(hash(content))
    expect(hash(b.server.data)).toBe(hash(content))
    const { buffer } = await handle.read(Buffer.alloc(3), 0, 3, null)
    expect(buffer).toEqual(content.subarray(3, 6))
  })

  it('lets nothing else be written meanwhile, and everything afterwards', async () => {
    const { client, server } = pair()
    const { transport } = client
    const sent = sendFile(transport, path)
    const encoder = { encode: (text: string, out: { latin1(text: string): void }) => out.latin1(text) }
    expect(() => transport.write('x')).toThrow(InvalidStateError)
    expect(() => transport.writeLines(['x'])).toThrow(InvalidStateError)
    expect(() => transport.writeEncoded(encoder, 'x')).toThrow(InvalidStateError)
    expect(() => transport.writeEof()).toThrow(InvalidStateError)
    expect(await netError(transport.startTls({ tls: {} }))).toBeInstanceOf(InvalidStateError)
    expect(await netError(sendFile(transport, path))).toBeInstanceOf(InvalidStateError)
    await sent
    expect(Object.getOwnPropertyNames(transport)).toEqual([])
    transport.writeLines(['a'])
    transport.writeEncoded(encoder, 'b')
    expect(await sendFile(transport, path, { count: 1 })).toBe(1)
    transport.writeEof()
    await server.untilEvent('eofReceived')
    expect(server.length).toBe(content.length + 3)
  })

  it('puts back methods that the transport had of its own', async () => {
    const { client } = pair()
    const { transport } = client
    const own = transport.write.bind(transport)
    transport.write = own
    await sendFile(transport, path, { count: 10 })
    expect(Object.getOwnPropertyNames(transport)).toEqual(['write'])
    expect(Object.values(transport)).toEqual([own])
  })

  it('receives meanwhile', async () => {
    const { client, server } = pair()
    server.transport.pauseReading()
    const sent = sendFile(client.transport, path)
    server.transport.write('hurry')
    await client.untilBytes(5)
    server.transport.resumeReading()
    await sent
    expect(client.data.toString()).toBe('hurry')
  })

  it('sends what there is of a file that becomes shorter', async () => {
    const shrinking = join(directory, 'shrinking')
    writeFileSync(shrinking, content)
    const { client, server } = pair(KiB)
    const sent = sendFile(client.transport, shrinking, {
      onProgress: (bytesSent) => {
        if (bytesSent === BLOCK) truncateSync(shrinking, BLOCK + 5)
      },
    })
    // The second block was read while the first was being sent.
    expect(await sent).toBe(2 * BLOCK)
    await server.untilBytes(2 * BLOCK)
  })

  it('rejects with the system’s error where there is no such file, and may be written to then', async () => {
    const { client, server } = pair()
    expect(await netError(sendFile(client.transport, join(directory, 'none')))).toMatchObject({ code: 'ENOENT' })
    client.transport.write('sorry')
    await server.untilBytes(5)
  })

  it('rejects if the file cannot be read', async () => {
    const { client, server } = pair()
    const error = await netError<SendFileError>(sendFile(client.transport, directory))
    expect(error).toBeInstanceOf(SendFileError)
    expect(error).toMatchObject({ bytesSent: 0, cause: { code: 'EISDIR' } })
    client.transport.write('sorry')
    await server.untilBytes(5)
  })

  describe('when the connection ends', () => {
    /** Ends it after the first block. */
    async function ended(end: (client: Transport, server: Transport) => void) {
      // So slow that the next block has been read by then.
      const { client, server } = pair(KiB)
      const handle = await opened()
      const sent = sendFile(client.transport, handle, {
        onProgress: (bytesSent) => {
          if (bytesSent === BLOCK) end(client.transport, server.transport)
        },
      })
      const error = await netError<SendFileError>(sent)
      expect(error).toBeInstanceOf(SendFileError)
      await client.untilEvent('connectionLost')
      expect(Object.getOwnPropertyNames(client.transport)).toEqual([])
      expect(error.peer).toBe(`memory:${client.transport.getExtraInfo('peername')![1]}`)
      return error
    }

    it('rejects with what was sent before a close', async () => {
      const error = await ended((client) => client.close())
      expect(error.bytesSent).toBe(BLOCK)
      expect(error.message).toMatch(/^sendFile to memory:\d+ failed after 262144 bytes: connection with memory:\d+ /)
      expect(error.cause).toMatchObject({ code: 'ERR_MILLRACE_CONNECTION_LOST' })
    })

    it('rejects with what was sent before an abort', async () => {
      expect((await ended((client) => client.abort())).bytesSent).toBe(BLOCK)
    })

    it('rejects with what was sent before a loss', async () => {
      const error = await ended((_, server) => setImmediate(() => server.abort({ reset: true })))
      expect(error.bytesSent).toBe(BLOCK)
      expect(error.cause).toMatchObject({ code: 'ERR_MILLRACE_CONNECTION_LOST' })
    })

    it('rejects at once if it had ended before', async () => {
      const { client } = pair()
      client.transport.close()
      expect(await netError(sendFile(client.transport, path))).toMatchObject({ name: 'SendFileError', bytesSent: 0 })
    })
  })

  it('fails with the error of the progress callback', async () => {
    const { client } = pair()
    const onProgress = (): never => {
      throw new Error('no more')
    }
    const error = await netError<SendFileError>(sendFile(client.transport, path, { onProgress }))
    expect(error).toMatchObject({ bytesSent: BLOCK, cause: { message: 'no more' } })
  })

  describe('cancelled', () => {
    it('leaves the connection open, and tells how much of the file the peer gets', async () => {
      const { client, server } = pair()
      const abort = new AbortController()
      const told: number[] = []
      const sent = sendFile(client.transport, path, {
        signal: abort.signal,
        onProgress: (bytesSent) => {
          told.push(bytesSent)
          if (bytesSent === BLOCK) {
            server.transport.pauseReading()
            setTimeout(() => abort.abort(new Error('enough')), 10)
          }
        },
      })
      expect(await netError(sent)).toMatchObject({ message: 'enough' })
      expect(told).toEqual([BLOCK, 2 * BLOCK])
      client.transport.write('tail')
      server.transport.resumeReading()
      await server.untilBytes(2 * BLOCK + 4)
      expect(hash(server.data)).toBe(hash(Buffer.concat([content.subarray(0, 2 * BLOCK), Buffer.from('tail')])))
    })

    it('does not even open the file if the signal has aborted', async () => {
      const { client } = pair()
      const signal = AbortSignal.abort(new Error('too late'))
      expect(await netError(sendFile(client.transport, '/no/such', { signal }))).toMatchObject({ message: 'too late' })
      client.transport.write('x')
    })

    it('gives up when the time is over', async () => {
      const { client, server } = pair()
      server.transport.pauseReading()
      const error = await netError<TimeoutError>(sendFile(client.transport, path, { timeoutMs: 20 }))
      expect(error).toBeInstanceOf(TimeoutError)
      expect(error.message).toMatch(/^sendFile to memory:\d+ \(0 bytes sent\) took longer than 20 ms$/)
    })
  })

  it.each([{ offset: -1 }, { offset: 0.5 }, { count: -1 }, { count: Infinity }])('refuses %j', async (options) => {
    const { client } = pair()
    expect(await netError(sendFile(client.transport, path, options))).toBeInstanceOf(RangeError)
  })
})

async function opened(): Promise<FileHandle> {
  const handle = await open(path)
  netDefer(() => handle.close())
  return handle
}
