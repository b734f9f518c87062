import { CancelledError, InvalidStateError } from '../../lib/errors.ts'
import { framed } from '../../lib/framing/framed.ts'
import { lengthPrefixed } from '../../lib/framing/lengthPrefixed.ts'
import type { FramedReader } from '../../lib/framing/framedReader.ts'
import type { FramedWriter } from '../../lib/framing/framedWriter.ts'
import { startServer, startUnixServer } from '../../lib/streams/open.ts'
import type { StreamReader } from '../../lib/streams/streamReader.ts'
import type { StreamServer } from '../../lib/streams/streamServer.ts'
import { StreamWriter } from '../../lib/streams/streamWriter.ts'
import { netDefer, netDial, netError, netPromise, netRoundTrip, netStop, netUnixPath } from '../support/netTools.ts'

const HOST = { host: '127.0.0.1' }

type Equals<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function holds<T extends true>(): T | undefined {
  return undefined
}

/** A server without a handler, and its port. */
async function listening(options = {}): Promise<{ server: StreamServer<StreamReader, StreamWriter>; port: number }> {
  const server = await startServer({ ...HOST, ...options })
  netStop(server)
  return { server, port: server.sockets[0]!.port }
}

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const settle = (): void => void (settled = true)
  promise.then(settle, settle)
  await netRoundTrip()
  return !settled
}

describe('StreamServer', () => {
  describe('for await (S29)', () => {
    it('gives the streams of each connection, in both forms, until the server is closed', async () => {
      const { server, port } = await listening()
      const served: string[] = []
      const loop = (async () => {
        for await (const streams of server) {
          const [reader, writer] = streams
          expect([streams.reader, streams.writer]).toEqual([reader, writer])
          served.push(String(await reader.readLine()))
          writer.write('ok')
          writer.close()
          if (served.length === 3) server.close()
        }
      })()
      for (const name of ['a\n', 'b\n', 'c\n']) {
        const client = await netDial({ port })
        client.socket.write(name)
        await client.until(() => client.ended)
        expect(client.text).toBe('ok')
      }
      await loop
      expect(served).toEqual(['a\n', 'b\n', 'c\n'])
    })

    it('left, closes nothing; taken up again, it goes on with the next connection', async () => {
      const { server, port } = await listening()
      const clients = [await netDial({ port }), await netDial({ port })]
      const taken: StreamReader[] = []
      for (let round = 0; round < 2; round++) {
        for await (const { reader, writer } of server) {
          netDefer(() => writer.transport.abort())
          taken.push(reader)
          break
        }
      }
      expect(server.isServing()).toBe(true)
      clients.forEach((client, i) => client.socket.end(`${i}`))
      expect(await Promise.all(taken.map(async (reader) => String(await reader.read())))).toEqual(['0', '1'])
    })

    it('has the types of the classes that were plugged in', async () => {
      const path = netUnixPath()
      const server = await startUnixServer({ path, ...framed(lengthPrefixed()) })
      netStop(server)
      const client = await netDial({ path })
      client.socket.write(Buffer.from('\0\0\0\x02hi'))
      for await (const { reader, writer } of server) {
        holds<Equals<typeof reader, FramedReader<Uint8Array>>>()
        holds<Equals<typeof writer, FramedWriter<Uint8Array | string>>>()
        expect(String(await reader.readMessage())).toBe('hi')
        writer.writeMessage('yes')
        writer.close()
        break
      }
      await client.until(() => client.ended)
      expect(client.text).toBe('\0\0\0\x03yes')
    })

    it('is at its end when the server is closed already', async () => {
      const { server } = await listening()
      server.close()
      for await (const _ of server) throw new Error('a connection')
      expect(server.isServing()).toBe(false)
    })
  })

  describe('accept (S29)', () => {
    it('leaves a connection unread until it is taken', async () => {
      const { server, port } = await listening({ limit: 1024 })
      const client = await netDial({ port })
      const much = Buffer.alloc(1024 * 1024, 'x')
      client.socket.write(much)
      await netRoundTrip()
      const { reader, writer } = await server.accept()
      expect(reader.buffered).toBe(0)
      expect(await reader.readExactly(much.length)).toHaveLength(much.length)
      writer.close()
    })

    it('serves several waiting calls in their order', async () => {
      const { server, port } = await listening()
      const order: string[] = []
      const accepts = ['first', 'second'].map(async (name) => {
        const { reader, writer } = await server.accept()
        order.push(`${name} ${String(await reader.readLine())}`)
        writer.close()
      })
      for (const name of ['a\n', 'b\n']) {
        const client = await netDial({ port })
        client.socket.write(name)
        await client.until(() => client.ended)
      }
      await Promise.all(accepts)
      expect(order).toEqual(['first a\n', 'second b\n'])
    })

    it('cancelled takes no connection', async () => {
      const { server, port } = await listening()
      const controller = new AbortController()
      const accepted = netError(server.accept({ signal: controller.signal }))
      controller.abort(new Error('enough'))
      expect((await accepted).message).toBe('enough')
      await expect(server.accept({ signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no')
      const client = await netDial({ port })
      client.socket.end('still there')
      const { reader, writer } = await server.accept()
      expect(String(await reader.read())).toBe('still there')
      writer.close()
    })

    it('keeps to maxConnections', async () => {
      const { server, port } = await listening({ maxConnections: 1 })
      await netDial({ port })
      await netDial({ port })
      const first = await server.accept()
      const second = server.accept()
      expect(await isPending(second)).toBe(true)
      first.writer.close()
      ;(await second).writer.close()
    })

    it('rejects when the server is closed, meanwhile or before', async () => {
      const { server } = await listening()
      const accepted = netError(server.accept())
      server.close()
      expect(await accepted).toBeInstanceOf(CancelledError)
      await expect(server.accept()).rejects.toThrow(InvalidStateError)
    })

    it('is refused where there is a handler', async () => {
      const server = (await startServer(() => {}, { ...HOST, port: 0 })) as StreamServer<StreamReader, StreamWriter>
      netStop(server)
      await expect(server.accept()).rejects.toThrow('a server that has a handler')
    })

    it('is not disturbed by a writer that cannot be made: that connection is reported and closed', async () => {
      const errors: unknown[] = []
      let made = 0
      const { server, port } = await listening({
        onConnectionError: (error: unknown) => errors.push(error),
        writer: (...args: ConstructorParameters<typeof StreamWriter>) => {
          if (made++ === 0) throw new Error('no writer')
          return new StreamWriter(...args)
        },
      })
      const accepted = server.accept()
      const client = await netDial({ port })
      await client.until(() => client.ended)
      expect(errors).toEqual([new Error('no writer')])
      await netDial({ port })
      ;(await accepted).writer.close()
    })
  })

  describe('close with graceMs (D7)', () => {
    it('waits for the handlers, though their connections are gone', async () => {
      const begun = netPromise()
      const finish = netPromise()
      const steps: string[] = []
      const server = await startServer(async (_reader, writer) => {
        writer.close()
        await writer.waitClosed()
        begun.resolve()
        await finish.promise
        steps.push('handler')
      }, HOST)
      await netDial({ port: server.sockets[0]!.port })
      await begun.promise
      const closed = server.close({ graceMs: 60_000 }).then(() => steps.push('closed'))
      await server.waitClosed()
      expect(await isPending(closed)).toBe(true)
      finish.resolve()
      await closed
      expect(steps).toEqual(['handler', 'closed'])
    })

    it('settles though a handler never ends, or fails', async () => {
      const errors: unknown[] = []
      let handlers = 0
      const server = await startServer(
        async (reader) => {
          if (handlers++ === 0) throw new Error('failed')
          await reader.read(1).catch(() => {})
          await new Promise(() => {})
        },
        { ...HOST, onConnectionError: (error) => errors.push(error) },
      )
      const { port } = server.sockets[0]!
      const failed = await netDial({ port })
      await failed.until(() => failed.ended)
      const stuck = await netDial({ port })
      await netRoundTrip()
      await server.close({ graceMs: 10 })
      await stuck.until(() => stuck.ended || stuck.closed)
      expect([handlers, errors]).toEqual([2, [new Error('failed')]])
    })

    it('lets handlers that listen to `closing` say goodbye to clients that are idle', async () => {
      const server = await startServer(async (reader, writer) => {
        const line = await reader.readLine({ signal: server.closing }).catch(() => 'goodbye')
        writer.write(line)
        writer.close()
      }, HOST)
      const client = await netDial({ port: server.sockets[0]!.port })
      await netRoundTrip()
      await server.close({ graceMs: 60_000 })
      await client.until(() => client.ended)
      expect(client.text).toBe('goodbye')
    })
  })
})
