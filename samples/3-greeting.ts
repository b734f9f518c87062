// A protocol made of a protocol: the second wraps the first's callback, so that one bad message ends one connection.
//   node dist/samples/3-greeting.js [port]        then: echo Ada | nc 127.0.0.1 8888
import { createServer, Protocol, type Transport } from 'millrace'

class GreetingProtocol extends Protocol {
  protected transport!: Transport

  override connectionMade(transport: Transport): void {
    this.transport = transport
  }

  override dataReceived(data: Buffer): void {
    const name = new TextDecoder('utf-8', { fatal: true }).decode(data).trim()
    if (name === '') throw new Error('nobody to greet')
    this.transport.write(`Hello, ${name}!\n`)
  }
}

class RobustGreetingProtocol extends GreetingProtocol {
  override dataReceived(data: Buffer): void {
    try {
      super.dataReceived(data)
    } catch (error) {
      console.log('error:', (error as Error).message)
      this.transport.close()
    }
  }
}

const server = await createServer(RobustGreetingProtocol, {
  host: '127.0.0.1',
  port: Number(process.argv[2] ?? 8888),
})
console.log('serving on', server.sockets[0]!.getsockname().toString())

process.once('SIGINT', () => {
  server.close()
  server.closeClients()
})
await server.waitClosed()
