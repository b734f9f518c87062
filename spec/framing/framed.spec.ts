import { once } from 'node:events'
import { FrameTooLargeError } from '../../lib/errors.ts'
import type { Codec } from '../../lib/framing/codec.ts'
import { framed, LengthPrefixedReader, LengthPrefixedWriter } from '../../lib/framing/framed.ts'
import { FramedReader } from '../../lib/framing/framedReader.ts'
import { FramedWriter } from '../../lib/framing/framedWriter.ts'
import { lengthPrefixed } from '../../lib/framing/lengthPrefixed.ts'
import { varintPrefixed } from '../../lib/framing/varintPrefixed.ts'
import { openConnection, startServer } from '../../lib/index.ts'
import { latin1, texts } from '../support/everySplit.ts'
import { netDefer, netDial, netError, netListen, netStop } from '../support/netTools.ts'

/** JSON in lines; counts the codecs that were made. */
let made = 0
const json = (): Codec<unknown> => {
  made++
  return {
    decode(input) {
      const end = input.indexOf(latin1('\n'))
      return end === -1 ? undefined : (JSON.parse(String(input.take(end + 1))) as unknown)
    },
    encode: (message, out) => out.append(Buffer.from(`${JSON.stringify(message)}\n`)),
  }
}

/** A server that sends each message back, and a way to connect to it. */
async function echo<In extends Out, Out>(codec: Codec<In, Out> | (() => Codec<In, Out>)) {
  const failed: unknown[] = []
  const server = await startServer(
    async (reader, writer) => {
      for await (const message of reader) {
        writer.writeMessage(message)
        await writer.drain()
      }
      writer.close()
    },
    { host: '127.0.0.1', onConnectionError: (error) => failed.push(error), ...framed(codec) },
  )
  netStop(server)
  const { port } = server.sockets[0]!
  const connect = async () => {
    const streams = await openConnection({ host: '127.0.0.1', port, ...framed(codec) })
    netDefer(() => streams.writer.transport.abort())
    return streams
  }
  return { port, connect, failed }
}

describe('framed', () => {
  it('gives startServer and openConnection readers and writers of messages', async () => {
    const { connect } = await echo(varintPrefixed())
    const { reader, writer } = await connect()
    expect(reader).toBeInstanceOf(FramedReader)
    expect(writer).toBeInstanceOf(FramedWriter)
    const sent = ['hello', '', 'x'.repeat(300_000), 'y']
    for (const message of sent) writer.writeMessage(latin1(message))
    writer.writeEof()
    const received: string[] = []
    for await (const message of reader) received.push(...texts([message]))
    expect(received).toEqual(sent)
  })

  it('calls a function that makes codecs once per direction and connection', async () => {
    const { connect } = await echo(json)
    made = 0
    const streams = [await connect(), await connect()]
    for (const [i, { reader, writer }] of streams.entries()) {
      writer.writeMessage({ i })
      expect(await reader.readMessage()).toEqual({ i })
      writer.writeMessage([i])
      expect(await reader.readMessage()).toEqual([i])
    }
    // Two connections with two ends of two directions.
    expect(made).toBe(8)
  })

  it('leaves the other options alone', () => {
    expect(Object.keys(framed(lengthPrefixed())).sort()).toEqual(['reader', 'writer'])
  })

  it('passes the limit on to the reader: the peer is held back while messages wait', async () => {
    const { address, accepted } = await netListen()
    const [reader, writer] = await openConnection({
      host: '127.0.0.1',
      port: 0,
      ...address,
      limit: 1000,
      ...framed(lengthPrefixed({ lengthFieldLength: 1 })),
    })
    netDefer(() => writer.transport.abort())
    const peer = await accepted()
    const transport = writer.transport
    peer.socket.write(Buffer.alloc(2001))
    while (transport.isReading()) await new Promise((resolve) => setImmediate(resolve))
    for (let i = 0; i < 1001; i++) expect(await reader.readMessage()).toHaveLength(0)
    expect(transport.isReading()).toBe(true)
  })

  it('lets a server go on after a client whose bytes are wrong, whose handler gets the error', async () => {
    const { connect, port, failed } = await echo(lengthPrefixed({ maxFrameLength: 10 }))
    const bad = await netDial({ port })
    bad.socket.write(latin1('\0\0\0\x01a\xff\xff\xff\xff'))
    await bad.until(() => bad.ended)
    expect(bad.text).toBe('\0\0\0\x01a')
    expect(failed).toEqual([expect.any(FrameTooLargeError)])
    const { reader, writer } = await connect()
    writer.writeMessage(latin1('still'))
    expect(texts([(await reader.readMessage())!])).toEqual(['still'])
  })
})

describe('LengthPrefixedReader and LengthPrefixedWriter', () => {
  it('are classes to plug in, for four bytes of length', async () => {
    const server = await startServer(
      async (reader, writer) => {
        writer.writeMessage((await reader.readMessage())!)
        writer.close()
      },
      { host: '127.0.0.1', reader: LengthPrefixedReader, writer: LengthPrefixedWriter },
    )
    netStop(server)
    const peer = await netDial({ port: server.sockets[0]!.port })
    peer.socket.write(latin1('\0\0\0\x03abc'))
    await peer.until(() => peer.ended)
    expect(peer.text).toBe('\0\0\0\x03abc')
  })

  it('take options of the codec, where they are subclassed or made by a function', async () => {
    const options = { lengthFieldLength: 1, maxFrameLength: 3 }
    class ShortReader extends LengthPrefixedReader {
      constructor() {
        super({ ...options, limit: 100 })
      }
    }
    const { address, accepted } = await netListen()
    const [reader, writer] = await openConnection({
      host: '127.0.0.1',
      port: 0,
      ...address,
      reader: ShortReader,
      writer: (transport, protocol, reading) => new LengthPrefixedWriter(transport, protocol, reading, options),
    })
    netDefer(() => writer.transport.abort())
    const peer = await accepted()
    writer.writeMessage('abc')
    expect(() => writer.writeMessage('abcd')).toThrow(FrameTooLargeError)
    peer.socket.write(latin1('\x03xyz\x04'))
    expect(texts([(await reader.readMessage())!])).toEqual(['xyz'])
    expect(await netError(reader.readMessage())).toBeInstanceOf(FrameTooLargeError)
    await peer.until(() => peer.size >= 4)
    expect(peer.text).toBe('\x03abc')
    peer.socket.end()
    await once(peer.socket, 'finish')
  })
})
