/**
 * What every transport must do that can be written to at one end and read from at the other. Pipes can do no more.
 */
import { deepStrictEqual, ok, rejects, strictEqual, throws } from 'node:assert/strict'
import { ConnectionLostError } from '../errors.ts'
import { BufferedProtocol } from '../protocol.ts'
import type { Transport } from '../transport.ts'
import { nextTurn } from '../wait.ts'
import { RecordingProtocol } from './recordingProtocol.ts'
import {
  check,
  checkClogged,
  clog,
  count,
  hangUp,
  patiently,
  pattern,
  sendInPieces,
  taken,
  turns,
  withPair,
  runChecks,
  type MakeOneWay,
  type TransportCheck,
} from './transportCheck.ts'

/** Runs all of {@link oneWayChecks}; rejects with the name of the first that fails; its AssertionError is the `cause`. */
export function checkOneWay(makePair: MakeOneWay): Promise<void> {
  return runChecks(oneWayChecks, makePair)
}

/** The checks, in the order of a connection's life. */
export const oneWayChecks: readonly TransportCheck<MakeOneWay>[] = [
  check('calls connectionMade first, once, on both ends', async (client, server) => {
    for (const end of [client, server]) {
      deepStrictEqual(end.events, ['connectionMade'])
      strictEqual(end.transport.isClosing(), false)
      strictEqual(end.transport.getProtocol(), end)
    }
    strictEqual(server.transport.isReading(), true)
    strictEqual(client.transport.getExtraInfo('no such key'), null)
    strictEqual(client.transport.getExtraInfo('no such key', 'default'), 'default')
  }),

  check('delivers all bytes in order, whatever the sizes of the writes', async (client, server) => {
    const bytes = pattern(600_000)
    sendInPieces(client, bytes)
    await server.untilBytes(bytes.length)
    ok(server.data.equals(bytes), 'the bytes are not those sent')
  }),

  check('takes strings as UTF-8, several pieces by writeLines, and ignores empty writes', async (client, server) => {
    client.transport.write('grün ')
    client.transport.write('')
    client.transport.write(new Uint8Array(0))
    client.transport.writeLines(['a', Buffer.from('b'), 'c'])
    await server.untilBytes(9)
    strictEqual(server.data.toString(), 'grün abc')
  }),

  check('writes a message through its encoder, and nothing of one that fails', async (client, server) => {
    client.transport.write('<')
    client.transport.writeEncoded({ encode: (text: string, out) => out.append(Buffer.from(text)) }, 'message')
    const failure = new Error('no such message')
    const failing = {
      encode(_: string, out: { append(bytes: Uint8Array): void }): void {
        out.append(Buffer.from('half'))
        throw failure
      },
    }
    throws(() => client.transport.writeEncoded(failing, ''), { message: failure.message })
    client.transport.write('>')
    await server.untilBytes(9)
    strictEqual(server.data.toString(), '<message>')
  }),

  check('refuses what is not bytes with a TypeError, before looking at its state', async (client) => {
    const write = (data: unknown): void => client.transport.write(data as string)
    throws(() => write(42), TypeError)
    throws(() => write(null), TypeError)
    client.transport.close()
    throws(() => write({}), TypeError)
  }),

  check('holds back what comes while reading is paused, and delivers it when it goes on', async (client, server) => {
    server.transport.pauseReading()
    server.transport.pauseReading()
    strictEqual(server.transport.isReading(), false)
    client.transport.write('held back')
    await turns(20)
    deepStrictEqual(server.events, ['connectionMade'])
    server.transport.resumeReading()
    server.transport.resumeReading()
    deepStrictEqual(server.events, ['connectionMade'], 'delivered from inside resumeReading()')
    await server.untilBytes(9)
    client.transport.write(', and again')
    server.transport.pauseReading()
    await turns(20)
    strictEqual(server.data.toString(), 'held back')
    server.transport.resumeReading()
    await server.untilBytes(20)
    strictEqual(server.data.toString(), 'held back, and again')
  }),

  check('computes the marks of the write buffer, and refuses bad ones', async ({ transport }) => {
    deepStrictEqual(transport.getWriteBufferLimits(), [16 * 1024, 64 * 1024])
    transport.setWriteBufferLimits({ high: 1000 })
    deepStrictEqual(transport.getWriteBufferLimits(), [250, 1000])
    transport.setWriteBufferLimits({ low: 1000 })
    deepStrictEqual(transport.getWriteBufferLimits(), [1000, 4000])
    throws(() => transport.setWriteBufferLimits({ high: 1, low: 2 }), RangeError)
    throws(() => transport.setWriteBufferLimits({ high: 1, low: -1 }), RangeError)
    deepStrictEqual(transport.getWriteBufferLimits(), [1000, 4000])
    transport.setWriteBufferLimits()
    deepStrictEqual(transport.getWriteBufferLimits(), [16 * 1024, 64 * 1024])
  }),

  check(
    'tells a writer to pause above the high mark and to resume at the low one, once each',
    async (client, server) => {
      client.transport.setWriteBufferLimits({ high: 1_000_000, low: 10_000 })
      const sizes: Partial<Record<'pauseWriting' | 'resumeWriting', number>> = {}
      for (const name of ['pauseWriting', 'resumeWriting'] as const) {
        client[name] = () => {
          sizes[name] = client.transport.getWriteBufferSize()
          RecordingProtocol.prototype[name].call(client)
        }
      }
      const written = await clog(client, server)
      ok(sizes.pauseWriting! > 1_000_000, `paused at ${sizes.pauseWriting}, which is not above the high mark`)
      client.transport.write('more')
      client.transport.setWriteBufferLimits({ high: 500_000, low: 5000 })
      strictEqual(count(client.events, 'pauseWriting'), 1)
      server.transport.resumeReading()
      await client.untilEvent('resumeWriting')
      ok(sizes.resumeWriting! <= 5000, `resumed at ${sizes.resumeWriting}, which is above the low mark`)
      await server.untilBytes(written + 4)
      await taken(client)
      strictEqual(count(client.events, 'resumeWriting'), 1)
      strictEqual(client.transport.getWriteBufferSize(), 0)
    },
  ),

  check('pauses at any byte that is not taken when the high mark is 0', async (client, server) => {
    client.transport.setWriteBufferLimits({ high: 0 })
    await clog(client, server)
    ok(client.transport.getWriteBufferSize() > 0)
    server.transport.resumeReading()
    await client.untilEvent('resumeWriting')
    strictEqual(client.transport.getWriteBufferSize(), 0)
  }),

  check('flushes: resolves when nothing is left to send, and not before', async (client, server) => {
    client.transport.setWriteBufferLimits({ high: 1024 * 1024 * 1024 })
    await client.transport.flush()
    server.transport.pauseReading()
    const piece = pattern(64 * 1024)
    let written = 0
    while (client.transport.getWriteBufferSize() <= 1024 * 1024) {
      client.transport.write(piece)
      written += piece.length
      if (written % (1024 * 1024) === 0) await nextTurn()
      ok(written < 1024 * 1024 * 1024, 'a gigabyte was written to a peer that does not read, and all of it was taken')
    }
    strictEqual(count(client.events, 'pauseWriting'), 0)
    client.transport.setWriteBufferLimits()
    strictEqual(count(client.events, 'pauseWriting'), 1, 'above a mark that was set, but not told to pause')
    const order: string[] = []
    const flushes = ['first', 'second'].map((name) => client.transport.flush().then(() => order.push(name)))
    const cancelled = new AbortController()
    const given = client.transport.flush({ signal: cancelled.signal })
    cancelled.abort(new Error('enough'))
    await rejects(given, { message: 'enough' })
    await turns()
    deepStrictEqual(order, [])
    server.transport.resumeReading()
    await Promise.all(flushes)
    deepStrictEqual(order, ['first', 'second'])
    strictEqual(client.transport.getWriteBufferSize(), 0)
    await server.untilBytes(written)
  }),

  checkClogged(
    'a flush rejects when the connection ends with bytes unsent, and after the end',
    async (client, server) => {
      await clog(client, server)
      const flush = client.transport.flush()
      client.transport.abort()
      await rejects(client.transport.flush(), ConnectionLostError)
      await rejects(flush, ConnectionLostError)
      await client.untilEvent('connectionLost')
      await rejects(client.transport.flush(), ConnectionLostError)
    },
  ),

  checkClogged('does not resume a writer that is closing', async (client, server) => {
    await clog(client, server)
    client.transport.abort()
    await client.untilEvent('connectionLost')
    deepStrictEqual(client.events, ['connectionMade', 'pauseWriting', 'connectionLost'])
  }),

  check('sends also what was held back before it closes, and does not resume meanwhile', async (client, server) => {
    const written = await clog(client, server)
    client.transport.close()
    server.transport.resumeReading()
    await Promise.all([client.untilEvent('connectionLost'), server.untilEvent('connectionLost')])
    strictEqual(server.length, written)
    deepStrictEqual([client.lost, server.lost], [null, null])
    deepStrictEqual(client.events, ['connectionMade', 'pauseWriting', 'connectionLost'])
  }),

  check('sends what was written before it closes, then loses both ends cleanly', async (client, server) => {
    const bytes = pattern(3_000_000)
    client.transport.write(bytes)
    client.transport.close()
    client.transport.close()
    strictEqual(client.transport.isClosing(), true)
    await Promise.all([client.untilEvent('connectionLost'), server.untilEvent('connectionLost')])
    strictEqual(server.length, bytes.length)
    ok(server.data.equals(bytes), 'the bytes are not those sent')
    strictEqual(client.lost, null)
    strictEqual(server.lost, null)
    deepStrictEqual(server.events, ['connectionMade', 'dataReceived', 'eofReceived', 'connectionLost'])
    deepStrictEqual([client.transport.isClosing(), server.transport.isClosing()], [true, true])
    strictEqual(server.transport.isReading(), false)
  }),

  check(
    'drops what was written when aborted, and calls connectionLost in a later turn, once',
    async (client, server) => {
      const written = await clog(client, server)
      client.transport.abort()
      client.transport.abort()
      client.transport.close()
      strictEqual(client.events.includes('connectionLost'), false, 'called from inside abort()')
      await client.untilEvent('connectionLost')
      strictEqual(client.lost, null)
      server.transport.resumeReading()
      await server.untilEvent('connectionLost')
      ok(server.length < written, 'everything arrived in spite of abort()')
      await turns()
      strictEqual(count(client.events, 'connectionLost'), 1)
    },
  ),

  checkClogged('tells a writer why what it wrote was lost, however it stands', async (client, server) => {
    await clog(client, server)
    hangUp(server)
    await client.untilEvent('connectionLost')
    ok(client.lost instanceof ConnectionLostError, `connectionLost(${String(client.lost)}), although bytes were lost`)
    deepStrictEqual(client.events, ['connectionMade', 'pauseWriting', 'connectionLost'])
  }),

  checkClogged('tells it also when the writer is closing', async (client, server) => {
    await clog(client, server)
    client.transport.close()
    hangUp(server)
    await client.untilEvent('connectionLost')
    ok(client.lost instanceof ConnectionLostError, `connectionLost(${String(client.lost)}), although bytes were lost`)
  }),

  check('does not call connectionLost from inside close()', async (client) => {
    client.transport.close()
    deepStrictEqual(client.events, ['connectionMade'])
    await client.untilEvent('connectionLost')
    client.transport.close()
    client.transport.abort()
    await turns()
    strictEqual(count(client.events, 'connectionLost'), 1)
  }),

  check('drops writes after close() silently', async (client, server) => {
    client.transport.write('before')
    client.transport.close()
    client.transport.write('after')
    client.transport.writeLines(['and', 'again'])
    client.transport.writeEof()
    await server.untilEvent('connectionLost')
    strictEqual(server.data.toString(), 'before')
  }),

  check('gives the next event to the protocol that was set last', async (client, server) => {
    const second = new RecordingProtocol()
    client.transport.write('first')
    await server.untilBytes(5)
    server.transport.setProtocol(second)
    strictEqual(server.transport.getProtocol(), second)
    client.transport.write('second')
    await second.untilBytes(6)
    client.transport.close()
    await second.untilEvent('connectionLost')
    deepStrictEqual(second.events, ['dataReceived', 'eofReceived', 'connectionLost'])
    deepStrictEqual(server.events, ['connectionMade', 'dataReceived'])
    // The pair is taken down through its recorders.
    server.connectionLost(null)
  }),

  {
    name: 'treats an error of dataReceived as fatal, and hands it to connectionLost',
    run: (makePair) => {
      const failure = new Error('cannot digest')
      class Failing extends RecordingProtocol {
        override dataReceived(): void {
          throw failure
        }
      }
      return withPair(
        makePair,
        async (client, server) => {
          client.transport.write('food')
          await server.untilEvent('connectionLost')
          strictEqual(server.lost, failure)
        },
        [new RecordingProtocol(), new Failing()],
      )
    },
  },

  {
    name: 'goes on where pauseWriting, resumeWriting or connectionLost throws',
    run: (makePair) => {
      class Failing extends RecordingProtocol {
        override pauseWriting(): void {
          super.pauseWriting()
          throw new Error('cannot pause')
        }
        override resumeWriting(): void {
          super.resumeWriting()
          throw new Error('cannot resume')
        }
        override connectionLost(error: Error | null): void {
          super.connectionLost(error)
          throw new Error('cannot part')
        }
      }
      return withPair(
        makePair,
        async (client, server) => {
          const written = await clog(client, server)
          server.transport.resumeReading()
          await client.untilEvent('resumeWriting')
          await server.untilBytes(written)
          strictEqual(client.transport.isClosing(), false)
          client.transport.close()
          await Promise.all([client.untilEvent('connectionLost'), server.untilEvent('connectionLost')])
          deepStrictEqual([client.lost, server.lost], [null, null])
        },
        [new Failing(), new RecordingProtocol()],
      )
    },
  },

  {
    name: 'fills the buffers of a BufferedProtocol, whatever their size',
    run: async (makePair) => {
      const parts: Buffer[] = []
      const memory = Buffer.alloc(1000)
      let overrun = false
      let lost = (): void => {}
      const ended = new Promise<void>((resolve) => (lost = resolve))
      class Buffered extends BufferedProtocol {
        #transport!: Transport
        override connectionMade(transport: Transport): void {
          this.#transport = transport
        }
        override getBuffer(sizeHint: number): Uint8Array {
          ok(sizeHint !== 0)
          return memory
        }
        override bufferUpdated(n: number): void {
          parts.push(Buffer.from(memory.subarray(0, n)))
          if (parts.length % 10 !== 0) return
          // The rest of what has come must wait, and must not be lost.
          const transport = this.#transport
          transport.pauseReading()
          const before = parts.length
          void turns().then(() => {
            if (parts.length !== before) overrun = true
            transport.resumeReading()
          })
        }
        override connectionLost(): void {
          lost()
        }
      }
      const client = new RecordingProtocol()
      await makePair(client, new Buffered())
      const bytes = pattern(100_500)
      client.transport.write(bytes)
      client.transport.close()
      await patiently(() => ended)
      ok(Buffer.concat(parts).equals(bytes), 'the bytes are not those sent')
      strictEqual(overrun, false, 'a buffer was filled while reading was paused')
    },
  },
]
