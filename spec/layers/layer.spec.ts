import { memoryPair, RecordingProtocol } from '../../lib/testing/index.ts'
import type { AnyProtocol } from '../../lib/protocol.ts'
import type { Transport } from '../../lib/transport.ts'
import { stackLayers, type Layer } from '../../lib/layers/layer.ts'
import { TransportWrapper } from '../../lib/transports/transportWrapper.ts'

/** Writes `mark` in front of each write. */
class Marking extends TransportWrapper {
  readonly #mark: string
  constructor(inner: Transport, mark: string) {
    super(inner)
    this.#mark = mark
  }
  override write(data: Uint8Array | string): void {
    super.write(this.#mark + Buffer.from(data as string).toString())
  }
}

const marking =
  (mark: string): Layer =>
  (inner: Transport, protocol: AnyProtocol) => {
    inner.setProtocol(protocol)
    ;(protocol as RecordingProtocol).connectionMade(new Marking(inner, mark))
  }

describe('stackLayers', () => {
  it('puts the first layer lowest, and tells the uppermost transport', async () => {
    const [client, server] = [new RecordingProtocol(), new RecordingProtocol()]
    let top: Transport | undefined
    memoryPair(
      stackLayers([marking('low '), marking('high ')], client, (transport) => (top = transport)),
      server,
    )
    expect(client.transport).toBe(top)
    client.transport.write('bytes')
    await server.untilBytes(14)
    expect(server.data.toString()).toBe('low high bytes')
    server.transport.write('answer')
    server.transport.close()
    await client.untilEvent('connectionLost')
    expect(client.data.toString()).toBe('answer')
    expect(client.events).toEqual(['connectionMade', 'dataReceived', 'eofReceived', 'connectionLost'])
  })

  it('gives the transport itself where there are no layers', () => {
    const client = new RecordingProtocol()
    const [transport] = memoryPair(stackLayers([], client), new RecordingProtocol())
    expect(client.transport).toBe(transport)
    transport.abort()
  })
})
