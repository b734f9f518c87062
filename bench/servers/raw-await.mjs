// What two bare awaits per message cost the framer written by hand: the least that any `await readMessage()` with
// `await drain()` can cost. One write per 'data' event.
import net from 'node:net'

const DONE = Promise.resolve()

const server = net.createServer({ noDelay: true }, (socket) => {
  let tail = null
  socket.on('error', () => {})
  socket.on('data', async (chunk) => {
    const buffer = tail === null ? chunk : Buffer.concat([tail, chunk])
    tail = null
    const replies = []
    let offset = 0
    while (buffer.length - offset >= 4) {
      const length = buffer.readUInt32BE(offset)
      const end = offset + 4 + length
      if (end > buffer.length) break
      const message = await Promise.resolve(buffer.subarray(offset + 4, end))
      const header = Buffer.allocUnsafe(4)
      header.writeUInt32BE(message.length)
      replies.push(header, message)
      await DONE
      offset = end
    }
    if (offset < buffer.length) tail = buffer.subarray(offset)
    if (replies.length > 0) socket.write(Buffer.concat(replies))
  })
})

server.listen(0, '127.0.0.1', () => console.log(server.address().port))
