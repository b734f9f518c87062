// A chat over streams in both directions: each client sends lines, and gets those of all others in its room.
//   node dist/samples/12-chat.js                         a server, and three clients that talk
//   node dist/samples/12-chat.js serve 7002              the server alone
//   node dist/samples/12-chat.js join 7002 ada tea       a client: what is typed is said, in the room "tea"
import { createInterface } from 'node:readline'
import protobuf from 'protobufjs'
import { connect, Pushable, RpcServer, service, type BidiMethod, type CallContext, type Handlers } from 'millrace/rpc'

const { root } = protobuf.parse(`
  syntax = "proto3";
  package chat.v1;
  message Line { string name = 1; string text = 2; }
  service Chat { rpc Join(stream Line) returns (stream Line); }`)

interface Line {
  name: string
  text: string
}

const Chat = service<{ join: BidiMethod<Line, Line> }>(root.lookupService('chat.v1.Chat'))

/** How many lines a member may be behind before it misses some. */
const MOST_BEHIND = 1000

class Rooms implements Handlers<typeof Chat> {
  readonly #rooms = new Map<string, Set<Pushable<Line>>>()

  async *join(lines: AsyncIterable<Line>, context: CallContext): AsyncGenerator<Line, void, undefined> {
    const room = context.metadata.get('room') ?? 'lobby'
    const members = this.#rooms.get(room) ?? new Set()
    this.#rooms.set(room, members)
    const mailbox = new Pushable<Line>()
    members.add(mailbox)
    const listen = async (): Promise<void> => {
      for await (const line of lines) {
        for (const other of members) if (other !== mailbox && other.size < MOST_BEHIND) other.push(line)
      }
    }
    // A client that has gone, or has given up, is one that has nothing more to say.
    listen().then(
      () => mailbox.end(),
      () => mailbox.end(),
    )
    try {
      // Told at once: the member is in.
      context.sendHeader({ members: String(members.size) })
      yield* mailbox
    } finally {
      members.delete(mailbox)
      if (members.size === 0) this.#rooms.delete(room)
    }
  }
}

/** Joins a room; resolves when the member is in. */
async function join(port: number, name: string, room: string) {
  const client = await connect(Chat, { host: '127.0.0.1', port })
  const lines = new Pushable<Line>()
  let entered!: (members: string) => void
  const isIn = new Promise<string>((resolve) => (entered = resolve))
  const heard = client.join(lines, { metadata: { room }, onHeader: (header) => entered(header.get('members')!) })
  const members = await isIn
  return {
    members,
    heard,
    say: (text: string) => lines.push({ name, text }),
    async next() {
      const { done, value } = await heard.next()
      return done === true ? 'nothing' : `${value.name} say "${value.text}"`
    },
    async leave() {
      lines.end()
      // What was said is said, and what was heard before the end can still be read.
      await client.$channel.close()
    },
  }
}

const [command, port = '0', name = 'somebody', room = 'lobby'] = process.argv.slice(2)

if (command === 'join') {
  const member = await join(Number(port), name, room)
  console.log(`${member.members} in ${room}`)
  const typed = createInterface({ input: process.stdin })
  typed.on('line', (text) => member.say(text)).on('close', () => void member.leave())
  for await (const line of member.heard) console.log(`${line.name}: ${line.text}`)
  typed.close()
} else {
  const server = new RpcServer().add(Chat, new Rooms())
  await server.listen({ host: '127.0.0.1', port: Number(port) })
  const address = server.address
  if (command === 'serve') {
    process.once('SIGINT', () => void server.shutdown({ graceMs: 1000 }))
    console.log(`serving on 127.0.0.1:${address.port}`)
  } else {
    const [ada, bob, eve] = [
      await join(address.port, 'ada', 'tea'),
      await join(address.port, 'bob', 'tea'),
      await join(address.port, 'eve', 'garden'),
    ]
    console.log(`${bob.members} in tea, ${eve.members} in the garden`)
    ada.say('hello')
    ada.say('is the kettle on?')
    for (let i = 0; i < 2; i++) console.log(`bob heard ${await bob.next()}`)
    bob.say('it is')
    console.log(`ada heard ${await ada.next()}`)
    for (const member of [ada, bob, eve]) await member.leave()
    console.log(`eve heard ${await eve.next()}`)
    await server.shutdown()
  }
}
