import type { Transport } from '../../lib/transport.ts'
import { netConnection, netProgram, NetRecorder, netRoundTrip, type NetPeer } from '../support/netTools.ts'

const MiB = 1024 * 1024
/** More than the peer's system takes while it does not read, less than ours keeps. */
const ANSWER = Buffer.alloc(1.5 * MiB, 'a')
const QUESTION = Buffer.alloc(8 * MiB, 'q')

/** Answers the first chunk, and closes with the rest unread. */
class Hasty extends NetRecorder {
  override dataReceived(data: Buffer): void {
    super.dataReceived(data)
    if (this.transport.isClosing()) return
    this.transport.write(ANSWER)
    this.transport.close()
  }
}

/** Reads none of the first chunk's kind: it pauses, answers, and closes. */
class Pausing extends NetRecorder {
  override connectionMade(transport: Transport): void {
    super.connectionMade(transport)
    transport.pauseReading()
  }
}

async function hearAll(peer: NetPeer): Promise<void> {
  peer.read()
  await peer.until(() => peer.ended || peer.error !== undefined)
  expect(peer.error).toBeUndefined()
  expect(peer.size).toBe(ANSWER.length)
}

describe.each(['server', 'client'] as const)('close() with unread input, on the %s side', (side) => {
  it('lets a peer that sends much, and reads late, have all of the answer', async () => {
    const recorder = new Hasty()
    const { peer } = await netConnection('tcp', side, recorder, { reading: false })
    peer.socket.write(QUESTION)
    await recorder.untilEvent('lost')
    expect(recorder.lostWith).toBeNull()
    await netRoundTrip()
    await hearAll(peer)
  })

  it('does so when reading was paused', async () => {
    const recorder = new Pausing()
    const { transport, peer } = await netConnection('tcp', side, recorder, { reading: false })
    peer.socket.write(QUESTION)
    await netRoundTrip()
    transport.write(ANSWER)
    transport.close()
    expect(recorder.log).not.toContain('lost')
    await recorder.untilEvent('lost')
    await netRoundTrip()
    await hearAll(peer)
    expect(recorder.log).not.toContain('data')
  })

  it('and when the input came while the answer was still being sent', async () => {
    const recorder = new NetRecorder()
    const { transport, peer } = await netConnection('tcp', side, recorder, { reading: false })
    transport.write(Buffer.alloc(16 * MiB))
    transport.close()
    peer.socket.write(QUESTION)
    await netRoundTrip()
    peer.read()
    await peer.until(() => peer.ended || peer.error !== undefined)
    expect([peer.error, peer.size]).toEqual([undefined, 16 * MiB])
    await recorder.untilEvent('lost')
    expect(recorder.lostWith).toBeNull()
  })

  it('lets go of the socket at the end of the peer', async () => {
    const recorder = new Hasty()
    const { transport, peer } = await netConnection('tcp', side, recorder)
    const socket = transport.getExtraInfo('socket') as NetPeer['socket']
    peer.socket.write(QUESTION)
    await recorder.untilEvent('lost')
    expect(socket.destroyed).toBe(false)
    await peer.until(() => peer.ended)
    const gone = new Promise((resolve) => socket.on('close', resolve))
    peer.socket.end()
    await gone
    expect(socket.bytesRead).toBe(QUESTION.length)
    expect(peer.error).toBeUndefined()
  })

  it('lingers once, also when it is closed in the turn of the write', async () => {
    const recorder = new Pausing()
    const { transport, peer } = await netConnection('tcp', side, recorder)
    const socket = transport.getExtraInfo('socket') as NetPeer['socket']
    transport.write('x')
    transport.close()
    const listeners = socket.listenerCount('close')
    await recorder.untilEvent('lost')
    await netRoundTrip()
    expect(socket.listenerCount('close')).toBe(listeners)
    peer.socket.end()
  })

  it('does not linger where there is nothing to lose', async () => {
    const recorder = new NetRecorder()
    const { transport, peer } = await netConnection('tcp', side, recorder)
    const socket = transport.getExtraInfo('socket') as NetPeer['socket']
    peer.socket.write('short')
    await recorder.untilEvent('data')
    transport.write('answer')
    transport.close()
    await recorder.untilEvent('lost')
    expect(socket.destroyed).toBe(true)
    await peer.until(() => peer.ended)
  })
})

it('a peer that never ends is waited for in the background for a second, and holds no process', async () => {
  const recorder = new Pausing()
  const { transport } = await netConnection('tcp', 'server', recorder, { reading: false })
  const socket = transport.getExtraInfo('socket') as NetPeer['socket']
  transport.write('x')
  const start = performance.now()
  transport.close()
  await recorder.untilEvent('lost')
  expect(performance.now() - start).toBeLessThan(500)
  await new Promise((resolve) => socket.on('close', resolve))
  expect(performance.now() - start).toBeGreaterThan(900)

  const program = netProgram(`
    import * as net from 'node:net'
    import { createServer } from 'millrace'
    const server = await createServer(
      () => ({ connectionMade(t) { t.pauseReading(); t.write('x'); t.close() }, connectionLost() { server.close(); at = performance.now() } }),
      { host: '127.0.0.1' })
    let at
    process.on('exit', () => console.log(performance.now() - at < 500))
    const socket = net.connect(server.sockets[0].port, '127.0.0.1')
    socket.on('data', () => {})
    socket.allowHalfOpen = true
    socket.unref()`)
  expect(await program.ended).toEqual({ code: 0, stdout: 'true\n', stderr: '' })
})
