import { ConnectionLostError, InvalidStateError, ProcessLookupError, TimeoutError } from '../../lib/errors.ts'
import { FramedReader } from '../../lib/framing/framedReader.ts'
import { lines } from '../../lib/framing/lines.ts'
import { createSubprocessExec, createSubprocessShell } from '../../lib/streams/createSubprocessExec.ts'
import type { Process } from '../../lib/streams/process.ts'
import { StreamReader } from '../../lib/streams/streamReader.ts'
import { StreamReaderProtocol } from '../../lib/streams/streamReaderProtocol.ts'
import { StreamWriter } from '../../lib/streams/streamWriter.ts'
import { setAmbience } from '../../lib/wait.ts'
import { netDefer, netError, netTurns } from '../support/netTools.ts'
import { ambient, signalScope } from '../support/signalScope.ts'

const PIPES = { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' } as const
const MiB = 1024 * 1024

class Shouting extends StreamWriter {
  shout(text: string): void {
    this.write(text.toUpperCase())
  }
}
class Words extends StreamReader {
  async readWord(): Promise<string> {
    return (await this.readUntil(' ')).toString().trim()
  }
}

/** Gone after the test, which does not end before. */
function kept<P extends Process>(child: P): P {
  netDefer(() => child[Symbol.asyncDispose]())
  return child
}

const exec = async (program: string, args: string[] = []) => kept(await createSubprocessExec(program, args, PIPES))
const shell = async (command: string) => kept(await createSubprocessShell(command, PIPES))
const node = (source: string) => exec(process.execPath, ['-e', source])

describe('createSubprocessExec (A61)', () => {
  it('gives a process with a writer and two readers', async () => {
    const child = await exec('sh', ['-c', 'read line; echo "got $line"; echo oops >&2; exit 5'])
    expect(child.pid).toBe(child.transport.getPid())
    expect(child.returncode).toBeNull()
    child.stdin.write('hello\n')
    await child.stdin.drain()
    expect((await child.stdout.readLine()).toString()).toBe('got hello\n')
    expect((await child.stderr.read()).toString()).toBe('oops\n')
    expect(await child.wait()).toBe(5)
    expect(child.returncode).toBe(5)
    expect((await child.stdout.read()).length).toBe(0)
  })

  it('has no stream where there is no pipe, and inherits by default, in its types as well', async () => {
    const child = kept(await createSubprocessExec('true'))
    const none: [null, null, null] = [child.stdin, child.stdout, child.stderr]
    expect(none).toEqual([null, null, null])
    expect(await child.communicate()).toEqual({ stdout: null, stderr: null })
    expect(child.returncode).toBe(0)
    const merged = kept(await createSubprocessShell('echo a; echo b >&2', { stdout: 'pipe', stderr: 'stdout' }))
    const output: { stdout: Buffer; stderr: null } = await merged.communicate()
    expect([output.stdout.toString(), output.stderr]).toEqual(['a\nb\n', null])
  })

  it('gives them in the classes that are plugged in, with their limit', async () => {
    const classes = { reader: Words, writer: Shouting, limit: 10 }
    const child = kept(await createSubprocessExec('cat', [], { ...classes, stdin: 'pipe', stdout: 'pipe' }))
    child.stdin.shout('hello ')
    const word: string = await child.stdout.readWord()
    expect(word).toBe('HELLO')
    child.stdin.write('a'.repeat(12))
    await expect(child.stdout.readWord()).rejects.toMatchObject({ limit: 10 })
  })

  it('gives them over a protocol of your own, and in framed classes', async () => {
    const made: unknown[] = []
    class Noting extends StreamReaderProtocol<FramedReader<string>, StreamWriter> {
      override connectionMade(...args: Parameters<StreamReaderProtocol['connectionMade']>): void {
        made.push(args[0].getExtraInfo('name'))
        super.connectionMade(...args)
      }
    }
    const child = kept(
      await createSubprocessShell('echo one; echo two', {
        stdout: 'pipe',
        reader: (options) => new FramedReader(lines(), options),
        protocol: Noting,
      }),
    )
    const read: string[] = []
    for await (const line of child.stdout) read.push(line)
    expect(read).toEqual(['one', 'two'])
    expect(made).toEqual([`stdout of process ${child.pid} (echo one; echo two)`])
  })

  it('rejects for what cannot be started, and for classes that throw', async () => {
    await expect(createSubprocessExec('no-such-program')).rejects.toMatchObject({ code: 'ENOENT' })
    const failing = (): StreamReader => {
      throw new Error('no reader')
    }
    await expect(createSubprocessExec('cat', [], { ...PIPES, reader: failing })).rejects.toThrow('no reader')
    await expect(createSubprocessExec('cat', [], { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no')
  })
})

describe('the streams of a process', () => {
  it('hold back a writer whose child does not read', async () => {
    const child = await exec('sleep', ['1000'])
    child.stdin.write(Buffer.alloc(2 * MiB))
    const late = await netError<TimeoutError>(child.stdin.drain({ timeoutMs: 0 }))
    expect(late).toBeInstanceOf(TimeoutError)
    expect(late.operation).toContain(`drain to stdin of process ${child.pid} (sleep)`)
    child.kill()
    await expect(child.stdin.drain()).rejects.toThrow(ConnectionLostError)
    await expect(child.stdin.waitClosed()).rejects.toThrow(ConnectionLostError)
    expect(await child.wait()).toBe(-9)
  })

  it('hold back a child that floods, until it is read', async () => {
    const child = await shell('yes | head -c 5000000; echo done >&2')
    await child.stdout.peek(1)
    await netTurns(50)
    expect(child.stdout.buffered).toBeLessThan(MiB)
    expect(child.stderr.buffered).toBe(0)
    expect(child.returncode).toBeNull()
    expect((await child.stdout.read()).toString()).toBe('y\n'.repeat(2_500_000))
    expect((await child.stderr.read()).toString()).toBe('done\n')
  })

  it('can be read after the exit', async () => {
    const child = await shell('echo last words')
    expect(await child.wait()).toBe(0)
    expect((await child.stdout.readLine()).toString()).toBe('last words\n')
    expect((await child.stdout.read()).length).toBe(0)
  })

  it('tell a writer that the child has closed its stdin', async () => {
    const child = await shell('exec <&-; sleep 1000')
    await child.stdin.waitClosed()
    await expect(child.stdin.drain()).rejects.toThrow(ConnectionLostError)
    expect(child.returncode).toBeNull()
  })
})

describe('wait', () => {
  it('resolves for all who wait, and at once when it is over', async () => {
    const child = await exec('cat')
    const waits = [child.wait(), child.wait()]
    child.stdin.close()
    expect([...(await Promise.all(waits)), await child.wait()]).toEqual([0, 0, 0])
  })

  it('can be cancelled, and the child runs on', async () => {
    const child = await exec('cat')
    const late = await netError<TimeoutError>(child.wait({ timeoutMs: 0 }))
    expect(late.operation).toBe(`wait for process ${child.pid} (cat)`)
    const controller = new AbortController()
    const waiting = netError(child.wait({ signal: controller.signal }))
    controller.abort(new Error('enough'))
    expect((await waiting).message).toBe('enough')
    child.terminate()
    expect(await child.wait()).toBe(-15)
    await expect(child.wait({ signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before')
  })
})

describe('communicate', () => {
  it('sends the input, and collects both outputs, beyond every buffer', async () => {
    const child = await node(`process.stdin.pipe(process.stdout); process.stderr.write('e'.repeat(${2 * MiB}))`)
    const input = Buffer.alloc(8 * MiB, 'some bytes')
    const { stdout, stderr } = await child.communicate(input)
    expect(stdout.equals(input)).toBe(true)
    expect(stderr.toString()).toBe('e'.repeat(2 * MiB))
    expect(child.returncode).toBe(0)
  })

  it('ends stdin also without input', async () => {
    const child = await exec('cat')
    expect((await child.communicate()).stdout.length).toBe(0)
  })

  it('gives what the reader had buffered', async () => {
    const child = await exec('cat')
    child.stdin.write('first ')
    await child.stdout.peek(6)
    expect((await child.communicate('second')).stdout.toString()).toBe('first second')
  })

  it.each(['exit 3', 'exec <&-; echo closed; exit 3', 'head -c 1; exit 3'])(
    'is not troubled by a child that does not take its input: %s',
    async (command) => {
      const child = await shell(command)
      const { stdout } = await child.communicate('x'.repeat(4 * MiB))
      expect(stdout.toString()).toBe({ e: 'closed\n', h: 'x' }[command.replace('exit 3', '')[0] ?? ''] ?? '')
      expect(child.returncode).toBe(3)
    },
  )

  it('can be cancelled: the child runs on, and what came can still be read', async () => {
    const child = await exec('sh', ['-c', 'echo early; cat; sleep 1000'])
    const controller = new AbortController()
    const failed = netError(child.communicate('input', { signal: controller.signal }))
    await child.stdin.waitClosed()
    controller.abort(new Error('enough'))
    expect((await failed).message).toBe('enough')
    expect(child.returncode).toBeNull()
    expect((await child.stdout.readExactly(11)).toString()).toBe('early\ninput')
    await expect(child.communicate(undefined, { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no')
  })

  it('refuses input without a pipe for it, and to read while a read waits', async () => {
    const deaf = kept(await createSubprocessExec('true', [], { stdin: 'ignore' }))
    await expect(deaf.communicate('x')).rejects.toThrow(InvalidStateError)
    const child = await exec('cat')
    const read = child.stdout.readLine()
    await expect(child.communicate('x\n')).rejects.toThrow(InvalidStateError)
    expect((await read).toString()).toBe('x\n')
  })
})

describe('the end of a process', () => {
  it('comes by signals, which throw when it has exited', async () => {
    const child = await exec('cat')
    child.sendSignal('SIGINT')
    expect(await child.wait()).toBe(-2)
    for (const send of ['terminate', 'kill'] as const) expect(() => child[send]()).toThrow(ProcessLookupError)
    expect(() => child.sendSignal('SIGTERM')).toThrow(ProcessLookupError)
  })

  it('comes with the end of the block that uses it, whatever the child does', async () => {
    let child: Process
    {
      await using used = await createSubprocessShell('trap "" TERM INT; yes', PIPES)
      child = used
      await used.stdout.peek(1)
      used.stdin.write(Buffer.alloc(2 * MiB))
    }
    expect(child.returncode).toBe(-9)
    expect(() => process.kill(child.pid, 0)).toThrow('ESRCH')
    await child[Symbol.asyncDispose]()
  })

  it('comes with it also where the waits of the block are cancelled', async () => {
    const child = await shell('trap "" TERM INT; yes')
    setAmbience(ambient(signalScope(AbortSignal.abort('enough'))))
    const disposed = child[Symbol.asyncDispose]()
    setAmbience(null)
    await disposed
    expect(child.returncode).toBe(-9)
  })

  it('leaves nothing behind', async () => {
    const open = (): string[] => process.getActiveResourcesInfo().filter((name) => /Pipe|Process/.test(name))
    await netTurns()
    const before = open()
    for (const command of ['cat', 'exit 1', 'exec <&- >&-; sleep 1000', 'yes']) {
      const child = await shell(command)
      expect(open().length).toBeGreaterThan(before.length)
      child.stdin.write('x'.repeat(MiB))
      await child[Symbol.asyncDispose]()
    }
    await netTurns()
    expect(open()).toEqual(before)
  })
})
