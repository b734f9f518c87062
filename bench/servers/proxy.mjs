// A TCP proxy to the port given: node:net's pipes or millrace, by the style named on the command line.
import net from 'node:net'
import { copyBidirectional, openConnection, startServer } from 'millrace'

const [style, port] = [process.argv[2], Number(process.argv[3])]
const upstream = { host: '127.0.0.1', port }
const where = { host: '127.0.0.1', port: 0 }

const styles = {
  pipe: () =>
    new Promise((resolve) => {
      const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (a) => {
        const b = net.connect({ ...upstream, noDelay: true, allowHalfOpen: true })
        for (const [one, other] of [
          [a, b],
          [b, a],
        ]) {
          one.on('error', () => other.destroy())
        }
        a.pipe(b).pipe(a)
      })
      server.listen(0, '127.0.0.1', () => resolve({ sockets: [server.address()] }))
    }),
  copyBidirectional: () =>
    startServer(async (...client) => {
      await copyBidirectional(client, await openConnection(upstream))
    }, where),
}

const server = await styles[style]()
console.log(server.sockets[0].port)
process.stdin.resume()
