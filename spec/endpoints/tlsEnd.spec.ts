import * as net from 'node:net'
import * as tls from 'node:tls'
import { createConnection } from '../../lib/endpoints/connect.ts'
import { createServer } from '../../lib/endpoints/listen.ts'
import { ConnectionLostError, TimeoutError } from '../../lib/errors.ts'
import { openConnection, startServer } from '../../lib/streams/open.ts'
import {
  netDefer,
  netError,
  netProgram,
  netPromise,
  NetRecorder,
  netRoundTrip,
  netServe,
  netStop,
} from '../support/netTools.ts'
import { itWith, Program } from '../support/program.ts'
import { ca, certified } from '../support/tlsFixtures.ts'

const HOST = '127.0.0.1'
const CLIENT = { tls: { ca }, serverHostname: 'localhost' }
const itWithOpenssl = itWith('openssl')

/** Node's own TLS server: it says something, and then ends in one way or the other. */
async function ending(how: 'orderly' | 'cut', maxVersion: 'TLSv1.2' | 'TLSv1.3', text: Buffer): Promise<number> {
  let raw: net.Socket
  const inner = tls.createServer({ ...certified('localhost'), maxVersion }, (secured) => {
    secured.on('error', () => {})
    secured.write(text, () => {
      if (how === 'orderly') secured.end()
      // The system ends the connection in good order, and TLS knows nothing of it.
      else raw.destroySoon()
    })
  })
  const listener = net.createServer((socket) => {
    raw = socket
    inner.emit('connection', socket)
    netDefer(() => socket.destroy())
  })
  await new Promise<void>((resolve) => listener.listen(0, HOST, resolve))
  netDefer(() => listener.close())
  return (listener.address() as net.AddressInfo).port
}

describe('tlsRequireCloseNotify', () => {
  describe.each(['TLSv1.2', 'TLSv1.3'] as const)('with %s', (version) => {
    it('takes an end without the word of TLS for a loss, behind what had come (A76)', async () => {
      const port = await ending('cut', version, Buffer.alloc(300_000, 7))
      const recorder = new NetRecorder()
      await createConnection(() => recorder, { host: HOST, port, ...CLIENT, tlsRequireCloseNotify: true })
      await recorder.untilEvent('lost')
      expect(recorder.log).toEqual(['made', 'data', 'lost'])
      expect(recorder.size).toBe(300_000)
      expect(recorder.lostWith).toBeInstanceOf(ConnectionLostError)
      const { message } = recorder.lostWith as Error
      expect(message).toMatch(/^connection with 127\.0\.0\.1:\d+ lost: cut off after 300000 bytes in and 0 out/)
      expect((recorder.lostWith as Error).cause).toHaveProperty('message', expect.stringContaining('close_notify'))
    })

    it('takes an orderly end for one', async () => {
      const port = await ending('orderly', version, Buffer.alloc(300_000, 7))
      const recorder = new NetRecorder()
      await createConnection(() => recorder, { host: HOST, port, ...CLIENT, tlsRequireCloseNotify: true })
      await recorder.untilEvent('lost')
      expect(recorder.log).toEqual(['made', 'data', 'eof', 'lost'])
      expect([recorder.size, recorder.lostWith]).toEqual([300_000, null])
    })

    it('is not asked for by default: many peers never say it', async () => {
      const port = await ending('cut', version, Buffer.from('text'))
      const { reader } = await openConnection({ host: HOST, port, ...CLIENT })
      expect(String(await reader.read())).toBe('text')
    })
  })

  it('takes an orderly end for one, however late it is told', async () => {
    const port = await ending('orderly', 'TLSv1.3', Buffer.alloc(300_000, 7))
    const recorder = new NetRecorder()
    recorder.dataReceived = (data) => {
      NetRecorder.prototype.dataReceived.call(recorder, data)
      recorder.transport.pauseReading()
      void netRoundTrip().then(() => recorder.transport.resumeReading())
    }
    await createConnection(() => recorder, { host: HOST, port, ...CLIENT, tlsRequireCloseNotify: true })
    await recorder.untilEvent('lost')
    expect([recorder.log, recorder.lostWith]).toEqual([['made', 'data', 'eof', 'lost'], null])
  })

  it('takes an orderly end for one that has come before its turn', async () => {
    const [first, second] = [new NetRecorder(), new NetRecorder()]
    const recorders = [first, second]
    const { port } = await netServe(() => recorders.shift()!, 'tcp', {
      tls: certified('localhost'),
      tlsRequireCloseNotify: true,
      maxConnections: 1,
    })
    const [holder] = await createConnection(NetRecorder, { host: HOST, port, ...CLIENT })
    await first.untilEvent('made')
    const [waiting] = await createConnection(NetRecorder, { host: HOST, port, ...CLIENT })
    waiting.write('text')
    waiting.close()
    await netRoundTrip()
    holder.close()
    await second.untilEvent('lost')
    expect([second.log, second.text, second.lostWith]).toEqual([['made', 'data', 'eof', 'lost'], 'text', null])
  })

  it('leaves half of a connection open (A77)', async () => {
    const recorder = new NetRecorder()
    recorder.keepOpen = true
    const { port } = await netServe(() => recorder, 'tcp', { tls: certified('localhost'), tlsRequireCloseNotify: true })
    const { reader, writer } = await openConnection({ host: HOST, port, ...CLIENT, tlsRequireCloseNotify: true })
    writer.write('question')
    writer.writeEof()
    await recorder.untilEvent('eof')
    // The end of the system's connection has come as well by then.
    await netRoundTrip()
    recorder.transport.write(Buffer.alloc(1_000_000, 1))
    recorder.transport.close()
    expect(await reader.read()).toHaveLength(1_000_000)
    writer.close()
    await Promise.all([writer.waitClosed(), recorder.untilEvent('lost')])
    expect([recorder.text, recorder.lostWith]).toEqual(['question', null])
  })

  it('is told to a reader behind what had come, and not while reading is paused', async () => {
    const port = await ending('cut', 'TLSv1.3', Buffer.from('half a mess'))
    const { reader, writer } = await openConnection({ host: HOST, port, ...CLIENT, tlsRequireCloseNotify: true })
    expect(String(await reader.readExactly(11))).toBe('half a mess')
    expect(await netError(reader.readExactly(1))).toBeInstanceOf(ConnectionLostError)
    await expect(writer.waitClosed()).rejects.toThrow(ConnectionLostError)
  })

  it('is an option of startTls, and of servers', async () => {
    const lost = netPromise<unknown>()
    const server = await startServer(
      async (reader, writer) => {
        await reader.readLine()
        await writer.startTls({ tls: certified('localhost'), tlsRequireCloseNotify: true })
        lost.resolve(await reader.read().catch((error: unknown) => error))
        writer.close()
      },
      { host: HOST },
    )
    netStop(server)
    const raw = net.connect(server.sockets[0]!.port, HOST)
    netDefer(() => raw.destroy())
    await new Promise<void>((resolve) => raw.write('STARTTLS\n', () => resolve()))
    const secured = tls.connect({ socket: raw, ca, servername: 'localhost' })
    secured.on('error', () => {})
    await new Promise((resolve) => secured.once('secureConnect', resolve))
    secured.write('half a mess', () => raw.destroySoon())
    expect(await lost.promise).toBeInstanceOf(ConnectionLostError)
  })

  it('of a server tells it of its clients', async () => {
    const recorders: NetRecorder[] = []
    const made = netPromise()
    const { port } = await netServe(
      () => {
        const recorder = new NetRecorder()
        recorders.push(recorder)
        if (recorders.length === 2) made.resolve()
        return recorder
      },
      'tcp',
      { tls: certified('localhost'), tlsRequireCloseNotify: true },
    )
    const [cut] = await createConnection(() => new NetRecorder(), { host: HOST, port, ...CLIENT })
    const [orderly] = await createConnection(() => new NetRecorder(), { host: HOST, port, ...CLIENT })
    await made.promise
    expect(recorders[0]!.transport.getExtraInfo('peername')).toEqual(cut.getExtraInfo('sockname'))
    cut.write('a')
    orderly.write('b')
    await Promise.all(recorders.map((recorder) => recorder.untilEvent('data')))
    cut.abort()
    orderly.close()
    await Promise.all(recorders.map((recorder) => recorder.untilEvent('lost')))
    expect(recorders[0]!.lostWith).toBeInstanceOf(ConnectionLostError)
    expect([recorders[1]!.log, recorders[1]!.lostWith]).toEqual([['made', 'data', 'eof', 'lost'], null])
  })

  itWithOpenssl('tells an s_server that ends its answer from one that is killed', async () => {
    for (const how of ['answered', 'killed'] as const) {
      const server = new Program('openssl', [
        's_server',
        '-www',
        ...[
          '-accept',
          `${HOST}:0`,
          '-cert',
          'spec/fixtures/tls/localhost.crt',
          '-key',
          'spec/fixtures/tls/localhost.key',
        ],
      ])
      netDefer(() => server.child.kill('SIGKILL'))
      const [, port] = await server.output(/ACCEPT 127\.0\.0\.1:(\d+)/)
      const recorder = new NetRecorder()
      await createConnection(() => recorder, {
        host: HOST,
        port: Number(port),
        ...CLIENT,
        tlsRequireCloseNotify: true,
      })
      if (how === 'killed') server.child.kill('SIGKILL')
      else recorder.transport.write('GET / HTTP/1.0\r\n\r\n')
      await recorder.untilEvent('lost')
      expect(recorder.log).toEqual(how === 'killed' ? ['made', 'lost'] : ['made', 'data', 'eof', 'lost'])
      expect(recorder.lostWith === null).toBe(how === 'answered')
    }
  })
})

describe('tlsShutdownTimeoutMs (A74, A75, D21)', () => {
  it('ends a connection that cannot be closed because the peer takes nothing', async () => {
    const server = tls.createServer(certified('localhost'), (secured) => {
      secured.pause()
      secured.on('error', () => {})
      netDefer(() => secured.destroy())
    })
    await new Promise<void>((resolve) => server.listen(0, HOST, resolve))
    netDefer(() => server.close())
    const recorder = new NetRecorder()
    const [transport] = await createConnection(() => recorder, {
      host: HOST,
      port: (server.address() as net.AddressInfo).port,
      ...CLIENT,
      tlsShutdownTimeoutMs: 50,
    })
    while (transport.getWriteBufferSize() === 0) {
      transport.write(Buffer.alloc(1_000_000))
      await new Promise((resolve) => setImmediate(resolve))
    }
    const unsent = transport.getWriteBufferSize()
    transport.close()
    await recorder.untilEvent('lost')
    const lost = recorder.lostWith as ConnectionLostError
    expect(lost).toBeInstanceOf(ConnectionLostError)
    expect(lost.cause).toBeInstanceOf(TimeoutError)
    expect(lost.message).toMatch(/not closed within 50 ms after 0 bytes in and \d+ out \(\d+ unsent\)/)
    expect(unsent).toBeGreaterThan(0)
    expect(recorder.count('lost')).toBe(1)
  })

  it('is not waited for where the peer has ended first', async () => {
    const recorder = new NetRecorder()
    const server = await createServer(() => recorder, { host: HOST, tls: certified('localhost') })
    netStop(server)
    const streams = await openConnection({ host: HOST, port: server.sockets[0]!.port, ...CLIENT })
    await recorder.untilEvent('made')
    const socket = recorder.transport.getExtraInfo('socket') as net.Socket
    const closed = new Promise((resolve) => socket.once('close', resolve))
    streams.writer.writeEof()
    await recorder.untilEvent('lost')
    await closed
    expect(await streams.reader.read()).toHaveLength(0)
    streams.writer.close()
  })

  it.each(['', 'tlsRequireCloseNotify: true'])('holds up no process that has closed (%s)', async (option) => {
    // It never ends its side.
    const server = tls.createServer({ ...certified('localhost'), allowHalfOpen: true }, (secured) => {
      secured.resume().on('error', () => {})
      netDefer(() => secured.destroy())
    })
    await new Promise<void>((resolve) => server.listen(0, HOST, resolve))
    netDefer(() => server.close())
    const program = netProgram(`
      import { createConnection } from 'millrace'
      const [transport] = await createConnection(() => ({ connectionLost() { at = performance.now() } }), {
        host: '127.0.0.1',
        port: ${(server.address() as net.AddressInfo).port},
        tls: { ca: ${JSON.stringify(ca.toString())} },
        serverHostname: 'localhost',
        ${option}
      })
      let at
      process.on('exit', () => console.log(performance.now() - at < 1000))
      transport.close()`)
    expect(await program.ended).toEqual({ code: 0, stdout: 'true\n', stderr: '' })
  })

  it('gives a peer that goes on reading its time', async () => {
    const received = netPromise<number>()
    const server = await createServer(
      () => {
        let size = 0
        return {
          dataReceived: (data) => void (size += data.length),
          connectionLost: () => received.resolve(size),
        }
      },
      { host: HOST, tls: certified('localhost') },
    )
    netStop(server)
    const [transport] = await createConnection(() => new NetRecorder(), {
      host: HOST,
      port: server.sockets[0]!.port,
      ...CLIENT,
    })
    transport.write(Buffer.alloc(5_000_000))
    transport.close()
    expect(await received.promise).toBe(5_000_000)
  })

  it.each([0, -1, NaN])('is refused if it is %d', async (tlsShutdownTimeoutMs) => {
    await expect(openConnection({ port: 1, ...CLIENT, tlsShutdownTimeoutMs })).rejects.toThrow(RangeError)
    await expect(createServer(() => ({}), { tls: certified('localhost'), tlsShutdownTimeoutMs })).rejects.toThrow(
      RangeError,
    )
  })
})

describe('sessions and names (A79)', () => {
  it.each([
    ['a server', {}],
    ['a server that requires close_notify', { tlsRequireCloseNotify: true }],
  ])('a session of %s that is kept makes the next handshake a shorter one', async (_of, options) => {
    const server = await startServer(
      (_reader, writer) => {
        writer.write(`${writer.getExtraInfo('sessionReused')}\n`)
        writer.close()
      },
      { host: HOST, tls: certified('localhost'), ...options },
    )
    netStop(server)
    const connect = async (session?: Buffer): Promise<{ told: string; known: unknown; session: Promise<Buffer> }> => {
      const offered = netPromise<Buffer>()
      const { reader, writer } = await openConnection({
        host: HOST,
        port: server.sockets[0]!.port,
        serverHostname: 'localhost',
        tls: { ca, ...(session && { session }) },
        onTlsSession: (each) => offered.resolve(each),
      })
      const told = String(await reader.readLine())
      const known = writer.getExtraInfo('sessionReused')
      netDefer(() => writer.transport.abort())
      return { told, known, session: offered.promise }
    }
    const first = await connect()
    expect([first.told, first.known]).toEqual(['false\n', false])
    const second = await connect(await first.session)
    expect([second.told, second.known]).toEqual(['true\n', true])
  })

  it('a server may have a certificate for each name that it is asked for', async () => {
    const contexts = { localhost: certified('localhost'), 'other.example': certified('other') }
    const server = await startServer(
      (_reader, writer) => {
        writer.write(`${writer.getExtraInfo('servername')}\n`)
        writer.close()
      },
      {
        host: HOST,
        tls: {
          ...certified('localhost'),
          SNICallback: (name, done) => done(null, tls.createSecureContext(contexts[name as 'localhost'])),
        },
      },
    )
    netStop(server)
    for (const serverHostname of Object.keys(contexts)) {
      const { reader, writer } = await openConnection({
        host: HOST,
        port: server.sockets[0]!.port,
        tls: { ca },
        serverHostname,
      })
      expect(String(await reader.readLine())).toBe(`${serverHostname}\n`)
      writer.close()
    }
  })

  it.each([
    [['millrace/2', 'millrace/1'], 'millrace/2'],
    [['millrace/1'], 'millrace/1'],
    [undefined, null],
  ])('the protocol that both know is agreed on: %j', async (ALPNProtocols, agreed) => {
    const told = netPromise<unknown>()
    const server = await startServer(
      (_reader, writer) => {
        told.resolve(writer.getExtraInfo('alpn'))
        writer.close()
      },
      { host: HOST, tls: { ...certified('localhost'), ALPNProtocols: ['millrace/2', 'millrace/1'] } },
    )
    netStop(server)
    const { writer } = await openConnection({
      host: HOST,
      port: server.sockets[0]!.port,
      tls: { ca, ...(ALPNProtocols && { ALPNProtocols }) },
      serverHostname: 'localhost',
    })
    expect(writer.getExtraInfo('alpn')).toBe(agreed)
    expect(await told.promise).toBe(agreed)
    writer.close()
  })
})
