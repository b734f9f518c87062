import { ACK, FIN, MOST_DATA, PSH, RST, SYN, type PacketEnd, type Segment } from './tcpPacket.ts'

interface Half {
  readonly end: PacketEnd
  /** The number of the next byte. */
  seq: number
  ended: boolean
}

/** Who sends. */
export type Sender = 'local' | 'peer'

const NOTHING = new Uint8Array(0)

/**
 * A connection as the segments that TCP would have sent, each acknowledged at once: what is given to `emit`, in order.
 * It begins with a handshake that `opener` began; behind a reset there is nothing more.
 */
export class TcpConversation {
  readonly #halves: Record<Sender, Half>
  readonly #emit: (segment: Segment) => void
  #over = false

  /** `firstSeq` is where both ends begin to number their bytes. */
  constructor(
    ends: Readonly<Record<Sender, PacketEnd>>,
    opener: Sender,
    firstSeq: number,
    emit: (segment: Segment) => void,
  ) {
    const seq = firstSeq >>> 0
    this.#halves = { local: { end: ends.local, seq, ended: false }, peer: { end: ends.peer, seq, ended: false } }
    this.#emit = emit
    const [from, to] = this.#sides(opener)
    this.#send(from, to, SYN, NOTHING, 0)
    advance(from, 1)
    this.#send(to, from, SYN | ACK)
    advance(to, 1)
    this.#send(from, to, ACK)
  }

  data(sender: Sender, data: Uint8Array): void {
    const [from, to] = this.#sides(sender)
    if (this.#over || from.ended || data.length === 0) return
    for (let at = 0; at < data.length; at += MOST_DATA) {
      const piece = data.subarray(at, at + MOST_DATA)
      this.#send(from, to, at + MOST_DATA < data.length ? ACK : PSH | ACK, piece)
      advance(from, piece.length)
    }
    this.#send(to, from, ACK)
  }

  /** The sender ends its side; a second time it does nothing. */
  end(sender: Sender): void {
    const [from, to] = this.#sides(sender)
    if (this.#over || from.ended) return
    from.ended = true
    this.#send(from, to, FIN | ACK)
    advance(from, 1)
    this.#send(to, from, ACK)
  }

  reset(sender: Sender): void {
    const [from, to] = this.#sides(sender)
    if (this.#over || (from.ended && to.ended)) return
    this.#over = true
    this.#send(from, to, RST | ACK)
  }

  #sides(sender: Sender): [from: Half, to: Half] {
    const { local, peer } = this.#halves
    return sender === 'local' ? [local, peer] : [peer, local]
  }

  #send(from: Half, to: Half, flags: number, data: Uint8Array = NOTHING, ack = to.seq): void {
    this.#emit({ from: from.end, to: to.end, seq: from.seq, ack, flags, data })
  }
}

function advance(half: Half, n: number): void {
  half.seq = (half.seq + n) >>> 0
}
