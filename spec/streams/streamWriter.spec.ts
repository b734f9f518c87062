import { createConnection } from '../../lib/endpoints/connect.ts'
import { ConnectionLostError, InvalidStateError, TimeoutError } from '../../lib/errors.ts'
import { openConnection, startServer } from '../../lib/streams/open.ts'
import { StreamReader } from '../../lib/streams/streamReader.ts'
import { StreamReaderProtocol } from '../../lib/streams/streamReaderProtocol.ts'
import { StreamWriter } from '../../lib/streams/streamWriter.ts'
import {
  netDefer,
  netDial,
  netError,
  netListen,
  netProgram,
  netRoundTrip,
  netStop,
  netTurns,
  type NetPeer,
} from '../support/netTools.ts'

interface Connected {
  reader: StreamReader
  writer: StreamWriter
  peer: NetPeer
}

/** A reader and a writer of ours, and the bare socket at the other end. */
async function connected({ reading = true } = {}): Promise<Connected> {
  const { address, accepted } = await netListen('tcp', { reading })
  const [reader, writer] = await openConnection({ host: '127.0.0.1', ...(address as { port: number }) })
  netDefer(() => writer.transport.abort())
  return { reader, writer, peer: await accepted() }
}

const CHUNK = Buffer.alloc(256 * 1024, 'x')

/** Writes more than the systems take, to a peer that does not read. Returns how much. */
function clog(writer: StreamWriter): number {
  let written = 0
  while (writer.transport.getWriteBufferSize() <= 1024 * 1024) {
    writer.write(CHUNK)
    written += CHUNK.length
    if (written > 256 * 1024 * 1024) throw new Error('never clogged')
  }
  return written
}

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const settle = (): void => void (settled = true)
  promise.then(settle, settle)
  await netRoundTrip()
  return !settled
}

describe('StreamWriter', () => {
  describe('what goes to the transport', () => {
    it('write and writeLines, in order (A44)', async () => {
      const { writer, peer } = await connected()
      writer.write('a')
      writer.write(new Uint8Array([98]))
      writer.writeLines(['c\n', Buffer.from('d\n')])
      writer.close()
      await peer.until(() => peer.ended)
      expect(peer.text).toBe('abc\nd\n')
    })

    it('writeEof and canWriteEof: reading goes on (A44)', async () => {
      const { reader, writer, peer } = await connected()
      expect(writer.canWriteEof()).toBe(true)
      writer.write('request')
      writer.writeEof()
      expect(() => writer.write('more')).toThrow(InvalidStateError)
      await peer.until(() => peer.ended)
      peer.socket.end('response')
      expect(String(await reader.read())).toBe('response')
    })

    it('getExtraInfo and the transport itself (A44)', async () => {
      const { writer, peer } = await connected()
      expect(writer.getExtraInfo('peername')).toEqual(['127.0.0.1', peer.socket.localPort])
      expect(writer.getExtraInfo('nothing')).toBeNull()
      expect(writer.getExtraInfo('nothing', 1)).toBe(1)
      expect(writer.transport.getWriteBufferSize()).toBe(0)
    })

    it('setWriteBufferLimits (A44)', async () => {
      const { writer } = await connected()
      writer.setWriteBufferLimits({ high: 400 })
      expect(writer.transport.getWriteBufferLimits()).toEqual([100, 400])
    })

    it('isClosing, from close() on (A44)', async () => {
      const { writer } = await connected()
      expect(writer.isClosing()).toBe(false)
      writer.close()
      expect(writer.isClosing()).toBe(true)
      await writer.waitClosed()
      expect(writer.isClosing()).toBe(true)
    })
  })

  describe('drain', () => {
    it('resolves at once while the buffer is not above the high mark: it is no flush (I18)', async () => {
      const { writer } = await connected({ reading: false })
      writer.setWriteBufferLimits({ high: 1024 * 1024 * 1024 })
      clog(writer)
      await writer.drain()
      expect(writer.transport.getWriteBufferSize()).toBeGreaterThan(1024 * 1024)
    })

    it('waits above the high mark, until the low mark is reached (I18, A45)', async () => {
      const { writer, peer } = await connected({ reading: false })
      clog(writer)
      const drain = writer.drain()
      expect(await isPending(drain)).toBe(true)
      peer.read()
      await drain
      expect(writer.transport.getWriteBufferSize()).toBeLessThanOrEqual(16 * 1024)
    })

    it('may be waited for by any number of callers, who go on in their order (I18, D4)', async () => {
      const { writer, peer } = await connected({ reading: false })
      clog(writer)
      const order: number[] = []
      const all = [1, 2, 3].map((n) => writer.drain().then(() => order.push(n)))
      peer.read()
      await Promise.all(all)
      expect(order).toEqual([1, 2, 3])
      await writer.drain()
    })

    it('is released by a close from our side (I18)', async () => {
      const { writer, peer } = await connected({ reading: false })
      clog(writer)
      const drains = [writer.drain(), writer.drain()]
      writer.close()
      expect(await isPending(Promise.all(drains))).toBe(true)
      peer.read()
      await Promise.all(drains)
      await writer.waitClosed()
    })

    it('is released by an abort (I18)', async () => {
      const { writer } = await connected({ reading: false })
      clog(writer)
      const drain = writer.drain()
      writer.transport.abort()
      expect(await drain).toBeUndefined()
    })

    it('rejects for every caller with the reason if the connection is lost (I18)', async () => {
      const { reader, writer, peer } = await connected({ reading: false })
      clog(writer)
      const drains = [netError(writer.drain()), netError(writer.drain())]
      peer.socket.resetAndDestroy()
      const [first, second] = await Promise.all(drains)
      expect(first).toBeInstanceOf(ConnectionLostError)
      expect(second).toBe(first)
      expect(reader.exception()).toBe(first)
    })

    it('rejects with the reader’s exception, if there is one (I18)', async () => {
      const { reader, writer } = await connected()
      const reason = new Error('set by hand')
      reader.setException(reason)
      expect(await netError(writer.drain())).toBe(reason)
    })

    it('after the loss rejects, though the end was clean (I18)', async () => {
      const { writer } = await connected()
      writer.close()
      await writer.waitClosed()
      const error = await netError<ConnectionLostError>(writer.drain())
      expect(error).toBeInstanceOf(ConnectionLostError)
      expect(error.message).toMatch(/drain on a connection with 127\.0\.0\.1:\d+ that is closed/)
    })

    it('on a closing transport yields a turn, so that the loss is seen (I18)', async () => {
      const { writer } = await connected()
      writer.close()
      await expect(writer.drain()).rejects.toBeInstanceOf(ConnectionLostError)
    })

    it('in a loop of writes sees the loss of the connection, though nothing else yields (N12, D6)', async () => {
      const { writer, peer } = await connected()
      peer.socket.resetAndDestroy()
      const loop = (async () => {
        for (;;) {
          writer.write('x')
          await writer.drain()
        }
      })()
      await expect(loop).rejects.toBeInstanceOf(ConnectionLostError)
    })

    it('in a loop of small writes lets the rest of the program run now and then (N12, D6)', async () => {
      const { writer } = await connected({ reading: false })
      let others = false
      setImmediate(() => (others = true))
      for (let i = 0; i < 50_000 && !others; i++) {
        writer.write('x')
        await writer.drain()
      }
      expect(others).toBe(true)
    })

    it('lets a peer be waited for through many rounds, and loses nothing (A45)', async () => {
      const { writer, peer } = await connected()
      const rounds = 64
      for (let i = 0; i < rounds; i++) {
        writer.write(CHUNK)
        await writer.drain()
        expect(writer.transport.getWriteBufferSize()).toBeLessThanOrEqual(64 * 1024)
      }
      writer.close()
      await peer.until(() => peer.ended)
      expect(peer.size).toBe(rounds * CHUNK.length)
    })

    it('cancelled changes nothing: the bytes go on being sent', async () => {
      const { writer, peer } = await connected({ reading: false })
      const written = clog(writer)
      const controller = new AbortController()
      const reason = new Error('enough')
      const drain = netError(writer.drain({ signal: controller.signal }))
      const other = writer.drain()
      controller.abort(reason)
      expect(await drain).toBe(reason)
      expect(writer.isClosing()).toBe(false)
      peer.read()
      await other
      await peer.until(() => peer.size === written)
    })

    it('with a signal already aborted rejects at once', async () => {
      const { writer } = await connected()
      await expect(writer.drain({ signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before')
    })

    it('with a timeout gets rid of a peer that does not read', async () => {
      const { writer } = await connected({ reading: false })
      clog(writer)
      const error = await netError<TimeoutError>(writer.drain({ timeoutMs: 5 }))
      expect(error).toBeInstanceOf(TimeoutError)
      expect(error.message).toMatch(/^drain to 127\.0\.0\.1:\d+ \(\d+ bytes unsent\) took longer than 5 ms$/)
    })
  })

  describe('needsDrain', () => {
    it('is true between the high mark and the low one', async () => {
      const { writer, peer } = await connected({ reading: false })
      writer.write('a little')
      expect(writer.needsDrain).toBe(false)
      clog(writer)
      expect(writer.needsDrain).toBe(true)
      const drained = writer.drain()
      peer.read()
      await drained
      expect(writer.needsDrain).toBe(false)
    })

    it('is true when drain() would tell that the connection is closing or lost', async () => {
      const [closing, lost] = [await connected(), await connected()]
      closing.writer.close()
      expect(closing.writer.needsDrain).toBe(true)
      lost.peer.socket.resetAndDestroy()
      await netError(lost.reader.read())
      expect(lost.writer.needsDrain).toBe(true)
      await netError(lost.writer.drain())
    })
  })

  describe('flush (D5)', () => {
    it('waits until nothing is left to send, below the marks too, for every caller', async () => {
      const { writer, peer } = await connected({ reading: false })
      writer.setWriteBufferLimits({ high: 1024 * 1024 * 1024 })
      const written = clog(writer)
      await writer.drain()
      const flushes = [writer.flush(), writer.flush()]
      expect(await isPending(flushes[0]!)).toBe(true)
      peer.read()
      await Promise.all(flushes)
      expect(writer.transport.getWriteBufferSize()).toBe(0)
      await peer.until(() => peer.size === written)
    })

    it('hands over what was gathered in this turn, and resolves at once if the system takes it', async () => {
      const { writer, peer } = await connected()
      writer.write('now')
      expect(writer.transport.getWriteBufferSize()).toBe(3)
      const flush = writer.flush()
      expect(writer.transport.getWriteBufferSize()).toBe(0)
      await flush
      await peer.until(() => peer.text === 'now')
    })

    it('ends when a close() has sent the rest', async () => {
      const { writer, peer } = await connected({ reading: false })
      clog(writer)
      const flush = writer.flush()
      writer.close()
      peer.read()
      await flush
      expect(writer.transport.getWriteBufferSize()).toBe(0)
    })

    it('rejects with the reason when the connection is lost, and afterwards', async () => {
      const { writer, peer } = await connected({ reading: false })
      clog(writer)
      const flush = netError(writer.flush())
      peer.socket.resetAndDestroy()
      expect(await flush).toBeInstanceOf(ConnectionLostError)
      expect(await netError(writer.flush())).toBe(await netError(writer.waitClosed()))
    })

    it('rejects when the connection was aborted', async () => {
      const { writer } = await connected({ reading: false })
      clog(writer)
      const flush = netError(writer.flush())
      writer.transport.abort()
      expect((await flush).message).toMatch(/^flush on a connection with 127\.0\.0\.1:\d+ that is closed$/)
      await expect(writer.flush()).rejects.toThrow(ConnectionLostError)
    })

    it('with a timeout tells how much is left; cancelled, it changes nothing', async () => {
      const { writer, peer } = await connected({ reading: false })
      const written = clog(writer)
      const error = await netError<TimeoutError>(writer.flush({ timeoutMs: 1 }))
      expect(error).toBeInstanceOf(TimeoutError)
      expect(error.message).toMatch(/^flush to 127\.0\.0\.1:\d+ \(\d+ bytes unsent\) took longer than 1 ms$/)
      await expect(writer.flush({ signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no')
      peer.read()
      await writer.flush()
      await peer.until(() => peer.size === written)
    })
  })

  describe('disconnected (D15)', () => {
    it('tells of the end of the peer while one is only writing, with null', async () => {
      const { writer, peer } = await connected()
      const { disconnected } = writer
      writer.write('tick')
      expect(await isPending(disconnected)).toBe(true)
      peer.socket.end()
      expect(await disconnected).toBeNull()
      // Its other half is still open.
      expect(writer.isClosing()).toBe(false)
      expect(await writer.disconnected).toBeNull()
    })

    it('tells of a loss with its reason, never rejecting', async () => {
      const { writer, peer } = await connected()
      const { disconnected } = writer
      peer.socket.resetAndDestroy()
      const reason = await disconnected
      expect(reason).toBeInstanceOf(ConnectionLostError)
      expect(await writer.disconnected).toBe(reason)
      expect(writer.disconnected).toBe(disconnected)
    })

    it('tells of our own close, too', async () => {
      const { writer } = await connected()
      writer.close()
      expect(await writer.disconnected).toBeNull()
    })

    it('asked for only afterwards has the answer', async () => {
      const { reader, writer, peer } = await connected()
      peer.socket.resetAndDestroy()
      const reason = await netError(reader.read())
      expect(await writer.disconnected).toBe(reason)
    })
  })

  describe('close and waitClosed', () => {
    it('sends what is written, then ends (A44)', async () => {
      const { writer, peer } = await connected({ reading: false })
      const written = clog(writer)
      writer.close()
      const closed = writer.waitClosed()
      expect(await isPending(closed)).toBe(true)
      peer.read()
      await closed
      await peer.until(() => peer.ended)
      expect(peer.size).toBe(written)
    })

    it('resolves for every caller, before and after the end (A46)', async () => {
      const { reader, writer } = await connected()
      const early = [writer.waitClosed(), writer.waitClosed()]
      writer.close()
      await Promise.all(early)
      await writer.waitClosed()
      expect(reader.atEof()).toBe(true)
    })

    it('does not close by itself (A46)', async () => {
      const { writer } = await connected()
      expect(await isPending(writer.waitClosed())).toBe(true)
      expect(writer.isClosing()).toBe(false)
    })

    it('rejects for every caller with the reason of the loss (A46)', async () => {
      const { writer, peer } = await connected()
      const early = [netError(writer.waitClosed()), netError(writer.waitClosed())]
      peer.socket.resetAndDestroy()
      const [first, second] = await Promise.all(early)
      expect(first).toBeInstanceOf(ConnectionLostError)
      expect(second).toBe(first)
      expect(await netError(writer.waitClosed())).toBe(first)
    })

    it('works while data waits to be read, which stays readable (A46)', async () => {
      const { reader, writer, peer } = await connected()
      peer.socket.write('unread\nrest\n')
      expect(String(await reader.readLine())).toBe('unread\n')
      writer.close()
      await writer.waitClosed()
      expect(String(await reader.read())).toBe('rest\n')
    })

    it('ends a read that waits (A42)', async () => {
      const { reader, writer } = await connected()
      const read = reader.readLine()
      writer.close()
      expect(await read).toHaveLength(0)
      expect(reader.atEof()).toBe(true)
    })

    it('cancelled leaves the connection as it was', async () => {
      const { writer, peer } = await connected()
      const controller = new AbortController()
      const closed = netError(writer.waitClosed({ signal: controller.signal }))
      controller.abort(new Error('enough'))
      expect((await closed).message).toBe('enough')
      writer.write('still here')
      await peer.until(() => peer.text === 'still here')
      await expect(writer.waitClosed({ signal: controller.signal })).rejects.toThrow('enough')
    })

    it('is what await using does', async () => {
      const { writer, peer } = await connected()
      {
        await using mine = writer
        mine.write('bye')
      }
      await expect(writer.drain()).rejects.toBeInstanceOf(ConnectionLostError)
      await peer.until(() => peer.ended)
      expect(peer.text).toBe('bye')
    })
  })

  it('can be made by hand, over any transport and a StreamReaderProtocol (A44)', async () => {
    const { address, accepted } = await netListen()
    const reader = new StreamReader()
    const [transport, protocol] = await createConnection(
      () => new StreamReaderProtocol(reader),
      address as { port: number },
    )
    const writer = new StreamWriter(transport, protocol, reader)
    const peer = await accepted()
    writer.write('ping')
    await writer.drain()
    await peer.until(() => peer.text === 'ping')
    peer.socket.write('pong\n')
    expect(String(await reader.readLine())).toBe('pong\n')
    writer.close()
    await writer.waitClosed()
  })

  describe('that is dropped', () => {
    it('without close() has its connection closed, with a warning (A50)', async () => {
      const { address, accepted } = await netListen()
      const program = netProgram(
        `import { openConnection } from 'millrace'
         async function forget() { await openConnection(${JSON.stringify(address)}) }
         process.on('warning', (warning) => console.log(warning.code, warning.message))
         await forget()
         console.log('open')
         const collect = setInterval(gc, 5)
         process.stdin.on('data', () => { clearInterval(collect); process.stdin.destroy() })`,
        { node: ['--expose-gc', '--no-warnings'] },
      )
      const peer = await accepted()
      expect(await program.line()).toBe('open')
      await peer.until(() => peer.ended)
      expect(await program.line()).toMatch(
        /^MILLRACE_ABANDONED_WRITER a StreamWriter to 127\.0\.0\.1:\d+ was dropped without close\(\)/,
      )
      program.send('end')
      expect((await program.ended).code).toBe(0)
    })

    it('after close() needs no warning (A50)', async () => {
      const { address, accepted } = await netListen()
      const program = netProgram(
        `import { openConnection } from 'millrace'
         async function forget() { const { writer } = await openConnection(${JSON.stringify(address)}); writer.close(); await writer.waitClosed() }
         await forget()
         for (let i = 0; i < 20; i++) { gc(); await new Promise(setImmediate) }`,
        { node: ['--expose-gc'] },
      )
      await accepted()
      expect(await program.ended).toEqual({ code: 0, stdout: '', stderr: '' })
    })

    it('by a handler that only reads stays open while the handler runs (A50, D17)', async () => {
      const program = netProgram(
        `import { startServer } from 'millrace'
         const server = await startServer(async (reader) => {
           for await (const line of reader) console.log('got ' + String(line).trim())
           server.close()
         }, { host: '127.0.0.1' })
         console.log(server.sockets[0].port)
         const collect = setInterval(gc, 1)
         await server.waitClosed()
         clearInterval(collect)`,
        { node: ['--expose-gc'] },
      )
      const peer = await netDial({ port: Number(await program.line()) })
      for (let i = 0; i < 10; i++) {
        peer.socket.write(`${i}\n`)
        expect(await program.line()).toBe(`got ${i}`)
        await netRoundTrip()
      }
      expect(peer.ended).toBe(false)
      peer.socket.end()
      // The handler has returned: now nobody can close it any more.
      const { code, stderr } = await program.ended
      expect(stderr).toMatch(/MILLRACE_ABANDONED_WRITER/)
      expect(code).toBe(0)
    })
  })

  it('rejections that nobody looks at do no harm (I20)', async () => {
    const program = netProgram(
      `import * as net from 'node:net'
       import { openConnection, startServer, createConnection, createServer, Protocol } from 'millrace'
       const turns = async () => { for (let i = 0; i < 20; i++) await new Promise(setImmediate) }
       const aborted = { signal: AbortSignal.abort(new Error('aborted')) }
       const listener = net.createServer((socket) => socket.on('error', () => {}).once('data', () => socket.resetAndDestroy()))
       await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve))
       const { port } = listener.address()

       const { reader, writer } = await openConnection({ host: '127.0.0.1', port })
       reader.readLine(); reader.read(); reader.readExactly(-1); reader.readUntil(''); reader[Symbol.asyncIterator]().next()
       writer.waitClosed(); writer.waitClosed(aborted); writer.drain(aborted); writer.drain()
       writer.write('x')
       await writer.waitClosed().catch(() => {})
       reader.readLine(); reader.read(0); reader[Symbol.asyncIterator]().next(); writer.drain(); writer.waitClosed(); writer[Symbol.asyncDispose]()

       const closed = await openConnection({ host: '127.0.0.1', port })
       closed.writer.close()
       closed.writer.drain()
       await closed.writer.waitClosed()
       closed.writer.drain()
       closed.reader.readExactly(1)

       const first = await openConnection({ host: '127.0.0.1', port })
       first.reader.readExactly(1, { timeoutMs: 0 }); first.writer.close()

       const server = await startServer(() => {}, { host: '127.0.0.1' })
       server.serveForever(); server.serveForever(); server.waitClosed(aborted)
       server.close()
       server.serveForever(); server.startServing(); await server.waitClosed()
       startServer(() => {}, { host: '127.0.0.1', port }); startServer(() => {}, { host: '127.0.0.1', ...aborted }); startServer('no function', {})
       createServer(Protocol, { host: '127.0.0.1', port })
       await turns()
       listener.close()
       await turns()
       openConnection({ host: '127.0.0.1', port }); createConnection(Protocol, { host: '127.0.0.1', port })
       openConnection({ host: '127.0.0.1', port, ...aborted }); openConnection({}); openConnection({ host: '127.0.0.1', port: 70000 })
       createConnection(Protocol, { host: '127.0.0.1', port: 70000 })
       await turns()`,
    )
    expect(await program.ended).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  it('serves as the writer of a server’s handler too (A33)', async () => {
    const server = await startServer(
      async (reader, writer) => {
        writer.write(await reader.readLine())
        await writer.drain()
        writer.close()
      },
      { host: '127.0.0.1' },
    )
    netStop(server)
    const peer = await netDial({ port: server.sockets[0]!.port })
    peer.socket.write('echo\n')
    await peer.until(() => peer.ended)
    expect(peer.text).toBe('echo\n')
    await netTurns()
  })
})
