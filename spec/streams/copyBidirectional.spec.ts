import { connect, createServer as createNetServer, type Socket } from 'node:net'
import { once } from 'node:events'
import {
  ConnectionLostError,
  copyBidirectional,
  openConnection,
  startServer,
  TimeoutError,
  type StreamReader,
  type StreamWriter,
  type Streams,
} from '../../lib/index.ts'
import { TransportWrapper } from '../../lib/transports/transportWrapper.ts'
import { StreamWriter as Writer } from '../../lib/streams/streamWriter.ts'
import { netDefer, netError, netStop, netTurns } from '../support/netTools.ts'
import { openStreams } from '../support/openStreams.ts'

/** left — (a, copied to and from b) — right */
function proxied(options: Parameters<typeof openStreams>[1] = {}) {
  const [left, a] = openStreams({}, options)
  const [b, right] = openStreams({}, options)
  return { left, a, b, right }
}

const end = ({ writer }: { writer: StreamWriter }): void => writer.writeEof()
const text = async ({ reader }: { reader: StreamReader }): Promise<string> => (await reader.read()).toString()

describe('copyBidirectional', () => {
  it('copies both ways, counts, and closes both when both have ended', async () => {
    const { left, a, b, right } = proxied()
    const done = copyBidirectional(a, b)
    left.writer.write('from the left')
    right.writer.write('right')
    end(left)
    end(right)
    expect(await Promise.all([text(left), text(right)])).toEqual(['right', 'from the left'])
    expect(await done).toEqual([13, 5])
    await Promise.all([a.writer.waitClosed(), b.writer.waitClosed()])
  })

  it('takes pairs in either form', async () => {
    const { left, a, b, right } = proxied()
    const done = copyBidirectional([a.reader, a.writer], { reader: b.reader, writer: b.writer })
    left.writer.write('x')
    end(left)
    end(right)
    expect(await text(right)).toBe('x')
    expect(await done).toEqual([1, 0])
  })

  it('passes on the end of one direction, while the other goes on', async () => {
    const { left, a, b, right } = proxied()
    const done = copyBidirectional(a, b)
    left.writer.write('question')
    end(left)
    expect(await text(right)).toBe('question')
    await netTurns()
    right.writer.write('answer')
    expect((await left.reader.readExactly(6)).toString()).toBe('answer')
    end(right)
    expect(await done).toEqual([8, 6])
  })

  it('copies what had come before, and at the end of the stream', async () => {
    const { left, a, b, right } = proxied()
    left.writer.write('early')
    end(left)
    end(right)
    await a.reader.readExactly(1)
    const done = copyBidirectional(a, b)
    expect(await text(right)).toBe('arly')
    expect(await done).toEqual([4, 0])
  })

  it('closes where there is no half-close', async () => {
    class Whole extends TransportWrapper {
      override canWriteEof(): boolean {
        return false
      }
    }
    const { left, a, b, right } = proxied()
    const whole = new Writer(new Whole(b.writer.transport), {
      needsDrain: false,
      drainHelper: () => Promise.resolve(),
      waitClosed: () => Promise.resolve(),
      disconnected: Promise.resolve(null),
      serverSide: false,
      replaceTransport: () => {},
    })
    const done = copyBidirectional(a, [b.reader, whole])
    left.writer.write('all')
    end(left)
    expect(await text(right)).toBe('all')
    expect(await text(left)).toBe('')
    expect(await done).toEqual([3, 0])
  })

  it('holds back a fast writer for a slow reader, in each direction', async () => {
    const { left, a, b, right } = proxied({ pipeSize: 10_000 })
    const done = copyBidirectional(a, b)
    const much = Buffer.alloc(5_000_000, 'x')
    right.writer.transport.pauseReading()
    left.writer.write(much)
    left.writer.writeEof()
    right.writer.write('still')
    expect((await left.reader.readExactly(5)).toString()).toBe('still')
    await netTurns(200)
    // The pipes, the marks of a reader and of a writer, and a chunk for each.
    const moved = much.length - left.writer.transport.getWriteBufferSize()
    expect(moved).toBeLessThan(2 * 10_000 + 2 * 64 * 1024 + 64 * 1024 + 2 * 64 * 1024)
    expect(b.writer.transport.getWriteBufferSize()).toBeLessThan(128 * 1024)
    right.writer.transport.resumeReading()
    expect((await right.reader.read()).length).toBe(much.length)
    end(right)
    expect(await done).toEqual([much.length, 5])
  })

  it.each(['left', 'right'] as const)('resets both when the %s one is lost', async (side) => {
    const ends = proxied()
    const done = copyBidirectional(ends.a, ends.b)
    ends.left.writer.write('half of')
    await ends.right.reader.readExactly(7)
    ends[side].writer.transport.abort({ reset: true })
    const error = await netError(done)
    expect(error).toBeInstanceOf(ConnectionLostError)
    expect(error.message).toMatch(/reset by the peer/)
    const other = side === 'left' ? ends.right : ends.left
    expect(await netError(other.reader.read())).toBeInstanceOf(ConnectionLostError)
  })

  it('resets both when somebody else closes one', async () => {
    const { left, a, b, right } = proxied()
    const done = copyBidirectional(a, b)
    b.writer.close()
    left.writer.write('more')
    const error = await netError(done)
    expect(error).toBeInstanceOf(ConnectionLostError)
    expect(error.message).toMatch(/^the connection with memory:\d+ was closed while it was copied$/)
    expect(await netError(left.reader.read())).toBeInstanceOf(ConnectionLostError)
    right.writer.close()
  })

  it('rejects if somebody else reads, without an unhandled rejection', async () => {
    const { a, b } = proxied()
    const other = a.reader.read(1)
    expect(await netError(copyBidirectional(a, b))).toMatchObject({ code: 'ERR_MILLRACE_INVALID_STATE' })
    await other
  })

  describe('cancelled', () => {
    it('leaves both open, and loses no byte: it can be gone on with', async () => {
      const { left, a, b, right } = proxied({ pipeSize: 1000 })
      const abort = new AbortController()
      const done = copyBidirectional(a, b, { signal: abort.signal })
      right.writer.transport.pauseReading()
      const much = Buffer.alloc(300_000)
      for (let i = 0; i < much.length; i++) much[i] = i % 251
      left.writer.write(much)
      await netTurns(50)
      abort.abort(new Error('enough'))
      expect(await netError(done)).toMatchObject({ message: 'enough' })
      right.writer.write('back')
      expect((await b.reader.readExactly(4)).toString()).toBe('back')
      const again = copyBidirectional(a, b)
      end(left)
      end(right)
      right.writer.transport.resumeReading()
      expect((await right.reader.read()).equals(much)).toBe(true)
      await again
    })

    it('gives up when the time is over', async () => {
      const { left, a, b } = proxied()
      left.writer.write('abc')
      const error = await netError<TimeoutError>(copyBidirectional(a, b, { timeoutMs: 20 }))
      expect(error).toBeInstanceOf(TimeoutError)
      expect(error.message).toMatch(
        /^copyBidirectional between memory:\d+ and memory:\d+ \(3 and 0 bytes\) took longer than 20 ms$/,
      )
      expect(a.writer.isClosing()).toBe(false)
    })

    it('does not begin with a signal that has aborted', async () => {
      const { left, a, b } = proxied()
      left.writer.write('abc')
      const signal = AbortSignal.abort(new Error('too late'))
      expect(await netError(copyBidirectional(a, b, { signal }))).toMatchObject({ message: 'too late' })
      expect((await a.reader.readExactly(3)).toString()).toBe('abc')
    })
  })

  it('makes a TCP proxy in ten lines', async () => {
    const echo = createNetServer({ allowHalfOpen: true }, (socket: Socket) => socket.pipe(socket))
    echo.listen(0, '127.0.0.1')
    await once(echo, 'listening')
    netDefer(() => void echo.close())
    const { port } = echo.address() as { port: number }

    const proxy = await startServer(
      async (...client: Streams<StreamReader, StreamWriter> | [StreamReader, StreamWriter]) => {
        const upstream = await openConnection({ host: '127.0.0.1', port })
        await copyBidirectional([client[0], client[1]], upstream)
      },
      { host: '127.0.0.1' },
    )
    netStop(proxy)

    const socket = connect({ port: proxy.sockets[0]!.port, host: '127.0.0.1', allowHalfOpen: true })
    const sent = Buffer.alloc(3_000_000, 'to and fro')
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.end(sent)
    await once(socket, 'end')
    expect(Buffer.concat(chunks).equals(sent)).toBe(true)
  })
})
