// frame-stream, as its README uses it.
import net from 'node:net'
import frame from 'frame-stream'

const server = net.createServer({ noDelay: true }, (socket) => {
  const encode = frame.encode()
  encode.pipe(socket)
  socket.pipe(frame.decode()).on('data', (message) => encode.write(message))
  socket.on('error', () => {})
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
