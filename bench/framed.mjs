// Framed echo behind a four-byte big-endian length: millrace against a framer written by hand over node:net, the npm
// framers, and Python's asyncio streams. Prints the ratio of each to the hand-written one, in the same rounds.
//   node bench/framed.mjs [milliseconds per cell] [rounds]
import { spawnSync } from 'node:child_process'
import { flood, median, pinSelf, ratios, rounds, server, startPeer } from './harness.mjs'

const ms = Number(process.argv[2] ?? 800)
const count = Number(process.argv[3] ?? 7)

const node = (name, file, ...args) => ({ name, command: process.execPath, args: [server(file), ...args] })
const peers = [
  node('by hand over net', 'raw.mjs'),
  node('by hand, two bare awaits', 'raw-await.mjs'),
  node('FramedProtocol', 'framed.mjs', 'protocol'),
  node('await readMessage + drain', 'framed.mjs', 'await'),
  node('for await + drain', 'framed.mjs', 'for await'),
  node('MessageStream', 'framed.mjs', 'messages'),
  node('tryReadMessage', 'framed.mjs', 'try'),
  node('frame-stream', 'frame-stream.mjs'),
  node('it-length-prefixed', 'it-length-prefixed.mjs'),
]
if (spawnSync('python3', ['-c', '']).status === 0) {
  peers.push({ name: 'asyncio streams', command: 'python3', args: [server('asyncio_frames.py')] })
}

pinSelf()
for (const peer of peers) peer.at = await startPeer(peer.command, peer.args)
const cells = [64, 1024].flatMap((size) => [
  { size, connections: 1, depth: 64 },
  { size, connections: 16, depth: 64 },
  { size, connections: 1, depth: 1 },
  { size, connections: 16, depth: 1 },
])
console.log(
  `messages/s as a ratio to '${peers[0].name}', median of ${count} rounds of ${ms} ms; c = connections, d = in flight`,
)
const [table, cpuTable] = [0, 1].map(() => Object.fromEntries(peers.map((peer) => [peer.name, {}])))
for (const { size, connections, depth } of cells) {
  const unit = Buffer.alloc(size + 4)
  unit.writeUInt32BE(size)
  const figures = await rounds(peers, count, ({ at }) =>
    flood({ port: at.port, pid: at.pid, connections, depth, unit, ms }),
  )
  const column = `${size} B ${connections}c d${depth}`
  for (const [key, shown] of [
    ['rate', table],
    ['perCpu', cpuTable],
  ]) {
    for (const [name, ratio] of ratios(figures, peers[0].name, key)) shown[name][column] = Number(ratio.toFixed(2))
  }
  console.log(
    `  ${column}: '${peers[0].name}' did ${Math.round(median(figures.get(peers[0].name).map(({ rate }) => rate)))} messages/s`,
  )
}
console.table(table)
console.log('the same per second of the server’s CPU time')
console.table(cpuTable)
for (const { at } of peers) await at.stop()
process.exit()
