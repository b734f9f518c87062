// Echo of bytes: a Protocol and streams against a plain `net` data handler, in the same rounds.
//   node bench/echo.mjs [milliseconds per cell] [rounds]
import { flood, median, pinSelf, ratios, rounds, server, startPeer } from './harness.mjs'

const ms = Number(process.argv[2] ?? 800)
const count = Number(process.argv[3] ?? 7)
const peers = ['net', 'protocol', 'streams'].map((name) => ({ name, args: [server('echo.mjs'), name] }))

pinSelf()
for (const peer of peers) peer.at = await startPeer(process.execPath, peer.args)
console.log(`echoes/s as a ratio to 'net', median of ${count} rounds of ${ms} ms; one echo in flight per connection`)
const table = Object.fromEntries(peers.map((peer) => [peer.name, {}]))
for (const size of [1024, 10_240, 102_400]) {
  for (const connections of [1, 10]) {
    const unit = Buffer.alloc(size)
    const figures = await rounds(peers, count, ({ at }) =>
      flood({ port: at.port, pid: at.pid, connections, depth: 1, unit, ms }),
    )
    for (const [name, ratio] of ratios(figures, 'net', 'rate'))
      table[name][`${size / 1024} KiB ${connections}c`] = Number(ratio.toFixed(2))
    console.log(
      `  ${size} B ${connections}c: net did ${Math.round(median(figures.get('net').map(({ rate }) => rate)))} echoes/s`,
    )
  }
}
console.table(table)
for (const { at } of peers) await at.stop()
process.exit()
