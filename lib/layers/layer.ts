import type { ErrorHandler } from '../diagnostics.ts'
import type { AnyProtocol, Protocol } from '../protocol.ts'
import type { Transport } from '../transport.ts'

/**
 * What stands between a transport and a protocol: compression, a log, a limit of the rate. It takes the place of the
 * protocol of `inner`, puts a transport of its own on top, and calls `connectionMade` of `protocol` with that, before
 * it returns. `report` takes an error that reaches nobody else, such as one that the protocol throws, to where the
 * errors of `inner` go.
 */
export type Layer = (inner: Transport, protocol: AnyProtocol, report?: ErrorHandler<Transport>) => void

/**
 * The protocol to give to the transport below all of `layers`, the first of which is the lowest. `onTop` is told the
 * transport that `protocol` gets, before it gets it. `report` is passed to the layers.
 */
export function stackLayers(
  layers: readonly Layer[],
  protocol: AnyProtocol,
  onTop?: (transport: Transport) => void,
  report?: ErrorHandler<Transport>,
): Partial<Protocol> {
  const climb = (transport: Transport, depth: number): void => {
    const layer = layers[depth]
    if (layer !== undefined) return layer(transport, { connectionMade: (next) => climb(next, depth + 1) }, report)
    transport.setProtocol(protocol)
    onTop?.(transport)
    ;(protocol as Partial<Protocol>).connectionMade?.(transport)
  }
  return { connectionMade: (transport) => climb(transport, 0) }
}
