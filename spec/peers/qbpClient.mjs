// The sample's client against the server on the port given: prints what it heard and the counts of both sides.
import { QbpClient } from '../../dist/samples/qbp/client.js'

let heard = () => {}
const lines = []
const client = await QbpClient.connect(Number(process.argv[2]), 'node', ({ number, user, text }) => {
  lines.push(`${number} ${user}: ${text}`)
  heard()
})
const { room, members } = await client.join('room')
console.log(room, members)
for (let i = 0; i < 100; i++) client.say('room', `line ${i}`)
while (lines.length < 100) await new Promise((resolve) => (heard = resolve))
console.log(lines[0], '|', lines[99])
const { received, sent } = await client.leave()
console.log(client.sent === received, client.received === sent)
