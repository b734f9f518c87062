import type { ErrorHandler } from '../diagnostics.ts'
import type { AnyProtocol } from '../protocol.ts'
import {
  streamFactories,
  toStreams,
  type AnyReader,
  type StreamClasses,
  type Streams,
} from '../streams/streamClasses.ts'
import type { StreamReader } from '../streams/streamReader.ts'
import type { StreamWriter } from '../streams/streamWriter.ts'
import type { Transport } from '../transport.ts'
import { MemoryTransport, type MemoryPairOptions } from '../transports/memoryTransport.ts'
import { clientOwner } from '../transports/transportOwner.ts'

export interface MemoryOptions extends MemoryPairOptions {
  /** Told of errors that reach nobody else, on either end. Printed to stderr by default. */
  onConnectionError?: ErrorHandler<Transport> | undefined
}

/**
 * Two protocols connected in memory, as if over a socket: with a write buffer, back-pressure, half-close and loss.
 * Both have had their `connectionMade`. No socket is opened.
 */
export function memoryPair(
  client: AnyProtocol,
  server: AnyProtocol,
  options: MemoryOptions = {},
): [client: Transport, server: Transport] {
  const owner = clientOwner(options.onConnectionError)
  const pair = MemoryTransport.pair([client, server], [owner, owner], options)
  for (const transport of pair) transport.start()
  return pair
}

/**
 * Two ends with a reader and a writer each, connected in memory. `classes` are plugged in on both ends, as in
 * `openConnection`: `memoryStreams(framed(lengthPrefixed()))`.
 */
export function memoryStreams<R extends AnyReader = StreamReader, W extends StreamWriter = StreamWriter>(
  classes: StreamClasses<R, W> = {},
  options: MemoryOptions = {},
): [client: Streams<R, W>, server: Streams<R, W>] {
  const { makeReader, makeProtocol, options: protocolOptions } = streamFactories(classes)
  const readers = [makeReader(), makeReader()] as const
  const [a, b] = [
    makeProtocol(readers[0], undefined, protocolOptions),
    makeProtocol(readers[1], undefined, protocolOptions),
  ]
  const [client, server] = memoryPair(a, b, options)
  return [
    toStreams(readers[0], a.createWriter(client, readers[0])),
    toStreams(readers[1], b.createWriter(server, readers[1])),
  ]
}
