import { MemoryMessageTransport, type SizeOf } from './memoryMessageTransport.ts'
import { MessageStream, type MessageStreamOptions } from './messageStream.ts'
import { MessageStreamProtocol } from './messageStreamProtocol.ts'
import { printError } from '../diagnostics.ts'

export interface MemoryMessageOptions<M> extends MessageStreamOptions {
  /** What a message counts for; by default its length if it is bytes or a string, that of all parts of a list, else 1. */
  sizeOf?: SizeOf<M> | undefined
}

/**
 * Two message streams connected in one process, for tests: `client` receives what `server` sends. A message may be any
 * value but `undefined`; it is handed over as it is, in the next turn. They pause, close and get lost as others do.
 */
export function memoryMessageStreams<M, N = M>(
  options: MemoryMessageOptions<M | N> = {},
): [client: MessageStream<M, N>, server: MessageStream<N, M>] {
  const client = new MessageStreamProtocol<M, N>(new MessageStream<M, N>(options))
  const server = new MessageStreamProtocol<N, M>(new MessageStream<N, M>(options))
  const pair = MemoryMessageTransport.pair<M, N>([client, server], options.sizeOf ?? sizeOf, (error) =>
    printError(error, 'memory'),
  )
  for (const end of pair) end.start()
  return [client.stream, server.stream]
}

function sizeOf(message: unknown): number {
  if (Array.isArray(message)) return message.reduce((sum: number, part) => sum + sizeOf(part), 1)
  if (typeof message === 'string' || message instanceof Uint8Array) return Math.max(1, message.length)
  return 1
}
