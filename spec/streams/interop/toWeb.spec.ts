import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CompressionStream, DecompressionStream, ReadableStream } from 'node:stream/web'
import { ConnectionLostError } from '../../../lib/errors.ts'
import { toWeb } from '../../../lib/streams/interop/toWeb.ts'
import { netDefer, netError, netTurns } from '../../support/netTools.ts'
import { openStreams } from '../../support/openStreams.ts'

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString()
type Body = ConstructorParameters<typeof Response>[0]
const body = (readable: ReadableStream): Body => readable as unknown as Body

describe('toWeb of a reader', () => {
  it('is the body of a Response', async () => {
    const [client, server] = openStreams()
    server.writer.write('the whole ')
    server.writer.write('text')
    server.writer.writeEof()
    expect(await new Response(body(toWeb(client.reader))).text()).toBe('the whole text')
    expect(client.writer.isClosing()).toBe(false)
  })

  it('takes nothing before it is asked, and cancelled has lost nothing', async () => {
    const [client, server] = openStreams()
    const reader = toWeb(client.reader).getReader()
    server.writer.write('one')
    await netTurns()
    expect(text((await reader.read()).value)).toBe('one')
    const waiting = reader.read()
    await netTurns()
    await reader.cancel()
    expect(await waiting).toEqual({ done: true, value: undefined })
    server.writer.write('two')
    expect((await client.reader.readExactly(3)).toString()).toBe('two')
    expect(client.writer.isClosing()).toBe(false)
  })

  it.each([undefined, 'byob' as const])(
    'cancelled in the turn in which bytes come, puts them back (%p)',
    async (mode) => {
      const [client] = openStreams()
      const readable = toWeb(client.reader)
      const reader = mode === undefined ? readable.getReader() : readable.getReader({ mode })
      const waiting = reader.read(new Uint8Array(8))
      await netTurns()
      client.reader.feedData(Buffer.from('just in time'))
      await reader.cancel()
      expect((await waiting).done).toBe(true)
      await netTurns()
      expect(text(client.reader.tryRead())).toBe('just in time')
    },
  )

  it('fills the memory of a BYOB reader, piece by piece', async () => {
    const [client, server] = openStreams()
    const reader = toWeb(client.reader).getReader({ mode: 'byob' })
    server.writer.write('abcdefg')
    const pieces: string[] = []
    let memory = new Uint8Array(3)
    for (let i = 0; i < 3; i++) {
      const { value } = await reader.read(memory)
      pieces.push(text(value))
      memory = new Uint8Array(value!.buffer as ArrayBuffer)
    }
    expect(pieces).toEqual(['abc', 'def', 'g'])
    server.writer.writeEof()
    expect(await reader.read(memory)).toEqual({ done: true, value: new Uint8Array(0) })
  })

  it('fills the part of the memory that it is given', async () => {
    const [client, server] = openStreams()
    const reader = toWeb(client.reader).getReader({ mode: 'byob' })
    server.writer.write('xyz')
    const { value } = await reader.read(new Uint8Array(new ArrayBuffer(10), 4, 2))
    expect([text(value), value!.byteOffset, value!.buffer.byteLength]).toEqual(['xy', 4, 10])
    expect((await client.reader.readExactly(1)).toString()).toBe('z')
  })

  it('gives out memory of its own: what others read stays whole', async () => {
    const [client, server] = openStreams()
    server.writer.write('head:body')
    const head = await client.reader.readExactly(5)
    const { value } = await toWeb(client.reader).getReader().read()
    structuredClone(value!.buffer, { transfer: [value!.buffer as ArrayBuffer] })
    expect(head.toString()).toBe('head:')
  })

  it('fails with the reason when the connection is lost, with either kind of reader', async () => {
    for (const mode of [undefined, 'byob'] as const) {
      const [client, server] = openStreams()
      const stream = toWeb(client.reader)
      const read = mode === undefined ? stream.getReader().read() : stream.getReader({ mode }).read(new Uint8Array(8))
      const failing = netError(read)
      await netTurns()
      server.writer.transport.abort({ reset: true })
      expect(await failing).toBe(client.reader.exception())
      expect(client.reader.exception()).toBeInstanceOf(ConnectionLostError)
    }
  })

  it('goes through pipeTo and pipeThrough', async () => {
    const [client, server] = openStreams()
    const [other, far] = openStreams()
    server.writer.write('squeezed '.repeat(1000))
    server.writer.writeEof()
    const zipped = toWeb(client.reader).pipeThrough(new CompressionStream('gzip') as never)
    const piped = (zipped as ReadableStream).pipeTo(toWeb(other.writer))
    const unzipped = toWeb(far.reader).pipeThrough(new DecompressionStream('gzip') as never)
    expect(await new Response(body(unzipped)).text()).toBe('squeezed '.repeat(1000))
    await piped
  })

  it('is the body of a fetch', async () => {
    const http = createServer((request, response) => request.pipe(response)).listen(0, '127.0.0.1')
    netDefer(() => {
      http.closeAllConnections()
      http.close()
    })
    await new Promise((resolve) => http.on('listening', resolve))
    const [client, server] = openStreams()
    server.writer.write('there and back')
    server.writer.writeEof()
    const { port } = http.address() as AddressInfo
    const answer = await fetch(`http://127.0.0.1:${port}`, {
      method: 'POST',
      body: body(toWeb(client.reader)),
      duplex: 'half',
    } as RequestInit)
    expect(await answer.text()).toBe('there and back')
  })
})

describe('toWeb of a writer', () => {
  it('takes bytes and text; its close is writeEof, and the connection stays open', async () => {
    const [client, server] = openStreams()
    const writer = toWeb(client.writer).getWriter()
    await writer.write('grün')
    await writer.write(Buffer.from('!'))
    await writer.close()
    expect((await server.reader.read()).toString()).toBe('grün!')
    expect(client.writer.isClosing()).toBe(false)
  })

  it('waits as drain() does', async () => {
    const [client, server] = openStreams({}, { pipeSize: 1000 })
    const writer = toWeb(client.writer).getWriter()
    let written = false
    const writing = writer.write(new Uint8Array(300_000)).then(() => (written = true))
    await netTurns()
    server.writer.transport.pauseReading()
    await netTurns(20)
    expect([written, writer.desiredSize]).toEqual([false, 0])
    server.writer.transport.resumeReading()
    expect((await server.reader.readExactly(300_000)).length).toBe(300_000)
    await writing
    expect(writer.desiredSize).toBe(1)
  })

  it('aborted, aborts the connection by a reset', async () => {
    const [client, server] = openStreams()
    await toWeb(client.writer).abort(new Error('enough'))
    expect(client.writer.isClosing()).toBe(true)
    expect(await netError(server.reader.read())).toBeInstanceOf(ConnectionLostError)
  })

  it.each(['write', 'close'] as const)(
    'aborted while a %s waits for a peer that does not read, does not wait',
    async (what) => {
      const [client, server] = openStreams({}, { pipeSize: 1000 })
      server.writer.transport.pauseReading()
      const stream = toWeb(client.writer)
      const writer = stream.getWriter()
      client.writer.write(new Uint8Array(300_000))
      const waiting = Promise.allSettled([what === 'write' ? writer.write('more') : writer.close(), writer.closed])
      await netTurns()
      const aborted = Promise.allSettled([writer.abort(new Error('enough'))])
      await netTurns()
      expect(client.writer.isClosing()).toBe(true)
      await Promise.all([aborted, waiting])
      expect(await netError(server.writer.waitClosed())).toBeInstanceOf(ConnectionLostError)
    },
  )

  it('fails when the connection is lost, though nothing is written', async () => {
    const [client, server] = openStreams()
    const writer = toWeb(client.writer).getWriter()
    server.writer.transport.abort({ reset: true })
    expect(await netError(writer.closed)).toBe(client.reader.exception())
    const [second] = openStreams()
    const other = toWeb(second.writer).getWriter()
    second.writer.close()
    expect(await netError(other.closed)).toMatchObject({ code: 'ERR_MILLRACE_CONNECTION_LOST' })
  })

  it('fails over what is not bytes', async () => {
    const [client] = openStreams()
    await expect(
      toWeb(client.writer)
        .getWriter()
        .write({} as Uint8Array),
    ).rejects.toBeInstanceOf(TypeError)
  })
})

describe('toWeb of a reader and a writer', () => {
  it.each(['end', 'close'])('closes the connection when both streams are done, the %s being first', async (first) => {
    const [client, server] = openStreams()
    const { readable, writable } = toWeb(client)
    const reader = readable.getReader()
    const end = async (): Promise<void> => {
      server.writer.writeEof()
      expect((await reader.read()).done).toBe(true)
    }
    const close = (): Promise<void> => writable.close()
    await (first === 'end' ? end() : close())
    expect(client.writer.isClosing()).toBe(false)
    await (first === 'end' ? close() : end())
    expect(client.writer.isClosing()).toBe(true)
    await client.writer.waitClosed()
  })

  it('counts a cancelled stream as done', async () => {
    const [client] = openStreams()
    const { readable, writable } = toWeb(client.reader, client.writer)
    await readable.cancel()
    expect(client.writer.isClosing()).toBe(false)
    await writable.close()
    expect(client.writer.isClosing()).toBe(true)
  })

  it('is a pair that other streams can be piped through', async () => {
    const [client, server] = openStreams()
    void (async () => {
      for await (const line of server.reader) server.writer.write(line.toString().toUpperCase())
      server.writer.close()
    })()
    const source = new Response('one\ntwo\n').body as unknown as ReadableStream<Uint8Array>
    expect(await new Response(body(source.pipeThrough(toWeb(client)))).text()).toBe('ONE\nTWO\n')
  })
})
