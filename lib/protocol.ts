/**
 * CONTRACT: what a transport calls. The callbacks come in this order, each in a turn of its own or behind the last:
 *
 *     connectionMade → dataReceived* → eofReceived? → connectionLost
 *     connectionMade → (getBuffer → bufferUpdated)* → eofReceived? → connectionLost        BufferedProtocol
 *     connectionMade → (pauseWriting → resumeWriting)* → connectionLost                    for all, in between
 *
 * After `transport.close()` or `abort()` only `connectionLost` still comes. Subclass one of these classes, or pass a
 * plain object with the methods that you need: callbacks that are missing are not called.
 */
import { allocate } from './bytes/allocate.ts'
import type { Transport, DatagramAddress, DatagramTransport, SubprocessTransport, BaseTransport } from './transport.ts'

/** Callbacks common to all protocols. All do nothing by default. (asyncio: `BaseProtocol`.) */
export class BaseProtocol<T extends BaseTransport<unknown> = BaseTransport> {
  /**
   * Called once, before `createConnection` resolves; nothing is read before it returns, and `transport.pauseReading()`
   * in here holds. If it throws, the error is reported and the connection stays open.
   */
  connectionMade(_transport: T): void {}

  /**
   * Called exactly once for each `connectionMade`, always in a later turn than the `close()` or `abort()` that led to
   * it. `error` is `null` after the peer's end of stream, `close()` and `abort()`, else the reason. Not called if the
   * connection never came to be.
   */
  connectionLost(_error: Error | null): void {}

  /**
   * The write buffer went above its high mark: stop writing. Called once, from inside `write()` or
   * `setWriteBufferLimits()`, and always followed by {@link resumeWriting}, unless the connection ends. An error
   * thrown in here is reported and changes nothing else.
   */
  pauseWriting(): void {}

  /** The write buffer has drained to its low mark: writing may go on. Not called once the transport is closing. */
  resumeWriting(): void {}
}

/** A protocol for a stream of bytes. (asyncio: `Protocol`.) */
export class Protocol extends BaseProtocol<Transport> {
  /**
   * Bytes have come: at least one, in chunks whose borders mean nothing. The chunk is yours to keep. If it throws,
   * the error is reported, the connection is closed by force, and `connectionLost` gets that very error.
   */
  dataReceived(_data: Buffer): void {}

  /**
   * The peer has ended its side. Return something truthy to keep the transport open for writing, and close it
   * yourself later; otherwise it closes itself after its write buffer is sent. Called at most once, never while
   * reading is paused.
   */
  eofReceived(): boolean | void {}
}

/**
 * A protocol that provides the memory it reads into. Over sockets bytes that come in bulk (16 KiB and more at a time)
 * are read into it by the system, without a copy; others are copied into it. (asyncio: `BufferedProtocol`.)
 */
export class BufferedProtocol extends BaseProtocol<Transport> {
  /**
   * Returns the memory for the next bytes: `sizeHint` bytes would be good, -1 says that any size will do. An empty
   * buffer, or an error that is thrown, is fatal if there are bytes for it.
   *
   * With -1 it is asked ahead of the bytes: the memory is lent, and may be filled at any time, until it is asked for
   * again, or {@link bufferUpdated} or `connectionLost` is called, or the protocol is replaced. Keep its place, and
   * nothing else in it, and transfer it to no other thread. Where no more bytes come it is not updated, nor where
   * reading is paused or the protocol replaced meanwhile.
   */
  getBuffer(_sizeHint: number): Uint8Array {
    return allocate(64 * 1024)
  }

  /** The first `n` bytes of the buffer that {@link getBuffer} returned last are filled. Errors are fatal, as in {@link Protocol.dataReceived}. */
  bufferUpdated(_n: number): void {}

  /** See {@link Protocol.eofReceived}. */
  eofReceived(): boolean | void {}
}

/** A protocol for datagrams. (asyncio: `DatagramProtocol`.) */
export class DatagramProtocol extends BaseProtocol<DatagramTransport> {
  /** One datagram, whole, from `address`: `[host, port]`. */
  datagramReceived(_data: Buffer, _address: DatagramAddress): void {}

  /** An earlier send or receive failed; the transport stays open. */
  errorReceived(_error: Error): void {}
}

/**
 * A protocol for a child process. `processExited` and the end of the pipes come in any order; when the child has exited
 * and all pipes are closed, `connectionLost(null)` follows, once. `pauseWriting` and `resumeWriting` are those of stdin.
 * (asyncio: `SubprocessProtocol`.)
 */
export class SubprocessProtocol extends BaseProtocol<SubprocessTransport> {
  /** The child wrote to its descriptor `fd`: 1 for stdout, 2 for stderr. If it throws, that pipe is closed by force. */
  pipeDataReceived(_fd: number, _data: Buffer): void {}

  /**
   * A pipe to or from the child is closed, once for each: `null` after an end or our `close()`, else the reason. For
   * stdin (0) that is what the child did not take: a child that exits without reading all that was sent to it resets it.
   */
  pipeConnectionLost(_fd: number, _error: Error | null): void {}

  /** The child has exited; its pipes may still hold data. */
  processExited(): void {}
}

/** Whatever may be given to a stream transport: an instance of the classes above or a plain object like them. */
export type AnyProtocol = Partial<Protocol> | Partial<BufferedProtocol>

/** How protocols come about: a class is constructed, a function called, once per connection. */
export type ProtocolFactory<P extends AnyProtocol = AnyProtocol> = (new () => P) | (() => P)

/** Whether the protocol reads into memory of its own, i.e. has a `getBuffer`. */
export function isBuffered(protocol: AnyProtocol): protocol is Pick<BufferedProtocol, 'getBuffer' | 'bufferUpdated'> {
  return typeof (protocol as Partial<BufferedProtocol>).getBuffer === 'function'
}

/**
 * Hands `data` to a buffered protocol, in as many pieces as its buffers ask for. For transports whose bytes come in
 * chunks of their own. Throws a RangeError for an empty buffer. (asyncio: `_feed_data_to_buffered_proto`.)
 */
export function feedDataToBufferedProto(
  protocol: Pick<BufferedProtocol, 'getBuffer' | 'bufferUpdated'>,
  data: Uint8Array,
): void {
  let rest = data
  while (rest.length > 0) {
    const buffer = protocol.getBuffer(rest.length)
    if (buffer.length === 0) throw new RangeError('getBuffer() returned an empty buffer')
    const n = Math.min(buffer.length, rest.length)
    buffer.set(rest.subarray(0, n))
    protocol.bufferUpdated(n)
    rest = rest.subarray(n)
  }
}

/** Turns a class or a function into a function that makes one. */
export function toFactory<A extends unknown[], T>(
  source: (new (...args: A) => T) | ((...args: A) => T),
): (...args: A) => T {
  if (typeof source !== 'function') throw new TypeError(`a class or a function is needed, not ${typeof source}`)
  if (!isClass(source)) return source as (...args: A) => T
  const Class = source as new (...args: A) => T
  return (...args) => new Class(...args)
}

/** A class, also one that a compiler turned into a function: that is told by its methods or by its parent. */
function isClass(source: object): boolean {
  const prototype: unknown = (source as { prototype?: unknown }).prototype
  if (typeof prototype !== 'object' || prototype === null) return false
  if (/^class\b/.test(Function.prototype.toString.call(source))) return true
  const parent: unknown = Object.getPrototypeOf(prototype)
  const derived = parent !== null && Object.getPrototypeOf(parent) !== null
  return derived || Object.getOwnPropertyNames(prototype).length > 1
}
