// The libp2p framer, as its README uses it: encode.single per message, decode over the socket.
import net from 'node:net'
import * as lp from 'it-length-prefixed'

const lengthDecoder = (data) => data.getUint32(0)
lengthDecoder.bytes = 4
const lengthEncoder = (length) => {
  const header = Buffer.allocUnsafe(4)
  header.writeUInt32BE(length)
  return header
}
lengthEncoder.bytes = 4

const server = net.createServer({ noDelay: true }, async (socket) => {
  try {
    for await (const message of lp.decode(socket, { lengthDecoder })) {
      socket.write(lp.encode.single(message.subarray(), { lengthEncoder }).subarray())
    }
  } catch {
    socket.destroy()
  }
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
