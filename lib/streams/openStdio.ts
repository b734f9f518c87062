import { connectStdio, type PipeOptions } from '../endpoints/connectPipe.ts'
import { streamFactories, toStreams, type AnyReader, type StreamClasses, type Streams } from './streamClasses.ts'
import type { StreamReader } from './streamReader.ts'
import type { StreamWriter } from './streamWriter.ts'

/**
 * A reader over this process's stdin and a writer over its stdout, of your classes. Returns at once, as
 * {@link connectStdio} does; see there for what the end is.
 */
export function openStdio<R extends AnyReader = StreamReader, W extends StreamWriter = StreamWriter>(
  classes: StreamClasses<R, W> & PipeOptions = {},
): Streams<R, W> {
  const { makeReader, makeProtocol, options } = streamFactories(classes)
  const reader = makeReader()
  const [transport, protocol] = connectStdio(() => makeProtocol(reader, undefined, options), classes)
  try {
    return toStreams(reader, protocol.createWriter(transport, reader))
  } catch (error) {
    transport.abort()
    throw error
  }
}
