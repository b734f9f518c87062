/**
 * CONTRACT: what a message transport calls, in this order:
 *
 *     connectionMade → (messageReceived | eventReceived)* → receivingFailed? → eofReceived? → connectionLost
 *
 * with `pauseWriting → resumeWriting` in between, as for every protocol. After `close()` or `abort()` only
 * `connectionLost` still comes. A plain object with the methods that are needed will do.
 */
import { BaseProtocol } from '../protocol.ts'
import type { MessageTransport } from './messageTransport.ts'

/** A protocol for messages, whatever wire they come from. */
export class MessageProtocol<In, Out = In> extends BaseProtocol<MessageTransport<In, Out>> {
  /** One message, whole. `size` is what it counts for in a buffer: its bytes on the wire, where there are any. */
  messageReceived(_message: In, _size: number): void {}

  /** Something beside the messages: a datagram that was refused, a message that was discarded, a subscriber that came. */
  eventReceived(_event: unknown): void {}

  /**
   * What comes can no longer be understood; an answer can still be sent. If a protocol has no such method, the
   * connection is closed by force, with `connectionLost(error)`.
   */
  receivingFailed(_error: unknown): void {}

  /** The peer has ended its side. Return something truthy to stay open for writing. */
  eofReceived(): boolean | void {}
}
