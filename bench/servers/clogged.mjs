// Framed echo with streams; a message that begins with 'f' asks for a flood: messages without end, with back-pressure.
import { startServer } from 'millrace'
import { framed, lengthPrefixed } from 'millrace/framing'

const HIGH = 16 * 1024
const FLOOD = Buffer.alloc(1024, 'f')

const server = await startServer(
  async (reader, writer) => {
    writer.setWriteBufferLimits({ high: HIGH })
    for await (const message of reader) {
      do {
        writer.writeMessage(message[0] === FLOOD[0] ? FLOOD : message)
        await writer.drain()
      } while (message[0] === FLOOD[0])
    }
    writer.close()
  },
  { host: '127.0.0.1', port: 0, limit: 8 * 1024, onConnectionError() {}, ...framed(lengthPrefixed()) },
)
console.log(server.sockets[0].port)
process.stdin.on('data', () => {
  globalThis.gc?.()
  console.log(process.memoryUsage().rss)
})
