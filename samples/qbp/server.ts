// The Qbp server: sessions, rooms with a history, and broadcast that no slow client can stop.
//   node dist/samples/qbp/server.js [port]
import { pathToFileURL } from 'node:url'
import { InvalidFrameError, InvalidStateError, startServer, type Server } from 'millrace'
import { encodeMessage } from 'millrace/framing'
import type { qbp } from './messages.js'
import { qbpCodec, qbpStreams, type Incoming, type Outgoing, type QbpReader, type QbpWriter } from './qbp.ts'

/** How many lines a room remembers. */
const HISTORY = 50
/** How many rooms there may be. */
const MOST_ROOMS = 1000
/** How long a client may leave what it is sent unread before it is dropped. */
const PATIENCE_MS = 5000

interface Room {
  readonly name: string
  readonly members: Set<Session>
  readonly history: qbp.ISaid[]
  lines: number
}

export class QbpServer {
  readonly rooms = new Map<string, Room>()
  sessions = 0

  /** Listens, and serves every client until the server is closed. */
  listen(port: number, onError?: (error: unknown) => void): Promise<Server> {
    return startServer((reader, writer) => new Session(this, ++this.sessions, reader, writer).run(), {
      host: '127.0.0.1',
      port,
      ...qbpStreams,
      onConnectionError: onError,
    })
  }

  room(name: string): Room {
    let room = this.rooms.get(name)
    if (room === undefined) this.rooms.set(name, (room = { name, members: new Set(), history: [], lines: 0 }))
    return room
  }
}

/** One client: who it is, and where. */
class Session {
  user = ''
  readonly rooms = new Set<Room>()
  #received = 0
  #sent = 0
  readonly #server: QbpServer
  readonly #id: number
  readonly #reader: QbpReader
  readonly #writer: QbpWriter
  #draining: Promise<void> | undefined

  constructor(server: QbpServer, id: number, reader: QbpReader, writer: QbpWriter) {
    this.#server = server
    this.#id = id
    this.#reader = reader
    this.#writer = writer
  }

  async run(): Promise<void> {
    try {
      for await (const envelope of this.#reader) {
        this.#received++
        if (envelope.type === 'bye') return await this.#end()
        await this.#handle(envelope)
        await this.drain()
      }
      this.#writer.close()
    } finally {
      this.#leaveAll()
    }
  }

  send(envelope: Outgoing): void {
    this.#sent++
    this.#writer.writeMessage(envelope)
  }

  /** A message that goes to many is encoded once. */
  sendEncoded(bytes: Uint8Array): void {
    this.#sent++
    this.#writer.write(bytes)
  }

  /** Waits until this client has read enough of what it was sent; one that does not read is dropped. */
  drain(): Promise<void> {
    return (this.#draining ??= this.#writer
      .drain({ timeoutMs: PATIENCE_MS })
      .finally(() => (this.#draining = undefined)))
  }

  drop(): void {
    this.#writer.transport.abort()
  }

  async #handle(envelope: Incoming): Promise<void> {
    if (envelope.type === 'hello') {
      this.user = envelope.message.user
      return this.send({ type: 'welcome', message: { session: this.#id } })
    }
    if (this.user === '') throw new InvalidStateError(`${envelope.type} before hello`)
    switch (envelope.type) {
      case 'join': {
        const { room: name } = envelope.message
        if (!this.#server.rooms.has(name) && this.#server.rooms.size === MOST_ROOMS) {
          return this.send({ type: 'refused', message: { reason: `no room for ${name}` } })
        }
        const room = this.#server.room(name)
        room.members.add(this)
        this.rooms.add(room)
        const members = [...room.members].map((member) => member.user)
        return this.send({ type: 'joined', message: { room: room.name, members, history: room.history } })
      }
      case 'leave': {
        const room = this.#server.rooms.get(envelope.message.room)
        if (room === undefined) return
        room.members.delete(this)
        this.rooms.delete(room)
        return
      }
      case 'say':
        return this.#say(envelope.message)
      default:
        throw new InvalidStateError(`${envelope.type} is not for a client to send`)
    }
  }

  /** Tells everybody in the room. The speaker waits for the slowest listener; speakers of other rooms do not. */
  async #say({ room: name, text }: qbp.Say): Promise<void> {
    const room = this.#server.rooms.get(name)
    if (!room?.members.has(this)) return this.send({ type: 'refused', message: { reason: `not in ${name}` } })
    const said = { room: name, number: ++room.lines, user: this.user, text }
    room.history.push(said)
    if (room.history.length > HISTORY) room.history.shift()
    const members = [...room.members]
    const bytes = encodeMessage(qbpCodec, { type: 'said', message: said })
    for (const member of members) member.sendEncoded(bytes)
    await Promise.all(
      members.filter((member) => member !== this).map((member) => member.drain().catch(() => member.drop())),
    )
  }

  /** Both sides have counted; a client that has said goodbye has nothing more to say. */
  async #end(): Promise<void> {
    this.#leaveAll()
    this.send({ type: 'goodbye', message: { received: this.#received, sent: this.#sent + 1 } })
    const rest = await this.#reader.read(1024, { timeoutMs: PATIENCE_MS })
    if (rest.length > 0)
      throw new InvalidFrameError(`${rest.length} bytes after the end of the session of ${this.user}`)
    this.#writer.close()
  }

  #leaveAll(): void {
    for (const room of this.rooms) room.members.delete(this)
    this.rooms.clear()
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const server = await new QbpServer().listen(Number(process.argv[2] ?? 5577), (error) =>
    console.log('error:', (error as Error).message),
  )
  console.log('serving on', server.sockets[0]!.getsockname().toString())
  process.once('SIGINT', () => {
    server.close()
    server.closeClients()
  })
  await server.waitClosed()
}
