import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { PassThrough, Writable } from 'node:stream'
import type { ConnectionEvent } from '../../lib/diagnostics.ts'
import { connectWritePipe } from '../../lib/endpoints/connectPipe.ts'
import { netDefer, NetRecorder, netTurns } from '../support/netTools.ts'

/** A stream that deals with a write when it is told to. */
class Slow extends Writable {
  taken = ''
  #next: (() => void) | undefined

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.#next = () => {
      this.taken += chunk.toString('latin1')
      callback()
    }
  }

  async take(): Promise<void> {
    this.#next!()
    await netTurns()
  }
}

// How it does over real pipes is in spec/endpoints/connectPipe.spec.ts.
describe('WritePipeTransport', () => {
  it('counts by the byte, between its own marks', async () => {
    const stream = new Slow()
    const [output, protocol] = connectWritePipe(NetRecorder, stream)
    output.setWriteBufferLimits({ high: 10, low: 2 })
    output.write('x'.repeat(10))
    await netTurns()
    expect(protocol.log).toEqual(['made'])
    output.write('y')
    expect([protocol.log, output.getWriteBufferSize(), output.bytesWritten]).toEqual([['made', 'pause'], 11, 0])
    await stream.take()
    expect([protocol.log, output.getWriteBufferSize(), output.bytesWritten]).toEqual([
      ['made', 'pause', 'resume'],
      1,
      10,
    ])
    output.close()
    await stream.take()
    await protocol.untilEvent('lost')
    expect(stream.taken).toBe(`${'x'.repeat(10)}y`)
    expect(stream.writableFinished).toBe(true)
  })

  it('writes a message through its encoder, and nothing of one that fails', async () => {
    const stream = new PassThrough()
    const [output] = connectWritePipe(NetRecorder, stream)
    output.writeEncoded({ encode: (text: string, out) => out.append(Buffer.from(text)) }, 'whole ')
    const failing = {
      encode(text: string, out: { append(bytes: Uint8Array): void }) {
        out.append(Buffer.from(text))
        throw new Error('half')
      },
    }
    expect(() => output.writeEncoded(failing, 'broken')).toThrow('half')
    output.write('again')
    output.close()
    expect(Buffer.concat(await stream.toArray()).toString()).toBe('whole again')
  })

  it('drops what is written after close(), and warns from the fifth time on', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    netDefer(() => warn.mockRestore())
    const stream = new PassThrough()
    const [output, protocol] = connectWritePipe(NetRecorder, stream)
    output.close()
    for (let i = 0; i < 4; i++) output.write('late')
    expect(warn).not.toHaveBeenCalled()
    output.write('late')
    await protocol.untilEvent('lost')
    expect(warn).toHaveBeenCalledTimes(1)
    expect((await stream.toArray()).length).toBe(0)
  })

  it('hands the next event to the protocol that was set last', async () => {
    const [output, first] = connectWritePipe(NetRecorder, new PassThrough())
    const second = new NetRecorder()
    output.setProtocol(second)
    expect(output.getProtocol()).toBe(second)
    output.abort()
    expect(second.log).toEqual([])
    await second.untilEvent('lost')
    expect(first.log).toEqual(['made'])
  })

  it('reports what its protocol throws, and goes on', async () => {
    const errors: unknown[] = []
    const thrown = new Error('thrown')
    const protocol = {
      connectionMade() {
        throw thrown
      },
      pauseWriting() {
        throw thrown
      },
      connectionLost() {
        throw thrown
      },
    }
    const stream = new PassThrough()
    const onConnectionError = (error: unknown): void => void errors.push(error)
    const [output] = connectWritePipe(() => protocol, stream, { onConnectionError })
    expect(errors).toEqual([thrown])
    output.write('x'.repeat(100_000))
    expect(errors).toEqual([thrown, thrown])
    output.abort()
    await netTurns()
    expect(errors).toEqual([thrown, thrown, thrown])
  })

  it('is seen on the diagnostics channels', async () => {
    const seen: unknown[] = []
    const [opened, closed] = [
      (message: unknown) => seen.push(['open', (message as ConnectionEvent).peer]),
      (message: unknown) => {
        const { peer, bytesWritten, error } = message as ConnectionEvent
        seen.push(['close', peer, bytesWritten, error])
      },
    ]
    subscribe('millrace:connection:open', opened)
    subscribe('millrace:connection:close', closed)
    netDefer(() => {
      unsubscribe('millrace:connection:open', opened)
      unsubscribe('millrace:connection:close', closed)
    })
    const [output, protocol] = connectWritePipe(NetRecorder, new PassThrough(), { extraInfo: { name: 'the log' } })
    output.write('12345')
    output.close()
    await protocol.untilEvent('lost')
    expect(seen).toEqual([
      ['open', 'the log'],
      ['close', 'the log', 5, null],
    ])
  })
})
