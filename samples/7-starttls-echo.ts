// A line protocol that goes over to TLS in mid-stream, as SMTP, IMAP and XMPP do; the client is in here as well.
//   openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 30 \
//     -subj /CN=localhost -addext subjectAltName=DNS:localhost
//   node dist/samples/7-starttls-echo.js cert.pem key.pem
import { readFileSync } from 'node:fs'
import { openConnection, startServer } from 'millrace'

const [, , certFile, keyFile] = process.argv
if (certFile === undefined || keyFile === undefined) {
  console.error('usage: 7-starttls-echo CERTIFICATE KEY')
  process.exit(2)
}
const cert = readFileSync(certFile)
const key = readFileSync(keyFile)

const server = await startServer(
  async (reader, writer) => {
    for await (const line of reader) {
      if (line.toString() === 'STARTTLS\n') {
        writer.write('go ahead\n')
        // What the client has sent behind its line, the beginning of its handshake, is not lost.
        await writer.startTls({ tls: { cert, key } })
        continue
      }
      const how = writer.getExtraInfo('tlsVersion') ?? 'no TLS'
      writer.write(`over ${how}: ${line.toString()}`)
      await writer.drain()
    }
    writer.close()
  },
  { host: '127.0.0.1' },
)

const { reader, writer } = await openConnection({ host: '127.0.0.1', port: server.sockets[0]!.port })
const ask = async (line: string): Promise<void> => {
  writer.write(`${line}\n`)
  console.log((await reader.readLine()).toString().trimEnd())
}
await ask('anyone can read this')
await ask('STARTTLS')
// The certificate is its own issuer here; without `ca` those that the system trusts are asked for.
await writer.startTls({ tls: { ca: cert }, serverHostname: 'localhost' })
await ask('nobody else can read this')
writer.close()
await writer.waitClosed()
server.close()
await server.waitClosed()
