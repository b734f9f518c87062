import { spawnSync } from 'node:child_process'
import * as net from 'node:net'
import { createConnection } from '../../lib/endpoints/connect.ts'
import { ConnectionLostError, InvalidStateError } from '../../lib/errors.ts'
import { BufferedProtocol, Protocol } from '../../lib/protocol.ts'
import type { Encoder, Transport } from '../../lib/transport.ts'
import {
  netConnection,
  netDefer,
  netListen,
  netPromise,
  NetRecorder,
  netRoundTrip,
  netServe,
  netTurns,
  netDial,
} from '../support/netTools.ts'

const KINDS = [
  ['tcp', 'server'],
  ['tcp', 'client'],
  ['unix', 'server'],
  ['unix', 'client'],
] as const

/** Far more than the buffers of both systems' ends hold. */
const CHUNK = Buffer.alloc(256 * 1024, 'x')

/** Writes until the protocol is told to pause; returns how much was written. */
function clog(transport: Transport, recorder: NetRecorder): number {
  let written = 0
  while (recorder.log.at(-1) !== 'pause') {
    transport.write(CHUNK)
    written += CHUNK.length
    if (written > 256 * 1024 * 1024) throw new Error('never paused')
  }
  return written
}

describe.each(KINDS)('SocketTransport over %s, %s side', (kind, side) => {
  describe('the order of callbacks', () => {
    it('is made, data, eof, lost, the error being null (I1, I2)', async () => {
      const recorder = new NetRecorder()
      const { transport, peer } = await netConnection(kind, side, recorder)
      expect(recorder.log).toEqual(['made'])
      expect(recorder.transport).toBe(transport)
      peer.socket.end('hello')
      await recorder.untilEvent('lost')
      expect(recorder.log).toEqual(['made', 'data', 'eof', 'lost'])
      expect(recorder.text).toBe('hello')
      expect(recorder.lostWith).toBeNull()
      await netRoundTrip()
      expect(recorder.log).toEqual(['made', 'data', 'eof', 'lost'])
    })

    it('asks a buffered protocol for memory before each piece (I1, A18)', async () => {
      const log: string[] = []
      const lost = netPromise()
      const memory = new Uint8Array(3)
      let text = ''
      class Buffered extends BufferedProtocol {
        override connectionMade(): void {
          log.push('made')
        }
        override getBuffer(hint: number): Uint8Array {
          log.push(hint === -1 || hint > 0 ? 'get' : `hint ${hint}`)
          return memory
        }
        override bufferUpdated(n: number): void {
          log.push(`updated ${n}`)
          text += Buffer.from(memory.subarray(0, n)).toString()
        }
        override eofReceived(): void {
          log.push('eof')
        }
        override connectionLost(error: Error | null): void {
          log.push(`lost ${error}`)
          lost.resolve()
        }
      }
      const { peer } = await netConnection(kind, side, new Buffered())
      peer.socket.end('abcdefg')
      await lost.promise
      expect(text).toBe('abcdefg')
      expect(log).toEqual(['made', ...['get', 'updated 3', 'get', 'updated 3', 'get', 'updated 1'], 'eof', 'lost null'])
    })

    it('tells the end of the stream once, however often reading is paused after it (I1)', async () => {
      const recorder = new NetRecorder()
      recorder.keepOpen = true
      const { transport, peer } = await netConnection(kind, side, recorder)
      peer.socket.end('x')
      await recorder.untilEvent('eof')
      for (let i = 0; i < 3; i++) {
        transport.pauseReading()
        await netTurns()
        transport.resumeReading()
        await netRoundTrip()
      }
      expect(recorder.log).toEqual(['made', 'data', 'eof'])
      transport.close()
      await recorder.untilEvent('lost')
      expect(recorder.log).toEqual(['made', 'data', 'eof', 'lost'])
    })

    it('reads nothing while connectionMade pauses reading (I3)', async () => {
      class Pausing extends NetRecorder {
        override connectionMade(transport: Transport): void {
          super.connectionMade(transport)
          transport.pauseReading()
        }
      }
      const recorder = new Pausing()
      const { transport, peer } = await netConnection(kind, side, recorder)
      peer.socket.end('early')
      await netRoundTrip()
      expect(recorder.log).toEqual(['made'])
      transport.resumeReading()
      await recorder.untilEvent('lost')
      expect(recorder.log).toEqual(['made', 'data', 'eof', 'lost'])
      expect(recorder.text).toBe('early')
    })
  })

  describe('close', () => {
    it('sends what is buffered first, then ends; lost comes later, with null (I2, I5)', async () => {
      const recorder = new NetRecorder()
      const { transport, peer } = await netConnection(kind, side, recorder, { reading: false })
      const written = clog(transport, recorder)
      transport.close()
      expect(transport.isClosing()).toBe(true)
      expect(recorder.log).not.toContain('lost')
      await netRoundTrip()
      expect(recorder.log).not.toContain('lost')
      peer.read()
      await peer.until(() => peer.ended)
      expect(peer.size).toBe(written)
      await recorder.untilEvent('lost')
      expect(recorder.lostWith).toBeNull()
    })

    it('with nothing to send calls lost in a later turn, never from inside (I2)', async () => {
      const recorder = new NetRecorder()
      const { transport } = await netConnection(kind, side, recorder)
      transport.close()
      expect(recorder.log).toEqual(['made'])
      await recorder.untilEvent('lost')
      expect(recorder.lostWith).toBeNull()
    })

    it('may be called again, also after the end (I5)', async () => {
      const recorder = new NetRecorder()
      const { transport } = await netConnection(kind, side, recorder)
      transport.close()
      transport.close()
      await recorder.untilEvent('lost')
      transport.close()
      transport.abort()
      await netTurns()
      expect(recorder.count('lost')).toBe(1)
    })

    it('sends what was written in the same turn (I5)', async () => {
      const recorder = new NetRecorder()
      const { transport, peer } = await netConnection(kind, side, recorder)
      transport.write('good')
      transport.write('bye')
      transport.close()
      await peer.until(() => peer.ended)
      expect(peer.text).toBe('goodbye')
    })

    it('ends the delivery of data and of the end of the stream (I4)', async () => {
      const recorder = new NetRecorder()
      const { transport, peer } = await netConnection(kind, side, recorder, { reading: false })
      clog(transport, recorder)
      transport.close()
      peer.socket.end('too late')
      await netRoundTrip()
      peer.read()
      await recorder.untilEvent('lost')
      expect(recorder.log).toEqual(['made', 'pause', 'lost'])
    })

    it('from inside connectionMade works (I2)', async () => {
      class Closing extends NetRecorder {
        override connectionMade(transport: Transport): void {
          super.connectionMade(transport)
          transport.write('bye')
          transport.close()
          this.log.push('closed')
        }
      }
      const recorder = new Closing()
      const { peer } = await netConnection(kind, side, recorder)
      await recorder.untilEvent('lost')
      expect(recorder.log).toEqual(['made', 'closed', 'lost'])
      await peer.until(() => peer.ended)
      expect(peer.text).toBe('bye')
    })

    it('from inside dataReceived is followed by nothing but lost (I4)', async () => {
      class Closing extends NetRecorder {
        override dataReceived(data: Buffer): void {
          super.dataReceived(data)
          this.transport.close()
        }
      }
      const recorder = new Closing()
      const { peer } = await netConnection(kind, side, recorder)
      peer.socket.write('a')
      peer.socket.write('b')
      peer.socket.end()
      await recorder.untilEvent('lost')
      expect(recorder.log).toEqual(['made', 'data', 'lost'])
    })
  })

  describe('abort', () => {
    it('drops what is buffered; lost comes later, with null (I2, I5)', async () => {
      const recorder = new NetRecorder()
      const { transport, peer } = await netConnection(kind, side, recorder, { reading: false })
      const written = clog(transport, recorder)
      transport.abort()
      expect(transport.isClosing()).toBe(true)
      expect(transport.getWriteBufferSize()).toBeLessThan(written)
      expect(recorder.log).not.toContain('lost')
      await recorder.untilEvent('lost')
      expect(recorder.lostWith).toBeNull()
      peer.read()
      await peer.until(() => peer.ended || peer.closed)
      expect(peer.size).toBeLessThan(written)
    })

    it('after close() ends a connection that cannot send (I5)', async () => {
      const recorder = new NetRecorder()
      const { transport } = await netConnection(kind, side, recorder, { reading: false })
      clog(transport, recorder)
      transport.close()
      await netRoundTrip()
      expect(recorder.log).not.toContain('lost')
      transport.abort()
      transport.abort()
      await recorder.untilEvent('lost')
      expect(recorder.lostWith).toBeNull()
      expect(recorder.count('lost')).toBe(1)
    })

    it('inside pauseWriting is followed by lost, and by no resumeWriting (I11)', async () => {
      class Aborting extends NetRecorder {
        override pauseWriting(): void {
          super.pauseWriting()
          this.transport.abort()
        }
      }
      const recorder = new Aborting()
      const { transport } = await netConnection(kind, side, recorder, { reading: false })
      while (!transport.isClosing()) transport.write(CHUNK)
      await recorder.untilEvent('lost')
      await netTurns()
      expect(recorder.log).toEqual(['made', 'pause', 'lost'])
    })
  })

  describe('write', () => {
    it('takes strings, Uint8Arrays and Buffers, in order, with writeLines (A6)', async () => {
      const { transport, peer } = await netConnection(kind, side, new NetRecorder())
      transport.write('é')
      transport.write(new Uint8Array([65]))
      transport.write(Buffer.from('B'))
      transport.writeLines(['C', new Uint8Array([68])])
      transport.writeLines([])
      transport.close()
      await peer.until(() => peer.ended)
      expect(Buffer.concat(peer.chunks).toString()).toBe('éABCD')
    })

    it('keeps the order of small and large pieces over many turns', async () => {
      const { transport, peer } = await netConnection(kind, side, new NetRecorder())
      const sizes = [1, 70_000, 3, 0, 16_384, 300_000, 5, 65_536, 131_072, 2, 1_000_000]
      const sent: Buffer[] = []
      for (const [i, size] of sizes.entries()) {
        const piece = Buffer.alloc(size, i + 1)
        sent.push(piece)
        transport.write(piece)
        if (i % 3 === 0) await netTurns(1)
      }
      transport.close()
      await peer.until(() => peer.ended)
      expect(Buffer.concat(peer.chunks).equals(Buffer.concat(sent))).toBe(true)
    })

    it('of nothing does nothing (I6)', async () => {
      const { transport } = await netConnection(kind, side, new NetRecorder())
      transport.write('')
      transport.write(new Uint8Array(0))
      expect(transport.getWriteBufferSize()).toBe(0)
    })

    it('refuses what is neither bytes nor a string, also when closed or ended (I6)', async () => {
      const recorder = new NetRecorder()
      const { transport } = await netConnection(kind, side, recorder)
      const bad = [1, null, undefined, {}, [1, 2], new DataView(new ArrayBuffer(1))] as unknown as string[]
      for (const value of bad) expect(() => transport.write(value)).toThrow(TypeError)
      transport.writeEof()
      expect(() => transport.write(bad[0]!)).toThrow(TypeError)
      transport.close()
      await recorder.untilEvent('lost')
      expect(() => transport.write(bad[0]!)).toThrow(TypeError)
    })

    it('after close is dropped, with a warning from the fifth on (I6)', async () => {
      const recorder = new NetRecorder()
      const { transport, peer } = await netConnection(kind, side, recorder)
      const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
      netDefer(() => warn.mockRestore())
      transport.close()
      transport.write('')
      for (let i = 0; i < 4; i++) transport.write('dropped')
      await recorder.untilEvent('lost')
      expect(warn).not.toHaveBeenCalled()
      transport.write('dropped')
      expect(warn).toHaveBeenCalledTimes(1)
      expect(warn.mock.calls[0]![1]).toEqual({ code: 'MILLRACE_WRITE_AFTER_CLOSE' })
      await peer.until(() => peer.ended)
      expect(peer.text).toBe('')
    })

    it('gathers what is written in one turn, and counts it meanwhile (A5)', async () => {
      const { transport, peer } = await netConnection(kind, side, new NetRecorder())
      transport.write('ab')
      transport.write('c')
      expect(transport.getWriteBufferSize()).toBe(3)
      await peer.until(() => peer.size === 3)
      expect(peer.chunks).toHaveLength(1)
      expect(transport.getWriteBufferSize()).toBe(0)
    })

    it('to a peer that is gone ends in lost, with the reason as its cause (I14, N8)', async () => {
      const recorder = new NetRecorder()
      recorder.keepOpen = true
      const { transport, peer, errors } = await netConnection(kind, side, recorder)
      peer.socket.destroy()
      const writing = (async () => {
        while (recorder.lostWith === undefined) {
          transport.write('x')
          await netTurns(1)
        }
      })()
      await recorder.untilEvent('lost')
      await writing
      expect(recorder.lostWith).toBeInstanceOf(ConnectionLostError)
      expect((recorder.lostWith!.cause as NodeJS.ErrnoException).code).toMatch(/^(EPIPE|ECONNRESET)$/)
      expect(recorder.count('lost')).toBe(1)
      expect(errors).toEqual([])
    })

    it('encodes a message in place, and takes back what an encoder leaves half done', async () => {
      const { transport, peer } = await netConnection(kind, side, new NetRecorder())
      const encoder: Encoder<string> = {
        encode(message, out) {
          out.append(Buffer.from('<'))
          if (message === 'bad') throw new Error('cannot encode')
          out.append(Buffer.from(`${message}>`))
        },
      }
      transport.writeEncoded(encoder, 'a')
      expect(() => transport.writeEncoded(encoder, 'bad')).toThrow('cannot encode')
      transport.writeEncoded(encoder, 'b')
      transport.close()
      await peer.until(() => peer.ended)
      expect(peer.text).toBe('<a><b>')
    })
  })

  describe('bytesWritten', () => {
    it.each([
      ['by abort()', (transport: Transport) => transport.abort()],
      [
        'by a throw',
        (transport: Transport) => (transport.getExtraInfo('socket') as net.Socket).destroy(new Error('x')),
      ],
    ])('leaves out what is not sent, also when it was dropped %s', async (_, end) => {
      const recorder = new NetRecorder()
      const { transport } = await netConnection(kind, side, recorder, { reading: false })
      const written = clog(transport, recorder)
      const sent = transport.bytesWritten
      const unsent = transport.getWriteBufferSize()
      expect(sent + unsent).toBe(written)
      end(transport)
      await recorder.untilEvent('lost')
      expect(transport.bytesWritten).toBe(sent)
      const numbers = `0 bytes in and ${sent} out (${unsent} unsent)`
      expect(recorder.lostWith?.message ?? numbers).toMatch(numbers)
    })
  })

  describe('writeEof', () => {
    it('ends the write side behind what is buffered, while reading goes on (I7)', async () => {
      const recorder = new NetRecorder()
      const { transport, peer } = await netConnection(kind, side, recorder, { reading: false })
      expect(transport.canWriteEof()).toBe(true)
      const written = clog(transport, recorder)
      transport.writeEof()
      transport.writeEof()
      expect(transport.isClosing()).toBe(false)
      peer.read()
      await peer.until(() => peer.ended)
      expect(peer.size).toBe(written)
      peer.socket.end('answer')
      await recorder.untilEvent('lost')
      expect(recorder.text).toBe('answer')
      expect(recorder.lostWith).toBeNull()
    })

    it('sends what was written in the same turn before it (I7)', async () => {
      const { transport, peer } = await netConnection(kind, side, new NetRecorder())
      transport.write('last')
      transport.writeEof()
      await peer.until(() => peer.ended)
      expect(peer.text).toBe('last')
    })

    it('makes a later write throw (I6)', async () => {
      const { transport } = await netConnection(kind, side, new NetRecorder())
      transport.writeEof()
      expect(() => transport.write('x')).toThrow(InvalidStateError)
      expect(() => transport.writeEncoded({ encode() {} }, 'x')).toThrow(InvalidStateError)
    })

    it('does nothing when closing (I7)', async () => {
      const recorder = new NetRecorder()
      const { transport } = await netConnection(kind, side, recorder)
      transport.close()
      transport.writeEof()
      await recorder.untilEvent('lost')
      transport.writeEof()
      transport.write('dropped, and no error')
      expect(recorder.lostWith).toBeNull()
    })
  })

  describe('the end of the stream', () => {
    it('closes the transport if eofReceived returns nothing, after the buffer is sent (I8)', async () => {
      const recorder = new NetRecorder()
      const { transport, peer } = await netConnection(kind, side, recorder, { reading: false })
      const written = clog(transport, recorder)
      peer.socket.end()
      await recorder.untilEvent('eof')
      expect(transport.isClosing()).toBe(true)
      peer.read()
      await peer.until(() => peer.ended)
      expect(peer.size).toBe(written)
      await recorder.untilEvent('lost')
      expect(recorder.lostWith).toBeNull()
    })

    it('leaves writing open if eofReceived returns true: the protocol closes (I8, N5)', async () => {
      const recorder = new NetRecorder()
      recorder.keepOpen = true
      const { transport, peer } = await netConnection(kind, side, recorder)
      peer.socket.end('request')
      await recorder.untilEvent('eof')
      await netRoundTrip()
      expect(recorder.log).not.toContain('lost')
      expect(transport.isClosing()).toBe(false)
      transport.write('response')
      await peer.until(() => peer.text === 'response')
      expect(peer.ended).toBe(false)
      transport.close()
      await peer.until(() => peer.ended)
      await recorder.untilEvent('lost')
      expect(recorder.lostWith).toBeNull()
    })
  })

  describe('flow control of writing', () => {
    it('has marks of 64 KiB and 16 KiB (I9)', async () => {
      const { transport } = await netConnection(kind, side, new NetRecorder())
      expect(transport.getWriteBufferLimits()).toEqual([16 * 1024, 64 * 1024])
    })

    it('derives one mark from the other, and refuses what makes no sense, changing nothing (I9)', async () => {
      const { transport } = await netConnection(kind, side, new NetRecorder())
      transport.setWriteBufferLimits({ high: 1024 })
      expect(transport.getWriteBufferLimits()).toEqual([256, 1024])
      transport.setWriteBufferLimits({ low: 100 })
      expect(transport.getWriteBufferLimits()).toEqual([100, 400])
      for (const limits of [{ high: 1, low: 2 }, { low: -1 }, { high: -1 }, { high: NaN }]) {
        expect(() => transport.setWriteBufferLimits(limits)).toThrow(RangeError)
        expect(transport.getWriteBufferLimits()).toEqual([100, 400])
      }
      transport.setWriteBufferLimits()
      expect(transport.getWriteBufferLimits()).toEqual([16 * 1024, 64 * 1024])
    })

    it('pauses above the high mark, inside write, and resumes at the low mark (I9)', async () => {
      const recorder = new NetRecorder()
      const sizes: number[] = []
      recorder.resumeWriting = () => {
        sizes.push(transport.getWriteBufferSize())
        recorder.note('resume')
      }
      const { transport, peer } = await netConnection(kind, side, recorder, { reading: false })
      clog(transport, recorder)
      expect(transport.getWriteBufferSize()).toBeGreaterThan(64 * 1024)
      transport.write('more')
      expect(recorder.log).toEqual(['made', 'pause'])
      await netRoundTrip()
      expect(recorder.log).toEqual(['made', 'pause'])
      peer.read()
      await recorder.untilEvent('resume')
      expect(sizes[0]).toBeLessThanOrEqual(16 * 1024)
      await netRoundTrip()
      expect(recorder.log).toEqual(['made', 'pause', 'resume'])
    })

    it('pauses and resumes strictly in turn, for as long as there is to write (I9, N3)', async () => {
      const total = 24 * 1024 * 1024
      let written = 0
      class Producer extends NetRecorder {
        paused = false
        produce(): void {
          while (!this.paused && written < total) {
            this.transport.write(CHUNK)
            written += CHUNK.length
          }
          if (written >= total) this.transport.writeEof()
        }
        override pauseWriting(): void {
          super.pauseWriting()
          this.paused = true
        }
        override resumeWriting(): void {
          super.resumeWriting()
          this.paused = false
          this.produce()
        }
      }
      const recorder = new Producer()
      const { peer } = await netConnection(kind, side, recorder, { reading: false })
      recorder.produce()
      peer.read()
      await peer.until(() => peer.ended)
      expect(peer.size).toBe(total)
      const calls = recorder.log.filter((event) => event === 'pause' || event === 'resume')
      expect(calls.length).toBeGreaterThan(1)
      expect(calls).toEqual(calls.map((_, i) => (i % 2 === 0 ? 'pause' : 'resume')))
    })

    it('with a high mark of 0 pauses on any byte the system does not take, and resumes at none (I9)', async () => {
      const recorder = new NetRecorder()
      const sizes: number[] = []
      recorder.resumeWriting = () => {
        sizes.push(transport.getWriteBufferSize())
        recorder.note('resume')
      }
      const { transport, peer } = await netConnection(kind, side, recorder, { reading: false })
      transport.setWriteBufferLimits({ high: 0 })
      const small = Buffer.alloc(1000)
      let written = 0
      do {
        transport.write(small)
        written += small.length
        expect(transport.getWriteBufferSize() > 0).toBe(recorder.log.includes('pause'))
      } while (!recorder.log.includes('pause') && written < 256 * 1024 * 1024)
      expect(recorder.log).toEqual(['made', 'pause'])
      peer.read()
      await recorder.untilEvent('resume')
      expect(sizes).toEqual([0])
    })

    it('pauses from inside setWriteBufferLimits if the buffer is above the new mark (I9)', async () => {
      const recorder = new NetRecorder()
      const { transport } = await netConnection(kind, side, recorder, { reading: false })
      transport.setWriteBufferLimits({ high: 1024 * 1024 * 1024 })
      while (transport.getWriteBufferSize() < 1024 * 1024) transport.write(CHUNK)
      expect(recorder.log).toEqual(['made'])
      transport.setWriteBufferLimits({ high: 1024 })
      expect(recorder.log).toEqual(['made', 'pause'])
    })

    it('does not count what only waits for the end of the turn against new marks (A5, I9)', async () => {
      const recorder = new NetRecorder()
      const { transport, peer } = await netConnection(kind, side, recorder)
      transport.write(Buffer.alloc(1000))
      expect(transport.getWriteBufferSize()).toBe(1000)
      transport.setWriteBufferLimits({ high: 10 })
      expect(transport.getWriteBufferSize()).toBe(0)
      await peer.until(() => peer.size === 1000)
      expect(recorder.log).toEqual(['made'])
    })

    it('does not resume once closing (I11)', async () => {
      const recorder = new NetRecorder()
      const { transport, peer } = await netConnection(kind, side, recorder, { reading: false })
      clog(transport, recorder)
      transport.close()
      peer.read()
      await recorder.untilEvent('lost')
      expect(recorder.log).toEqual(['made', 'pause', 'lost'])
    })

    it('counts a large write byte by byte enough to come down gradually (N3)', async () => {
      const recorder = new NetRecorder()
      const { transport, peer } = await netConnection(kind, side, recorder, { reading: false })
      transport.write(Buffer.alloc(32 * 1024 * 1024))
      const before = transport.getWriteBufferSize()
      expect(before).toBeGreaterThan(1024 * 1024)
      peer.read()
      await peer.until(() => peer.size > 20 * 1024 * 1024)
      await netTurns(1)
      const after = transport.getWriteBufferSize()
      expect(after).toBeLessThan(before)
      await recorder.untilEvent('resume')
      await peer.until(() => peer.size === 32 * 1024 * 1024)
    })
  })

  describe('pauseReading and resumeReading', () => {
    it('may be called at any time, any number of times (I12, D20)', async () => {
      const recorder = new NetRecorder()
      const { transport, peer } = await netConnection(kind, side, recorder)
      expect(transport.isReading()).toBe(true)
      transport.resumeReading()
      transport.pauseReading()
      transport.pauseReading()
      expect(transport.isReading()).toBe(false)
      peer.socket.write('hello')
      await netRoundTrip()
      expect(recorder.log).toEqual(['made'])
      transport.resumeReading()
      transport.resumeReading()
      expect(transport.isReading()).toBe(true)
      expect(recorder.log).toEqual(['made'])
      await recorder.untilEvent('data')
      expect(recorder.text).toBe('hello')
      transport.close()
      expect(transport.isReading()).toBe(false)
      transport.pauseReading()
      transport.resumeReading()
      expect(transport.isReading()).toBe(false)
      await recorder.untilEvent('lost')
      transport.pauseReading()
      transport.resumeReading()
      expect(recorder.log).toEqual(['made', 'data', 'lost'])
    })

    it('slows the peer down: the rest stays with the systems (N1)', async () => {
      const recorder = new NetRecorder()
      const { transport, peer } = await netConnection(kind, side, recorder)
      transport.pauseReading()
      const total = 64 * 1024 * 1024
      for (let i = 0; i < 64; i++) peer.socket.write(Buffer.alloc(1024 * 1024))
      await netRoundTrip()
      expect(peer.socket.writableLength).toBeGreaterThan(1024 * 1024)
      const socket = transport.getExtraInfo('socket') as net.Socket
      expect(socket.bytesRead).toBeLessThanOrEqual(64 * 1024)
      expect(recorder.size).toBe(0)
      transport.resumeReading()
      await recorder.until(() => recorder.size === total)
    })

    it('inside dataReceived holds from the next chunk on, and loses nothing (I12)', async () => {
      class Stopping extends NetRecorder {
        override dataReceived(data: Buffer): void {
          super.dataReceived(data)
          this.transport.pauseReading()
        }
      }
      const recorder = new Stopping()
      const { transport, peer } = await netConnection(kind, side, recorder)
      const total = 1024 * 1024
      peer.socket.end(Buffer.alloc(total))
      await recorder.untilEvent('data')
      const socket = transport.getExtraInfo('socket') as net.Socket
      let chunks = 1
      while (recorder.size < total) {
        await netTurns()
        expect(recorder.chunks).toHaveLength(chunks)
        // Not only the delivery stops: nothing more is read either.
        expect(socket.bytesRead).toBe(recorder.size)
        transport.resumeReading()
        chunks++
        await recorder.until(() => recorder.chunks.length === chunks)
      }
      await netRoundTrip()
      expect(recorder.log).toEqual(['made', 'data'])
      transport.resumeReading()
      await recorder.untilEvent('lost')
      expect(recorder.log).toEqual(['made', 'data', 'eof', 'lost'])
    })

    it('does not notice the end of the stream while paused (I12, N6)', async () => {
      const recorder = new NetRecorder()
      const { transport, peer } = await netConnection(kind, side, recorder)
      transport.pauseReading()
      peer.socket.end()
      await netRoundTrip()
      expect(recorder.log).toEqual(['made'])
      transport.resumeReading()
      await recorder.untilEvent('lost')
      expect(recorder.log).toEqual(['made', 'eof', 'lost'])
    })

    it('undone in the same turn changes nothing', async () => {
      const recorder = new NetRecorder()
      const { transport, peer } = await netConnection(kind, side, recorder)
      for (let i = 0; i < 20; i++) {
        peer.socket.write(`${i % 10}`)
        transport.pauseReading()
        transport.resumeReading()
        await netTurns(1)
      }
      peer.socket.end()
      await recorder.untilEvent('lost')
      expect(recorder.text).toBe('01234567890123456789')
      expect(recorder.log).toEqual(['made', 'data', 'eof', 'lost'])
    })

    it('in a buffered protocol holds between two buffers (A18, I12)', async () => {
      const recorder = new NetRecorder()
      const memory = Buffer.alloc(2)
      const protocol = {
        connectionMade: (transport: Transport) => recorder.connectionMade(transport),
        getBuffer: () => memory,
        bufferUpdated(n: number) {
          recorder.transport.pauseReading()
          recorder.dataReceived(Buffer.from(memory.subarray(0, n)))
        },
        connectionLost: (error: Error | null) => recorder.connectionLost(error),
      }
      const { transport, peer } = await netConnection(kind, side, protocol)
      peer.socket.end('abcde')
      for (const expected of ['ab', 'abcd', 'abcde']) {
        await recorder.until(() => recorder.text === expected)
        await netRoundTrip()
        expect(recorder.text).toBe(expected)
        transport.resumeReading()
      }
      await recorder.untilEvent('lost')
    })
  })

  describe('a callback that throws', () => {
    const bug = new Error('bug')

    it.each(['dataReceived', 'eofReceived'] as const)(
      '%s: reported, and lost with that very error (I13)',
      async (callback) => {
        const recorder = new NetRecorder()
        recorder[callback] = () => {
          recorder.note('data')
          throw bug
        }
        const { peer, errors } = await netConnection(kind, side, recorder)
        if (callback === 'dataReceived') peer.socket.write('x')
        peer.socket.end()
        await recorder.untilEvent('lost')
        expect(recorder.lostWith).toBe(bug)
        expect(errors).toEqual([bug])
        await peer.until(() => peer.ended || peer.closed)
        expect(recorder.log).toEqual(['made', 'data', 'lost'])
      },
    )

    it.each([
      ['getBuffer', 'bug'],
      ['bufferUpdated', 'bug'],
      ['an empty buffer', 'getBuffer() returned an empty buffer'],
    ])('%s: likewise (I13, A18)', async (callback, message) => {
      const lost = netPromise<Error | null>()
      const protocol = {
        getBuffer(): Uint8Array {
          if (callback === 'getBuffer') throw bug
          return Buffer.alloc(callback === 'an empty buffer' ? 0 : 5)
        },
        bufferUpdated(): void {
          throw bug
        },
        connectionLost: lost.resolve,
      }
      const { peer, errors } = await netConnection(kind, side, protocol)
      peer.socket.write('x')
      const error = await lost.promise
      expect(error).toMatchObject({ message })
      expect(errors).toEqual([error])
      await peer.until(() => peer.ended || peer.closed)
    })

    it('dataReceived with something that is no Error: lost gets an Error all the same (I2, I13)', async () => {
      const recorder = new NetRecorder()
      recorder.dataReceived = () => {
        // oxlint-disable-next-line typescript/only-throw-error, no-throw-literal -- what user code may do
        throw 'a string'
      }
      const { peer, errors } = await netConnection(kind, side, recorder)
      peer.socket.write('x')
      await recorder.untilEvent('lost')
      expect(recorder.lostWith).toBeInstanceOf(Error)
      expect(recorder.lostWith!.cause).toBe('a string')
      expect(errors).toEqual(['a string'])
    })

    it('pauseWriting and resumeWriting: reported only (I13)', async () => {
      const recorder = new NetRecorder()
      recorder.pauseWriting = () => {
        recorder.note('pause')
        throw bug
      }
      recorder.resumeWriting = () => {
        recorder.note('resume')
        throw bug
      }
      const { transport, peer, errors } = await netConnection(kind, side, recorder, { reading: false })
      const written = clog(transport, recorder)
      expect(errors).toEqual([bug])
      peer.read()
      await recorder.untilEvent('resume')
      expect(errors).toEqual([bug, bug])
      await peer.until(() => peer.size === written)
      expect(transport.isClosing()).toBe(false)
    })

    it('connectionMade: reported, and the connection stays open (I13)', async () => {
      class Failing extends NetRecorder {
        override connectionMade(transport: Transport): void {
          super.connectionMade(transport)
          throw bug
        }
      }
      const recorder = new Failing()
      const { transport, peer, errors } = await netConnection(kind, side, recorder)
      expect(errors).toEqual([bug])
      peer.socket.write('hello')
      await recorder.untilEvent('data')
      transport.write('still here')
      await peer.until(() => peer.text === 'still here')
    })

    it('connectionLost: reported, and the socket is closed (I13)', async () => {
      const recorder = new NetRecorder()
      const lost = netPromise()
      recorder.connectionLost = () => {
        lost.resolve()
        throw bug
      }
      const { transport, peer, errors } = await netConnection(kind, side, recorder)
      transport.close()
      await lost.promise
      await peer.until(() => peer.ended)
      expect(errors).toEqual([bug])
      expect((transport.getExtraInfo('socket') as net.Socket).destroyed).toBe(true)
    })
  })

  describe('setProtocol', () => {
    it('sends the next event to the new protocol, which gets no connectionMade (A3)', async () => {
      const first = new NetRecorder()
      const second = new NetRecorder()
      const { transport, peer } = await netConnection(kind, side, first)
      expect(transport.getProtocol()).toBe(first)
      peer.socket.write('one')
      await first.untilEvent('data')
      transport.setProtocol(second)
      expect(transport.getProtocol()).toBe(second)
      peer.socket.end('two')
      await second.untilEvent('lost')
      expect(first.log).toEqual(['made', 'data'])
      expect(second.log).toEqual(['data', 'eof', 'lost'])
      expect(second.text).toBe('two')
    })

    it('from inside bufferUpdated sends the rest of what came to the new protocol (A3)', async () => {
      const second = new NetRecorder()
      const memory = Buffer.alloc(4)
      let head = ''
      const first = {
        transport: undefined as Transport | undefined,
        connectionMade(transport: Transport) {
          this.transport = transport
        },
        getBuffer: () => memory,
        bufferUpdated(n: number) {
          head += memory.toString('latin1', 0, n)
          this.transport!.setProtocol(second)
        },
      }
      const { peer } = await netConnection(kind, side, first)
      peer.socket.end('headtail')
      await second.untilEvent('lost')
      expect([head, second.text]).toEqual(['head', 'tail'])
      expect(second.log).toEqual(['data', 'eof', 'lost'])
    })

    it('may switch from a plain to a buffered protocol (A3)', async () => {
      const first = new NetRecorder()
      const { transport, peer } = await netConnection(kind, side, first)
      peer.socket.write('one')
      await first.untilEvent('data')
      const memory = Buffer.alloc(16)
      const updated = netPromise<string>()
      transport.setProtocol({
        getBuffer: () => memory,
        bufferUpdated: (n: number) => updated.resolve(memory.toString('latin1', 0, n)),
      })
      peer.socket.write('two')
      expect(await updated.promise).toBe('two')
      expect(first.text).toBe('one')
    })
  })

  it('delivers chunks of at most 256 KiB, which are the protocol’s to keep (A17)', async () => {
    const recorder = new NetRecorder()
    const { peer } = await netConnection(kind, side, recorder)
    const sent = Buffer.alloc(3_000_000)
    for (let i = 0; i < sent.length; i++) sent[i] = (i * 7) >> 3
    peer.socket.end(sent)
    await recorder.untilEvent('lost')
    expect(Math.max(...recorder.chunks.map((chunk) => chunk.length))).toBeLessThanOrEqual(256 * 1024)
    expect(Buffer.concat(recorder.chunks).equals(sent)).toBe(true)
  })
})

describe('SocketTransport over tcp', () => {
  describe.each(['server', 'client'] as const)('%s side', (side) => {
    it('a reset by the peer reaches lost as its cause, and is not reported (I14)', async () => {
      const recorder = new NetRecorder()
      const { peer, errors } = await netConnection('tcp', side, recorder)
      peer.socket.resetAndDestroy()
      await recorder.untilEvent('lost')
      expect(recorder.log).toEqual(['made', 'lost'])
      const error = recorder.lostWith as ConnectionLostError
      expect(error).toBeInstanceOf(ConnectionLostError)
      expect((error.cause as NodeJS.ErrnoException).code).toBe('ECONNRESET')
      expect(error.message).toMatch(/^connection with 127\.0\.0\.1:\d+ lost: read ECONNRESET after 0 bytes in/)
      expect(error.peer).toMatch(/^127\.0\.0\.1:\d+$/)
      expect(errors).toEqual([])
    })

    it('a reset is not noticed while paused; what came before it is delivered first (I12, N1)', async () => {
      class Stopping extends NetRecorder {
        override dataReceived(data: Buffer): void {
          super.dataReceived(data)
          this.transport.pauseReading()
        }
      }
      const recorder = new Stopping()
      const { transport, peer } = await netConnection('tcp', side, recorder)
      peer.socket.write('a')
      await recorder.untilEvent('data')
      peer.socket.resetAndDestroy()
      await netRoundTrip()
      expect(recorder.log).toEqual(['made', 'data'])
      expect(transport.isClosing()).toBe(false)
      transport.resumeReading()
      await recorder.untilEvent('lost')
      expect(recorder.lostWith).toBeInstanceOf(ConnectionLostError)
    })

    it('a chunk that was held while paused is not lost by a reset behind it (N1, D8)', async () => {
      const recorder = new NetRecorder()
      const { transport, peer } = await netConnection('tcp', side, recorder)
      transport.pauseReading()
      await new Promise<void>((resolve) => peer.socket.write(Buffer.alloc(1000), () => resolve()))
      await netRoundTrip()
      const socket = transport.getExtraInfo('socket') as net.Socket
      expect(socket.bytesRead).toBe(1000)
      peer.socket.resetAndDestroy()
      await netRoundTrip()
      expect(recorder.log).toEqual(['made'])
      transport.resumeReading()
      await recorder.untilEvent('lost')
      expect(recorder.size).toBe(1000)
      expect(recorder.log.filter((event) => event !== 'eof')).toEqual(['made', 'data', 'lost'])
    })

    it('writing while paused notices a reset (I12, N8)', async () => {
      const recorder = new NetRecorder()
      const { transport, peer } = await netConnection('tcp', side, recorder)
      transport.pauseReading()
      peer.socket.resetAndDestroy()
      await netRoundTrip()
      while (recorder.lostWith === undefined) {
        transport.write('x')
        await netTurns(1)
      }
      expect(recorder.lostWith).toBeInstanceOf(ConnectionLostError)
    })

    it('closing while paused after an unnoticed reset ends cleanly (I2, I12)', async () => {
      const recorder = new NetRecorder()
      const { transport, peer } = await netConnection('tcp', side, recorder)
      transport.pauseReading()
      peer.socket.resetAndDestroy()
      await netRoundTrip()
      transport.close()
      expect(recorder.log).toEqual(['made'])
      await recorder.untilEvent('lost')
      await netTurns()
      expect(recorder.count('lost')).toBe(1)
      expect(recorder.lostWith).toBeNull()
    })

    it('a write in flight when the peer resets ends in lost, once (I2, I14)', async () => {
      const recorder = new NetRecorder()
      const { transport, peer, errors } = await netConnection('tcp', side, recorder, { reading: false })
      clog(transport, recorder)
      peer.socket.resetAndDestroy()
      await recorder.untilEvent('lost')
      await netTurns()
      expect(recorder.log).toEqual(['made', 'pause', 'lost'])
      expect(recorder.lostWith).toBeInstanceOf(ConnectionLostError)
      expect(transport.getWriteBufferSize()).toBe(0)
      expect(errors).toEqual([])
    })

    it('a reset while close() is still sending ends in lost with the reason (I14)', async () => {
      const recorder = new NetRecorder()
      const { transport, peer } = await netConnection('tcp', side, recorder, { reading: false })
      clog(transport, recorder)
      transport.close()
      peer.socket.resetAndDestroy()
      await recorder.untilEvent('lost')
      expect(recorder.lostWith).toBeInstanceOf(ConnectionLostError)
      expect(recorder.count('lost')).toBe(1)
    })

    it('small data with a reset right behind it: whatever is told, lost comes last and once (N7)', async () => {
      const recorder = new NetRecorder()
      const { peer } = await netConnection('tcp', side, recorder)
      peer.socket.write('x')
      peer.socket.resetAndDestroy()
      await recorder.untilEvent('lost')
      await netTurns()
      expect(recorder.log.at(-1)).toBe('lost')
      expect(recorder.count('lost')).toBe(1)
      expect(recorder.count('eof')).toBeLessThanOrEqual(1)
    })

    it('abort({ reset: true }) sends a reset (A8)', async () => {
      const recorder = new NetRecorder()
      const { transport, peer } = await netConnection('tcp', side, recorder)
      transport.abort({ reset: true })
      await peer.until(() => peer.closed)
      expect(peer.error?.code).toBe('ECONNRESET')
      await recorder.untilEvent('lost')
      expect(recorder.lostWith).toBeNull()
    })

    it('knows both addresses and its socket (A1)', async () => {
      const recorder = new NetRecorder()
      const { transport, peer } = await netConnection('tcp', side, recorder)
      const { localAddress, localPort, remoteAddress, remotePort } = peer.socket
      expect(transport.getExtraInfo('peername')).toEqual([localAddress, localPort])
      expect(transport.getExtraInfo('sockname')).toEqual([remoteAddress, remotePort])
      expect(transport.getExtraInfo('socket')).toBeInstanceOf(net.Socket)
      expect(transport.getExtraInfo('cipher')).toBeNull()
      expect(transport.getExtraInfo('cipher', 'none')).toBe('none')
      // The names stay known, …
      transport.close()
      await recorder.untilEvent('lost')
      expect(transport.getExtraInfo('peername')).toEqual([localAddress, localPort])
      expect(transport.getExtraInfo('sockname')).toEqual([remoteAddress, remotePort])
      // … but our own is only remembered if it was asked for in time.
      const unasked = new NetRecorder()
      const { transport: other } = await netConnection('tcp', side, unasked)
      other.close()
      await unasked.untilEvent('lost')
      expect(other.getExtraInfo('sockname')).toBeNull()
    })
  })

  it('has TCP_NODELAY on: small writes with answers in between do not wait for each other (A72)', async () => {
    const { address, accepted } = await netListen()
    const connecting = createConnection(NetRecorder, { host: '127.0.0.1', port: (address as { port: number }).port })
    const [transport] = await connecting
    netDefer(() => transport.abort())
    const peer = await accepted()
    const before = performance.now()
    for (let i = 1; i <= 20; i++) {
      transport.write('a')
      await netTurns(1)
      transport.write('b')
      await peer.until(() => peer.size === 2 * i)
    }
    // With Nagle's algorithm each second write waits for a delayed acknowledgement of 40 ms.
    expect(performance.now() - before).toBeLessThan(20 * 40)
  })

  it('calls connectionMade before createConnection resolves, and reads later (I3)', async () => {
    const { port, server } = await netServe(
      class extends Protocol {
        override connectionMade(transport: Transport): void {
          transport.write('greeting')
        }
      },
    )
    const recorder = new NetRecorder()
    const [transport, protocol] = await createConnection(() => recorder, { host: '127.0.0.1', port })
    expect(recorder.log).toEqual(['made'])
    expect(protocol).toBe(recorder)
    transport.pauseReading()
    await netRoundTrip()
    expect(recorder.log).toEqual(['made'])
    transport.resumeReading()
    await recorder.untilEvent('data')
    expect(recorder.text).toBe('greeting')
    transport.close()
    server.close()
    await recorder.untilEvent('lost')
  })

  it('pausing in the turn after createConnection is in time for whatever the peer has sent (I3)', async () => {
    const { address, accepted } = await netListen()
    const recorder = new NetRecorder()
    const [transport] = await createConnection(() => recorder, address as { port: number })
    netDefer(() => transport.abort())
    transport.pauseReading()
    const peer = await accepted()
    peer.socket.write('x')
    await netRoundTrip()
    expect(recorder.log).toEqual(['made'])
  })
})

describe('SocketTransport over tcp, accepted when its peer had gone', () => {
  it('is made and lost like any other, and does not know the peer (A1, I2)', async () => {
    const recorder = new NetRecorder()
    const { port } = await netServe(() => recorder)
    // Nothing is accepted while this thread waits for the program.
    const program = `require('net').connect(${port}, '127.0.0.1', function () { this.resetAndDestroy() })`
    expect(spawnSync(process.execPath, ['-e', program]).status).toBe(0)
    await recorder.untilEvent('lost')
    expect(recorder.log).toEqual(['made', 'lost'])
    expect(recorder.transport.getExtraInfo('peername')).toBeNull()
    expect(recorder.lostWith!.message).toMatch(/^connection with \(unknown\) lost: read ECONNRESET/)
  })
})

describe('SocketTransport over unix', () => {
  it('knows the path of the listening end; the other has no name (A1)', async () => {
    const accepted = netPromise<Transport>()
    const { address } = await netServe(() => ({ connectionMade: accepted.resolve }), 'unix')
    const { path } = address as { path: string }
    await netDial(address)
    const transport = await accepted.promise
    expect(transport.getExtraInfo('sockname')).toBe(path)
    expect(transport.getExtraInfo('peername')).toBe('')

    const { transport: client } = await netConnection('unix', 'client', new NetRecorder())
    expect(client.getExtraInfo('sockname')).toBe('')
    expect(client.getExtraInfo('peername')).toMatch(/\/socket$/)
  })

  it('abort({ reset: true }) is an ordinary abort (A8)', async () => {
    const recorder = new NetRecorder()
    const { transport, peer } = await netConnection('unix', 'client', recorder)
    transport.abort({ reset: true })
    await peer.until(() => peer.ended || peer.closed)
    await recorder.untilEvent('lost')
    expect(recorder.lostWith).toBeNull()
  })
})
