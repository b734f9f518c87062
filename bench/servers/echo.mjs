// Plain echo: node:net, node:tls or millrace, by the style named on the command line.
import { readFileSync } from 'node:fs'
import net from 'node:net'
import tls from 'node:tls'
import { BufferedProtocol, createServer, Protocol, startServer } from 'millrace'
import * as structured from 'millrace/structured'

const where = { host: '127.0.0.1', port: 0 }

class Echo extends Protocol {
  connectionMade(transport) {
    this.transport = transport
  }
  dataReceived(data) {
    this.transport.write(data)
  }
}

/** Reads into blocks of its own, which it uses again as soon as the system has taken what was in them. */
class BufferedEcho extends BufferedProtocol {
  #free = []
  #used = []
  #memory
  connectionMade(transport) {
    this.transport = transport
  }
  getBuffer() {
    if (this.transport.getWriteBufferSize() === 0) this.#free.push(...this.#used.splice(0))
    return (this.#memory ??= this.#free.pop() ?? Buffer.allocUnsafeSlow(128 * 1024))
  }
  bufferUpdated(n) {
    this.transport.write(this.#memory.subarray(0, n))
    this.#used.push(this.#memory)
    this.#memory = undefined
  }
  pauseWriting() {
    this.transport.pauseReading()
  }
  resumeWriting() {
    this.transport.resumeReading()
  }
}

const echoOf = (socket) => {
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    if (socket.write(chunk)) return
    socket.pause()
    socket.once('drain', () => socket.resume())
  })
}
const listening = (server) =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve({ sockets: [server.address()] })))
const fixture = (name) => readFileSync(new URL(`../../spec/fixtures/tls/${name}`, import.meta.url))
const certified = () => ({ cert: fixture('localhost.crt'), key: fixture('localhost.key') })

const styles = {
  net: () => listening(net.createServer({ noDelay: true }, echoOf)),
  // As most write it: without back-pressure, so that a peer that does not read fills the memory.
  'net-unbounded': () =>
    listening(
      net.createServer({ noDelay: true }, (socket) => {
        socket.on('error', () => {})
        socket.on('data', (chunk) => socket.write(chunk))
      }),
    ),
  tls: () => listening(tls.createServer({ noDelay: true, ...certified() }, echoOf)),
  protocol: () => createServer(Echo, where),
  buffered: () => createServer(BufferedEcho, where),
  'tls-protocol': () => createServer(Echo, { ...where, tls: certified() }),
  streams: () => startServer(streamEcho, where),
  'protocol-nursery': () => inNursery((nursery) => structured.createServer(nursery, Echo, where)),
  'streams-nursery': () => inNursery((nursery) => structured.startServer(nursery, streamEcho, where)),
  'tls-streams': () => startServer(streamEcho, { ...where, tls: certified() }),
}

/** Resolves with the server; the nursery goes on as long as the process. */
const inNursery = (begin) =>
  new Promise((resolve) => {
    void structured.run(() => structured.openNursery(async (nursery) => resolve(await begin(nursery))))
  })

async function streamEcho(reader, writer) {
  for (let data = await reader.read(65536); data.length > 0; data = await reader.read(65536)) {
    writer.write(data)
    await writer.drain()
  }
  writer.close()
}

const server = await styles[process.argv[2]]()
console.log(server.sockets[0].port)
process.stdin.on('data', (line) => {
  if (line.toString().startsWith('gc')) globalThis.gc?.()
  console.log(process.memoryUsage().rss)
})
