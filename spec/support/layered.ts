import { createConnection, createServer, type AnyProtocol, type Transport } from '../../lib/index.ts'
import { memoryPair, type MakePair, type MemoryOptions } from '../../lib/testing/index.ts'
import { stackLayers, type Layer } from '../../lib/layers/layer.ts'

const quiet = { onConnectionError: () => {} }

/** Both ends with `layers` in between; the transports are the upper ones. */
export const layeredMemory =
  (layers: readonly Layer[], options: MemoryOptions = quiet): MakePair =>
  async (client, server) => {
    const tops: Transport[] = []
    const protocols = [client, server].map((protocol, i) =>
      stackLayers(
        layers,
        protocol,
        (top) => (tops[i] = top),
        () => {},
      ),
    )
    memoryPair(protocols[0]!, protocols[1]!, options)
    return [tops[0]!, tops[1]!]
  }

/** Likewise over TCP, with a server for each pair. */
export const layeredTcp =
  (layers: readonly Layer[]): MakePair =>
  async (client, server) => {
    const tops: Transport[] = []
    let accepted = (): void => {}
    const made = new Promise<void>((resolve) => (accepted = resolve))
    const factory = (protocol: AnyProtocol, i: number) => () =>
      stackLayers(
        layers,
        protocol,
        (top) => {
          tops[i] = top
          if (i === 1) setImmediate(accepted)
        },
        () => {},
      )
    const listener = await createServer(factory(server, 1), { host: '127.0.0.1', port: 0, ...quiet })
    await createConnection(factory(client, 0), { host: '127.0.0.1', port: listener.sockets[0]!.port, ...quiet })
    await made
    listener.close()
    return [tops[0]!, tops[1]!]
  }
