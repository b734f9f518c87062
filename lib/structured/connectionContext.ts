import type { AnyProtocol } from '../protocol.ts'
import type { Layer } from '../layers/layer.ts'
import { LayerTransport } from '../layers/layerTransport.ts'
import type { Encoder, Transport } from '../transport.ts'
import type { StartTlsOptions } from '../tlsOptions.ts'
import { handled } from '../wait.ts'
import { closeChild, openChild, type CancelScope } from './cancelScope.ts'
import { runIn, type Context } from './context.ts'

/**
 * A layer that calls the protocol where `around` is: in asyncio's flavour, and in a scope of the connection's own inside
 * of `scopeOf()`. The events of a socket have no such place by themselves.
 */
export function connectionContext(around: Context, scopeOf: () => CancelScope): Layer {
  return (inner, protocol, report) => {
    const scope = openChild(scopeOf())
    const context: Context = { ...around, flavour: 'asyncio', scope, task: undefined }
    new ContextTransport(inner, protocol, report, context, scope).start()
  }
}

class ContextTransport extends LayerTransport {
  readonly #context: Context
  readonly #scope: CancelScope
  readonly #told: ConstructorParameters<typeof LayerTransport>[2]

  constructor(
    inner: Transport,
    protocol: AnyProtocol,
    report: ConstructorParameters<typeof LayerTransport>[2],
    context: Context,
    scope: CancelScope,
  ) {
    super(inner, protocol, report)
    this.#told = report
    this.#context = context
    this.#scope = scope
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
      const next = new ContextTransport(below, this.getProtocol(), this.#told, this.#context, this.#scope)
      below.setProtocol(next.below(next.getProtocol()))
      return next
    })
    return handled(secured)
  }

  protected override onLost(error: Error | null): void {
    try {
      super.onLost(error)
    } finally {
      closeChild(this.#scope)
    }
  }

  protected override below(protocol: AnyProtocol): AnyProtocol {
    const context = this.#context
    const plain = super.below(protocol)
    // All of them are functions that know what they belong to.
    const within = (callback: unknown) => {
      return (...args: unknown[]): never => runIn(context, callback as (...given: unknown[]) => never, ...args)
    }
    return Object.fromEntries(Object.entries(plain).map(([name, callback]) => [name, within(callback)]))
  }
}
