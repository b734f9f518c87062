import { ConnectionLostError, InvalidStateError } from '../errors.ts'
import type { SubprocessTransport } from '../transport.ts'
import { abortedOnEntry, handled, rejected, type WaitOptions } from '../wait.ts'
import type { AnyReader } from './streamClasses.ts'
import type { StreamWriter } from './streamWriter.ts'
import type { SubprocessStreamProtocol } from './subprocessStreamProtocol.ts'

/** What `communicate()` gives: all that the child wrote, `null` where there is no pipe. */
export interface Communicated<Out = AnyReader | null, Err = AnyReader | null> {
  stdout: CollectedOf<Out>
  stderr: CollectedOf<Err>
}

type CollectedOf<R> = R extends null ? null : Buffer

/**
 * A child process with streams over its pipes. Made by `createSubprocessExec` and `createSubprocessShell`.
 *
 * Dropping it ends nothing: the child runs on, until its pipes close or clog. `await using` kills it. A stdout that is
 * not read holds the child back as soon as pipe and reader are full: read it, or start the child without the pipe.
 * (asyncio: `subprocess.Process`.)
 */
export class Process<
  In extends StreamWriter | null = StreamWriter | null,
  Out extends AnyReader | null = AnyReader | null,
  Err extends AnyReader | null = AnyReader | null,
> implements AsyncDisposable {
  /** Writes to the child, `null` without a pipe; `close()` or `writeEof()` is its end of input. */
  readonly stdin: In
  /** What the child writes; `null` without a pipe. */
  readonly stdout: Out
  readonly stderr: Err
  /** The number of the process. It stays when the child has exited and the system gives the number to another. */
  readonly pid: number
  /** The child below, for what streams do not have. */
  readonly transport: SubprocessTransport
  readonly #protocol: Pick<SubprocessStreamProtocol<AnyReader, StreamWriter>, 'wait' | 'waitClosed'>

  constructor(
    transport: SubprocessTransport,
    protocol: Pick<SubprocessStreamProtocol<AnyReader, StreamWriter>, 'wait' | 'waitClosed'>,
    streams: { readonly stdin: In; readonly stdout: Out; readonly stderr: Err },
  ) {
    this.stdin = streams.stdin
    this.stdout = streams.stdout
    this.stderr = streams.stderr
    this.pid = transport.getPid()
    this.transport = transport
    this.#protocol = protocol
  }

  /** `null` while the child runs; the negative number of the signal that ended it. */
  get returncode(): number | null {
    return this.transport.getReturncode()
  }

  /**
   * Resolves with the return code when the child has exited; its output can be read after that. Any number of calls may
   * wait; cancelled, it changes nothing, and the child runs on. It does not read: a child that is held back by its
   * output never exits. That is what {@link communicate} is for.
   */
  wait(options?: WaitOptions): Promise<number> {
    return this.#protocol.wait(options)
  }

  /**
   * Sends `input` and ends stdin, reads stdout and stderr to their ends, and waits for the exit. All is kept in memory,
   * whatever the readers' limit. A child that exits or closes its stdin without reading everything is no error: the rest
   * of `input` is dropped.
   *
   * Rejects with {@link InvalidStateError} if there is `input` and no pipe to stdin, or if a read is waiting; and when
   * cancelled: then the child runs on, what was written goes on being sent, and what has come can still be read.
   */
  communicate(input?: Uint8Array | string, options?: WaitOptions): Promise<Communicated<Out, Err>> {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    if (input !== undefined && this.stdin === null) {
      return rejected(new InvalidStateError('communicate() with input needs stdin to be a pipe'))
    }
    return handled(this.#communicate(input, options))
  }

  async #communicate(input: Uint8Array | string | undefined, options: WaitOptions | undefined) {
    let failed = false
    const taken: (() => void)[] = []
    const all = async (reader: AnyReader | null): Promise<Buffer | null> => {
      if (reader === null) return null
      const data = await reader.read(-1, options)
      if (failed) reader.unread(data)
      else taken.push(() => reader.unread(data))
      return data
    }
    try {
      const [stdout, stderr] = await Promise.all([all(this.stdout), all(this.stderr), this.#feed(input, options)])
      await this.wait(options)
      return { stdout, stderr } as Communicated<Out, Err>
    } catch (error) {
      // One may have ended before the other was cancelled.
      failed = true
      for (const putBack of taken) putBack()
      throw error
    }
  }

  async #feed(input: Uint8Array | string | undefined, options: WaitOptions | undefined): Promise<void> {
    const stdin: StreamWriter | null = this.stdin
    if (stdin === null) return
    if (input !== undefined && !stdin.isClosing()) stdin.write(input)
    stdin.close()
    try {
      await stdin.waitClosed(options)
    } catch (error) {
      if (!(error instanceof ConnectionLostError)) throw error
    }
  }

  /** Throws {@link ProcessLookupError} when the child has exited, and a TypeError for a signal that there is not. */
  sendSignal(signal: NodeJS.Signals | number): void {
    this.transport.sendSignal(signal)
  }

  /** Sends SIGTERM, which asks the child to exit. Throws as {@link sendSignal}. */
  terminate(): void {
    this.transport.terminate()
  }

  /** Sends SIGKILL, which ends it. Throws as {@link sendSignal}. */
  kill(): void {
    this.transport.kill()
  }

  /** Kills the child if it still runs, closes the pipes, and waits for the end: `await using child = …`. */
  [Symbol.asyncDispose](): Promise<void> {
    this.transport.close()
    return this.#protocol.waitClosed()
  }
}
