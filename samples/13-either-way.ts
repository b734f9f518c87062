// One protocol, served in asyncio's way or in trio's: it does not know which.
//   node dist/samples/13-either-way.js asyncio [port]
//   node dist/samples/13-either-way.js trio [port]        then:
//   python3 -c "import struct; print((b'%shello world' % struct.pack('<L', 12)).decode('ascii'))" | nc localhost 5566
import { createServer } from 'millrace'
import { IntNStringReceiverProtocol } from 'millrace/framing'
import * as structured from 'millrace/structured'

class MyStringReceiver extends IntNStringReceiverProtocol {
  readonly prefixFormat = '<L'

  override stringReceived(string: Buffer): void {
    console.log('received', JSON.stringify(string.toString()))
    this.sendString('ok')
  }
}

const [way = 'asyncio', port = '5566'] = process.argv.slice(2)
const where = { host: '127.0.0.1', port: Number(port) }

async function asyncio(): Promise<void> {
  const server = await createServer(MyStringReceiver, where)
  console.log('serving on', server.sockets[0]!.getsockname().toString())
  process.once('SIGINT', () => {
    server.close()
    server.closeClients()
  })
  await server.waitClosed()
}

async function trio(): Promise<void> {
  await structured.openNursery(async (nursery) => {
    const server = await structured.createServer(nursery, MyStringReceiver, where)
    console.log('serving on', server.sockets[0]!.getsockname().toString())
    structured.currentLoop()!.addSignalHandler('SIGINT', () => nursery.cancelScope.cancel())
  })
}

if (way === 'trio') await structured.run(trio)
else await asyncio()
console.log('exit')
