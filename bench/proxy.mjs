// A TCP proxy: `copyBidirectional` against `a.pipe(b).pipe(a)` of node:net, in the same rounds.
//   node bench/proxy.mjs [milliseconds per cell] [rounds]
import { flood, median, pinSelf, ratios, rounds, server, startPeer } from './harness.mjs'

const ms = Number(process.argv[2] ?? 800)
const count = Number(process.argv[3] ?? 7)

pinSelf()
// The server behind the proxies shares the load's CPU.
const echo = await startPeer(process.execPath, [server('echo.mjs'), 'net'], { cpu: 1 })
const peers = ['pipe', 'copyBidirectional'].map((name) => ({ name, args: [server('proxy.mjs'), name, `${echo.port}`] }))
for (const peer of peers) peer.at = await startPeer(process.execPath, peer.args)
console.log(`bytes through a proxy and back as a ratio to 'pipe', median of ${count} rounds of ${ms} ms; by CPU time`)
const table = Object.fromEntries(peers.map((peer) => [peer.name, {}]))
for (const [size, depth] of [
  [1024, 1],
  [16_384, 1],
  [102_400, 10],
]) {
  for (const connections of [1, 10]) {
    const unit = Buffer.alloc(size)
    const figures = await rounds(peers, count, ({ at }) =>
      flood({ port: at.port, pid: at.pid, connections, depth, unit, ms }),
    )
    const column = `${size / 1024} KiB ×${depth} ${connections}c`
    const [rate, perCpu] = ['rate', 'perCpu'].map((key) => ratios(figures, 'pipe', key))
    for (const { name } of peers) table[name][column] = `${rate.get(name).toFixed(2)} (${perCpu.get(name).toFixed(2)})`
    console.log(`  ${column}: pipe did ${Math.round(median(figures.get('pipe').map(({ rate }) => rate)))} units/s`)
  }
}
console.table(table)
for (const { at } of [...peers, { at: echo }]) await at.stop()
process.exit()
