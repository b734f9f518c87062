// A Redis for redis-cli, redis-benchmark and your favourite client: keys that expire, lists, sets, hashes, pub/sub.
//   npm run mini-redis -- [--port 6380]        then: redis-cli -p 6380
import { parseArgs } from 'node:util'
import { MiniRedis } from './miniRedis.ts'

/** How long clients have to take what was written to them when the server ends. */
const GRACE_MS = 1000

const { values, positionals } = parseArgs({ options: { port: { type: 'string' } }, allowPositionals: true })
const port = Number(values.port ?? positionals[0] ?? process.env.PORT ?? 6380)
const server = await new MiniRedis().listen(port, (error) => console.log('error:', (error as Error).message))
console.log('serving on', server.sockets[0]!.getsockname().toString())
const stop = (): void => {
  server.closeClients()
  void server.close({ graceMs: GRACE_MS })
}
process.once('SIGINT', stop).once('SIGTERM', stop)
await server.waitClosed()
