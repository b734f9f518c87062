import { TransportWrapper } from '../../lib/transports/transportWrapper.ts'
import type { SocketTransport } from '../../lib/transports/socketTransport.ts'
import type { Transport } from '../../lib/transport.ts'
import { netConnection, NetRecorder, netRoundTrip, type NetPeer } from '../support/netTools.ts'

async function wrapped<W extends TransportWrapper>(
  wrap: (inner: Transport) => W,
  { reading = true } = {},
): Promise<{ wrapper: W; inner: SocketTransport; recorder: NetRecorder; peer: NetPeer }> {
  const recorder = new NetRecorder()
  const { transport, peer } = await netConnection('tcp', 'client', recorder, { reading })
  return { wrapper: wrap(transport), inner: transport, recorder, peer }
}

const plain = (inner: Transport): TransportWrapper => new TransportWrapper(inner)

describe('TransportWrapper (S26, S27)', () => {
  it('passes on what is written, in each way of writing', async () => {
    const { wrapper, peer } = await wrapped(plain)
    wrapper.write('a')
    wrapper.writeLines(['b', Buffer.from('c')])
    wrapper.writeEncoded({ encode: (message, out) => out.append(Buffer.from(message)) }, 'd')
    expect(wrapper.canWriteEof()).toBe(true)
    wrapper.writeEof()
    await peer.until(() => peer.ended)
    expect(peer.text).toBe('abcd')
  })

  it('passes on close, abort, isClosing and the write buffer', async () => {
    const { wrapper, inner, recorder } = await wrapped(plain, { reading: false })
    wrapper.setWriteBufferLimits({ high: 1000 })
    expect(inner.getWriteBufferLimits()).toEqual([250, 1000])
    expect(wrapper.getWriteBufferLimits()).toEqual([250, 1000])
    while (!recorder.log.includes('pause')) wrapper.write(Buffer.alloc(256 * 1024))
    expect(wrapper.getWriteBufferSize()).toBe(inner.getWriteBufferSize())
    expect(wrapper.getWriteBufferSize()).toBeGreaterThan(1000)
    wrapper.close()
    expect(wrapper.isClosing()).toBe(true)
    expect(inner.isClosing()).toBe(true)
    await netRoundTrip()
    expect(recorder.log).not.toContain('lost')
    wrapper.abort()
    await recorder.untilEvent('lost')
    expect(recorder.lostWith).toBeNull()
  })

  it('passes on reading, protocols and information', async () => {
    const { wrapper, inner, recorder, peer } = await wrapped(plain)
    wrapper.pauseReading()
    expect(inner.isReading()).toBe(false)
    expect(wrapper.isReading()).toBe(false)
    const second = new NetRecorder()
    wrapper.setProtocol(second)
    expect(wrapper.getProtocol()).toBe(second)
    wrapper.resumeReading()
    peer.socket.end('hello')
    await second.untilEvent('lost')
    expect(second.text).toBe('hello')
    expect(recorder.text).toBe('')
    expect(wrapper.getExtraInfo('peername')).toEqual(inner.getExtraInfo('peername'))
    expect(wrapper.getExtraInfo('nothing')).toBeNull()
    expect(wrapper.getExtraInfo('nothing', 'default')).toBe('default')
  })

  it('is the same connection: the number and the counts are those below', async () => {
    const { wrapper, inner, recorder, peer } = await wrapped(plain)
    expect(wrapper.id).toBe(inner.id)
    peer.socket.write('abc')
    await recorder.until(() => recorder.size === 3)
    wrapper.write('abcde')
    await peer.until(() => peer.size === 5)
    expect([wrapper.bytesRead, wrapper.bytesWritten]).toEqual([3, 5])
  })

  it('changes all that is sent by overriding write alone', async () => {
    class Shouting extends TransportWrapper {
      override write(data: Uint8Array | string): void {
        super.write(
          Buffer.from(data as string)
            .toString()
            .toUpperCase(),
        )
      }
    }
    const { wrapper, peer } = await wrapped((inner) => new Shouting(inner))
    wrapper.write('a')
    wrapper.writeLines(['b', 'c'])
    wrapper.writeEncoded({ encode: (message, out) => out.append(Buffer.from(message)) }, 'd')
    wrapper.close()
    await peer.until(() => peer.ended)
    expect(peer.text).toBe('ABCD')
  })
})
