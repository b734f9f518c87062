/**
 * What every stream transport must do, as checks that run against yours: the contract of transport.ts, executable.
 * Ours pass the same ones. (Above 400 lines: it is a list, to be read from top to bottom.)
 */
import { deepStrictEqual, ok, rejects, strictEqual, throws } from 'node:assert/strict'
import { ConnectionLostError, InvalidStateError } from '../errors.ts'
import { BufferedProtocol, type AnyProtocol } from '../protocol.ts'
import type { Transport } from '../transport.ts'
import { nextTurn } from '../wait.ts'
import { RecordingProtocol } from './recordingProtocol.ts'

/**
 * Connects two protocols through the transport under test and resolves, after both had `connectionMade`, with the two
 * ends. Errors that the protocols throw are part of some checks: let them be reported to nowhere.
 */
export interface MakePair {
  (client: AnyProtocol, server: AnyProtocol): Promise<readonly [client: Transport, server: Transport]>
  /** How many turns the transport may take to see that a write was taken; 0 if it is told at once. With TLS it is 3. */
  turnsPerWrite?: number
}

/** One check, for test runners that want each by its name. */
export interface TransportCheck {
  readonly name: string
  run(makePair: MakePair): Promise<void>
}

/** Runs all of {@link transportChecks}; rejects with the name of the first that fails; its AssertionError is the `cause`. */
export async function checkTransport(makePair: MakePair): Promise<void> {
  for (const check of transportChecks) {
    try {
      await check.run(makePair)
    } catch (error) {
      throw new Error(`${check.name}: ${(error as Error).message}`, { cause: error })
    }
  }
}

/** Bytes that tell where they are. */
function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8)) & 0xff
  return bytes
}

async function turns(n = 5): Promise<void> {
  for (let i = 0; i < n; i++) await nextTurn()
}

/** Two connected ends with recorders, closed again whatever the check does. */
async function withPair(
  makePair: MakePair,
  check: (client: RecordingProtocol, server: RecordingProtocol) => Promise<void>,
  recorders: [RecordingProtocol, RecordingProtocol] = [new RecordingProtocol(), new RecordingProtocol()],
): Promise<void> {
  for (const recorder of recorders) turnsPerWrite.set(recorder, makePair.turnsPerWrite ?? 0)
  const ends = await makePair(...recorders)
  try {
    await check(...recorders)
  } finally {
    for (const end of ends) end.abort()
    await Promise.all(recorders.map((recorder) => recorder.untilEvent('connectionLost')))
  }
}

const turnsPerWrite = new WeakMap<RecordingProtocol, number>()

/** What `writer` has written, and its peer has, is known to be taken. */
const taken = (writer: RecordingProtocol): Promise<void> => turns(turnsPerWrite.get(writer) ?? 0)

/** Stops `reader` and writes on `writer` until it is told to pause, and stays so. */
async function clog(writer: RecordingProtocol, reader: RecordingProtocol): Promise<number> {
  reader.transport.pauseReading()
  let written = 0
  const piece = pattern(64 * 1024)
  for (;;) {
    while (!writer.events.includes('pauseWriting')) {
      writer.transport.write(piece)
      written += piece.length
      ok(
        written < 1024 * 1024 * 1024,
        'a gigabyte was written to a peer that does not read, and pauseWriting never came',
      )
      if (written % (1024 * 1024) === 0) await nextTurn()
    }
    await taken(writer)
    if (!writer.events.includes('resumeWriting')) return written
    writer.events.splice(writer.events.indexOf('pauseWriting'), 2)
  }
}

const count = (events: readonly string[], name: string): number => events.filter((event) => event === name).length

/** The checks, in the order of a connection's life. */
export const transportChecks: readonly TransportCheck[] = [
  check('calls connectionMade first, once, on both ends', async (client, server) => {
    for (const end of [client, server]) {
      deepStrictEqual(end.events, ['connectionMade'])
      strictEqual(end.transport.isClosing(), false)
      strictEqual(end.transport.isReading(), true)
      strictEqual(end.transport.getProtocol(), end)
    }
  }),

  check('delivers all bytes in order, both ways at once, whatever the sizes of the writes', async (client, server) => {
    const bytes = pattern(600_000)
    const send = (from: RecordingProtocol): void => {
      for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 3) % 70_001) {
        from.transport.write(bytes.subarray(at, at + size))
      }
    }
    send(client)
    send(server)
    await Promise.all([client.untilBytes(bytes.length), server.untilBytes(bytes.length)])
    ok(client.data.equals(bytes), 'the bytes at the client are not those sent')
    ok(server.data.equals(bytes), 'the bytes at the server are not those sent')
  }),

  check('counts its bytes, if it counts them, and has a number of its own', async (client, server) => {
    client.transport.write('12345')
    server.transport.write('123')
    await Promise.all([client.untilBytes(3), server.untilBytes(5)])
    await taken(client)
    const counts = [client, server].map(({ transport }) => [transport.bytesRead, transport.bytesWritten])
    const silent = [
      [0, 0],
      [0, 0],
    ]
    const exact = [
      [3, 5],
      [5, 3],
    ]
    deepStrictEqual(counts, counts.flat().some(Boolean) ? exact : silent)
    ok(client.transport.id > 0 && client.transport.id !== server.transport.id, 'both ends have the same id')
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

  check('pauses and resumes reading, losing nothing; both are harmless when repeated', async (client, server) => {
    server.transport.pauseReading()
    server.transport.pauseReading()
    strictEqual(server.transport.isReading(), false)
    client.transport.write('held back')
    client.transport.writeEof()
    server.transport.write('round')
    await client.untilBytes(5)
    await turns()
    deepStrictEqual(server.events, ['connectionMade'])
    server.keepOpen = true
    server.transport.resumeReading()
    server.transport.resumeReading()
    deepStrictEqual(server.events, ['connectionMade'], 'delivered from inside resumeReading()')
    await server.untilEvent('eofReceived')
    strictEqual(server.data.toString(), 'held back')
  }),

  {
    name: 'holds back everything when reading is paused in connectionMade',
    run: (makePair) => {
      class Paused extends RecordingProtocol {
        override connectionMade(transport: Transport): void {
          super.connectionMade(transport)
          transport.pauseReading()
        }
      }
      return withPair(
        makePair,
        async (client, server) => {
          client.transport.write('too early')
          server.transport.write('round')
          await client.untilBytes(5)
          await turns()
          strictEqual(server.length, 0)
          server.transport.resumeReading()
          await server.untilBytes(9)
        },
        [new RecordingProtocol(), new Paused()],
      )
    },
  },

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
      client.transport.setWriteBufferLimits({ high: 100_000, low: 10_000 })
      const written = await clog(client, server)
      ok(client.transport.getWriteBufferSize() > 100_000, 'paused, but the buffer is not above the high mark')
      client.transport.write('more')
      client.transport.setWriteBufferLimits({ high: 50_000, low: 5000 })
      strictEqual(count(client.events, 'pauseWriting'), 1)
      server.transport.resumeReading()
      await client.untilEvent('resumeWriting')
      ok(client.transport.getWriteBufferSize() <= 5000, 'resumed, but the buffer is above the low mark')
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

  check('a flush rejects when the connection ends with bytes unsent, and after the end', async (client, server) => {
    await clog(client, server)
    const flush = client.transport.flush()
    client.transport.abort()
    await rejects(client.transport.flush(), ConnectionLostError)
    await rejects(flush, ConnectionLostError)
    await client.untilEvent('connectionLost')
    await rejects(client.transport.flush(), ConnectionLostError)
  }),

  check('does not resume a writer that is closing', async (client, server) => {
    await clog(client, server)
    client.transport.abort()
    await client.untilEvent('connectionLost')
    deepStrictEqual(client.events, ['connectionMade', 'pauseWriting', 'connectionLost'])
  }),

  check('sends what was written before it closes, then loses both ends cleanly', async (client, server) => {
    const bytes = pattern(3_000_000)
    client.transport.write(bytes)
    client.transport.close()
    client.transport.close()
    strictEqual(client.transport.isClosing(), true)
    strictEqual(client.transport.isReading(), false)
    await Promise.all([client.untilEvent('connectionLost'), server.untilEvent('connectionLost')])
    strictEqual(server.length, bytes.length)
    ok(server.data.equals(bytes), 'the bytes are not those sent')
    strictEqual(client.lost, null)
    strictEqual(server.lost, null)
    deepStrictEqual(server.events, ['connectionMade', 'dataReceived', 'eofReceived', 'connectionLost'])
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

  check('tells a writer why what it wrote was lost, however it stands', async (client, server) => {
    await clog(client, server)
    server.transport.abort({ reset: true })
    await client.untilEvent('connectionLost')
    ok(client.lost instanceof ConnectionLostError, `connectionLost(${String(client.lost)}), although bytes were lost`)
    deepStrictEqual(client.events, ['connectionMade', 'pauseWriting', 'connectionLost'])
  }),

  check('tells it also when its reading is paused', async (client, server) => {
    client.transport.pauseReading()
    await clog(client, server)
    server.transport.abort({ reset: true })
    await client.untilEvent('connectionLost')
    ok(client.lost instanceof ConnectionLostError, `connectionLost(${String(client.lost)}), although bytes were lost`)
    deepStrictEqual(client.events, ['connectionMade', 'pauseWriting', 'connectionLost'])
  }),

  check('tells it also when it is closing', async (client, server) => {
    await clog(client, server)
    client.transport.close()
    server.transport.abort({ reset: true })
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

  check('delivers nothing after close()', async (client, server) => {
    server.transport.write('late')
    client.transport.close()
    await Promise.all([client.untilEvent('connectionLost'), server.untilEvent('connectionLost')])
    strictEqual(client.length, 0)
    deepStrictEqual(client.events, ['connectionMade', 'connectionLost'])
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

  check('ends only the writing with writeEof(), and refuses writes after it', async (client, server) => {
    if (!client.transport.canWriteEof()) return
    server.keepOpen = true
    client.transport.write('question')
    client.transport.writeEof()
    client.transport.writeEof()
    throws(() => client.transport.write('more'), InvalidStateError)
    await server.untilEvent('eofReceived')
    strictEqual(server.data.toString(), 'question')
    strictEqual(server.transport.isClosing(), false)
    server.transport.write('answer')
    server.transport.close()
    await client.untilEvent('connectionLost')
    strictEqual(client.data.toString(), 'answer')
    strictEqual(client.lost, null)
    await server.untilEvent('connectionLost')
    strictEqual(server.lost, null)
  }),

  check('closes by itself after the end of the stream, unless eofReceived() says no', async (client, server) => {
    if (!client.transport.canWriteEof()) return
    client.transport.writeEof()
    await server.untilEvent('connectionLost')
    strictEqual(server.lost, null)
    deepStrictEqual(server.events, ['connectionMade', 'eofReceived', 'connectionLost'])
    await client.untilEvent('connectionLost')
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
          await client.untilEvent('connectionLost')
        },
        [new RecordingProtocol(), new Failing()],
      )
    },
  },

  {
    name: 'fills the buffers of a BufferedProtocol, whatever their size',
    run: async (makePair) => {
      const parts: Buffer[] = []
      const memory = Buffer.alloc(1000)
      let lost = (): void => {}
      const ended = new Promise<void>((resolve) => (lost = resolve))
      class Buffered extends BufferedProtocol {
        override getBuffer(sizeHint: number): Uint8Array {
          ok(sizeHint !== 0)
          return memory
        }
        override bufferUpdated(n: number): void {
          parts.push(Buffer.from(memory.subarray(0, n)))
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
      await ended
      ok(Buffer.concat(parts).equals(bytes), 'the bytes are not those sent')
    },
  },
]

function check(
  name: string,
  run: (client: RecordingProtocol, server: RecordingProtocol) => Promise<void>,
): TransportCheck {
  return { name, run: (makePair) => withPair(makePair, run) }
}
