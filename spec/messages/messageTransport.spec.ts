import { EventEmitter } from 'node:events'
import { ConnectionLostError, FlowControlMixin, type AbortOptions, type BufferLimits } from '../../lib/index.ts'
import {
  MessageStream,
  MessageStreamProtocol,
  MessageTransport,
  type MessageProtocol,
} from '../../lib/messages/index.ts'
import { messageStreamChecks, type MessageStreamsUnderTest } from '../../lib/testing/index.ts'

/** As the npm package `ws` has it, without a network. */
class FakeWebSocket extends EventEmitter {
  readonly #outgoing: (Buffer | 'close')[] = []
  #other!: FakeWebSocket
  #paused = false
  #closed = false

  static pair(): [FakeWebSocket, FakeWebSocket] {
    const [a, b] = [new FakeWebSocket(), new FakeWebSocket()]
    a.#other = b
    b.#other = a
    return [a, b]
  }

  get bufferedAmount(): number {
    return this.#outgoing.reduce((sum, data) => sum + data.length, 0)
  }

  send(data: Buffer, sent: () => void): void {
    this.#outgoing.push(data)
    setImmediate(() => this.#other.#take(sent))
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    setImmediate(() => this.#take(() => {}))
  }

  close(): void {
    this.#outgoing.push('close')
    setImmediate(() => this.#other.#take(() => {}))
  }

  terminate(): void {
    setImmediate(() => this.#end(1006))
  }

  #take(sent: () => void): void {
    for (let next; !this.#paused && !this.#closed && (next = this.#other.#outgoing.shift()) !== undefined;) {
      if (next === 'close') this.#end(1000)
      else this.emit('message', next)
    }
    sent()
    this.#other.emit('drained')
  }

  #end(code: number): void {
    for (const end of [this, this.#other]) {
      if (end.#closed) continue
      end.#closed = true
      end.emit('close', code)
    }
  }
}

/** What a user would write. */
class WebSocketTransport extends MessageTransport<Buffer, Buffer> {
  readonly #socket: FakeWebSocket
  readonly #flow = new FlowControlMixin(this, () => {})
  #protocol: Partial<MessageProtocol<Buffer, Buffer>>
  #closing = false

  constructor(socket: FakeWebSocket, protocol: Partial<MessageProtocol<Buffer, Buffer>>) {
    super()
    this.#socket = socket
    this.#protocol = protocol
    protocol.connectionMade?.(this)
    socket.on('message', (data: Buffer) => {
      if (!this.#closing) this.#protocol.messageReceived?.(data, data.length)
    })
    socket.on('drained', () => this.#flow.maybeResumeProtocol())
    socket.on('close', (code: number) => {
      const lost = code === 1000 || this.#closing ? null : new ConnectionLostError(`closed with ${code}`)
      this.#closing = true
      this.#protocol.connectionLost?.(lost)
    })
  }

  override send(message: Buffer): void {
    if (this.#closing) return
    this.#socket.send(message, () => this.#flow.maybeResumeProtocol())
    this.#flow.maybePauseProtocol()
  }

  override pauseReading(): void {
    this.#socket.pause()
  }

  override resumeReading(): void {
    this.#socket.resume()
  }

  override setWriteBufferLimits(limits?: BufferLimits): void {
    this.#flow.setWriteBufferLimits(limits)
  }

  override getWriteBufferLimits(): [low: number, high: number] {
    return this.#flow.getWriteBufferLimits()
  }

  override getWriteBufferSize(): number {
    return this.#socket.bufferedAmount
  }

  override getProtocol(): Partial<MessageProtocol<Buffer, Buffer>> {
    return this.#protocol
  }

  override setProtocol(protocol: Partial<MessageProtocol<Buffer, Buffer>>): void {
    this.#protocol = protocol
  }

  override isClosing(): boolean {
    return this.#closing
  }

  override close(): void {
    if (this.#closing) return
    this.#closing = true
    // What waits to be read would keep the other end's close from being seen.
    this.#socket.resume()
    this.#socket.close()
  }

  override abort(_options?: AbortOptions): void {
    this.#closing = true
    this.#socket.terminate()
  }
}

const overWebSockets: MessageStreamsUnderTest<Buffer, Buffer> = {
  async connect() {
    const streams = FakeWebSocket.pair().map((socket) => {
      const protocol = new MessageStreamProtocol<Buffer>(new MessageStream<Buffer>())
      new WebSocketTransport(socket, protocol)
      return protocol.stream
    })
    return [streams[0]!, streams[1]!]
  },
  message(number, size) {
    const bytes = Buffer.alloc(Math.max(4, size))
    bytes.writeUInt32BE(number)
    return bytes
  },
  numberOf: (message) => message.readUInt32BE(),
}

describe('MessageTransport', () => {
  describe('made of a WebSocket', () => {
    const checks = messageStreamChecks.filter(({ datagrams }) => datagrams !== true)
    it.each(checks.map((check) => [check.name, check] as const))('%s', (_name, check) => check.run(overWebSockets))
  })
})
