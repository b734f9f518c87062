import type { ByteQueue } from '../../lib/bytes/byteQueue.ts'
import { FrameTooLargeError, IncompleteReadError, InvalidStateError, type FrameError } from '../../lib/errors.ts'
import type { Codec } from '../../lib/framing/codec.ts'
import { FramedProtocol } from '../../lib/framing/framedProtocol.ts'
import { lengthPrefixed } from '../../lib/framing/lengthPrefixed.ts'
import { lines, type LinesOptions } from '../../lib/framing/lines.ts'
import { BufferedProtocol, createConnection, StreamReader, StreamReaderProtocol } from '../../lib/index.ts'
import type { Transport } from '../../lib/transport.ts'
import { everySplit, latin1, texts } from '../support/everySplit.ts'
import { netDefer, netDial, netListen, netRoundTrip, netServe, netTurns, NetWatched } from '../support/netTools.ts'
import { thrownBy } from '../support/thrown.ts'
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

  messageReceived(message: Uint8Array, _size?: number): void {
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
  describe('decodeFailed', () => {
    class Answering extends Recorder {
      failedWith: unknown
      calls = 0
      override decodeFailed(error: unknown): void {
        this.failedWith = error
        this.calls++
        this.sendMessage('no')
      }
    }

    it('overridden, leaves the connection open for an answer, and drops what comes', async () => {
      const { protocol, peer, errors } = await served(new Answering())
      peer.socket.write('\x01a\xff\x01b')
      await peer.until(() => peer.text === '\x02no')
      peer.socket.write('\x01c')
      peer.socket.end()
      await protocol.until('lost')
      expect(protocol.log).toEqual(['message:a', 'end', 'lost'])
      expect((protocol as Answering).failedWith).toBeInstanceOf(FrameTooLargeError)
      expect([(protocol as Answering).calls, protocol.lostWith, errors]).toEqual([1, null, []])
    })

    it('is also told of a stream that is cut in a message, before endReceived', async () => {
      const { protocol, peer, errors } = await served(new Answering())
      peer.socket.end('\x01a\x05bc')
      await protocol.until('lost')
      expect(protocol.log).toEqual(['message:a', 'end', 'lost'])
      expect((protocol as Answering).failedWith).toBeInstanceOf(IncompleteReadError)
      expect([protocol.lostWith, errors]).toEqual([null, []])
    })
  })

  it('tells the size of each message, its header included', () => {
    const sizes: number[] = []
    class Sized extends Recorder {
      override messageReceived(_message: Uint8Array, size?: number): void {
        sizes.push(size!)
      }
    }
    const sized = new Sized()
    memoryPair(sized, new RecordingProtocol())
    sized.dataReceived(latin1('\x03abc\0\x0ahello'))
    sized.dataReceived(latin1('world'))
    expect(sizes).toEqual([4, 1, 11])
  })

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

    it('is told once, though reading is paused and resumed behind it', async () => {
      const { protocol, peer } = await served()
      protocol.keepOpen = true
      peer.socket.end('\x01a')
      await protocol.until('end')
      protocol.keepOpen = false
      protocol.pauseReading()
      protocol.resumeReading()
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

/** Text in lines; what each does is told by `commands`. Keeps lines, raw bytes as `raw:…`, discarded ones as `lost:…`. */
class Commanded extends FramedProtocol<string | Uint8Array, string> {
  readonly log: string[] = []
  commands: Record<string, (() => void) | undefined> = {}
  onRaw: ((data: Buffer) => void) | undefined
  onDiscarded: (() => void) | undefined
  onEnd: (() => boolean) | undefined
  lostWith: Error | null | undefined

  constructor(options: LinesOptions = {}) {
    super(lines(options))
  }
  get connection(): Transport {
    return this.transport
  }
  messageReceived(message: string | Uint8Array): void {
    const text = typeof message === 'string' ? message : texts([message])[0]!
    this.log.push(text)
    this.commands[text]?.()
  }
  override messageDiscarded(error: FrameError): void {
    this.log.push(`lost:${error.message}`)
    this.onDiscarded?.()
  }
  override rawDataReceived(data: Buffer): void {
    // However they are cut, raw bytes are one entry.
    if (this.log.at(-1)?.startsWith('raw:')) this.log[this.log.length - 1] += data.toString('latin1')
    else this.log.push(`raw:${data.toString('latin1')}`)
    this.onRaw?.(data)
  }
  override endReceived(): boolean {
    this.log.push('end')
    return this.onEnd?.() ?? false
  }
  override connectionLost(error: Error | null): void {
    this.lostWith = error
    this.log.push('lost')
  }
}

/** The protocol at one end in memory, with chunks of this size, and a recorder at the other. */
function inMemory(protocol: Commanded, chunkSize = 64 * 1024) {
  const errors: unknown[] = []
  const peer = new RecordingProtocol()
  memoryPair(peer, protocol, { chunkSize, onConnectionError: (error) => void errors.push(error) })
  return { peer, errors }
}

const chunkSizes = [1, 2, 3, 7, 64 * 1024]

describe('FramedProtocol', () => {
  describe('a codec that discards', () => {
    const options: LinesOptions = { maxLength: 3, onTooLong: 'discard' }

    it.each(chunkSizes)('tells messageDiscarded, which names the peer, and goes on, in chunks of %i', async (size) => {
      const protocol = new Commanded(options)
      const { peer, errors } = inMemory(protocol, size)
      peer.transport.write('abc\ntoolong\nde\n')
      peer.transport.writeEof()
      await peer.untilEvent('connectionLost')
      expect(protocol.log).toEqual([
        'abc',
        expect.stringMatching(/^lost:a frame of \d bytes is .* \(from memory:\d+\)$/),
        'de',
        'end',
        'lost',
      ])
      expect([protocol.lostWith, errors]).toEqual([null, []])
    })

    it('is given up, if messageDiscarded throws', async () => {
      const protocol = new Commanded(options)
      protocol.onDiscarded = () => {
        throw new RangeError('one is enough')
      }
      const { peer, errors } = inMemory(protocol)
      peer.transport.write('toolong\nde\n')
      await peer.untilEvent('connectionLost')
      expect(protocol.log).toHaveLength(2)
      expect([protocol.lostWith, errors]).toEqual([new RangeError('one is enough'), [protocol.lostWith]])
    })

    it('waits behind a message that was discarded, if that is what paused it', async () => {
      const protocol = new Commanded(options)
      protocol.onDiscarded = () => protocol.pauseReading()
      const { peer } = inMemory(protocol)
      peer.transport.write('toolong\nde\n')
      await netTurns()
      expect(protocol.log).toHaveLength(1)
      protocol.resumeReading()
      expect(protocol.log.slice(1)).toEqual(['de'])
    })

    it('delivers nothing behind one, if that is what closed the connection', async () => {
      const protocol = new Commanded(options)
      protocol.onDiscarded = () => protocol.connection.close()
      const { peer } = inMemory(protocol)
      peer.transport.write('toolong\nde\n')
      await peer.untilEvent('connectionLost')
      expect(protocol.log.slice(1)).toEqual(['lost'])
    })

    it('has a state of its own in each connection, though the object is one', async () => {
      const shared = lines(options)
      class Sharing extends Recorder {
        constructor() {
          super(shared as unknown as typeof codec)
        }
        override messageReceived(message: Uint8Array): void {
          this.log.push(String(message))
        }
      }
      const [a, b] = [new Sharing(), new Sharing()]
      const [first, second] = [new RecordingProtocol(), new RecordingProtocol()]
      memoryPair(first, a)
      memoryPair(second, b)
      first.transport.write('toolong')
      await netTurns()
      second.transport.write('b\n')
      await netTurns()
      first.transport.write('\na\n')
      await netTurns()
      expect([a.log, b.log]).toEqual([['a'], ['b']])
    })
  })

  describe('setCodec', () => {
    it.each(chunkSizes)('decodes and encodes the next message with another codec, in chunks of %i', async (size) => {
      const protocol = new Commanded()
      protocol.commands['BINARY'] = () => {
        protocol.sendMessage('ok')
        protocol.setCodec(codec as never)
        protocol.sendMessage('ok')
      }
      protocol.commands['text'] = () => protocol.setCodec(() => lines({ newline: '\r\n' }))
      protocol.commands['last'] = () => protocol.sendMessage('bye')
      const { peer } = inMemory(protocol, size)
      peer.transport.write('one\nBINARY\n\x03a\nb\0\x04textlast\nrest')
      peer.transport.writeEof()
      await peer.untilEvent('connectionLost')
      expect(protocol.log).toEqual(['one', 'BINARY', 'a\nb', '', 'text', 'last', 'rest', 'end', 'lost'])
      expect(peer.data.toString('latin1')).toBe('ok\n\x02okbye\r\n')
    })

    it('called from elsewhere delivers what it finds, an error in which is fatal and not thrown', async () => {
      const protocol = new Commanded()
      const { peer, errors } = inMemory(protocol)
      peer.transport.write('\x01a\x01b\xff')
      await netTurns()
      expect(protocol.log).toEqual([])
      protocol.setCodec(codec as never)
      expect(protocol.log).toEqual(['a', 'b'])
      await peer.untilEvent('connectionLost')
      expect(protocol.lostWith).toBeInstanceOf(FrameTooLargeError)
      expect(errors).toEqual([protocol.lostWith])
    })

    it('delivers nothing while reading is paused, or before there is a connection', async () => {
      const protocol = new Commanded()
      protocol.setCodec(codec as never)
      protocol.commands['a'] = () => protocol.pauseReading()
      const { peer } = inMemory(protocol)
      peer.transport.write('\x01ab\n')
      await netTurns()
      protocol.setCodec(lines())
      expect(protocol.log).toEqual(['a'])
      protocol.resumeReading()
      expect(protocol.log).toEqual(['a', 'b'])
    })
  })

  describe('setRawMode and setMessageMode', () => {
    /** `RAW` is followed by five raw bytes. */
    function fiveRaw(): Commanded {
      const protocol = new Commanded()
      let left = 0
      protocol.commands['RAW'] = () => {
        left = 5
        protocol.setRawMode()
      }
      protocol.onRaw = (data) => {
        const mine = Math.min(left, data.length)
        left -= mine
        if (left > 0) return
        // What was too much is not in the log.
        protocol.log[protocol.log.length - 1] = protocol.log.at(-1)!.slice(0, 'raw:'.length + 5)
        protocol.setMessageMode(data.subarray(mine))
      }
      return protocol
    }

    it.each(chunkSizes)('lose nothing, in chunks of %i', async (size) => {
      const protocol = fiveRaw()
      const { peer } = inMemory(protocol, size)
      peer.transport.write('a\nRAW\n1\n3\n5b\nRAW\n\n\n\n\n\nRAW\n12345')
      peer.transport.writeEof()
      await peer.untilEvent('connectionLost')
      expect(protocol.log).toEqual([
        'a',
        'RAW',
        'raw:1\n3\n5',
        'b',
        'RAW',
        'raw:\n\n\n\n\n',
        'RAW',
        'raw:12345',
        'end',
        'lost',
      ])
    })

    it('called from elsewhere deliver what they find', async () => {
      const protocol = new Commanded()
      const { peer } = inMemory(protocol)
      peer.transport.write('a\nhalf')
      await netTurns()
      protocol.setRawMode()
      expect(protocol.log).toEqual(['a', 'raw:half'])
      protocol.setMessageMode('b\nc\nd')
      expect(protocol.log).toEqual(['a', 'raw:half', 'b', 'c'])
      peer.transport.write('e\n')
      await netTurns()
      expect(protocol.log.at(-1)).toBe('de')
    })

    it('hold back while reading is paused', async () => {
      const protocol = fiveRaw()
      protocol.commands['pause'] = () => {
        protocol.pauseReading()
        protocol.setRawMode()
      }
      const { peer } = inMemory(protocol)
      peer.transport.write('pause\nrest')
      await netTurns()
      protocol.setMessageMode('extra\n')
      expect(protocol.log).toEqual(['pause'])
      protocol.resumeReading()
      // The extra bytes come in front of those that were held back.
      expect(protocol.log).toEqual(['pause', 'extra'])
      peer.transport.write('\n')
      await netTurns()
      expect(protocol.log.at(-1)).toBe('rest')
    })

    it('deliver what comes from inside a handler behind what it was given', async () => {
      const protocol = new Commanded()
      protocol.commands['RAW'] = () => {
        protocol.dataReceived(latin1(' second'))
        protocol.setRawMode()
      }
      protocol.onRaw = (data) => {
        if (data.toString().endsWith('second')) protocol.dataReceived(latin1(' third'))
      }
      const { peer } = inMemory(protocol)
      peer.transport.write('RAW\nfirst')
      await netTurns()
      expect(protocol.log).toEqual(['RAW', 'raw:first second third'])
    })

    it('is a clean end, if the stream ends in raw mode', async () => {
      const protocol = new Commanded()
      protocol.commands['RAW'] = () => protocol.setRawMode()
      const { peer, errors } = inMemory(protocol)
      peer.transport.write('RAW\nrest')
      peer.transport.writeEof()
      await peer.untilEvent('connectionLost')
      expect([protocol.log, errors]).toEqual([['RAW', 'raw:rest', 'end', 'lost'], []])
    })

    it('is fatal without a rawDataReceived', async () => {
      class Forgetful extends FramedProtocol<string> {
        constructor() {
          super(lines())
        }
        messageReceived(): void {
          this.setRawMode()
        }
      }
      const errors: unknown[] = []
      const peer = new RecordingProtocol()
      memoryPair(peer, new Forgetful(), { onConnectionError: (error) => void errors.push(error) })
      peer.transport.write('a\nb')
      await peer.untilEvent('connectionLost')
      expect(errors).toEqual([expect.objectContaining({ code: 'ERR_MILLRACE_NOT_IMPLEMENTED' })])
      expect((errors[0] as Error).message).toBe('Forgetful does not implement rawDataReceived()')
    })
  })

  describe('switchProtocol', () => {
    class Buffering extends BufferedProtocol {
      readonly log: string[] = []
      readonly memory = Buffer.alloc(3)
      text = ''
      override connectionMade(): void {
        this.log.push('connectionMade')
      }
      override getBuffer(): Uint8Array {
        return this.memory
      }
      override bufferUpdated(n: number): void {
        this.text += this.memory.toString('latin1', 0, n)
      }
      override eofReceived(): void {
        this.log.push('eofReceived')
      }
      override connectionLost(): void {
        this.log.push('connectionLost')
      }
    }

    it.each(chunkSizes)('hands over every byte behind the message, in chunks of %i', async (size) => {
      const protocol = new Commanded()
      const next = new RecordingProtocol()
      protocol.commands['SWITCH'] = () => {
        protocol.switchProtocol(next)
        // The other one speaks when this one has ended.
        protocol.sendMessage('switched')
        expect(next.events).toEqual([])
      }
      const { peer } = inMemory(protocol, size)
      peer.transport.write('a\nSWITCH\nb\nrest')
      peer.transport.writeEof()
      await peer.untilEvent('connectionLost')
      expect(protocol.log).toEqual(['a', 'SWITCH'])
      expect(next.events).toEqual(['connectionMade', 'dataReceived', 'eofReceived', 'connectionLost'])
      expect([next.data.toString(), next.lost]).toEqual(['b\nrest', null])
      expect(next.transport).toBe(protocol.connection)
      expect(peer.data.toString()).toBe('switched\n')
    })

    it.each(chunkSizes)('hands over to a BufferedProtocol as well, in chunks of %i', async (size) => {
      const protocol = new Commanded()
      const next = new Buffering()
      protocol.commands['SWITCH'] = () => protocol.switchProtocol(next)
      const { peer } = inMemory(protocol, size)
      peer.transport.write('SWITCH\n0123456789')
      peer.transport.writeEof()
      await peer.untilEvent('connectionLost')
      expect([next.text, next.log]).toEqual(['0123456789', ['connectionMade', 'eofReceived', 'connectionLost']])
      expect(protocol.log).toEqual(['SWITCH'])
    })

    it('hands over to a reader and a writer', async () => {
      const protocol = new Commanded()
      const reader = new StreamReader()
      protocol.commands['SWITCH'] = () => protocol.switchProtocol(new StreamReaderProtocol(reader))
      const { peer } = inMemory(protocol)
      peer.transport.write('SWITCH\nrest')
      expect(String(await reader.readExactly(4))).toBe('rest')
      peer.transport.write(' and more')
      peer.transport.writeEof()
      expect(String(await reader.read())).toBe(' and more')
      expect(peer.events).not.toContain('eofReceived')
    })

    it('hands over through any number of protocols, each with its own share', async () => {
      const [first, second, third] = [new Commanded(), new Commanded(), new RecordingProtocol()]
      first.commands['next'] = () => first.switchProtocol(second)
      second.commands['next'] = () => second.switchProtocol(third)
      const { peer } = inMemory(first)
      peer.transport.write('a\nnext\nb\nnext\nc\n')
      await third.untilEvent('dataReceived')
      expect([first.log, second.log, third.data.toString()]).toEqual([['a', 'next'], ['b', 'next'], 'c\n'])
      expect(third.events).toEqual(['connectionMade', 'dataReceived'])
    })

    it('hands over through one that switches as soon as it is connected', async () => {
      const third = new RecordingProtocol()
      class Hasty extends Commanded {
        override connectionMade(transport: Transport): void {
          super.connectionMade(transport)
          this.switchProtocol(third)
        }
      }
      const [first, second] = [new Commanded(), new Hasty()]
      first.commands['next'] = () => first.switchProtocol(second)
      const { peer } = inMemory(first)
      peer.transport.write('next\nc\n')
      peer.transport.writeEof()
      await peer.untilEvent('connectionLost')
      expect([second.log, third.data.toString()]).toEqual([[], 'c\n'])
      expect(third.events).toEqual(['connectionMade', 'dataReceived', 'eofReceived', 'connectionLost'])
    })

    it('called from elsewhere hands over the half of a message', async () => {
      const protocol = new Commanded()
      const { peer } = inMemory(protocol)
      peer.transport.write('a\nhalf')
      await netTurns()
      const next = new RecordingProtocol()
      protocol.switchProtocol(next)
      expect([protocol.log, next.data.toString()]).toEqual([['a'], 'half'])
      peer.transport.write(' whole')
      await next.untilBytes(10)
      expect(next.data.toString()).toBe('half whole')
    })

    it('ends a pause, and delivers what it had held back', async () => {
      const protocol = new Commanded()
      protocol.commands['pause'] = () => protocol.pauseReading()
      const { peer } = inMemory(protocol)
      peer.transport.write('pause\nb\n')
      await netTurns()
      expect(protocol.connection.isReading()).toBe(false)
      const next = new RecordingProtocol()
      protocol.switchProtocol(next)
      expect([next.data.toString(), protocol.connection.isReading()]).toEqual(['b\n', true])
      peer.transport.write('c\n')
      await next.untilBytes(4)
      expect(protocol.log).toEqual(['pause'])
    })

    it('by a message that was held back, in resumeReading, ends the pause for the other one, too', async () => {
      const protocol = new Commanded()
      const next = new RecordingProtocol()
      protocol.commands['hold'] = () => protocol.pauseReading()
      protocol.commands['switch'] = () => protocol.switchProtocol(next)
      const { peer } = inMemory(protocol)
      peer.transport.write('hold\nswitch\n')
      await netTurns()
      protocol.resumeReading()
      expect(next.events).toEqual(['connectionMade'])
      peer.transport.write('later')
      await next.untilBytes(5)
      expect(next.data.toString()).toBe('later')
    })

    it('by an end that was held back leaves it to the other one whether to stay open', async () => {
      const protocol = new Commanded()
      const next = new RecordingProtocol()
      next.keepOpen = true
      protocol.commands['hold'] = () => protocol.pauseReading()
      protocol.onEnd = () => {
        protocol.switchProtocol(next)
        return false
      }
      const { peer } = inMemory(protocol)
      // Without an LF, it is a message only at the end.
      peer.transport.write('hold')
      peer.transport.writeEof()
      await netTurns()
      protocol.resumeReading()
      await netTurns()
      expect(next.events).toEqual(['connectionMade', 'eofReceived'])
      next.transport.write('still here')
      await peer.untilBytes(10)
      expect(peer.data.toString()).toBe('still here')
    })

    it('leaves the pause to the other one, if that makes it when it is connected', async () => {
      const protocol = new Commanded()
      class Pausing extends RecordingProtocol {
        override connectionMade(transport: Transport): void {
          super.connectionMade(transport)
          transport.pauseReading()
        }
      }
      const next = new Pausing()
      protocol.commands['SWITCH'] = () => {
        protocol.pauseReading()
        protocol.switchProtocol(next)
      }
      const { peer } = inMemory(protocol)
      peer.transport.write('SWITCH\nrest')
      await next.untilBytes(4)
      peer.transport.write('more')
      await netTurns()
      expect([next.data.toString(), next.transport.isReading()]).toEqual(['rest', false])
      next.transport.resumeReading()
      await next.untilBytes(8)
    })

    it.each([
      ['among the last messages, at the end of the stream', false],
      ['while paused there', true],
      ['in endReceived', undefined],
    ])('tells of the end that has come already: %s', async (_, paused) => {
      for (const keepOpen of [false, true]) {
        const protocol = new Commanded()
        const next = new RecordingProtocol()
        next.keepOpen = keepOpen
        protocol.commands['last'] = () => {
          if (paused === true) protocol.pauseReading()
          else if (paused === false) protocol.switchProtocol(next)
        }
        protocol.onEnd = () => {
          protocol.switchProtocol(next)
          return !keepOpen
        }
        const { peer } = inMemory(protocol)
        // Without an LF, the last one is a message only at the end.
        peer.transport.write('a\nlast')
        peer.transport.writeEof()
        await netTurns()
        if (paused === true) protocol.switchProtocol(next)
        await next.untilEvent('eofReceived')
        await netTurns()
        expect(next.events).toEqual(['connectionMade', 'eofReceived', ...(keepOpen ? [] : ['connectionLost'])])
        expect(peer.events.includes('eofReceived')).toBe(!keepOpen)
        expect(protocol.log).not.toContain('lost')
      }
    })

    it('with the end behind bytes that were held back delivers both', async () => {
      const protocol = new Commanded({ unterminated: 'error' })
      protocol.commands['pause'] = () => protocol.pauseReading()
      const next = new RecordingProtocol()
      const { peer } = inMemory(protocol)
      protocol.connectionMade(protocol.connection)
      protocol.dataReceived(latin1('pause\nrest'))
      protocol.eofReceived()
      protocol.switchProtocol(next)
      expect(next.events).toEqual(['connectionMade', 'dataReceived', 'eofReceived'])
      expect(next.data.toString()).toBe('rest')
      await peer.untilEvent('connectionLost')
    })

    it('does not happen, if the handler that called it throws', async () => {
      const protocol = new Commanded()
      const next = new RecordingProtocol()
      protocol.commands['SWITCH'] = () => {
        protocol.switchProtocol(next)
        throw new RangeError('after all not')
      }
      const { peer } = inMemory(protocol)
      peer.transport.write('SWITCH\nrest')
      await peer.untilEvent('connectionLost')
      expect([next.events, protocol.lostWith]).toEqual([[], new RangeError('after all not')])
    })

    it('connects the other one, and no more, if the connection is closing', async () => {
      const protocol = new Commanded()
      const next = new RecordingProtocol()
      protocol.commands['SWITCH'] = () => {
        protocol.switchProtocol(next)
        protocol.connection.close()
      }
      const { peer } = inMemory(protocol)
      peer.transport.write('SWITCH\nrest')
      await peer.untilEvent('connectionLost')
      expect([next.events, protocol.log]).toEqual([['connectionMade', 'connectionLost'], ['SWITCH']])
    })

    it.each(['from inside', 'from elsewhere'])('an error of the other one is fatal to it alone: %s', async (where) => {
      class Failing extends RecordingProtocol {
        override dataReceived(): void {
          throw new RangeError('of the other one')
        }
      }
      const protocol = new Commanded()
      const next = new Failing()
      if (where === 'from inside') protocol.commands['a'] = () => protocol.switchProtocol(next)
      const { peer, errors } = inMemory(protocol)
      peer.transport.write('a\nrest')
      await netTurns()
      if (where === 'from elsewhere') protocol.switchProtocol(next)
      await peer.untilEvent('connectionLost')
      expect(next.lost).toEqual(new RangeError('of the other one'))
      expect([errors, protocol.log]).toEqual([[next.lost], ['a']])
    })

    it('is possible once, and nothing else after it', async () => {
      const protocol = new Commanded()
      const { peer } = inMemory(protocol)
      const refused: unknown[] = []
      protocol.commands['SWITCH'] = () => {
        protocol.switchProtocol(new RecordingProtocol())
        for (const call of [
          () => protocol.switchProtocol(new RecordingProtocol()),
          () => protocol.setCodec(lines()),
          () => protocol.setRawMode(),
          () => protocol.setMessageMode(),
        ]) {
          refused.push(thrownBy(call))
        }
      }
      peer.transport.write('SWITCH\n')
      await netTurns()
      expect(refused.map((error) => (error as Error).message)).toEqual(
        ['switchProtocol', 'setCodec', 'setRawMode', 'setMessageMode'].map(
          (name) => `${name}() after switchProtocol()`,
        ),
      )
      expect(refused.every((error) => error instanceof InvalidStateError)).toBe(true)
    })

    it('is a TypeError before there is a connection', () => {
      expect(() => new Commanded().switchProtocol(new RecordingProtocol())).toThrow(TypeError)
    })

    it('keeps a real connection, too', async () => {
      const protocol = new Commanded()
      const next = new RecordingProtocol()
      protocol.commands['SWITCH'] = () => protocol.switchProtocol(next)
      const { address } = await netServe(() => protocol)
      const peer = await netDial(address)
      peer.socket.end('a\nSWITCH\nrest')
      await next.untilEvent('connectionLost')
      expect([protocol.log, next.data.toString(), next.lost]).toEqual([['a', 'SWITCH'], 'rest', null])
    })
  })
})
