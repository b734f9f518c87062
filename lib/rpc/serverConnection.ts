/**
 * One client of a server: what comes from the wire goes to the handlers, and what they give goes back onto it.
 *
 * Strategy: a unary call costs one object, and one `then` of what its handler returned. Everything else that a call can
 * have (a signal, metadata, a queue) is made when it is asked for. Deadlines share one timer.
 */
import { clock, type Timer } from '../clock.ts'
import { Deadlines } from './deadlines.ts'
import { Protocol } from '../protocol.ts'
import { rpcServer } from '../rpcEvents.ts'
import { peerOf, type Encoder, type Transport } from '../transport.ts'
import type { RequestEnvelope } from './envelope.ts'
import { ourExtension } from './extension.ts'
import { Flag, FrameReader, type FrameSink } from './frame.ts'
import { Handling, type ResponseSink } from './handle.ts'
import { Inflow } from './inflow.ts'
import { MessageQueue } from './messageQueue.ts'
import type { Metadata } from './metadata.ts'
import type { Route } from './route.ts'
import { exhausted, unknownMethod, type Refusal } from './refusal.ts'
import { RpcError } from './rpcError.ts'
import { ServerCall, type ServerCallOwner } from './serverCall.ts'
import type { ServerConnectionOwner } from './serverOwner.ts'
import { ServerWire, type ServerWireEvents } from './serverWire.ts'
import { Status } from './status.ts'
import { costOf } from './streamWindow.ts'
import { TurnBudget } from './turnBudget.ts'

/** How long a client has to receive its last answers when it is turned out. */
const LINGER_MS = 1000

/** Holds the inflow. */
const WRITING = Symbol('writing')

/** Made for one connection; a `Protocol` for a transport of any kind. */
export class ServerConnection
  extends Protocol
  implements ServerWireEvents<ServerCall>, ServerCallOwner, FrameSink, ResponseSink
{
  readonly #owner: ServerConnectionOwner
  readonly #wire: ServerWire<ServerCall>
  readonly #reader: FrameReader
  readonly #deadlines: Deadlines<ServerCall>
  #transport!: Transport
  /** Of the last Request. */
  #route: Route | undefined
  /** Handlers that have begun and not ended, also those whose calls have ended. */
  #running = 0
  /** Those of calls that stream. */
  #streams = 0
  /** Held, besides, while the client does not read what it gets. */
  readonly #inflow: Inflow
  #writingPaused = false
  readonly #turn = new TurnBudget(() => this.#wakeAll())
  /** No more calls: the connection is closed after the last. */
  #draining = false
  #age: Timer | undefined
  #lingering: Timer | undefined

  constructor(owner: ServerConnectionOwner) {
    super()
    this.#owner = owner
    const { windowLength, maxMessageLength } = owner.limits
    this.#wire = new ServerWire<ServerCall>(ourExtension(windowLength, maxMessageLength), this, this)
    this.#reader = new FrameReader(this.#wire, maxMessageLength)
    this.#inflow = new Inflow(owner.limits.maxBufferedLength, () => this.#wire.can('window'))
    this.#deadlines = new Deadlines<ServerCall>(
      () => this.#wire.calls.values(),
      (call) => this.#expired(call),
    )
  }

  /** The connection; only after `connectionMade`. */
  get transport(): Transport {
    return this.#transport
  }

  // --- the transport calls

  override connectionMade(transport: Transport): void {
    this.#transport = transport
    this.#inflow.open(transport)
    this.#owner.opened(this)
    const { maxConnectionAgeMs } = this.#owner.limits
    if (maxConnectionAgeMs !== Infinity) {
      this.#age = clock.setTimeout(() => this.drain('the connection has reached its age'), maxConnectionAgeMs)
    }
    if (this.#owner.draining) this.drain('the server is shutting down')
  }

  override dataReceived(data: Uint8Array): void {
    this.#reader.push(data)
  }

  override eofReceived(): boolean {
    if (!this.#owner.limits.halfOpen || this.#wire.calls.size === 0) {
      this.#cancelAll(new RpcError(Status.CANCELLED, `the client ${this.#peer()} has ended the connection`))
      return false
    }
    for (const call of this.#wire.calls.values()) {
      if (!call.open) continue
      call.open = false
      call.requests?.fail(
        new RpcError(Status.CANCELLED, `the client ${this.#peer()} has ended the connection amid its messages`),
      )
    }
    this.#draining = true
    return true
  }

  override connectionLost(error: Error | null): void {
    clock.clearTimeout(this.#age)
    clock.clearTimeout(this.#lingering)
    this.#deadlines.stop()
    this.#reader.stop()
    const reason = new RpcError(Status.CANCELLED, `the connection with ${this.#peer()} is lost`, [], { cause: error })
    this.#cancelAll(reason)
    this.#owner.closed(this)
  }

  override pauseWriting(): void {
    this.#writingPaused = true
    this.#inflow.hold(WRITING)
  }

  override resumeWriting(): void {
    this.#writingPaused = false
    this.#wakeAll()
    this.#inflow.release(WRITING)
  }

  // --- the server calls

  /** Refuses new calls, and closes the connection after the last of those that there are. */
  drain(reason: string): void {
    if (this.#draining) return
    this.#draining = true
    if (this.#wire.can('goaway')) this.#wire.goAway(reason)
    this.#closeWhenDone()
  }

  /** Cancels all calls, which are answered with UNAVAILABLE, and closes the connection. */
  end(reason: string): void {
    this.#reader.stop()
    for (const call of this.#wire.calls.values()) {
      this.#wire.fail(call, Status.UNAVAILABLE, reason, [])
      call.cancel(new RpcError(Status.UNAVAILABLE, reason))
    }
    this.#transport.close()
  }

  // --- the wire calls

  writeEncoded<T>(encoder: Encoder<T>, message: T): void {
    if (!this.#transport.isClosing()) this.#transport.writeEncoded(encoder, message)
  }

  requestReceived(id: number, envelope: RequestEnvelope, bytes: Uint8Array, flags: number, same: boolean): void {
    // One that was not there may have been added.
    if (!same || this.#route === undefined) this.#route = this.#owner.route(envelope.service, envelope.method)
    const route = this.#route
    const refusal =
      route === undefined ? unknownMethod(envelope, this.#owner.hasService(envelope.service)) : this.#refusal(route)
    if (refusal !== undefined) return this.#wire.refuse(id, refusal.status, refusal.message)
    const { method } = route!
    const { timeoutNano } = envelope
    if (timeoutNano < 0)
      return this.#wire.refuse(id, Status.DEADLINE_EXCEEDED, `the deadline of ${method.path} has passed`)
    const expires = timeoutNano === 0 ? Infinity : clock.now() + timeoutNano / 1e6
    const window = method.requestStream || method.responseStream ? this.#wire.newWindow() : undefined
    const call = new ServerCall(id, route!, method.requestStream, window, this, envelope.metadata, expires)
    this.#wire.add(call)
    if (expires !== Infinity) this.#deadlines.watch(expires)
    this.#running++
    if (window !== undefined) this.#streams++
    this.#owner.handlerBegan()
    if (method.requestStream) return this.#beginStream(call, envelope, bytes, flags)
    let request: unknown
    try {
      request = route!.requests.decode(bytes, envelope.payloadStart, envelope.payloadEnd)
    } catch (error) {
      return this.#failed(call, new RpcError(Status.INTERNAL, (error as Error).message, [], { cause: error }))
    }
    this.#run(call, request)
  }

  messageReceived(call: ServerCall, bytes: Uint8Array, start: number, end: number, cost: number): void {
    let message: unknown
    try {
      message = call.route.requests.decode(bytes, start, end)
    } catch (error) {
      const { message: reason } = error as Error
      this.#wire.fail(call, Status.INTERNAL, reason, [])
      return this.cancelled(call, new RpcError(Status.INTERNAL, reason, [], { cause: error }))
    }
    this.#inflow.received(call, cost)
    call.requests!.push(message, cost)
    this.#inflow.check(call)
  }

  requestsEnded(call: ServerCall): void {
    call.requests!.end()
  }

  cancelled(call: ServerCall, reason: RpcError): void {
    call.cancel(reason)
    this.#closeWhenDone()
  }

  windowOpened(call: ServerCall): void {
    call.wake?.()
  }

  failed(error: Error): void {
    this.#owner.report(error, undefined, this.#transport)
    this.#cancelAll(new RpcError(Status.CANCELLED, error.message))
    this.#transport.close()
    // It may read nothing, and never take the last answers.
    this.#lingering = clock.setTimeout(() => this.#transport.abort(), LINGER_MS)
  }

  // --- calls call

  headerIsDue(call: ServerCall, header: Metadata): boolean {
    if (!this.#wire.can('trailers')) return false
    this.#wire.sendHeader(call, header)
    return true
  }

  // --- handlers call

  send(call: ServerCall, response: unknown): void {
    this.#turn.spend(this.#wire.send(call, call.route.body, response))
    call.headerIsOver = true
  }

  maySend(call: ServerCall): boolean {
    return !this.#writingPaused && !this.#turn.isSpent && call.window!.maySend && !this.#transport.isClosing()
  }

  // --- inside

  #refusal({ method: { requestStream, responseStream } }: Route): Refusal | undefined {
    if (this.#draining) return { status: Status.UNAVAILABLE, message: 'the server is shutting down' }
    const { maxConcurrentCalls, maxConcurrentStreams } = this.#owner.limits
    if (this.#running >= maxConcurrentCalls) return exhausted(maxConcurrentCalls, 'calls')
    if ((requestStream || responseStream) && this.#streams >= maxConcurrentStreams) {
      return exhausted(maxConcurrentStreams, 'streams')
    }
    return undefined
  }

  #beginStream(
    call: ServerCall,
    { payloadStart, payloadEnd }: RequestEnvelope,
    bytes: Uint8Array,
    flags: number,
  ): void {
    call.requests = new MessageQueue<unknown>({
      consumed: (cost) => this.#consumed(call, cost),
      abandoned: () => {},
    })
    if (payloadEnd > payloadStart) {
      this.messageReceived(call, bytes, payloadStart, payloadEnd, costOf(payloadEnd - payloadStart))
      if (call.finished) return this.#done(call)
    }
    if ((flags & Flag.REMOTE_CLOSED) !== 0) {
      call.open = false
      call.requests.end()
    }
    this.#run(call, call.requests)
  }

  #consumed(call: ServerCall, cost: number): void {
    const more = this.#inflow.taken(call, cost)
    if (more > 0 && call.open) this.#wire.grant(call, more)
  }

  #run(call: ServerCall, request: unknown): void {
    const { handler, interceptors, method } = call.route
    if (interceptors !== undefined || method.responseStream) return void this.#runLong(call, request)
    let result: unknown
    try {
      result = handler(request, call)
    } catch (error) {
      return this.#failed(call, error)
    }
    if (!isThenable(result)) return this.#answer(call, result)
    // What is no real promise may do anything.
    Promise.resolve(result).then(
      (response) => this.#answer(call, response),
      (error: unknown) => this.#failed(call, error),
    )
  }

  async #runLong(call: ServerCall, request: unknown): Promise<void> {
    const handling = new Handling(call, request, this)
    try {
      this.#succeed(call, await handling.outcome())
    } catch (error) {
      this.#fail(call, error)
    }
    if (handling.goesOn) {
      call.cancel(new RpcError(Status.CANCELLED, 'an interceptor has ended the call'), call.outcome)
      await handling.ended()
    }
    this.#done(call)
  }

  #answer(call: ServerCall, response: unknown): void {
    try {
      this.#succeed(call, response)
    } catch (error) {
      this.#fail(call, error)
    }
    this.#done(call)
  }

  #failed(call: ServerCall, error: unknown): void {
    this.#fail(call, error)
    this.#done(call)
  }

  /** Throws what is to be told instead. */
  #succeed(call: ServerCall, response: unknown): void {
    if (call.finished) return
    const { method, body } = call.route
    if (method.responseStream) this.#wire.end(call, call.filledTrailer)
    else this.#wire.respond(call, body, response, call.heldHeader, call.filledTrailer)
  }

  #fail(call: ServerCall, error: unknown): void {
    if (call.finished) return
    try {
      if (error instanceof RpcError) return this.#tell(call, error)
      this.#owner.report(error, call, this.#transport)
    } catch (thrown) {
      // It has details that are none, for example.
      this.#owner.report(thrown, call, this.#transport)
    }
    this.#tell(call, new RpcError(Status.INTERNAL, 'internal error'))
  }

  #tell(call: ServerCall, { status, statusMessage, details, metadata }: RpcError): void {
    const { trailer } = call
    for (const [key, value] of metadata) trailer.append(key, value)
    // Another server may have given it.
    call.outcome = status > 0 && status === (status | 0) ? status : Status.UNKNOWN
    this.#wire.fail(call, call.outcome, statusMessage, details, call.heldHeader, call.filledTrailer)
  }

  /** The handler of the call has ended. */
  #done(call: ServerCall): void {
    if (call.window !== undefined) {
      this.#streams--
      call.requests?.end()
      // With that it holds up nothing any more.
      call.requests?.discard()
    }
    this.#running--
    if (call.began >= 0 && rpcServer.hasSubscribers) call.publish()
    this.#owner.handlerEnded()
    if (this.#draining) this.#closeWhenDone()
  }

  #expired(call: ServerCall): void {
    const reason = new RpcError(Status.DEADLINE_EXCEEDED, `the deadline of ${call.definition.path} has passed`)
    this.#wire.fail(call, reason.status, reason.message, [], call.heldHeader, call.filledTrailer)
    call.cancel(reason)
    this.#closeWhenDone()
  }

  #cancelAll(reason: RpcError): void {
    for (const call of this.#wire.calls.values()) {
      this.#wire.drop(call)
      call.cancel(reason)
    }
  }

  #wakeAll(): void {
    for (const call of this.#wire.calls.values()) call.wake?.()
  }

  #closeWhenDone(): void {
    if (this.#draining && this.#wire.calls.size === 0) this.#transport.close()
  }

  #peer(): string {
    return peerOf(this.#transport) ?? '(unknown)'
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
}
