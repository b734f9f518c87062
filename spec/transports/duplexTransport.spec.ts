import { Duplex, PassThrough, Readable, type DuplexOptions } from 'node:stream'
import { connectDuplex } from '../../lib/endpoints/connectDuplex.ts'
import { ConnectionLostError, InvalidStateError, NotImplementedError } from '../../lib/errors.ts'
import { BufferedProtocol } from '../../lib/protocol.ts'
import type { Transport } from '../../lib/transport.ts'
import { allocationsOf } from '../support/allocations.ts'
import { CrossedDuplex } from '../support/crossedDuplexes.ts'
import { NetRecorder, netTurns } from '../support/netTools.ts'
import { thrownBy } from '../support/thrown.ts'

/** Our end of a wire, and the bare stream at the other. */
function connected(options: DuplexOptions = {}, recorder = new NetRecorder()) {
  const [near, far] = CrossedDuplex.pair(options)
  const errors: unknown[] = []
  far.on('error', () => {})
  const [transport] = connectDuplex(() => recorder, near, { onConnectionError: (error) => void errors.push(error) })
  return { transport, recorder, near, far, errors }
}

// What it shares with all transports is in spec/testing/checkTransport.spec.ts.
describe('connectDuplex', () => {
  it('returns the transport and the protocol, whose connectionMade has run', () => {
    const [near] = CrossedDuplex.pair()
    const [transport, recorder] = connectDuplex(NetRecorder, near)
    expect(recorder.log).toEqual(['made'])
    expect(recorder.transport).toBe(transport)
    expect(transport.getExtraInfo('socket')).toBe(near)
    expect(transport.getExtraInfo('peername')).toBeNull()
  })

  it('names the connection as it is told, or as the stream says', () => {
    const extraInfo = { peername: 'ssh:builder' as const }
    const [named] = connectDuplex(NetRecorder, CrossedDuplex.pair()[0], { extraInfo })
    expect(named.getExtraInfo('peername')).toBe('ssh:builder')
    const addresses = { remoteAddress: '10.0.0.1', remotePort: 22, localAddress: '10.0.0.2', localPort: 5000 }
    const [like] = connectDuplex(NetRecorder, Object.assign(CrossedDuplex.pair()[0], addresses))
    expect(like.getExtraInfo('peername')).toEqual(['10.0.0.1', 22])
    expect(like.getExtraInfo('sockname')).toEqual(['10.0.0.2', 5000])
  })

  it('refuses a stream that is destroyed or decodes text, and touches none whose factory throws', () => {
    const [gone] = CrossedDuplex.pair()
    gone.destroy()
    expect(() => connectDuplex(NetRecorder, gone)).toThrow(TypeError)
    expect(() => connectDuplex(NetRecorder, CrossedDuplex.pair()[0].setEncoding('hex'))).toThrow('not hex')
    const [kept] = CrossedDuplex.pair()
    const failure = new Error('no protocol')
    const failing = (): never => {
      throw failure
    }
    expect(thrownBy(() => connectDuplex(failing, kept))).toBe(failure)
    expect(kept.listenerCount('data')).toBe(0)
    expect(kept.destroyed).toBe(false)
  })

  it('reports what connectionMade throws, and goes on', async () => {
    class Failing extends NetRecorder {
      override connectionMade(): void {
        throw new Error('not today')
      }
    }
    const { recorder, far, errors } = connected({}, new Failing())
    expect(errors).toEqual([new Error('not today')])
    far.write('x')
    await recorder.untilEvent('data')
  })
})

describe('DuplexTransport', () => {
  describe('reading', () => {
    it('begins after the caller has had a turn, with what the stream had read before', async () => {
      const [near, far] = CrossedDuplex.pair()
      far.write('early')
      await netTurns()
      expect(near.readableLength).toBe(5)
      const [transport, recorder] = connectDuplex(NetRecorder, near)
      await Promise.resolve()
      expect(recorder.log).toEqual(['made'])
      transport.pauseReading()
      await netTurns()
      expect(recorder.log).toEqual(['made'])
      transport.resumeReading()
      expect(recorder.log).toEqual(['made'])
      await recorder.untilEvent('data')
      expect(recorder.text).toBe('early')
    })

    it('sees an end that the stream has given before', async () => {
      const [near, far] = CrossedDuplex.pair()
      far.end()
      near.resume()
      await new Promise((resolve) => near.on('end', resolve))
      const recorder = new NetRecorder()
      recorder.keepOpen = true
      const [transport] = connectDuplex(() => recorder, near)
      await recorder.untilEvent('eof')
      far.resume()
      transport.write('still here')
      transport.close()
      await recorder.untilEvent('lost')
      expect(recorder.log).toEqual(['made', 'eof', 'lost'])
    })

    it('paused, leaves the bytes in the stream, and the stream holds its writer back', async () => {
      const { transport, recorder, far, near } = connected({ readableHighWaterMark: 10 })
      await netTurns()
      transport.pauseReading()
      let taken = 0
      for (let i = 0; i < 100; i++) far.write('1234', () => taken++)
      await netTurns(50)
      expect(recorder.log).toEqual(['made'])
      expect(near.readableLength).toBeLessThanOrEqual(12)
      expect(taken).toBeLessThanOrEqual(3)
      transport.resumeReading()
      await recorder.until(() => recorder.size === 400)
    })

    it('delivers no more of a chunk to a BufferedProtocol that has paused, and puts the rest back', async () => {
      const pieces: string[] = []
      const memory = Buffer.alloc(3)
      let transport!: Transport
      class Buffered extends BufferedProtocol {
        override connectionMade(each: Transport): void {
          transport = each
        }
        override getBuffer(): Uint8Array {
          return memory
        }
        override bufferUpdated(n: number): void {
          pieces.push(memory.toString('latin1', 0, n))
          transport.pauseReading()
        }
        override eofReceived(): void {
          pieces.push('end')
        }
      }
      const [near, far] = CrossedDuplex.pair()
      connectDuplex(Buffered, near)
      far.end('abcdefg')
      for (const expected of [['abc'], ['abc', 'def'], ['abc', 'def', 'g'], ['abc', 'def', 'g', 'end']]) {
        await netTurns()
        expect(pieces).toEqual(expected)
        expect(transport.bytesRead).toBe(Math.min(7, 3 * expected.length))
        transport.resumeReading()
      }
    })

    it('never calls dataReceived from inside write(), even if the stream answers there', async () => {
      const echo = new PassThrough()
      const [transport, recorder] = connectDuplex(NetRecorder, echo)
      await netTurns()
      // Above what is gathered: handed over from inside the call.
      transport.write(Buffer.alloc(100_000, 'x'))
      transport.write('end')
      expect(recorder.log).toEqual(['made', 'pause'])
      await recorder.until(() => recorder.size === 100_003)
      expect(recorder.text.endsWith('xend')).toBe(true)
    })

    it('takes strings and arrays of bytes from a stream of objects, and is lost over anything else', async () => {
      const { recorder, far, near, errors } = connected({ readableObjectMode: true })
      near.push('grün ')
      near.push(new Uint8Array([0x61]))
      near.push('')
      await recorder.until(() => recorder.size === 7)
      expect(Buffer.concat(recorder.chunks).toString()).toBe('grün a')
      expect(recorder.chunks.every((chunk) => chunk instanceof Buffer)).toBe(true)
      near.push({ not: 'bytes' })
      await recorder.untilEvent('lost')
      expect(recorder.lostWith).toBeInstanceOf(TypeError)
      expect(errors).toEqual([recorder.lostWith])
      expect(near.destroyed).toBe(true)
      far.destroy()
    })
  })

  describe('writing', () => {
    it('hands over in one piece what is written in a turn', async () => {
      const { transport, far } = connected()
      const pieces: string[] = []
      far.on('data', (chunk) => pieces.push(String(chunk)))
      for (const piece of ['a', 'b', 'c']) transport.write(piece)
      await Promise.resolve()
      transport.write('d')
      expect(transport.getWriteBufferSize()).toBe(4)
      await netTurns()
      transport.write('e')
      await netTurns()
      expect(pieces).toEqual(['abcd', 'e'])
    })

    it('has marks of its own, whatever the thresholds of the stream', async () => {
      const { transport, recorder, far } = connected({ highWaterMark: 1 })
      transport.setWriteBufferLimits({ high: 1000, low: 100 })
      transport.write(Buffer.alloc(500))
      await netTurns()
      expect(recorder.log).toEqual(['made'])
      transport.write(Buffer.alloc(501))
      expect(recorder.log).toEqual(['made', 'pause'])
      far.resume()
      await recorder.untilEvent('resume')
      expect(transport.getWriteBufferSize()).toBeLessThanOrEqual(100)
    })

    it('never leaves the stream more than a slice, and counts the rest itself', async () => {
      const { transport, near } = connected()
      transport.write(Buffer.alloc(1_000_000))
      await netTurns()
      expect(near.writableLength).toBeLessThanOrEqual(64 * 1024)
      expect(transport.getWriteBufferSize() + transport.bytesWritten).toBe(1_000_000)
      expect(transport.getWriteBufferSize()).toBeGreaterThan(900_000)
    })

    it('takes no block for each message while the stream takes none', async () => {
      const { transport } = connected()
      transport.write(Buffer.alloc(300_000))
      await netTurns()
      const { bytes } = allocationsOf(() => {
        for (let i = 0; i < 1000; i++) transport.write('0123456789')
      })
      expect(bytes).toBeLessThan(100_000)
    })

    it('does not write an empty chunk', async () => {
      const { transport, near } = connected()
      const write = jest.spyOn(near, 'write')
      transport.write('')
      transport.writeLines(['', new Uint8Array(0)])
      transport.writeEof()
      await netTurns()
      expect(write).not.toHaveBeenCalled()
    })

    it('warns from the fifth write after close on', () => {
      const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
      const { transport } = connected()
      transport.close()
      for (let i = 0; i < 4; i++) transport.write('x')
      expect(warned).not.toHaveBeenCalled()
      transport.write('x')
      expect(warned).toHaveBeenCalledTimes(1)
      warned.mockRestore()
    })
  })

  describe('without half-open', () => {
    it('has no writeEof, and closes at the end of the peer, whatever eofReceived says', async () => {
      const { transport, recorder, far } = connected({ allowHalfOpen: false })
      recorder.keepOpen = true
      expect(transport.canWriteEof()).toBe(false)
      expect(thrownBy(() => transport.writeEof())).toBeInstanceOf(NotImplementedError)
      const written = Buffer.alloc(300_000, 'x')
      transport.write(written)
      far.end('bye')
      await recorder.untilEvent('eof')
      await netTurns()
      let size = 0
      far.on('data', (chunk: Buffer) => (size += chunk.length))
      await recorder.untilEvent('lost')
      expect(recorder.log.filter((event) => event !== 'pause' && event !== 'resume')).toEqual([
        'made',
        'data',
        'eof',
        'lost',
      ])
      expect(recorder.lostWith).toBeNull()
      expect(size).toBe(written.length)
    })

    it('reads a stream that cannot be written to, up to its end', async () => {
      const source = new Readable({ read() {} })
      const readable = Duplex.from({ readable: source } as never)
      const [transport, recorder] = connectDuplex(NetRecorder, readable)
      recorder.keepOpen = true
      expect(transport.canWriteEof()).toBe(false)
      expect(() => transport.write('x')).toThrow(InvalidStateError)
      source.push('text')
      source.push(null)
      await recorder.untilEvent('lost')
      expect(recorder.log).toEqual(['made', 'data', 'eof', 'lost'])
      expect([recorder.text, recorder.lostWith, readable.destroyed]).toEqual(['text', null, true])
    })
  })

  describe('the end', () => {
    it('when both sides have ended, waits for close() though the stream destroys itself', async () => {
      const { transport, recorder, far, near } = connected()
      recorder.keepOpen = true
      transport.writeEof()
      far.resume()
      far.end()
      await new Promise((resolve) => near.on('close', resolve))
      await netTurns()
      expect(recorder.log).toEqual(['made', 'eof'])
      expect(transport.isClosing()).toBe(false)
      transport.close()
      expect(recorder.log).toEqual(['made', 'eof'])
      await recorder.untilEvent('lost')
      expect(recorder.lostWith).toBeNull()
    })

    it('of the peer is not noticed while reading is paused', async () => {
      const { transport, recorder, far } = connected()
      await netTurns()
      transport.pauseReading()
      far.end('x')
      await netTurns()
      expect(recorder.log).toEqual(['made'])
      transport.resumeReading()
      await recorder.untilEvent('lost')
      expect(recorder.log).toEqual(['made', 'data', 'eof', 'lost'])
    })

    it('by an error destroys a stream that does not do so by itself', async () => {
      const { recorder, near } = connected({ autoDestroy: false })
      near.emit('error', new Error('the tunnel fell in'))
      await recorder.untilEvent('lost')
      expect(near.destroyed).toBe(true)
    })

    it('comes when a write to the stream throws, and nobody else is thrown at', async () => {
      const { transport, recorder, near } = connected()
      near._write = () => {
        throw new Error('not made for this')
      }
      transport.write('x')
      await expect(transport.flush()).rejects.toThrow('not made for this')
      await recorder.untilEvent('lost')
      expect(recorder.lostWith!.message).toMatch('not made for this after 0 bytes in and 0 out')
    })

    it('by an error names the numbers and the cause, also while reading is paused', async () => {
      const { transport, recorder, near, far, errors } = connected()
      far.write('four')
      await recorder.untilEvent('data')
      transport.pauseReading()
      transport.write('to you')
      await netTurns()
      const failure = Object.assign(new Error('the tunnel fell in'), { code: 'ETUNNEL' })
      near.destroy(failure)
      await recorder.untilEvent('lost')
      expect(recorder.lostWith).toBeInstanceOf(ConnectionLostError)
      expect(recorder.lostWith).toMatchObject({
        message: 'connection with (unknown) lost: ETUNNEL after 4 bytes in and 6 out (0 unsent)',
        cause: failure,
      })
      expect(errors).toEqual([])
    })

    it('of a stream that is closed before its end is a loss', async () => {
      const { recorder, near } = connected()
      near.destroy()
      await recorder.untilEvent('lost')
      expect(recorder.lostWith).toMatchObject({
        code: 'ERR_MILLRACE_CONNECTION_LOST',
        message: expect.stringContaining('closed before its end'),
      })
    })

    it('by close() waits for the stream to take everything, then destroys it', async () => {
      const { transport, recorder, near, far } = connected()
      transport.write(Buffer.alloc(200_000))
      transport.close()
      await netTurns(20)
      expect(recorder.log).not.toContain('lost')
      let size = 0
      far.on('data', (chunk: Buffer) => (size += chunk.length))
      await recorder.untilEvent('lost')
      expect([size, near.destroyed, recorder.lostWith]).toEqual([200_000, true, null])
    })

    it('by close() reads on, and drops it: a stream may send only as long as it is read from', async () => {
      const mill = new PassThrough({ highWaterMark: 10 })
      const [transport, recorder] = connectDuplex(NetRecorder, mill)
      transport.pauseReading()
      transport.write(Buffer.alloc(1000))
      transport.close()
      await recorder.untilEvent('lost')
      expect(recorder.log).toEqual(['made', 'lost'])
      expect(recorder.lostWith).toBeNull()
    })

    it('by abort() comes in the next turn even if the stream never says that it is closed', async () => {
      const stuck = new Duplex({ read() {}, write() {}, destroy() {} })
      const [transport, recorder] = connectDuplex(NetRecorder, stuck)
      transport.write('never sent')
      transport.abort()
      expect(recorder.log).toEqual(['made'])
      await recorder.untilEvent('lost')
      expect(recorder.lostWith).toBeNull()
    })

    it('by abort() with a reset hands the stream an error, that its other end may know', async () => {
      const { transport, recorder, far } = connected()
      const failed = new Promise((resolve) => far.on('error', resolve))
      transport.abort({ reset: true })
      expect(await failed).toMatchObject({ code: 'ECONNRESET' })
      await recorder.untilEvent('lost')
      expect(recorder.lostWith).toBeNull()
    })

    it('in a turn in which the protocol throws is told with that error', async () => {
      class Failing extends NetRecorder {
        override eofReceived(): never {
          throw new TypeError('cannot end')
        }
      }
      const { recorder, far, near, errors } = connected({}, new Failing())
      far.end()
      await recorder.untilEvent('lost')
      expect(recorder.lostWith).toEqual(new TypeError('cannot end'))
      expect(errors).toEqual([recorder.lostWith])
      expect(near.destroyed).toBe(true)
    })
  })
})
