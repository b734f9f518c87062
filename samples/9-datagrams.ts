// Datagrams: a clock that tells the time to whoever asks, and a client that is connected to it.
//   node dist/samples/9-datagrams.js
import { createDatagramEndpoint, DatagramProtocol, type DatagramAddress, type DatagramTransport } from 'millrace'

class Clock extends DatagramProtocol {
  #transport!: DatagramTransport

  override connectionMade(transport: DatagramTransport): void {
    this.#transport = transport
  }

  override datagramReceived(data: Buffer, [host, port]: DatagramAddress): void {
    console.log(`asked for ${data.toString()}`)
    const answer = data.toString() === 'time' ? new Date().toISOString() : 'ask for the time'
    this.#transport.sendto(answer, [host, port])
  }
}

class Asking extends DatagramProtocol {
  readonly answers: string[] = []
  #done = (): void => {}
  readonly done = new Promise<void>((resolve) => (this.#done = resolve))

  override datagramReceived(data: Buffer): void {
    this.answers.push(data.toString())
    if (this.answers.length === 2) this.#done()
  }

  // A datagram that nobody receives comes back as an error; the endpoint stays open.
  override errorReceived(error: Error): void {
    console.log('not received:', error.message)
    this.#done()
  }
}

const [clock] = await createDatagramEndpoint(Clock, { localAddr: ['127.0.0.1', 0] })
const remoteAddr = clock.getExtraInfo('sockname') as DatagramAddress
const [transport, asking] = await createDatagramEndpoint(Asking, { remoteAddr })
transport.sendto('time')
transport.sendto('weather')
await asking.done
for (const answer of asking.answers) console.log('answered', answer)
transport.close()
clock.close()
