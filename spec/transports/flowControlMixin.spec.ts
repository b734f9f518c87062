import type { AnyProtocol } from '../../lib/protocol.ts'
import { Transport, type BufferLimits } from '../../lib/transport.ts'
import { FlowControlMixin } from '../../lib/transports/flowControlMixin.ts'

/** A transport as one may write it: bytes go into a buffer, and `send` takes them out of it. */
class BufferingTransport extends Transport {
  readonly log: string[] = []
  readonly errors: unknown[] = []
  protocol: AnyProtocol = {
    pauseWriting: () => void this.log.push('pause'),
    resumeWriting: () => void this.log.push('resume'),
  }
  readonly flow = new FlowControlMixin(this, (error) => this.errors.push(error))
  #size = 0
  #closing = false

  override getProtocol(): AnyProtocol {
    return this.protocol
  }
  override isClosing(): boolean {
    return this.#closing
  }
  override close(): void {
    this.#closing = true
  }
  override getWriteBufferSize(): number {
    return this.#size
  }
  override setWriteBufferLimits(limits?: BufferLimits): void {
    this.flow.setWriteBufferLimits(limits)
  }
  override getWriteBufferLimits(): [low: number, high: number] {
    return this.flow.getWriteBufferLimits()
  }
  override write(data: Uint8Array | string): void {
    this.#size += data.length
    this.flow.maybePauseProtocol()
  }
  send(n: number): void {
    this.#size -= n
    this.flow.maybeResumeProtocol()
  }
  fill(n: number): void {
    this.write(Buffer.alloc(n))
  }
}

describe('FlowControlMixin (A13, S13)', () => {
  it('has marks of 64 KiB and 16 KiB (I9)', () => {
    expect(new BufferingTransport().getWriteBufferLimits()).toEqual([16 * 1024, 64 * 1024])
  })

  it.each<[BufferLimits | undefined, [number, number]]>([
    [undefined, [16 * 1024, 64 * 1024]],
    [{}, [16 * 1024, 64 * 1024]],
    [{ high: 100 }, [25, 100]],
    [{ high: 102 }, [25, 102]],
    [{ low: 25 }, [25, 100]],
    [{ high: 50, low: 50 }, [50, 50]],
    [{ high: 0 }, [0, 0]],
    [{ low: 0 }, [0, 0]],
    [{ high: undefined, low: 3 }, [3, 12]],
    [{ high: Infinity, low: 5 }, [5, Infinity]],
  ])('of %j are %j (I9)', (limits, expected) => {
    const transport = new BufferingTransport()
    transport.setWriteBufferLimits({ high: 7, low: 3 })
    transport.setWriteBufferLimits(limits)
    expect(transport.getWriteBufferLimits()).toEqual(expected)
  })

  it.each<BufferLimits>([
    { high: 10, low: 11 },
    { high: -1 },
    { low: -1 },
    { high: 5, low: -1 },
    { high: NaN },
    { low: NaN },
    { high: NaN, low: NaN },
  ])('refuses %j, and changes nothing (I9)', (limits) => {
    const transport = new BufferingTransport()
    transport.setWriteBufferLimits({ high: 7, low: 3 })
    expect(() => transport.setWriteBufferLimits(limits)).toThrow(RangeError)
    expect(transport.getWriteBufferLimits()).toEqual([3, 7])
  })

  it('pauses strictly above the high mark, synchronously, once (I9)', () => {
    const transport = new BufferingTransport()
    transport.setWriteBufferLimits({ high: 100 })
    transport.fill(100)
    expect(transport.log).toEqual([])
    expect(transport.flow.protocolPaused).toBe(false)
    transport.fill(1)
    expect(transport.log).toEqual(['pause'])
    expect(transport.flow.protocolPaused).toBe(true)
    transport.fill(1000)
    expect(transport.log).toEqual(['pause'])
  })

  it('resumes at the low mark, once (I9)', () => {
    const transport = new BufferingTransport()
    transport.setWriteBufferLimits({ high: 100, low: 20 })
    transport.fill(120)
    transport.send(99)
    expect(transport.log).toEqual(['pause'])
    transport.send(1)
    expect(transport.log).toEqual(['pause', 'resume'])
    transport.send(20)
    expect(transport.log).toEqual(['pause', 'resume'])
    transport.fill(101)
    transport.send(101)
    expect(transport.log).toEqual(['pause', 'resume', 'pause', 'resume'])
  })

  it('with marks of 0 pauses on any byte and resumes at none (I9)', () => {
    const transport = new BufferingTransport()
    transport.setWriteBufferLimits({ high: 0 })
    transport.fill(2)
    transport.send(1)
    expect(transport.log).toEqual(['pause'])
    transport.send(1)
    expect(transport.log).toEqual(['pause', 'resume'])
  })

  it('pauses from inside setWriteBufferLimits if a mark comes down below the buffer (I9)', () => {
    const transport = new BufferingTransport()
    transport.fill(1000)
    transport.setWriteBufferLimits({ high: 999 })
    expect(transport.log).toEqual(['pause'])
  })

  it('does not resume a transport that is closing (I11)', () => {
    const transport = new BufferingTransport()
    transport.setWriteBufferLimits({ high: 10 })
    transport.fill(11)
    transport.close()
    transport.send(11)
    expect(transport.log).toEqual(['pause'])
  })

  it('calls the protocol of the moment (A3)', () => {
    const transport = new BufferingTransport()
    transport.setWriteBufferLimits({ high: 10 })
    transport.fill(11)
    transport.protocol = { resumeWriting: () => void transport.log.push('resume of the new one') }
    transport.send(11)
    expect(transport.log).toEqual(['pause', 'resume of the new one'])
  })

  it('does without callbacks that a protocol has not (A21)', () => {
    const transport = new BufferingTransport()
    transport.protocol = {}
    transport.setWriteBufferLimits({ high: 10 })
    transport.fill(11)
    expect(transport.flow.protocolPaused).toBe(true)
    transport.send(11)
    expect(transport.flow.protocolPaused).toBe(false)
    expect(transport.errors).toEqual([])
  })

  it('reports what the callbacks throw, and keeps the pairing (I13)', () => {
    const transport = new BufferingTransport()
    transport.protocol = {
      pauseWriting() {
        transport.log.push('pause')
        throw new Error('in pause')
      },
      resumeWriting() {
        transport.log.push('resume')
        throw new Error('in resume')
      },
    }
    transport.setWriteBufferLimits({ high: 10 })
    transport.fill(11)
    transport.fill(1)
    transport.send(12)
    expect(transport.log).toEqual(['pause', 'resume'])
    expect(transport.errors.map(String)).toEqual(['Error: in pause', 'Error: in resume'])
  })

  it('may be written to from inside resumeWriting (I9)', () => {
    const transport = new BufferingTransport()
    transport.setWriteBufferLimits({ high: 10 })
    let rounds = 0
    transport.protocol = {
      pauseWriting: () => void transport.log.push('pause'),
      resumeWriting() {
        transport.log.push('resume')
        if (rounds++ < 1) transport.fill(11)
      },
    }
    transport.fill(11)
    transport.send(11)
    expect(transport.log).toEqual(['pause', 'resume', 'pause'])
    transport.send(11)
    expect(transport.log).toEqual(['pause', 'resume', 'pause', 'resume'])
  })
})
