export { memoryClient } from './memoryClient.ts'
export { memoryPair, memoryStreams, type MemoryOptions } from './memoryPair.ts'
export { FakeClock } from './fakeClock.ts'
export { RecordingProtocol } from './recordingProtocol.ts'
export { checkTransport, transportChecks } from './checkTransport.ts'
export { checkOneWay, oneWayChecks } from './checkOneWay.ts'
export { checkTwoWay, twoWayChecks } from './checkTwoWay.ts'
export { checkHalfCloseable, halfCloseableChecks } from './checkHalfCloseable.ts'
export type { MakeOneWay, MakePair, TransportCheck } from './transportCheck.ts'
export { Clog } from '../transports/clog.ts'
export { checkCodec } from './checkCodec.ts'
export {
  checkMessageStream,
  messageStreamChecks,
  type MessageStreamCheck,
  type MessageStreamsUnderTest,
} from './checkMessageStream.ts'
export { ScriptedPeer, scriptedPeer } from './scriptedPeer.ts'
