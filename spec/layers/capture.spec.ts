import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createConnection } from '../../lib/endpoints/connect.ts'
import { createServer } from '../../lib/endpoints/listen.ts'
import { memoryPair, RecordingProtocol, transportChecks } from '../../lib/testing/index.ts'
import { capture } from '../../lib/layers/capture.ts'
import { stackLayers } from '../../lib/layers/layer.ts'
import { PcapFile } from '../../lib/layers/pcapFile.ts'
import { layeredMemory, layeredTcp } from '../support/layered.ts'
import { netDefer, NetRecorder, netStop } from '../support/netTools.ts'
import { itWith } from '../support/program.ts'
import { complaints, conversation, tshark } from '../support/tshark.ts'

const itWithTshark = itWith('tshark')
// Each run of tshark takes a second or two.
jest.setTimeout(30_000)
const directory = mkdtempSync(join(tmpdir(), 'millrace-'))
afterAll(() => rmSync(directory, { recursive: true }))

let files = 0
async function pcap(): Promise<{ file: PcapFile; path: string }> {
  const path = join(directory, `${files++}.pcap`)
  const file = await PcapFile.create(path)
  netDefer(() => file.close())
  return { file, path }
}

/** Both in memory; the client is captured. */
function pair(file: PcapFile) {
  const [client, server] = [new RecordingProtocol(), new RecordingProtocol()]
  memoryPair(stackLayers([capture(file)], client), server, { onConnectionError: () => {} })
  netDefer(() => server.transport.abort())
  return { client, server }
}

/** Flags, both ways: `> SYN`. */
const flags = (path: string): string[] =>
  tshark(path, '-T', 'fields', '-e', 'tcp.srcport', '-e', 'tcp.flags.str')
    .trim()
    .split('\n')
    .map((line) => {
      const [port, set = ''] = line.split('\t')
      return `${port === '40000' ? '<' : '>'} ${set.replaceAll('·', '')}`
    })

describe.each([
  ['memory', layeredMemory],
  ['a TCP socket', layeredTcp],
])('checkTransport over %s, captured', (_, layered) => {
  for (const check of transportChecks) {
    it(check.name, async () => {
      const { file } = await pcap()
      await check.run(layered([capture(file)]))
    })
  }
})

describe('capture', () => {
  itWithTshark('writes what tshark reads as a connection with exactly these bytes', async () => {
    const { file, path } = await pcap()
    const { client, server } = pair(file)
    const [question, answer] = [Buffer.alloc(100_001, 'question'), Buffer.alloc(300_000, 'answer!')]
    client.transport.write(question)
    client.transport.write('')
    await server.untilBytes(question.length)
    server.transport.write(answer)
    await client.untilBytes(answer.length)
    client.transport.write('bye')
    client.transport.close()
    await client.untilEvent('connectionLost')
    await file.close()
    expect(complaints(path)).toBe('')
    expect(conversation(path)).toEqual({ client: Buffer.concat([question, Buffer.from('bye')]), server: answer })
    const shape = flags(path)
    expect(shape.slice(0, 3)).toEqual(['> S', '< AS', '> A'])
    expect(shape.slice(-4)).toEqual(['> AF', '< A', '< AF', '> A'])
    expect(file.dropped).toBe(0)
  })

  itWithTshark('shows real addresses, the side that opened, and many connections in one file', async () => {
    const { file, path } = await pcap()
    const layers = [capture(file, { side: 'server' })]
    const servers: NetRecorder[] = []
    const listener = await createServer(
      () => {
        const recorder = new NetRecorder()
        servers.push(recorder)
        return stackLayers(layers, recorder)
      },
      { host: ['127.0.0.1', '::1'] },
    )
    netStop(listener)
    const { port } = listener.sockets[0]!
    for (const host of ['127.0.0.1', '::1', '127.0.0.1']) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const [transport, client] = await createConnection(NetRecorder, { host, port })
      transport.write(`to ${host}`)
      transport.writeEof()
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await client.untilEvent('lost')
    }
    await Promise.all(servers.map((recorder) => recorder.untilEvent('lost')))
    await file.close()
    expect(complaints(path)).toBe('')
    expect([0, 1, 2].map((n) => conversation(path, n).client.toString())).toEqual([
      'to 127.0.0.1',
      'to ::1',
      'to 127.0.0.1',
    ])
    const opened = tshark(path, '-Y', 'tcp.flags.syn == 1 && tcp.flags.ack == 0', '-T', 'fields', '-e', 'tcp.dstport')
    expect(opened.trim().split('\n')).toEqual([`${port}`, `${port}`, `${port}`])
    const first = tshark(path, '-Y', 'tcp.flags.syn == 1 && tcp.flags.ack == 0', '-T', 'fields', '-e', 'tcp.seq_raw')
    expect(new Set(first.trim().split('\n')).size).toBe(3)
  })

  itWithTshark('shows a half-close, and what comes after it', async () => {
    const { file, path } = await pcap()
    const { client, server } = pair(file)
    server.keepOpen = true
    client.transport.writeEof()
    await server.untilEvent('eofReceived')
    server.transport.write('answer')
    server.transport.close()
    await client.untilEvent('connectionLost')
    await file.close()
    expect(complaints(path)).toBe('')
    expect(flags(path).slice(3)).toEqual(['> AF', '< A', '< AP', '> A', '< AF', '> A'])
  })

  itWithTshark('shows the peer’s end when it comes', async () => {
    const { file, path } = await pcap()
    const { client, server } = pair(file)
    client.keepOpen = true
    server.transport.writeEof()
    await client.untilEvent('eofReceived')
    client.transport.write('answer')
    client.transport.close()
    await client.untilEvent('connectionLost')
    await file.close()
    expect(complaints(path)).toBe('')
    expect(flags(path).slice(3)).toEqual(['< AF', '> A', '> AP', '< A', '> AF', '< A'])
  })

  itWithTshark('shows a reset by the side that did it', async () => {
    const { file, path } = await pcap()
    const [ours, theirs] = [pair(file), pair(file)]
    ours.client.transport.abort({ reset: true })
    theirs.server.transport.abort({ reset: true })
    await theirs.client.untilEvent('connectionLost')
    await ours.client.untilEvent('connectionLost')
    await file.close()
    const resets = tshark(path, '-Y', 'tcp.flags.reset == 1', '-T', 'fields', '-e', 'tcp.stream', '-e', 'tcp.dstport')
    expect(resets).toBe('0\t40000\n1\t50001\n')
  })

  itWithTshark('leaves out what was refused, and what was dropped', async () => {
    const { file, path } = await pcap()
    const { client, server } = pair(file)
    expect(() => client.transport.write(1 as never)).toThrow(TypeError)
    client.transport.write('sent')
    client.transport.close()
    client.transport.write('dropped')
    await server.untilEvent('connectionLost')
    const lost = pair(file)
    lost.server.transport.abort({ reset: true })
    lost.client.transport.write('dropped')
    await lost.client.untilEvent('connectionLost')
    const second = pair(file)
    second.client.transport.writeEof()
    expect(() => second.client.transport.write('refused')).toThrow(/after writeEof/)
    await file.close()
    expect([0, 1, 2].map((n) => conversation(path, n).client.toString())).toEqual(['sent', '', ''])
  })

  itWithTshark('has the time of the day, finer than a millisecond', async () => {
    const { file, path } = await pcap()
    const before = Date.now()
    for (let i = 0; i < 20; i++) pair(file)
    const after = Date.now()
    await file.close()
    const times = tshark(path, '-T', 'fields', '-e', 'frame.time_epoch').trim().split('\n')
    const [first, last] = [Number(times[0]) * 1000, Number(times.at(-1)) * 1000]
    expect(first).toBeGreaterThanOrEqual(before - 11)
    expect(last).toBeLessThanOrEqual(after + 11)
    expect(times.some((time) => !/\.\d{3}0+$/.test(time))).toBe(true)
  })
})
