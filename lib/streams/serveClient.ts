/** What becomes of the handler of a connection, whichever kind of stream it is given. */
import { TimeoutError } from '../errors.ts'
import type { Transport } from '../transport.ts'

type ServedTransport = Pick<Transport, 'close' | 'abort'>

/** What a server wants to know of its handlers. */
export interface ServingOptions<T extends ServedTransport> {
  /** Told of a handler that fails. */
  report?: ((error: unknown, transport: T) => void) | undefined
  /** Told when a handler that returns a promise begins and ends. */
  handlerStarted?: (() => void) | undefined
  handlerEnded?: (() => void) | undefined
}

/**
 * Goes by what a handler has returned, which may be a promise. `stream` is what it serves; it is held until then: one
 * that is only read from must not count as abandoned meanwhile.
 */
export function followHandler<T extends ServedTransport>(
  served: unknown,
  stream: { readonly transport: T },
  options: ServingOptions<T>,
): void {
  if (!isThenable(served)) return
  const { handlerStarted, handlerEnded } = options
  handlerStarted?.()
  served.then(handlerEnded, (error: unknown) => {
    handlerFailed(error, stream.transport, options)
    handlerEnded?.()
  })
}

/** A handler has failed: the server goes on without this client. One that was cancelled is no fault. */
export function handlerFailed<T extends ServedTransport>(
  error: unknown,
  transport: T,
  options: ServingOptions<T>,
): void {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown }
  // The reason of a plain `controller.abort()` has a number as its code.
  if (code !== 'ABORT_ERR' && name !== 'AbortError') options.report?.(error, transport)
  // What was written may be the answer to the error; but a peer that took too long is not waited for again.
  if (error instanceof TimeoutError) transport.abort()
  else transport.close()
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === 'function'
}
