export { memoryPair, memoryStreams, type MemoryOptions } from './memoryPair.ts'
export { FakeClock } from './fakeClock.ts'
export { RecordingProtocol } from './recordingProtocol.ts'
export { checkTransport, transportChecks, type MakePair, type TransportCheck } from './checkTransport.ts'
export { checkCodec } from './checkCodec.ts'
export {
  checkMessageStream,
  messageStreamChecks,
  type MessageStreamCheck,
  type MessageStreamsUnderTest,
} from './checkMessageStream.ts'
