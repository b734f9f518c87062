import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

const root = join(__dirname, '../..')

/** A program under test: what it prints, as it prints it. */
export class Program {
  readonly child: ChildProcessWithoutNullStreams
  stdout = ''
  stderr = ''
  readonly #exit: Promise<number | null>

  constructor(command: string, args: readonly string[]) {
    this.child = spawn(command, args, { cwd: root })
    this.child.stdout.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()))
    this.child.stderr.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()))
    this.#exit = once(this.child, 'close').then(([code]) => code as number | null)
  }

  /** Resolves with the match once the output matches; rejects if the program ends before. */
  async output(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.stdout)
      if (match !== null) return match
      const ended = await Promise.race([once(this.child.stdout, 'data').then(() => false), this.#exit.then(() => true)])
      if (ended && !pattern.test(this.stdout)) {
        throw new Error(`it ended without ${String(pattern)}:\n${this.stdout}${this.stderr}`)
      }
    }
  }

  /** The port in `serving on 127.0.0.1,PORT`, or `:PORT`. */
  async port(): Promise<number> {
    return Number((await this.output(/serving on 127\.0\.0\.1[,:](\d+)/))[1])
  }

  /** Resolves with the exit code. */
  /** Types. */
  write(text: string): void {
    this.child.stdin.write(text)
  }

  /** Types the last of it. */
  end(text = ''): void {
    this.child.stdin.end(text)
  }

  exit(): Promise<number | null> {
    return this.#exit
  }

  interrupt(): Promise<number | null> {
    this.child.kill('SIGINT')
    return this.#exit
  }
}

/** A sample, built, by its path in samples/. */
export const sample = (name: string, ...args: string[]): Program =>
  new Program(process.execPath, [join('dist/samples', `${name}.js`), ...args])

/** `it`, if the command is on this machine; else a test that is skipped and says why. */
export function itWith(command: string): (name: string, run: () => Promise<void>, timeoutMs?: number) => void {
  const found = spawnSync('sh', ['-c', `command -v ${command}`]).status === 0
  const runner = found ? it : it.skip
  return (name, run, timeoutMs) =>
    runner(found ? name : `${name} (skipped: no ${command} on this machine)`, run, timeoutMs)
}
