// The rival: what a careful person writes by hand over node:net. One write per 'data' event.
import net from 'node:net'

const server = net.createServer({ noDelay: true }, (socket) => {
  let tail = null
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    let buffer = chunk
    if (tail !== null) {
      buffer = Buffer.concat([tail, chunk])
      tail = null
    }
    const replies = []
    let offset = 0
    while (buffer.length - offset >= 4) {
      const length = buffer.readUInt32BE(offset)
      if (length > 8 * 1024 * 1024) return void socket.destroy(new Error('too long'))
      const end = offset + 4 + length
      if (end > buffer.length) break
      handle(buffer.subarray(offset + 4, end), replies)
      offset = end
    }
    if (offset < buffer.length) tail = buffer.subarray(offset)
    if (replies.length > 0 && !socket.write(Buffer.concat(replies))) {
      socket.pause()
      socket.once('drain', () => socket.resume())
    }
  })
})

function handle(message, replies) {
  const header = Buffer.allocUnsafe(4)
  header.writeUInt32BE(message.length)
  replies.push(header, message)
}

server.listen(0, '127.0.0.1', () => console.log(server.address().port))
