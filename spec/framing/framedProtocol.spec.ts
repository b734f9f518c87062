import type { ByteQueue } from '../../lib/bytes/byteQueue.ts'
import { FrameTooLargeError, IncompleteReadError } from '../../lib/errors.ts'
import type { Codec } from '../../lib/framing/codec.ts'
import { FramedProtocol } from '../../lib/framing/framedProtocol.ts'
import { lengthPrefixed } from '../../lib/framing/lengthPrefixed.ts'
import { createConnection } from '../../lib/index.ts'
import type { Transport } from '../../lib/transport.ts'
import { everySplit, latin1, texts } from '../support/everySplit.ts'
import { netDefer, netDial, netListen, netRoundTrip, netServe, netTurns, NetWatched } from '../support/netTools.ts'
import { memoryPair, RecordingProtocol } from '../../lib/testing/index.ts'

const codec = lengthPrefixed({ lengthFieldLength: 1, maxFrameLength: 100 })

/** Keeps what it is told, as `message:abc`, `end` and `lost`. */
class Recorder extends FramedProtocol<Uint8Array, Uint8Array | string> {
  readonly log: string[] = []
  readonly watched = new NetWatched()
  lostWith: Error | null | undefined
  /** What is done with a message, besides keeping it. */
  onMessage: ((text: string) => void) | undefined
  /** What `endReceived` returns. */
  keepOpen = false

  constructor(source: Codec<Uint8Array, Uint8Array | string> | undefined = codec) {
    super(source)
  }

  get connection(): Transport {
    return this.transport
  }

  until(event: string): Promise<void> {
    return this.watched.until(() => this.log.includes(event))
  }

  #note(event: string): void {
    this.log.push(event)
    this.watched.changed()
  }

  messageReceived(message: Uint8Array): void {
    const [text] = texts([message])
    this.#note(`message:${text}`)
    this.onMessage?.(text!)
  }
  override endReceived(): boolean {
    this.#note('end')
    return this.keepOpen
  }
  override connectionLost(error: Error | null): void {
    this.lostWith = error
    this.#note('lost')
  }
}

/** The protocol as a server's, the bare socket that has connected to it, and the errors that were reported. */
async function served(protocol = new Recorder()) {
  const { address, errors } = await netServe(() => protocol)
  const peer = await netDial(address)
  return { protocol, peer, errors, name: `127.0.0.1:${peer.socket.localPort}` }
}

describe('FramedProtocol', () => {
  describe('messageReceived', () => {
    it('gets every message once, in order, however the bytes are cut', async () => {
      const { protocol, peer } = await served()
      peer.socket.write('\0')
      await protocol.until('message:')
      const { connection } = protocol
      for (const { name, chunks } of everySplit(latin1('\x03abc\0\x0ahelloworld\x01d'))) {
        const receiver = new Recorder()
        receiver.connectionMade(connection)
        for (const chunk of chunks) receiver.dataReceived(chunk)
        expect([name, receiver.log]).toEqual([name, ['message:abc', 'message:', 'message:helloworld', 'message:d']])
      }
    })

    it('is called from the connection, then endReceived and connectionLost', async () => {
      const { protocol, peer, errors } = await served()
      peer.socket.end('\x01a\x02bc')
      await protocol.until('lost')
      expect(protocol.log).toEqual(['message:a', 'message:bc', 'end', 'lost'])
      expect([protocol.lostWith, errors]).toEqual([null, []])
    })

    it('gets none after transport.close(), of those that came together', async () => {
      const { protocol, peer } = await served()
      protocol.onMessage = (text) => {
        if (text === 'b') protocol.connection.close()
      }
      peer.socket.write('\x01a\x01b\x01c')
      await protocol.until('lost')
      expect(protocol.log).toEqual(['message:a', 'message:b', 'lost'])
    })

    it('that throws is fatal: the error is reported, and connectionLost gets it', async () => {
      const { protocol, peer, errors } = await served()
      const mistake = new Error('a mistake')
      protocol.onMessage = (text) => {
        if (text === 'b') throw mistake
      }
      peer.socket.write('\x01a\x01b\x01c')
      await protocol.until('lost')
      expect(protocol.log).toEqual(['message:a', 'message:b', 'lost'])
      expect(protocol.lostWith).toBe(mistake)
      expect(errors.map(({ error }) => error)).toEqual([mistake])
    })
  })

  describe('sendMessage', () => {
    it('writes messages, several of one turn together', async () => {
      const { protocol, peer } = await served()
      protocol.onMessage = (text) => {
        protocol.sendMessage(text.toUpperCase())
        protocol.sendMessage('')
      }
      peer.socket.write('\x03abc\x01d')
      await peer.until(() => peer.size >= 8)
      expect(peer.chunks.map(String)).toEqual(['\x03ABC\0\x01D\0'])
    })

    it('writes nothing if the encoder throws', async () => {
      const { protocol, peer } = await served()
      protocol.onMessage = (text) => {
        protocol.sendMessage(text)
        expect(() => protocol.sendMessage('x'.repeat(101))).toThrow(FrameTooLargeError)
        protocol.sendMessage(text)
      }
      peer.socket.write('\x01a')
      await peer.until(() => peer.size >= 4)
      expect(peer.text).toBe('\x01a\x01a')
    })
  })

  describe('bytes that cannot be a message', () => {
    it('are an error after the messages before them: reported, and the reason of connectionLost', async () => {
      const { protocol, peer, errors, name } = await served()
      peer.socket.write(latin1('\x01a\x02bc\xffzzz'))
      await protocol.until('lost')
      expect(protocol.log).toEqual(['message:a', 'message:bc', 'lost'])
      expect(protocol.lostWith).toBeInstanceOf(FrameTooLargeError)
      expect(protocol.lostWith).toMatchObject({
        peer: name,
        message: `a frame of 255 bytes is over the limit of 100 (from ${name})`,
      })
      expect(errors.map(({ error }) => error)).toEqual([protocol.lostWith])
      await peer.until(() => peer.closed || peer.ended)
    })

    it('do not disturb the other connections', async () => {
      const made: Recorder[] = []
      const { address } = await netServe(() => {
        made.push(new Recorder())
        return made.at(-1)!
      })
      const [good, bad] = [await netDial(address), await netDial(address)]
      bad.socket.write(latin1('\xff'))
      await bad.until(() => bad.ended || bad.closed)
      good.socket.write('\x01a')
      await Promise.any(made.map((protocol) => protocol.until('message:a')))
      expect(made.map((protocol) => protocol.log.join()).sort()).toEqual(['lost', 'message:a'])
    })
  })

  describe('the end of the stream', () => {
    it('inside a message is an IncompleteReadError that names the peer, without endReceived', async () => {
      const { protocol, peer, errors, name } = await served()
      peer.socket.end('\x01a\x05bc')
      await protocol.until('lost')
      expect(protocol.log).toEqual(['message:a', 'lost'])
      expect(protocol.lostWith).toBeInstanceOf(IncompleteReadError)
      expect(protocol.lostWith).toMatchObject({
        peer: name,
        message: `read 3 bytes from ${name} before the end of the stream`,
      })
      expect(texts([(protocol.lostWith as IncompleteReadError).partial])).toEqual(['\x05bc'])
      expect(errors).toHaveLength(1)
    })

    it('between messages leaves the connection open for writing, if endReceived says so', async () => {
      const { protocol, peer } = await served()
      protocol.keepOpen = true
      peer.socket.end('\x01a')
      await protocol.until('end')
      await netRoundTrip()
      expect(protocol.log).toEqual(['message:a', 'end'])
      protocol.sendMessage('bye')
      protocol.connection.close()
      await peer.until(() => peer.ended)
      expect(peer.text).toBe('\x03bye')
    })

    it('gives decodeEof what is left', async () => {
      const decode = (input: ByteQueue): Uint8Array | undefined => {
        const end = input.indexOf(latin1(';'))
        return end === -1 ? undefined : input.take(end + 1)
      }
      const chunks: Codec<Uint8Array, Uint8Array | string> = {
        ...codec,
        encode: () => {},
        decode,
        decodeEof: (input) => decode(input) ?? (input.length > 0 ? input.takeAll() : undefined),
      }
      const { protocol, peer } = await served(new Recorder(chunks))
      peer.socket.end('a;b')
      await protocol.until('lost')
      expect(protocol.log).toEqual(['message:a;', 'message:b', 'end', 'lost'])
    })
  })

  describe('pauseReading and resumeReading', () => {
    it('hold back the messages that have come already, and those that come later', async () => {
      const { protocol, peer } = await served()
      protocol.onMessage = (text) => {
        if (text === 'b') protocol.pauseReading()
      }
      peer.socket.write('\x01a\x01b\x01c\x01d')
      await protocol.until('message:b')
      peer.socket.end('\x01e')
      await netRoundTrip()
      expect(protocol.log).toEqual(['message:a', 'message:b'])
      expect(protocol.connection.isReading()).toBe(false)
      protocol.resumeReading()
      // From inside the call.
      expect(protocol.log).toEqual(['message:a', 'message:b', 'message:c', 'message:d'])
      await protocol.until('lost')
      expect(protocol.log.slice(4)).toEqual(['message:e', 'end', 'lost'])
    })

    it('give one message at a time, if each of them pauses', async () => {
      const { protocol, peer } = await served()
      protocol.onMessage = () => protocol.pauseReading()
      peer.socket.write('\x01a\x01b\x01c')
      await protocol.until('message:a')
      expect(protocol.log).toHaveLength(1)
      protocol.resumeReading()
      expect(protocol.log).toHaveLength(2)
      expect(protocol.connection.isReading()).toBe(false)
      protocol.resumeReading()
      expect(protocol.log).toEqual(['message:a', 'message:b', 'message:c'])
      protocol.resumeReading()
      expect(protocol.connection.isReading()).toBe(true)
    })

    it('undo each other within one message', async () => {
      const { protocol, peer } = await served()
      const ends: string[] = []
      protocol.onMessage = (text) => {
        protocol.pauseReading()
        protocol.resumeReading()
        // No other message has come in between.
        ends.push(`${text} after ${protocol.log.at(-1)}`)
      }
      peer.socket.write('\x01a\x01b')
      await protocol.until('message:b')
      peer.socket.write('\x01c')
      await protocol.until('message:c')
      expect(ends).toEqual(['a after message:a', 'b after message:b', 'c after message:c'])
    })

    it('resumeReading without a pause does nothing', async () => {
      const { protocol, peer } = await served()
      peer.socket.write('\x01a\x05b')
      await protocol.until('message:a')
      protocol.resumeReading()
      expect(protocol.log).toEqual(['message:a'])
    })

    it('deliver nothing once the connection is closed', async () => {
      const { protocol, peer } = await served()
      protocol.onMessage = () => protocol.pauseReading()
      peer.socket.write('\x01a\x01b')
      await protocol.until('message:a')
      protocol.connection.close()
      protocol.resumeReading()
      await protocol.until('lost')
      expect(protocol.log).toEqual(['message:a', 'lost'])
    })

    it.each([
      ['bytes that cannot be a message are', '\x01a\x01b\xff', FrameTooLargeError],
      ['a message that messageReceived throws at is', '\x01a\x01b\x01!', SyntaxError],
    ])('when resumed, %s as fatal as ever, and no error of the caller', async (_, stream, kind) => {
      const { protocol, peer, errors } = await served()
      protocol.onMessage = (text) => {
        if (text === 'a') protocol.pauseReading()
        if (text === '!') throw new SyntaxError('not that')
      }
      peer.socket.write(latin1(stream))
      await protocol.until('message:a')
      expect(() => protocol.resumeReading()).not.toThrow()
      expect(protocol.connection.isClosing()).toBe(true)
      expect(protocol.log).not.toContain('lost')
      await protocol.until('lost')
      expect(protocol.log.slice(0, 2)).toEqual(['message:a', 'message:b'])
      expect(protocol.lostWith).toBeInstanceOf(kind)
      await netTurns()
      expect(errors.map(({ error }) => error)).toEqual([protocol.lostWith])
      expect(protocol.log.filter((event) => event === 'lost')).toHaveLength(1)
      await peer.until(() => peer.ended || peer.closed)
    })
  })

  describe('the codec', () => {
    it('may be a function that makes one for each protocol', () => {
      let made = 0
      class Counting extends FramedProtocol<Uint8Array, Uint8Array | string> {
        constructor() {
          super(() => (made++, codec))
        }
        messageReceived(): void {}
      }
      void [new Counting(), new Counting()]
      expect(made).toBe(2)
    })

    it('may come from createCodec, which is called once, when it is needed', async () => {
      let made = 0
      class Own extends FramedProtocol<Uint8Array, Uint8Array | string> {
        readonly width = 2
        readonly received: string[] = []
        protected override createCodec(): Codec<Uint8Array, Uint8Array | string> {
          made++
          return lengthPrefixed({ lengthFieldLength: this.width })
        }
        messageReceived(message: Uint8Array): void {
          this.received.push(...texts([message]))
          this.sendMessage(message)
        }
      }
      const protocol = new Own()
      const { address } = await netServe(() => protocol)
      const peer = await netDial(address)
      expect(made).toBe(0)
      peer.socket.write('\0\x01a\0\x01b')
      await peer.until(() => peer.size === 6)
      expect([made, protocol.received, peer.text]).toEqual([1, ['a', 'b'], '\0\x01a\0\x01b'])
    })

    it('that is missing is a TypeError that names the class', async () => {
      class Forgetful extends FramedProtocol<Uint8Array> {
        messageReceived(): void {}
      }
      const { address, errors } = await netServe(Forgetful)
      const peer = await netDial(address)
      peer.socket.write('a')
      await peer.until(() => peer.ended || peer.closed)
      const error = errors[0]!.error as Error
      expect(error).toBeInstanceOf(TypeError)
      expect(error.message).toBe('Forgetful has no codec: pass one to super(), or override createCodec()')
    })
  })

  describe('transport', () => {
    it('is not there before connectionMade: a TypeError', () => {
      expect(() => new Recorder().connection).toThrow('there is no transport before connectionMade()')
      expect(() => new Recorder().sendMessage('a')).toThrow(TypeError)
    })
  })

  it('is as good for a client', async () => {
    const { address, accepted } = await netListen()
    const [transport, protocol] = await createConnection(() => new Recorder(), {
      host: '127.0.0.1',
      port: 0,
      ...address,
    })
    netDefer(() => transport.abort())
    const peer = await accepted()
    protocol.sendMessage('abc')
    await peer.until(() => peer.text === '\x03abc')
    peer.socket.write('\x03xyz')
    await protocol.until('message:xyz')
    expect(protocol.log).toEqual(['message:xyz'])
  })
})

describe('FramedProtocol', () => {
  it('that is paused among the last messages gets its end after the rest', async () => {
    const seen: string[] = []
    // Every byte is a message, but the last three only once the stream has ended.
    class Bytes extends FramedProtocol<number> {
      constructor() {
        super({
          decode: (input) => (input.length > 3 ? input.take(1)[0] : undefined),
          decodeEof: (input) => (input.length > 0 ? input.take(1)[0] : undefined),
          encode: () => {},
        })
      }
      override messageReceived(message: number): void {
        seen.push(String(message))
        if (message === 3) this.pauseReading()
      }
      override endReceived(): void {
        seen.push('end')
      }
    }
    const server = new Bytes()
    const client = new RecordingProtocol()
    memoryPair(client, server)
    client.transport.write(Uint8Array.of(1, 2, 3, 4, 5))
    client.transport.writeEof()
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(seen).toEqual(['1', '2', '3'])
    server.resumeReading()
    expect(seen).toEqual(['1', '2', '3', '4', '5', 'end'])
    await client.untilEvent('connectionLost')
    expect(client.lost).toBeNull()
  })
})
