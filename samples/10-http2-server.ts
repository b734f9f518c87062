// HTTP/2 as a Protocol over TLS: the client asks for it by ALPN, GET and POST are answered with JSON.
//   node dist/samples/10-http2-server.js cert.pem key.pem [port]        (see 7-starttls-echo for the two files)
//   curl --cacert cert.pem https://localhost:8443/some/path
//   curl --cacert cert.pem https://localhost:8443/ -d 'some data'
//
// The engine is Node's own. It is given no socket, but bytes: what came goes in by `receiveData`, what is to be sent
// comes out by `dataToSend`, and the Protocol is what lies between it and the connection.
import { readFileSync } from 'node:fs'
import * as http2 from 'node:http2'
import { Duplex } from 'node:stream'
import { createServer, Protocol, type Transport } from 'millrace'

class Http2Engine extends Duplex {
  readonly #dataToSend: (data: Buffer) => void
  readonly session: http2.ServerHttp2Session
  #taken: (() => void) | undefined
  #paused = false

  constructor(dataToSend: (data: Buffer) => void) {
    super()
    this.#dataToSend = dataToSend
    this.session = http2.performServerHandshake(this)
  }

  /** Whether it would rather not have more before it has asked for it. */
  receiveData(data: Buffer): boolean {
    return !this.push(data)
  }

  pauseSending(): void {
    this.#paused = true
  }

  resumeSending(): void {
    const taken = this.#taken
    this.#paused = false
    this.#taken = undefined
    taken?.()
  }

  override _read(): void {
    this.emit('wantsData')
  }

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.#dataToSend(chunk)
    if (this.#paused) this.#taken = callback
    else callback()
  }
}

class Http2Protocol extends Protocol {
  #transport!: Transport
  #engine!: Http2Engine

  override connectionMade(transport: Transport): void {
    this.#transport = transport
    if (transport.getExtraInfo('alpn') !== 'h2') {
      console.log('a client without HTTP/2')
      return transport.close()
    }
    this.#engine = new Http2Engine((data) => transport.write(data))
    this.#engine.on('wantsData', () => transport.resumeReading())
    this.#engine.session.on('stream', (stream, headers) => void this.#answer(stream, headers))
    this.#engine.session.on('close', () => transport.close())
    this.#engine.session.on('error', (error) => console.log('error:', error.message))
  }

  override dataReceived(data: Buffer): void {
    if (this.#engine.receiveData(data)) this.#transport.pauseReading()
  }

  override pauseWriting(): void {
    this.#engine.pauseSending()
  }

  override resumeWriting(): void {
    this.#engine.resumeSending()
  }

  override connectionLost(): void {
    this.#engine?.destroy()
  }

  async #answer(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): Promise<void> {
    const { ':method': method, ':path': path } = headers
    stream.on('error', (error) => console.log('error:', error.message))
    if (method !== 'GET' && method !== 'POST') return stream.respond({ ':status': 405 }, { endStream: true })
    const data: Buffer[] = []
    for await (const chunk of stream) data.push(chunk as Buffer)
    const body = JSON.stringify({ method, path, data: Buffer.concat(data).toString() })
    stream.respond({ ':status': 200, 'content-type': 'application/json' })
    stream.end(`${body}\n`)
  }
}

const [, , certFile, keyFile, port = '8443'] = process.argv
if (certFile === undefined || keyFile === undefined) {
  console.error('usage: 10-http2-server CERTIFICATE KEY [PORT]')
  process.exit(2)
}
const server = await createServer(Http2Protocol, {
  host: '127.0.0.1',
  port: Number(port),
  tls: { cert: readFileSync(certFile), key: readFileSync(keyFile), ALPNProtocols: ['h2'] },
  onConnectionError: (error) => console.log('error:', (error as Error).message),
})
console.log('serving on', server.sockets[0]!.getsockname().toString())

process.once('SIGINT', () => {
  server.close()
  server.closeClients()
})
await server.waitClosed()
