import { NotImplementedError } from '../../lib/errors.ts'
import { RpcServer } from '../../lib/rpc/index.ts'
import { ClientCall } from '../../lib/rpc/clientCall.ts'
import { ClientConnection, type ClientConnectionEvents } from '../../lib/rpc/clientConnection.ts'
import { ClientMethod } from '../../lib/rpc/clientMethod.ts'
import type { AnyMethod } from '../../lib/rpc/method.ts'
import { memoryPair } from '../../lib/testing/memoryPair.ts'
import { echo, Echo, later } from '../support/echoRpc.ts'
import { netError } from '../support/netTools.ts'

/** A connection to a server in memory, and calls on it. */
function connected(events: Partial<ClientConnectionEvents>, firstId?: number) {
  const connection = new ClientConnection(
    { maxMessageLength: 4096, windowLength: 4096, extension: true, ...(firstId !== undefined && { firstId }) },
    { draining: () => {}, idle: () => {}, lost: () => {}, ...events },
  )
  memoryPair(connection, new RpcServer().add(Echo, echo).protocol())
  const method = new ClientMethod(Echo.methods.one as AnyMethod)
  const owner = { takeOver: () => false, givenUp: () => {} }
  const begin = (text: string): ClientCall => {
    const call = new ClientCall(method, { text }, undefined, Infinity, owner)
    connection.start(call)
    return call
  }
  return { connection, begin }
}

describe('ClientConnection', () => {
  it('takes no more calls when its ids are used up, and ends with the last of those that it has', async () => {
    const log: string[] = []
    const lost = later()
    const events = {
      draining: (reason: string) => log.push(reason),
      idle: () => log.push('idle'),
      lost: () => lost.resolve(),
    }
    const { connection, begin } = connected(events, 0xfffffffd)
    const calls = [begin('a')]
    expect([connection.accepting, log]).toEqual([true, []])
    calls.push(begin('b'))
    expect([connection.accepting, log]).toEqual([false, ['the ids of the connection are used up']])
    expect(calls.map(({ id }) => id)).toEqual([0xfffffffd, 0xffffffff])
    const responses = await Promise.all(calls.map(({ promise }) => promise!))
    expect(responses).toMatchObject([{ text: 'a' }, { text: 'b' }])
    await lost.promise
    expect(log.slice(1)).toEqual(['idle'])
  })

  it('pings a server that can be pinged, and does not wait for one that is gone', async () => {
    const { connection, begin } = connected({})
    expect(await netError(connection.ping())).toBeInstanceOf(NotImplementedError)
    await begin('a').promise
    expect(await connection.ping()).toBeGreaterThanOrEqual(0)
    const reason = new Error('no more')
    const asked = netError(connection.ping())
    connection.abort(reason)
    expect(await asked).toBe(reason)
  })
})
