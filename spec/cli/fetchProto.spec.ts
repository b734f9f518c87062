import { fetchProto } from '../../lib/cli/fetchProto.ts'
import { Reflection, ReflectionService, Status } from '../../lib/rpc/index.ts'
import { FakeClock } from '../../lib/testing/fakeClock.ts'
import { ReflectedChat } from '../rpc/chatServices.ts'
import { netError, netUnixPath } from '../support/netTools.ts'
import { openChannel } from '../support/rpcChannel.ts'
import { served } from '../support/rpcServed.ts'
import { rawServer, REQUEST } from '../support/ttrpcPeer.ts'

describe('fetchProto', () => {
  it('waits for a server as long as it takes, if it is to', async () => {
    using clock = new FakeClock()
    const path = netUnixPath()
    const { channel } = openChannel({ path })
    const fetched = fetchProto(channel, 'chat.v1.Chat', { waitForReady: true })
    await clock.advance(60_000)
    const { server } = await served((each) => each.add(ReflectedChat, {}).add(ReflectionService, new Reflection(each)))
    await server.listen({ path })
    await clock.advance(1000)
    expect((await fetched).lookupService('chat.v1.Chat').fullName).toBe('.chat.v1.Chat')
  })

  it('does not wait for the answer of a server that is there and says nothing', async () => {
    using clock = new FakeClock()
    const server = await rawServer()
    const { channel } = openChannel({ host: '127.0.0.1', port: server.port })
    const failed = netError(fetchProto(channel, 'chat.v1.Chat', { waitForReady: true }))
    await (await server.accepted()).nextOf(REQUEST)
    await clock.advance(10_000)
    expect(await failed).toMatchObject({ status: Status.DEADLINE_EXCEEDED })
  })
})
