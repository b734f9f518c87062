import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { FrameEvent } from '../../lib/frameEvents.ts'
import { FramedProtocol } from '../../lib/framing/framedProtocol.ts'
import { framed } from '../../lib/framing/framed.ts'
import { FramedReader } from '../../lib/framing/framedReader.ts'
import { lengthPrefixed } from '../../lib/framing/lengthPrefixed.ts'
import { MessageDecoder } from '../../lib/framing/messageDecoder.ts'
import { memoryPair } from '../../lib/testing/memoryPair.ts'
import { peerOf } from '../../lib/transport.ts'
import { netDefer, netProgram } from '../support/netTools.ts'
import { openStreams } from '../support/openStreams.ts'
import { thrownBy } from '../support/thrown.ts'

const codec = lengthPrefixed()

/** What is published on one of the channels from now on, until the test is over. */
function listen(direction: 'in' | 'out'): FrameEvent[] {
  const events: FrameEvent[] = []
  const listener = (message: unknown): void => void events.push(message as FrameEvent)
  subscribe(`millrace:frame:${direction}`, listener)
  netDefer(() => unsubscribe(`millrace:frame:${direction}`, listener))
  return events
}

describe('the channels millrace:frame:in and :out', () => {
  it('tell of every message of a framed reader and writer, with its connection and its size', async () => {
    const [incoming, outgoing] = [listen('in'), listen('out')]
    const [client, server] = openStreams(framed(codec))
    client.writer.writeMessage('a')
    client.writer.writeMessage(Buffer.alloc(100))
    const { transport } = client.writer
    const from = { id: transport.id, transport, peer: peerOf(transport) }
    expect(outgoing).toEqual([
      { ...from, size: 5 },
      { ...from, size: 104 },
    ])
    expect(outgoing[0]!.transport).toBe(transport)
    expect(incoming).toEqual([])
    await server.reader.readMessage()
    const to = {
      id: server.writer.transport.id,
      transport: server.writer.transport,
      peer: peerOf(server.writer.transport),
    }
    expect(incoming).toEqual([{ ...to, size: 5 }])
    expect(server.reader.tryReadMessage()).toHaveLength(100)
    expect(incoming.slice(1)).toEqual([{ ...to, size: 104 }])
    expect(incoming[0]!.transport).toBe(server.writer.transport)
  })

  it('tell of the messages of a FramedProtocol', async () => {
    const [incoming, outgoing] = [listen('in'), listen('out')]
    class Echo extends FramedProtocol<Uint8Array> {
      messageReceived(message: Uint8Array): void {
        this.sendMessage(message)
      }
    }
    const answered = new Promise<void>((resolve) => {
      const client = { dataReceived: (): void => resolve() }
      const [transport] = memoryPair(client, new Echo(codec))
      transport.write(Buffer.from('\0\0\0\x03abc\0\0\0\0', 'latin1'))
    })
    await answered
    expect(incoming.map(({ size }) => size)).toEqual([7, 4])
    expect(outgoing.map(({ size }) => size)).toEqual([7, 4])
    expect(new Set([...incoming, ...outgoing].map(({ id }) => id)).size).toBe(1)
  })

  it('say nothing of what is not sent: a message that cannot be encoded, or comes after the close', () => {
    const outgoing = listen('out')
    const [client] = openStreams(framed(lengthPrefixed({ maxFrameLength: 3 })))
    expect(thrownBy(() => client.writer.writeMessage('four'))).toBeDefined()
    client.writer.close()
    client.writer.writeMessage('one')
    expect(outgoing).toEqual([])
  })

  it('say nothing of what comes from no connection', () => {
    const incoming = listen('in')
    const bytes = Buffer.from('\0\0\0\x01x', 'latin1')
    const decoder = new MessageDecoder(codec)
    decoder.push(bytes)
    expect(decoder.next()).toHaveLength(1)
    const reader = new FramedReader(codec)
    reader.feedData(bytes)
    expect(reader.tryReadMessage()).toHaveLength(1)
    expect(incoming).toEqual([])
  })

  it('are printed to stderr with NODE_DEBUG=millrace:frame', async () => {
    const source = `
      import { openConnection, startServer } from 'millrace'
      import { framed, lengthPrefixed } from 'millrace/framing'
      const classes = framed(lengthPrefixed())
      const server = await startServer(
        async (reader, writer) => { await reader.readMessage(); writer.close() }, { host: '127.0.0.1', ...classes })
      const { reader, writer } = await openConnection({ host: '127.0.0.1', port: server.sockets[0].port, ...classes })
      writer.writeMessage('hello')
      await reader.readMessage()
      writer.close()
      server.close()`
    const { code, stderr } = await netProgram(source, { env: { NODE_DEBUG: 'millrace:frame' } }).ended
    expect(code).toBe(0)
    expect(stderr).toMatch(/^MILLRACE:FRAME \d+: frame of 9 bytes to 127\.0\.0\.1:\d+ on connection \d+$/m)
    expect(stderr).toMatch(/^MILLRACE:FRAME \d+: frame of 9 bytes from 127\.0\.0\.1:\d+ on connection \d+$/m)
    expect(stderr).not.toMatch(/ open$/m)
  })
})
