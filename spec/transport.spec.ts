import { NotImplementedError } from '../lib/errors.ts'
import {
  BaseTransport,
  DatagramTransport,
  formatAddress,
  peerOf,
  ReadTransport,
  SubprocessTransport,
  Transport,
  WriteTransport,
} from '../lib/transport.ts'
import { allocationsOf } from './support/allocations.ts'

class Base extends BaseTransport {}
class Read extends ReadTransport {}
class Write extends WriteTransport {}
class Both extends Transport {}
class Datagram extends DatagramTransport {}
class Child extends SubprocessTransport {}

// oxlint-disable-next-line typescript/no-explicit-any -- whatever its protocol may be
const BASE: [string, (t: BaseTransport<any>) => unknown][] = [
  ['isClosing', (t) => t.isClosing()],
  ['close', (t) => t.close()],
  ['setProtocol', (t) => t.setProtocol({})],
  ['getProtocol', (t) => t.getProtocol()],
]
const READ: [string, (t: ReadTransport) => unknown][] = [
  ['isReading', (t) => t.isReading()],
  ['pauseReading', (t) => t.pauseReading()],
  ['resumeReading', (t) => t.resumeReading()],
]
const WRITE: [string, (t: WriteTransport) => unknown][] = [
  ['setWriteBufferLimits', (t) => t.setWriteBufferLimits()],
  ['getWriteBufferLimits', (t) => t.getWriteBufferLimits()],
  ['getWriteBufferSize', (t) => t.getWriteBufferSize()],
  ['write', (t) => t.write('x')],
  ['writeEof', (t) => t.writeEof()],
  ['canWriteEof', (t) => t.canWriteEof()],
  ['abort', (t) => t.abort()],
]
const CHILD: [string, (t: SubprocessTransport) => unknown][] = [
  ['getPid', (t) => t.getPid()],
  ['getReturncode', (t) => t.getReturncode()],
  ['getPipeTransport', (t) => t.getPipeTransport(1)],
  ['sendSignal', (t) => t.sendSignal('SIGTERM')],
  ['terminate', (t) => t.terminate()],
  ['kill', (t) => t.kill()],
]
const DATAGRAM: [string, (t: DatagramTransport) => unknown][] = [
  ['sendto', (t) => t.sendto(Buffer.from('x'))],
  ['setWriteBufferLimits', (t) => t.setWriteBufferLimits()],
  ['getWriteBufferLimits', (t) => t.getWriteBufferLimits()],
  ['getWriteBufferSize', (t) => t.getWriteBufferSize()],
  ['abort', (t) => t.abort()],
]

/** That every one of these methods names itself and its class when it is not implemented. */
function expectNotImplemented<T extends object>(transport: T, methods: [string, (t: T) => unknown][]): void {
  for (const [method, call] of methods) {
    expect(() => call(transport)).toThrow(NotImplementedError)
    expect(() => call(transport)).toThrow(`${transport.constructor.name} does not implement ${method}()`)
  }
}

describe('the transport classes', () => {
  it('throw for every method without a default (A15)', () => {
    expectNotImplemented(new Base(), BASE)
    expectNotImplemented(new Read(), [...BASE, ...READ])
    expectNotImplemented(new Write(), [...BASE, ...WRITE])
    expectNotImplemented(new Both(), [...BASE, ...READ, ...WRITE])
    expectNotImplemented(new Datagram(), [...BASE, ...DATAGRAM])
    expectNotImplemented(new Child(), [...BASE, ...CHILD])
  })

  it('know no extra information, but give the default (A1, A15)', () => {
    expect(new Both().getExtraInfo('peername')).toBeNull()
    expect(new Both().getExtraInfo('anything', 7)).toBe(7)
    expect(new Both().getExtraInfo('anything', undefined)).toBeNull()
  })

  it('count connections up, each once, and no bytes', () => {
    const [first, second] = [new Both(), new Both()]
    expect(first.id).toBeGreaterThan(0)
    expect(second.id).toBe(first.id + 1)
    expect(first.id).toBe(first.id)
    expect([first.bytesRead, first.bytesWritten]).toEqual([0, 0])
  })

  it('a ReadTransport reads and a WriteTransport writes; a Transport does both', () => {
    expect(new Both()).toBeInstanceOf(WriteTransport)
    expect(new Both()).toBeInstanceOf(BaseTransport)
    expect(new Read()).not.toBeInstanceOf(WriteTransport)
  })

  describe('with only write implemented', () => {
    class Collecting extends Transport {
      readonly pieces: string[] = []
      override write(data: Uint8Array | string): void {
        this.pieces.push(Buffer.from(data as string).toString())
      }
    }

    it('writeLines writes each piece (A6)', () => {
      const transport = new Collecting()
      transport.writeLines(['a', Buffer.from('b')])
      transport.writeLines(new Set(['c']))
      expect(transport.pieces.join('')).toBe('abc')
    })

    it('writeEncoded writes what the encoder appends, or nothing if it throws', () => {
      const transport = new Collecting()
      const encoder = {
        encode(message: string, out: { append: (data: Uint8Array) => void }): void {
          out.append(Buffer.from('<'))
          if (message === 'bad') throw new Error('cannot encode')
          out.append(Buffer.from(`${message}>`))
        },
      }
      expect(() => transport.writeEncoded(encoder, 'bad')).toThrow('cannot encode')
      transport.writeEncoded(encoder, 'good')
      expect(transport.pieces.join('')).toBe('<good>')
    })

    it('writeEncoded takes no more memory than the message has, and copies no large one', () => {
      const pieces: Uint8Array[] = []
      class Keeping extends Transport {
        override write(data: Uint8Array | string): void {
          pieces.push(data as Uint8Array)
        }
      }
      const transport = new Keeping()
      const encoder = { encode: (message: Buffer, out: { append: (data: Uint8Array) => void }) => out.append(message) }
      transport.writeEncoded(encoder, Buffer.from('the first takes the block that the others use'))
      const small = allocationsOf(() => {
        for (let i = 0; i < 100; i++) transport.writeEncoded(encoder, Buffer.from(String(i).padStart(10)))
      })
      expect(small).toEqual({ count: 100, bytes: 1000 })
      expect(Buffer.concat(pieces.slice(-2)).toString()).toBe('        98        99')
      const large = Buffer.alloc(100_000)
      transport.writeEncoded(encoder, large)
      expect(pieces.at(-1)).toBe(large)
    })
  })
})

describe('peerOf and formatAddress', () => {
  it.each([
    [['127.0.0.1', 5000], '127.0.0.1:5000'],
    [['::1', 5000], '[::1]:5000'],
    ['/run/x.sock', 'unix:/run/x.sock'],
    ['', 'unix:(unnamed)'],
  ])('name %j %s', (address, name) => {
    class Named extends Transport {
      override getExtraInfo(key: string, defaultValue: unknown = null): never {
        return (key === 'peername' ? address : defaultValue) as never
      }
    }
    expect(formatAddress(address)).toBe(name)
    expect(peerOf(new Named())).toBe(name)
  })

  it('know nothing of a transport that does not say, or is not there', () => {
    expect(peerOf(new Both())).toBeUndefined()
    expect(peerOf(undefined)).toBeUndefined()
  })
})
