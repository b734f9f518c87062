// A TCP proxy that logs what passes, and writes it to a file for Wireshark if you name one: layers on both sides of it.
//   node dist/samples/6-tcp-proxy.js 8080 example.org 80 [traffic.pcap]        then: curl -H 'Host: example.org' localhost:8080
import { capture, copyBidirectional, logTraffic, openConnection, PcapFile, startServer, type Layer } from 'millrace'

const [listen, host = 'localhost', port, path] = process.argv.slice(2)
const file = path === undefined ? undefined : await PcapFile.create(path)
const layers = (side: 'client' | 'server'): Layer[] => [
  logTraffic({ maxBytes: 60 }),
  ...(file === undefined ? [] : [capture(file, { side })]),
]

const server = await startServer(
  async (reader, writer) => {
    const upstream = await openConnection({ host, port: Number(port), layers: layers('client') })
    await copyBidirectional([reader, writer], upstream)
  },
  { host: '127.0.0.1', port: Number(listen), layers: layers('server') },
)
console.log('serving on', server.sockets[0]!.getsockname().toString())

process.once('SIGINT', () => {
  server.close()
  server.closeClients()
})
await server.waitClosed()
await file?.close()
