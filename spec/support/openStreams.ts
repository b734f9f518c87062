import { memoryStreams } from '../../lib/testing/memoryPair.ts'
import { netDefer } from './netTools.ts'

/** {@link memoryStreams}, aborted after the test; errors that reach nobody are part of it. */
export const openStreams: typeof memoryStreams = (classes, options) => {
  const pair = memoryStreams(classes, { onConnectionError: () => {}, ...options })
  netDefer(() => pair.forEach(({ writer }) => writer.transport.abort()))
  return pair
}
