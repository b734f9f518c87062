import { createConnection } from '../../lib/endpoints/connect.ts'
import type { Transport } from '../../lib/transport.ts'
import { netDefer, NetRecorder, netServe } from '../support/netTools.ts'
import { ca, certified } from '../support/tlsFixtures.ts'

/** 10 KB of numbers, which say where they belong. */
function piece(n: number): Buffer {
  const bytes = Buffer.alloc(10_000)
  for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(n * 2500 + at / 4, at)
  return bytes
}

describe.each(['plain', 'TLS'])('what a %s connection has to keep', (kind) => {
  it('is not touched by what others write meanwhile: a block is used again only when it is sent', async () => {
    const received: NetRecorder[] = []
    const { port } = await netServe(
      () => {
        const recorder = new NetRecorder()
        received.push(recorder)
        return recorder
      },
      'tcp',
      kind === 'TLS' ? { tls: certified('localhost') } : {},
    )
    const senders: Transport[] = []
    for (let i = 0; i < 4; i++) {
      const [transport] = await createConnection(NetRecorder, {
        host: '127.0.0.1',
        port,
        ...(kind === 'TLS' && { tls: { ca }, serverHostname: 'localhost' }),
      })
      netDefer(() => transport.abort())
      senders.push(transport)
    }
    while (received.length < 4) await new Promise((resolve) => setImmediate(resolve))
    for (const recorder of received) recorder.transport.pauseReading()
    // In turns of the loop, so that every piece is a write of its own; the first connections have long been clogged then.
    const pieces = 600
    for (let n = 0; n < pieces; n++) {
      for (const sender of senders) sender.write(piece(n))
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(senders.every((sender) => sender.getWriteBufferSize() > 0)).toBe(true)
    for (const recorder of received) recorder.transport.resumeReading()
    const all = Buffer.concat(Array.from({ length: pieces }, (_, n) => piece(n)))
    for (const recorder of received) {
      await recorder.until(() => recorder.size === all.length)
      expect(Buffer.concat(recorder.chunks).equals(all)).toBe(true)
    }
  })
})
