import { InvalidStateError, TimeoutError } from '../../lib/errors.ts'
import { memoryMessageStreams } from '../../lib/messages/memoryMessageStreams.ts'
import { MessageStream } from '../../lib/messages/messageStream.ts'
import { MessageStreamProtocol } from '../../lib/messages/messageStreamProtocol.ts'
import { MessageTransport } from '../../lib/messages/messageTransport.ts'
import { netError, netTurns } from '../support/netTools.ts'

/** All that a transport must have, and nothing else: multipart messages, as ZeroMQ has them. */
class Bare extends MessageTransport<string[]> {
  readonly sent: string[][] = []
  closing = false
  override send(message: string[]): void {
    this.sent.push(message)
  }
  override isClosing(): boolean {
    return this.closing
  }
  override close(): void {
    this.closing = true
  }
}

function bare(): { transport: Bare; protocol: MessageStreamProtocol<string[]>; stream: MessageStream<string[]> } {
  const transport = new Bare()
  const protocol = new MessageStreamProtocol<string[]>(new MessageStream())
  protocol.connectionMade(transport)
  return { transport, protocol, stream: protocol.stream }
}

describe('MessageStream', () => {
  describe('over a transport that has only what it must', () => {
    it('reads and writes messages of any type', async () => {
      const { transport, protocol, stream } = bare()
      const read = stream.readMessage()
      protocol.messageReceived(['topic', 'body'], 9)
      expect(await read).toEqual(['topic', 'body'])
      stream.writeMessage(['a', 'b'])
      await stream.drain()
      expect(transport.sent).toEqual([['a', 'b']])
    })

    it('buffers everything where reading cannot be paused', async () => {
      const { protocol, stream } = bare()
      stream.setReadBufferLimits({ high: 1 })
      for (let i = 0; i < 5000; i++) protocol.messageReceived([String(i)], 100)
      expect(stream.buffered).toBe(5000)
      for (let i = 0; i < 4999; i++) stream.tryReadMessage()
      expect(stream.tryReadMessage()).toEqual(['4999'])
      expect(stream.dropped).toBe(0)
    })

    it('reports what it lacks as not implemented', () => {
      const { stream } = bare()
      expect(() => stream.abort()).toThrow('Bare does not implement abort()')
      expect(() => stream.setWriteBufferLimits()).toThrow('Bare does not implement setWriteBufferLimits()')
    })
  })

  it('has one transport, and says so while it has none', () => {
    const stream = new MessageStream<string>()
    expect(() => stream.writeMessage('x')).toThrow(InvalidStateError)
    const { stream: connected, transport } = bare()
    expect(() => connected.setTransport(transport)).toThrow(InvalidStateError)
  })

  it.each([
    { readBufferLimits: { high: 1, low: 2 } },
    { readBufferLimits: { low: -1 } },
    { eventsBacklog: 0 },
    { writeBufferLimits: { high: 1, low: 2 } },
  ])('refuses %j', (options) => {
    expect(() => new MessageStream(options)).toThrow(RangeError)
  })

  it('reads and writes with separate marks, in the size that the transport tells (S49, S51)', async () => {
    const [a, b] = memoryMessageStreams<string>({
      readBufferLimits: { high: 30, low: 10 },
      writeBufferLimits: { high: 20, low: 5 },
    })
    expect([a.getReadBufferLimits(), a.getWriteBufferLimits()]).toEqual([
      [10, 30],
      [5, 20],
    ])
    for (let i = 0; i < 9; i++) a.writeMessage('12345')
    expect(a.needsDrain).toBe(true)
    await netTurns()
    // 35 is the first sum above 30.
    expect([b.buffered, a.transport.getWriteBufferSize(), a.needsDrain]).toEqual([7, 10, true])
    for (let i = 0; i < 4; i++) await b.readMessage()
    await netTurns()
    expect([b.buffered, a.needsDrain]).toEqual([3, true])
    await b.readMessage()
    await a.drain()
    expect([b.buffered, a.needsDrain]).toEqual([4, false])
  })

  it('a change of the marks takes effect at once', async () => {
    const [a, b] = memoryMessageStreams<string>({ readBufferLimits: { high: 10, low: 10 } })
    for (let i = 0; i < 9; i++) a.writeMessage('12345')
    await netTurns()
    expect(b.buffered).toBe(3)
    b.setReadBufferLimits({ high: 100 })
    await netTurns()
    expect(b.buffered).toBe(9)
    b.setReadBufferLimits({ high: 10 })
    a.writeMessage('late')
    await netTurns()
    expect(b.buffered).toBe(9)
  })

  it('keeps its queue short under a reader that never quite catches up', () => {
    const { protocol, stream } = bare()
    protocol.messageReceived(['first'], 1)
    for (let i = 0; i < 10_000; i++) {
      protocol.messageReceived([String(i)], 1)
      stream.tryReadMessage()
    }
    expect(stream.tryReadMessage()).toEqual(['9999'])
    expect(stream.buffered).toBe(0)
  })

  it('a drain that nobody lets through names its peer and what is unsent', async () => {
    const [a, b] = memoryMessageStreams<string>({ writeBufferLimits: { high: 3 }, readBufferLimits: { high: 0 } })
    const { peername } = { peername: a.getExtraInfo('peername') as [string, number] }
    for (let i = 0; i < 3; i++) a.writeMessage('12345')
    await netTurns()
    const error = await netError<TimeoutError>(a.drain({ timeoutMs: 1 }))
    expect(error.message).toBe(`drain to memory:${peername[1]} (10 unsent) took longer than 1 ms`)
    b.abort()
  })

  describe('events (S53)', () => {
    it('are kept beside the messages, the oldest being dropped for the newest', async () => {
      const stream = new MessageStream<string, string, number>({ eventsBacklog: 3 })
      for (let i = 1; i <= 5; i++) stream.feedEvent(i)
      expect([stream.events.length, stream.events.dropped]).toEqual([3, 2])
      expect([await stream.readEvent(), stream.events.tryRead(), await stream.events.read()]).toEqual([3, 4, 5])
      expect(stream.events.tryRead()).toBeUndefined()
    })

    it('are a hundred by default', () => {
      const stream = new MessageStream<string, string, number>()
      for (let i = 1; i <= 101; i++) stream.feedEvent(i)
      expect([stream.events.length, stream.events.dropped, stream.events.tryRead()]).toEqual([100, 1, 2])
    })

    it('have waiters of their own: any number, each event for one of them, in their order', async () => {
      const stream = new MessageStream<string, string, number>()
      const message = stream.readMessage()
      const cancelled = new AbortController()
      const given = stream.readEvent({ signal: cancelled.signal })
      const [first, second] = [stream.readEvent(), stream.readEvent()]
      cancelled.abort(new Error('enough'))
      await expect(given).rejects.toThrow('enough')
      stream.feedEvent(1)
      stream.feedEvent(2)
      expect([await first, await second]).toEqual([1, 2])
      stream.feedMessage('x')
      expect(await message).toBe('x')
      await expect(stream.readEvent({ timeoutMs: 1 })).rejects.toThrow('readEvent took longer than 1 ms')
    })

    it('are iterated over until the connection ends, also by an error', async () => {
      const { protocol, stream } = bare()
      const seen: unknown[] = []
      const loop = (async () => {
        for await (const event of stream.events) seen.push(event)
      })()
      protocol.eventReceived('one')
      await netTurns()
      protocol.eventReceived('two')
      protocol.connectionLost(new Error('gone'))
      await loop
      expect(seen).toEqual(['one', 'two'])
      expect(await stream.readEvent()).toBeUndefined()
    })
  })

  it('an error of reading says nothing of writing', async () => {
    const { protocol, stream } = bare()
    protocol.messageReceived(['good'], 1)
    protocol.receivingFailed(new Error('not a message'))
    expect(await stream.readMessage()).toEqual(['good'])
    await expect(stream.readMessage()).rejects.toThrow('not a message')
    expect(stream.exception()).toBeNull()
    await stream.drain()
    protocol.connectionLost(null)
    await expect(stream.readMessage()).rejects.toThrow('not a message')
    await stream.waitClosed()
  })

  it('a loss after the end is a loss: what was cut off must not look whole', async () => {
    const { protocol, stream } = bare()
    protocol.messageReceived(['last'], 1)
    expect(protocol.eofReceived()).toBe(true)
    protocol.connectionLost(new Error('reset'))
    expect(await stream.readMessage()).toEqual(['last'])
    await expect(stream.readMessage()).rejects.toThrow('reset')
  })

  it('leaves no rejection unhandled', async () => {
    const { protocol, stream } = bare()
    void stream.readMessage()
    void stream[Symbol.asyncIterator]()
      .next()
      .catch(() => {})
    void stream.waitClosed()
    protocol.pauseWriting()
    void stream.drain()
    protocol.connectionLost(new Error('gone'))
    void stream.readMessage()
    void stream.drain()
    await netTurns()
    // Jest fails a test that leaves one.
    expect(stream.exception()).toEqual(new Error('gone'))
  })
})
