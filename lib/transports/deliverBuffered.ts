import { isBuffered, type Protocol } from '../protocol.ts'
import type { Transport } from '../transport.ts'

/**
 * Hands `chunk` to the transport's buffered protocol, by copy, one buffer at a time: in between the protocol may
 * pause, close, or be replaced. Returns what was not delivered because of a pause or a close. A chunk that is `borrowed`
 * is copied for a protocol that keeps it.
 */
export function deliverBuffered(
  transport: Pick<Transport, 'getProtocol' | 'isReading'>,
  chunk: Buffer,
  isBorrowed = false,
): Buffer | undefined {
  let rest = chunk
  let borrowed = isBorrowed
  while (rest.length > 0) {
    if (!transport.isReading()) return rest
    const protocol = transport.getProtocol()
    if (!isBuffered(protocol)) {
      ;(protocol as Partial<Protocol>).dataReceived?.(borrowed ? Buffer.from(rest) : rest)
      return undefined
    }
    const buffer = protocol.getBuffer(rest.length)
    if (buffer.length === 0) throw new RangeError('getBuffer() returned an empty buffer')
    const n = Math.min(buffer.length, rest.length)
    buffer.set(rest.subarray(0, n))
    rest = rest.subarray(n)
    // What the protocol does now may read something else into the same memory.
    if (borrowed && rest.length > 0) [rest, borrowed] = [Buffer.from(rest), false]
    protocol.bufferUpdated(n)
  }
  return undefined
}
