import { ConnectionLostError, InvalidStateError } from '../../lib/errors.ts'
import { BufferedProtocol } from '../../lib/protocol.ts'
import { memoryPair } from '../../lib/testing/memoryPair.ts'
import { RecordingProtocol } from '../../lib/testing/recordingProtocol.ts'
import type { Transport } from '../../lib/transport.ts'
import { Clog } from '../../lib/transports/clog.ts'
import type { MemoryPairOptions } from '../../lib/transports/memoryTransport.ts'
import { netTurns } from '../support/netTools.ts'

const quiet = { onConnectionError: () => {} }

function pair(options: MemoryPairOptions = {}) {
  const [client, server] = [new RecordingProtocol(), new RecordingProtocol()]
  memoryPair(client, server, { ...options, ...quiet })
  return { client, server }
}

/** Keeps all it gets, through a small memory, and pauses after every piece. */
class PausingBuffered extends BufferedProtocol {
  readonly pieces: string[] = []
  transport!: Transport
  readonly #memory = Buffer.alloc(3)
  override connectionMade(transport: Transport): void {
    this.transport = transport
  }
  override getBuffer(): Uint8Array {
    return this.#memory
  }
  override bufferUpdated(n: number): void {
    this.pieces.push(this.#memory.toString('latin1', 0, n))
    this.transport.pauseReading()
  }
}

// What it shares with all transports is in spec/testing/checkTransport.spec.ts.
describe('MemoryTransport', () => {
  it('names its ends after each other', () => {
    const { client, server } = pair()
    expect(client.transport.getExtraInfo('peername')).toEqual(server.transport.getExtraInfo('sockname'))
    expect(server.transport.getExtraInfo('peername')).toEqual(client.transport.getExtraInfo('sockname'))
    expect(client.transport.getExtraInfo('peername')).not.toEqual(client.transport.getExtraInfo('sockname'))
    expect(client.transport.getExtraInfo('socket')).toBeNull()
    expect(client.transport.getExtraInfo('nothing', 7)).toBe(7)
  })

  it('counts what it has read, and what the pipe has taken', async () => {
    const { client, server } = pair({ pipeSize: 10 })
    server.transport.pauseReading()
    client.transport.write('x'.repeat(25))
    expect(client.transport.bytesWritten).toBe(10)
    expect(client.transport.bytesWritten + client.transport.getWriteBufferSize()).toBe(25)
    expect(server.transport.bytesRead).toBe(0)
    server.transport.resumeReading()
    await server.untilBytes(25)
    expect([client.transport.bytesWritten, server.transport.bytesRead]).toEqual([25, 25])
    expect([client.transport.bytesRead, server.transport.bytesWritten]).toEqual([0, 0])
  })

  it('takes a copy of what is written, and gives out another', async () => {
    const { client, server } = pair()
    const bytes = Buffer.from('before')
    client.transport.write(bytes)
    bytes.fill('x')
    await server.untilBytes(6)
    expect(server.data.toString()).toBe('before')
  })

  describe('with a latency', () => {
    beforeEach(() => jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] }))
    afterEach(() => jest.useRealTimers())

    it('delivers each piece so long after it was written, however many are under way', async () => {
      const { client, server } = pair({ latencyMs: 100 })
      client.transport.write('one')
      jest.advanceTimersByTime(60)
      client.transport.write('two')
      jest.advanceTimersByTime(39)
      await netTurns()
      expect(server.data.toString()).toBe('')
      jest.advanceTimersByTime(1)
      await netTurns()
      expect(server.data.toString()).toBe('one')
      jest.advanceTimersByTime(59)
      await netTurns()
      expect(server.data.toString()).toBe('one')
      jest.advanceTimersByTime(1)
      await netTurns()
      expect(server.data.toString()).toBe('onetwo')
    })

    it('does not make a round trip of what has arrived while reading was paused', async () => {
      const { client, server } = pair({ latencyMs: 100 })
      server.transport.pauseReading()
      client.transport.write('held')
      jest.advanceTimersByTime(100)
      server.transport.resumeReading()
      await netTurns()
      expect(server.data.toString()).toBe('held')
    })

    it('lets the end of the stream travel as long as the bytes before it', async () => {
      const { client, server } = pair({ latencyMs: 100 })
      client.transport.write('last')
      client.transport.close()
      await netTurns()
      expect(client.events).toEqual(['connectionMade', 'connectionLost'])
      jest.advanceTimersByTime(99)
      await netTurns()
      expect(server.events).toEqual(['connectionMade'])
      jest.advanceTimersByTime(1)
      await netTurns()
      expect(server.events).toEqual(['connectionMade', 'dataReceived', 'eofReceived', 'connectionLost'])
    })

    it('counts what is under way against the size of the pipe', async () => {
      const { client } = pair({ latencyMs: 100, pipeSize: 4 })
      client.transport.write('123456')
      expect(client.transport.getWriteBufferSize()).toBe(2)
      jest.advanceTimersByTime(100)
      await netTurns()
      expect(client.transport.getWriteBufferSize()).toBe(0)
    })

    it('tells of a reset at once', async () => {
      const { client, server } = pair({ latencyMs: 100 })
      client.transport.write('never arrives')
      client.transport.abort({ reset: true })
      await netTurns()
      expect(server.events).toEqual(['connectionMade', 'connectionLost'])
      expect(server.lost).toBeInstanceOf(ConnectionLostError)
      jest.advanceTimersByTime(100)
      await netTurns()
      expect(server.length).toBe(0)
    })
  })

  describe('under a BufferedProtocol', () => {
    it('delivers no more of a chunk once it has paused, and the rest when it resumes', async () => {
      const [client, server] = [new RecordingProtocol(), new PausingBuffered()]
      memoryPair(client, server)
      client.transport.write('abcdefg')
      await netTurns()
      expect(server.pieces).toEqual(['abc'])
      server.transport.resumeReading()
      expect(server.pieces).toEqual(['abc'])
      await netTurns()
      server.transport.resumeReading()
      await netTurns()
      expect(server.pieces).toEqual(['abc', 'def', 'g'])
    })

    it('delivers the end behind the rest, not before', async () => {
      const [client, server] = [new RecordingProtocol(), new PausingBuffered()]
      memoryPair(client, server)
      const ended = jest.spyOn(server, 'eofReceived')
      client.transport.write('abcd')
      client.transport.writeEof()
      await netTurns()
      expect(ended).not.toHaveBeenCalled()
      server.transport.resumeReading()
      await netTurns()
      expect(server.pieces).toEqual(['abc', 'd'])
      expect(ended).not.toHaveBeenCalled()
      server.transport.resumeReading()
      await netTurns()
      expect(ended).toHaveBeenCalledTimes(1)
    })

    it('drops the rest if it closes', async () => {
      const [client, server] = [new RecordingProtocol(), new PausingBuffered()]
      memoryPair(client, server)
      server.bufferUpdated = () => {
        server.pieces.push('once')
        server.transport.close()
      }
      client.transport.write('abcdefg')
      await client.untilEvent('connectionLost')
      expect(server.pieces).toEqual(['once'])
    })

    it('hands the rest to a plain protocol that takes over', async () => {
      const [client, server, second] = [new RecordingProtocol(), new PausingBuffered(), new RecordingProtocol()]
      memoryPair(client, server)
      server.bufferUpdated = () => server.transport.setProtocol(second)
      client.transport.write('abcdefg')
      await second.untilBytes(4)
      expect(second.data.toString()).toBe('defg')
    })
  })

  it('warns from the fifth write after close on', () => {
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    try {
      const { client } = pair()
      client.transport.close()
      for (let i = 0; i < 4; i++) client.transport.write('x')
      client.transport.write('')
      expect(warned).not.toHaveBeenCalled()
      client.transport.write('x')
      const message = expect.stringMatching(/^write number 5 to memory:\d+ after its close: dropped$/)
      expect(warned.mock.calls).toEqual([[message, { code: 'MILLRACE_WRITE_AFTER_CLOSE' }]])
    } finally {
      warned.mockRestore()
    }
  })

  it('refuses writes after writeEof, naming the peer', () => {
    const { client } = pair()
    client.transport.writeEof()
    expect(() => client.transport.write('x')).toThrow(InvalidStateError)
    expect(() => client.transport.write('x')).toThrow(/^write to memory:\d+ after writeEof\(\)$/)
  })

  describe('in lockstep', () => {
    it('has nothing sent before the other end has read it', async () => {
      const { client, server } = pair({ lockstep: true })
      server.transport.pauseReading()
      client.transport.write('12345')
      let flushed = false
      const flush = client.transport.flush().then(() => (flushed = true))
      await netTurns()
      expect([client.transport.getWriteBufferSize(), client.transport.bytesWritten, flushed]).toEqual([5, 0, false])
      server.transport.resumeReading()
      await flush
      expect([server.data.toString(), client.transport.bytesWritten]).toEqual(['12345', 5])
    })

    it('goes chunk by chunk, and by a mark of 0 pauses at any byte', async () => {
      const { client, server } = pair({ lockstep: true, chunkSize: 2 })
      client.transport.setWriteBufferLimits({ high: 0 })
      const sizes: number[] = []
      client.transport.write('12345')
      expect(client.events).toEqual(['connectionMade', 'pauseWriting'])
      while (!client.events.includes('resumeWriting')) {
        sizes.push(client.transport.getWriteBufferSize())
        await netTurns(1)
      }
      expect(sizes).toEqual([5, 3, 1])
      expect(server.data.toString()).toBe('12345')
    })

    it('closes when all was read, and loses what was not', async () => {
      const { client, server } = pair({ lockstep: true })
      server.transport.pauseReading()
      client.transport.write('rest')
      client.transport.close()
      await netTurns()
      expect(client.events).toEqual(['connectionMade'])
      server.transport.resumeReading()
      await Promise.all([client.untilEvent('connectionLost'), server.untilEvent('connectionLost')])
      expect([client.lost, server.data.toString()]).toEqual([null, 'rest'])

      const unlucky = pair({ lockstep: true, latencyMs: 1 })
      unlucky.client.transport.write('never read')
      unlucky.client.transport.abort()
      await unlucky.server.untilEvent('connectionLost')
      expect(unlucky.server.length).toBe(0)
      const refused = pair({ lockstep: true })
      refused.client.transport.write('refused')
      refused.server.transport.abort()
      await refused.client.untilEvent('connectionLost')
      expect(refused.client.lost?.message).toMatch('broken pipe (7 unsent)')
    })
  })

  describe('clogged', () => {
    it('takes nothing until it is unclogged, in either direction', async () => {
      const clog = new Clog()
      const { client, server } = pair({ clog })
      client.transport.write('there')
      server.transport.write('back')
      await netTurns()
      expect([clog.clogged, client.transport.getWriteBufferSize(), server.length]).toEqual([true, 5, 0])
      clog.unclog()
      await Promise.all([client.untilBytes(4), server.untilBytes(5)])
      clog.clog()
      client.transport.write('again')
      client.transport.close()
      await netTurns()
      expect([server.data.toString(), client.events]).toEqual(['there', ['connectionMade', 'dataReceived']])
      clog.unclog()
      await Promise.all([client.untilEvent('connectionLost'), server.untilEvent('connectionLost')])
      expect(server.data.toString()).toBe('thereagain')
    })

    it('a reset after the end does not reach the other end any more', async () => {
      const { client, server } = pair()
      server.keepOpen = true
      client.transport.close()
      await client.untilEvent('connectionLost')
      await server.untilEvent('eofReceived')
      client.transport.abort({ reset: true })
      await netTurns()
      expect([server.transport.isClosing(), server.lost]).toEqual([false, undefined])
      server.transport.close()
    })

    it('lets a loss pass', async () => {
      const { client, server } = pair({ clog: new Clog() })
      client.transport.write('lost')
      server.transport.abort({ reset: true })
      await client.untilEvent('connectionLost')
      expect(client.lost).toBeInstanceOf(ConnectionLostError)
    })
  })
})
