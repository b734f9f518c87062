import type { StartTlsOptions } from '../tlsOptions.ts'
import { peerOf, type Transport } from '../transport.ts'
import { abortedOnEntry, rejected, Waiter } from '../wait.ts'
import { SocketTransport } from './socketTransport.ts'
import { checkStartTls, serveHands, shakeHands } from './tlsHandshake.ts'
import { TransportDuplex } from './transportDuplex.ts'
import type { TransportOwner } from './transportOwner.ts'

/**
 * `Transport.startTls` for any transport: TLS is put on top of `below`, which it sees as a stream. `report` is for errors
 * that reach nobody.
 */
export function startTlsOver(
  below: Transport,
  options: StartTlsOptions,
  received: Uint8Array | undefined,
  report: TransportOwner['report'],
): Promise<Transport> {
  try {
    checkStartTls(below, options)
  } catch (error) {
    return rejected(error)
  }
  const aborted = abortedOnEntry(options)
  if (aborted !== undefined) return rejected(aborted.reason)
  const protocol = below.getProtocol()
  const { serverSide = false } = options
  const owner: TransportOwner = {
    side: serverSide ? 'server' : 'client',
    isLayer: true,
    attach() {},
    detach() {},
    report,
  }
  const duplex = new TransportDuplex(below, received)
  const lost = (error: Error | null): void => {
    duplex.destroy()
    setImmediate(() => {
      try {
        protocol.connectionLost?.(error)
      } catch (thrown) {
        report(thrown, below)
      }
    })
  }
  const waiter = new Waiter<Transport>(options, undefined, () => lost(null))
  const shake = serverSide ? serveHands : shakeHands
  shake(duplex, peerOf(below) ?? '(unknown)', options as never, (error, secured) => {
    if (waiter.settled) return void secured?.destroy()
    if (error !== undefined) {
      lost(error)
      return waiter.reject(error)
    }
    const next = new SocketTransport(secured!, protocol, owner)
    next.goOn()
    waiter.resolve(next)
  })
  return waiter.promise
}
