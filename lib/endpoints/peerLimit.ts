import * as net from 'node:net'

/**
 * Counts the sockets of each address, whatever its ports. Of an IPv6 address the first 64 bits count, since whoever has
 * one has as many as he pleases below them; of a link-local one (`fe80::`) all, since there the whole link shares them.
 */
export class PeerLimit {
  readonly #most: number
  readonly #open = new Map<string, number>()

  constructor(most: number) {
    this.#most = most
  }

  /**
   * Counts `socket` until it closes, or says why it may not be. `peername` stands in for the socket's own address. A
   * peer that has no address, as over a Unix socket, is not counted.
   */
  enter(socket: net.Socket, peername?: [string, number] | string): string | undefined {
    const host = peername === undefined ? socket.remoteAddress : typeof peername === 'string' ? undefined : peername[0]
    if (host === undefined) return undefined
    const key = blockOf(host)
    const open = this.#open.get(key) ?? 0
    if (open >= this.#most) return `${key} has reached the limit of ${this.#most} connections per peer`
    this.#open.set(key, open + 1)
    socket.once('close', () => {
      const left = this.#open.get(key)! - 1
      if (left === 0) this.#open.delete(key)
      else this.#open.set(key, left)
    })
    return undefined
  }
}

/** What counts as one peer: an IPv4 address, or a block of IPv6 ones. */
export function blockOf(address: string): string {
  if (!net.isIPv6(address)) return address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped !== null) return mapped[1]!
  const [bare] = address.toLowerCase().split('%') as [string]
  if (/^fe[89ab]/.test(bare)) return bare
  const [head, tail] = bare.split('::') as [string, string | undefined]
  const groups = head === '' ? [] : head.split(':')
  // A dotted quad at the end stands for two groups, but lies in the half that does not count.
  const behind =
    tail === undefined || tail === ''
      ? []
      : tail.split(':').flatMap((each) => (each.includes('.') ? [each, each] : [each]))
  if (tail !== undefined) while (groups.length + behind.length < 8) groups.push('0')
  const first = [...groups, ...behind].slice(0, 4).map((each) => parseInt(each, 16).toString(16))
  return `${first.join(':')}::/64`
}
