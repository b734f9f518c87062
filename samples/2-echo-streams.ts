// Echo with streams: one function per client, which reads, writes and waits.
//   node dist/samples/2-echo-streams.js [port]        then: nc 127.0.0.1 8888
import { startServer } from 'millrace'

const server = await startServer(
  async (reader, writer) => {
    for await (const line of reader) {
      writer.write(line)
      await writer.drain()
    }
    writer.close()
  },
  { host: '127.0.0.1', port: Number(process.argv[2] ?? 8888) },
)
console.log('serving on', server.sockets[0]!.getsockname().toString())

const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort())
// Accepts until interrupted, then closes the server and its connections, and waits for the last of them.
await server.serveForever({ signal: interrupted.signal }).catch(() => console.log('closed'))
