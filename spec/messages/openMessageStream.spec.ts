import { ConnectError, FrameTooLargeError, IncompleteReadError, InvalidStateError } from '../../lib/errors.ts'
import type { FrameError } from '../../lib/errors.ts'
import { jsonLines } from '../../lib/framing/jsonLines.ts'
import { lengthPrefixed } from '../../lib/framing/lengthPrefixed.ts'
import { lines } from '../../lib/framing/lines.ts'
import { MessageStream } from '../../lib/messages/messageStream.ts'
import { openDatagrams, openMessageStream, startMessageServer } from '../../lib/messages/openMessageStream.ts'
import { netDefer, netDial, netError, netPromise, netRoundTrip, netStop } from '../support/netTools.ts'

const HOST = '127.0.0.1'

describe('startMessageServer and openMessageStream', () => {
  it('serve a handler, with values as messages', async () => {
    const server = await startMessageServer(
      async (stream) => {
        for await (const question of stream) {
          stream.writeMessage({ echo: question })
          await stream.drain()
        }
        stream.close()
      },
      jsonLines(),
      { host: HOST },
    )
    netStop(server)
    await using stream = await openMessageStream(jsonLines(), { host: HOST, port: server.sockets[0]!.port })
    stream.writeMessage({ n: 1 })
    expect(await stream.readMessage()).toEqual({ echo: { n: 1 } })
    await expect(server.accept()).rejects.toThrow(InvalidStateError)
  })

  it('give the class that is plugged in, to the handler and to the caller', async () => {
    class Chat extends MessageStream<Uint8Array, Uint8Array | string> {
      say(text: string): void {
        this.writeMessage(`says ${text}`)
      }
      async hear(): Promise<string> {
        return String(await this.readMessage())
      }
    }
    const server = await startMessageServer(async (chat) => chat.say(await chat.hear()), lengthPrefixed(), {
      host: HOST,
      stream: Chat,
    })
    netStop(server)
    const made: unknown[] = []
    const chat = await openMessageStream(lengthPrefixed(), {
      host: HOST,
      port: server.sockets[0]!.port,
      readBufferLimits: { high: 10 },
      stream: (options) => (made.push(options), new Chat(options)),
    })
    netDefer(() => chat.abort())
    chat.say('hello')
    expect(await chat.hear()).toBe('says says hello')
    expect(made).toEqual([{ readBufferLimits: { high: 10 } }])
    expect(chat.getReadBufferLimits()).toEqual([5, 10])
  })

  it('report a handler that fails, with the connection, close it, and go on', async () => {
    const reported = netPromise<[unknown, unknown]>()
    const server = await startMessageServer(
      async (stream) => {
        stream.writeMessage('bye')
        throw new Error('in the handler')
      },
      lines(),
      { host: HOST, onConnectionError: (error, transport) => reported.resolve([error, transport?.isClosing()]) },
    )
    netStop(server)
    const { port } = server.sockets[0]!
    const stream = await openMessageStream(lines(), { host: HOST, port })
    expect(await stream.readMessage()).toBe('bye')
    expect(await stream.readMessage()).toBeUndefined()
    expect(await reported.promise).toEqual([new Error('in the handler'), false])
    stream.close()
    expect(server.isServing()).toBe(true)
  })

  it('close({graceMs}) waits for handlers', async () => {
    const released = netPromise()
    let ended = false
    const server = await startMessageServer(
      async (stream) => {
        stream.close()
        await released.promise
        ended = true
      },
      lines(),
      { host: HOST },
    )
    const stream = await openMessageStream(lines(), { host: HOST, port: server.sockets[0]!.port })
    await stream.readMessage()
    stream.close()
    await stream.waitClosed()
    const closed = server.close({ graceMs: 10_000 })
    await netRoundTrip()
    expect(ended).toBe(false)
    released.resolve()
    await closed
    expect(ended).toBe(true)
  })

  it('without a handler, streams are taken one by one', async () => {
    const server = await startMessageServer(lines(), { host: HOST })
    const { port } = server.sockets[0]!
    const clients = await Promise.all([0, 1].map(() => openMessageStream(lines(), { host: HOST, port })))
    clients.forEach((client, i) => client.writeMessage(`I am ${i}`))
    const heard: unknown[] = []
    for await (const stream of server) {
      heard.push(await stream.readMessage())
      stream.close()
      if (heard.length === 2) server.close()
    }
    expect(new Set(heard)).toEqual(new Set(['I am 0', 'I am 1']))
    for (const client of clients) client.close()
    await server.waitClosed()
  })

  it('bytes that are no message reject the reads behind them, and an answer can still be sent', async () => {
    const seen: unknown[] = []
    const reported: unknown[] = []
    const server = await startMessageServer(
      async (stream) => {
        seen.push(String(await stream.readMessage()))
        const error = await netError(stream.readMessage())
        seen.push(error, await netError(stream.readMessage()))
        stream.writeMessage('too long')
        await stream.drain()
        stream.close()
      },
      lengthPrefixed({ maxFrameLength: 10 }),
      { host: HOST, onConnectionError: (error) => reported.push(error) },
    )
    netStop(server)
    const peer = await netDial({ port: server.sockets[0]!.port })
    peer.socket.write(Buffer.from('\0\0\0\x02ok\0\0\0\x0bhello world and so on'))
    await peer.until(() => peer.ended)
    const [first, error, again] = seen as [string, FrameTooLargeError, unknown]
    expect([first, again]).toEqual(['ok', error])
    expect(error).toBeInstanceOf(FrameTooLargeError)
    const { port } = peer.socket.address() as { port: number }
    expect(error.message).toBe(`a frame of 11 bytes is over the limit of 10 (from ${HOST}:${port})`)
    expect(peer.text).toBe('\0\0\0\x08too long')
    expect(reported).toEqual([])
  })

  it('a stream that is cut in a message rejects the read, after the messages before', async () => {
    const server = await startMessageServer(lengthPrefixed(), { host: HOST })
    netStop(server)
    const peer = await netDial({ port: server.sockets[0]!.port })
    const stream = await server.accept()
    peer.socket.end(Buffer.from('\0\0\0\x02ok\0\0\0\x05hel'))
    expect(String(await stream.readMessage())).toBe('ok')
    const error = await netError<IncompleteReadError>(stream.readMessage())
    expect(error).toBeInstanceOf(IncompleteReadError)
    expect(Buffer.from(error.partial).toString()).toBe('\0\0\0\x05hel')
    stream.writeMessage('an answer')
    stream.close()
    await peer.until(() => peer.ended)
    expect(peer.text).toMatch('an answer')
  })

  it('messages that the codec discards are events', async () => {
    const server = await startMessageServer(lines({ maxLength: 5, onTooLong: 'discard' }), { host: HOST })
    netStop(server)
    const peer = await netDial({ port: server.sockets[0]!.port })
    const stream = await server.accept()
    peer.socket.write('one\ntoo long a line\ntwo\n')
    expect([await stream.readMessage(), await stream.readMessage()]).toEqual(['one', 'two'])
    const event = (await stream.readEvent()) as FrameError
    expect([event.recoverable, event.code]).toEqual([true, 'ERR_MILLRACE_FRAME_TOO_LARGE'])
    stream.abort()
  })

  it('an encoder that throws sends nothing', async () => {
    const server = await startMessageServer(lengthPrefixed({ maxFrameLength: 3 }), { host: HOST })
    netStop(server)
    const opening = openMessageStream(lengthPrefixed({ maxFrameLength: 3 }), {
      host: HOST,
      port: server.sockets[0]!.port,
    })
    const [client, served] = await Promise.all([opening, server.accept()])
    expect(() => client.writeMessage('four')).toThrow(FrameTooLargeError)
    client.writeMessage('abc')
    expect(String(await served.readMessage())).toBe('abc')
    client.abort()
  })

  it('refuse options that make no sense, and do not connect', async () => {
    const bad = { host: HOST, port: 1, readBufferLimits: { high: 1, low: 2 } }
    await expect(openMessageStream(lines(), bad)).rejects.toThrow(RangeError)
    await expect(startMessageServer(lines(), { ...bad, port: 0 })).rejects.toThrow(RangeError)
    await expect(startMessageServer('no' as never, lines(), { host: HOST })).rejects.toThrow(TypeError)
    await expect(openMessageStream(lines(), { host: HOST, port: 1 })).rejects.toThrow(ConnectError)
  })
})

describe('openDatagrams', () => {
  it('gives bytes over a connected endpoint, and bytes with their address over another', async () => {
    await using server = await openDatagrams({ localAddr: [HOST, 0] })
    const [host, port] = server.getExtraInfo('sockname') as [string, number]
    await using client = await openDatagrams({ remoteAddr: [host, port] })
    client.writeMessage('hello')
    client.writeMessage('')
    const { data, address } = (await server.readMessage())!
    expect([data.toString(), address]).toEqual(['hello', client.getExtraInfo('sockname')])
    expect((await server.readMessage())!.data).toHaveLength(0)
    server.writeMessage({ data: 'and you', address })
    const answer: Buffer | undefined = await client.readMessage()
    expect(String(answer)).toBe('and you')
  })

  it('tells of a datagram that was refused by an event, and stays open', async () => {
    const gone = await openDatagrams({ localAddr: [HOST, 0] })
    const remoteAddr = gone.getExtraInfo('sockname') as [string, number]
    await gone[Symbol.asyncDispose]()
    await using client = await openDatagrams({ remoteAddr })
    client.writeMessage('anybody?')
    const event: (Error & { code?: string }) | undefined = await client.readEvent()
    expect(event?.code).toBe('ECONNREFUSED')
    expect(client.isClosing()).toBe(false)
  })

  it('keeps up to its mark, drops above it, and takes the next when there is room', async () => {
    await using server = await openDatagrams({ localAddr: [HOST, 0], readBufferLimits: { high: 100 } })
    expect(server.getReadBufferLimits()).toEqual([100, 100])
    await using client = await openDatagrams({ remoteAddr: server.getExtraInfo('sockname') as [string, number] })
    // 18 each with what a header counts for.
    for (let i = 0; i < 8; i++) client.writeMessage(`datagram ${i}`)
    await netRoundTrip()
    expect([server.buffered, server.dropped]).toEqual([6, 2])
    await server.readMessage()
    client.writeMessage('datagram 8')
    await netRoundTrip()
    const read: string[] = []
    while (server.buffered > 0) read.push(String(server.tryReadMessage()!.data))
    expect(read).toEqual([1, 2, 3, 4, 5, 8].map((i) => `datagram ${i}`))
    expect(server.dropped).toBe(2)
  })

  it('has 256 KiB by default, and rejects as createDatagramEndpoint does', async () => {
    await using stream = await openDatagrams({ family: 4 })
    expect(stream.getReadBufferLimits()).toEqual([256 * 1024, 256 * 1024])
    await expect(openDatagrams({})).rejects.toThrow(TypeError)
    await expect(openDatagrams({ family: 4, eventsBacklog: 0 })).rejects.toThrow(RangeError)
    const signal = AbortSignal.abort(new Error('before'))
    await expect(openDatagrams({ family: 4, signal })).rejects.toThrow('before')
  })
})
