/** Between a child process and its streams: each pipe has a `StreamReaderProtocol`, as a connection has. */
import { SubprocessProtocol } from '../protocol.ts'
import type { SubprocessTransport, Transport } from '../transport.ts'
import { abortedOnEntry, DONE, rejected, UNCANCELLED, WaitList, type WaitOptions } from '../wait.ts'
import { streamFactories, type AnyReader, type StreamClasses } from './streamClasses.ts'
import type { StreamReaderProtocol } from './streamReaderProtocol.ts'
import type { StreamWriter } from './streamWriter.ts'

/** Feeds the readers and the writer of a `Process`. (asyncio: `subprocess.SubprocessStreamProtocol`.) */
export class SubprocessStreamProtocol<R extends AnyReader, W extends StreamWriter> extends SubprocessProtocol {
  stdin: W | null = null
  stdout: R | null = null
  stderr: R | null = null
  readonly #factories: ReturnType<typeof streamFactories<R, W>>
  readonly #pipes: StreamReaderProtocol<R, W>[] = []
  #transport: SubprocessTransport | undefined
  readonly #exitWaiters = new WaitList<number>()
  readonly #closedWaiters = new WaitList()
  #lost = false

  constructor(classes: StreamClasses<R, W>) {
    super()
    this.#factories = streamFactories(classes)
  }

  override connectionMade(transport: SubprocessTransport): void {
    this.#transport = transport
  }

  /** Makes the streams, of classes that may throw; called in the turn of `connectionMade`. */
  connectStreams(transport: SubprocessTransport): void {
    const { makeReader, makeProtocol, options } = this.#factories
    const connect = (fd: number): R | null => {
      const pipe = transport.getPipeTransport(fd) as Transport | null
      if (pipe === null) return null
      const reader = makeReader()
      const protocol = makeProtocol(reader, undefined, options)
      this.#pipes[fd] = protocol
      protocol.connectionMade(pipe)
      // Held from here, so that a writer that nobody else holds is not taken for abandoned while the child runs.
      if (fd === 0) this.stdin = protocol.createWriter(pipe, reader)
      return reader
    }
    connect(0)
    this.stdout = connect(1)
    this.stderr = connect(2)
  }

  override pipeDataReceived(fd: number, data: Buffer): void {
    this.#pipes[fd]?.dataReceived(data)
  }

  override pipeConnectionLost(fd: number, error: Error | null): void {
    this.#pipes[fd]?.connectionLost(error)
  }

  override pauseWriting(): void {
    this.#pipes[0]?.pauseWriting()
  }

  override resumeWriting(): void {
    this.#pipes[0]?.resumeWriting()
  }

  override processExited(): void {
    this.#exitWaiters.resolveAll(this.#transport!.getReturncode()!)
  }

  override connectionLost(): void {
    this.#lost = true
    this.#closedWaiters.resolveAll()
  }

  /** What `wait()` of the process waits for. */
  wait(options?: WaitOptions): Promise<number> {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    const returncode = this.#transport!.getReturncode()
    if (returncode !== null) return Promise.resolve(returncode)
    return this.#exitWaiters.wait(options, () => `wait for ${this.#transport!.getExtraInfo('name')}`)
  }

  /** Resolves when the child has exited and its pipes are closed. Nothing cancels it: it is what disposal waits for. */
  waitClosed(): Promise<void> {
    return this.#lost ? DONE : this.#closedWaiters.wait({ scope: UNCANCELLED }, () => 'waitClosed')
  }
}
