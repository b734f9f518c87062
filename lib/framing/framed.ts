import { StreamReader, type StreamReaderOptions } from '../streams/streamReader.ts'
import type { StreamReaderProtocol } from '../streams/streamReaderProtocol.ts'
import type { Transport } from '../transport.ts'
import type { Codec, Source } from './codec.ts'
import { FramedReader } from './framedReader.ts'
import { FramedWriter } from './framedWriter.ts'
import { lengthPrefixed, type LengthPrefixedOptions } from './lengthPrefixed.ts'

/** What {@link framed} gives. */
export interface FramedClasses<In, Out> {
  reader: (options: StreamReaderOptions) => FramedReader<In>
  writer: (transport: Transport, protocol: StreamReaderProtocol, reader: StreamReader<unknown>) => FramedWriter<Out>
}

/**
 * The reader and writer for a codec, to spread into the options of `startServer` and `openConnection`:
 * `startServer(serve, { port, ...framed(lengthPrefixed()) })`. A codec with state is given as a function that makes
 * one; it is called once per direction and connection.
 */
export function framed<In, Out = In>(codec: Source<Codec<In, Out>>): FramedClasses<In, Out> {
  return {
    reader: (options) => new FramedReader<In>(codec, options),
    writer: (transport, protocol, reader) => new FramedWriter<Out>(codec, transport, protocol, reader),
  }
}

/** A reader of frames behind a length field: four bytes, big-endian, unless the options say otherwise. */
export class LengthPrefixedReader extends FramedReader<Uint8Array> {
  constructor(options: StreamReaderOptions & LengthPrefixedOptions = {}) {
    super(lengthPrefixed(options), options)
  }
}

/** The writer that goes with {@link LengthPrefixedReader}. */
export class LengthPrefixedWriter extends FramedWriter<Uint8Array | string> {
  constructor(
    transport: Transport,
    protocol: StreamReaderProtocol,
    reader?: StreamReader<unknown>,
    options: LengthPrefixedOptions = {},
  ) {
    super(lengthPrefixed(options), transport, protocol, reader)
  }
}
