// Bulk echo: a BufferedProtocol against a plain `net` data handler, in the same rounds.
//   node bench/bulk.mjs [milliseconds per cell] [rounds]
import { flood, median, pinSelf, ratios, rounds, server, startPeer } from './harness.mjs'

const ms = Number(process.argv[2] ?? 800)
const count = Number(process.argv[3] ?? 7)
const peers = ['net', 'net-unbounded', 'protocol', 'buffered'].map((name) => ({
  name,
  args: [server('echo.mjs'), name],
}))
const unit = Buffer.alloc(102_400)

pinSelf()
for (const peer of peers) peer.at = await startPeer(process.execPath, peer.args)
console.log(
  `echoes of 100 KiB per second as a ratio to 'net' (in brackets per CPU second), median of ${count} rounds of ${ms} ms`,
)
const table = Object.fromEntries(peers.map((peer) => [peer.name, {}]))
for (const connections of [1, 10]) {
  for (const depth of [1, 8]) {
    const figures = await rounds(peers, count, ({ at }) =>
      flood({ port: at.port, pid: at.pid, connections, depth, unit, ms, into: Buffer.allocUnsafeSlow(1 << 20) }),
    )
    const byCpu = ratios(figures, 'net', 'perCpu')
    for (const [name, ratio] of ratios(figures, 'net', 'rate'))
      table[name][`${connections}c, ${depth} in flight`] = `${ratio.toFixed(2)} (${byCpu.get(name).toFixed(2)})`
    console.log(
      `  ${connections} connections, ${depth} in flight: net did ${Math.round(median(figures.get('net').map(({ rate }) => rate)))} echoes/s`,
    )
  }
}
console.table(table)
for (const { at } of peers) await at.stop()
process.exit()
