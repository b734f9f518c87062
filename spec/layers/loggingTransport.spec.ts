import { Protocol } from '../../lib/protocol.ts'
import { LoggingTransport } from '../../lib/layers/loggingTransport.ts'
import type { Transport } from '../../lib/transport.ts'
import { netConnection, netDial, NetRecorder, netServe } from '../support/netTools.ts'

async function logging(log?: (line: string) => void) {
  const recorder = new NetRecorder()
  const { transport, peer } = await netConnection('tcp', 'client', recorder)
  return { wrapper: new LoggingTransport(transport, log), recorder, peer }
}

describe('LoggingTransport (S26)', () => {
  it('logs what is written and how it ends, and passes it on', async () => {
    const lines: string[] = []
    const { wrapper, peer, recorder } = await logging((line) => lines.push(line))
    wrapper.write('hello\n')
    wrapper.write(new Uint8Array([0x41, 0xff]))
    wrapper.writeEof()
    wrapper.close()
    wrapper.abort()
    await peer.until(() => peer.ended)
    expect(Buffer.concat(peer.chunks)).toEqual(Buffer.from('hello\nA\xff', 'latin1'))
    expect(lines).toEqual([
      'sending 6 bytes: "hello\\n"',
      'sending 2 bytes: "Aÿ"',
      'ending the write side',
      'closing',
      'aborting',
    ])
    await recorder.untilEvent('lost')
    expect(wrapper.bytesWritten).toBe(8)
  })

  it('logs to the console by default', async () => {
    const log = jest.spyOn(console, 'log').mockImplementation(() => {})
    try {
      const { wrapper } = await logging()
      wrapper.close()
      expect(log.mock.calls).toEqual([['closing']])
    } finally {
      log.mockRestore()
    }
  })

  it('can stand between a protocol and its transport from the start (S26)', async () => {
    const lines: string[] = []
    class Echo extends Protocol {
      #transport!: Transport
      override connectionMade(transport: Transport): void {
        this.#transport = new LoggingTransport(transport, (line) => lines.push(line))
      }
      override dataReceived(data: Buffer): void {
        this.#transport.write(data)
        this.#transport.close()
      }
    }
    const { address } = await netServe(Echo)
    const peer = await netDial(address)
    peer.socket.write('ping')
    await peer.until(() => peer.ended)
    expect(peer.text).toBe('ping')
    expect(lines).toEqual(['sending 4 bytes: "ping"', 'closing'])
  })
})
