// millrace: framed echo, by the style named on the command line.
import { createServer, startServer } from 'millrace'
import { startMessageServer } from 'millrace/messages'
import { FramedProtocol, framed, lengthPrefixed } from 'millrace/framing'

const where = { host: '127.0.0.1', port: 0 }
const codec = lengthPrefixed()

class Echo extends FramedProtocol {
  constructor() {
    super(codec)
  }
  messageReceived(message) {
    this.sendMessage(message)
  }
}

const styles = {
  protocol: () => createServer(Echo, where),
  await: () =>
    startServer(
      async (reader, writer) => {
        for (;;) {
          const message = await reader.readMessage()
          if (message === undefined) break
          writer.writeMessage(message)
          await writer.drain()
        }
        writer.close()
      },
      { ...where, ...framed(codec) },
    ),
  'for await': () =>
    startServer(
      async (reader, writer) => {
        for await (const message of reader) {
          writer.writeMessage(message)
          await writer.drain()
        }
        writer.close()
      },
      { ...where, ...framed(codec) },
    ),
  messages: () =>
    startMessageServer(
      async (stream) => {
        for (;;) {
          const message = await stream.readMessage()
          if (message === undefined) break
          stream.writeMessage(message)
          await stream.drain()
        }
        stream.close()
      },
      codec,
      where,
    ),
  try: () =>
    startServer(
      async (reader, writer) => {
        for (;;) {
          const message = reader.tryReadMessage() ?? (await reader.readMessage())
          if (message === undefined) break
          writer.writeMessage(message)
        }
        writer.close()
      },
      { ...where, ...framed(codec) },
    ),
}

const server = await styles[process.argv[2]]()
console.log(server.sockets[0].port)
