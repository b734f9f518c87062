// Plain echo: node:net or millrace, by the style named on the command line.
import net from 'node:net'
import { createServer, Protocol, startServer } from 'millrace'

const where = { host: '127.0.0.1', port: 0 }

class Echo extends Protocol {
  connectionMade(transport) {
    this.transport = transport
  }
  dataReceived(data) {
    this.transport.write(data)
  }
}

const styles = {
  net: () =>
    new Promise((resolve) => {
      const server = net.createServer({ noDelay: true }, (socket) => {
        socket.on('error', () => {})
        socket.on('data', (chunk) => {
          if (socket.write(chunk)) return
          socket.pause()
          socket.once('drain', () => socket.resume())
        })
      })
      server.listen(0, '127.0.0.1', () => resolve({ sockets: [server.address()] }))
    }),
  protocol: () => createServer(Echo, where),
  streams: () =>
    startServer(async (reader, writer) => {
      for (let data = await reader.read(65536); data.length > 0; data = await reader.read(65536)) {
        writer.write(data)
        await writer.drain()
      }
      writer.close()
    }, where),
}

const server = await styles[process.argv[2]]()
console.log(server.sockets[0].port)
process.stdin.on('data', (line) => {
  if (line.toString().startsWith('gc')) globalThis.gc?.()
  console.log(process.memoryUsage().rss)
})
