import { constants } from 'node:os'
import { clock } from '../clock.ts'
import { ProcessLookupError } from '../errors.ts'
import { createSubprocessExec } from '../streams/createSubprocessExec.ts'
import type { Communicated, Process } from '../streams/process.ts'
import { abortedOnEntry, handled, rejected, UNCANCELLED, Waiter } from '../wait.ts'
import type { CheckpointOptions } from './checkpoint.ts'
import { CalledProcessError, type ProcessResult } from './errors.ts'

export interface RunProcessOptions extends CheckpointOptions {
  /** What the child reads from its stdin; nothing by default. */
  readonly input?: Uint8Array | string | undefined
  /** Whether what it writes comes back with the result. By default it writes to where we do. */
  readonly captureStdout?: boolean | undefined
  readonly captureStderr?: boolean | undefined
  /** Whether any end but status 0 is an error. */
  readonly check?: boolean | undefined
  /** How long a child that is cancelled has, after SIGTERM, until it gets SIGKILL; 5000 by default. */
  readonly graceMs?: number | undefined
  /** Where the child runs; by default where we do. */
  readonly cwd?: string | URL | undefined
  /** The whole environment of the child; by default ours. */
  readonly env?: NodeJS.ProcessEnv | undefined
}

const uncancelled = { scope: UNCANCELLED }

/**
 * Runs a program with its arguments to its end, and to the end of all that it writes where that is captured. Resolves
 * with how it has ended.
 *
 * Cancelled, by its scope or signal, it sends SIGTERM, and SIGKILL if the child is still there after `graceMs`; it waits
 * for the exit in any case, and rejects with the reason then. What the child was still writing is read meanwhile, and
 * dropped. The signals reach the child alone, not what that one has started.
 *
 * Rejects with the system's error if the program cannot be started; with {@link CalledProcessError} if it fails and
 * `check` is set; with a TypeError or RangeError for wrong arguments. In no case anything is left of the child.
 * (trio: `run_process`, whose `check` is set by default.)
 */
export function runProcess(command: readonly string[], options: RunProcessOptions = {}): Promise<ProcessResult> {
  const aborted = abortedOnEntry(options)
  if (aborted !== undefined) return rejected(aborted.reason)
  const { graceMs = 5000 } = options
  if (!Array.isArray(command) || command.length === 0 || command.some((each) => typeof each !== 'string')) {
    return rejected(new TypeError('runProcess() takes the program and its arguments as an array of strings'))
  }
  if (!(graceMs >= 0)) {
    return rejected(new RangeError(`graceMs must be a number of milliseconds, not ${String(graceMs)}`))
  }
  return handled(run(command, graceMs, options))
}

async function run(command: readonly string[], graceMs: number, options: RunProcessOptions): Promise<ProcessResult> {
  const { input, captureStdout, captureStderr, check, cwd, env } = options
  const [program, ...args] = command
  // Not cancelled half-way, for then nobody would wait for the end of the child.
  const child = await createSubprocessExec(program!, args, {
    ...uncancelled,
    stdin: input === undefined ? 'ignore' : 'pipe',
    stdout: captureStdout ? 'pipe' : 'inherit',
    stderr: captureStderr ? 'pipe' : 'inherit',
    cwd,
    env,
  })
  let written: Communicated
  try {
    written = await communicate(child, command, options)
  } catch (error) {
    await end(child, graceMs)
    throw error
  } finally {
    await child[Symbol.asyncDispose]()
  }
  const returncode = child.returncode!
  const result = { returncode, signal: signalOf(returncode), ...written }
  if (check && returncode !== 0) throw new CalledProcessError(command, result)
  return result
}

/** Cancelled it goes on reading, so that the child is not held back by what it writes at its end. */
function communicate(child: Process, command: readonly string[], options: RunProcessOptions): Promise<Communicated> {
  const waiter = new Waiter<Communicated>(options, () => command.join(' '))
  child.communicate(options.input, uncancelled).then(
    (written) => waiter.resolve(written),
    (error: unknown) => waiter.reject(error),
  )
  return waiter.promise
}

/** Resolves when the child has exited. */
async function end(child: Process, graceMs: number): Promise<void> {
  if (child.returncode !== null) return
  send(child, 'SIGTERM')
  const timer = clock.setTimeout(() => send(child, 'SIGKILL'), graceMs)
  await child.wait(uncancelled)
  clock.clearTimeout(timer)
}

function send(child: Process, signal: NodeJS.Signals): void {
  try {
    child.sendSignal(signal)
  } catch (error) {
    // It may be somebody else's by now. All there is to do is to wait.
    if (!(error instanceof ProcessLookupError)) console.error(`millrace: cannot end process ${child.pid}:`, error)
  }
}

function signalOf(returncode: number): NodeJS.Signals | null {
  const found = Object.entries(constants.signals).find(([, number]) => number === -returncode)
  return found === undefined ? null : (found[0] as NodeJS.Signals)
}
