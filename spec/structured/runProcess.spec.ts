import { mkdtempSync, realpathSync } from 'node:fs'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CancelScope } from '../../lib/structured/cancelScope.ts'
import { CalledProcessError, Cancelled } from '../../lib/structured/errors.ts'
import { moveOnAfter } from '../../lib/structured/moveOn.ts'
import { runProcess } from '../../lib/structured/runProcess.ts'
import { FakeClock } from '../../lib/testing/fakeClock.ts'
import { nextTurn } from '../../lib/wait.ts'
import { buildIfMissing, runModule } from '../support/builtPackage.ts'
import { Leftovers } from '../support/leftovers.ts'

const node = process.execPath
const script = (source: string): string[] => [node, '-e', source]
const both = { captureStdout: true, captureStderr: true }

/** Where children report to, line by line; it holds no child back. */
class Reports {
  readonly #server: Server
  readonly #sockets: Socket[] = []
  #text = ''
  #heard = (): void => {}

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', (socket) => {
      this.#sockets.push(socket)
      socket.on('error', () => {})
      socket.on('data', (data) => {
        this.#text += data.toString()
        this.#heard()
      })
      socket.on('close', () => {
        this.#text += 'gone\n'
        this.#heard()
      })
    })
  }

  static async listening(): Promise<Reports> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new Reports(server)
  }

  /** Source with which a child connects, and then runs `then`, where `say(line)` reports. It ends with this spec at the latest. */
  child(then: string): string[] {
    const { port } = this.#server.address() as AddressInfo
    return script(`
      const socket = require('node:net').connect(${port}, '127.0.0.1')
      const say = (line) => socket.write(line + '\\n')
      setInterval(() => {}, 1000)
      socket.on('close', () => process.exit(1)).on('error', () => {})
      ${then}
      say('pid ' + process.pid)`)
  }

  async line(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#text)
      if (match !== null) return match
      await new Promise<void>((resolve) => (this.#heard = resolve))
    }
  }

  has(pattern: RegExp): boolean {
    return pattern.test(this.#text)
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

const isThere = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** How many of them this process has open at present. */
const open = (kind: 'PipeWrap' | 'ProcessWrap'): number =>
  process.getActiveResourcesInfo().filter((each) => each === kind).length

let leftovers: Leftovers
let reports: Reports
beforeEach(async () => {
  leftovers = new Leftovers()
  reports = await Reports.listening()
})
afterEach(async () => {
  await reports.close()
  await leftovers.gone()
})

describe('runProcess', () => {
  it('resolves with how the program has ended, and what was captured of it', async () => {
    const program = script(`process.stdout.write('out'); process.stderr.write('err'); process.exitCode = 3`)
    expect(await runProcess(program, both)).toEqual({
      returncode: 3,
      signal: null,
      stdout: Buffer.from('out'),
      stderr: Buffer.from('err'),
    })
    expect(await runProcess(['true'])).toEqual({ returncode: 0, signal: null, stdout: null, stderr: null })
    expect(await runProcess(['echo', 'a  b'], { captureStdout: true })).toMatchObject({ stdout: Buffer.from('a  b\n') })
  })

  it('tells the signal that has ended it', async () => {
    const result = await runProcess(script(`process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000)`))
    expect(result).toMatchObject({ returncode: -15, signal: 'SIGTERM' })
    expect(await runProcess(['sh', '-c', 'kill -ABRT $$'])).toMatchObject({ returncode: -6, signal: 'SIGABRT' })
  })

  it.each([
    ['nothing', undefined, ''],
    ['a string', 'käse\n', 'käse\n'],
    ['bytes', Uint8Array.of(65, 66), 'AB'],
    ['an empty string', '', ''],
  ])('gives it %s to read', async (_what, input, read) => {
    const { stdout } = await runProcess(['cat'], { input, captureStdout: true })
    expect(stdout!.toString()).toBe(read)
  })

  it('reads and writes more than any pipe holds, both at once', async () => {
    const input = Buffer.alloc(3 * 1024 * 1024, 'abc')
    const { stdout } = await runProcess(['cat'], { input, captureStdout: true })
    expect(stdout!.equals(input)).toBe(true)
    expect((await runProcess(['true'], { input })).returncode).toBe(0)
  })

  it('goes by cwd and env', async () => {
    const cwd = realpathSync(mkdtempSync(join(tmpdir(), 'runProcess-')))
    const options = { cwd, env: { PATH: process.env['PATH'], WHO: 'me' }, captureStdout: true }
    expect(String((await runProcess(['sh', '-c', 'pwd; echo $WHO'], options)).stdout)).toBe(`${cwd}\nme\n`)
  })

  it('lets it write to where we do, unless it is captured; its stdin is empty', () => {
    buildIfMissing()
    const { code, stdout, stderr } = runModule(`
      import { runProcess } from './dist/esm/structured/runProcess.js'
      const { stdout } = await runProcess(['sh', '-c', 'echo out; echo err >&2; cat'])
      console.log(stdout)
      await runProcess(['sh', '-c', 'echo captured; echo seen >&2'], { captureStdout: true })
    `)
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'out\nnull\n', stderr: 'err\nseen\n' })
  })

  describe('with check', () => {
    it('rejects unless the status is 0', async () => {
      const failed = await runProcess(['sh', '-c', 'echo out; echo why >&2; exit 3'], { ...both, check: true }).catch(
        (error: unknown) => error,
      )
      expect(failed).toBeInstanceOf(CalledProcessError)
      expect(failed).toMatchObject({
        message: 'sh -c echo out; echo why >&2; exit 3 exited with 3: why',
        returncode: 3,
        signal: null,
        stdout: Buffer.from('out\n'),
        stderr: Buffer.from('why\n'),
      })
      expect(await runProcess(['true'], { check: true })).toMatchObject({ returncode: 0 })
    })

    it('rejects when a signal has ended it', async () => {
      const failed = runProcess(['sh', '-c', 'kill -TERM $$'], { check: true })
      await expect(failed).rejects.toMatchObject({ returncode: -15, signal: 'SIGTERM' })
    })
  })

  it.each([[[]], ['ls -l'], [undefined], [['ls', 5]]])('refuses %p', async (command) => {
    await expect(runProcess(command as unknown as string[])).rejects.toBeInstanceOf(TypeError)
  })

  it.each([-1, NaN])('refuses graceMs %p', async (graceMs) => {
    await expect(runProcess(['true'], { graceMs })).rejects.toThrow(`graceMs must be a number of milliseconds, not`)
  })

  it('rejects with what the system says of a program that there is not', async () => {
    const missing = runProcess(['/no/such/program'], { ...both, input: 'x' })
    await expect(missing).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(runProcess(['true'], { cwd: '/no/such' })).rejects.toThrow(/there is no directory \/no\/such/)
  })

  describe('cancelled', () => {
    it('before it begins starts nothing', async () => {
      const program = reports.child('')
      await expect(runProcess(program, { signal: AbortSignal.abort('before') })).rejects.toBe('before')
      const scope = new CancelScope()
      await scope.run(async () => {
        scope.cancel()
        await runProcess(program)
      })
      expect(scope.cancelledCaught).toBe(true)
      expect(reports.has(/pid/)).toBe(false)
    })

    it('while it starts still ends it, and waits', async () => {
      const controller = new AbortController()
      const running = runProcess(['sleep', '60'], { signal: controller.signal, captureStdout: true })
      controller.abort('at once')
      await expect(running).rejects.toBe('at once')
      // The handle of a child that has exited closes in the next turn.
      await nextTurn()
      expect(open('ProcessWrap')).toBe(0)
    })

    it('asks the child to end, and waits until it has, however long its output', async () => {
      const program = reports.child(`
        process.on('SIGTERM', () => {
          say('asked')
          process.stdout.write('x'.repeat(1024 * 1024), () => { say('written'); socket.end(() => process.exit(0)) })
        })`)
      const scope = new CancelScope()
      const running = scope.run(() => runProcess(program, { captureStdout: true }))
      const pid = Number((await reports.line(/pid (\d+)/))[1])
      scope.cancel()
      await expect(running).resolves.toBeUndefined()
      expect([isThere(pid), scope.cancelledCaught]).toEqual([false, true])
      await reports.line(/asked\nwritten\n/)
    })

    it('kills the child that does not end, after graceMs', async () => {
      using clock = new FakeClock()
      const controller = new AbortController()
      const program = reports.child(`process.on('SIGTERM', () => say('asked'))`)
      let over = false
      const running = runProcess(program, { signal: controller.signal }).finally(() => (over = true))
      running.catch(() => {})
      const pid = Number((await reports.line(/pid (\d+)/))[1])
      controller.abort('enough')
      await reports.line(/asked/)
      await clock.advance(4999)
      expect([over, isThere(pid), clock.pending]).toEqual([false, true, 1])
      await clock.advance(1)
      await expect(running).rejects.toBe('enough')
      expect([isThere(pid), clock.pending]).toEqual([false, 0])
    })

    it('goes on waiting in a scope that is cancelled again and again', async () => {
      const outer = new CancelScope()
      const inner = new CancelScope()
      const program = reports.child(`
        process.on('SIGTERM', () => { say('asked'); socket.on('data', () => process.exit(0)) })`)
      const seen: unknown[] = []
      const running = outer.run(() =>
        inner.run(async () => {
          await runProcess(program).catch((error: unknown) => seen.push(error))
        }),
      )
      const pid = Number((await reports.line(/pid (\d+)/))[1])
      inner.cancel('first')
      await reports.line(/asked/)
      outer.cancel('second')
      expect(isThere(pid)).toBe(true)
      process.kill(pid, 'SIGKILL')
      await running
      expect(seen).toHaveLength(1)
      expect(seen[0]).toBeInstanceOf(Cancelled)
    })

    it('does not wait for others that have its output in their hands', async () => {
      const program = reports.child(`
        const { spawn } = require('node:child_process')
        const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit', detached: true })
        say('other ' + other.pid)`)
      const controller = new AbortController()
      const pipes = open('PipeWrap')
      const running = runProcess(program, { signal: controller.signal, captureStdout: true })
      const other = Number((await reports.line(/other (\d+)/))[1])
      try {
        await reports.line(/pid/)
        controller.abort('enough')
        await expect(running).rejects.toBe('enough')
        expect([isThere(other), open('PipeWrap')]).toEqual([true, pipes])
      } finally {
        process.kill(other, 'SIGKILL')
      }
    })

    it('by a deadline ends in time', async () => {
      const started = performance.now()
      expect(await moveOnAfter(50, () => runProcess(['sleep', '60']))).toBeUndefined()
      expect(performance.now() - started).toBeLessThan(5000)
    })
  })
})
