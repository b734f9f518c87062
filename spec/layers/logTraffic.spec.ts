import { BufferedProtocol } from '../../lib/protocol.ts'
import { memoryPair, RecordingProtocol, transportChecks } from '../../lib/testing/index.ts'
import type { Transport } from '../../lib/transport.ts'
import { stackLayers } from '../../lib/layers/layer.ts'
import { logTraffic, type LogTrafficOptions } from '../../lib/layers/logTraffic.ts'
import { layeredMemory, layeredTcp } from '../support/layered.ts'
import { netConnection, netDefer, NetRecorder } from '../support/netTools.ts'

for (const [name, layered] of Object.entries({ memory: layeredMemory, 'a TCP socket': layeredTcp })) {
  describe(`checkTransport over ${name} with logTraffic`, () => {
    const layer = logTraffic({ log: () => {} })
    for (const check of transportChecks) it(check.name, () => check.run(layered([layer, layer])))
  })
}

/** The client's traffic is logged, without the name in front. */
function pair(options: LogTrafficOptions = {}) {
  const texts: string[] = []
  const [client, server] = [new RecordingProtocol(), new RecordingProtocol()]
  const log = (text: string): void => {
    const { transport } = client
    const name =
      transport === undefined
        ? /^#\d+ memory:\d+ /
        : `#${transport.id} memory:${transport.getExtraInfo('peername')![1]} `
    texts.push(text.replace(name, ''))
  }
  memoryPair(stackLayers([logTraffic({ log, ...options })], client), server, { pipeSize: 100 })
  netDefer(() => server.transport.abort())
  return { client, server, texts }
}

describe('logTraffic', () => {
  it('logs a connection from its beginning to its end', async () => {
    const { client, server, texts } = pair()
    client.keepOpen = true
    client.transport.write('hello\n')
    await server.untilBytes(6)
    server.transport.write(Buffer.from('A\xff', 'latin1'))
    server.transport.writeEof()
    await client.untilEvent('eofReceived')
    client.transport.writeEof()
    await client.transport.flush()
    client.transport.close()
    await client.untilEvent('connectionLost')
    expect(texts).toEqual([
      'connection made',
      'sending 6 bytes: "hello\\n"',
      'received 2 bytes: "Aÿ"',
      'end of the stream',
      'ending the write side',
      'closing, 0 bytes unsent',
      'connection lost: clean',
    ])
  })

  it('logs when reading and writing are held back', async () => {
    const { client, server, texts } = pair()
    client.transport.setWriteBufferLimits({ high: 50, low: 10 })
    client.transport.pauseReading()
    client.transport.pauseReading()
    client.transport.resumeReading()
    client.transport.resumeReading()
    server.transport.pauseReading()
    client.transport.write(Buffer.alloc(180, 'x'))
    server.transport.resumeReading()
    await server.untilBytes(180)
    expect(texts.filter((text) => !text.startsWith('sending'))).toEqual([
      'connection made',
      'reading pauses',
      'reading resumes',
      'writing pauses, 80 bytes unsent',
      'writing resumes, 0 bytes unsent',
    ])
  })

  it('logs why a connection was lost, and what is written too late', async () => {
    const { client, server, texts } = pair()
    server.transport.abort({ reset: true })
    client.transport.write('late')
    await client.untilEvent('connectionLost')
    expect(texts).toEqual([
      'connection made',
      'dropping 4 bytes: the connection is closing',
      `connection lost: ${client.lost!.message}`,
    ])
  })

  it('logs an abort', () => {
    const { client, texts } = pair()
    client.transport.abort()
    client.transport.abort({ reset: true })
    expect(texts.slice(1)).toEqual(['aborting', 'aborting with a reset'])
  })

  it('does not log what was refused as sent', async () => {
    const { client, texts } = pair()
    expect(() => client.transport.write(1 as never)).toThrow(TypeError)
    client.transport.write('')
    client.transport.writeEof()
    expect(() => client.transport.write('more')).toThrow(/after writeEof/)
    expect(texts).toEqual(['connection made', 'ending the write side'])
  })

  it('shows so many bytes and no more', async () => {
    const { client, server, texts } = pair({ maxBytes: 3 })
    client.transport.write('abc')
    client.transport.write('abcd')
    await server.untilBytes(7)
    expect(texts.slice(1)).toEqual(['sending 3 bytes: "abc"', 'sending 4 bytes: "abc" and 1 more'])
    const silent = pair({ maxBytes: 0 })
    silent.client.transport.write('x')
    expect(silent.texts[1]).toBe('sending 1 byte')
  })

  it('shows what a terminal would obey as numbers', () => {
    const { client, texts } = pair()
    client.transport.write(Uint8Array.of(0x1b, 0x5b, 0x7f, 0x9b, 0xe9))
    expect(texts[1]).toBe('sending 5 bytes: "\\u001b[\\u007f\\u009bé"')
  })

  it('dumps the bytes', () => {
    const { client, texts } = pair({ hexDump: true, maxBytes: 16 })
    client.transport.write('0123456789abcdefgh')
    expect(texts[1]!.split('\n')).toEqual([
      'sending 18 bytes',
      '00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|',
      '00000010',
      'and 2 more',
    ])
  })

  it('sees what a BufferedProtocol gets in its own memory, also one that came later', async () => {
    const { client, server, texts } = pair()
    server.transport.write('first')
    await client.untilBytes(5)
    let got = ''
    let full = (): void => {}
    const ended = new Promise<void>((resolve) => (full = resolve))
    class Buffered extends BufferedProtocol {
      readonly #memory = Buffer.alloc(4)
      override getBuffer(): Uint8Array {
        return this.#memory
      }
      override bufferUpdated(n: number): void {
        got += this.#memory.toString('latin1', 0, n)
        if (got.length === 6) full()
      }
    }
    client.transport.setProtocol(new Buffered())
    server.transport.write('second')
    await ended
    expect(got).toBe('second')
    expect(texts.slice(1)).toEqual(['received 5 bytes: "first"', 'received 4 bytes: "seco"', 'received 2 bytes: "nd"'])
  })

  it('names the connection and its peer', async () => {
    const texts: string[] = []
    const recorder = new NetRecorder()
    const { peer } = await netConnection(
      'tcp',
      'client',
      stackLayers([logTraffic({ log: (text) => texts.push(text) })], recorder),
    )
    expect(texts).toEqual([`#${recorder.transport.id} 127.0.0.1:${peer.socket.localPort} connection made`])
  })

  it('logs to the console by default', () => {
    const log = jest.spyOn(console, 'log').mockImplementation(() => {})
    try {
      let transport: Transport | undefined
      memoryPair(
        stackLayers([logTraffic()], {}, (top) => (transport = top)),
        {},
      )
      transport!.abort()
      expect(log.mock.calls.map(([text]) => String(text).replace(/^#\d+ memory:\d+ /, ''))).toEqual([
        'connection made',
        'aborting',
      ])
    } finally {
      log.mockRestore()
    }
  })

  it('refuses a limit that makes no sense', () => {
    expect(() => logTraffic({ maxBytes: -1 })).toThrow(RangeError)
  })
})
