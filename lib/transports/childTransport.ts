/**
 * The transport over a child process, and the three over its pipes.
 *
 * Strategy: the pipes are taken out of Node's ChildProcess, each into a socket of its own. Left there, Node would throw
 * away what is unsent to stdin when the child exits, and read on from an output that is paused.
 */
import type { ChildProcess } from 'node:child_process'
import { Socket, type SocketConstructorOpts } from 'node:net'
import { constants } from 'node:os'
import type { Stream } from 'node:stream'
import { ProcessLookupError } from '../errors.ts'
import type { SubprocessProtocol } from '../protocol.ts'
import { SubprocessTransport, type BaseTransport, type ReadTransport, type WriteTransport } from '../transport.ts'
import { DuplexTransport } from './duplexTransport.ts'
import type { TransportOwner } from './transportOwner.ts'
import { WritePipeTransport } from './writePipeTransport.ts'

const NAMES = ['stdin', 'stdout', 'stderr']

/** Made by `subprocessExec` and `subprocessShell`. */
export class ChildTransport extends SubprocessTransport {
  readonly #child: ChildProcess
  readonly #program: string
  readonly #report: (error: unknown) => void
  readonly #pipes = new Map<number, WritePipeTransport | DuplexTransport>()
  #protocol: Partial<SubprocessProtocol>
  #open = 0
  #returncode: number | null = null
  #closing = false
  #lossRequested = false

  /** `child` has been spawned in this very turn; `program` is its name for messages. */
  constructor(
    child: ChildProcess,
    program: string,
    protocol: Partial<SubprocessProtocol>,
    report: (error: unknown, transport: ChildTransport) => void,
  ) {
    super()
    this.#child = child
    this.#program = program
    this.#protocol = protocol
    this.#report = (error) => report(error, this)
  }

  /** Calls `connectionMade`; reading begins in the next turn. */
  start(): void {
    const child = this.#child
    child.on('exit', (code, signal) => this.#exited(code ?? -constants.signals[signal!]))
    takePipes(child).forEach((socket, fd) => {
      if (socket !== undefined) this.#connectPipe(fd, socket)
    })
    this.#call(() => this.#protocol.connectionMade?.(this))
  }

  #connectPipe(fd: number, socket: Socket): void {
    const report = (error: unknown): void => this.#report(error)
    const owner: TransportOwner = { side: 'client', isLayer: true, attach() {}, detach() {}, report }
    const extra = { name: `${NAMES[fd]} of ${this.#name}`, pipe: socket }
    const lost = (error: Error | null): void => this.#pipeLost(fd, error)
    const pipe =
      fd === 0
        ? new WritePipeTransport(
            socket,
            {
              pauseWriting: () => this.#protocol.pauseWriting?.(),
              resumeWriting: () => this.#protocol.resumeWriting?.(),
              connectionLost: lost,
            },
            owner,
            extra,
          )
        : new DuplexTransport(
            socket,
            { dataReceived: (data) => this.#protocol.pipeDataReceived?.(fd, data), connectionLost: lost },
            owner,
            extra,
          )
    this.#pipes.set(fd, pipe)
    this.#open++
    pipe.start()
  }

  override getExtraInfo(name: string, defaultValue: unknown = null): never {
    if (name === 'subprocess') return this.#child as never
    return (name === 'name' ? this.#name : defaultValue) as never
  }

  override setProtocol(protocol: Partial<SubprocessProtocol>): void {
    this.#protocol = protocol
  }

  override getProtocol(): Partial<SubprocessProtocol> {
    return this.#protocol
  }

  override isClosing(): boolean {
    return this.#closing
  }

  override getPid(): number {
    return this.#child.pid!
  }

  override getReturncode(): number | null {
    return this.#returncode
  }

  override getPipeTransport(fd: 0): WriteTransport | null
  override getPipeTransport(fd: 1 | 2): ReadTransport | null
  override getPipeTransport(fd: number): BaseTransport | null
  override getPipeTransport(fd: number): WritePipeTransport | DuplexTransport | null {
    return this.#pipes.get(fd) ?? null
  }

  override sendSignal(signal: NodeJS.Signals | number): void {
    const pid = this.getPid()
    if (this.#returncode !== null) throw new ProcessLookupError(this.#name, pid, this.#returncode)
    try {
      process.kill(pid, signal)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EINVAL') throw new TypeError(`there is no signal ${signal}`, { cause: error })
      if (code !== 'ESRCH') throw error
      throw new ProcessLookupError(this.#name, pid, null, { cause: error })
    }
  }

  override terminate(): void {
    this.sendSignal('SIGTERM')
  }

  override kill(): void {
    this.sendSignal('SIGKILL')
  }

  override close(): void {
    if (this.#closing) return
    this.#closing = true
    // First, or the loss of its pipes is what the child ends of.
    if (this.#returncode === null) this.#killQuietly()
    // Not `close()`: a stdin that nobody reads would stay for ever.
    for (const pipe of this.#pipes.values()) pipe.abort()
  }

  #killQuietly(): void {
    try {
      this.kill()
    } catch (error) {
      if (!(error instanceof ProcessLookupError)) this.#report(error)
    }
  }

  #exited(returncode: number): void {
    this.#returncode = returncode
    this.#call(() => this.#protocol.processExited?.())
    this.#finishIfDone()
  }

  #pipeLost(fd: number, error: Error | null): void {
    this.#open--
    this.#call(() => this.#protocol.pipeConnectionLost?.(fd, error))
    this.#finishIfDone()
  }

  #finishIfDone(): void {
    if (this.#returncode === null || this.#open > 0 || this.#lossRequested) return
    this.#lossRequested = true
    this.#closing = true
    setImmediate(() => this.#call(() => this.#protocol.connectionLost?.(null)))
  }

  #call(callback: () => void): void {
    try {
      callback()
    } catch (error) {
      this.#report(error)
    }
  }

  get #name(): string {
    return `process ${this.#child.pid} (${this.#program})`
  }
}

/** The pipes of a child that was just spawned; it has none any more. To get rid of one, destroy it. */
export function takePipes(child: ChildProcess): (Socket | undefined)[] {
  // There are none at all if the descriptors ran out.
  const stdio = (child.stdio ?? []) as (Stream | null)[]
  const pipes = stdio.map((stream, fd) => (stream === null ? undefined : rehouse(stream as Socket, fd === 0)))
  stdio.fill(null)
  Object.assign(child, { stdin: null, stdout: null, stderr: null })
  return pipes
}

/**
 * The stdin of Node cannot be read from, which is how its end is noticed; its outputs can be written to. The descriptor
 * below can do both. `_handle` and `handle` are what Node itself makes these sockets with.
 */
function rehouse(stream: Socket, writable: boolean): Socket {
  const owned = stream as Socket & { _handle: object | null }
  const handle = owned._handle
  owned._handle = null
  const options = { handle, readable: true, writable, allowHalfOpen: true, manualStart: true }
  return new Socket(options as SocketConstructorOpts)
}
