import { ConnectionLostError, FrameError } from '../../lib/errors.ts'
import { lengthPrefixed } from '../../lib/framing/lengthPrefixed.ts'
import { FramedMessages } from '../../lib/messages/framedMessages.ts'
import { MessageStream } from '../../lib/messages/messageStream.ts'
import { MessageStreamProtocol } from '../../lib/messages/messageStreamProtocol.ts'
import { memoryPair } from '../../lib/testing/memoryPair.ts'
import type { Transport } from '../../lib/transport.ts'
import { netError, netTurns } from '../support/netTools.ts'

type Bytes = Uint8Array | string

/** A stream that is paused by its first message, and the transport at the other end. */
function slow(): [stream: MessageStream<Uint8Array, Bytes>, peer: Transport] {
  const stream = new MessageStream<Uint8Array, Bytes>({ readBufferLimits: { high: 1, low: 0 } })
  const frames = new FramedMessages<Uint8Array, Bytes>(
    lengthPrefixed({ maxFrameLength: 9 }),
    new MessageStreamProtocol(stream),
  )
  const [peer] = memoryPair({}, frames, { onConnectionError: () => {} })
  return [stream, peer]
}

describe('FramedMessages', () => {
  describe('connectionLost', () => {
    it('with an error first gives out the messages that a pause has held back', async () => {
      const [stream, peer] = slow()
      peer.write('\0\0\0\x01a\0\0\0\x01b\0\0\0\x01c\0\0\0\x01')
      await netTurns()
      expect(stream.buffered).toBe(1)
      peer.abort({ reset: true })
      await netTurns()
      expect(String(await stream.readMessage())).toBe('a')
      expect(String(await stream.readMessage())).toBe('b')
      expect(String(await stream.readMessage())).toBe('c')
      await expect(stream.readMessage()).rejects.toThrow(ConnectionLostError)
      await expect(stream.waitClosed()).rejects.toThrow(ConnectionLostError)
    })

    it('is what it is also where those cannot be understood', async () => {
      const [stream, peer] = slow()
      peer.write('\0\0\0\x01a\0\0\0\xffb')
      await netTurns()
      peer.abort({ reset: true })
      await netTurns()
      expect(String(await stream.readMessage())).toBe('a')
      expect(await netError(stream.readMessage())).toBeInstanceOf(FrameError)
      await expect(stream.waitClosed()).rejects.toThrow(ConnectionLostError)
    })

    it('after our own close gives nothing more out', async () => {
      const [stream, peer] = slow()
      peer.write('\0\0\0\x01a\0\0\0\x01b')
      await netTurns()
      stream.close()
      await stream.waitClosed()
      expect(String(await stream.readMessage())).toBe('a')
      expect(await stream.readMessage()).toBeUndefined()
    })
  })
})
