import { FramedReader } from '../framing/framedReader.ts'
import { FramedWriter } from '../framing/framedWriter.ts'
import type { StreamReader, StreamReaderOptions } from '../streams/streamReader.ts'
import type { StreamReaderProtocol } from '../streams/streamReaderProtocol.ts'
import type { Transport } from '../transport.ts'
import type { MessageType } from './messageType.ts'
import { protobuf, type ProtobufOptions } from './protobufCodec.ts'

/**
 * A reader of messages of one type, varint-delimited unless `framing` says otherwise. To plug it in, make a subclass
 * that names the type, or let {@link of} do so: `startServer(serve, { reader: ProtobufReader.of(Person) })`.
 */
export class ProtobufReader<T> extends FramedReader<T> {
  constructor(type: MessageType<T, never>, options: StreamReaderOptions & ProtobufOptions = {}) {
    super(protobuf(type, options), options)
  }

  /** What makes readers of that type. */
  static of<T>(
    type: MessageType<T, never>,
    options?: ProtobufOptions,
  ): (readerOptions: StreamReaderOptions) => ProtobufReader<T> {
    return (readerOptions) => new ProtobufReader(type, { ...readerOptions, ...options })
  }
}

/** The writer that goes with {@link ProtobufReader}. */
export class ProtobufWriter<I> extends FramedWriter<I> {
  constructor(
    type: MessageType<unknown, I>,
    transport: Transport,
    protocol: StreamReaderProtocol,
    reader?: StreamReader<unknown>,
    options: ProtobufOptions = {},
  ) {
    super(protobuf(type, options), transport, protocol, reader)
  }

  /** What makes writers of that type. */
  static of<I>(
    type: MessageType<unknown, I>,
    options?: ProtobufOptions,
  ): (transport: Transport, protocol: StreamReaderProtocol, reader: StreamReader<unknown>) => ProtobufWriter<I> {
    return (transport, protocol, reader) => new ProtobufWriter(type, transport, protocol, reader, options)
  }
}
