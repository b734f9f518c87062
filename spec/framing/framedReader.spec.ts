import { getEventListeners } from 'node:events'
import type { ByteQueue } from '../../lib/bytes/byteQueue.ts'
import {
  FrameError,
  FrameTooLargeError,
  IncompleteReadError,
  InvalidFrameError,
  InvalidStateError,
  TimeoutError,
} from '../../lib/errors.ts'
import type { Decoder } from '../../lib/framing/codec.ts'
import { framed } from '../../lib/framing/framed.ts'
import { FramedReader } from '../../lib/framing/framedReader.ts'
import { lengthPrefixed } from '../../lib/framing/lengthPrefixed.ts'
import { lines } from '../../lib/framing/lines.ts'
import { memoryStreams } from '../../lib/testing/index.ts'
import { startServer, type StreamReaderOptions } from '../../lib/index.ts'
import { everySplit, latin1, texts } from '../support/everySplit.ts'
import { netDial, netError, netPromise, netStop, netTurns } from '../support/netTools.ts'
import { thrownBy } from '../support/thrown.ts'

const codec = lengthPrefixed({ lengthFieldLength: 1, maxFrameLength: 100 })

/** A reader of frames behind one byte of length, with these bytes in it. */
function fed(text = '', options?: StreamReaderOptions): FramedReader<Uint8Array> {
  const reader = new FramedReader(codec, options)
  reader.feedData(latin1(text))
  return reader
}

function ended(text: string): FramedReader<Uint8Array> {
  const reader = fed(text)
  reader.feedEof()
  return reader
}

const textOf = async (message: Promise<Uint8Array | undefined>): Promise<string | undefined> => {
  const bytes = await message
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('latin1')
}

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const settle = (): void => void (settled = true)
  promise.then(settle, settle)
  await netTurns()
  return !settled
}

describe('FramedReader', () => {
  describe('readMessage', () => {
    it('resolves with one message after the other, whatever the chunks, empty ones too', async () => {
      const messages = ['abc', '', 'x'.repeat(20), 'd']
      const stream = latin1(messages.map((message) => String.fromCharCode(message.length) + message).join(''))
      for (const { name, chunks } of everySplit(stream)) {
        const reader = new FramedReader(codec)
        const found: (string | undefined)[] = []
        const reading = (async () => {
          do found.push(await textOf(reader.readMessage()))
          while (found.at(-1) !== undefined)
        })()
        for (const chunk of chunks) {
          reader.feedData(chunk)
          await Promise.resolve()
        }
        reader.feedEof()
        await reading
        expect([name, found]).toEqual([name, [...messages, undefined]])
      }
    })

    it('waits until all of it has come', async () => {
      const reader = fed('\x03')
      const message = reader.readMessage()
      reader.feedData(latin1('ab'))
      expect(await isPending(message)).toBe(true)
      reader.feedData(latin1('c'))
      expect(await textOf(message)).toBe('abc')
    })

    it('resolves with a Buffer, whatever was fed', async () => {
      const reader = new FramedReader(codec)
      reader.feedData(Uint8Array.of(1, 65, 2, 66))
      reader.feedData(Uint8Array.of(67))
      expect([await reader.readMessage(), await reader.readMessage()].map((each) => Buffer.isBuffer(each))).toEqual([
        true,
        true,
      ])
    })

    it('resolves with undefined at the end of the stream, each time', async () => {
      const reader = ended('\x01a')
      expect(await textOf(reader.readMessage())).toBe('a')
      expect(await reader.readMessage()).toBeUndefined()
      expect(await reader.readMessage()).toBeUndefined()
    })

    it('that waits resolves with undefined when the stream ends', async () => {
      const reader = fed()
      const message = reader.readMessage()
      reader.feedEof()
      expect(await message).toBeUndefined()
    })

    it('rejects with IncompleteReadError if the stream ends inside a message, whose bytes are consumed', async () => {
      for (const waiting of [false, true]) {
        const reader = fed('\x01a\x03bc')
        expect(await textOf(reader.readMessage())).toBe('a')
        const early = waiting ? reader.readMessage() : undefined
        reader.feedEof()
        const error = await netError<IncompleteReadError>(early ?? reader.readMessage())
        expect(error).toBeInstanceOf(IncompleteReadError)
        expect([texts([error.partial]), error.expected]).toEqual([['\x03bc'], null])
        expect(reader.atEof()).toBe(true)
        expect(await reader.readMessage()).toBeUndefined()
      }
    })

    it('cancelled leaves header and body in the buffer', async () => {
      const reader = fed('\x03a')
      const controller = new AbortController()
      const cancelled = reader.readMessage({ signal: controller.signal })
      reader.feedData(latin1('b'))
      controller.abort('enough')
      await expect(cancelled).rejects.toBe('enough')
      expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
      const next = reader.readMessage()
      reader.feedData(latin1('c'))
      expect(await textOf(next)).toBe('abc')
    })

    it('that times out leaves them as well, and says what it waited for', async () => {
      const reader = fed('\x03ab')
      const error = await netError(reader.readMessage({ timeoutMs: 1 }))
      expect(error).toBeInstanceOf(TimeoutError)
      expect(error.message).toBe('readMessage (3 bytes buffered) took longer than 1 ms')
      reader.feedData(latin1('c'))
      expect(await textOf(reader.readMessage())).toBe('abc')
    })

    it('with a signal that has aborted already takes nothing, though there is a message', async () => {
      const reader = fed('\x01a')
      await expect(reader.readMessage({ signal: AbortSignal.abort('before') })).rejects.toBe('before')
      expect(await textOf(reader.readMessage())).toBe('a')
    })

    it('is refused while another read waits, and does not disturb that', async () => {
      const reader = fed()
      const first = reader.readMessage()
      const error = await netError(reader.readMessage())
      expect(error).toBeInstanceOf(InvalidStateError)
      expect(error.message).toBe('readMessage() while readMessage() is waiting on the same reader')
      expect(() => reader.tryReadMessage()).toThrow(InvalidStateError)
      await expect(reader.readExactly(1)).rejects.toThrow(InvalidStateError)
      reader.feedData(latin1('\x01a'))
      expect(await textOf(first)).toBe('a')
    })

    it('rejects with what the connection was lost with', async () => {
      const reader = fed('\x01a\x02b')
      const lost = new Error('reset')
      reader.setException(lost)
      expect(texts([(await reader.readMessage())!])).toEqual(['a'])
      await expect(reader.readMessage()).rejects.toBe(lost)
      expect(thrownBy(() => reader.tryReadMessage())).toBe(lost)
    })
  })

  describe('tryReadMessage', () => {
    it('gives the next message if all of it has come, else undefined, also at the end', () => {
      const reader = fed('\x01a\0\x02b')
      expect(texts([reader.tryReadMessage()!, reader.tryReadMessage()!])).toEqual(['a', ''])
      expect(reader.tryReadMessage()).toBeUndefined()
      reader.feedData(latin1('c'))
      expect(texts([reader.tryReadMessage()!])).toEqual(['bc'])
      reader.feedEof()
      expect(reader.tryReadMessage()).toBeUndefined()
    })

    it('throws what readMessage rejects with', () => {
      const cut = thrownBy(() => ended('\x03ab').tryReadMessage())
      expect(cut).toBeInstanceOf(IncompleteReadError)
      const reader = fed('\xff')
      const tooLarge = thrownBy(() => reader.tryReadMessage())
      expect(tooLarge).toBeInstanceOf(FrameTooLargeError)
      expect(thrownBy(() => reader.tryReadMessage())).toBe(tooLarge)
    })
  })

  describe('for await', () => {
    it('gives the messages until the end of the stream', async () => {
      const found: string[] = []
      for await (const message of ended('\x01a\0\x02bc')) found.push(...texts([message]))
      expect(found).toEqual(['a', '', 'bc'])
    })

    it('left early leaves the others to be read', async () => {
      const reader = ended('\x01a\x01b')
      for await (const message of reader) {
        expect(texts([message])).toEqual(['a'])
        break
      }
      expect(await textOf(reader.readMessage())).toBe('b')
    })

    it('throws at a bad message, after the good ones', async () => {
      const found: string[] = []
      const reading = (async () => {
        for await (const message of fed('\x01a\x01b\xff')) found.push(...texts([message]))
      })()
      await expect(reading).rejects.toBeInstanceOf(FrameTooLargeError)
      expect(found).toEqual(['a', 'b'])
    })

    it('asks the readMessage of a subclass, if it has one', async () => {
      class Loud extends FramedReader<Uint8Array> {
        override async readMessage(): Promise<Uint8Array | undefined> {
          const message = await super.readMessage()
          return message === undefined ? undefined : latin1(`${Buffer.from(message).toString('latin1')}!`)
        }
      }
      const reader = new Loud(lengthPrefixed({ lengthFieldLength: 1 }))
      reader.feedData(latin1('\x01a\x01b'))
      reader.feedEof()
      const found: string[] = []
      for await (const message of reader) found.push(...texts([message]))
      expect(found).toEqual(['a!', 'b!'])
    })

    it('gives messages that are null, 0 or empty text', async () => {
      const values = [null, 0, '']
      const reader = new FramedReader<unknown>({ decode: (input) => values[input.take(1)[0]!] })
      reader.feedData(Uint8Array.of(0, 1, 2))
      reader.feedEof()
      const found: unknown[] = []
      for await (const value of reader) found.push(value)
      expect(found).toEqual(values)
    })
  })

  describe('between messages', () => {
    it('can read bytes, and put them back, under a decoder that had looked at them', async () => {
      const reader = new FramedReader(lines())
      reader.feedData(latin1('abcdef'))
      expect(reader.tryReadMessage()).toBeUndefined()
      expect(String(await reader.readExactly(4))).toBe('abcd')
      reader.feedData(latin1('\ng\n'))
      expect(await reader.readMessage()).toBe('ef')
      reader.unread(latin1('before\n'))
      expect([await reader.readMessage(), await reader.readMessage()]).toEqual(['before', 'g'])
    })

    it('can do what any StreamReader can', async () => {
      const reader = fed('HELLO\n\x01a..\x01b')
      expect(String(await reader.readLine())).toBe('HELLO\n')
      expect(await textOf(reader.readMessage())).toBe('a')
      expect(String(await reader.readExactly(2))).toBe('..')
      expect(await textOf(reader.readMessage())).toBe('b')
    })
  })

  describe('a decoder', () => {
    it('with state is given as a function, called once per reader', async () => {
      let made = 0
      class Numbered implements Decoder<string> {
        #number = 0
        decode(input: ByteQueue): string {
          return `${++this.#number}${String.fromCharCode(input.take(1)[0]!)}`
        }
      }
      const make = (): Numbered => {
        made++
        return new Numbered()
      }
      const readers = [new FramedReader(make), new FramedReader(make)]
      const found: (string | undefined)[] = []
      for (const reader of readers) {
        reader.feedData(latin1('ab'))
        found.push(await reader.readMessage(), await reader.readMessage())
      }
      expect([made, found]).toEqual([2, ['1a', '2b', '1a', '2b']])
    })

    it('may have a last message at the end of the stream', async () => {
      const lines: Decoder<string> = {
        decode(input) {
          const end = input.indexOf(latin1('\n'))
          return end === -1 ? undefined : String(input.take(end + 1))
        },
        decodeEof(input) {
          return this.decode(input) ?? (input.length > 0 ? String(input.takeAll()) : undefined)
        },
      }
      const reader = new FramedReader(lines)
      reader.feedData(latin1('a\nb'))
      const found = [await reader.readMessage()]
      const last = reader.readMessage()
      reader.feedEof()
      found.push(await last, await reader.readMessage())
      expect(found).toEqual(['a\n', 'b', undefined])
    })
  })

  describe('a decoder that discards', () => {
    const short = lengthPrefixed({ lengthFieldLength: 1, maxFrameLength: 3, onTooLong: 'discard' })
    const stream = latin1('\x01a\x05-----\x02bc\x04----\0')

    it('rejects one read, and the next gives the message after it', async () => {
      for (const { name, chunks } of everySplit(stream)) {
        const reader = new FramedReader(short)
        for (const chunk of chunks) reader.feedData(chunk)
        reader.feedEof()
        const found: (string | undefined)[] = []
        do {
          found.push(await textOf(reader.readMessage()).catch((error: unknown) => (error as Error).name))
        } while (found.at(-1) !== undefined)
        const expected = ['a', 'FrameTooLargeError', 'bc', 'FrameTooLargeError', '', undefined]
        expect([name, found]).toEqual([name, expected])
      }
    })

    it('rejects the read that waits, and no other', async () => {
      const reader = new FramedReader(short)
      const waiting = reader.readMessage()
      reader.feedData(latin1('\x05--'))
      expect(await netError(waiting)).toMatchObject({ size: 5, limit: 3, recoverable: true })
      const next = reader.readMessage()
      reader.feedData(latin1('---'))
      expect(await isPending(next)).toBe(true)
      reader.feedData(latin1('\x01a'))
      expect(await textOf(next)).toBe('a')
    })

    it('makes tryReadMessage throw once, and end an iteration that may begin again', async () => {
      const reader = new FramedReader(short)
      reader.feedData(stream)
      reader.feedEof()
      expect(texts([reader.tryReadMessage()!])).toEqual(['a'])
      expect(() => reader.tryReadMessage()).toThrow(FrameTooLargeError)
      const found: string[] = []
      const iterate = async (): Promise<void> => {
        for await (const message of reader) found.push(...texts([message]))
      }
      await expect(iterate()).rejects.toBeInstanceOf(FrameTooLargeError)
      expect(found).toEqual(['bc'])
      await iterate()
      expect(found).toEqual(['bc', ''])
    })

    it('has a state of its own on each connection, though the object is one', async () => {
      const [first, second] = [memoryStreams(framed(short)), memoryStreams(framed(short))]
      first[0].writer.write(latin1('\x05--'))
      await expect(first[1].reader.readMessage()).rejects.toBeInstanceOf(FrameTooLargeError)
      second[0].writer.writeMessage('abc')
      expect(await textOf(second[1].reader.readMessage())).toBe('abc')
      first[0].writer.write(latin1('---'))
      first[0].writer.writeMessage('d')
      expect(await textOf(first[1].reader.readMessage())).toBe('d')
      for (const [client, server] of [first, second]) {
        client.writer.close()
        server.writer.close()
        await Promise.all([client.writer.waitClosed(), server.writer.waitClosed()])
      }
    })
  })

  describe('setDecoder', () => {
    it('hands what is unread over to another decoder, wherever the stream is cut', async () => {
      for (const { name, chunks } of everySplit(latin1('\x01a\x06binary\0\0\x02bctext\nend'))) {
        const reader = new FramedReader(codec)
        for (const chunk of chunks) reader.feedData(chunk)
        reader.feedEof()
        const found = [await textOf(reader.readMessage()), await textOf(reader.readMessage())]
        const wide = reader.setDecoder(lengthPrefixed({ lengthFieldLength: 3 }))
        found.push(await textOf(wide.readMessage()))
        const text: FramedReader<string> = reader.setDecoder(() => lines())
        found.push(await text.readMessage(), await text.readMessage(), await text.readMessage())
        expect([name, found]).toEqual([name, ['a', 'binary', 'bc', 'text', 'end', undefined]])
        expect(text).toBe(reader)
      }
    })

    it('takes up a message of which a part was there', async () => {
      const reader = fed('\x01a')
      await reader.readMessage()
      reader.feedData(latin1('li'))
      const text = reader.setDecoder(lines())
      const line = text.readMessage()
      reader.feedData(latin1('ne\n'))
      expect(await line).toBe('line')
    })

    it('is refused while a read waits, and does not disturb that', async () => {
      const reader = fed()
      const waiting = reader.readMessage()
      const error = thrownBy(() => reader.setDecoder(lines()))
      expect(error).toBeInstanceOf(InvalidStateError)
      expect((error as Error).message).toBe('setDecoder() while readMessage() is waiting on the same reader')
      reader.feedData(latin1('\x01\n'))
      expect(await textOf(waiting)).toBe('\n')
    })

    it('makes an iteration go on with the other messages', async () => {
      const reader = fed('\x01a\x01bc\nd\n')
      reader.feedEof()
      const found: unknown[] = []
      for await (const message of reader as FramedReader<Uint8Array | string>) {
        found.push(String(message))
        if (found.length === 2) reader.setDecoder(lines())
      }
      expect(found).toEqual(['a', 'b', 'c', 'd'])
    })

    it('changes nothing once a decoder has failed for good', async () => {
      const reader = fed('\xffline\n')
      const error = await netError(reader.readMessage())
      await expect(reader.setDecoder(lines()).readMessage()).rejects.toBe(error)
    })

    it('gives the reader a clone, if the decoder has a state', async () => {
      const shared = lines()
      const [a, b] = [fed(), fed()].map((reader) => reader.setDecoder(shared))
      a!.feedData(latin1('a long'))
      const line = a!.readMessage()
      b!.feedData(latin1('b\n'))
      expect(await b!.readMessage()).toBe('b')
      a!.feedData(latin1(' one\n'))
      expect(await line).toBe('a long one')
    })
  })

  describe('a decoder that fails', () => {
    it('fails after the messages before, and every read from then on rejects with that same error', async () => {
      for (const { name, chunks } of everySplit(latin1('\x01a\x02bc\xffzzz'))) {
        const reader = new FramedReader(codec)
        for (const chunk of chunks) reader.feedData(chunk)
        expect([name, await textOf(reader.readMessage())]).toEqual([name, 'a'])
        expect([name, await textOf(reader.readMessage())]).toEqual([name, 'bc'])
        const error = await netError<FrameTooLargeError>(reader.readMessage())
        expect(error).toBeInstanceOf(FrameTooLargeError)
        expect(error.peer).toBeUndefined()
        // That is about the connection, which is as it was.
        expect(reader.exception()).toBeNull()
        for (const read of [reader.readMessage(), reader.readExactly(1), reader.readLine(), reader.read(1)]) {
          await expect(read).rejects.toBe(error)
        }
        reader.feedEof()
        await expect(reader.readMessage()).rejects.toBe(error)
      }
    })

    it('leaves the connection open for an answer, which can be drained', async () => {
      const [client, server] = memoryStreams(framed(lengthPrefixed({ lengthFieldLength: 1, maxFrameLength: 10 })))
      client.writer.write(Uint8Array.of(11))
      await expect(server.reader.readMessage()).rejects.toBeInstanceOf(FrameTooLargeError)
      server.writer.writeMessage('too long')
      await server.writer.drain()
      server.writer.close()
      expect(Buffer.from((await client.reader.readMessage())!).toString()).toBe('too long')
      client.writer.close()
      await Promise.all([client.writer.waitClosed(), server.writer.waitClosed()])
    })

    it('rejects the read that waits, once', async () => {
      const reader = fed()
      const message = reader.readMessage()
      reader.feedData(latin1('\xff'))
      const error = await netError(message)
      expect(error).toBeInstanceOf(FrameTooLargeError)
      expect(await netError(reader.readMessage())).toBe(error)
    })

    it('is not asked again, though its error is no FrameError', async () => {
      let calls = 0
      const reader = new FramedReader<never>({
        decode() {
          calls++
          throw new TypeError('a mistake in the decoder')
        },
      })
      reader.feedData(latin1('abc'))
      const error = await netError(reader.readMessage())
      expect(error).toBeInstanceOf(TypeError)
      expect(await netError(reader.readMessage())).toBe(error)
      expect(calls).toBe(1)
    })
  })

  describe('on a connection', () => {
    async function serve(serving: (reader: FramedReader<Uint8Array>) => Promise<string>, limit?: number) {
      const { promise: served, resolve } = netPromise<unknown>()
      const server = await startServer(
        async (reader, writer) => {
          try {
            writer.write(await serving(reader))
            resolve(undefined)
          } catch (error) {
            resolve(error)
          }
          writer.close()
        },
        { host: '127.0.0.1', limit, ...framed(lengthPrefixed({ maxFrameLength: 4_000_000 })) },
      )
      netStop(server)
      const peer = await netDial({ port: server.sockets[0]!.port })
      return { peer, served, name: `127.0.0.1:${peer.socket.localPort}` }
    }

    it('names the peer in the error, and leaves the connection open for an answer', async () => {
      const seen: FrameError[] = []
      const { peer, name } = await serve(async (reader) => {
        seen.push(await netError<FrameError>(reader.readMessage()), await netError<FrameError>(reader.readMessage()))
        return 'go away'
      })
      peer.socket.write(latin1('\xff\xff\xff\xff'))
      await peer.until(() => peer.ended)
      expect(peer.text).toBe('go away')
      expect(seen[0]).toBeInstanceOf(FrameTooLargeError)
      // The peer is added once, though the error is met twice.
      expect(seen[1]).toBe(seen[0])
      expect(seen[0]).toMatchObject({
        peer: name,
        message: `a frame of 4294967295 bytes is over the limit of 4000000 (from ${name})`,
      })
    })

    it('names the peer that left in the midst of a message', async () => {
      const { peer, served, name } = await serve(async (reader) => String(await reader.readMessage()))
      peer.socket.end(latin1('\0\0\0\x05ab'))
      const error = await served
      expect(error).toBeInstanceOf(IncompleteReadError)
      expect((error as Error).message).toBe(`read 6 bytes from ${name} before the end of the stream`)
    })

    it('that was sent what is no message answers so, though the peer goes on sending', async () => {
      const { peer, served } = await serve((reader) =>
        reader.readMessage().then(
          () => 'taken',
          (error: Error) => error.name,
        ),
      )
      peer.socket.write(Buffer.alloc(8_000_000, 0xff))
      await peer.until(() => peer.ended || peer.error !== undefined)
      expect(await served).toBeUndefined()
      expect([peer.text, peer.error]).toEqual(['FrameTooLargeError', undefined])
    })

    it('reads a message far larger than the limit of its buffer', async () => {
      const { peer, served } = await serve(async (reader) => `${(await reader.readMessage())!.length} bytes`, 1024)
      peer.socket.write(Buffer.concat([Buffer.from([0, 0x2d, 0xc6, 0xc0]), Buffer.alloc(3_000_000)]))
      await peer.until(() => peer.ended)
      expect(await served).toBeUndefined()
      expect(peer.text).toBe('3000000 bytes')
    })
  })

  it('has no stack written out for a message that is discarded', async () => {
    const error = new InvalidFrameError('x')
    error.recoverable = true
    Object.defineProperty(error, 'stack', { get: () => expect(0).toBe('read') })
    class Named extends FramedReader<never> {
      protected override get peer(): string {
        return 'here'
      }
    }
    const reader = new Named({
      decode() {
        throw error
      },
    })
    reader.feedData(latin1('a'))
    await expect(reader.readMessage()).rejects.toBe(error)
    expect(error.message).toBe('x (from here)')
  })

  it('keeps the peer that an error has already', async () => {
    const error = new InvalidFrameError('x')
    error.peer = 'elsewhere'
    class Named extends FramedReader<never> {
      protected override get peer(): string {
        return 'here'
      }
    }
    const reader = new Named({
      decode() {
        throw error
      },
    })
    reader.feedData(latin1('a'))
    await expect(reader.readMessage()).rejects.toBe(error)
    expect([error.peer, error.message]).toEqual(['elsewhere', 'x'])
  })
})
