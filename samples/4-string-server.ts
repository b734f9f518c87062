// Strings behind a length: a class that finds them in the bytes, and one that answers them.
//   node dist/samples/4-string-server.js [port]        then:
//   python3 -c "import struct; print((b'%shello world' % struct.pack('<L', 12)).decode('ascii'))" | nc localhost 5566
import { createServer } from 'millrace'
import { IntNStringReceiverProtocol } from 'millrace/framing'

class MyStringReceiver extends IntNStringReceiverProtocol {
  // As in Python's struct: four bytes, the least first.
  readonly prefixFormat = '<L'

  override stringReceived(string: Buffer): void {
    console.log('received', string.length, 'bytes:', JSON.stringify(string.toString()))
    this.sendString('ok')
  }
}

const server = await createServer(MyStringReceiver, {
  host: '127.0.0.1',
  port: Number(process.argv[2] ?? 5566),
  onConnectionError: (error) => console.log('error:', (error as Error).message),
})
console.log('serving on', server.sockets[0]!.getsockname().toString())

process.once('SIGINT', () => {
  console.log('exit')
  server.close()
  server.closeClients()
})
await server.waitClosed()
