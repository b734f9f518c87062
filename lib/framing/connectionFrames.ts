/** One message off a connection, one onto it: where `millrace:frame:in` and `:out` are published. */
import type { ByteQueue } from '../bytes/byteQueue.ts'
import { frameIn, frameOut, type FrameChannel } from '../frameEvents.ts'
import { peerOf, type Encoder, type Transport } from '../transport.ts'
import type { Decoder } from './codec.ts'
import { decodeNext } from './messageDecoder.ts'

/** {@link decodeNext} on what came from `transport`, if it is known. */
export function decodeFrame<T>(
  decoder: Decoder<T>,
  queue: ByteQueue,
  eof: boolean,
  transport: Transport | undefined,
): T | undefined {
  const peer = eof ? peerOf(transport) : undefined
  if (!frameIn.hasSubscribers || transport === undefined) return decodeNext(decoder, queue, eof, peer)
  const before = queue.length
  const message = decodeNext(decoder, queue, eof, peer)
  if (message !== undefined) publish(frameIn, transport, before - queue.length)
  return message
}

/** `transport.writeEncoded(encoder, message)`. */
export function writeFrame<T>(transport: Transport, encoder: Encoder<T>, message: T): void {
  if (!frameOut.hasSubscribers) return transport.writeEncoded(encoder, message)
  let size: number | undefined
  const measuring: Encoder<T> = {
    encode(each, out) {
      const before = out.length
      encoder.encode(each, out)
      size = out.length - before
    },
  }
  transport.writeEncoded(measuring, message)
  // A transport that is closing encodes nothing.
  if (size !== undefined && !transport.isClosing()) publish(frameOut, transport, size)
}

function publish(channel: FrameChannel, transport: Transport, size: number): void {
  channel.publish({ id: transport.id, transport, peer: peerOf(transport) ?? '(unknown)', size })
}
