/** `createSubprocessExec` and `createSubprocessShell`: a child process with a writer and readers of your choice. */
import { subprocessExec, subprocessShell, type Stdio, type SubprocessOptions } from '../endpoints/subprocessExec.ts'
import type { SubprocessTransport } from '../transport.ts'
import { handled } from '../wait.ts'
import { Process } from './process.ts'
import type { AnyReader, StreamClasses } from './streamClasses.ts'
import type { StreamReader } from './streamReader.ts'
import type { StreamWriter } from './streamWriter.ts'
import { SubprocessStreamProtocol } from './subprocessStreamProtocol.ts'

/**
 * As for {@link subprocessExec}, but the descriptors are our own (`'inherit'`) unless said otherwise, as in asyncio; and
 * the classes of the streams, as for `openConnection`. `reader` is the class of stdout and of stderr.
 */
export interface ProcessOptions<
  R extends AnyReader,
  W extends StreamWriter,
  I extends Stdio,
  O extends Stdio,
  E extends Stdio | 'stdout',
>
  extends Omit<SubprocessOptions, 'stdin' | 'stdout' | 'stderr'>, StreamClasses<R, W> {
  stdin?: I | undefined
  stdout?: O | undefined
  stderr?: E | undefined
}

/** The stream of a descriptor: there is one where it is a pipe. */
export type PipeStream<S, T> = S extends 'pipe' ? T : null

/** The process, with a stream for each descriptor that is a pipe. */
export type ProcessOf<R extends AnyReader, W extends StreamWriter, I, O, E> = Process<
  PipeStream<I, W>,
  PipeStream<O, R>,
  PipeStream<E, R>
>

/**
 * Starts a program with its arguments; resolves with the process. Rejects as {@link subprocessExec}, and with what the
 * stream classes throw; then no child is left. (asyncio: `create_subprocess_exec`.)
 */
export function createSubprocessExec<
  R extends AnyReader = StreamReader,
  W extends StreamWriter = StreamWriter,
  I extends Stdio = 'inherit',
  O extends Stdio = 'inherit',
  E extends Stdio | 'stdout' = 'inherit',
>(
  program: string,
  args: readonly string[] = [],
  options: ProcessOptions<R, W, I, O, E> = {},
): Promise<ProcessOf<R, W, I, O, E>> {
  return create((factory, inherited) => subprocessExec(factory, program, args, inherited), options)
}

/**
 * Runs a command by the shell; resolves with the process. See {@link subprocessShell} on what that means.
 * (asyncio: `create_subprocess_shell`.)
 */
export function createSubprocessShell<
  R extends AnyReader = StreamReader,
  W extends StreamWriter = StreamWriter,
  I extends Stdio = 'inherit',
  O extends Stdio = 'inherit',
  E extends Stdio | 'stdout' = 'inherit',
>(command: string, options: ProcessOptions<R, W, I, O, E> = {}): Promise<ProcessOf<R, W, I, O, E>> {
  return create((factory, inherited) => subprocessShell(factory, command, inherited), options)
}

function create<
  R extends AnyReader,
  W extends StreamWriter,
  I extends Stdio,
  O extends Stdio,
  E extends Stdio | 'stdout',
>(
  start: (
    factory: () => SubprocessStreamProtocol<R, W>,
    options: SubprocessOptions,
  ) => Promise<[SubprocessTransport, SubprocessStreamProtocol<R, W>]>,
  options: ProcessOptions<R, W, I, O, E>,
): Promise<ProcessOf<R, W, I, O, E>> {
  const { stdin = 'inherit', stdout = 'inherit', stderr = 'inherit' } = options
  const factory = (): SubprocessStreamProtocol<R, W> => new SubprocessStreamProtocol<R, W>(options)
  return handled(
    start(factory, { ...options, stdin, stdout, stderr }).then(([transport, protocol]) => {
      try {
        protocol.connectStreams(transport)
      } catch (error) {
        transport.close()
        throw error
      }
      return new Process(transport, protocol, {
        stdin: protocol.stdin as PipeStream<I, W>,
        stdout: protocol.stdout as PipeStream<O, R>,
        stderr: protocol.stderr as PipeStream<E, R>,
      })
    }),
  )
}
