import {
  BaseProtocol,
  BufferedProtocol,
  DatagramProtocol,
  feedDataToBufferedProto,
  isBuffered,
  Protocol,
  SubprocessProtocol,
  toFactory,
} from '../lib/protocol.ts'
import type { DatagramTransport, SubprocessTransport, Transport } from '../lib/transport.ts'
import { netConnection, netDial, netPromise, netServe } from './support/netTools.ts'

/** A buffered protocol whose buffers have these sizes in turn, the last one for ever. */
class Sized extends BufferedProtocol {
  readonly pieces: string[] = []
  readonly hints: number[] = []
  #buffer: Uint8Array = new Uint8Array()
  #calls = 0
  readonly #sizes: number[]

  constructor(...sizes: number[]) {
    super()
    this.#sizes = sizes
  }
  override getBuffer(hint: number): Uint8Array {
    this.hints.push(hint)
    this.#buffer = new Uint8Array(this.#sizes[Math.min(this.#calls++, this.#sizes.length - 1)]!)
    return this.#buffer
  }
  override bufferUpdated(n: number): void {
    this.pieces.push(Buffer.from(this.#buffer.subarray(0, n)).toString())
  }
}

describe('the protocol classes', () => {
  it('do nothing by default, in all their callbacks (A16, A17, A18, A19, A20)', () => {
    const base = new BaseProtocol()
    const stream = new Protocol()
    const buffered = new BufferedProtocol()
    const datagram = new DatagramProtocol()
    const child = new SubprocessProtocol()
    const error = new Error('reason')
    const results = [
      base.connectionMade({} as Transport),
      base.connectionLost(error),
      base.pauseWriting(),
      base.resumeWriting(),
      stream.connectionMade({} as Transport),
      stream.dataReceived(Buffer.from('x')),
      stream.eofReceived(),
      buffered.bufferUpdated(1),
      buffered.eofReceived(),
      datagram.connectionMade({} as DatagramTransport),
      datagram.datagramReceived(Buffer.from('x'), ['127.0.0.1', 1]),
      datagram.errorReceived(error),
      child.connectionMade({} as SubprocessTransport),
      child.pipeDataReceived(1, Buffer.from('x')),
      child.pipeConnectionLost(1, null),
      child.processExited(),
    ]
    expect(results).toEqual(results.map(() => undefined))
    expect(buffered.getBuffer(-1).length).toBeGreaterThan(0)
  })

  it('are all BaseProtocols (A16)', () => {
    for (const Class of [Protocol, BufferedProtocol, DatagramProtocol, SubprocessProtocol]) {
      expect(new Class()).toBeInstanceOf(BaseProtocol)
    }
  })

  it('let a subclass call super (S23)', async () => {
    const lines: string[] = []
    class Echo extends Protocol {
      protected transport!: Transport
      override connectionMade(transport: Transport): void {
        this.transport = transport
      }
      override dataReceived(data: Buffer): void {
        this.transport.write(data)
      }
    }
    class Robust extends Echo {
      override connectionMade(transport: Transport): void {
        super.connectionMade(transport)
        this.transport.write('hello ')
      }
      override dataReceived(data: Buffer): void {
        try {
          super.dataReceived(data)
          throw new Error('after the echo')
        } catch (error) {
          lines.push((error as Error).message)
          this.transport.close()
        }
      }
    }
    const { address } = await netServe(Robust)
    const peer = await netDial(address)
    peer.socket.write('you')
    await peer.until(() => peer.ended)
    expect(peer.text).toBe('hello you')
    expect(lines).toEqual(['after the echo'])
  })
})

describe('plain objects as protocols (A21)', () => {
  it('have those callbacks called that they have', async () => {
    const lost = netPromise<Error | null>()
    const data: string[] = []
    const protocol = {
      dataReceived: (chunk: Buffer) => void data.push(String(chunk)),
      connectionLost: lost.resolve,
    }
    const { peer } = await netConnection('tcp', 'server', protocol)
    peer.socket.end('hello')
    expect(await lost.promise).toBeNull()
    expect(data.join('')).toBe('hello')
  })

  it('may be empty: the connection is then read and closed', async () => {
    const { peer, transport, errors } = await netConnection('tcp', 'client', {})
    peer.socket.end('nobody listens')
    await peer.until(() => peer.ended)
    expect(transport.isClosing()).toBe(true)
    expect(errors).toEqual([])
  })

  it('are called as methods: `this` is the object', async () => {
    const protocol = {
      seen: '',
      done: netPromise(),
      dataReceived(chunk: Buffer) {
        this.seen += String(chunk)
        this.done.resolve()
      },
    }
    const { peer } = await netConnection('tcp', 'client', protocol)
    peer.socket.write('x')
    await protocol.done.promise
    expect(protocol.seen).toBe('x')
  })
})

describe('isBuffered', () => {
  it('goes by getBuffer (A18, A21)', () => {
    expect(isBuffered(new BufferedProtocol())).toBe(true)
    expect(isBuffered({ getBuffer: () => new Uint8Array(1), bufferUpdated() {} })).toBe(true)
    expect(isBuffered(new Protocol())).toBe(false)
    expect(isBuffered({})).toBe(false)
  })
})

describe('feedDataToBufferedProto (A18)', () => {
  it('hands the data over in as many pieces as the buffers ask for', () => {
    for (const [sizes, pieces] of [
      [[100], ['0123456789']],
      [[10], ['0123456789']],
      [[4], ['0123', '4567', '89']],
      [
        [1, 2, 3, 50],
        ['0', '12', '345', '6789'],
      ],
    ] as const) {
      const protocol = new Sized(...sizes)
      feedDataToBufferedProto(protocol, Buffer.from('0123456789'))
      expect(protocol.pieces).toEqual(pieces)
    }
  })

  it('tells how much is left as the size hint', () => {
    const protocol = new Sized(4)
    feedDataToBufferedProto(protocol, Buffer.from('0123456789'))
    expect(protocol.hints).toEqual([10, 6, 2])
  })

  it('throws for an empty buffer', () => {
    const protocol = new Sized(4, 0)
    expect(() => feedDataToBufferedProto(protocol, Buffer.from('0123456789'))).toThrow(RangeError)
    expect(protocol.pieces).toEqual(['0123'])
  })

  it('asks for nothing if there is nothing', () => {
    const protocol = new Sized(4)
    feedDataToBufferedProto(protocol, new Uint8Array())
    expect(protocol.hints).toEqual([])
  })
})

describe('toFactory', () => {
  class Derived extends Protocol {}
  class Plain {
    readonly args: unknown[]
    constructor(...args: unknown[]) {
      this.args = args
    }
  }

  it('constructs a class, with its arguments, each time anew', () => {
    const factory = toFactory<unknown[], Plain>(Plain)
    expect(factory(1, 2)).toBeInstanceOf(Plain)
    expect(factory(1, 2).args).toEqual([1, 2])
    expect(factory()).not.toBe(factory())
    expect(toFactory(Derived)()).toBeInstanceOf(Derived)
  })

  it('calls a function, of whatever kind', () => {
    expect(toFactory((n: number) => n + 1)(1)).toBe(2)
    function declared(n: number): number {
      return n + 2
    }
    expect(toFactory(declared)(1)).toBe(3)
    const object = {
      method: () => 7,
    }
    expect(toFactory(object.method)()).toBe(7)
    expect(toFactory(((n: number) => n).bind(null))(4)).toBe(4)
  })

  it('knows a class that a compiler turned into a function, by its methods or its parent', () => {
    function WithMethods(this: { made: boolean }): void {
      this.made = true
    }
    WithMethods.prototype.dataReceived = (): void => {}
    expect(toFactory(WithMethods as unknown as new () => { made: boolean })()).toMatchObject({ made: true })

    function Child(this: { made: boolean }): void {
      this.made = true
    }
    Child.prototype = Object.create(WithMethods.prototype, { constructor: { value: Child } })
    expect(toFactory(Child as unknown as new () => { made: boolean })()).toBeInstanceOf(WithMethods)
  })

  it.each([undefined, null, 'Protocol', {}, new Protocol()])('refuses %p', (source) => {
    expect(() => toFactory(source as unknown as () => Protocol)).toThrow(TypeError)
  })
})
