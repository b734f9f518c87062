/**
 * The client's end of one connection: calls go in by `start`, and come to their end by what the wire says. What becomes
 * of calls that fail with it is for their owner, the channel, to say.
 */
import { clock } from '../clock.ts'
import { Protocol } from '../protocol.ts'
import { peerOf, type Encoder, type Transport } from '../transport.ts'
import { WaitList, type WaitOptions } from '../wait.ts'
import { InvalidStateError, NotImplementedError } from '../errors.ts'
import type { ClientCall } from './clientCall.ts'
import { ClientWire, type ClientWireEvents } from './clientWire.ts'
import { Deadlines } from './deadlines.ts'
import type { KeyValues, ResponseEnvelope } from './envelope.ts'
import { ourExtension, type Extension } from './extension.ts'
import { FrameReader, type FrameSink } from './frame.ts'
import { Inflow } from './inflow.ts'
import { RpcError } from './rpcError.ts'
import { Status } from './status.ts'
import { TurnBudget } from './turnBudget.ts'

export interface ClientConnectionOptions {
  readonly maxMessageLength: number
  readonly windowLength: number
  /** Whether the extension is offered. */
  readonly extension: boolean
  /** Of its calls; 1 by default. */
  readonly firstId?: number
}

/** What a connection tells its owner. */
export interface ClientConnectionEvents {
  ready?(): void
  /** It is gone, and all its calls have been told. */
  lost(error: Error | null): void
  /** It takes no more calls: the server is going away, or the ids are used up. Calls under way go on. */
  draining(reason: string): void
  /** Its last call has ended. */
  idle(): void
}

/** How much a server may send beyond the windows of its streams before it is held up, in bytes. */
const MAX_EXCESS = 16 * 1024 * 1024

export class ClientConnection extends Protocol implements ClientWireEvents<ClientCall>, FrameSink {
  readonly #events: ClientConnectionEvents
  readonly #wire: ClientWire<ClientCall>
  readonly #reader: FrameReader
  readonly #deadlines: Deadlines<ClientCall>
  readonly #pongs = new WaitList()
  #transport: Transport | undefined
  #accepting = false
  /** Closed after its last call. */
  #closing = false
  #writingPaused = false
  readonly #turn = new TurnBudget(() => this.#wakeAll())
  readonly #inflow = new Inflow(MAX_EXCESS, () => this.#wire.can('window'))
  #lastReceived = 0
  #failure: Error | undefined

  constructor(options: ClientConnectionOptions, events: ClientConnectionEvents) {
    super()
    const { windowLength, maxMessageLength, extension, firstId = 1 } = options
    this.#events = events
    this.#wire = new ClientWire<ClientCall>(ourExtension(windowLength, maxMessageLength), extension, this, this)
    this.#wire.skipTo(firstId)
    this.#reader = new FrameReader(this.#wire, maxMessageLength)
    this.#deadlines = new Deadlines<ClientCall>(
      () => this.#wire.calls.values(),
      (call) => call.expire(),
    )
  }

  /** Whether a call may be started: connected, and neither closing nor told that the server goes away. */
  get accepting(): boolean {
    // The server may have ended it, which is only told when all is over.
    return this.#accepting && !this.#transport!.isClosing()
  }

  get activeCalls(): number {
    return this.#wire.calls.size
  }

  /** What both sides can do; `null` for a plain server, `undefined` as long as it is not known. */
  get extension(): Extension | null | undefined {
    return this.#wire.extension
  }

  get transport(): Transport | undefined {
    return this.#transport
  }

  get peer(): string | undefined {
    return peerOf(this.#transport)
  }

  /** When something was last received, as `clock.now()` tells time; kept while {@link ping} may be wanted. */
  get lastReceived(): number {
    return this.#lastReceived
  }

  // --- the channel calls

  /** Begins a call. Only while {@link accepting}. */
  start(call: ClientCall): void {
    call.connection = this
    try {
      this.#wire.start(call)
    } catch (error) {
      call.connection = undefined
      return call.fail(error instanceof RpcError ? this.#named(call, error) : error)
    }
    if (call.expires !== Infinity) this.#deadlines.watch(call.expires)
    if (!this.#wire.hasIds) this.#drain('the ids of the connection are used up')
    if (call.method.method.requestStream) void this.#pump(call)
  }

  /** Gives up a call, which is told by others. */
  cancel(call: ClientCall, status: Status): void {
    this.#wire.cancel(call, status)
    this.#forgotten(call)
  }

  /** So much of a call's responses was taken. */
  consumed(call: ClientCall, cost: number): void {
    const more = this.#inflow.taken(call, cost)
    if (more > 0 && !call.done) this.#wire.grant(call, more)
  }

  /**
   * Resolves with the time that an answer takes, in milliseconds. Rejects with {@link NotImplementedError} if the server
   * does not know of the extension, or it is not known whether it does, and when the connection is lost.
   */
  async ping(options?: WaitOptions): Promise<number> {
    if (!this.#wire.can('ping')) throw new NotImplementedError(`${this.peer ?? 'the server'} cannot be pinged`)
    const begun = clock.now()
    const answered = this.#pongs.wait(options, () => `ping to ${this.peer ?? 'the server'}`)
    this.#wire.ping()
    await answered
    return clock.now() - begun
  }

  /** Takes no more calls, and ends when the last has ended. */
  close(): void {
    this.#accepting = false
    this.#closing = true
    this.#closeWhenDone()
  }

  /** Ends at once: calls fail with UNAVAILABLE, for this reason. */
  abort(error?: Error): void {
    this.#failure ??= error
    this.#accepting = false
    this.#transport?.abort()
  }

  // --- the transport calls

  override connectionMade(transport: Transport): void {
    this.#transport = transport
    this.#inflow.open(transport)
    this.#lastReceived = clock.now()
    this.#accepting = true
    this.#events.ready?.()
  }

  override dataReceived(data: Uint8Array): void {
    this.#lastReceived = clock.now()
    this.#reader.push(data)
  }

  override connectionLost(error: Error | null): void {
    this.#accepting = false
    this.#deadlines.stop()
    this.#reader.stop()
    const cause = this.#failure ?? error
    const calls = this.#wire.calls.values()
    for (const call of calls) this.#wire.forget(call)
    for (const call of calls) {
      const reason = cause === null ? 'the server has ended the connection' : 'the connection is lost'
      call.lose(
        this.#error(call, Status.UNAVAILABLE, cause === null ? reason : `${reason}: ${cause.message}`, cause),
        false,
      )
    }
    this.#pongs.rejectAll(cause ?? new InvalidStateError('the connection has ended'))
    this.#events.lost(cause)
  }

  override pauseWriting(): void {
    this.#writingPaused = true
  }

  override resumeWriting(): void {
    this.#writingPaused = false
    this.#wakeAll()
  }

  // --- the wire calls

  get isClogged(): boolean {
    return this.#writingPaused
  }

  writeEncoded<T>(encoder: Encoder<T>, message: T): void {
    if (!this.#transport!.isClosing()) this.#transport!.writeEncoded(encoder, message)
  }

  responded(call: ClientCall, response: ResponseEnvelope, bytes: Uint8Array): void {
    const { code, payloadStart, payloadEnd, hasPayload, header, trailer } = response
    if (code !== 0) {
      this.#forgotten(call)
      const { message, details = [] } = response
      const { peer } = this
      const { path } = call.method.method
      const error = new RpcError(code as Status, message, details, { path, peer, metadata: trailer })
      return call.lose(error, false, header, trailer)
    }
    if (header !== undefined || trailer !== undefined) {
      call.headers(header)
      call.trailers(trailer)
    }
    const { responseStream } = call.method.method
    if (responseStream && !hasPayload) return this.responsesEnded(call)
    let message: unknown
    try {
      message = call.method.responses.decode(bytes, payloadStart, payloadEnd)
    } catch (error) {
      return this.violated(call, (error as Error).message, error)
    }
    this.#forgotten(call)
    if (!responseStream) return call.succeed(message)
    call.push(message, 0)
    call.finish()
  }

  messageReceived(call: ClientCall, bytes: Uint8Array, start: number, end: number, cost: number): void {
    let message: unknown
    try {
      message = call.method.responses.decode(bytes, start, end)
    } catch (error) {
      this.#wire.cancel(call, Status.CANCELLED)
      return this.violated(call, (error as Error).message, error)
    }
    this.#inflow.received(call, cost)
    call.push(message, cost)
    this.#inflow.check(call)
  }

  responsesEnded(call: ClientCall): void {
    this.#forgotten(call)
    call.finish()
  }

  violated(call: ClientCall, reason: string, cause?: unknown): void {
    this.#forgotten(call)
    call.fail(this.#error(call, Status.INTERNAL, reason, cause))
  }

  headersReceived(call: ClientCall, pairs: KeyValues): void {
    call.headers(pairs)
  }

  trailersReceived(call: ClientCall, pairs: KeyValues): void {
    call.trailers(pairs)
  }

  windowOpened(call: ClientCall): void {
    call.wake?.()
  }

  negotiated(): void {}

  goingAway(reason: string, unprocessed: readonly ClientCall[]): void {
    this.#drain(reason)
    for (const call of unprocessed) {
      this.#inflow.forget(call)
      call.lose(this.#error(call, Status.UNAVAILABLE, `the server goes away: ${reason}`), true)
    }
    this.#closeWhenDone()
  }

  pong(): void {
    this.#pongs.resolveFirst()
  }

  failed(error: Error): void {
    this.abort(error)
  }

  // --- inside

  #wakeAll(): void {
    for (const call of this.#wire.calls.values()) call.wake?.()
  }

  async #pump(call: ClientCall): Promise<void> {
    try {
      const requests = call.takeRequests()
      for (;;) {
        let next: IteratorResult<unknown>
        try {
          next = await requests.next()
        } catch (error) {
          call.requestsEnded()
          throw error
        }
        if (call.done) return
        if (next.done === true) {
          call.requestsEnded()
          return this.#wire.end(call)
        }
        this.#turn.spend(this.#wire.send(call, next.value))
        while (this.#writingPaused || this.#turn.isSpent || !call.window!.maySend) {
          await new Promise<void>((resolve) => (call.wake = resolve))
          call.wake = undefined
          if (call.done) return
        }
      }
    } catch (error) {
      call.giveUp(Status.CANCELLED, () => (error instanceof RpcError ? this.#named(call, error) : error))
    }
  }

  /** The wire has forgotten a call. */
  #forgotten(call: ClientCall): void {
    this.#inflow.forget(call)
    if (this.activeCalls > 0) return
    this.#events.idle()
    this.#closeWhenDone()
  }

  #drain(reason: string): void {
    if (!this.#accepting) return
    this.#accepting = false
    this.#closing = true
    this.#events.draining(reason)
  }

  #closeWhenDone(): void {
    if (this.#closing && this.activeCalls === 0) this.#transport?.close()
  }

  #error(call: ClientCall, status: Status, message: string, cause?: unknown): RpcError {
    const { path } = call.method.method
    return new RpcError(status, message, [], { path, peer: this.peer, cause: cause ?? undefined })
  }

  #named(call: ClientCall, { status, statusMessage }: RpcError): RpcError {
    return this.#error(call, status, statusMessage)
  }
}
