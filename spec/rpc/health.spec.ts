import protobufjs from 'protobufjs'
import { join } from 'node:path'
import { Health, HealthService, service, Status, type RpcServer, type ServingStatus } from '../../lib/rpc/index.ts'
import { embeddedAndLoaded } from '../support/embeddedDescriptors.ts'
import { netError, netTurns } from '../support/netTools.ts'
import { served } from '../support/rpcServed.ts'
import { TsProtoChat } from './chatServices.ts'

const root = protobufjs.loadSync(join(__dirname, '../fixtures/health.proto'))
/** The same service as others know it. */
const OthersHealth = service(root.lookupService('grpc.health.v1.Health'))

let health: Health
const add = (server: RpcServer): void => {
  health = new Health(server)
  server.add(TsProtoChat, {}).add(HealthService, health)
}

describe('Health', () => {
  describe('check', () => {
    it('answers that the server and its services are serving', async () => {
      const { client } = await served(add)
      const { check } = await client(HealthService)
      expect(await check({ service: '' })).toEqual({ status: 'SERVING' })
      expect(await check({ service: 'chat.v1.Chat' })).toEqual({ status: 'SERVING' })
      expect(await check({ service: 'grpc.health.v1.Health' })).toEqual({ status: 'SERVING' })
    })

    it('answers NOT_FOUND for a service that is not known', async () => {
      const { client } = await served(add)
      const { check } = await client(HealthService)
      const error = await netError(check({ service: 'no.Such' }))
      expect(error).toMatchObject({ status: Status.NOT_FOUND, statusMessage: 'the service no.Such is not known' })
    })

    it('answers what was set, for any name', async () => {
      const { client } = await served(add)
      const { check } = await client(HealthService)
      health.set(TsProtoChat, 'NOT_SERVING').set('database', 'UNKNOWN')
      expect(await check({ service: 'chat.v1.Chat' })).toEqual({ status: 'NOT_SERVING' })
      expect(await check({ service: 'database' })).toEqual({ status: 'UNKNOWN' })
      expect(await check({ service: '' })).toEqual({ status: 'SERVING' })
    })

    it('is understood by others', async () => {
      const { client } = await served(add)
      const { check } = await client(OthersHealth)
      health.set('', 'NOT_SERVING')
      expect(await check({})).toMatchObject({ status: 2 })
      expect(await check({ service: 'chat.v1.Chat' })).toMatchObject({ status: 1 })
    })
  })

  describe('watch', () => {
    it('streams the status, and every change of it', async () => {
      const { client } = await served(add)
      const { watch } = await client(HealthService)
      const statuses = watch({ service: 'chat.v1.Chat' })
      expect((await statuses.next()).value).toEqual({ status: 'SERVING' })
      for (const status of ['NOT_SERVING', 'SERVING', 'UNKNOWN'] as ServingStatus[]) {
        health.set('chat.v1.Chat', status)
        expect((await statuses.next()).value).toEqual({ status })
      }
    })

    it('says nothing of changes of others, nor of what is set to what it is', async () => {
      const { client } = await served(add)
      const { watch } = await client(HealthService)
      const statuses = watch({ service: 'chat.v1.Chat' })
      await statuses.next()
      health.set('', 'NOT_SERVING').set('chat.v1.Chat', 'SERVING')
      await netTurns()
      health.set('chat.v1.Chat', 'NOT_SERVING')
      expect((await statuses.next()).value).toEqual({ status: 'NOT_SERVING' })
    })

    it('waits for a service that is not known yet', async () => {
      const { client } = await served(add)
      const { watch } = await client(HealthService)
      const statuses = watch({ service: 'later' })
      expect((await statuses.next()).value).toEqual({ status: 'SERVICE_UNKNOWN' })
      health.set('later', 'SERVING')
      expect((await statuses.next()).value).toEqual({ status: 'SERVING' })
    })

    it('ends its handler when the client leaves', async () => {
      const { client, server } = await served(add)
      const { watch, $channel } = await client(HealthService)
      for await (const { status } of watch({ service: '' })) {
        expect(status).toBe('SERVING')
        break
      }
      await $channel.close()
      // Settles at once, as no handler is left.
      await server.shutdown({ graceMs: 60_000 })
      expect(server.connections).toBe(0)
    })
  })

  it('is not serving when the server is shut down, and holds nothing up', async () => {
    const { client, server } = await served(add)
    const { watch } = await client(HealthService)
    const statuses = watch({ service: 'chat.v1.Chat' })
    await statuses.next()
    const shutdown = server.shutdown({ graceMs: 60_000 })
    expect((await statuses.next()).value).toEqual({ status: 'NOT_SERVING' })
    const error = await netError(statuses.next())
    expect(error).toMatchObject({ status: Status.UNAVAILABLE, statusMessage: 'the server is shutting down' })
    await shutdown
    expect([health.get(), health.get(TsProtoChat), health.get('no.Such')]).toEqual([
      'NOT_SERVING',
      'NOT_SERVING',
      'SERVICE_UNKNOWN',
    ])
  })

  it('refuses a status that is none', async () => {
    await served(add)
    expect(() => health.set('', 'serving' as never)).toThrow(new TypeError('there is no status of health serving'))
  })

  it('has the descriptors of its proto file', async () => {
    const [embedded, loaded] = await embeddedAndLoaded(HealthService, 'health.proto')
    expect(embedded).toEqual(loaded)
    expect(embedded).toMatchObject([{ name: 'grpc/health/v1/health.proto', service: [{ name: 'Health' }] }])
  })
})
