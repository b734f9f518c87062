// For users.
export { lengthPrefixed, type LengthPrefixedOptions } from './lengthPrefixed.ts'
export { varintPrefixed, type VarintPrefixedOptions } from './varintPrefixed.ts'
export { delimited, type DelimitedOptions } from './delimited.ts'
export { lines, type LinesOptions } from './lines.ts'
export { fixedLength } from './fixedLength.ts'
export { netstrings, type NetstringsOptions } from './netstrings.ts'
export { jsonLines, type JsonLinesOptions } from './jsonLines.ts'
export { jsonObjects, type JsonObjectsOptions } from './jsonObjects.ts'
export { cobs } from './cobs.ts'
export { slip } from './slip.ts'
export type { ByteStuffingOptions } from './byteStuffing.ts'
export { grpcPrefixed, type GrpcMessage, type GrpcMessageInput, type GrpcPrefixedOptions } from './grpcPrefixed.ts'
export { mapCodec, type CodecMapping } from './mapCodec.ts'
export { composed, type ComposedOptions, type FramingCodec } from './composed.ts'
export { framed, LengthPrefixedReader, LengthPrefixedWriter, type FramedClasses } from './framed.ts'
export { FramedReader } from './framedReader.ts'
export { FramedWriter } from './framedWriter.ts'
export { FramedProtocol } from './framedProtocol.ts'
export {
  Int16StringReceiverProtocol,
  Int32StringReceiverProtocol,
  Int8StringReceiverProtocol,
  IntNStringReceiverProtocol,
} from './intNStringReceiverProtocol.ts'
export { StatefulStringProtocol, type StateHandlers } from './statefulStringProtocol.ts'
export { MessageDecoder } from './messageDecoder.ts'
export {
  encodeMessage,
  type BadMessagePolicy,
  type Codec,
  type Decoder,
  type Encoder,
  type FrameCodec,
  type Source,
} from './codec.ts'

// For authors of codecs.
export { ByteQueue } from '../bytes/byteQueue.ts'
export { OutgoingBuffer } from '../bytes/outgoingBuffer.ts'
export { readVarint, writeVarint } from './varintPrefixed.ts'
