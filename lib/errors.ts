/**
 * Every error class of millrace, each with a stable `code` (docs/errors.md has an entry per code).
 *
 * The package is built twice (ESM and CommonJS), and a program may load both: so `instanceof` goes by a registered
 * symbol on the prototype, not by the identity of the class. Matching on `error.code` is equally good.
 */

/** What millrace knows of the other end, for messages: `127.0.0.1:5000`, `[::1]:5000`, `unix:/run/x.sock`. */
export type PeerName = string

/** Makes `instanceof` go by a registered symbol, and names the class. For the error classes of rooms further on. */
export function brand(constructor: abstract new (...args: never[]) => Error, name: string): void {
  const mark = Symbol.for(`millrace.error.${name}`)
  Object.defineProperty(constructor.prototype, mark, { value: true })
  Object.defineProperty(constructor.prototype, 'name', { value: name, configurable: true, writable: true })
  Object.defineProperty(constructor, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      if (typeof value !== 'object' || value === null) return false
      // A class derived by a user inherits this method: there the ordinary rule holds.
      if (this !== constructor) return Function.prototype[Symbol.hasInstance].call(this as () => void, value)
      return mark in value
    },
  })
}

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`
const from = (peer: PeerName | undefined): string => (peer === undefined ? '' : ` from ${peer}`)

/**
 * What to add to the error of bytes that make no sense, if they begin like a record of TLS: a client's hello on a port
 * without TLS, or the alert by which a TLS server refuses a client without. Otherwise empty.
 */
export function tlsHint(first: number, second: number, third: number): string {
  if (second !== 3 || third > 4) return ''
  if (first === 0x16) return '; did you mean TLS? the first byte was 0x16'
  return first === 0x15 ? '; does the other end want TLS? the first byte was 0x15, a TLS alert' : ''
}

/** The ancestor of every error that millrace makes. `code` is `ERR_MILLRACE_…`, except for {@link CancelledError}. */
export abstract class MillraceError extends Error {
  abstract readonly code: string
  static {
    brand(this, 'MillraceError')
  }

  /** The fields of the error as a plain object, for logs and `structuredClone`, which keeps no class. */
  toJSON(): object {
    return Object.assign({}, this, { name: this.name, message: this.message })
  }
}

/**
 * The stream ended before a read had all its bytes. (asyncio: `IncompleteReadError`.)
 *
 * `partial` holds the bytes that did come; they are consumed. `expected` is the number that was asked for, `null`
 * where it is not known (a separator that never came).
 */
export class IncompleteReadError extends MillraceError {
  readonly code = 'ERR_MILLRACE_INCOMPLETE_READ'
  readonly partial: Uint8Array
  readonly expected: number | null
  readonly peer: PeerName | undefined
  static {
    brand(this, 'IncompleteReadError')
  }
  constructor(partial: Uint8Array, expected: number | null, peer?: PeerName) {
    const got = expected === null ? count(partial.length, 'byte') : `${partial.length} of ${count(expected, 'byte')}`
    const hint = partial.length < 3 ? '' : tlsHint(partial[0]!, partial[1]!, partial[2]!)
    super(`read ${got}${from(peer)} before the end of the stream${hint}`)
    this.partial = partial
    this.expected = expected
    this.peer = peer
  }
}

/**
 * A line or separated chunk is longer than the reader's limit. (asyncio: `LimitOverrunError`.)
 *
 * `consumed` is the number of bytes at the head of the buffer that are known to hold no separator; after
 * `readUntil` they are still there to be read.
 */
export class LimitOverrunError extends MillraceError {
  readonly code = 'ERR_MILLRACE_LIMIT_OVERRUN'
  readonly consumed: number
  readonly limit: number
  static {
    brand(this, 'LimitOverrunError')
  }
  constructor(message: string, consumed: number, limit: number) {
    super(message)
    this.consumed = consumed
    this.limit = limit
  }
}

/**
 * The peer's bytes break the rules of the framing. Unless the error is {@link recoverable}, nothing after them can be
 * trusted: close the connection.
 */
export abstract class FrameError extends MillraceError {
  /**
   * Whether the decoder knows where the next message begins, and skips to it by itself: then this one message is lost
   * and reading may go on. Only decoders that were told to do so (`onTooLong: 'discard'`) raise such errors.
   */
  recoverable = false
  /** The connection the bytes came from, where it is known. */
  peer: PeerName | undefined
  static {
    brand(this, 'FrameError')
  }
}

/**
 * A frame's header announces more than the limit allows. It is raised from the header alone: nothing of the frame
 * was waited for, and nothing was allocated for it. Also thrown by an encoder, before a byte is written.
 *
 * `size` is what was announced (rounded above 2^53), `limit` what is allowed, both in bytes.
 */
export class FrameTooLargeError extends FrameError {
  readonly code = 'ERR_MILLRACE_FRAME_TOO_LARGE'
  readonly size: number
  readonly limit: number
  static {
    brand(this, 'FrameTooLargeError')
  }
  constructor(size: number, limit: number, what = 'a frame') {
    super(`${what} of ${size} bytes is over the limit of ${limit}`)
    this.size = size
    this.limit = limit
  }
}

/** A frame that cannot be one: a length that makes no sense, a malformed varint. `offset` counts from its first byte. */
export class InvalidFrameError extends FrameError {
  readonly code = 'ERR_MILLRACE_INVALID_FRAME'
  readonly offset: number
  static {
    brand(this, 'InvalidFrameError')
  }
  constructor(message: string, offset = 0) {
    super(message)
    this.offset = offset
  }
}

/** An envelope names a type that the registry does not have. `size` is the length of its body in bytes. */
export class UnknownTypeError extends FrameError {
  readonly code = 'ERR_MILLRACE_UNKNOWN_TYPE'
  readonly typeId: number | string
  readonly size: number
  static {
    brand(this, 'UnknownTypeError')
  }
  constructor(typeId: number | string, size: number) {
    super(`a message of ${count(size, 'byte')} has the type ${typeId}, which is not registered`)
    this.typeId = typeId
    this.size = size
  }
}

/**
 * The frame is whole but its body is not a message of its type. `type` is the type's name, `offset` the place in the
 * body where decoding stopped (`undefined` if the decoder does not tell), `cause` the decoder's own error.
 */
export class DecodeError extends FrameError {
  readonly code = 'ERR_MILLRACE_DECODE'
  readonly type: string
  readonly size: number
  readonly offset: number | undefined
  static {
    brand(this, 'DecodeError')
  }
  constructor(type: string, size: number, offset: number | undefined, reason: string, options?: ErrorOptions) {
    const at = offset === undefined ? '' : ` at byte ${offset}`
    super(`${count(size, 'byte')} ${size === 1 ? 'does' : 'do'} not decode as ${type}${at}: ${reason}`, options)
    this.type = type
    this.size = size
    this.offset = offset
  }
}

/**
 * The connection is gone for a reason that is neither a clean end nor our own `close()`: reset, broken pipe, timed
 * out. `cause` is the operating system's error (`cause.code` is `ECONNRESET` and the like).
 */
export class ConnectionLostError extends MillraceError {
  readonly code = 'ERR_MILLRACE_CONNECTION_LOST'
  readonly peer: PeerName | undefined
  static {
    brand(this, 'ConnectionLostError')
  }
  constructor(message: string, peer?: PeerName, options?: ErrorOptions) {
    super(message, options)
    this.peer = peer
  }
}

/**
 * A file was not sent to its end: the connection was lost or closed meanwhile, or the file could not be read. `cause`
 * says which; `bytesSent` of its bytes were taken by the system before.
 */
export class SendFileError extends MillraceError {
  readonly code = 'ERR_MILLRACE_SEND_FILE'
  readonly bytesSent: number
  readonly peer: PeerName | undefined
  static {
    brand(this, 'SendFileError')
  }
  constructor(bytesSent: number, peer: PeerName | undefined, reason: string, options?: ErrorOptions) {
    super(`sendFile to ${peer ?? '(unknown)'} failed after ${count(bytesSent, 'byte')}: ${reason}`, options)
    this.bytesSent = bytesSent
    this.peer = peer
  }
}

/** No connection could be made. `cause` is Node's error: `cause.code` is `ECONNREFUSED` and the like. */
export class ConnectError extends MillraceError {
  readonly code = 'ERR_MILLRACE_CONNECT'
  readonly peer: PeerName
  static {
    brand(this, 'ConnectError')
  }
  constructor(peer: PeerName, reason: string, options?: ErrorOptions) {
    super(`could not connect to ${peer}: ${reason}`, options)
    this.peer = peer
  }
}

/**
 * The TLS handshake did not come about: a certificate that is not trusted, expired or of another name, a peer that does
 * not speak TLS, or has gone. `cause` is Node's error.
 */
export class TlsHandshakeError extends MillraceError {
  readonly code = 'ERR_MILLRACE_TLS_HANDSHAKE'
  readonly peer: PeerName
  static {
    brand(this, 'TlsHandshakeError')
  }
  constructor(peer: PeerName, reason: string, options?: ErrorOptions) {
    super(`TLS handshake with ${peer} failed: ${reason}`, options)
    this.peer = peer
  }
}

/** You called it wrong: a second read while one waits, a write after `writeEof()`, a closed server. */
export class InvalidStateError extends MillraceError {
  readonly code = 'ERR_MILLRACE_INVALID_STATE'
  static {
    brand(this, 'InvalidStateError')
  }
}

/** This transport cannot do what was asked. The base classes throw it for every method that has no default. */
export class NotImplementedError extends MillraceError {
  readonly code = 'ERR_MILLRACE_NOT_IMPLEMENTED'
  static {
    brand(this, 'NotImplementedError')
  }
}

/**
 * The child process has exited, so no signal reaches it. `returncode` is as `getReturncode()` gives it, `null` where
 * the exit is known and its reason is not yet. (asyncio: Python's `ProcessLookupError`.)
 */
export class ProcessLookupError extends MillraceError {
  readonly code = 'ERR_MILLRACE_PROCESS_LOOKUP'
  readonly pid: number
  readonly returncode: number | null
  static {
    brand(this, 'ProcessLookupError')
  }
  constructor(name: string, pid: number, returncode: number | null, options?: ErrorOptions) {
    super(`${name} has exited${returncode === null ? '' : ` with ${returncode}`}`, options)
    this.pid = pid
    this.returncode = returncode
  }
}

/** The operation was cancelled from our own side. `code` is `ABORT_ERR`, as for Node's own aborted operations. */
export class CancelledError extends MillraceError {
  readonly code = 'ABORT_ERR'
  readonly reason: unknown
  static {
    brand(this, 'CancelledError')
  }
  constructor(message: string, reason?: unknown) {
    super(message, reason instanceof Error ? { cause: reason } : undefined)
    this.reason = reason
  }
}

/** An operation with a deadline did not finish in time. */
export class TimeoutError extends MillraceError {
  readonly code = 'ERR_MILLRACE_TIMEOUT'
  /** The time it was given, in milliseconds. */
  readonly timeoutMs: number
  /** What did not finish, with its peer and numbers: `drain to 127.0.0.1:5000 (70000 bytes unsent)`. */
  readonly operation: string
  static {
    brand(this, 'TimeoutError')
  }
  constructor(operation: string, timeoutMs: number, message = `${operation} took longer than ${timeoutMs} ms`) {
    super(message)
    this.operation = operation
    this.timeoutMs = timeoutMs
  }
}
