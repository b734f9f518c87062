import { join } from 'node:path'
import { netDefer } from './netTools.ts'
import { Program } from './program.ts'

/** The built command. */
export const command = join(__dirname, '../../dist/esm/cli/millrace.js')

/** Runs the built command as users do; it is gone after the test. */
export function startMillrace(...args: string[]): Program {
  const program = new Program(process.execPath, [command, ...args])
  netDefer(() => program.child.kill('SIGKILL'))
  return program
}

export interface Ran {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs it to its end, with that on stdin. */
export async function millrace(args: readonly string[], stdin = ''): Promise<Ran> {
  const program = startMillrace(...args)
  program.child.stdin.end(stdin)
  const status = await program.exit()
  return { status, stdout: program.stdout, stderr: program.stderr }
}
