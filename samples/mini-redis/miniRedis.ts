// What serves the clients: one object for all of them, and one for each.
import { startServer, type Server } from 'millrace'
import { encodeMessage } from 'millrace/framing'
import { execute } from './commands.ts'
import { Line, ProtocolError, replies, RespReader, RespWriter, type Reply } from './resp.ts'
import { Database } from './store.ts'

/** How much may be written to a client before its next request waits for it to read. */
const HIGH_MARK = 64 * 1024
/** How many bytes of messages a subscriber may leave unread. */
const MOST_UNREAD = 32 * 1024 * 1024
const SWEEP_MS = 100

export class MiniRedis {
  readonly databases = Array.from({ length: 16 }, () => new Database())
  readonly channels = new Map<string, Set<Client>>()
  clients = 0

  listen(port: number, onError?: (error: unknown) => void): Promise<Server> {
    setInterval(() => this.databases.forEach((database) => database.sweep()), SWEEP_MS).unref()
    return startServer((reader, writer) => new Client(this, writer).serve(reader), {
      host: '127.0.0.1',
      port,
      reader: RespReader,
      writer: RespWriter,
      onConnectionError: onError,
    })
  }

  info(): string {
    const keys = this.databases
      .map(({ values }, i) => (values.size === 0 ? '' : `db${i}:keys=${values.size}\r\n`))
      .join('')
    const server = `# Server\r\nredis_version:7.0.0\r\nredis_mode:standalone\r\nprocess_id:${process.pid}\r\n`
    return `${server}\r\n# Clients\r\nconnected_clients:${this.clients}\r\n\r\n# Keyspace\r\n${keys}`
  }
}

/** One connection: its database and its subscriptions. */
export class Client {
  readonly #redis: MiniRedis
  readonly #writer: RespWriter
  readonly databases: readonly Database[]
  database: Database
  readonly channels = new Set<string>()

  constructor(redis: MiniRedis, writer: RespWriter) {
    this.#redis = redis
    this.#writer = writer
    this.databases = redis.databases
    this.database = redis.databases[0]!
  }

  async serve(reader: RespReader): Promise<void> {
    const { transport } = this.#writer
    this.#redis.clients++
    try {
      while (!transport.isClosing()) {
        // All that has come is answered before anything is waited for, and the answers leave together.
        const words = reader.tryReadMessage() ?? (await reader.readMessage())
        if (words === undefined) break
        const reply = execute(words, this)
        if (reply !== undefined) this.#writer.writeMessage(reply)
        if (transport.getWriteBufferSize() > HIGH_MARK) await this.#writer.drain()
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.send(error.reply)
    } finally {
      this.#redis.clients--
      this.#leave()
    }
    this.#writer.close()
  }

  info(): string {
    return this.#redis.info()
  }

  send(reply: Reply): void {
    this.#writer.writeMessage(reply)
  }

  quit(): undefined {
    this.send(new Line('+OK'))
    this.#writer.close()
  }

  subscribe(channel: string): void {
    const { channels } = this.#redis
    let subscribers = channels.get(channel)
    if (subscribers === undefined) channels.set(channel, (subscribers = new Set()))
    subscribers.add(this)
    this.channels.add(channel)
  }

  unsubscribe(channel: string): void {
    const subscribers = this.#redis.channels.get(channel)
    subscribers?.delete(this)
    if (subscribers?.size === 0) this.#redis.channels.delete(channel)
    this.channels.delete(channel)
  }

  /** Nobody waits for a subscriber: one that is too far behind is dropped. */
  publish(channel: string, message: string): number {
    const subscribers = this.#redis.channels.get(channel)
    if (subscribers === undefined) return 0
    const bytes = encodeMessage(replies, ['message', channel, message])
    const n = subscribers.size
    for (const subscriber of subscribers) subscriber.#deliver(bytes)
    return n
  }

  #deliver(message: Uint8Array): void {
    const { transport } = this.#writer
    this.#writer.write(message)
    if (transport.getWriteBufferSize() <= MOST_UNREAD) return
    transport.abort()
    this.#leave()
  }

  #leave(): void {
    for (const channel of this.channels) this.unsubscribe(channel)
  }
}
