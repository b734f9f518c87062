import { connect, RpcError, RpcServer, Status, type CallContext } from '../../lib/rpc/index.ts'
import { Echo, echo } from '../support/echoRpc.ts'
import { netDefer } from '../support/netTools.ts'
import { ca, certified } from '../support/tlsFixtures.ts'

const HOST = '127.0.0.1'

/** Lets in who shows a certificate of that name. */
const onlyFor =
  (name: string) =>
  ({ transport }: CallContext, next: () => Promise<unknown>): Promise<unknown> => {
    const certificate = transport.getExtraInfo('peercert') as { subject?: { CN?: string } } | null
    const shown = certificate?.subject?.CN
    if (shown !== name) throw new RpcError(Status.PERMISSION_DENIED, `not for ${shown ?? 'nobody'}`)
    return next()
  }

describe('calls over TLS with certificates on both sides', () => {
  async function served(): Promise<number> {
    const server = new RpcServer({ interceptors: [onlyFor('a client')], onError: () => {} }).add(Echo, echo)
    netDefer(() => server.shutdown({ graceMs: 0 }))
    await server.listen({ host: HOST, port: 0, tls: { ...certified('localhost'), ca, requestCert: true } })
    return server.address.port
  }

  it('tell a handler who calls', async () => {
    const port = await served()
    const tls = { ca, ...certified('client') }
    await using client = await connect(Echo, { host: HOST, port, tls, serverHostname: 'localhost' })
    expect((await client.one({ text: 'hello' })).text).toBe('hello')
  })

  it('do not come about without one', async () => {
    const port = await served()
    const options = { host: HOST, port, tls: { ca }, serverHostname: 'localhost' }
    // With TLS 1.3 the client is told behind its own handshake.
    const outcome = connect(Echo, options).then((client) => client.one({}, { timeoutMs: 5000 }))
    await expect(outcome).rejects.toMatchObject({ status: Status.UNAVAILABLE })
  })

  it('do not come about with a server of another name', async () => {
    const port = await served()
    const tls = { ca, ...certified('client') }
    const outcome = connect(Echo, { host: HOST, port, tls, serverHostname: 'other.example' })
    await expect(outcome).rejects.toMatchObject({ status: Status.UNAVAILABLE })
    await expect(outcome).rejects.toThrow(/other\.example/)
  })
})
