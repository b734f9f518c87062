import { clock } from '../clock.ts'
import { InvalidStateError } from '../errors.ts'
import { rpcServer } from '../rpcEvents.ts'
import type { Transport } from '../transport.ts'
import { peerOf } from '../transport.ts'
import type { KeyValues } from './envelope.ts'
import { EXTENSION_KEY } from './extension.ts'
import { leave } from './iteratorOf.ts'
import type { MessageQueue } from './messageQueue.ts'
import { Metadata, type MetadataInit } from './metadata.ts'
import { RpcError } from './rpcError.ts'
import type { Route } from './route.ts'
import { ServerStream } from './serverWire.ts'
import type { CallContext } from './handlers.ts'
import type { AnyMethod } from './method.ts'
import { Status } from './status.ts'
import type { StreamWindow } from './streamWindow.ts'

/** Who has the call. */
export interface ServerCallOwner {
  readonly transport: Transport
  headerIsDue(call: ServerCall, header: Metadata): boolean
}

/** A call on a server. */
export class ServerCall extends ServerStream implements CallContext {
  readonly route: Route
  /** As `clock.now()` tells time. */
  readonly expires: number
  /** Of a client's stream. */
  requests: MessageQueue<unknown> | undefined
  /** Of a stream of the server, while its handler runs. */
  responses: AsyncIterator<unknown> | undefined
  /** Wakes who waits for room to send. */
  wake: (() => void) | undefined
  /** What the client was told, or would have been told if it had waited. */
  outcome: Status = Status.OK
  /** When it came, if anybody wants to know. */
  readonly began: number = rpcServer.hasSubscribers ? clock.now() : NaN
  /** It is too late for headers: they were sent, or a message was. */
  headerIsOver = false
  /** The headers, if they have to wait for the Response. */
  heldHeader: Metadata | undefined
  readonly #owner: ServerCallOwner
  readonly #pairs: KeyValues | undefined
  #metadata: Metadata | undefined
  #trailer: Metadata | undefined
  #controller: AbortController | undefined
  #cancelledBy: RpcError | undefined

  constructor(
    id: number,
    route: Route,
    open: boolean,
    window: StreamWindow | undefined,
    owner: ServerCallOwner,
    pairs: KeyValues | undefined,
    expires: number,
  ) {
    super(id, route.method.requestStream, open, window)
    this.route = route
    this.#owner = owner
    this.#pairs = pairs
    this.expires = expires
  }

  get definition(): AnyMethod {
    return this.route.method
  }

  get service(): string {
    return this.route.method.service
  }

  get method(): string {
    return this.route.method.name
  }

  /** Made when it is first asked for: most handlers do not. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#cancelledBy !== undefined) this.#controller.abort(this.#cancelledBy)
    }
    return this.#controller.signal
  }

  get deadline(): number {
    return this.expires === Infinity ? Infinity : Date.now() + (this.expires - clock.now())
  }

  get metadata(): Metadata {
    if (this.#metadata === undefined) {
      this.#metadata = new Metadata(this.#pairs)
      this.#metadata.delete(EXTENSION_KEY)
    }
    return this.#metadata
  }

  get trailer(): Metadata {
    return (this.#trailer ??= new Metadata())
  }

  /** The trailers, if there are any. */
  get filledTrailer(): Metadata | undefined {
    return this.#trailer !== undefined && this.#trailer.size > 0 ? this.#trailer : undefined
  }

  get peer(): string {
    return peerOf(this.transport) ?? '(unknown)'
  }

  get transport(): Transport {
    return this.#owner.transport
  }

  sendHeader(header: MetadataInit): void {
    const { path } = this.definition
    if (this.finished) throw new InvalidStateError(`the call of ${path} has ended: no headers can be sent`)
    if (this.headerIsOver) throw new InvalidStateError(`the headers of ${path}, or a message, were sent already`)
    const metadata = new Metadata(header)
    if (!this.#owner.headerIsDue(this, metadata)) this.heldHeader = metadata
    this.headerIsOver = true
  }

  /** Its handler has ended. */
  publish(): void {
    const { service, method, peer, outcome, began } = this
    rpcServer.publish({ service, method, peer, status: outcome, durationMs: clock.now() - began })
  }

  /** Nobody waits for the answer any more; there may have been one. */
  cancel(reason: RpcError, outcome: Status = reason.status): void {
    if (this.#cancelledBy !== undefined) return
    this.#cancelledBy = reason
    this.outcome = outcome
    this.requests?.discard()
    this.requests?.fail(reason)
    this.wake?.()
    this.#controller?.abort(reason)
    if (this.responses !== undefined) void leave(this.responses)
  }

  /** The reason for which a handler should have ended, for those who wait. */
  get ended(): RpcError {
    return this.#cancelledBy ?? new RpcError(Status.CANCELLED, 'the call has ended')
  }
}
