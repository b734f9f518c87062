import { ConnectError } from '../../lib/errors.ts'
import { connect, createClient, RpcServer, Status, type RpcError } from '../../lib/rpc/index.ts'
import { netDefer, netError, netTurns } from '../support/netTools.ts'
import { Leftovers } from '../support/leftovers.ts'
import { answer, call, HOST, nobody } from '../support/rpcChannel.ts'
import { rawServer } from '../support/ttrpcPeer.ts'
import { OldStaticChat, ReflectedChat } from './chatServices.ts'
import { signalScope } from '../support/signalScope.ts'

/** A dialler that goes on until it is told to stop. */
const limbo = { dial: (_: unknown, { signal }: { signal: AbortSignal }) => new Promise<never>((_resolve, reject) => (signal.onabort = reject)) } // prettier-ignore

describe('connect', () => {
  it('resolves with a client that is connected, and closes its channel with it', async () => {
    const server = await rawServer()
    let channel
    let peer
    {
      await using client = await connect(ReflectedChat, { host: HOST, port: server.port })
      channel = client.$channel
      expect(channel.state).toBe('ready')
      const response = client.send(call)
      peer = await server.accepted()
      await answer(peer, 5)
      expect(await response).toEqual({ count: 5 })
      const other = createClient(OldStaticChat, channel)
      const second = other.send(call)
      await answer(peer, 6)
      expect(await second).toMatchObject({ count: 6 })
    }
    expect(channel.state).toBe('shutdown')
    await peer.untilEnded()
  })

  it('resolves at once if it is lazy, and connects with the first call', async () => {
    const server = await rawServer()
    const client = await connect(ReflectedChat, { host: HOST, port: server.port, lazy: true })
    netDefer(() => client.$channel.abort())
    expect(client.$channel.state).toBe('idle')
    const response = client.send(call)
    await answer(await server.accepted(), 5)
    expect(await response).toEqual({ count: 5 })
  })

  describe('leaves nothing behind', () => {
    it.each([undefined, false])('when it cannot connect (lazy: %s)', async (lazy) => {
      const leftovers = new Leftovers()
      const port = await nobody()
      const error = await netError<RpcError>(connect(ReflectedChat, { host: HOST, port, lazy }))
      expect(error).toMatchObject({ status: Status.UNAVAILABLE, peer: `${HOST}:${port}` })
      expect(error.cause).toBeInstanceOf(ConnectError)
      await leftovers.gone()
    })

    it.each(['signal', 'scope'])('when its %s aborts, whose reason it rejects with', async (what) => {
      const leftovers = new Leftovers()
      const controller = new AbortController()
      const reason = new Error('enough')
      const given = what === 'signal' ? { signal: controller.signal } : { scope: signalScope(controller.signal) }
      const failed = netError(connect(ReflectedChat, { ...limbo, ...given }))
      await netTurns()
      controller.abort(reason)
      expect(await failed).toBe(reason)
      await leftovers.gone()
    })

    it('when its service is none', async () => {
      let dialled: AbortSignal | undefined
      const dial = (_: unknown, { signal }: { signal: AbortSignal }) => {
        dialled = signal
        return limbo.dial(_, { signal })
      }
      expect(await netError(connect({ name: 'x' } as never, { dial, lazy: false }))).toBeInstanceOf(TypeError)
      expect(dialled?.aborted).not.toBe(false)
    })

    it('when its interceptors are none', async () => {
      const leftovers = new Leftovers()
      const failed = connect(ReflectedChat, { ...limbo, lazy: false, interceptors: [7 as never] })
      expect(await netError(failed)).toBeInstanceOf(TypeError)
      await leftovers.gone()
    })
  })

  it('keeps what is for the channel from the connection', async () => {
    const server = new RpcServer().add(ReflectedChat, { send: () => ({ count: 5 }) })
    netDefer(() => server.forceShutdown())
    await server.listen({ host: HOST, port: 0 })
    const { port } = server.address as { port: number }
    const client = await connect(ReflectedChat, { host: HOST, port, idleTimeoutMs: 50, timeoutMs: 10_000 })
    netDefer(() => client.$channel.abort())
    await client.send(call)
    // By the channel, and not by a transport that has lost something.
    expect(await client.$channel.waitForState('idle')).toBe('idle')
    expect(client.$channel.lastError).toBeUndefined()
  })
})
