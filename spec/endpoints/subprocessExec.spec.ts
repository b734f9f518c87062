import { closeSync, mkdtempSync, openSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { subprocessExec, subprocessShell, type SubprocessOptions } from '../../lib/endpoints/subprocessExec.ts'
import { ConnectionLostError, ProcessLookupError } from '../../lib/errors.ts'
import { SubprocessProtocol } from '../../lib/protocol.ts'
import type { SubprocessTransport } from '../../lib/transport.ts'
import { netDefer, netError, netProgram, netTurns, NetWatched } from '../support/netTools.ts'

/** Keeps what happens to it. */
class Recorder extends SubprocessProtocol {
  readonly log: string[] = []
  readonly output: Buffer[][] = [[], [], []]
  readonly pipeErrors: (Error | null)[] = []
  transport!: SubprocessTransport
  onData: (fd: number) => void = () => {}
  readonly #watched = new NetWatched()

  text(fd: 1 | 2): string {
    return Buffer.concat(this.output[fd]!).toString()
  }
  size(fd: 1 | 2): number {
    return this.output[fd]!.reduce((sum, chunk) => sum + chunk.length, 0)
  }
  until(condition: () => boolean): Promise<void> {
    return this.#watched.until(condition)
  }
  untilEvent(event: string): Promise<void> {
    return this.until(() => this.log.includes(event))
  }
  note(event: string): void {
    if (!event.startsWith('data') || this.log.at(-1) !== event) this.log.push(event)
    this.#watched.changed()
  }

  override connectionMade(transport: SubprocessTransport): void {
    this.transport = transport
    this.note('made')
  }
  override pipeDataReceived(fd: number, data: Buffer): void {
    this.output[fd]!.push(data)
    this.note(`data ${fd}`)
    this.onData(fd)
  }
  override pipeConnectionLost(fd: number, error: Error | null): void {
    this.pipeErrors[fd] = error
    this.note(`pipe ${fd}`)
  }
  override processExited(): void {
    this.note(`exited ${this.transport.getReturncode()}`)
  }
  override pauseWriting(): void {
    this.note('pause')
  }
  override resumeWriting(): void {
    this.note('resume')
  }
  override connectionLost(error: Error | null): void {
    this.note(`lost ${String(error)}`)
  }
}

interface Started {
  transport: SubprocessTransport
  protocol: Recorder
  errors: unknown[]
}

/** Gone after the test, which fails if it does not go. */
function kept([transport, protocol]: [SubprocessTransport, Recorder], errors: unknown[]): Started {
  netDefer(async () => {
    transport.close()
    await protocol.untilEvent('lost null')
    await netTurns()
    expect(protocol.log.filter((event) => event.startsWith('lost'))).toEqual(['lost null'])
    expect(protocol.log.filter((event) => event.startsWith('exited'))).toHaveLength(1)
  })
  return { transport, protocol, errors }
}

async function exec(program: string, args: string[] = [], options: SubprocessOptions = {}): Promise<Started> {
  const errors: unknown[] = []
  const onConnectionError = (error: unknown): void => void errors.push(error)
  return kept(await subprocessExec(Recorder, program, args, { onConnectionError, ...options }), errors)
}

async function shell(command: string, options: SubprocessOptions = {}): Promise<Started> {
  const errors: unknown[] = []
  const onConnectionError = (error: unknown): void => void errors.push(error)
  return kept(await subprocessShell(Recorder, command, { onConnectionError, ...options }), errors)
}

/** A Node child that runs `source`. */
const node = (source: string, options?: SubprocessOptions): Promise<Started> =>
  exec(process.execPath, ['-e', source], options)

const stdin = (started: Started) => started.transport.getPipeTransport(0)!
const stdout = (started: Started) => started.transport.getPipeTransport(1)!

/** Whether a process is there. */
function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('subprocessExec (A61)', () => {
  it('talks to a child over its pipes, and tells of each pipe and of the exit, then once of the end (A20)', async () => {
    const cat = await exec('cat')
    expect(cat.protocol.log).toEqual(['made'])
    expect(cat.transport.getPid()).toBeGreaterThan(1)
    expect(cat.transport.getReturncode()).toBeNull()
    stdin(cat).write('grün')
    await cat.protocol.until(() => cat.protocol.size(1) === 5)
    expect(cat.protocol.text(1)).toBe('grün')
    stdin(cat).writeEof()
    await cat.protocol.untilEvent('lost null')
    expect(cat.protocol.log.slice(0, 2)).toEqual(['made', 'data 1'])
    expect(cat.protocol.log.slice(2, -1).sort()).toEqual(['exited 0', 'pipe 0', 'pipe 1', 'pipe 2'])
    expect(cat.protocol.pipeErrors).toEqual([null, null, null])
    expect(cat.transport.getReturncode()).toBe(0)
    expect(cat.transport.isClosing()).toBe(true)
  })

  it('tells stdout and stderr apart, and the exit code', async () => {
    const { protocol } = await node('process.stdout.write("out"); process.stderr.write("err"); process.exitCode = 7')
    await protocol.untilEvent('lost null')
    expect([protocol.text(1), protocol.text(2)]).toEqual(['out', 'err'])
    expect(protocol.log).toContain('exited 7')
  })

  it('takes a plain object and a function for the protocol (A21)', async () => {
    let text = ''
    const lost = new Promise<Error | null>((resolve) => {
      const protocol = {
        pipeDataReceived: (_fd: number, data: Buffer) => void (text += data.toString()),
        connectionLost: resolve,
      }
      void subprocessExec(() => protocol, 'echo', ['hello'])
    })
    expect([await lost, text]).toEqual([null, 'hello\n'])
  })

  it('has no pipe where none was asked for', async () => {
    const quiet = await shell('echo unheard; cat', { stdin: 'ignore', stdout: 'ignore', stderr: 'pipe' })
    await quiet.protocol.untilEvent('lost null')
    expect(quiet.protocol.log.filter((event) => event.startsWith('pipe'))).toEqual(['pipe 2'])
    expect([0, 1, 3].map((fd) => quiet.transport.getPipeTransport(fd))).toEqual([null, null, null])
    expect(quiet.transport.getPipeTransport(2)).not.toBeNull()
    expect(quiet.protocol.log).toContain('exited 0')
  })

  it('runs in another directory, with an environment of its own', async () => {
    const cwd = realpathSync(mkdtempSync(join(tmpdir(), 'millrace-')))
    netDefer(() => rmSync(cwd, { recursive: true }))
    const { protocol } = await shell('pwd; echo "$COLOUR"', { cwd, env: { PATH: process.env.PATH, COLOUR: 'green' } })
    await protocol.untilEvent('lost null')
    expect(protocol.text(1)).toBe(`${cwd}\ngreen\n`)
  })

  it('merges stderr into stdout, for a program and for a command', async () => {
    for (const child of [
      await exec('sh', ['-c', 'echo one; echo two >&2; echo three'], { stderr: 'stdout' }),
      await shell('echo one; echo two >&2; echo three', { stderr: 'stdout' }),
    ]) {
      await child.protocol.untilEvent('lost null')
      expect(child.protocol.text(1)).toBe('one\ntwo\nthree\n')
      expect(child.transport.getPipeTransport(2)).toBeNull()
    }
  })

  it('writes to a descriptor of ours, both outputs if asked to', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-'))
    netDefer(() => rmSync(folder, { recursive: true }))
    const stdout = openSync(join(folder, 'log'), 'w')
    const child = await shell('echo one; echo two >&2', { stdin: 'ignore', stdout, stderr: 'stdout' })
    closeSync(stdout)
    await child.protocol.untilEvent('lost null')
    expect(readFileSync(join(folder, 'log'), 'utf8')).toBe('one\ntwo\n')
    expect(child.protocol.log).toEqual(['made', 'exited 0', 'lost null'])
  })

  it('names what cannot be started, and the directory that is not there', async () => {
    const missing = await netError<NodeJS.ErrnoException>(subprocessExec(Recorder, 'no-such-program', ['x']))
    expect(missing).toMatchObject({ code: 'ENOENT', path: 'no-such-program' })
    expect(missing.message).toContain('no-such-program')
    const nowhere = await netError(subprocessExec(Recorder, 'cat', [], { cwd: '/no/such/place' }))
    expect(nowhere.message).toBe('spawn cat ENOENT: there is no directory /no/such/place')
    await expect(subprocessExec(Recorder, '/')).rejects.toMatchObject({ code: 'EACCES' })
    await expect(subprocessExec(Recorder, 'cat', [], { stdin: 'PIPE' as 'pipe' })).rejects.toThrow(TypeError)
  })

  it('rejects with the error of the factory, and with the reason of its signal; no child is left', async () => {
    const failing = (): Recorder => {
      throw new Error('no protocol')
    }
    await expect(subprocessExec(failing, 'cat')).rejects.toThrow('no protocol')
    await expect(
      subprocessExec(Recorder, 'cat', [], { signal: AbortSignal.abort(new Error('before')) }),
    ).rejects.toThrow('before')
    const made: Recorder[] = []
    const factory = (): Recorder => (made.push(new Recorder()), made[0]!)
    const controller = new AbortController()
    const starting = netError(subprocessExec(factory, 'cat', [], { signal: controller.signal }))
    controller.abort(new Error('meanwhile'))
    expect((await starting).message).toBe('meanwhile')
    await netTurns()
    expect(made).toEqual([])
  })

  it('rejects when the descriptors run out, and works again when there are some', async () => {
    const child = netProgram(
      `
      import { closeSync, openSync } from 'node:fs'
      import { subprocessExec } from 'millrace'
      const start = () => subprocessExec(() => ({}), 'true')
      const taken = []
      try { for (;;) taken.push(openSync('/dev/null')) } catch (error) { console.log(error.code) }
      await start().catch((error) => console.log(error.code, error.syscall))
      taken.forEach(closeSync)
      const [transport] = await start()
      console.log(transport.getPid() > 0)`,
      { shell: 'ulimit -n 128' },
    )
    expect(await child.ended).toEqual({ code: 0, stdout: 'EMFILE\nEMFILE spawn true\ntrue\n', stderr: '' })
  })

  it('reports what the protocol throws: fatal for the pipe whose data it was, harmless elsewhere (I13)', async () => {
    const child = await exec('cat')
    const { protocol, transport, errors } = child
    const wrong = new Error('wrong data')
    protocol.onData = () => {
      throw wrong
    }
    const exited = new Error('wrong exit')
    protocol.processExited = () => {
      protocol.note('exited')
      throw exited
    }
    stdin(child).write('x')
    await protocol.untilEvent('pipe 1')
    expect(protocol.pipeErrors[1]).toBe(wrong)
    expect(transport.isClosing()).toBe(false)
    stdin(child).close()
    await protocol.untilEvent('lost null')
    expect(errors).toEqual([wrong, exited])
  })

  it('gives the next event to the protocol that was set last', async () => {
    const child = await exec('cat')
    const second = new Recorder()
    second.transport = child.transport
    child.transport.setProtocol(second)
    expect(child.transport.getProtocol()).toBe(second)
    stdin(child).write('x')
    await second.untilEvent('data 1')
    child.transport.setProtocol(child.protocol)
    expect(child.protocol.log).toEqual(['made'])
  })
})

describe('signals (A12)', () => {
  it.each(['terminate', 'kill'] as const)(
    '%s() ends the child, with the negative number as the return code',
    async (how) => {
      const child = await exec('cat')
      child.transport[how]()
      expect(child.transport.getReturncode()).toBeNull()
      await child.protocol.untilEvent('lost null')
      const number = constants.signals[how === 'kill' ? 'SIGKILL' : 'SIGTERM']
      expect(child.transport.getReturncode()).toBe(-number)
      expect(child.protocol.log).toContain(`exited ${-number}`)
    },
  )

  it('sends any signal by name or number', async () => {
    const child = await node(`
      process.on('SIGUSR2', () => console.log('usr2'))
      process.on('SIGHUP', () => { console.log('hup'); process.exit(3) })
      setInterval(() => {}, 1000)
      console.log('ready')`)
    await child.protocol.until(() => child.protocol.text(1) === 'ready\n')
    child.transport.sendSignal('SIGUSR2')
    await child.protocol.until(() => child.protocol.text(1) === 'ready\nusr2\n')
    child.transport.sendSignal(constants.signals.SIGHUP)
    await child.protocol.untilEvent('lost null')
    expect(child.protocol.text(1)).toBe('ready\nusr2\nhup\n')
    expect(child.transport.getReturncode()).toBe(3)
  })

  it('throws a ProcessLookupError once the child has exited, and refuses what is no signal', async () => {
    const child = await exec('cat')
    expect(() => child.transport.sendSignal('SIGNOT' as 'SIGINT')).toThrow('Unknown signal: SIGNOT')
    expect(() => child.transport.sendSignal(999)).toThrow('there is no signal 999')
    child.transport.terminate()
    await child.protocol.untilEvent(`exited -15`)
    for (const send of ['terminate', 'kill'] as const) {
      expect(() => child.transport[send]()).toThrow(ProcessLookupError)
    }
    const pid = child.transport.getPid()
    expect(() => child.transport.sendSignal(0)).toThrow(`process ${pid} (cat) has exited with -15`)
  })
})

describe('close() of a child (A12)', () => {
  it('kills it and closes its pipes, and may be called again', async () => {
    const child = await exec('sh', ['-c', 'trap "" TERM; echo ready; while :; do sleep 1; done'])
    await child.protocol.until(() => child.protocol.text(1) === 'ready\n')
    child.transport.close()
    child.transport.close()
    expect(child.protocol.log).not.toContain('lost null')
    await child.protocol.untilEvent('lost null')
    expect(child.transport.getReturncode()).toBe(-9)
    expect(child.protocol.pipeErrors).toEqual([null, null, null])
    expect(isThere(child.transport.getPid())).toBe(false)
  })

  it('also with a stdin that nobody reads', async () => {
    const child = await exec('sleep', ['1000'])
    stdin(child).write(Buffer.alloc(4 * 1024 * 1024))
    expect(child.protocol.log).toEqual(['made', 'pause'])
    child.transport.close()
    await child.protocol.untilEvent('lost null')
    expect(child.protocol.log).not.toContain('resume')
  })

  it('lets go of the pipes that a grandchild holds', async () => {
    const child = await shell('sleep 1000 & echo $!; exit 0')
    await child.protocol.untilEvent('exited 0')
    await child.protocol.until(() => child.protocol.text(1).endsWith('\n'))
    const grandchild = Number(child.protocol.text(1))
    netDefer(() => process.kill(grandchild))
    await netTurns()
    expect(child.protocol.log).not.toContain('lost null')
    child.transport.close()
    await child.protocol.untilEvent('lost null')
    expect(isThere(grandchild)).toBe(true)
  })
})

describe('the pipes of a child (A11)', () => {
  it('hold back a writer whose child does not read, until it does', async () => {
    const child = await node(`
      const alive = setInterval(() => {}, 1000)
      process.stdin.once('readable', () => {
        process.once('SIGUSR2', () => {
          let n = 0
          process.stdin.on('data', (data) => (n += data.length)).on('end', () => {
            clearInterval(alive)
            console.log(n)
          })
        })
        console.log('full')
      })`)
    const size = 3 * 1024 * 1024
    stdin(child).write(Buffer.alloc(size))
    expect(child.protocol.log).toEqual(['made', 'pause'])
    await child.protocol.until(() => child.protocol.text(1) === 'full\n')
    expect(child.protocol.log).not.toContain('resume')
    expect(stdin(child).getWriteBufferSize()).toBeGreaterThan(1024 * 1024)
    stdin(child).writeEof()
    child.transport.sendSignal('SIGUSR2')
    await child.protocol.untilEvent('lost null')
    expect(child.protocol.text(1)).toBe(`full\n${size}\n`)
    expect(stdin(child).bytesWritten).toBe(size)
  })

  it('tell the protocol to write on', async () => {
    const child = await exec('cat')
    stdin(child).write(Buffer.alloc(3 * 1024 * 1024))
    expect(child.protocol.log).toEqual(['made', 'pause'])
    await child.protocol.untilEvent('resume')
    expect(stdin(child).getWriteBufferSize()).toBeLessThanOrEqual(16 * 1024)
    await stdin(child).flush()
    await child.protocol.until(() => child.protocol.size(1) === 3 * 1024 * 1024)
  })

  it('hold back a child that floods, and lose nothing', async () => {
    const child = await shell('yes | head -c 5000000; echo done >&2')
    let seen = -1
    child.protocol.onData = (fd) => {
      if (fd !== 1 || seen !== -1) return
      stdout(child).pauseReading()
      seen = child.protocol.size(1)
    }
    await child.protocol.untilEvent('data 1')
    await netTurns(50)
    expect(child.protocol.size(1)).toBe(seen)
    expect(child.protocol.text(2)).toBe('')
    expect(child.transport.getReturncode()).toBeNull()
    stdout(child).resumeReading()
    await child.protocol.untilEvent('lost null')
    expect(child.protocol.size(1)).toBe(5_000_000)
    expect(child.protocol.text(1)).toBe('y\n'.repeat(2_500_000))
  })

  it('stay paused over the exit of the child', async () => {
    const child = await shell('echo last words')
    stdout(child).pauseReading()
    await child.protocol.untilEvent('exited 0')
    await netTurns(20)
    expect(child.protocol.text(1)).toBe('')
    expect(child.protocol.log).not.toContain('pipe 1')
    stdout(child).resumeReading()
    await child.protocol.untilEvent('lost null')
    expect(child.protocol.text(1)).toBe('last words\n')
  })

  it('tell of a stdout that the child closes early, while it goes on', async () => {
    const child = await shell('exec >&-; read line; exit 4')
    await child.protocol.untilEvent('pipe 1')
    expect(child.protocol.pipeErrors[1]).toBeNull()
    expect(child.transport.getReturncode()).toBeNull()
    stdin(child).close()
    await child.protocol.untilEvent('lost null')
    expect(child.protocol.log.filter((event) => event === 'pipe 1')).toHaveLength(1)
    expect(child.transport.getReturncode()).toBe(4)
  })

  it('tell of a stdin that the child closes early, without a write to it', async () => {
    const child = await shell('exec <&-; sleep 1000')
    await child.protocol.untilEvent('pipe 0')
    expect(child.protocol.pipeErrors[0]).toBeNull()
    expect(child.transport.getReturncode()).toBeNull()
    expect(stdin(child).isClosing()).toBe(true)
    stdin(child).write('dropped')
  })

  it('tell why what was written to stdin is lost', async () => {
    const child = await shell('read line; exec <&-; echo closed; sleep 1000')
    stdin(child).write(`line\n${'x'.repeat(4 * 1024 * 1024)}`)
    await child.protocol.untilEvent('pipe 0')
    const error = child.protocol.pipeErrors[0] as ConnectionLostError
    expect(error).toBeInstanceOf(ConnectionLostError)
    expect(['EPIPE', 'ECONNRESET']).toContain((error.cause as NodeJS.ErrnoException).code)
    expect(error.message).toContain(`pipe to stdin of process ${child.transport.getPid()} (read line;`)
    expect(child.protocol.log).not.toContain('resume')
    await expect(stdin(child).flush()).rejects.toThrow(ConnectionLostError)
    // A peer that goes away is no bug.
    expect(child.errors).toEqual([])
  })

  it('leave stdin to a grandchild when the child exits', async () => {
    const child = await shell('exec 3<&0; cat <&3 & exit 0')
    await child.protocol.untilEvent('exited 0')
    stdin(child).write('still here')
    await child.protocol.until(() => child.protocol.text(1) === 'still here')
    stdin(child).close()
    await child.protocol.untilEvent('lost null')
    expect(child.protocol.pipeErrors).toEqual([null, null, null])
  })

  it('refuse a write to what is read from, a write after writeEof(), and what is not bytes', async () => {
    const child = await exec('cat')
    const output = stdout(child) as unknown as { write(data: string): void }
    expect(() => output.write('x')).toThrow('not writable')
    const input = stdin(child)
    expect(input.canWriteEof()).toBe(true)
    input.writeEof()
    expect(() => input.write('x')).toThrow('after writeEof()')
    expect(() => input.write(3 as unknown as string)).toThrow(TypeError)
    await child.protocol.untilEvent('lost null')
  })
})
