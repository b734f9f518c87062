/** `subprocessExec` and `subprocessShell`: a protocol on a child process. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { ErrorHandler } from '../diagnostics.ts'
import { toFactory, type SubprocessProtocol } from '../protocol.ts'
import type { SubprocessTransport } from '../transport.ts'
import { ChildTransport, takePipes } from '../transports/childTransport.ts'
import { reportTo } from '../transports/transportOwner.ts'
import { abortedOnEntry, rejected, Waiter, type WaitOptions } from '../wait.ts'

/**
 * What a descriptor of the child is: a pipe to us, our own, nothing (`/dev/null`), or an open descriptor of ours by its
 * number. (asyncio: `PIPE`, `None`, `DEVNULL`.)
 */
export type Stdio = 'pipe' | 'inherit' | 'ignore' | number

export interface SubprocessOptions extends Pick<WaitOptions, 'signal' | 'scope'> {
  stdin?: Stdio | undefined
  stdout?: Stdio | undefined
  /**
   * `stdout` sends it wherever stdout goes. Where that is a pipe, a shell does it, and a program that does not exist is
   * then told as by a shell: by a message in the output and the return code 127.
   */
  stderr?: Stdio | 'stdout' | undefined
  /** Where the child runs; by default where we do. */
  cwd?: string | URL | undefined
  /** The whole environment of the child; by default ours. */
  env?: NodeJS.ProcessEnv | undefined
  /** What the program gets as its own name, `argv[0]`. */
  argv0?: string | undefined
  /** Whether the child leads a process group of its own, as for `child_process.spawn`. */
  detached?: boolean | undefined
  uid?: number | undefined
  gid?: number | undefined
  /** An error that reaches nobody else, such as one that the protocol throws. Printed to stderr by default. */
  onConnectionError?: ErrorHandler<SubprocessTransport> | undefined
}

/** How the protocol comes about: a class is constructed, a function called. */
export type SubprocessProtocolFactory<P extends Partial<SubprocessProtocol>> = (new () => P) | (() => P)

/**
 * Starts a program with its arguments; resolves with its transport and the protocol, whose `connectionMade` has run.
 * All three descriptors are pipes unless `options` says otherwise. The child keeps this process alive.
 *
 * Rejects with the system's error (`spawn nosuch ENOENT`) if it cannot be started, with whatever the factory throws,
 * and with the reason of `signal`, which only governs the start; then no child is left.
 * (asyncio: `loop.subprocess_exec`.)
 */
export function subprocessExec<P extends Partial<SubprocessProtocol>>(
  protocolFactory: SubprocessProtocolFactory<P>,
  program: string,
  args: readonly string[] = [],
  options: SubprocessOptions = {},
): Promise<[transport: SubprocessTransport, protocol: P]> {
  const merges = options.stderr === 'stdout' && (options.stdout ?? 'pipe') === 'pipe'
  const [file, argv] = merges ? ['/bin/sh', ['-c', 'exec "$0" "$@" 2>&1', program, ...args]] : [program, args]
  return start(protocolFactory, program, () => spawn(file, argv, spawnOptions(options)), options)
}

/**
 * Runs a command by the shell (`/bin/sh`, or `cmd.exe` on Windows); otherwise like {@link subprocessExec}. Never put
 * into `command` what others may have written. A signal goes to the shell, not to what it has started.
 * (asyncio: `loop.subprocess_shell`.)
 */
export function subprocessShell<P extends Partial<SubprocessProtocol>>(
  protocolFactory: SubprocessProtocolFactory<P>,
  command: string,
  options: SubprocessOptions = {},
): Promise<[transport: SubprocessTransport, protocol: P]> {
  const merges = options.stderr === 'stdout' && (options.stdout ?? 'pipe') === 'pipe'
  const script = merges ? `exec 2>&1\n${command}` : command
  return start(protocolFactory, command, () => spawn(script, { ...spawnOptions(options), shell: true }), options)
}

function spawnOptions({ stdin = 'pipe', stdout = 'pipe', stderr = 'pipe', ...options }: SubprocessOptions) {
  for (const stdio of [stdin, stdout, ...(stderr === 'stdout' ? [] : [stderr])]) {
    if (typeof stdio === 'number' || ['pipe', 'inherit', 'ignore'].includes(stdio)) continue
    throw new TypeError(`stdin, stdout and stderr are 'pipe', 'inherit', 'ignore' or a number, not ${String(stdio)}`)
  }
  // Over a pipe the shell does it.
  const merged = stdout === 'inherit' ? 1 : stdout === 'pipe' ? 'ignore' : stdout
  const { cwd, env, argv0, detached, uid, gid } = options
  const stdio = [stdin, stdout, stderr === 'stdout' ? merged : stderr]
  return { cwd, env, argv0, detached, uid, gid, stdio }
}

function start<P extends Partial<SubprocessProtocol>>(
  protocolFactory: SubprocessProtocolFactory<P>,
  program: string,
  spawnChild: () => ChildProcess,
  options: SubprocessOptions,
): Promise<[SubprocessTransport, P]> {
  const factory = toFactory<[], P>(protocolFactory)
  const aborted = abortedOnEntry(options)
  if (aborted !== undefined) return rejected(aborted.reason)
  let child: ChildProcess
  try {
    child = spawnChild()
  } catch (error) {
    return rejected(error)
  }
  const discard = (): void => {
    child.kill('SIGKILL')
    for (const pipe of takePipes(child)) pipe?.destroy()
  }
  const waiter = new Waiter<[SubprocessTransport, P]>(options, () => `start of ${program}`, discard)
  child.on('error', (error) => {
    if (waiter.settled) return
    for (const pipe of takePipes(child)) pipe?.destroy()
    waiter.reject(explained(error, options.cwd))
  })
  child.once('spawn', () => {
    if (waiter.settled) return
    try {
      const protocol = factory()
      const transport = new ChildTransport(child, program, protocol, (error, from) =>
        reportTo(options.onConnectionError, error, from),
      )
      transport.start()
      waiter.resolve([transport, protocol])
    } catch (error) {
      discard()
      waiter.reject(error)
    }
  })
  return waiter.promise
}

/** The system says ENOENT also for a directory that does not exist, and names the program. */
function explained(error: Error, cwd: string | URL | undefined): Error {
  if (cwd !== undefined && !existsSync(cwd)) error.message += `: there is no directory ${String(cwd)}`
  return error
}
