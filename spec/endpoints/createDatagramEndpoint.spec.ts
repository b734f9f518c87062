import * as dgram from 'node:dgram'
import { once } from 'node:events'
import { createDatagramEndpoint, type DatagramOptions } from '../../lib/endpoints/createDatagramEndpoint.ts'
import { NotImplementedError } from '../../lib/errors.ts'
import { DatagramProtocol } from '../../lib/protocol.ts'
import type { DatagramAddress, DatagramTransport } from '../../lib/transport.ts'
import { netDefer, netError, netTurns, netUntil, NetWatched } from '../support/netTools.ts'

const LOCAL: DatagramAddress = ['127.0.0.1', 0]

/** Keeps what happens to it. */
class Recorder extends DatagramProtocol {
  readonly log: string[] = []
  readonly errors: NodeJS.ErrnoException[] = []
  transport!: DatagramTransport
  lostWith: Error | null | undefined
  onDatagram: ((data: Buffer, address: DatagramAddress) => void) | undefined
  readonly #watched = new NetWatched()

  until(condition: () => boolean): Promise<void> {
    return this.#watched.until(condition)
  }

  #note(event: string): void {
    this.log.push(event)
    this.#watched.changed()
  }

  override connectionMade(transport: DatagramTransport): void {
    this.transport = transport
    this.#note('made')
  }
  override datagramReceived(data: Buffer, address: DatagramAddress): void {
    this.#note(`${data.toString()} from ${address.join(' ')}`)
    this.onDatagram?.(data, address)
  }
  override errorReceived(error: NodeJS.ErrnoException): void {
    this.errors.push(error)
    this.#note(`error ${error.code}`)
  }
  override pauseWriting(): void {
    this.#note('pause')
  }
  override resumeWriting(): void {
    this.#note('resume')
  }
  override connectionLost(error: Error | null): void {
    this.lostWith = error
    this.#note('lost')
  }
}

/** An endpoint of ours, gone after the test, and its port. */
async function endpoint(
  options: DatagramOptions,
): Promise<{ transport: DatagramTransport; protocol: Recorder; port: number; errors: unknown[] }> {
  const errors: unknown[] = []
  const onConnectionError = (error: unknown): void => void errors.push(error)
  const [transport, protocol] = await createDatagramEndpoint(Recorder, { onConnectionError, ...options })
  netDefer(() => transport.abort())
  const [, port] = transport.getExtraInfo('sockname') as DatagramAddress
  return { transport, protocol, port, errors }
}

/** A bare socket, and what it gets. */
async function bare(): Promise<{ socket: dgram.Socket; port: number; next: () => Promise<string> }> {
  const socket = dgram.createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  netDefer(() => new Promise<void>((resolve) => socket.close(resolve)))
  return { socket, port: socket.address().port, next: async () => String((await once(socket, 'message'))[0]) }
}

describe('createDatagramEndpoint (A57)', () => {
  it('receives whole datagrams with their address, and answers, also an empty one (A9, A19)', async () => {
    const { transport, protocol, port } = await endpoint({ localAddr: LOCAL })
    protocol.onDatagram = (data, address) => transport.sendto(data, address)
    const peer = await bare()
    for (const text of ['one', '', 'grün']) {
      peer.socket.send(text, port, '127.0.0.1')
      expect(await peer.next()).toBe(text)
    }
    expect(protocol.log).toEqual([
      'made',
      `one from 127.0.0.1 ${peer.port}`,
      ` from 127.0.0.1 ${peer.port}`,
      `grün from 127.0.0.1 ${peer.port}`,
    ])
  })

  it('connected, sends without an address and receives from its peer alone', async () => {
    const [peer, stranger] = [await bare(), await bare()]
    const { transport, protocol, port } = await endpoint({ remoteAddr: ['127.0.0.1', peer.port] })
    expect(transport.getExtraInfo('peername')).toEqual(['127.0.0.1', peer.port])
    transport.sendto('hello')
    expect(await peer.next()).toBe('hello')
    transport.sendto(Buffer.from('again'), ['127.0.0.1', peer.port])
    expect(await peer.next()).toBe('again')
    stranger.socket.send('not for you', port, '127.0.0.1')
    peer.socket.send('for you', port, '127.0.0.1')
    await protocol.until(() => protocol.log.length === 2)
    expect(protocol.log[1]).toBe(`for you from 127.0.0.1 ${peer.port}`)
  })

  it('connected, drops what others have sent before it was', async () => {
    const [peer, stranger] = [await bare(), await bare()]
    const sock = dgram.createSocket('udp4')
    sock.bind(0, '127.0.0.1')
    await once(sock, 'listening')
    const { port } = sock.address()
    // The system keeps it while nothing is read.
    const waiting = once(stranger.socket, 'message')
    stranger.socket.send('evil', port, '127.0.0.1')
    stranger.socket.send('sent', stranger.port, '127.0.0.1')
    sock.connect(peer.port, '127.0.0.1')
    await once(sock, 'connect')
    const { protocol } = await endpoint({ sock })
    await waiting
    peer.socket.send('for you', port, '127.0.0.1')
    await protocol.until(() => protocol.log.length === 2)
    expect(protocol.log[1]).toBe(`for you from 127.0.0.1 ${peer.port}`)
  })

  it('takes both addresses, or a family alone, IPv6 too', async () => {
    const peer = await bare()
    const both = await endpoint({ localAddr: LOCAL, remoteAddr: ['localhost', peer.port] })
    both.transport.sendto('x')
    const [[data, { port }]] = [await once(peer.socket, 'message')] as [[Buffer, dgram.RemoteInfo]]
    expect([String(data), port]).toEqual(['x', both.port])
    const six = await endpoint({ localAddr: ['::1', 0] })
    const any = await endpoint({ family: 6 })
    any.transport.sendto('y', ['::1', six.port])
    await six.protocol.until(() => six.protocol.log.length === 2)
    expect(six.protocol.log[1]).toBe(`y from ::1 ${any.port}`)
  })

  it('takes over a socket that is bound, and connected or not', async () => {
    const peer = await bare()
    const sock = dgram.createSocket('udp4')
    sock.bind(0, '127.0.0.1')
    await once(sock, 'listening')
    sock.connect(peer.port, '127.0.0.1')
    await once(sock, 'connect')
    const { transport } = await endpoint({ sock })
    expect(transport.getExtraInfo('socket')).toBe(sock)
    transport.sendto('taken over')
    expect(await peer.next()).toBe('taken over')
  })

  it('refuses a missing address, and another than the peer’s (A9)', async () => {
    const free = await endpoint({ localAddr: LOCAL })
    expect(() => free.transport.sendto('x')).toThrow('not connected')
    const peer = await bare()
    const { transport } = await endpoint({ remoteAddr: ['127.0.0.1', peer.port] })
    expect(() => transport.sendto('x', ['127.0.0.1', 9])).toThrow(`127.0.0.1:9 on an endpoint connected to 127.0.0.1:`)
    expect(() => transport.sendto(3 as unknown as string)).toThrow(TypeError)
    // The argument is looked at first.
    transport.close()
    expect(() => transport.sendto(null as unknown as string)).toThrow(TypeError)
    expect(() => free.transport.sendto('x', ['127.0.0.1', 70_000])).toThrow('Port should be')
    expect(() => free.transport.sendto('x', [3 as unknown as string, 9])).toThrow('must be of type string')
    free.transport.close()
    await free.protocol.until(() => free.protocol.log.includes('lost'))
    expect(free.protocol.lostWith).toBeNull()
  })

  it('refuses a sock along with what is said of other sockets', async () => {
    const sock = dgram.createSocket('udp4')
    netDefer(() => sock.close())
    await expect(endpoint({ sock, localAddr: LOCAL })).rejects.toThrow(TypeError)
    await expect(endpoint({ sock, allowBroadcast: true })).rejects.toThrow(TypeError)
  })

  it('tells the protocol of errors and stays open (A19)', async () => {
    const gone = await bare()
    const { transport, protocol } = await endpoint({ remoteAddr: ['127.0.0.1', gone.port] })
    transport.sendto(Buffer.alloc(70_000))
    await protocol.until(() => protocol.errors.length === 1)
    expect(protocol.errors[0]!.code).toBe('EMSGSIZE')
    transport.sendto('still works')
    expect(await gone.next()).toBe('still works')
    const lonely = await endpoint({ remoteAddr: ['127.0.0.1', (await closedPort()).port] })
    lonely.transport.sendto('anybody?')
    await netTurns()
    lonely.transport.sendto('anybody?')
    await lonely.protocol.until(() => lonely.protocol.errors.length > 0)
    expect(lonely.protocol.errors[0]!.code).toBe('ECONNREFUSED')
    expect(lonely.transport.isClosing()).toBe(false)
  })

  it('sends to a broadcast address only if it was allowed to', async () => {
    const receiver = await endpoint({ localAddr: ['0.0.0.0', 0] })
    const shy = await endpoint({ localAddr: ['127.0.0.1', 0] })
    shy.transport.sendto('to all', ['127.255.255.255', receiver.port])
    await shy.protocol.until(() => shy.protocol.errors.length === 1)
    expect(shy.protocol.errors[0]!.code).toBe('EACCES')
    const loud = await endpoint({ localAddr: ['127.0.0.1', 0], allowBroadcast: true })
    loud.transport.sendto('to all', ['127.255.255.255', receiver.port])
    await receiver.protocol.until(() => receiver.protocol.log.length === 2)
    expect(receiver.protocol.log[1]).toBe(`to all from 127.0.0.1 ${loud.port}`)
  })

  it('lets a port be shared with reuseAddress, else rejects with EADDRINUSE', async () => {
    const first = await endpoint({ localAddr: LOCAL, reuseAddress: true })
    const second = await endpoint({ localAddr: ['127.0.0.1', first.port], reuseAddress: true })
    expect(second.port).toBe(first.port)
    const { port } = await endpoint({ localAddr: LOCAL })
    const refused = createDatagramEndpoint(Recorder, { localAddr: ['127.0.0.1', port] })
    expect(await netError<NodeJS.ErrnoException>(refused)).toMatchObject({ code: 'EADDRINUSE' })
  })

  it('divides what comes to a port among those that share it, or tells that reusePort is not to be had', async () => {
    const [major, minor] = process.versions.node.split('.').map(Number) as [number, number]
    const has = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12)
    const outcome = await endpoint({ localAddr: LOCAL, reusePort: true }).then(
      async ({ protocol: { log: one }, port }) => {
        const { protocol } = await endpoint({ localAddr: ['127.0.0.1', port], reusePort: true })
        for (const peer of await Promise.all(Array.from({ length: 64 }, bare))) peer.socket.send('x', port, '127.0.0.1')
        await netUntil(() => one.length + protocol.log.length === 2 + 64)
        // Each has its `made`; the chance that all fell to one of them is 2 to the -63.
        return Math.min(one.length, protocol.log.length) > 1 ? 'divided' : 'to one alone'
      },
      (error: unknown) => error instanceof NotImplementedError && 'not to be had',
    )
    expect(outcome).toBe(has ? 'divided' : 'not to be had')
  })

  it.each<[string, DatagramOptions]>([
    ['nothing', {}],
    ['an address of another family', { localAddr: ['::1', 0], family: 4 }],
    ['two families', { localAddr: LOCAL, remoteAddr: ['::1', 9] }],
  ])('refuses %s', async (_, options) => {
    await expect(createDatagramEndpoint(Recorder, options)).rejects.toThrow(TypeError)
  })

  it('rejects with the error of the factory, and with the reason of its signal, before and meanwhile', async () => {
    const failing = (): Recorder => {
      throw new Error('no protocol')
    }
    await expect(createDatagramEndpoint(failing, { localAddr: LOCAL })).rejects.toThrow('no protocol')
    const aborted = { localAddr: LOCAL, signal: AbortSignal.abort(new Error('before')) }
    await expect(createDatagramEndpoint(Recorder, aborted)).rejects.toThrow('before')
    const controller = new AbortController()
    const opening = netError(createDatagramEndpoint(Recorder, { localAddr: LOCAL, signal: controller.signal }))
    controller.abort(new Error('meanwhile'))
    expect((await opening).message).toBe('meanwhile')
  })

  describe('the end (A10)', () => {
    it('of a close sends what was given to it, then loses the connection, in a later turn and once', async () => {
      const peer = await bare()
      const { transport, protocol } = await endpoint({ localAddr: LOCAL })
      transport.sendto('last', ['localhost', peer.port])
      transport.close()
      transport.close()
      expect([transport.isClosing(), protocol.log]).toEqual([true, ['made']])
      expect(transport.getWriteBufferSize()).toBe(0)
      expect(await peer.next()).toBe('last')
      await protocol.until(() => protocol.log.includes('lost'))
      transport.abort()
      await netTurns()
      expect([protocol.log, protocol.lostWith]).toEqual([['made', 'lost'], null])
      expect(transport.getWriteBufferSize()).toBe(0)
    })

    it('leaves the marks and the size of the buffer to be asked for', async () => {
      const { transport } = await endpoint({ localAddr: LOCAL })
      transport.close()
      transport.setWriteBufferLimits({ high: 0 })
      expect([transport.getWriteBufferSize(), transport.getWriteBufferLimits()]).toEqual([0, [0, 0]])
    })

    it('of an abort sends nothing more', async () => {
      const { transport, protocol } = await endpoint({ localAddr: LOCAL })
      // A name is looked up, so that it cannot have been sent yet.
      transport.sendto('never', ['localhost', 9])
      transport.abort()
      transport.abort()
      await protocol.until(() => protocol.log.includes('lost'))
      await netTurns()
      expect([protocol.log, protocol.lostWith]).toEqual([['made', 'lost'], null])
    })

    it('drops what is sent later, with a warning from the fifth on', async () => {
      const { transport } = await endpoint({ localAddr: LOCAL })
      const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
      netDefer(() => warned.mockRestore())
      transport.close()
      for (let i = 0; i < 5; i++) transport.sendto('x', ['127.0.0.1', 9])
      const message = 'write number 5 to (unknown) after its close: dropped'
      expect(warned.mock.calls).toEqual([[message, { code: 'MILLRACE_WRITE_AFTER_CLOSE' }]])
    })

    it('delivers nothing after it', async () => {
      const peer = await bare()
      const { transport, protocol, port } = await endpoint({ localAddr: LOCAL })
      protocol.onDatagram = () => transport.close()
      for (let i = 0; i < 3; i++) peer.socket.send(`${i}`, port, '127.0.0.1')
      await protocol.until(() => protocol.log.includes('lost'))
      expect(protocol.log).toEqual(['made', `0 from 127.0.0.1 ${peer.port}`, 'lost'])
    })
  })

  it('an error of datagramReceived is reported and fatal; one of errorReceived, too (I13)', async () => {
    const peer = await bare()
    const { protocol, port, errors } = await endpoint({ localAddr: LOCAL })
    protocol.onDatagram = () => {
      throw new Error('thrown')
    }
    peer.socket.send('x', port, '127.0.0.1')
    await protocol.until(() => protocol.log.includes('lost'))
    expect(errors).toEqual([new Error('thrown')])
    expect(protocol.lostWith).toEqual(new Error('thrown'))
  })

  it('setProtocol takes effect with the next event (A3)', async () => {
    const peer = await bare()
    const { transport, protocol, port } = await endpoint({ localAddr: LOCAL })
    const next = new Recorder()
    transport.setProtocol(next)
    expect(transport.getProtocol()).toBe(next)
    peer.socket.send('x', port, '127.0.0.1')
    await next.until(() => next.log.length === 1)
    transport.close()
    await next.until(() => next.log.includes('lost'))
    expect(protocol.log).toEqual(['made'])
    expect(next.log).toEqual([`x from 127.0.0.1 ${peer.port}`, 'lost'])
  })

  it('pauses the protocol by the marks, each datagram counting for 8 bytes more, and resumes it (I9)', async () => {
    const sock = dgram.createSocket('udp4')
    sock.bind(0, '127.0.0.1')
    await once(sock, 'listening')
    // A loopback takes whatever it gets: this one does not, until it is told to.
    const queue: { size: number; sent: (error: Error | null) => void }[] = []
    Object.assign(sock, {
      getSendQueueSize: () => queue.reduce((sum, { size }) => sum + size, 0),
      getSendQueueCount: () => queue.length,
      send: (data: Uint8Array, _port: number, _host: string, sent: (error: Error | null) => void) =>
        void queue.push({ size: data.length, sent }),
    })
    const { transport, protocol } = await endpoint({ sock })
    transport.setWriteBufferLimits({ high: 36, low: 12 })
    expect(transport.getWriteBufferLimits()).toEqual([12, 36])
    const address: DatagramAddress = ['127.0.0.1', 9]
    transport.sendto('1234', address)
    transport.sendto('1234', address)
    transport.sendto('1234', address)
    expect([transport.getWriteBufferSize(), protocol.log]).toEqual([36, ['made']])
    transport.sendto('', address)
    expect([transport.getWriteBufferSize(), protocol.log]).toEqual([44, ['made', 'pause']])
    queue.shift()!.sent(null)
    queue.shift()!.sent(null)
    expect(protocol.log).toEqual(['made', 'pause'])
    transport.close()
    queue.shift()!.sent(null)
    // Closing, it is not resumed; and it ends with the last of them.
    queue.shift()!.sent(null)
    await protocol.until(() => protocol.log.includes('lost'))
    expect(protocol.log).toEqual(['made', 'pause', 'lost'])
  })
})

/** A port that nobody listens on. */
async function closedPort(): Promise<{ port: number }> {
  const socket = dgram.createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  await new Promise<void>((resolve) => socket.close(resolve))
  return { port }
}
