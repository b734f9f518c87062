// For users.
export { protobuf, type ProtobufOptions } from './protobufCodec.ts'
export { ProtobufReader, ProtobufWriter } from './protobufStreams.ts'
export {
  typedEnvelope,
  type Envelope,
  type EnvelopeInput,
  type EnvelopeType,
  type EnvelopeTypes,
  type RawEnvelope,
  type TypedEnvelopeOptions,
  type UnknownTypePolicy,
} from './typedEnvelope.ts'
export {
  oneofEnvelope,
  type EmptyEnvelope,
  type OneofEnvelope,
  type OneofEnvelopeOptions,
  type OneofInput,
} from './oneofEnvelope.ts'
export { messageType, type MessageType } from './messageType.ts'
