/**
 * The error classes of the structured flavour (docs/errors.md has an entry per code). `instanceof` goes by a registered
 * symbol, as for those of the main entry: both builds of the package may be loaded.
 */
import { brand, MillraceError } from '../errors.ts'

/**
 * The scope around was cancelled. Every wait in it raises one, again and again, until the block of the scope is left,
 * which takes it in. Catch it to clean up, then throw it on: whoever swallows it hears it from the next wait.
 *
 * `cause` is what `cancel(reason)` was given. `code` is `ABORT_ERR`, as for Node's own aborted operations. It is no
 * {@link CancelledError}: that one is asyncio's, and no scope takes it in. (trio: `Cancelled`.)
 */
export class Cancelled extends MillraceError {
  readonly code = 'ABORT_ERR'
  static {
    brand(this, 'Cancelled')
  }
  constructor(reason?: unknown) {
    super(reason === undefined ? 'cancelled' : `cancelled: ${described(reason)}`, reasoned(reason))
  }
}

const reasoned = (reason: unknown): ErrorOptions | undefined => (reason === undefined ? undefined : { cause: reason })

/** Never throws, whatever the reason is. */
function described(reason: unknown): string {
  try {
    if (typeof reason !== 'object' || reason === null || reason instanceof Error) return String(reason)
    return JSON.stringify(reason) ?? Object.prototype.toString.call(reason)
  } catch {
    return 'for a reason that cannot be printed'
  }
}

/** `failAfter` or `failAt`: the block was cancelled since its time was over. (trio: `TooSlowError`.) */
export class TooSlowError extends MillraceError {
  readonly code = 'ERR_MILLRACE_TOO_SLOW'
  /** The time it was given, in milliseconds; `undefined` if it was given a deadline. */
  readonly timeoutMs: number | undefined
  static {
    brand(this, 'TooSlowError')
  }
  constructor(timeoutMs?: number) {
    super(`the block ${timeoutMs === undefined ? 'was not done by its deadline' : `took longer than ${timeoutMs} ms`}`)
    this.timeoutMs = timeoutMs
  }
}

/** This very end was closed, by us: before the call, or while it waited. (trio: `ClosedResourceError`.) */
export class ClosedResourceError extends MillraceError {
  readonly code = 'ERR_MILLRACE_CLOSED_RESOURCE'
  static {
    brand(this, 'ClosedResourceError')
  }
}

/** The other end is gone, so that what was asked for can never be. (trio: `BrokenResourceError`.) */
export class BrokenResourceError extends MillraceError {
  readonly code = 'ERR_MILLRACE_BROKEN_RESOURCE'
  static {
    brand(this, 'BrokenResourceError')
  }
}

/** All the senders of a channel are closed, and everything they sent was received. (trio: `EndOfChannel`.) */
export class EndOfChannel extends MillraceError {
  readonly code = 'ERR_MILLRACE_END_OF_CHANNEL'
  static {
    brand(this, 'EndOfChannel')
  }
}

/** A call that does not wait, such as `sendNowait`, would have had to. (trio: `WouldBlock`.) */
export class WouldBlock extends MillraceError {
  readonly code = 'ERR_MILLRACE_WOULD_BLOCK'
  static {
    brand(this, 'WouldBlock')
  }
}

/** Asked for in a place that belongs to neither flavour. (sniffio: `AsyncLibraryNotFoundError`.) */
export class AsyncLibraryNotFoundError extends MillraceError {
  readonly code = 'ERR_MILLRACE_ASYNC_LIBRARY_NOT_FOUND'
  static {
    brand(this, 'AsyncLibraryNotFoundError')
  }
  constructor(message = 'neither trio nor asyncio flavour here: call it inside run(), openNursery() or openLoop()') {
    super(message)
  }
}

/** How a child process ended, and what it wrote. */
export interface ProcessResult {
  /** The exit status, or the negative number of the signal that ended it. */
  readonly returncode: number
  /** The signal that ended it, `null` if it exited by itself. */
  readonly signal: NodeJS.Signals | null
  /** What was captured; `null` if nothing was to be. */
  readonly stdout: Buffer | null
  readonly stderr: Buffer | null
}

/** `runProcess` with `check`: the child ended with something else than 0. (Python: `subprocess.CalledProcessError`.) */
export class CalledProcessError extends MillraceError implements ProcessResult {
  readonly code = 'ERR_MILLRACE_CALLED_PROCESS'
  readonly command: readonly string[]
  readonly returncode: number
  readonly signal: NodeJS.Signals | null
  readonly stdout: Buffer | null
  readonly stderr: Buffer | null
  static {
    brand(this, 'CalledProcessError')
  }
  constructor(command: readonly string[], { returncode, signal, stdout, stderr }: ProcessResult) {
    const end = signal === null ? `exited with ${returncode}` : `was ended by ${signal}`
    super(`${command.join(' ')} ${end}${complaint(stderr)}`)
    this.command = command
    this.returncode = returncode
    this.signal = signal
    this.stdout = stdout
    this.stderr = stderr
  }
}

/** The last line that it wrote to stderr mostly says why. */
function complaint(stderr: Buffer | null): string {
  const last = stderr?.toString().trimEnd().split('\n').at(-1)
  return last ? `: ${last.slice(0, 200)}` : ''
}

/**
 * The worker thread ended before the function that ran in it: it called `process.exit`, ran out of memory, or threw
 * outside the function. `cause` is the thread's own error if it had one. The executor has another thread for the next.
 */
export class BrokenWorkerError extends MillraceError {
  readonly code = 'ERR_MILLRACE_BROKEN_WORKER'
  static {
    brand(this, 'BrokenWorkerError')
  }
}
