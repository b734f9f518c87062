import type { StreamReader } from '../streams/streamReader.ts'
import type { StreamReaderProtocol } from '../streams/streamReaderProtocol.ts'
import { StreamWriter } from '../streams/streamWriter.ts'
import type { Encoder, Transport } from '../transport.ts'
import { resolveSource, type Source } from './codec.ts'
import { writeFrame } from './connectionFrames.ts'

/** A writer of messages. */
export class FramedWriter<T> extends StreamWriter {
  #encoder: Encoder<T>

  constructor(
    encoder: Source<Encoder<T>>,
    transport: Transport,
    protocol: StreamReaderProtocol,
    reader?: StreamReader<unknown>,
  ) {
    super(transport, protocol, reader)
    this.#encoder = resolveSource(encoder)
  }

  /**
   * Writes one message, header and body in one piece. Never waits: follow it by `await writer.drain()`. What is
   * written in one turn leaves together. If the encoder throws, nothing is written and the connection is as before.
   */
  writeMessage(message: T): void {
    writeFrame(this.transport, this.#encoder, message)
  }

  /** From the next message on another encoder is used. Returns the writer as one of such messages. */
  setEncoder<U>(encoder: Source<Encoder<U>>): FramedWriter<U> {
    const writer = this as unknown as FramedWriter<U>
    writer.#encoder = resolveSource(encoder)
    return writer
  }
}
