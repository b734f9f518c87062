/** What the streams of Node and of the Web ask of a reader and a writer. */
import { ConnectionLostError } from '../../errors.ts'
import { peerOf } from '../../transport.ts'
import { rejected, UNCANCELLED, type WaitOptions } from '../../wait.ts'
import type { AnyReader } from '../streamClasses.ts'
import type { StreamWriter } from '../streamWriter.ts'

/** A connection's two halves, as `openConnection` gives them. */
export interface StreamPair {
  readonly reader: AnyReader
  readonly writer: StreamWriter
}

/**
 * For the waits of a stream: whoever happens to ask it for something may do so in a scope that is cancelled, which is no
 * reason to destroy the stream, and the connection with it.
 */
export const WAITS: WaitOptions = { scope: UNCANCELLED }

/** The most bytes that one read of the stream takes from the reader. */
export const READ_SIZE = 64 * 1024

export function isWriter(half: AnyReader | StreamWriter): half is StreamWriter {
  return typeof (half as Partial<StreamWriter>).drain === 'function'
}

/** Writes, and resolves when more may be written. What would be dropped silently is an error here. */
export function send(writer: StreamWriter, data: Uint8Array | string): Promise<void> {
  if (writer.isClosing()) {
    const peer = peerOf(writer.transport)
    return rejected(new ConnectionLostError(`write on a connection with ${peer} that is closed`, peer))
  }
  try {
    writer.write(data)
  } catch (error) {
    return rejected(error)
  }
  return writer.drain(WAITS)
}

/** Ends the writing (where there is no half-close, all of it), and resolves when everything is sent. */
export function endWriting(writer: StreamWriter, options?: WaitOptions): Promise<void> {
  if (writer.canWriteEof()) writer.writeEof()
  else writer.close()
  return writer.flush(options)
}

/** Node's streams want an Error. */
export function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason), { cause: reason })
}
