/** What a transport must do besides `checkOneWay`, if it can be read from and written to at both ends. */
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { ConnectionLostError } from '../errors.ts'
import type { Transport } from '../transport.ts'
import { RecordingProtocol } from './recordingProtocol.ts'
import { checkOneWay } from './checkOneWay.ts'
import {
  check,
  checkClogged,
  clog,
  hangUp,
  pattern,
  sendInPieces,
  taken,
  turns,
  withPair,
  runChecks,
  type MakePair,
  type TransportCheck,
} from './transportCheck.ts'

/** Runs `checkOneWay` in both directions, then all of {@link twoWayChecks}; rejects as that does. */
export async function checkTwoWay(makePair: MakePair): Promise<void> {
  await checkOneWay(makePair)
  await checkOneWay(turned(makePair))
  return runChecks(twoWayChecks, makePair)
}

/** The other way round: what was the server's end writes. */
export function turned(makePair: MakePair): MakePair {
  const turn = (make: MakePair): MakePair => {
    const made: MakePair = async (client, server) => {
      const [a, b] = await make(server, client)
      return [b, a]
    }
    return Object.assign(made, { turnsPerWrite: make.turnsPerWrite ?? 0 })
  }
  return Object.assign(turn(makePair), makePair.clogged && { clogged: turn(makePair.clogged) })
}

/** The checks, in the order of a connection's life. */
export const twoWayChecks: readonly TransportCheck<MakePair>[] = [
  check('can be read from at both ends', async (client, server) => {
    deepStrictEqual([client.transport.isReading(), server.transport.isReading()], [true, true])
  }),

  check('delivers all bytes in order, both ways at once, whatever the sizes of the writes', async (client, server) => {
    const bytes = pattern(600_000)
    sendInPieces(client, bytes)
    sendInPieces(server, bytes)
    await Promise.all([client.untilBytes(bytes.length), server.untilBytes(bytes.length)])
    ok(client.data.equals(bytes), 'the bytes at the client are not those sent')
    ok(server.data.equals(bytes), 'the bytes at the server are not those sent')
  }),

  check('counts its bytes, if it counts them, and has a number of its own', async (client, server) => {
    client.transport.write('12345')
    server.transport.write('123')
    await Promise.all([client.untilBytes(3), server.untilBytes(5)])
    await taken(client)
    const counts = [client, server].map(({ transport }) => [transport.bytesRead, transport.bytesWritten])
    const silent = [
      [0, 0],
      [0, 0],
    ]
    const exact = [
      [3, 5],
      [5, 3],
    ]
    deepStrictEqual(counts, counts.flat().some(Boolean) ? exact : silent)
    ok(client.transport.id > 0 && client.transport.id !== server.transport.id, 'both ends have the same id')
  }),

  {
    name: 'holds back everything when reading is paused in connectionMade',
    run: (makePair) => {
      class Paused extends RecordingProtocol {
        override connectionMade(transport: Transport): void {
          super.connectionMade(transport)
          transport.pauseReading()
        }
      }
      return withPair(
        makePair,
        async (client, server) => {
          client.transport.write('too early')
          server.transport.write('round')
          await client.untilBytes(5)
          await turns()
          strictEqual(server.length, 0)
          server.transport.resumeReading()
          await server.untilBytes(9)
        },
        [new RecordingProtocol(), new Paused()],
      )
    },
  },

  checkClogged('tells a writer that what it wrote was lost also when its reading is paused', async (client, server) => {
    client.transport.pauseReading()
    await clog(client, server)
    hangUp(server)
    await client.untilEvent('connectionLost')
    ok(client.lost instanceof ConnectionLostError, `connectionLost(${String(client.lost)}), although bytes were lost`)
    deepStrictEqual(client.events, ['connectionMade', 'pauseWriting', 'connectionLost'])
  }),

  check('delivers nothing after close()', async (client, server) => {
    server.transport.write('late')
    client.transport.close()
    strictEqual(client.transport.isReading(), false)
    await Promise.all([client.untilEvent('connectionLost'), server.untilEvent('connectionLost')])
    strictEqual(client.length, 0)
    deepStrictEqual(client.events, ['connectionMade', 'connectionLost'])
  }),

  check('an end whose protocol fails is the end of the other one, too', async (client, server) => {
    client.transport.setProtocol({
      dataReceived() {
        throw new Error('cannot digest')
      },
      connectionLost: (error) => client.connectionLost(error),
    })
    server.transport.write('food')
    await Promise.all([client.untilEvent('connectionLost'), server.untilEvent('connectionLost')])
  }),
]
