/**
 * The sending half of a socket transport: what was written and is not sent.
 *
 * Strategy: what is written in one turn is gathered and leaves in one write. What the kernel does not take is counted
 * here, and handed to Node in slices, one at a time: its own buffer empties by whole writes only, and the marks are to
 * be crossed when they should be.
 */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { giveBlock, OutgoingBuffer } from '../bytes/outgoingBuffer.ts'

/** One function for all, not a closure per turn. */
let turnEnded: (output: SocketOutput<never>) => void

/** The most that Node gets at a time. */
const SLICE = 128 * 1024
const NOTHING = new Uint8Array(0)

/**
 * Bytes are gathered by the methods of `OutgoingBuffer`; `flush` hands them over. A connection that never wrote has
 * none of these.
 */
export class SocketOutput<T> extends OutgoingBuffer {
  readonly #socket: Socket
  readonly #transport: T
  readonly #progress: (transport: T) => void
  /** Parts gathered earlier that are next to go. */
  #queue: Uint8Array[] | undefined
  #queued = 0
  /** Bytes that Node has and the kernel has not taken. */
  #sending = 0
  #flushRequested = false
  /** The block of what Node has. */
  #lent: Uint8Array | undefined
  #sent: ((error?: Error | null) => void) | undefined

  static {
    turnEnded = (output) => {
      output.#flushRequested = false
      output.#progress(output.#transport)
    }
  }

  /** Calls `progress(transport)` when it is time to flush: at the end of a turn, and when the kernel takes more. */
  constructor(socket: Socket, transport: T, progress: (transport: T) => void) {
    super()
    this.#socket = socket
    this.#transport = transport
    this.#progress = progress
  }

  /** All bytes written that the kernel has not taken. */
  get unsent(): number {
    return this.length + this.#queued + this.#sending
  }

  /** Those of them that Node has. */
  get sending(): number {
    return this.#sending
  }

  /** Asks for a flush at the end of this turn, after the microtasks: what they write leaves together. */
  requestFlush(): void {
    if (this.#flushRequested || this.#sending > 0) return
    this.#flushRequested = true
    process.nextTick(turnEnded, this)
  }

  /** Hands over what is gathered, until the kernel refuses. */
  flush(): void {
    if (this.#sending > 0 || this.length === 0) return
    const socket = this.#socket
    const view = this.single()
    if (view !== undefined && view.length <= SLICE) {
      if ((socket as Partial<TLSSocket>).encrypted === true) return this.#sendLater(view)
      socket.write(view)
      if (socket.writableLength === 0) return this.recycle()
      this.#lent = this.detach()
      return this.#await(view.length)
    }
    this.#queued = this.length
    this.#queue = this.take()
    this.#flushQueue()
  }

  /** Forgets everything. Nothing is sent from now on, but for what Node has. */
  drop(): void {
    this.clear()
    this.#queue = undefined
    this.#queued = 0
    this.#sending = 0
  }

  #flushQueue(): void {
    const queue = this.#queue
    const socket = this.#socket
    if (queue === undefined) return
    while (this.#queued > 0 && this.#sending === 0 && !socket.destroyed) {
      let size = 0
      socket.cork()
      while (size < SLICE && queue.length > 0) {
        const part = queue[0]!
        const room = SLICE - size
        const slice = part.length <= room ? part : part.subarray(0, room)
        if (slice === part) queue.shift()
        else queue[0] = part.subarray(room)
        size += slice.length
        socket.write(slice)
      }
      socket.uncork()
      this.#queued -= size
      if (socket.writableLength > 0) this.#await(size)
    }
    if (this.#queued === 0) this.#queue = undefined
  }

  /** TLS never takes anything at once, so that it is told to tell in the same call. */
  #sendLater(view: Uint8Array): void {
    this.#lent = this.detach()
    this.#sending = view.length
    this.#socket.write(view, (this.#sent ??= this.#sentUnless()))
  }

  #sentUnless(): (error?: Error | null) => void {
    // Failed, a write says nothing but that: the socket is about to tell why it is lost.
    return (error) => {
      if (!error) this.#onSent()
    }
  }

  /** The kernel has not taken it all: an empty write behind it tells when it has. Most writes need no such call. */
  #await(size: number): void {
    this.#sending = size
    this.#socket.write(NOTHING, (this.#sent ??= this.#sentUnless()))
  }

  #onSent(): void {
    if (this.#lent !== undefined) giveBlock(this.#lent)
    this.#lent = undefined
    if (this.#sending === 0 || this.#socket.destroyed) return
    this.#sending = 0
    this.#flushQueue()
    this.#progress(this.#transport)
  }
}
