import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import {
  ConnectionLostError,
  DecodeError,
  FrameTooLargeError,
  IncompleteReadError,
  InvalidFrameError,
  openConnection,
  startServer,
  TimeoutError,
  UnknownTypeError,
  type Server,
  type Transport,
} from '../lib/index.ts'
import { encodeMessage, framed } from '../lib/framing/index.ts'
import { typedEnvelope } from '../lib/protobuf/index.ts'
import staticTypes from './fixtures/personStatic.cjs'

// A server of two message types: a person is sent back, a ping ends the session and nothing may follow it.
const codec = typedEnvelope({
  person: { id: 1, type: staticTypes.fixtures.Person, maxLength: 1000 },
  ping: { id: 2, type: staticTypes.fixtures.Ping },
})
const person = (name: string): Uint8Array => encodeMessage(codec, { type: 'person', message: { name } })
const ping = encodeMessage(codec, { type: 'ping', message: {} })

describe('bad input to a server', () => {
  let server: Server
  let received: string[]
  let reports: { error: unknown; transport: Transport | undefined }[]
  let reported: () => void
  const streams = framed(codec)

  beforeEach(async () => {
    received = []
    reports = []
    server = await startServer(
      async (reader, writer) => {
        for await (const envelope of reader) {
          if (envelope.type === 'ping') {
            const rest = await reader.read()
            if (rest.length > 0) throw new InvalidFrameError(`${rest.length} bytes after the end of the session`)
            break
          }
          received.push(envelope.message.name)
          writer.writeMessage(envelope)
          await writer.drain({ timeoutMs: 50 })
        }
        writer.close()
      },
      {
        host: '127.0.0.1',
        port: 0,
        ...streams,
        onConnectionError: (error, transport) => {
          reports.push({ error, transport })
          reported()
        },
      },
    )
  })

  const dial = async (): Promise<Socket> => {
    const socket = connect({ host: '127.0.0.1', port: server.sockets[0]!.port, allowHalfOpen: true })
    await once(socket, 'connect')
    return socket.on('error', () => {})
  }

  /** Does `harm` on one connection, and gives the one error it led to; another connection is served throughout. */
  async function harmedBy(harm: (socket: Socket) => unknown): Promise<{ error: Error; peer: string }> {
    const other = await openConnection({ host: '127.0.0.1', port: server.sockets[0]!.port, ...streams })
    const isServed = async (name: string): Promise<void> => {
      other.writer.writeMessage({ type: 'person', message: { name } })
      expect((await other.reader.readMessage())?.message).toMatchObject({ name })
    }
    await isServed('before')
    const report = new Promise<void>((resolve) => (reported = resolve))
    const socket = await dial()
    const peer = `127.0.0.1:${socket.localPort}`
    await harm(socket)
    await report
    await isServed('after')
    socket.destroy()
    other.writer.close()
    await other.writer.waitClosed()
    server.close()
    await server.waitClosed()
    expect(reports).toHaveLength(1)
    const { error, transport } = reports[0]!
    expect(transport?.isClosing()).toBe(true)
    return { error: error as Error, peer }
  }

  it('over-long: FrameTooLargeError from the header alone, after the messages before', async () => {
    const { error, peer } = await harmedBy((socket) =>
      socket.write(Buffer.concat([person('good'), Buffer.from('0001000003e9', 'hex')])),
    )
    expect(error).toBeInstanceOf(FrameTooLargeError)
    expect(error.message).toBe(`a message of type person of 1001 bytes is over the limit of 1000 (from ${peer})`)
    expect(received).toContain('good')
  })

  it('corrupt: DecodeError with the type and the size', async () => {
    const { error, peer } = await harmedBy((socket) =>
      socket.write(Buffer.concat([person('good'), Buffer.from('0001000000020a05', 'hex')])),
    )
    expect(error).toBeInstanceOf(DecodeError)
    expect(error.message).toMatch(/^2 bytes do not decode as Person at byte \d+: .* \(from 127\.0\.0\.1:\d+\)$/)
    expect(error).toMatchObject({ peer, type: 'Person', size: 2 })
    expect(received).toContain('good')
  })

  it('truncated: IncompleteReadError with the bytes that came', async () => {
    const { error, peer } = await harmedBy((socket) =>
      socket.end(Buffer.concat([person('good'), person('cut off').subarray(0, -1)])),
    )
    expect(error).toBeInstanceOf(IncompleteReadError)
    expect(error.message).toBe(`read 14 bytes from ${peer} before the end of the stream`)
    expect(received).toContain('good')
    expect(received).not.toContain('cut off')
  })

  it('of an unknown type: UnknownTypeError with the number and the size', async () => {
    const { error, peer } = await harmedBy((socket) => socket.write(Buffer.from('002a00000007', 'hex')))
    expect(error).toBeInstanceOf(UnknownTypeError)
    expect(error.message).toBe(`a message of 7 bytes has the type 42, which is not registered (from ${peer})`)
  })

  it('bytes after the end: an error with their number', async () => {
    const { error } = await harmedBy((socket) => socket.end(Buffer.concat([ping, Buffer.from('xyz')])))
    expect(error).toBeInstanceOf(InvalidFrameError)
    expect(error.message).toBe('3 bytes after the end of the session')
  })

  it('a peer that stops reading: TimeoutError of drain with the bytes unsent', async () => {
    const { error, peer } = await harmedBy(async (socket) => {
      // It writes and never reads; what it sends comes back, and no longer fits anywhere.
      const block = Buffer.concat(Array.from({ length: 100 }, () => person('x'.repeat(900))))
      while (reports.length === 0) {
        if (!socket.destroyed) socket.write(block)
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
    expect(error).toBeInstanceOf(TimeoutError)
    expect(error.message).toMatch(new RegExp(`^drain to ${peer} \\(\\d{5,} bytes unsent\\) took longer than 50 ms$`))
  }, 20_000)

  it('a peer that resets: ConnectionLostError with the bytes of both directions', async () => {
    const { error, peer } = await harmedBy(async (socket) => {
      socket.write(person('good'))
      await once(socket, 'data')
      socket.resetAndDestroy()
    })
    expect(error).toBeInstanceOf(ConnectionLostError)
    expect(error.message).toBe(`connection with ${peer} lost: read ECONNRESET after 12 bytes in and 12 out (0 unsent)`)
    expect(error.cause).toMatchObject({ code: 'ECONNRESET' })
  })
})
