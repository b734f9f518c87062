/**
 * Closing a TCP socket whose peer is still sending. A socket that is closed with unread input makes the system send a
 * reset, which drops what it had yet to send: the peer would lose the end of our last answer.
 */
import type { Socket } from 'node:net'
import { clock } from '../clock.ts'

/** How long input is waited for and dropped where nothing else is said. */
const LINGER_MS = 1000
/** How many sockets may do so at once; those above are closed the hard way. */
const MOST = 256

let lingering = 0

/**
 * Ends the writing, then reads and drops until the peer's end, or for so long, and destroys the socket. Where the peer
 * `hasEnded` already, it is destroyed as soon as ours is sent. It keeps no process alive. Errors of the socket are dropped. Whose `push` and listeners it had must be done with it.
 */
export function lingeringClose(socket: Socket, lingerMs = LINGER_MS, hasEnded = false): void {
  if (lingering >= MOST) return socket.destroySoon()
  lingering++
  const timer = clock.setTimeout(() => socket.destroy(), lingerMs)
  socket.unref()
  socket.on('error', () => {})
  socket.on('close', () => {
    lingering--
    clock.clearTimeout(timer)
  })
  socket.push = (chunk: unknown) => {
    if (chunk === null) socket.destroy()
    return true
  }
  if (hasEnded) socket.once('finish', () => socket.destroy())
  socket.end()
  // Not here: the chunk that is being delivered may be about to stop the reading.
  setImmediate(() => {
    if (!socket.destroyed) socket._read(0)
  })
}
