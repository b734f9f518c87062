import * as net from 'node:net'
import { compressLayer } from '../../lib/compression/index.ts'
import { createConnection } from '../../lib/endpoints/connect.ts'
import { connectAcceptedSocket } from '../../lib/endpoints/connectAcceptedSocket.ts'
import { TlsHandshakeError } from '../../lib/errors.ts'
import { proxyHeader } from '../../lib/transports/proxyHeader.ts'
import { netDefer, netDial, netError, NetPeer, NetRecorder, netTurns } from '../support/netTools.ts'
import { spawnWith } from '../support/inheriting.ts'
import { ca, certified } from '../support/tlsFixtures.ts'

const HOST = '127.0.0.1'
const tls = certified('localhost')

/** A server of Node's own: its port, and the next socket that it accepts. */
async function acceptor(pauseOnConnect = true): Promise<{ port: number; accepted: Promise<net.Socket> }> {
  const listener = net.createServer({ pauseOnConnect })
  await new Promise<void>((resolve) => listener.listen(0, HOST, resolve))
  netDefer(() => listener.close())
  const accepted = new Promise<net.Socket>((resolve) => {
    listener.on('connection', (socket) => {
      netDefer(() => socket.destroy())
      resolve(socket)
    })
  })
  return { port: (listener.address() as net.AddressInfo).port, accepted }
}

describe('connectAcceptedSocket (A56)', () => {
  it('takes over a socket, with what it has read', async () => {
    const { port, accepted } = await acceptor()
    const peer = await netDial({ port })
    peer.socket.write('early')
    const sock = await accepted
    sock.unshift(Buffer.from('very '))
    const [transport, protocol] = await connectAcceptedSocket(NetRecorder, { sock })
    expect(protocol.log).toEqual(['made'])
    expect(transport.getExtraInfo('peername')).toEqual([HOST, peer.socket.localPort])
    await protocol.until(() => protocol.text === 'very early')
    transport.write('answer')
    await peer.until(() => peer.text === 'answer')
    peer.socket.end()
    await protocol.untilEvent('lost')
    expect(protocol.log).toEqual(['made', 'data', 'eof', 'lost'])
  })

  it('takes one that was flowing, and one that has ended', async () => {
    const { port, accepted } = await acceptor(false)
    const peer = await netDial({ port })
    peer.socket.end('all')
    const sock = await accepted
    await new Promise((resolve) => sock.once('readable', resolve))
    await netTurns(9)
    const [, protocol] = await connectAcceptedSocket(NetRecorder, { sock })
    await protocol.untilEvent('lost')
    expect([protocol.text, protocol.log]).toEqual(['all', ['made', 'data', 'eof', 'lost']])
  })

  it('is the server of TLS, behind a PROXY header and below layers', async () => {
    const { port, accepted } = await acceptor()
    const client = new NetRecorder()
    const layers = [compressLayer()]
    const dialling = createConnection(() => client, {
      host: HOST,
      port,
      tls: { ca },
      serverHostname: 'localhost',
      proxyHeader: proxyHeader({ source: ['192.0.2.7', 1], destination: ['192.0.2.8', 2] }),
      layers,
    })
    const sock = await accepted
    const [transport, protocol] = await connectAcceptedSocket(NetRecorder, { sock, tls, proxyProtocol: true, layers })
    expect(transport.getExtraInfo('peername')).toEqual(['192.0.2.7', 1])
    expect(transport.getExtraInfo('tlsVersion')).toBe('TLSv1.3')
    const [dialled] = await dialling
    dialled.write('secret')
    await protocol.until(() => protocol.text === 'secret')
    dialled.close()
    await client.untilEvent('lost')
  })

  it('rejects when the handshake fails, or its signal aborts; the socket is gone then', async () => {
    const plain = await acceptor()
    const peer = await netDial({ port: plain.port })
    peer.socket.write('no TLS at all')
    const sock = await plain.accepted
    const error = await netError(connectAcceptedSocket(NetRecorder, { sock, tls }))
    expect(error).toBeInstanceOf(TlsHandshakeError)
    await peer.until(() => peer.closed || peer.ended)

    const silent = await acceptor()
    const waiting = await netDial({ port: silent.port })
    const controller = new AbortController()
    const connecting = connectAcceptedSocket(NetRecorder, {
      sock: await silent.accepted,
      tls,
      signal: controller.signal,
    })
    controller.abort(new Error('enough'))
    expect((await netError(connecting)).message).toBe('enough')
    await waiting.until(() => waiting.closed || waiting.ended)

    const late = await acceptor()
    const coming = await netDial({ port: late.port })
    const { signal } = controller
    await expect(connectAcceptedSocket(NetRecorder, { sock: await late.accepted, signal })).rejects.toThrow('enough')
    await coming.until(() => coming.closed || coming.ended)
  })

  it('takes a descriptor, as a program that a super-server has started', async () => {
    const { port, accepted } = await acceptor()
    const peer = new NetPeer(net.connect(port, HOST))
    const sock = await accepted
    const program = `
      import { connectAcceptedSocket } from 'millrace'
      const [transport] = await connectAcceptedSocket(
        () => ({ dataReceived: (data) => transport.write('got ' + data) }),
        { fd: 3 },
      )
      transport.write(String(transport.getExtraInfo('peername')) + ';')
    `
    const child = spawnWith(program, [sock])
    sock.destroy()
    await peer.until(() => peer.text.endsWith(';'))
    expect(peer.text).toBe(`${HOST},${peer.socket.localPort};`)
    peer.socket.end('bytes')
    await peer.until(() => peer.ended)
    expect(peer.text).toMatch(/;got bytes$/)
    expect(await child).toEqual([0, ''])
  })

  it('refuses what is none', async () => {
    const sock = new net.Socket()
    await expect(connectAcceptedSocket(NetRecorder, { sock })).rejects.toThrow(TypeError)
    await expect(connectAcceptedSocket(NetRecorder, {})).rejects.toThrow('give either sock or fd')
    await expect(connectAcceptedSocket(NetRecorder, { sock, fd: 3 })).rejects.toThrow(TypeError)
    await expect(connectAcceptedSocket(NetRecorder, { fd: 99_999 })).rejects.toHaveProperty('code')
  })
})
