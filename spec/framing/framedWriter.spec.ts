import { OutgoingBuffer } from '../../lib/bytes/outgoingBuffer.ts'
import { FrameTooLargeError, InvalidStateError } from '../../lib/errors.ts'
import type { Encoder } from '../../lib/framing/codec.ts'
import { framed } from '../../lib/framing/framed.ts'
import { FramedWriter } from '../../lib/framing/framedWriter.ts'
import { lengthPrefixed } from '../../lib/framing/lengthPrefixed.ts'
import { lines } from '../../lib/framing/lines.ts'
import { openConnection } from '../../lib/index.ts'
import { latin1 } from '../support/everySplit.ts'
import { netDefer, netListen, netTurns, type NetPeer } from '../support/netTools.ts'

/** A writer of messages on a connection, and the bare socket at the other end. */
async function connected<T>(
  encoder: Encoder<T> | (() => Encoder<T>),
): Promise<{ writer: FramedWriter<T>; peer: NetPeer }> {
  const { address, accepted } = await netListen()
  const [, writer] = await openConnection({
    host: '127.0.0.1',
    port: 0,
    ...address,
    writer: (transport, protocol, reader) => new FramedWriter<T>(encoder, transport, protocol, reader),
  })
  netDefer(() => writer.transport.abort())
  return { writer, peer: await accepted() }
}

const codec = lengthPrefixed({ lengthFieldLength: 1, maxFrameLength: 10 })

describe('FramedWriter', () => {
  describe('writeMessage', () => {
    it('writes header and body', async () => {
      const { writer, peer } = await connected(codec)
      writer.writeMessage('abc')
      writer.writeMessage('')
      writer.writeMessage(latin1('d'))
      writer.close()
      await peer.until(() => peer.ended)
      expect(peer.text).toBe('\x03abc\0\x01d')
    })

    it('sends what is written in one turn together', async () => {
      const { writer, peer } = await connected(codec)
      for (const message of ['a', 'bc', 'def']) writer.writeMessage(message)
      // Nothing has left before the turn is over.
      expect(writer.transport.getWriteBufferSize()).toBe(9)
      await peer.until(() => peer.size === 9)
      expect(peer.chunks.map(String)).toEqual(['\x01a\x02bc\x03def'])
    })

    it('goes between other writes, in order', async () => {
      const { writer, peer } = await connected(codec)
      writer.write('HELLO\n')
      writer.writeMessage('a')
      writer.write(Buffer.alloc(20_000, '.'))
      writer.writeMessage('b')
      writer.close()
      await peer.until(() => peer.ended)
      expect(peer.text).toBe(`HELLO\n\x01a${'.'.repeat(20_000)}\x01b`)
    })

    it('writes nothing if the encoder throws, and the connection is as before', async () => {
      const { writer, peer } = await connected(codec)
      writer.writeMessage('a')
      expect(() => writer.writeMessage('far too long')).toThrow(FrameTooLargeError)
      writer.writeMessage('b')
      writer.close()
      await peer.until(() => peer.ended)
      expect(peer.text).toBe('\x01a\x01b')
    })

    it('takes back what an encoder appended before it threw, small pieces and large', async () => {
      const halfway: Encoder<string> = {
        encode(message: string, out: OutgoingBuffer) {
          out.append(latin1(message))
          if (!message.startsWith('bad')) return
          out.append(Buffer.alloc(100_000))
          out.uint(5, 4)
          throw new Error('halfway')
        },
      }
      const { writer, peer } = await connected(halfway)
      writer.writeMessage('one')
      expect(() => writer.writeMessage('bad')).toThrow('halfway')
      expect(writer.transport.getWriteBufferSize()).toBe(3)
      writer.writeMessage('two')
      writer.close()
      await peer.until(() => peer.ended)
      expect(peer.text).toBe('onetwo')
    })

    it('counts for drain() as write does', async () => {
      const { writer, peer } = await connected(lengthPrefixed({ maxFrameLength: 100_000_000 }))
      peer.socket.pause()
      writer.writeMessage(Buffer.alloc(20_000_000, 1))
      let drained = false
      const draining = writer.drain().then(() => (drained = true))
      await netTurns()
      expect(drained).toBe(false)
      peer.read()
      await draining
      await peer.until(() => peer.size === 20_000_004)
      expect(peer.chunks[0]!.readUInt32BE()).toBe(20_000_000)
    })

    it('throws InvalidStateError after writeEof()', async () => {
      const { writer } = await connected(codec)
      writer.writeEof()
      expect(() => writer.writeMessage('a')).toThrow(InvalidStateError)
    })

    it('is dropped after close()', async () => {
      const { writer, peer } = await connected(codec)
      writer.writeMessage('a')
      writer.close()
      writer.writeMessage('b')
      await peer.until(() => peer.ended)
      expect(peer.text).toBe('\x01a')
    })
  })

  it('writes with another encoder after setEncoder', async () => {
    const { writer, peer } = await connected(codec)
    writer.writeMessage('abc')
    const text: FramedWriter<string> = writer.setEncoder(() => lines())
    expect(text).toBe(writer)
    text.writeMessage('line')
    writer.setEncoder(codec)
    writer.writeMessage('d')
    writer.close()
    await peer.until(() => peer.ended)
    expect(peer.text).toBe('\x03abcline\n\x01d')
  })

  it('takes an encoder with state as a function, called once per writer', async () => {
    let made = 0
    const numbered = (): Encoder<string> => {
      made++
      let number = 0
      return { encode: (message, out) => out.append(latin1(`${++number}${message};`)) }
    }
    for (const each of [await connected(numbered), await connected(numbered)]) {
      each.writer.writeMessage('a')
      each.writer.writeMessage('b')
      await each.peer.until(() => each.peer.text === '1a;2b;')
    }
    expect(made).toBe(2)
  })

  it('serves where the reader is another', async () => {
    const { address, accepted } = await netListen()
    const [reader, writer] = await openConnection({
      host: '127.0.0.1',
      port: 0,
      ...address,
      writer: framed(codec).writer,
    })
    netDefer(() => writer.transport.abort())
    const peer = await accepted()
    peer.socket.write('line\n')
    expect(String(await reader.readLine())).toBe('line\n')
    writer.writeMessage('a')
    await peer.until(() => peer.text === '\x01a')
    expect(peer.size).toBe(2)
  })
})
