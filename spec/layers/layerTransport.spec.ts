import { createConnection } from '../../lib/endpoints/connect.ts'
import { BufferedProtocol, type AnyProtocol } from '../../lib/protocol.ts'
import type { Transport } from '../../lib/transport.ts'
import type { Layer } from '../../lib/layers/layer.ts'
import { LayerTransport } from '../../lib/layers/layerTransport.ts'
import { logTraffic } from '../../lib/layers/logTraffic.ts'
import { throttle } from '../../lib/layers/throttle.ts'
import { ca, certified } from '../support/tlsFixtures.ts'
import { netConnection, netPromise, NetRecorder, netServe } from '../support/netTools.ts'

const bulk = Buffer.from(Array.from({ length: 2_000_000 }, (_, i) => (i * 7919) >> 5))

describe('LayerTransport', () => {
  describe('startTls', () => {
    it.each<[string, () => Layer]>([
      ['logTraffic', () => logTraffic({ log: () => {} })],
      ['throttle', () => throttle({ read: { bytesPerSecond: 1e9 } })],
    ])('over %s reports to where the errors of the connection go', async (_name, layer) => {
      const thrown = new Error('not understood')
      const protocol = Object.assign(new NetRecorder(), {
        dataReceived: (): never => {
          throw thrown
        },
      })
      const { port, errors } = await netServe(() => protocol, 'tcp', { layers: [layer()] })
      const [client] = await createConnection(NetRecorder, { host: '127.0.0.1', port })
      await protocol.untilEvent('made')
      const [secured] = await Promise.all([
        client.startTls({ tls: { ca }, serverHostname: 'localhost' }),
        (protocol.transport as Transport).startTls({ tls: certified('localhost'), serverSide: true }),
      ])
      secured.write('what?')
      await protocol.untilEvent('lost')
      expect(protocol.lostWith).toBe(thrown)
      expect(errors.map(({ error }) => error)).toEqual([thrown])
      secured.abort()
    })
  })

  describe('setProtocol', () => {
    it('puts one buffered protocol in the place of another, from inside and between two reads', async () => {
      const parts: Buffer[] = []
      let layer!: Transport
      const end = netPromise()
      class Blocks extends BufferedProtocol {
        #block = Buffer.alloc(0)
        override connectionMade(transport: Transport): void {
          layer = transport
        }
        override getBuffer(): Uint8Array {
          return (this.#block = Buffer.alloc(40_000))
        }
        override bufferUpdated(n: number): void {
          parts.push(Buffer.from(this.#block.subarray(0, n)))
          if (parts.length % 3 === 0) layer.setProtocol(new Blocks())
          if (parts.length % 5 === 0) setImmediate(() => layer.setProtocol(new Blocks()))
        }
        override connectionLost(): void {
          end.resolve()
        }
      }
      const below: AnyProtocol = {
        connectionMade: (transport: Transport) => new LayerTransport(transport, new Blocks()).start(),
      }
      const { peer } = await netConnection('tcp', 'server', below)
      peer.socket.end(bulk)
      await end.promise
      expect(Buffer.concat(parts).equals(bulk)).toBe(true)
    })

    it('may be called from inside getBuffer: what was asked for is still filled', async () => {
      const log: string[] = []
      let layer!: Transport
      const end = netPromise()
      const named = (name: string): AnyProtocol => ({
        connectionMade: (transport) => void (layer = transport),
        getBuffer: () => {
          if (name === 'first') layer.setProtocol(named('second'))
          return Buffer.alloc(3)
        },
        bufferUpdated: (n) => void log.push(`${name} ${n}`),
        connectionLost: () => end.resolve(),
      })
      const below: AnyProtocol = {
        connectionMade: (transport: Transport) => new LayerTransport(transport, named('first')).start(),
      }
      const { peer } = await netConnection('tcp', 'server', below)
      peer.socket.end('hello')
      await end.promise
      expect(log).toEqual(['first 3', 'second 2'])
    })
  })
})
