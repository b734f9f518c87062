// A chat for telnet or nc, all of whose tasks live in one nursery. On SIGTERM it lets nobody in any more, tells those that
// are there, and gives them two seconds to leave; nothing of it is left then.
//   node dist/samples/14-nursery-chat.js [port]        then, as often as you like: nc 127.0.0.1 7014
import type { StreamReader, StreamWriter } from 'millrace'
import {
  currentLoop,
  Event,
  moveOnAfter,
  openMemoryChannel,
  openNursery,
  run,
  startServer,
  WouldBlock,
  type MemorySendChannel,
} from 'millrace/structured'

/** How many lines somebody may be behind before some are left out. */
const MOST_BEHIND = 100
/** How long the members may take to leave, in milliseconds. */
const GRACE_MS = 2000

class Room {
  readonly #members = new Map<string, MemorySendChannel<string>>()

  say(line: string): void {
    for (const mailbox of this.#members.values()) {
      try {
        mailbox.sendNowait(line)
      } catch (error) {
        if (!(error instanceof WouldBlock)) throw error
      }
    }
  }

  async serve(reader: StreamReader, writer: StreamWriter): Promise<void> {
    writer.write('Who are you?\n')
    const name = String(await reader.readLine()).trim()
    if (name === '' || this.#members.has(name)) return writer.write('Somebody else, please.\n')
    const [mailbox, mail] = openMemoryChannel<string>(MOST_BEHIND)
    this.#members.set(name, mailbox)
    try {
      await openNursery(async (nursery) => {
        nursery.startSoon(async () => {
          for await (const line of mail) {
            writer.write(`${line}\n`)
            await writer.drain()
          }
        })
        this.say(`* ${name} is here`)
        for await (const line of reader) this.say(`${name}: ${String(line).trim()}`)
        // The end of the mail ends the task that passes it on.
        mailbox.close()
      })
    } finally {
      this.#members.delete(name)
      this.say(`* ${name} has left`)
    }
  }
}

await run(async () => {
  const stopping = new Event()
  currentLoop()!.addSignalHandler('SIGTERM', () => stopping.set())
  const room = new Room()
  await openNursery(async (nursery) => {
    const server = await startServer(nursery, (reader, writer) => room.serve(reader, writer), {
      host: '127.0.0.1',
      port: Number(process.argv[2] ?? 7014),
      onConnectionError: (error) => console.log('error:', (error as Error).message),
    })
    console.log('serving on', server.sockets[0]!.getsockname().toString())
    await stopping.wait()
    server.close()
    room.say('* the room closes')
    await moveOnAfter(GRACE_MS, () => server.waitClosed())
    nursery.cancelScope.cancel()
  })
})
console.log('closed')
