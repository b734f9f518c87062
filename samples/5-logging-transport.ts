// A transport on top of another: the client's protocol writes through one that logs, and knows nothing of it.
//   node dist/samples/5-logging-transport.js
import { createConnection, LoggingTransport, Protocol, startServer, type Transport } from 'millrace'

class Client extends Protocol {
  #transport!: Transport
  #ended = (): void => {}
  readonly ended = new Promise<void>((resolve) => (this.#ended = resolve))

  override connectionMade(transport: Transport): void {
    this.#transport = new LoggingTransport(transport)
    this.#transport.write('Hello World')
  }

  override dataReceived(data: Buffer): void {
    console.log('received', data.toString())
    this.#transport.close()
  }

  override connectionLost(): void {
    this.#ended()
  }
}

const server = await startServer(
  async (reader, writer) => {
    writer.write(await reader.read(100))
    await writer.drain()
    writer.close()
  },
  { host: '127.0.0.1' },
)
const [, client] = await createConnection(Client, { host: '127.0.0.1', port: server.sockets[0]!.port })
await client.ended
server.close()
await server.waitClosed()
console.log('closed')
