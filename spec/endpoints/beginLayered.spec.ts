import { compressLayer } from '../../lib/compression/index.ts'
import { createConnection, createUnixConnection } from '../../lib/endpoints/connect.ts'
import type { AnyProtocol, Protocol } from '../../lib/protocol.ts'
import { openConnection, startServer } from '../../lib/streams/open.ts'
import type { Layer } from '../../lib/layers/layer.ts'
import { TransportWrapper } from '../../lib/transports/transportWrapper.ts'
import type { Transport } from '../../lib/transport.ts'
import { netDefer, netDial, netError, netListen, NetRecorder, netServe, netStop } from '../support/netTools.ts'
import { ca, certified } from '../support/tlsFixtures.ts'

const HOST = '127.0.0.1'

/** Tells of what goes through it. */
class Noting extends TransportWrapper {
  readonly #notes: string[]
  constructor(inner: Transport, notes: string[]) {
    super(inner)
    this.#notes = notes
  }
  override write(data: Uint8Array | string): void {
    this.#notes.push(`write ${String(data)}`)
    super.write(data)
  }
  override close(): void {
    this.#notes.push('close')
    super.close()
  }
  override abort(): void {
    this.#notes.push('abort')
    super.abort()
  }
}

const noting =
  (notes: string[]): Layer =>
  (inner: Transport, protocol: AnyProtocol) => {
    inner.setProtocol(protocol)
    ;(protocol as Protocol).connectionMade(new Noting(inner, notes))
  }

const gzip = compressLayer({ format: 'gzip' })

/** One recorder per connection, that keeps it open. */
function recording(): { factory: () => NetRecorder; first: Promise<NetRecorder> } {
  let made!: (recorder: NetRecorder) => void
  const first = new Promise<NetRecorder>((resolve) => (made = resolve))
  const factory = (): NetRecorder => {
    const recorder = new NetRecorder()
    recorder.keepOpen = true
    made(recorder)
    return recorder
  }
  return { factory, first }
}

describe('layers', () => {
  it('stand between a connection and its protocol on both sides; the call resolves with the uppermost', async () => {
    const { factory, first } = recording()
    const notes: string[] = []
    const { port } = await netServe(factory, 'tcp', { layers: [gzip, noting(notes)] })
    const client = new NetRecorder()
    const [transport] = await createConnection(() => client, { host: HOST, port, layers: [gzip] })
    netDefer(() => transport.abort())
    expect(client.transport).toBe(transport)
    transport.write('words '.repeat(5000))
    const server = await first
    await server.until(() => server.size === 30_000)
    expect((server.transport.getExtraInfo('socket') as { bytesRead: number }).bytesRead).toBeLessThan(500)
    server.transport.write('answer')
    expect(notes).toEqual(['write answer'])
    await client.until(() => client.text === 'answer')
    transport.close()
    await client.untilEvent('lost')
    await server.untilEvent('eof')
    expect([client.lostWith, server.lostWith]).toEqual([null, undefined])
    server.transport.close()
    await server.untilEvent('lost')
    expect(server.log).toEqual(['made', 'data', 'eof', 'lost'])
  })

  it('are above TLS, over Unix sockets, and below the streams', async () => {
    const { server, address } = await netServe(() => new NetRecorder(), 'unix', { layers: [gzip] })
    const recorder = new NetRecorder()
    const path = (address as { path: string }).path
    const [transport] = await createUnixConnection(() => recorder, { path, layers: [gzip] })
    expect(transport.getExtraInfo('peername')).toBe(path)
    transport.close()
    await recorder.untilEvent('lost')
    server.close()

    const tls = await startServer(
      async (reader, writer) => {
        writer.write(`${String(await reader.readLine())} over ${writer.getExtraInfo('tlsVersion')}`)
        writer.close()
      },
      { host: HOST, tls: certified('localhost'), layers: [gzip] },
    )
    netStop(tls)
    const { port } = tls.sockets[0]!
    const [reader, writer] = await openConnection({ host: 'localhost', port, family: 4, tls: { ca }, layers: [gzip] })
    writer.write('hello\n')
    expect(String(await reader.read())).toBe('hello\n over TLSv1.3')
    writer.close()
    await writer.waitClosed()
  })

  it.each(['closeClients', 'abortClients', 'graceMs'] as const)('%s of a server acts on the uppermost', async (how) => {
    const { factory, first } = recording()
    const notes: string[] = []
    const { server, address } = await netServe(factory, 'tcp', { layers: [noting(notes)] })
    await netDial(address)
    const recorder = await first
    if (how === 'graceMs') await server.close({ graceMs: 0 })
    else server[how]()
    await recorder.untilEvent('lost')
    expect(notes).toEqual([how === 'closeClients' ? 'close' : 'abort'])
    expect(recorder.lostWith).toBeNull()
  })

  it('closes in good order through compression: what was written arrives, and the end of its stream', async () => {
    const { factory, first } = recording()
    const { server, port } = await netServe(factory, 'tcp', { layers: [gzip] })
    const client = new NetRecorder()
    await createConnection(() => client, { host: HOST, port, layers: [gzip] })
    const recorder = await first
    recorder.transport.write('last words')
    server.close()
    server.closeClients()
    await client.untilEvent('lost')
    expect([client.text, client.lostWith]).toEqual(['last words', null])
    await server.waitClosed()
  })

  describe('that fail', () => {
    const failing: Layer = () => {
      throw new TypeError('no such format')
    }
    const lazy: Layer = (_inner, _protocol) => {}

    it.each<[string, Layer[], string]>([
      ['one that throws', [failing], 'no such format'],
      ['one above another', [gzip, failing], 'no such format'],
      ['one that does not call connectionMade', [lazy], 'a layer must call connectionMade()'],
    ])('%s: the connecting call rejects, and nothing is left open', async (_, layers, message) => {
      const { address, accepted } = await netListen()
      const { port } = address as { port: number }
      const recorder = new NetRecorder()
      const error = await netError(createConnection(() => recorder, { host: HOST, port, layers }))
      expect(error).toBeInstanceOf(TypeError)
      expect(error.message).toMatch(message)
      const peer = await accepted()
      await peer.until(() => peer.ended || peer.closed)
      expect(recorder.log).toEqual([])
    })

    it('on a server it is reported, once, the connection closed, and the server goes on', async () => {
      let broken = true
      const layer: Layer = (inner, protocol, report) => (broken ? failing : gzip)(inner, protocol, report)
      const { port, address, errors, server } = await netServe(NetRecorder, 'tcp', { layers: [layer] })
      const peer = await netDial(address)
      await peer.until(() => peer.ended || peer.closed)
      expect(errors.map(({ error }) => String(error))).toEqual(['TypeError: no such format'])
      broken = false
      const [transport] = await createConnection(NetRecorder, { host: HOST, port, layers: [gzip] })
      transport.close()
      server.close()
      await server.waitClosed()
    })

    it('what the protocol throws above them goes to onConnectionError', async () => {
      const seen: unknown[] = []
      const { port } = await netServe(
        () => ({
          dataReceived() {
            throw new Error('cannot read this')
          },
        }),
        'tcp',
        { layers: [gzip], onConnectionError: (error) => seen.push(error) },
      )
      const client = new NetRecorder()
      const [transport] = await createConnection(() => client, { host: HOST, port, layers: [gzip] })
      transport.write('x')
      await client.untilEvent('lost')
      expect(seen.map(String)).toEqual(['Error: cannot read this'])
    })
  })
})
