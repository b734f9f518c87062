import { BufferedProtocol, type AnyProtocol } from '../../lib/protocol.ts'
import type { Transport } from '../../lib/transport.ts'
import { LayerTransport } from '../../lib/transports/layerTransport.ts'
import { netConnection, netPromise } from '../support/netTools.ts'

const bulk = Buffer.from(Array.from({ length: 2_000_000 }, (_, i) => (i * 7919) >> 5))

describe('LayerTransport', () => {
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
