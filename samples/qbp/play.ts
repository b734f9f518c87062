// Four plays by Shakespeare, performed by a Qbp server and one client per character, over TCP, in one process. Scenes
// are rooms, and all are played at once; whoever hears the line before his own says his. Then the audience comes in
// for the last lines of each scene, and all counts are compared.
//   npm start
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { QbpClient } from './client.ts'
import type { qbp } from './messages.js'
import { QbpServer } from './server.ts'

interface Line {
  readonly speaker: string
  readonly text: string
}

/** The scenes of all plays: `Hamlet 1.1` and its lines. */
function readPlays(): Map<string, Line[]> {
  const scenes = new Map<string, Line[]>()
  for (const row of readFileSync(new URL('plays.tsv', import.meta.url), 'utf8').split('\n')) {
    if (row === '' || row.startsWith('#')) continue
    const [scene, speaker, text] = row.split('\t') as [string, string, string]
    const lines = scenes.get(scene)
    if (lines === undefined) scenes.set(scene, [{ speaker, text }])
    else lines.push({ speaker, text })
  }
  return scenes
}

/** Draws a bar if somebody is looking. */
class Progress {
  #shown = -1
  readonly #total: number
  constructor(total: number) {
    this.#total = total
  }
  show(done: number): void {
    const percent = Math.floor((done * 100) / this.#total)
    if (!process.stdout.isTTY || percent === this.#shown) return
    this.#shown = percent
    const bar = '█'.repeat(percent / 4).padEnd(25, '░')
    process.stdout.write(`\r${bar} ${done} of ${this.#total} lines${percent === 100 ? '\n' : ''}`)
  }
}

export interface Summary {
  scenes: number
  characters: number
  lines: number
  delivered: number
  messages: number
  bytes: number
  seconds: number
  disagreements: string[]
}

export async function performPlays(): Promise<Summary> {
  const scenes = readPlays()
  const total = [...scenes.values()].reduce((sum, lines) => sum + lines.length, 0)
  const progress = new Progress(total)
  const disagreements: string[] = []

  const server = new QbpServer()
  const listening = await server.listen(0)
  const { port } = listening.sockets[0]!

  // A character is one client in all the scenes of its play.
  const cast = new Map<string, QbpClient>()
  const scenesLeft = new Set(scenes.keys())
  let delivered = 0
  let played = 0
  let curtain = (): void => {}
  const ended = new Promise<void>((resolve) => (curtain = resolve))

  const onSaid = ({ room, number, user, text }: qbp.Said, client: QbpClient): void => {
    delivered++
    const lines = scenes.get(room)!
    const { speaker, text: expected } = lines[number - 1]!
    if (user !== speaker || text !== expected) disagreements.push(`${room}, line ${number}: ${user} said "${text}"`)
    const next = lines[number]
    if (next?.speaker === client.user) client.say(room, next.text)
    // The speaker hears every line too, so each is counted once: by who said it.
    if (user !== client.user) return
    progress.show(++played)
    if (next === undefined) scenesLeft.delete(room)
    if (scenesLeft.size === 0) curtain()
  }

  const start = performance.now()
  for (const [scene, lines] of scenes) {
    const play = scene.slice(0, scene.lastIndexOf(' '))
    for (const speaker of new Set(lines.map((line) => line.speaker))) {
      const key = `${play}/${speaker}`
      let client = cast.get(key)
      if (client === undefined) cast.set(key, (client = await QbpClient.connect(port, speaker, onSaid)))
      await client.join(scene)
    }
  }
  for (const [scene, lines] of scenes) {
    const first = lines[0]!
    cast.get(`${scene.slice(0, scene.lastIndexOf(' '))}/${first.speaker}`)!.say(scene, first.text)
  }
  await ended

  const audience = await QbpClient.connect(port, 'audience', () => {})
  for (const [scene, lines] of scenes) {
    const { history } = await audience.join(scene)
    const last = lines.slice(-history.length).map((line) => line.text)
    if (history.map((said) => said.text).join('\n') !== last.join('\n')) disagreements.push(`the history of ${scene}`)
  }

  const summary = { scenes: scenes.size, characters: cast.size, lines: total, messages: 0, bytes: 0 }
  for (const client of [...cast.values(), audience]) {
    const { received, sent } = await client.leave()
    // What the server received is what the client sent, and the other way round.
    if (received !== client.sent || sent !== client.received) {
      disagreements.push(`${client.user}: ${client.sent}/${client.received} here, ${received}/${sent} there`)
    }
    summary.messages += received + sent
    summary.bytes += client.bytes[0] + client.bytes[1]
  }
  const seconds = (performance.now() - start) / 1000
  listening.close()
  await listening.waitClosed()
  return { ...summary, delivered, seconds, disagreements }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { scenes, characters, lines, delivered, messages, bytes, seconds, disagreements } = await performPlays()
  const rate = (n: number): string => Math.round(n / seconds).toLocaleString('en')
  console.log(`${scenes} scenes of 4 plays, ${characters} characters, each with a connection of its own`)
  console.log(`${lines.toLocaleString('en')} lines said, ${delivered.toLocaleString('en')} heard`)
  console.log(
    `${messages.toLocaleString('en')} messages, ${bytes.toLocaleString('en')} bytes in ${seconds.toFixed(2)} s`,
  )
  console.log(`${rate(messages)} messages/s, ${rate(bytes)} bytes/s`)
  if (disagreements.length === 0) console.log('the counts of all clients agree with the server’s')
  for (const disagreement of disagreements) console.log('DISAGREEMENT:', disagreement)
  process.exitCode = disagreements.length === 0 ? 0 : 1
}
