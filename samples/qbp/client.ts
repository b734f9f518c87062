// The Qbp client: requests that wait for their answer, and lines as they are heard.
import { IncompleteReadError, openConnection } from 'millrace'
import type { qbp } from './messages.js'
import { qbpStreams, type Incoming, type Outgoing, type QbpReader, type QbpWriter } from './qbp.ts'

type Answer<K extends Incoming['type']> = Extract<Incoming, { type: K }>['message']

export class QbpClient {
  /** Messages sent and received, and the bytes they took. */
  sent = 0
  received = 0
  readonly user: string
  /** Why nothing is heard any more. */
  #failure: Error | undefined
  readonly #reader: QbpReader
  readonly #writer: QbpWriter
  readonly #onSaid: (said: qbp.Said, client: QbpClient) => void
  /** Answers come in the order of the requests. */
  readonly #waiting: { type: Incoming['type']; resolve(message: never): void; reject(error: Error): void }[] = []

  private constructor(
    user: string,
    reader: QbpReader,
    writer: QbpWriter,
    onSaid: (said: qbp.Said, client: QbpClient) => void,
  ) {
    this.user = user
    this.#reader = reader
    this.#writer = writer
    this.#onSaid = onSaid
  }

  /** Connects and introduces itself. `onSaid` hears every line of the rooms joined. */
  static async connect(
    port: number,
    user: string,
    onSaid: (said: qbp.Said, client: QbpClient) => void,
  ): Promise<QbpClient> {
    const { reader, writer } = await openConnection({ host: '127.0.0.1', port, ...qbpStreams })
    const client = new QbpClient(user, reader, writer, onSaid)
    void client.#listen()
    await client.#ask({ type: 'hello', message: { user } }, 'welcome')
    return client
  }

  /** Enters a room; resolves with who is there and what was said last. */
  join(room: string): Promise<Answer<'joined'>> {
    return this.#ask({ type: 'join', message: { room } }, 'joined')
  }

  say(room: string, text: string): void {
    this.#send({ type: 'say', message: { room, text } })
  }

  /** Ends the session; resolves with the server's counts. */
  async leave(): Promise<Answer<'goodbye'>> {
    const counts = this.#ask({ type: 'bye', message: {} }, 'goodbye')
    this.#writer.writeEof()
    const goodbye = await counts
    await this.#writer.waitClosed()
    return goodbye
  }

  /** Bytes over the wire, in and out. */
  get bytes(): [received: number, sent: number] {
    const socket = this.#writer.getExtraInfo('socket') as { bytesRead: number; bytesWritten: number }
    return [socket.bytesRead, socket.bytesWritten]
  }

  #send(envelope: Outgoing): void {
    this.sent++
    this.#writer.writeMessage(envelope)
  }

  #ask<K extends Incoming['type']>(request: Outgoing, type: K): Promise<Answer<K>> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure)
      this.#waiting.push({ type, resolve, reject })
      this.#send(request)
    })
  }

  async #listen(): Promise<void> {
    let failure: Error = new IncompleteReadError(new Uint8Array(0), null)
    try {
      for await (const envelope of this.#reader) {
        this.received++
        if (envelope.type === 'said') {
          this.#onSaid(envelope.message, this)
          await this.#writer.drain()
        } else if (envelope.type === this.#waiting[0]?.type) {
          this.#waiting.shift()!.resolve(envelope.message as never)
        } else {
          throw new Error(`the server sent ${envelope.type} to ${this.user}, which had not asked for it`)
        }
      }
    } catch (error) {
      failure = error as Error
    }
    this.#failure = failure
    this.#writer.close()
    for (const request of this.#waiting) request.reject(failure)
  }
}
