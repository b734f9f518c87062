/**
 * The transport over a `net.Socket`: TCP and Unix sockets, accepted or connected.
 *
 * Strategy, inwards: Node's socket hands each chunk to its `push()`; this transport takes the place of that method.
 * So a chunk goes straight to the protocol, nothing is buffered below us, and answering `false` stops the reading of
 * the handle itself, which `socket.pause()` does not. Outwards: `SocketOutput` gathers and counts; it is flushed at
 * the end of `dataReceived`, at the end of the turn, or when enough has been gathered.
 * (Above 400 lines: reading, writing and the end of a connection are one state machine.)
 */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { toBytes } from '../bytes/allocate.ts'
import { clock, type Timer } from '../clock.ts'
import { ConnectionLostError, InvalidStateError, NotImplementedError, TimeoutError } from '../errors.ts'
import { isBuffered, type AnyProtocol, type Protocol } from '../protocol.ts'
import { peerOf, Transport, type AbortOptions, type BufferLimits, type Encoder, type ExtraInfo } from '../transport.ts'
import type { StartTlsOptions } from '../tlsOptions.ts'
import { abortedOnEntry, rejected, Waiter, type WaitOptions } from '../wait.ts'
import { publishClose, publishError, publishOpen } from './connectionEvents.ts'
import { deliverBuffered } from './deliverBuffered.ts'
import { FlowControlMixin, flushLost } from './flowControlMixin.ts'
import { IdleTimer } from './idleTimer.ts'
import { lingeringClose } from './lingeringClose.ts'
import { READ_SIZE, readElsewhere, readInto, SCRATCH, type OnRead } from './readInto.ts'
import { repeatEnd } from './repeatEnd.ts'
import { SocketOutput } from './socketOutput.ts'
import { noteEnd, tlsBase, type TlsBase } from './tlsBase.ts'
import { checkStartTls, serveHands, shakeHands } from './tlsHandshake.ts'
import type { TransportOwner } from './transportOwner.ts'
import { securedOf, tlsInfo, TLS_INFO } from './tlsInfo.ts'
import { writeAfterClose } from './writeAfterClose.ts'

/** From here on, in bytes, a protocol's memory is read into without a copy; one of less costs less than asking ahead. */
const BULK = 16 * 1024
/** What is gathered beyond this goes out at once, within the turn. */
const GATHER = 64 * 1024

const TRANSPORT = Symbol('millrace.transport')
type OwnedSocket = Socket & { [TRANSPORT]: SocketTransport }

// The socket's callbacks are one function each for all sockets, not a closure per connection: one that is idle should
// hold as little as it can. The class fills these in, since they need its private side.
let received: (transport: SocketTransport, chunk: Buffer | null) => boolean
let filled: (transport: SocketTransport, n: number, memory: Uint8Array) => boolean
let lend: (transport: SocketTransport) => Uint8Array
let failed: (transport: SocketTransport, error: NodeJS.ErrnoException) => void
let closed: (transport: SocketTransport) => void
let startReading: (transport: SocketTransport) => void
let progress: (transport: SocketTransport) => void
let finish: (transport: SocketTransport) => void

/** Made by the endpoints; see `createConnection` and `createServer`. */
export class SocketTransport extends Transport {
  readonly #socket: OwnedSocket
  readonly #owner: TransportOwner
  /** The peer's name if this is a Unix socket, else `null`. */
  readonly #unixPeer: string | null
  #base: TlsBase | undefined
  #version: string | null = null
  #sockname: [string, number] | string | undefined
  #protocol: AnyProtocol
  #flow: FlowControlMixin | undefined

  #paused = false
  #delivering = false
  /** Whether Node reads into memory that we provide, and which protocol has lent what it reads into now. */
  #direct = false
  #bulk = false
  #lender: AnyProtocol | undefined
  /** At most one chunk that was on its way when reading was paused, and an end of stream likewise. */
  #held: Buffer | undefined
  #heldEof = false
  /** Whether there is likely more to be read than was; and whether the peer has ended. */
  #unread = false
  #peerEnded = false

  #output: SocketOutput<SocketTransport> | undefined
  #eofWritten = false
  /** Bytes that Node had counted as sent, and that were dropped. */
  #dropped = 0

  #idleTimer: IdleTimer | undefined
  #closing = false
  /** Closing, and all is sent. */
  #left = false
  #aborted = false
  #lost = false
  /** The socket has closed; if the loss is not `#lost` too, it is kept back while reading is paused. */
  #down = false
  #error: Error | null = null
  #writesAfterClose = 0
  #closeTimer: Timer | undefined
  #openedAt = clock.now()
  /** Going over to TLS, which may still be given up. */
  #upgrade: Waiter<Transport> | undefined

  static {
    received = (transport, chunk) => transport.#received(chunk)
    filled = (transport, n, memory) => transport.#filled(n, memory)
    lend = (transport) => transport.#lendMemory()
    failed = (transport, error) => transport.#failed(error)
    closed = (transport) => transport.#closed()
    startReading = (transport) => transport.#startReading()
    progress = (transport) => transport.#outputProgress()
    finish = (transport) => transport.#finish()
  }

  /** `path` is the name of a Unix socket, that is of its listening end. */
  constructor(socket: Socket, protocol: AnyProtocol, owner: TransportOwner, path = '') {
    super()
    this.#socket = socket as OwnedSocket
    this.#owner = owner
    this.#protocol = protocol
    if (securedOf(socket) !== undefined) {
      this.#base = tlsBase(socket)
      this.#tlsVersion()
    }
    // Asked for now: the socket remembers the answer, and an error must name the peer when it can no longer be asked.
    const isTcp = socket.remoteAddress !== undefined || socket.localAddress !== undefined
    this.#unixPeer = isTcp ? null : owner.side === 'client' ? path : ''
    if (path !== '') this.#sockname = owner.side === 'client' ? '' : path
  }

  /** Calls `connectionMade`; reading begins in the next turn, unless the protocol has paused it. */
  start(): void {
    publishOpen(this, this.#owner.side)
    this.#begin(true)
  }

  /** Instead of {@link start}, for a protocol that has had its `connectionMade` from the transport `before` this one. */
  goOn(before?: SocketTransport): void {
    if (before !== undefined) {
      this.#base = { ...this.#base!, id: before.id }
      this.#openedAt = before.#openedAt
    }
    this.#begin()
  }

  #begin(isNew = false): void {
    const socket = this.#socket
    socket[TRANSPORT] = this
    socket.push = onPush
    socket.on('error', onError)
    socket.on('close', onClose)
    const { idleTimeoutMs = Infinity } = this.#owner
    if (idleTimeoutMs < Infinity) this.#idleTimer = new IdleTimer(socket, idleTimeoutMs, () => this.#idle())
    if (socket.readableLength > 0) this.#held = socket.read() as Buffer
    if (isBuffered(this.#protocol)) this.#readDirectly()
    this.#owner.attach(this)
    try {
      if (isNew) (this.#protocol as Partial<Protocol>).connectionMade?.(this)
    } catch (error) {
      this.#report(error)
    }
    // What was read already by a socket that is taken over must not overtake the promise of the connection.
    if (this.#held !== undefined) setImmediate(startReading, this)
    else process.nextTick(startReading, this)
  }

  override get id(): number {
    return this.#base?.id ?? super.id
  }

  override get bytesRead(): number {
    return this.#socket.bytesRead
  }

  override get bytesWritten(): number {
    return this.#socket.bytesWritten - (this.#output?.sending ?? 0) - this.#dropped
  }

  override getExtraInfo(name: string, defaultValue: unknown = null): never {
    return (this.#extraInfo(name) ?? defaultValue) as never
  }

  #extraInfo(name: string): unknown {
    const socket = this.#socket
    if (name === 'peername') return this.#peername()
    const key = name as keyof ExtraInfo
    const better = this.#owner.extraInfo?.[key] ?? this.#base?.extra?.[key]
    if (better !== undefined) return better
    if (name === 'socket') return socket
    const secured = securedOf(socket)
    if (secured !== undefined && TLS_INFO.has(name)) return tlsInfo(secured, name)
    if (name !== 'sockname') return undefined
    // A socket that is closed no longer knows it.
    if (this.#sockname === undefined && !socket.destroyed) {
      this.#sockname = socket.localPort === undefined ? '' : [socket.localAddress!, socket.localPort]
    }
    return this.#sockname
  }

  override setProtocol(protocol: AnyProtocol): void {
    if (protocol !== this.#protocol) this.#returnMemory()
    this.#protocol = protocol
    if (isBuffered(protocol) && !this.#direct) this.#readDirectly()
  }

  override getProtocol(): AnyProtocol {
    return this.#protocol
  }

  override isClosing(): boolean {
    return this.#closing
  }

  // --- reading

  override isReading(): boolean {
    return !this.#closing && !this.#paused
  }

  override pauseReading(): void {
    if (!this.#closing) this.#paused = true
  }

  override resumeReading(): void {
    if (this.#closing || !this.#paused) return
    this.#paused = false
    process.nextTick(startReading, this)
  }

  #readDirectly(): void {
    this.#direct = readInto(
      this.#socket,
      onReadOf(() => this.#socket),
    )
  }

  /** The memory for the next bytes, whenever they come. Where they come in small pieces, none is held to wait for them. */
  #lendMemory(): Uint8Array {
    const protocol = this.#protocol
    // What is held goes first, into memory that is asked for then.
    if (!this.#bulk || !isBuffered(protocol) || !this.isReading() || this.#held !== undefined) return SCRATCH
    try {
      const memory: unknown = protocol.getBuffer(-1)
      if (!(memory instanceof Uint8Array) || memory.length === 0) return SCRATCH
      if (!this.isReading() || this.#protocol !== protocol) return SCRATCH
      this.#lender = protocol
      return memory
    } catch {
      // It may have no use for more bytes, and none may come; if some do, it is asked again, and what it says is fatal.
      return SCRATCH
    }
  }

  /** From now on nothing is read into memory that is lent: its protocol may have another use for it. */
  #returnMemory(): void {
    if (this.#lender === undefined) return
    this.#lender = undefined
    readElsewhere(this.#socket)
  }

  /** `n` bytes were read into `memory`. */
  #filled(n: number, memory: Uint8Array): boolean {
    const protocol = this.#protocol
    const lent = this.#lender === protocol && isBuffered(protocol)
    this.#lender = undefined
    this.#bulk = n >= BULK
    if (!lent || !this.isReading() || this.#held !== undefined) {
      const chunk = Buffer.from(memory.buffer, memory.byteOffset, n)
      // Somebody else has the socket now, and its `push`.
      if (this.#left || this.#lost) return this.#socket.push(Buffer.from(chunk))
      return this.#received(chunk, true)
    }
    this.#idleTimer?.read()
    this.#unread = n >= memory.length
    this.#delivering = true
    try {
      protocol.bufferUpdated(n)
    } catch (error) {
      this.#fail(error)
    }
    this.#delivering = false
    this.#flush()
    return this.isReading()
  }

  /**
   * What the socket's `push` was given; the answer tells whether to go on reading. A chunk that is `borrowed` is gone
   * when this returns.
   */
  #received(chunk: Buffer | null, borrowed = false): boolean {
    // A full chunk is seldom the last.
    this.#unread = chunk !== null && (this.#closing || chunk.length >= READ_SIZE)
    this.#peerEnded ||= chunk === null
    if (chunk === null && this.#base !== undefined) noteEnd(this.#base)
    this.#idleTimer?.read()
    if (this.#closing) return false
    const behind = this.#paused || this.#held !== undefined
    if (chunk === null) {
      if (behind) this.#heldEof = true
      else this.#deliverEof()
      return false
    }
    if (behind) {
      this.#hold(borrowed ? Buffer.from(chunk) : chunk)
      return false
    }
    this.#deliver(chunk, borrowed)
    return !this.#paused && !this.#closing
  }

  #hold(chunk: Buffer): void {
    this.#held = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk])
  }

  #deliver(chunk: Buffer, borrowed = false): void {
    this.#delivering = true
    try {
      const protocol = this.#protocol
      if (isBuffered(protocol)) {
        const rest = deliverBuffered(this, chunk, borrowed)
        if (rest !== undefined && !this.#closing) this.#hold(borrowed ? Buffer.from(rest) : rest)
      } else {
        ;(protocol as Partial<Protocol>).dataReceived?.(borrowed ? Buffer.from(chunk) : chunk)
      }
    } catch (error) {
      this.#fail(error)
    }
    this.#delivering = false
    this.#flush()
  }

  #deliverEof(): void {
    if (this.#base?.cut === true) return this.#cut()
    let keepOpen: unknown = false
    try {
      keepOpen = (this.#protocol as Partial<Protocol>).eofReceived?.()
    } catch (error) {
      return this.#fail(error)
    }
    if (!keepOpen || !this.canWriteEof()) this.close()
  }

  /** Anyone on the way may have made this end. */
  #cut(): void {
    const cause = new Error('the connection ended without the close_notify of TLS')
    this.#lostTo('cut off', cause)
    this.#closing = true
    this.#drop()
    this.#destroy()
  }

  /** Delivers what was held, then lets the handle read. */
  #startReading(): void {
    if (!this.isReading()) return
    const socket = this.#socket
    const held = this.#held
    if (held !== undefined) {
      this.#held = undefined
      this.#deliver(held)
    }
    if (this.#heldEof && this.isReading()) {
      this.#heldEof = false
      this.#deliverEof()
    }
    if (!this.isReading()) return
    if (this.#down) {
      if (!this.#endedByItself()) this.#finish()
    } else if (!socket.destroyed) {
      socket._read(0)
    }
  }

  // --- writing

  override setWriteBufferLimits(limits?: BufferLimits): void {
    // As if all writes so far had gone to the kernel at once: only what it refuses counts against the new marks.
    this.#flush()
    this.#flowControl().setWriteBufferLimits(limits)
  }

  override getWriteBufferLimits(): [low: number, high: number] {
    return this.#flowControl().getWriteBufferLimits()
  }

  override getWriteBufferSize(): number {
    return this.#output?.unsent ?? 0
  }

  /** A socket that is closed no longer knows it. */
  #tlsVersion(): string | null {
    return (this.#version ??= securedOf(this.#socket)!.getProtocol())
  }

  /** With TLS only from version 1.3 on: before, the end of one direction was the end of both. */
  override canWriteEof(): boolean {
    return this.#base === undefined || this.#tlsVersion() === 'TLSv1.3'
  }

  override write(data: Uint8Array | string): void {
    const bytes = toBytes(data)
    if (!this.#mayWrite(bytes.length)) return
    const output = this.#openOutput()
    output.append(bytes)
    this.#written(output)
  }

  override writeEncoded<T>(encoder: Encoder<T>, message: T): void {
    if (!this.#mayWrite(1)) return
    const output = this.#openOutput()
    const before = output.length
    try {
      encoder.encode(message, output)
    } catch (error) {
      output.truncate(before)
      throw error
    }
    this.#written(output)
  }

  override flush(options?: WaitOptions): Promise<void> {
    if (this.#lost || this.#aborted || this.#error !== null) {
      return rejected(flushLost(this.#peer(), this.#error === null ? undefined : { cause: this.#error }))
    }
    this.#flush()
    return this.#flowControl().flush(options)
  }

  override writeEof(): void {
    if (!this.canWriteEof()) throw new NotImplementedError(`writeEof() on a TLS connection before version 1.3`)
    if (this.#closing || this.#eofWritten) return
    this.#eofWritten = true
    this.#flush()
    this.#afterFlush()
  }

  /** Whether so many bytes are to be written. */
  #mayWrite(size: number): boolean {
    if (this.#eofWritten) throw new InvalidStateError(`write to ${this.#peer()} after writeEof()`)
    if (!this.#closing || size === 0) return size > 0
    writeAfterClose(this, ++this.#writesAfterClose)
    return false
  }

  #openOutput(): SocketOutput<SocketTransport> {
    return (this.#output ??= new SocketOutput<SocketTransport>(this.#socket, this, progress))
  }

  #written(output: SocketOutput<SocketTransport>): void {
    const size = output.unsent
    if (size > GATHER || (this.#flow !== undefined && size > this.#flow.high)) {
      this.#flush()
      if (output.unsent > 0) this.#flowControl().maybePauseProtocol()
    } else if (!this.#delivering) {
      output.requestFlush()
    }
  }

  #outputProgress(): void {
    this.#idleTimer?.written()
    this.#flush()
    this.#afterFlush()
  }

  #flush(): void {
    const output = this.#output
    if (output === undefined || output.length === 0) return
    if (this.#socket.destroyed) return this.#noticeLoss()
    output.flush()
    this.#idleTimer?.written()
    // An idle connection should hold as little as it can; another is made for the next wake-up's writes.
    if (output.unsent === 0) this.#output = undefined
  }

  #afterFlush(): void {
    this.#flow?.maybeResumeProtocol()
    // Lost it is also when the socket has been handed over.
    if (this.#lost || this.getWriteBufferSize() > 0) return
    if (this.#closing) this.#leave()
    else if (this.#eofWritten && !this.#socket.writableEnded) this.#socket.end()
  }

  #flowControl(): FlowControlMixin {
    return (this.#flow ??= new FlowControlMixin(this, (error) => this.#report(error)))
  }

  // --- the end

  override close(): void {
    if (this.#closing) return this.#giveUpgradeUp()
    if (!this.#down) this.#flush()
    this.#closing = true
    this.#held = undefined
    if (this.#down) this.#aborted = true
    if (this.getWriteBufferSize() === 0) this.#leave()
    else if (this.#base !== undefined) this.#limitShutdown(this.#base.shutdownTimeoutMs)
  }

  #limitShutdown(timeoutMs: number): void {
    const late = (): void => {
      if (this.#left || this.#error !== null || this.#aborted) return
      const cause = new TimeoutError(`close of the TLS connection with ${this.#peer()}`, timeoutMs)
      this.#lostTo(`not closed within ${timeoutMs} ms`, cause)
      this.#drop()
      this.#destroy()
    }
    this.#closeTimer = clock.setTimeout(late, timeoutMs)
  }

  /** All is sent. If the peer is likely to be sending, the socket must not be closed in its face. */
  #leave(): void {
    if (this.#left) return
    this.#left = true
    const { remotePort, bytesWritten } = this.#socket
    const sending = (this.#unread || this.#paused) && !this.#peerEnded && bytesWritten > 0 && remotePort !== undefined
    // With TLS the peer is told of the end, so that it can tell it from a connection that was cut.
    const tellsEnd = this.#base !== undefined
    if (this.#down || this.#socket.destroyed || !(sending || tellsEnd)) return this.#destroy()
    this.#returnMemory()
    this.#base?.unref?.()
    lingeringClose(this.#socket, this.#base?.shutdownTimeoutMs, this.#peerEnded)
    process.nextTick(finish, this)
  }

  override startTls(options: StartTlsOptions, received?: Uint8Array): Promise<Transport> {
    try {
      checkStartTls(this, options)
    } catch (error) {
      return rejected(error)
    }
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    const peer = this.#peer()
    const socket = this.#release()
    if (received !== undefined && received.length > 0) socket.unshift(received)
    const lost = (error: Error | null): void => {
      socket.destroy()
      this.#lost = false
      this.#error = error
      process.nextTick(finish, this)
    }
    const waiter = new Waiter<Transport>(options, undefined, () => lost(null))
    this.#upgrade = waiter
    const done = (error: Error | undefined, secured?: TLSSocket): void => {
      if (waiter.settled) return void secured?.destroy()
      if (error !== undefined) {
        lost(error)
        return waiter.reject(error)
      }
      const path = this.#unixPeer || (typeof this.#sockname === 'string' ? this.#sockname : '')
      const next = new SocketTransport(secured!, this.#protocol, this.#owner, path)
      next.goOn(this)
      repeatEnd(secured!)
      this.#owner.detach(this)
      waiter.resolve(next)
    }
    if (options.serverSide === true) serveHands(socket, peer, options, done)
    else shakeHands(socket, peer, options, done)
    return waiter.promise
  }

  /** Closed in the middle of a handshake. Once that is over, there is nothing to give up. */
  #giveUpgradeUp(): void {
    if (this.#upgrade === undefined || this.#upgrade.settled) return
    const peer = this.#peer()
    this.#upgrade.cancel(new ConnectionLostError(`connection with ${peer} closed while it went over to TLS`, peer))
  }

  /** Lets go of the socket, as if nothing had been read that was not delivered. This transport is of no use any more. */
  #release(): Socket {
    const socket = this.#socket
    this.#returnMemory()
    this.#closing = this.#lost = true
    socket.off('error', onError).off('close', onClose)
    this.#idleTimer?.stop()
    socket.on('error', () => {})
    delete (socket as Partial<Socket>).push
    if (this.#held !== undefined) socket.unshift(this.#held)
    if (this.#heldEof) socket.push(null)
    this.#held = this.#output = undefined
    return socket
  }

  /** With `reset` the peer of a TCP connection gets a reset at once, instead of an orderly end. */
  override abort({ reset = false }: AbortOptions = {}): void {
    if (this.#lost) return this.#giveUpgradeUp()
    this.#closing = true
    if (this.#error === null || this.#down) this.#aborted = true
    this.#drop()
    // Node cannot reset a socket below TLS; it is closed, without the word that would make it an orderly end.
    if (reset && this.#base !== undefined) this.#base.reset?.()
    else if (reset && this.#socket.remotePort !== undefined) this.#socket.resetAndDestroy()
    this.#destroy()
  }

  /** What is unsent will not be sent. */
  #drop(): void {
    this.#dropped += this.#output?.sending ?? 0
    this.#output?.drop()
    this.#flow?.connectionLost(this.#aborted ? null : this.#error)
  }

  #destroy(): void {
    if (this.#down) process.nextTick(finish, this)
    else this.#socket.destroy()
  }

  /** The protocol has thrown: the connection cannot go on. */
  #fail(error: unknown): void {
    this.#report(error)
    if (this.#lost || this.#aborted) return
    this.#error = error instanceof Error ? error : new Error(String(error), { cause: error })
    this.#closing = true
    this.#drop()
    this.#destroy()
  }

  #failed(error: NodeJS.ErrnoException): void {
    if (this.#error !== null || this.#aborted || this.#lost) return
    // Of the transport below, which says it all.
    if (error instanceof ConnectionLostError) return void (this.#error = error)
    // What TLS says of the peer's records has no number, but a library and a reason.
    const { reason } = error as { reason?: string }
    const what = reason ?? error.code ?? error.message
    this.#lostTo(error.syscall === undefined ? what : `${error.syscall} ${what}`, error)
    if (typeof error.errno !== 'number' && reason === undefined) this.#report(error)
  }

  #lostTo(what: string, cause: Error): void {
    const peer = this.#peer()
    const { bytesRead, bytesWritten } = this
    const message =
      `connection with ${peer} lost: ${what} after ${bytesRead} bytes in and ${bytesWritten} out ` +
      `(${this.getWriteBufferSize()} unsent)`
    this.#error = new ConnectionLostError(message, peer, { cause })
    if (!this.#owner.isLayer) publishError(this, this.#owner.side, this.#error)
  }

  #idle(): void {
    if (this.#down || this.#error !== null || (this.#closing && this.getWriteBufferSize() === 0)) return
    const idleMs = this.#owner.idleTimeoutMs!
    const cause = new TimeoutError(
      `connection with ${this.#peer()}`,
      idleMs,
      `no byte in either direction for ${idleMs} ms`,
    )
    this.#lostTo(`idle: ${cause.message}`, cause)
    this.#closing = true
    this.#drop()
    this.#destroy()
  }

  #closed(): void {
    this.#down = true
    if (this.#endedByItself() && !this.#closing) return
    // What goes wrong in reading is not noticed while reading is paused, unless something that was to be sent is lost.
    const cause = this.#error?.cause as NodeJS.ErrnoException | undefined
    const unharmed = this.getWriteBufferSize() === 0 && !this.#eofWritten
    if (this.#paused && !this.#closing && unharmed && cause?.syscall === 'read') return
    this.#finish()
  }

  /** Node destroys a socket whose both sides have ended; only one that was taken over knows of the end of its reading. */
  #endedByItself(): boolean {
    return this.#error === null && this.#socket.readableEnded && this.#socket.writableFinished
  }

  /** There is something to send, but the socket is lost; if that was kept back, it is noticed now. */
  #noticeLoss(): void {
    this.#drop()
    this.#closing = true
    if (this.#down) process.nextTick(finish, this)
  }

  #finish(): void {
    if (this.#lost) return
    this.#lost = true
    this.#closing = true
    this.#held = undefined
    this.#idleTimer?.stop()
    this.#drop()
    this.#output = undefined
    clock.clearTimeout(this.#closeTimer)
    const error = this.#aborted ? null : this.#error
    try {
      this.#protocol.connectionLost?.(error)
    } catch (thrown) {
      this.#report(thrown)
    }
    if (!this.#owner.isLayer) publishClose(this, this.#owner.side, error, this.#openedAt)
    this.#owner.detach(this, error)
  }

  #report(error: unknown): void {
    this.#owner.report(error, this)
  }

  /** `null` for a TCP peer that was gone before it was accepted. */
  #peername(): [string, number] | string | null {
    const better = this.#owner.extraInfo?.peername
    if (better !== undefined) return better
    if (this.#base?.extra !== undefined) return this.#base.extra.peername ?? null
    const { remoteAddress, remotePort } = this.#socket
    return remoteAddress === undefined ? this.#unixPeer : [remoteAddress, remotePort ?? 0]
  }

  #peer(): string {
    return peerOf(this) ?? '(unknown)'
  }
}

/** Node's option `onread` for a socket that is about to have a transport. */
export function onReadOf(socket: () => Socket): OnRead {
  return {
    buffer() {
      const transport = (socket() as Partial<OwnedSocket>)[TRANSPORT]
      return transport === undefined ? SCRATCH : lend(transport)
    },
    callback: onFilled,
  }
}

function onPush(this: Socket, chunk: Buffer | null): boolean {
  return received((this as OwnedSocket)[TRANSPORT], chunk)
}
function onFilled(this: Socket, n: number, memory: Uint8Array): boolean {
  return filled((this as OwnedSocket)[TRANSPORT], n, memory)
}
function onError(this: Socket, error: NodeJS.ErrnoException): void {
  failed((this as OwnedSocket)[TRANSPORT], error)
}
function onClose(this: Socket): void {
  closed((this as OwnedSocket)[TRANSPORT])
}
