/** A server of calls: services with their handlers, behind any `Server` or transport of ours. */
import { clock, LONGEST_TIMER_MS } from '../clock.ts'
import { sharedController } from '../endpoints/sharedController.ts'
import { createServer, createUnixServer, type TcpListenOptions, type UnixListenOptions } from '../endpoints/listen.ts'
import { parseEndpoint } from '../endpoints/endpointScheme.ts'
import { Server } from '../endpoints/server.ts'
import { printError } from '../diagnostics.ts'
import { InvalidStateError } from '../errors.ts'
import type { Protocol } from '../protocol.ts'
import { reportTo } from '../transports/transportOwner.ts'
import type { Transport } from '../transport.ts'
import { handled, UNCANCELLED, WaitList } from '../wait.ts'
import type { CallContext, Handlers } from './handlers.ts'
import { combine, type Interceptor, type Interceptors } from './interceptor.ts'
import { makeRoute, type AnyHandler, type Route } from './route.ts'
import { ServerConnection } from './serverConnection.ts'
import type { ServerConnectionOwner } from './serverOwner.ts'
import { limitsOf, type ServerLimitOptions } from './serverLimits.ts'
import type { AnyMethod } from './method.ts'
import { RpcError } from './rpcError.ts'
import type { Service } from './service.ts'
import { Status } from './status.ts'

export interface RpcServerOptions extends ServerLimitOptions {
  /** Around every call, the first outermost; those of `add` are inside. */
  readonly interceptors?: readonly Interceptor<CallContext>[] | undefined
  /**
   * Told of errors that a handler did not mean to send: all that is no {@link RpcError}. The client gets INTERNAL and no
   * more. Not of what a handler throws whose call was cancelled before. Also of connections that broke the rules, without a context. Printed to stderr by default.
   */
  readonly onError?: ((error: unknown, context: CallContext | undefined) => void) | undefined
}

export interface AddOptions {
  /** Around the calls of this service, inside of those of the server. */
  readonly interceptors?: readonly Interceptor<CallContext>[] | undefined
}

export interface ShutdownOptions {
  /** How long calls may take to end by themselves, in milliseconds; 30,000 by default. */
  readonly graceMs?: number | undefined
  /** Ends the time of grace early, as a cancel of the scope around does. */
  readonly signal?: AbortSignal | undefined
}

export type RpcListenOptions = TcpListenOptions | (UnixListenOptions & { path: string })

/** Makes a server of such protocols. */
export type MakeServer = (factory: () => Protocol) => Server | Promise<Server>

export interface RpcAddress {
  readonly host: string
  readonly port: number
  /** Of a Unix socket, which has neither of the others. */
  readonly path?: string
}

const DEFAULT_GRACE_MS = 30_000
/** How long the last answers may take when the server ends by force. */
const FORCED_CLOSE_MS = 1000

/**
 * Serves services to clients of ttrpc, and of millrace.
 *
 * ```ts
 * const server = new RpcServer().add(Chat, { async send(request) { … } })
 * await server.listen({ host: '127.0.0.1', port: 0 })
 * ```
 */
export class RpcServer implements AsyncDisposable {
  readonly #options: RpcServerOptions
  readonly #owner: ServerConnectionOwner
  readonly #services = new Map<string, Map<string, Route | undefined>>()
  readonly #added: Service[] = []
  readonly #interceptors: readonly Interceptor<CallContext>[]
  readonly #servers: Server[] = []
  readonly #connections = new Set<ServerConnection>()
  /** For the last connection to be gone; and for the last handler to have ended as well. */
  readonly #closed = new WaitList()
  readonly #done = new WaitList()
  readonly #closing = sharedController()
  #handlers = 0

  /** Throws a RangeError for limits that make no sense. */
  constructor(options: RpcServerOptions = {}) {
    this.#options = options
    this.#interceptors = options.interceptors ?? []
    // Throws for what is none.
    combine(this.#interceptors)
    const settled = (): void => this.#settled()
    const isDraining = (): boolean => this.#draining
    this.#owner = {
      limits: limitsOf(options),
      get draining() {
        return isDraining()
      },
      route: (service, method) => this.#services.get(service)?.get(method),
      hasService: (service) => this.#services.has(service),
      opened: (connection) => this.#connections.add(connection),
      closed: (connection) => {
        this.#connections.delete(connection)
        settled()
      },
      handlerBegan: () => void this.#handlers++,
      handlerEnded: () => {
        this.#handlers--
        if (this.#draining) settled()
      },
      report: (error, context, transport) => this.#report(error, context, transport),
    }
  }

  /** The services that were added. */
  get services(): readonly Service[] {
    return this.#added
  }

  /**
   * Aborted when the server is shut down, with an {@link RpcError} UNAVAILABLE as its reason: for streams that go on until
   * then, which would keep {@link shutdown} waiting. `context.signal` tells when a call ends by force.
   */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  get #draining(): boolean {
    return this.#closing.signal.aborted
  }

  /** Open connections. */
  get connections(): number {
    return this.#connections.size
  }

  /**
   * Serves `service` by these handlers: an object of functions, or an instance of a class with such methods. A method
   * without a handler is answered with UNIMPLEMENTED. Throws a TypeError for a handler of a method that there is not
   * (an instance may have fields of its own), and {@link InvalidStateError} if the service was added already.
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- any service
  add<S extends Service<any>>(service: S, handlers: Partial<Handlers<S>>, options: AddOptions = {}): this {
    const { name } = service
    if (this.#services.has(name)) throw new InvalidStateError(`the service ${name} was added already`)
    const interceptors = combine([...this.#interceptors, ...(options.interceptors ?? [])])
    this.#services.set(name, routesOf(service, handlers as Record<string, unknown>, interceptors))
    this.#added.push(service)
    return this
  }

  /** Makes what serves one connection: the protocol for a transport of any kind, and the factory for `createServer`. */
  protocol(): Protocol {
    return new ServerConnection(this.#owner)
  }

  /**
   * Listens over TCP or on a Unix socket, with or without TLS, or on what an endpoint's string says (see
   * `endpointFromString`); may be called several times. A function may make any other `Server`, of the protocols that it
   * is given: `listen((factory) => createServer(factory, { sock }))`. All of them are closed by {@link shutdown}.
   *
   * Resolves with the `Server` once connections are accepted; rejects as `createServer` does, and with
   * {@link InvalidStateError} once the server was shut down.
   */
  async listen(where: RpcListenOptions | string | MakeServer): Promise<Server> {
    this.#checkOpen()
    const server = await this.#makeServer(where)
    if (this.#draining) server.close()
    this.#checkOpen()
    this.#servers.push(server)
    return server
  }

  #checkOpen(): void {
    if (this.#draining) throw new InvalidStateError('listen() on a server that was shut down')
  }

  async #makeServer(where: RpcListenOptions | string | MakeServer): Promise<Server> {
    const factory = (): Protocol => this.protocol()
    if (typeof where === 'function') return where(factory)
    const report = {
      onConnectionError: (error: unknown, transport: Transport | undefined) =>
        this.#report(error, undefined, transport),
    }
    if (typeof where === 'string') {
      return parseEndpoint(where).listen((listeners) => new Server(listeners, factory, report), report)
    }
    if ('path' in where && where.path !== undefined) return createUnixServer(factory, { ...report, ...where })
    // A client that has vanished is to be noticed some day.
    return createServer(factory, { ...report, keepAlive: true, ...(where as TcpListenOptions) })
  }

  /**
   * Where it listens: the first address, in the shape that `connect()` takes. Throws {@link InvalidStateError} before
   * `listen()` has resolved, and after `shutdown()`.
   */
  get address(): RpcAddress {
    const socket = this.#servers.flatMap(({ sockets }) => sockets)[0]
    if (socket === undefined) throw new InvalidStateError('the server is not listening: it has no address')
    const { family, address, port } = socket
    return family === 'unix' ? { host: '', port: 0, path: address } : { host: address, port }
  }

  /**
   * Accepts no more connections and no more calls, answers those that there are, and closes each connection after its
   * last. After `graceMs` the calls that are left are answered with UNAVAILABLE and cancelled, and the connections
   * closed. Always settles: handlers that do not heed their signal are not waited for any longer. Rejects with nothing
   * but a RangeError for a time that makes no sense. May be called again, with another time of grace: the earliest ends
   * all of them, and so does {@link forceShutdown}.
   *
   * A client that knows of the extension is told, and loses no call, once its first one was received; a plain one loses
   * those that it sends in the moment in which its connection is closed.
   */
  async shutdown({ graceMs = DEFAULT_GRACE_MS, signal }: ShutdownOptions = {}): Promise<void> {
    if (!(graceMs >= 0)) throw new RangeError(`graceMs must be a number of milliseconds, not ${graceMs}`)
    this.#beginClosing()
    for (const connection of this.#connections) connection.drain('the server is shutting down')
    if (this.#isDone) return
    // The timer of a wait keeps no process alive; but handlers may be all that is left, and this is to settle.
    const alive = clock.setTimeout(() => {}, LONGEST_TIMER_MS, true)
    try {
      await handled(this.#done.wait({ timeoutMs: graceMs, signal }, () => 'shutdown'))
    } catch {
      await this.forceShutdown()
    } finally {
      clock.clearTimeout(alive)
    }
  }

  /**
   * Answers all calls with UNAVAILABLE, cancels their handlers, and closes all connections: by force, if their clients
   * do not take the answers within a second. Handlers are not waited for. Never rejects.
   */
  async forceShutdown(): Promise<void> {
    this.#beginClosing()
    for (const connection of this.#connections) connection.end('the server was shut down')
    const late = clock.setTimeout(
      () => {
        for (const { transport } of this.#connections) transport.abort()
      },
      FORCED_CLOSE_MS,
      true,
    )
    if (this.#connections.size > 0) await this.#closed.wait({ scope: UNCANCELLED }, () => 'forceShutdown')
    clock.clearTimeout(late)
    // Who waits in shutdown() may wait for handlers as well.
    this.#done.resolveAll()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown()
  }

  #beginClosing(): void {
    for (const server of this.#servers) server.close()
    if (!this.#draining) this.#closing.abort(new RpcError(Status.UNAVAILABLE, 'the server is shutting down'))
  }

  get #isDone(): boolean {
    return this.#connections.size === 0 && this.#handlers === 0
  }

  #settled(): void {
    if (!this.#draining) return
    if (this.#connections.size === 0) this.#closed.resolveAll()
    if (this.#isDone) this.#done.resolveAll()
  }

  #report(error: unknown, context: CallContext | undefined, transport: Transport | undefined): void {
    const { onError } = this.#options
    // That a connection was lost is no news, unless it was one of a handler's own.
    if (onError === undefined && context !== undefined) return printError(error, context.peer)
    reportTo(onError === undefined ? undefined : () => onError(error, context), error, transport)
  }
}

function routesOf(
  { name, methods }: Service<any>, // oxlint-disable-line typescript/no-explicit-any -- of any service
  handlers: Readonly<Record<string, unknown>>,
  interceptors: Interceptors<CallContext> | undefined,
): Map<string, Route | undefined> {
  const byKey = methods as Readonly<Record<string, AnyMethod>>
  const isInstance = ![Object.prototype, null].includes(Object.getPrototypeOf(handlers) as object | null)
  for (const key of isInstance ? [] : Object.keys(handlers)) {
    if (!Object.hasOwn(byKey, key)) throw new TypeError(`the service ${name} has no method ${key}`)
  }
  const routes = new Map<string, Route | undefined>()
  for (const [key, method] of Object.entries(byKey)) {
    const handler = handlers[key]
    if (handler === undefined) continue
    if (typeof handler !== 'function') throw new TypeError(`the handler of ${method.path} is no function`)
    routes.set(method.name, makeRoute(method, (handler as AnyHandler).bind(handlers), interceptors))
  }
  return routes
}
