import type { AnyProtocol } from '../protocol.ts'
import type { Transport } from '../transport.ts'
import { stackLayers, type Layer } from '../layers/layer.ts'
import type { TransportOwner } from '../transports/transportOwner.ts'

/**
 * Begins a connection with layers between its transport and `protocol`; returns the uppermost transport. `begin` makes
 * the lowest and calls `connectionMade` of the protocol that it is given. `onTop` is told both ends of the stack before
 * `protocol` gets its transport.
 *
 * Throws what a layer throws, and a TypeError for one that does not call `connectionMade`; then the connection is
 * aborted: nobody must talk to it without its layers.
 */
export function beginLayered(
  layers: readonly Layer[],
  protocol: AnyProtocol,
  owner: TransportOwner,
  begin: (below: AnyProtocol) => void,
  onTop?: (top: Transport, bottom: Transport) => void,
): Transport {
  let bottom: Transport | undefined
  let top: Transport | undefined
  let failure: unknown
  const told = (transport: Transport): void => {
    top = transport
    onTop?.(transport, bottom!)
  }
  // Caught here, and not by whatever transport a lower layer has put in between.
  const guarded = layers.map((layer): Layer => {
    return (inner, above, report) => {
      bottom ??= inner
      try {
        layer(inner, above, report)
      } catch (error) {
        // With all layers in place it is the protocol's own.
        if (top !== undefined) throw error
        failure ??= error
      }
    }
  })
  begin(stackLayers(guarded, protocol, told, (error, transport) => owner.report(error, transport)))
  if (top !== undefined) return top
  bottom?.abort()
  throw failure ?? new TypeError('a layer must call connectionMade() of the protocol that it gets')
}

/** As {@link beginLayered}, where there may be no layers: then `begin` is all there is to it. */
export function beginConnection(
  layers: readonly Layer[] | undefined,
  protocol: AnyProtocol,
  owner: TransportOwner,
  begin: (below: AnyProtocol) => Transport,
): Transport {
  if (layers === undefined || layers.length === 0) return begin(protocol)
  return beginLayered(layers, protocol, owner, begin)
}
