import * as net from 'node:net'
import { ConnectionLostError, IncompleteReadError, TimeoutError } from '../../lib/errors.ts'
import { gatherFirst } from '../../lib/transports/gatherFirst.ts'
import { netDefer, netDial, netError, type NetPeer, netRoundTrip } from '../support/netTools.ts'

const options = { peer: 'a peer', what: 'greeting', timeoutMs: 5000 }

/** An accepted socket that nobody reads, and its other end. */
async function accepted(): Promise<{ socket: net.Socket; peer: NetPeer }> {
  const listener = net.createServer({ pauseOnConnect: true, allowHalfOpen: true })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  netDefer(() => listener.close())
  const arrived = new Promise<net.Socket>((resolve) => listener.once('connection', resolve))
  const peer = await netDial({ port: (listener.address() as net.AddressInfo).port })
  const socket = await arrived
  netDefer(() => socket.destroy())
  return { socket, peer }
}

/** The first `n` bytes. */
const first =
  (n: number) =>
  (bytes: Buffer): { value: string; used: number } | undefined =>
    bytes.length < n ? undefined : { value: bytes.toString('latin1', 0, n), used: n }

const listeners = (socket: net.Socket): number => socket.listenerCount('error') + socket.listenerCount('close')

describe('gatherFirst', () => {
  it('takes what is used and puts back the rest, at once or in pieces, with nothing left behind', async () => {
    const { socket, peer } = await accepted()
    const before = listeners(socket)
    const gathering = gatherFirst(socket, options, first(4))
    peer.socket.write('ab')
    await netRoundTrip()
    peer.socket.write('cdefgh')
    expect(await gathering).toBe('abcd')
    expect(await gatherFirst(socket, options, first(2))).toBe('ef')
    peer.socket.end('ij')
    let rest = ''
    for await (const chunk of socket) rest += String(chunk)
    expect(rest).toBe('ghij')
    expect(Object.hasOwn(socket, 'push')).toBe(false)
    const { socket: other } = await accepted()
    expect(listeners(other)).toBe(before)
  })

  it('leaves all of it if nothing is used', async () => {
    const { socket, peer } = await accepted()
    peer.socket.end('abc')
    expect(await gatherFirst(socket, options, (bytes) => ({ value: bytes[0], used: 0 }))).toBe(0x61)
    let rest = ''
    for await (const chunk of socket) rest += String(chunk)
    expect(rest).toBe('abc')
  })

  it('rejects with what the look throws, and for the end, a reset, a destroyed socket and the time', async () => {
    const thrown = await accepted()
    const before = listeners(thrown.socket)
    thrown.peer.socket.write('x')
    const error = new Error('not so')
    const look = (): never => {
      throw error
    }
    expect(await netError(gatherFirst(thrown.socket, options, look))).toBe(error)
    expect(listeners(thrown.socket)).toBe(before)

    const ended = await accepted()
    ended.peer.socket.end('abc')
    const incomplete = await netError<IncompleteReadError>(gatherFirst(ended.socket, options, first(4)))
    expect(incomplete).toBeInstanceOf(IncompleteReadError)
    expect(String(incomplete.partial)).toBe('abc')

    const reset = await accepted()
    const waiting = netError(gatherFirst(reset.socket, options, first(4)))
    reset.peer.socket.resetAndDestroy()
    const lost = await waiting
    expect(lost).toBeInstanceOf(ConnectionLostError)
    expect(lost.message).toBe('connection with a peer lost: read ECONNRESET in its greeting (0 bytes so far)')

    const destroyed = await accepted()
    const gathering = netError(gatherFirst(destroyed.socket, options, first(4)))
    destroyed.socket.destroy()
    expect(await gathering).toBeInstanceOf(IncompleteReadError)
    expect(await netError(gatherFirst(destroyed.socket, options, first(4)))).toBeInstanceOf(IncompleteReadError)

    const silent = await accepted()
    const late = await netError(gatherFirst(silent.socket, { ...options, timeoutMs: 5 }, first(4)))
    expect(late).toBeInstanceOf(TimeoutError)
    expect(late.message).toBe('greeting from a peer (0 bytes so far) took longer than 5 ms')
  })
})
