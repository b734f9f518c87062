// A component that is written with nurseries, and used by code that knows nothing of them: what comes out is a promise, and
// what goes in is an AbortSignal. (RFC 8305's happy eyeballs, over anything that connects.)
//   node dist/samples/16-component-for-promises.js
import { openConnection, startServer, type Streams, type StreamReader, type StreamWriter } from 'millrace'
import { Event, moveOnAfter, openNursery, runWith } from 'millrace/structured'

type Connected = Streams<StreamReader, StreamWriter>

/**
 * Connects to the first that answers. The next address is tried when the one before has failed, or has taken longer than
 * `delayMs`; those that are still under way when there is a winner leave nothing behind.
 */
export function connectToFirst(
  addresses: readonly { host: string; port: number }[],
  { delayMs = 250, signal }: { delayMs?: number; signal?: AbortSignal } = {},
): Promise<Connected> {
  return runWith({ signal, strictExceptionGroups: false }, async () => {
    const errors: unknown[] = []
    let winner: Connected | undefined
    await openNursery(async (nursery) => {
      for (const address of addresses) {
        const failed = new Event()
        nursery.startSoon(async () => {
          try {
            winner = await openConnection(address)
            nursery.cancelScope.cancel()
          } catch (error) {
            errors.push(error)
            failed.set()
            if (nursery.cancelScope.cancelCalled) throw error
          }
        })
        await moveOnAfter(delayMs, () => failed.wait())
      }
    })
    if (winner === undefined) throw new AggregateError(errors, 'no address has answered')
    return winner
  })
}

// --- from here on, plain promises

const server = await startServer(
  async (reader, writer) => {
    writer.write(await reader.readLine())
    writer.close()
  },
  { host: '127.0.0.1', port: 0 },
)
const { port } = server.sockets[0]!

const { reader, writer } = await connectToFirst([
  { host: '127.0.0.1', port: 1 },
  { host: '127.0.0.1', port },
])
writer.write('hello\n')
console.log('echoed:', String(await reader.readLine()).trim())
writer.close()

await connectToFirst([{ host: '127.0.0.1', port: 1 }]).catch((error: AggregateError) => {
  console.log(`${error.message}: ${(error.errors[0] as Error).message}`)
})

const controller = new AbortController()
controller.abort(new Error('the user has left'))
await connectToFirst([{ host: '127.0.0.1', port }], { signal: controller.signal }).catch((error: Error) => {
  console.log('stopped:', error.message)
})
server.close()
await server.waitClosed()
