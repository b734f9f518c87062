// For users.
export { lengthPrefixed, type LengthPrefixedOptions } from './lengthPrefixed.ts'
export { varintPrefixed, type VarintPrefixedOptions } from './varintPrefixed.ts'
export { framed, LengthPrefixedReader, LengthPrefixedWriter, type FramedClasses } from './framed.ts'
export { FramedReader } from './framedReader.ts'
export { FramedWriter } from './framedWriter.ts'
export { FramedProtocol } from './framedProtocol.ts'
export { IntNStringReceiverProtocol } from './intNStringReceiverProtocol.ts'
export { MessageDecoder } from './messageDecoder.ts'
export { encodeMessage, type Codec, type Decoder, type Encoder, type FrameCodec, type Source } from './codec.ts'

// For authors of codecs.
export { ByteQueue } from '../bytes/byteQueue.ts'
export { OutgoingBuffer } from '../bytes/outgoingBuffer.ts'
export { readVarint, writeVarint } from './varintPrefixed.ts'
