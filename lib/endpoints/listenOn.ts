import { abortedOnEntry, handled, rejected, Waiter } from '../wait.ts'
import type { ListenOptions } from './listen.ts'
import type { Listener } from './listener.ts'
import type { Server } from './server.ts'

/** What becomes of the listeners, once all of them are bound. */
export type ServerFactory<S extends Server> = (listeners: readonly Listener[]) => S

/** Makes a server of what `bind` resolves with; where that comes too late, it is closed. */
export function listenOn<S extends Server>(
  makeServer: ServerFactory<S>,
  options: ListenOptions,
  bind: (signal: AbortSignal) => Promise<Listener[]>,
): Promise<S> {
  for (const name of ['maxConnections', 'idleTimeoutMs'] as const) {
    const value = options[name]
    if (value !== undefined && !(value > 0)) return rejected(new RangeError(`${name} must be above 0, not ${value}`))
  }
  const aborted = abortedOnEntry(options)
  if (aborted !== undefined) return rejected(aborted.reason)
  const cancelled = new AbortController()
  const waiter = new Waiter<S>(
    options,
    () => 'listen',
    () => cancelled.abort(),
  )
  const listening = bind(cancelled.signal).then(
    (listeners) => {
      if (waiter.settled) return listeners.forEach((listener) => listener.close())
      try {
        const server = makeServer(listeners)
        if (options.startServing !== false) void server.startServing()
        waiter.resolve(server)
      } catch (error) {
        for (const listener of listeners) listener.close()
        waiter.reject(error)
      }
    },
    (error: unknown) => waiter.reject(error),
  )
  void handled(listening)
  return waiter.promise
}
