import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fstatSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { connectReadPipe, connectWritePipe } from '../../lib/endpoints/connectPipe.ts'
import { ConnectionLostError, InvalidStateError, NotImplementedError } from '../../lib/errors.ts'
import { BufferedProtocol } from '../../lib/protocol.ts'
import type { ReadTransport, WriteTransport } from '../../lib/transport.ts'
import { systemPipe } from '../support/systemPipe.ts'
import { itWith, Program } from '../support/program.ts'
import { netDefer, netError, netListen, netPromise, netProgram, NetRecorder, netTurns } from '../support/netTools.ts'

function isOpen(fd: number): boolean {
  try {
    return fstatSync(fd).isFIFO()
  } catch {
    return false
  }
}

/** A pipe with a protocol at each end, both gone after the test. */
function connected(protocol = new NetRecorder()): {
  reader: NetRecorder
  writer: NetRecorder
  input: ReadTransport
  output: WriteTransport
  fds: { reading: number; writing: number }
} {
  const fds = systemPipe()
  const writer = new NetRecorder()
  const [input, reader] = connectReadPipe(() => protocol, fds.reading, { onConnectionError() {} })
  const [output] = connectWritePipe(() => writer, fds.writing, { onConnectionError() {} })
  netDefer(async () => {
    input.close()
    output.abort()
    await Promise.all([reader.untilEvent('lost'), writer.untilEvent('lost')])
    await netTurns()
    expect([reader.count('lost'), writer.count('lost')]).toEqual([1, 1])
    expect([isOpen(fds.reading), isOpen(fds.writing)]).toEqual([false, false])
  })
  return { reader, writer, input, output, fds }
}

describe('connectReadPipe and connectWritePipe over a pipe (A58)', () => {
  it('carry bytes, then the end, in the order of callbacks (I1, I2, I5)', async () => {
    const { reader, writer, output } = connected()
    output.write('grün ')
    output.writeLines(['a', Buffer.from('b')])
    output.write('')
    output.close()
    output.close()
    expect(writer.log).toEqual(['made'])
    await Promise.all([reader.untilEvent('lost'), writer.untilEvent('lost')])
    expect(Buffer.concat(reader.chunks).toString()).toBe('grün ab')
    expect(reader.log).toEqual(['made', 'data', 'eof', 'lost'])
    expect(writer.log).toEqual(['made', 'lost'])
    expect([reader.lostWith, writer.lostWith]).toEqual([null, null])
  })

  it('close after the end of the stream, whatever eofReceived() says', async () => {
    const { reader, output } = connected()
    reader.keepOpen = true
    output.writeEof()
    await reader.untilEvent('lost')
    expect(reader.log).toEqual(['made', 'eof', 'lost'])
  })

  it('pause and resume both sides, and lose nothing (I9)', async () => {
    const { reader, writer, input, output } = connected()
    input.pauseReading()
    expect(input.isReading()).toBe(false)
    const bytes = Buffer.alloc(1024 * 1024, 'some bytes')
    output.write(bytes)
    expect(writer.log).toEqual(['made', 'pause'])
    await netTurns(20)
    expect(writer.log).toEqual(['made', 'pause'])
    expect(reader.log).toEqual(['made'])
    expect(output.getWriteBufferSize()).toBeGreaterThan(bytes.length / 2)
    const flushed = output.flush()
    input.resumeReading()
    await flushed
    expect(writer.log).toEqual(['made', 'pause', 'resume'])
    expect(output.bytesWritten).toBe(bytes.length)
    output.close()
    await reader.untilEvent('lost')
    expect(Buffer.concat(reader.chunks).equals(bytes)).toBe(true)
  })

  it('sends what was written before it closes, and drops it when aborted', async () => {
    const sent = connected()
    sent.output.write(Buffer.alloc(1024 * 1024))
    sent.output.close()
    expect(sent.output.isClosing()).toBe(true)
    await sent.reader.untilEvent('lost')
    expect(sent.reader.size).toBe(1024 * 1024)
    const dropped = connected()
    dropped.output.write(Buffer.alloc(1024 * 1024))
    dropped.output.abort()
    await dropped.reader.untilEvent('lost')
    expect(dropped.reader.size).toBeLessThan(1024 * 1024)
    expect(dropped.writer.lostWith).toBeNull()
    expect(dropped.writer.log).not.toContain('resume')
  })

  it('notice with a write that the reader has hung up', async () => {
    const { reader, writer, input, output } = connected()
    input.close()
    await reader.untilEvent('lost')
    expect(reader.lostWith).toBeNull()
    output.write('anybody?')
    await writer.untilEvent('lost')
    expect(writer.lostWith).toBeInstanceOf(ConnectionLostError)
    expect(writer.lostWith).toMatchObject({ cause: { code: 'EPIPE' } })
    expect(writer.lostWith!.message).toMatch(/^pipe to descriptor \d+ lost: EPIPE after 0 bytes \(8 unsent\)$/)
    await expect(output.flush()).rejects.toThrow(ConnectionLostError)
  })

  it('notice it while a write is under way, without another', async () => {
    const { writer, input, output } = connected()
    input.pauseReading()
    output.write(Buffer.alloc(1024 * 1024))
    const flushed = netError(output.flush())
    await netTurns()
    input.close()
    await writer.untilEvent('lost')
    expect(writer.lostWith).toMatchObject({ cause: { code: 'EPIPE' } })
    expect(writer.log).toEqual(['made', 'pause', 'lost'])
    expect(await flushed).toBe(writer.lostWith)
  })

  it('end with the error that a protocol throws, on that side alone (I13)', async () => {
    const wrong = new Error('wrong data')
    class Failing extends NetRecorder {
      override dataReceived(): void {
        throw wrong
      }
    }
    const { reader, writer, output } = connected(new Failing())
    output.write('x')
    await reader.untilEvent('lost')
    expect(reader.lostWith).toBe(wrong)
    expect(writer.log).toEqual(['made'])
  })

  it('refuse what one side cannot do, and wrong use', () => {
    const { input, output, fds } = connected()
    expect(() => (input as unknown as WriteTransport).write('x')).toThrow('not writable')
    expect(() => (output as unknown as ReadTransport).pauseReading()).toThrow(NotImplementedError)
    expect(() => output.write(3 as unknown as string)).toThrow(TypeError)
    expect(() => output.setWriteBufferLimits({ high: 1, low: 2 })).toThrow(RangeError)
    output.setWriteBufferLimits({ high: 8 })
    expect(output.getWriteBufferLimits()).toEqual([2, 8])
    expect(output.canWriteEof()).toBe(true)
    output.writeEof()
    output.writeEof()
    expect(() => output.write('x')).toThrow(InvalidStateError)
    expect(output.getExtraInfo('name')).toBe(`descriptor ${fds.writing}`)
    expect(input.getExtraInfo('name')).toBe(`descriptor ${fds.reading}`)
    expect(input.getExtraInfo('pipe')).toBeInstanceOf(Readable)
  })

  it('read into the memory of a BufferedProtocol', async () => {
    const { reading, writing } = systemPipe()
    const { promise: lost, resolve } = netPromise<Error | null>()
    const memory = Buffer.alloc(4)
    let text = ''
    class Buffered extends BufferedProtocol {
      override getBuffer(): Uint8Array {
        return memory
      }
      override bufferUpdated(n: number): void {
        text += memory.toString('latin1', 0, n)
      }
      override connectionLost(error: Error | null): void {
        resolve(error)
      }
    }
    connectReadPipe(Buffered, reading)
    const [output] = connectWritePipe(NetRecorder, writing)
    output.write('longer than the memory')
    output.close()
    expect(await lost).toBeNull()
    expect(text).toBe('longer than the memory')
  })
})

describe('connectReadPipe and connectWritePipe over other things', () => {
  it('take streams of Node', async () => {
    const stream = new PassThrough()
    const [output, writer] = connectWritePipe(NetRecorder, stream)
    const [, reader] = connectReadPipe(NetRecorder, stream)
    output.write('through')
    output.writeEof()
    await Promise.all([reader.untilEvent('lost'), writer.untilEvent('lost')])
    expect(reader.text).toBe('through')
    expect(reader.log).toEqual(['made', 'data', 'eof', 'lost'])
    expect([reader.lostWith, writer.lostWith]).toEqual([null, null])
    expect(output.getExtraInfo('pipe')).toBe(stream)
  })

  it('tell a stream that fails, with its error as the cause', async () => {
    const stream = new PassThrough()
    const [, writer] = connectWritePipe(NetRecorder, stream)
    const cause = new Error('broken')
    stream.destroy(cause)
    await writer.untilEvent('lost')
    expect(writer.lostWith).toMatchObject({ code: 'ERR_MILLRACE_CONNECTION_LOST', cause })
    const silent = new PassThrough()
    const [, other] = connectWritePipe(NetRecorder, silent)
    silent.destroy()
    await other.untilEvent('lost')
    expect(other.lostWith!.message).toBe(
      'pipe to pipe lost: the stream was closed before its end after 0 bytes (0 unsent)',
    )
  })

  it('take a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-'))
    netDefer(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'file')
    const [output, writer] = connectWritePipe(NetRecorder, openSync(path, 'w'))
    output.write('kept')
    output.close()
    await writer.untilEvent('lost')
    expect(readFileSync(path, 'utf8')).toBe('kept')
    const [, reader] = connectReadPipe(NetRecorder, openSync(path, 'r'))
    await reader.untilEvent('lost')
    expect(reader.text).toBe('kept')
    expect(reader.log).toEqual(['made', 'data', 'eof', 'lost'])
  })

  it.each([
    ['with everything taken', 0, null],
    ['with bytes unsent', 4 * 1024 * 1024, 'EPIPE'],
  ])('notice at once that the reader of a socket has hung up, %s', async (_, unsent, code) => {
    const { address, accepted } = await netListen('unix', { reading: false })
    const socket = connect(address as { path: string })
    await once(socket, 'connect')
    const peer = await accepted()
    const [output, writer] = connectWritePipe(NetRecorder, socket)
    output.write(Buffer.alloc(unsent))
    peer.socket.end()
    await writer.untilEvent('lost')
    expect((writer.lostWith?.cause as NodeJS.ErrnoException | undefined)?.code ?? null).toBe(code)
    expect(writer.log).toEqual(unsent === 0 ? ['made', 'lost'] : ['made', 'pause', 'lost'])
    expect(socket.destroyed).toBe(true)
  })

  it('refuse what is no pipe, and what is gone', () => {
    expect(() => connectReadPipe(NetRecorder, 12345)).toThrow('EBADF')
    expect(() => connectWritePipe(NetRecorder, 12345)).toThrow('EBADF')
    expect(() => connectReadPipe(NetRecorder, {} as Readable)).toThrow('a Readable is needed')
    expect(() => connectWritePipe(NetRecorder, null as unknown as PassThrough)).toThrow('a Writable is needed')
    const gone = new PassThrough().destroy()
    expect(() => connectReadPipe(NetRecorder, gone)).toThrow('destroyed')
    expect(() => connectWritePipe(NetRecorder, gone)).toThrow('not writable')
    expect(() => connectReadPipe(NetRecorder, new PassThrough().setEncoding('utf8'))).toThrow('must give bytes')
  })

  it('leave nothing open when the factory throws', async () => {
    const { reading, writing } = systemPipe()
    const failing = (): NetRecorder => {
      throw new Error('no protocol')
    }
    expect(() => connectReadPipe(failing, reading)).toThrow('no protocol')
    expect(() => connectWritePipe(failing, writing)).toThrow('no protocol')
    await netTurns()
    expect([isOpen(reading), isOpen(writing)]).toEqual([false, false])
    const stream = new PassThrough()
    expect(() => connectReadPipe(failing, stream)).toThrow('no protocol')
    expect(stream.destroyed).toBe(false)
  })
})

const itWithScript = itWith('script')

describe('connectStdio and openStdio (C15)', () => {
  it('serve whoever has started the process, until its end of input', async () => {
    const child = netProgram(`
      import { openStdio } from 'millrace'
      const { reader, writer } = openStdio()
      for await (const line of reader) writer.write('echo ' + line)
      writer.write('bye\\n')
      writer.close()
      await writer.waitClosed()
      process.stderr.write('closed ' + writer.transport.getExtraInfo('name'))`)
    child.send('one\n')
    expect(await child.line()).toBe('echo one')
    child.send('two\n')
    expect(await child.line()).toBe('echo two')
    child.end()
    expect(await child.ended).toEqual({ code: 0, stdout: 'echo one\necho two\nbye\n', stderr: 'closed stdio' })
  })

  it('let the process end when it closes, with an input that goes on', async () => {
    const child = netProgram(`
      import { connectStdio } from 'millrace'
      const log = []
      const [transport] = connectStdio(() => ({
        connectionMade: () => log.push('made'),
        dataReceived(data) { log.push('data'); transport.write('x'.repeat(1e6) + data); transport.close() },
        connectionLost: (error) => { log.push('lost ' + error); process.stderr.write(log.join()) },
      }))`)
    child.send('last')
    const { code, stdout, stderr } = await child.ended
    expect([code, stdout.length, stdout.slice(-5), stderr]).toEqual([0, 1_000_004, 'xlast', 'made,data,lost null'])
  })

  it('work over pipes and files of the shell', async () => {
    const source = `
      import { openStdio } from 'millrace'
      const { reader, writer } = openStdio()
      const all = await reader.read()
      writer.write(all.toString().toUpperCase())
      writer.writeEof()
      await writer.flush()`
    const folder = mkdtempSync(join(tmpdir(), 'millrace-'))
    netDefer(() => rmSync(folder, { recursive: true }))
    const run = `"${process.execPath}" --input-type=module -e "$SOURCE"`
    const script = `echo piped | ${run} | cat; echo filed > ${folder}/in; ${run} < ${folder}/in > ${folder}/out`
    const { stdout, stderr, status } = spawnSync('sh', ['-c', script], { env: { ...process.env, SOURCE: source } })
    expect([stdout.toString(), stderr.toString(), status]).toEqual(['PIPED\n', '', 0])
    expect(readFileSync(join(folder, 'out'), 'utf8')).toBe('FILED\n')
  })

  itWithScript('work over a terminal, which gives them a line at a time', async () => {
    const source = `
      import { openStdio, connectReadPipe } from 'millrace'
      const { reader, writer } = openStdio()
      writer.write(process.stdin.isTTY && process.stdout.isTTY ? 'a terminal\\n' : 'none\\n')
      for await (const line of reader) writer.write('echo ' + line)
      writer.write('bye\\n')
      writer.close()
      await writer.waitClosed()`
    const terminal = new Program('script', [
      '-qec',
      `stty -echo; '${process.execPath}' --input-type=module -e "$(cat <<'END'\n${source}\nEND\n)"`,
      '/dev/null',
    ])
    await terminal.output(/a terminal\r\n/)
    terminal.child.stdin.write('one\n')
    await terminal.output(/echo one\r\n/)
    // The end of input, as it is typed.
    terminal.child.stdin.write('\x04')
    await terminal.output(/bye\r\n/)
    expect(await terminal.exit()).toBe(0)
  })

  it('tell that nobody reads any more', async () => {
    const child = netProgram(`
      import { connectStdio } from 'millrace'
      const [transport] = connectStdio(() => ({
        dataReceived: () => transport.write('x'.repeat(1e6)),
        connectionLost: (error) => process.stderr.write(error.code + ' ' + error.cause.code),
      }))`)
    child.hangUp()
    child.send('go')
    expect(await child.ended).toEqual({ code: 0, stdout: '', stderr: 'ERR_MILLRACE_CONNECTION_LOST EPIPE' })
  })
})
