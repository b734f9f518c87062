/**
 * CONTRACT: a wire that keeps the borders of messages by itself, from the view of its protocol. Datagrams, framed
 * streams and the memory pair are such wires here; a WebSocket, a subject of a broker or a socket of ZeroMQ can be
 * others. A message is of any type but `undefined`: bytes, a value, a list of frames.
 *
 * `send`, `close`, `abort`, `isClosing` are what it must have. The rest throws {@link NotImplementedError} by default,
 * and a `MessageStream` does without: one that cannot pause buffers whatever comes.
 */
import { BaseTransport, notImplemented, type AbortOptions, type BufferLimits } from '../transport.ts'
import type { MessageProtocol } from './messageProtocol.ts'

/**
 * `In` is what is received, `Out` what may be sent. The rules of a stream transport hold here, too: `close()` sends what
 * was written and then ends, `abort()` drops it; `connectionLost` follows in a later turn, exactly once; what is sent
 * while closing is dropped; sizes and marks are in bytes, or in whatever the transport counts its messages by.
 */
export abstract class MessageTransport<In, Out = In> extends BaseTransport<Partial<MessageProtocol<In, Out>>> {
  /**
   * Sends one message; never waits. Do not change it before it has left. Throws what its encoder throws, and then
   * nothing was sent and the connection is as before.
   */
  send(_message: Out): void {
    notImplemented(this, 'send')
  }

  /** Closes at once: what is unsent is dropped. With `reset` the peer is told so, if the transport can. */
  abort(_options?: AbortOptions): void {
    notImplemented(this, 'abort')
  }

  /**
   * Stops the delivery of messages, and holds the peer back if the transport can; else it may drop what comes. Messages
   * that it holds may still be delivered just before a `connectionLost` with an error.
   */
  pauseReading(): void {
    notImplemented(this, 'pauseReading')
  }

  /** Undoes {@link pauseReading}. May deliver from inside this call. */
  resumeReading(): void {
    notImplemented(this, 'resumeReading')
  }

  /** Messages that came while reading was paused and were dropped; 0 where the peer is held back instead. */
  get dropped(): number {
    return 0
  }

  /** See `WriteTransport.setWriteBufferLimits`. */
  setWriteBufferLimits(_limits?: BufferLimits): void {
    notImplemented(this, 'setWriteBufferLimits')
  }

  getWriteBufferLimits(): [low: number, high: number] {
    return notImplemented(this, 'getWriteBufferLimits')
  }

  /** What is sent and has not left. */
  getWriteBufferSize(): number {
    return notImplemented(this, 'getWriteBufferSize')
  }
}
