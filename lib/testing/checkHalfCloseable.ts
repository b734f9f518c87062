/** What a transport must do whose directions end one by one. */
import { deepStrictEqual, strictEqual, throws } from 'node:assert/strict'
import { InvalidStateError } from '../errors.ts'
import { check, turns, runChecks, type MakePair, type TransportCheck } from './transportCheck.ts'

/**
 * Runs all of {@link halfCloseableChecks}, and fails for a transport that says that it cannot `writeEof()`; rejects with
 * the name of the first check that fails; its AssertionError is the `cause`.
 */
export function checkHalfCloseable(makePair: MakePair): Promise<void> {
  const can = check('says that it can end its writing alone', async (client) => {
    strictEqual(client.transport.canWriteEof(), true)
  })
  return runChecks([can, ...halfCloseableChecks], makePair)
}

/** The checks, in the order of a connection's life. */
export const halfCloseableChecks: readonly TransportCheck<MakePair>[] = [
  check('holds back the end as well while reading is paused', async (client, server) => {
    if (!client.transport.canWriteEof()) return
    server.transport.pauseReading()
    client.transport.write('held back')
    client.transport.writeEof()
    server.transport.write('round')
    await client.untilBytes(5)
    await turns()
    deepStrictEqual(server.events, ['connectionMade'])
    server.keepOpen = true
    server.transport.resumeReading()
    await server.untilEvent('eofReceived')
    strictEqual(server.data.toString(), 'held back')
  }),

  check('ends only the writing with writeEof(), and refuses writes after it', async (client, server) => {
    if (!client.transport.canWriteEof()) return
    server.keepOpen = true
    client.transport.write('question')
    client.transport.writeEof()
    client.transport.writeEof()
    throws(() => client.transport.write('more'), InvalidStateError)
    await server.untilEvent('eofReceived')
    strictEqual(server.data.toString(), 'question')
    await turns()
    strictEqual(server.transport.isClosing(), false)
    server.transport.write('answer')
    server.transport.close()
    await client.untilEvent('connectionLost')
    strictEqual(client.data.toString(), 'answer')
    strictEqual(client.lost, null)
    await server.untilEvent('connectionLost')
    strictEqual(server.lost, null)
    deepStrictEqual(server.events, ['connectionMade', 'dataReceived', 'eofReceived', 'connectionLost'])
  }),

  check('closes by itself after the end of the stream, unless eofReceived() says no', async (client, server) => {
    if (!client.transport.canWriteEof()) return
    client.transport.writeEof()
    await server.untilEvent('connectionLost')
    strictEqual(server.lost, null)
    deepStrictEqual(server.events, ['connectionMade', 'eofReceived', 'connectionLost'])
    await client.untilEvent('connectionLost')
  }),
]
