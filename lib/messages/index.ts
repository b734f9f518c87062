// For users.
export { openDatagrams, openMessageStream, startMessageServer } from './openMessageStream.ts'
export { MessageStream, type MessageStreamOptions } from './messageStream.ts'
export type { EventQueue } from './eventQueue.ts'
export type { Datagram } from './datagramMessages.ts'
export { memoryMessageStreams, type MemoryMessageOptions } from './memoryMessageStreams.ts'

// For library authors: message transports of their own.
export { MessageTransport } from './messageTransport.ts'
export { MessageProtocol } from './messageProtocol.ts'
export {
  MessageStreamProtocol,
  type AnyMessageStream,
  type MessageStreamClass,
  type MessageStreamFactory,
} from './messageStreamProtocol.ts'
export { FramedMessages } from './framedMessages.ts'
