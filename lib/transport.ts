/**
 * CONTRACT: what a protocol may ask of the connection below it. The base classes throw {@link NotImplementedError}
 * for every method without a default, so that a transport of your own can leave out what it cannot do. Stacking one
 * transport on another is how encryption, compression or logging are added: see `TransportWrapper`.
 *
 * Rules that hold for every stream transport (`checkTransport` of `millrace/testing` tests them):
 * - `close()` sends what was written and then ends; `abort()` drops it. Both may be called at any time, any number of
 *   times. `connectionLost(null)` follows in a later turn, exactly once. (Over TCP, a peer that is still sending gets a
 *   reset, and may lose the last of what was sent to it. So where input is likely to be unread, its bytes are dropped
 *   for up to a second more, in the background. To be sure of more, read to the end, or `writeEof()` and wait.)
 * - `write()` never waits. What the system does not take at once is kept, and counted: above the high mark the
 *   protocol gets `pauseWriting()`, at the low mark `resumeWriting()`.
 * - Writing to a transport that is closing drops the data silently; from the fifth time on with a warning.
 */
import { OutgoingBuffer } from './bytes/outgoingBuffer.ts'
import { NotImplementedError, type PeerName } from './errors.ts'
import type { AnyProtocol, DatagramProtocol, SubprocessProtocol } from './protocol.ts'
import type { StartTlsOptions } from './tlsOptions.ts'
import type { WaitOptions } from './wait.ts'

/** What `getExtraInfo` knows; a transport may have more keys, and need not have these. */
export interface ExtraInfo {
  /** `[host, port]`, or the path of a Unix socket (empty for the unnamed end). */
  peername: [host: string, port: number] | string
  sockname: [host: string, port: number] | string
  /** In place of an address, what names the other end in messages: `stdin of process 9 (cat)`. */
  name: string
  /** Of a pipe: the stream below. */
  pipe: unknown
  /** Of a child process: Node's `ChildProcess`. Its pipes are not to be found there. */
  subprocess: unknown
  /** The object below: a `net.Socket` for sockets, a `tls.TLSSocket` with TLS. */
  socket: unknown
  /** Of a connection that began with a PROXY header: what it said. */
  proxy: ProxyInfo
  /** Of a TLS connection: the peer's certificate as `getPeerCertificate()` gives it, if it has shown one. */
  peercert: object
  /** Of a TLS connection: the cipher as `getCipher()` gives it. */
  cipher: object
  /** Of a TLS connection: the protocol that was agreed on, if one was. */
  alpn: string
  /** Of a TLS connection: the name that the client asked for. */
  servername: string
  /** Of a TLS connection: `TLSv1.3` and the like. */
  tlsVersion: string
  /** Of a TLS connection: whether the handshake was shortened by a session of an earlier one. */
  sessionReused: boolean
}

/** What a PROXY header says of the connection that a load balancer passes on. */
export interface ProxyInfo {
  readonly version: 1 | 2
  /** `LOCAL` is a connection of the load balancer's own, such as a health check: it tells no addresses. */
  readonly command: 'PROXY' | 'LOCAL'
  /** Of the client: `[host, port]`, the path of a Unix socket, or `null` where it is not told. */
  readonly source: [host: string, port: number] | string | null
  /** What the client has connected to. */
  readonly destination: [host: string, port: number] | string | null
  /** What else version 2 says, in its order: numbers and values. */
  readonly tlvs: readonly (readonly [type: number, value: Buffer])[]
}

/** Appends a message to an outgoing buffer. It must append all of it or throw; what it appended is then taken back. */
export interface Encoder<T> {
  encode(message: T, out: OutgoingBuffer): void
}

// One count for the process, even if both builds of the package are loaded.
const COUNT = Symbol.for('millrace.connections')
const counter = ((globalThis as { [COUNT]?: { last: number } })[COUNT] ??= { last: 0 })

/** From here on, in bytes, a block of its own costs a message less than a copy. */
const LARGE_MESSAGE = 16 * 1024

/** `P` is what may be its protocol. (asyncio: `BaseTransport`.) */
export abstract class BaseTransport<P = AnyProtocol> {
  #id = 0

  /**
   * Tells connections apart in logs: counted up from 1 through the process, never given twice. A transport on top of
   * another has the number of the one below.
   */
  get id(): number {
    return (this.#id ||= ++counter.last)
  }

  /** Bytes that have come from below so far; 0 for a transport that does not count. May be asked at any time. */
  get bytesRead(): number {
    return 0
  }

  /**
   * Bytes that were handed on so far, to the system or to the transport below; what is in the write buffer has yet to
   * be. 0 for a transport that does not count.
   */
  get bytesWritten(): number {
    return 0
  }

  /** Information about the connection by name; `defaultValue` (or `null`) where it is not known. */
  getExtraInfo<K extends keyof ExtraInfo>(name: K): ExtraInfo[K] | null
  getExtraInfo<K extends keyof ExtraInfo, D>(name: K, defaultValue: D): ExtraInfo[K] | D
  getExtraInfo(name: string, defaultValue?: unknown): unknown
  getExtraInfo(_name: string, defaultValue: unknown = null): unknown {
    return defaultValue
  }

  /** Whether `close()` or `abort()` was called, or the connection is lost. */
  isClosing(): boolean {
    return notImplemented(this, 'isClosing')
  }

  /** Sends what is buffered, then closes; see the rules above. Nothing is received from now on. */
  close(): void {
    notImplemented(this, 'close')
  }

  /**
   * From the next event on, `protocol` gets the callbacks, `connectionLost` included. It gets no `connectionMade`.
   * A `Protocol` may follow a `BufferedProtocol` and the other way round.
   */
  setProtocol(_protocol: P): void {
    notImplemented(this, 'setProtocol')
  }

  getProtocol(): P {
    return notImplemented(this, 'getProtocol')
  }
}

/** A transport that can be read from. (asyncio: `ReadTransport`.) */
export abstract class ReadTransport extends BaseTransport {
  /** Whether data would be delivered: neither closing nor paused. */
  isReading(): boolean {
    return notImplemented(this, 'isReading')
  }

  /**
   * Stops the delivery, and the reading below it: a fast peer is slowed down. While paused, the end of the stream and
   * errors of reading are not noticed either. Harmless when paused already, or closing.
   */
  pauseReading(): void {
    notImplemented(this, 'pauseReading')
  }

  /** Undoes {@link pauseReading}; nothing was lost meanwhile. Never delivers from inside this call. */
  resumeReading(): void {
    notImplemented(this, 'resumeReading')
  }
}

/** The marks of a write buffer, in bytes. With one of them given the other follows: `low = high / 4`, `high = 4 * low`. */
export interface BufferLimits {
  high?: number | undefined
  low?: number | undefined
}

export interface AbortOptions {
  /** Ends a TCP connection with a reset, so that the peer sees an error and not the end of the stream. */
  reset?: boolean | undefined
}

/** A transport that can be written to. (asyncio: `WriteTransport`.) */
export abstract class WriteTransport extends BaseTransport {
  /**
   * Sets the marks between which the protocol is told to pause and to resume writing; without arguments the defaults,
   * 64 KiB and 16 KiB. `high: 0` pauses on any byte the system did not take, `low: 0` resumes when all is sent.
   * Throws a RangeError, changing nothing, unless `high ≥ low ≥ 0`.
   */
  setWriteBufferLimits(_limits?: BufferLimits): void {
    notImplemented(this, 'setWriteBufferLimits')
  }

  getWriteBufferLimits(): [low: number, high: number] {
    return notImplemented(this, 'getWriteBufferLimits')
  }

  /** Bytes written and not yet taken by the system; those that only wait for the end of this turn are counted. */
  getWriteBufferSize(): number {
    return notImplemented(this, 'getWriteBufferSize')
  }

  /**
   * Writes bytes, or a string as UTF-8; never waits. The data may leave at the end of the current turn, together with
   * what else is written until then. Do not change `data` before it is sent. Throws a TypeError for anything else,
   * and {@link InvalidStateError} after `writeEof()`.
   */
  write(_data: Uint8Array | string): void {
    notImplemented(this, 'write')
  }

  /** Writes several pieces in order, as one write if the transport can. */
  writeLines(pieces: Iterable<Uint8Array | string>): void {
    for (const piece of pieces) this.write(piece)
  }

  /**
   * Writes one message as `encoder` puts it, if the transport can into its own buffer, without a copy in between. If
   * the encoder throws, nothing is written. This default goes through {@link write}.
   */
  writeEncoded<T>(encoder: Encoder<T>, message: T): void {
    const out = new OutgoingBuffer()
    encoder.encode(message, out)
    // The block goes back for the next message, so the bytes move out of it.
    if (out.length < LARGE_MESSAGE) this.write(out.takeCopy())
    else this.writeLines(out.take())
  }

  /**
   * Resolves when all that was written is taken by the system (which is not to say by the peer); at once if nothing is
   * left. Any number of calls may wait; one that is cancelled changes nothing. Rejects with ConnectionLostError if the
   * connection is gone, or ends with bytes unsent.
   */
  flush(_options?: WaitOptions): Promise<void> {
    return notImplemented(this, 'flush')
  }

  /** Ends the write side after what is buffered; reading goes on. May be called again; does nothing when closing. */
  writeEof(): void {
    notImplemented(this, 'writeEof')
  }

  /** Whether {@link writeEof} is possible. */
  canWriteEof(): boolean {
    return notImplemented(this, 'canWriteEof')
  }

  /**
   * Goes over to TLS on a connection that is open: both ends agree on it in their own protocol, then each calls this.
   * Resolves with the transport to use from now on, over which the same protocol gets its data; it gets no second
   * `connectionMade`. The old transport is of no use any more. `received` are bytes that have come after the agreement:
   * they belong to the handshake.
   *
   * Everything written must have been sent, by `await flush()`: else InvalidStateError. When the handshake fails, or
   * `signal` aborts, it rejects with the reason, the connection is closed, and `connectionLost` gets the reason too. So it
   * is when the old transport is closed or aborted meanwhile.
   * (asyncio: `loop.start_tls`.)
   */
  startTls(_options: StartTlsOptions, _received?: Uint8Array): Promise<Transport> {
    return notImplemented(this, 'startTls')
  }

  /** Closes at once: what is buffered is dropped. With `reset` the peer is told by a reset, if the transport can. */
  abort(_options?: AbortOptions): void {
    notImplemented(this, 'abort')
  }
}

/** A stream in both directions: what a `Protocol` is connected to. (asyncio: `Transport`.) */
export abstract class Transport extends WriteTransport implements ReadTransport {
  isReading(): boolean {
    return notImplemented(this, 'isReading')
  }

  /** See {@link ReadTransport.pauseReading}. */
  pauseReading(): void {
    notImplemented(this, 'pauseReading')
  }

  /** See {@link ReadTransport.resumeReading}. */
  resumeReading(): void {
    notImplemented(this, 'resumeReading')
  }
}

/** Where a datagram comes from or goes to. */
export type DatagramAddress = [host: string, port: number]

/**
 * A transport of whole messages that may get lost, be doubled or overtake each other. What it cannot send, or learns of
 * later, goes to `errorReceived`, and it stays open. (asyncio: `DatagramTransport`.)
 */
export abstract class DatagramTransport extends BaseTransport<Partial<DatagramProtocol>> {
  /**
   * Sends one datagram, which may be empty, to `address`, or to the connected peer if there is none; never waits. Do not
   * change `data` before it is sent. A host that is a name is looked up each time.
   *
   * Throws a TypeError for what is not bytes, and where an address is missing or is not the peer's, and a RangeError for
   * a port that is none. On a transport that is closing the data is dropped.
   */
  sendto(_data: Uint8Array | string, _address?: DatagramAddress): void {
    notImplemented(this, 'sendto')
  }

  /** Closes at once; what is not sent is dropped. */
  abort(): void {
    notImplemented(this, 'abort')
  }

  /** See {@link WriteTransport.setWriteBufferLimits}. */
  setWriteBufferLimits(_limits?: BufferLimits): void {
    notImplemented(this, 'setWriteBufferLimits')
  }

  getWriteBufferLimits(): [low: number, high: number] {
    return notImplemented(this, 'getWriteBufferLimits')
  }

  /** Bytes that the system has not taken, and 8 more for each datagram, so that empty ones count as well. */
  getWriteBufferSize(): number {
    return notImplemented(this, 'getWriteBufferSize')
  }
}

/**
 * A child process and its pipes. `close()` kills the child if it still runs, without asking it, and closes the pipes
 * without sending what is unsent: `connectionLost` follows when it has exited. (asyncio: `SubprocessTransport`.)
 */
export abstract class SubprocessTransport extends BaseTransport<Partial<SubprocessProtocol>> {
  getPid(): number {
    return notImplemented(this, 'getPid')
  }

  /** `null` while it runs; the negative number of the signal that ended it. */
  getReturncode(): number | null {
    return notImplemented(this, 'getReturncode')
  }

  /**
   * The transport of a pipe, with flow control and `close()` of its own: 0 is written to, 1 and 2 are read from. `null`
   * where there is no pipe. Do not change its protocol. `pauseWriting` and `resumeWriting` of stdin come to the protocol
   * of the process.
   */
  getPipeTransport(fd: 0): WriteTransport | null
  getPipeTransport(fd: 1 | 2): ReadTransport | null
  getPipeTransport(fd: number): BaseTransport | null
  getPipeTransport(_fd: number): BaseTransport | null {
    return notImplemented(this, 'getPipeTransport')
  }

  /**
   * Sends a signal by its name or number. Throws {@link ProcessLookupError} when the child has exited, and a TypeError
   * for a signal that there is not.
   */
  sendSignal(_signal: NodeJS.Signals | number): void {
    notImplemented(this, 'sendSignal')
  }

  /** Sends SIGTERM. Throws as {@link sendSignal}. */
  terminate(): void {
    notImplemented(this, 'terminate')
  }

  /** Sends SIGKILL. Throws as {@link sendSignal}. */
  kill(): void {
    notImplemented(this, 'kill')
  }
}

/** The other end, for messages: `127.0.0.1:5000`, `[::1]:5000`, `unix:/run/x.sock`, `stdin of process 9 (cat)`. */
export function peerOf(transport: Pick<BaseTransport, 'getExtraInfo'> | undefined): PeerName | undefined {
  const address: unknown = transport?.getExtraInfo('peername')
  if (address !== null && address !== undefined) return formatAddress(address)
  return transport?.getExtraInfo('name') ?? undefined
}

/** `[host, port]` or a path as one word. */
export function formatAddress(address: unknown): PeerName {
  if (Array.isArray(address)) {
    const [host, port] = address as [string, number]
    return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  }
  // An abstract name begins with NUL.
  return address === '' ? 'unix:(unnamed)' : `unix:${String(address).replace(/^\0/, '@')}`
}

/** What a method without a default does. */
export function notImplemented(transport: object, method: string): never {
  throw new NotImplementedError(`${transport.constructor.name} does not implement ${method}()`)
}
