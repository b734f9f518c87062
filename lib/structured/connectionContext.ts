import type { ErrorHandler } from '../diagnostics.ts'
import { isBuffered, type AnyProtocol, type BufferedProtocol, type Protocol } from '../protocol.ts'
import type { Layer } from '../layers/layer.ts'
import { LayerTransport } from '../layers/layerTransport.ts'
import type { Encoder, Transport } from '../transport.ts'
import type { StartTlsOptions } from '../tlsOptions.ts'
import { handled } from '../wait.ts'
import { closeChild, openChild, type CancelScope } from './cancelScope.ts'
import { runIn, type Context } from './context.ts'

/**
 * A layer that calls the protocol where `around` is: in asyncio's flavour, and in a scope of the connection's own inside
 * of `scopeOf()`. The events of a socket have no such place by themselves. `moved` is told the transport of the connection,
 * and that after startTls.
 */
export function connectionContext(
  around: Context,
  scopeOf: () => CancelScope,
  moved?: (transport: Transport) => void,
): Layer {
  return (inner, protocol, report) => {
    const scope = openChild(scopeOf())
    const context: Context = { ...around, flavour: 'asyncio', scope }
    new ContextTransport(inner, protocol, { report, context, scope, moved }).start()
  }
}

interface Place {
  readonly report: ErrorHandler<Transport> | undefined
  readonly context: Context
  readonly scope: CancelScope
  readonly moved: ((transport: Transport) => void) | undefined
}

// What the class lets be called from outside of it.
let connectionLost: (transport: ContextTransport, error: Error | null) => void

class ContextTransport extends LayerTransport {
  readonly #place: Place
  readonly #context: Context

  constructor(inner: Transport, protocol: AnyProtocol, place: Place) {
    super(inner, protocol, place.report)
    this.#place = place
    this.#context = place.context
    place.moved?.(this)
  }

  override start(): void {
    runIn(this.#context, () => super.start())
  }

  // What the transport below has of these is faster than what it can make of `write`.
  override writeLines(pieces: Iterable<Uint8Array | string>): void {
    this.inner.writeLines(pieces)
  }

  override writeEncoded<T>(encoder: Encoder<T>, message: T): void {
    this.inner.writeEncoded(encoder, message)
  }

  /** Nothing changes the bytes on their way: the transport below can do it as well. */
  override startTls(options: StartTlsOptions, received?: Uint8Array): Promise<Transport> {
    const secured = this.inner.startTls(options, received).then((below) => {
      const next = new ContextTransport(below, this.getProtocol(), this.#place)
      below.setProtocol(next.below(next.getProtocol()))
      return next
    })
    return handled(secured)
  }

  protected override onLost(error: Error | null): void {
    try {
      super.onLost(error)
    } finally {
      closeChild(this.#place.scope)
    }
  }

  protected override below(protocol: AnyProtocol): AnyProtocol {
    const context = this.#context
    const callbacks = {
      eofReceived: () => runIn(context, eofReceived, this),
      pauseWriting: () => runIn(context, pauseWriting, this),
      resumeWriting: () => runIn(context, resumeWriting, this),
      connectionLost: (error: Error | null) => runIn(context, connectionLost, this, error),
    }
    if (!isBuffered(protocol)) return { ...callbacks, dataReceived: (data) => runIn(context, dataReceived, this, data) }
    return {
      ...callbacks,
      getBuffer: (sizeHint) => runIn(context, getBuffer, protocol, sizeHint),
      bufferUpdated: (n) => runIn(context, bufferUpdated, protocol, n),
    }
  }

  static {
    connectionLost = (transport, error) => transport.onLost(error)
  }
}

// No closure is made for a callback. The protocol is asked for each time: it may be replaced.
const dataReceived = (transport: Transport, data: Buffer): void => protocolOf(transport).dataReceived?.(data)
const eofReceived = (transport: Transport): boolean | void => protocolOf(transport).eofReceived?.()
const pauseWriting = (transport: Transport): void => protocolOf(transport).pauseWriting?.()
const resumeWriting = (transport: Transport): void => protocolOf(transport).resumeWriting?.()
const getBuffer = (protocol: Lending, sizeHint: number): Uint8Array => protocol.getBuffer(sizeHint)
const bufferUpdated = (protocol: Lending, n: number): void => protocol.bufferUpdated(n)

type Lending = Pick<BufferedProtocol, 'getBuffer' | 'bufferUpdated'>
const protocolOf = (transport: Transport): Partial<Protocol> => transport.getProtocol() as Partial<Protocol>
