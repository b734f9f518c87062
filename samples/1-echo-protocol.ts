// Echo with a protocol: callbacks, and nothing between you and the bytes.
//   node dist/samples/1-echo-protocol.js [port]        then: nc 127.0.0.1 8888
import { createServer, Protocol, type Transport } from 'millrace'

class EchoProtocol extends Protocol {
  #transport!: Transport

  override connectionMade(transport: Transport): void {
    this.#transport = transport
    console.log('connection from', transport.getExtraInfo('peername')?.toString())
  }

  override dataReceived(data: Buffer): void {
    this.#transport.write(data)
  }

  override connectionLost(error: Error | null): void {
    console.log('connection closed:', error?.message ?? 'clean')
  }
}

const server = await createServer(EchoProtocol, { host: '127.0.0.1', port: Number(process.argv[2] ?? 8888) })
console.log('serving on', server.sockets[0]!.getsockname().toString())

process.once('SIGINT', () => {
  server.close()
  server.closeClients()
})
await server.waitClosed()
