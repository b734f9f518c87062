import type { Socket } from 'node:net'

/** For a socket that a transport has taken over and that had read before: an end that it has seen does not come again. */
export function repeatEnd(socket: Socket): void {
  if (socket.readableEnded) setImmediate(() => socket.push(null))
  else socket.once('end', () => socket.push(null))
}
