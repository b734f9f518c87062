import type { Socket } from 'node:net'
import { clock } from '../clock.ts'
import { ConnectionLostError, IncompleteReadError, TimeoutError, type PeerName } from '../errors.ts'

/** What is waited for. */
export interface GatherOptions {
  readonly peer: PeerName
  /** What the bytes are, for errors: `PROXY header`. */
  readonly what: string
  /** For all of it together, in milliseconds. */
  readonly timeoutMs: number
}

/**
 * Reads the first bytes of a socket that nobody reads yet: `look` is shown all that have come, again at each chunk,
 * until it answers; `used` of them are then taken, the rest is put back. Afterwards no more is read than Node reads ahead,
 * until somebody does.
 *
 * Rejects with what `look` throws, with IncompleteReadError where the stream ends before, with TimeoutError, and with
 * ConnectionLostError; a socket that is destroyed meanwhile counts as one that ends. `look` must see to a limit.
 */
export function gatherFirst<T>(
  socket: Socket,
  { peer, what, timeoutMs }: GatherOptions,
  look: (bytes: Buffer) => { value: T; used: number } | undefined,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let gathered: Buffer = Buffer.alloc(0)
    const settle = (): void => {
      clock.clearTimeout(timer)
      delete (socket as Partial<Socket>).push
      socket.off('error', failed).off('close', ended)
    }
    const fail = (error: unknown): void => {
      settle()
      reject(error as Error)
    }
    const failed = (cause: Error): void => {
      const message = `connection with ${peer} lost: ${cause.message} in its ${what} (${gathered.length} bytes so far)`
      fail(new ConnectionLostError(message, peer, { cause }))
    }
    const ended = (): void => fail(new IncompleteReadError(gathered, null, peer))
    const late = (): void => fail(new TimeoutError(`${what} from ${peer} (${gathered.length} bytes so far)`, timeoutMs))
    const timer = clock.setTimeout(late, timeoutMs)
    const receive = (chunk: Buffer): boolean => {
      gathered = gathered.length === 0 ? chunk : Buffer.concat([gathered, chunk])
      let found
      try {
        found = look(gathered)
      } catch (error) {
        fail(error)
        return false
      }
      if (found === undefined) return true
      settle()
      if (found.used < gathered.length) socket.unshift(gathered.subarray(found.used))
      resolve(found.value)
      return false
    }
    socket.on('error', failed)
    socket.on('close', ended)
    // As in a transport: a chunk that is answered by `false` is the last that the handle reads.
    socket.push = (chunk: Buffer | null) => {
      if (chunk !== null) return receive(chunk)
      ended()
      return false
    }
    if (socket.destroyed) return ended()
    // What another step has put back.
    const before = socket.readableLength > 0 ? (socket.read() as Buffer) : undefined
    if (before === undefined || receive(before)) socket._read(0)
  })
}
