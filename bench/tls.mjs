// Echo over TLS: a Protocol and streams against a plain `tls` data handler, in the same rounds.
//   node bench/tls.mjs [milliseconds per cell] [rounds]
import tls from 'node:tls'
import { flood, median, pinSelf, ratios, rounds, server, startPeer } from './harness.mjs'

const ms = Number(process.argv[2] ?? 800)
const count = Number(process.argv[3] ?? 7)
const peers = ['tls', 'tls-protocol', 'tls-streams'].map((name) => ({ name, args: [server('echo.mjs'), name] }))
const connect = (options) => tls.connect({ ...options, rejectUnauthorized: false })

pinSelf()
for (const peer of peers) peer.at = await startPeer(process.execPath, peer.args)
console.log(
  `echoes/s as a ratio to 'tls' (in brackets per CPU second of the server), median of ${count} rounds of ${ms} ms`,
)
const table = Object.fromEntries(peers.map((peer) => [peer.name, {}]))
for (const size of [1024, 10_240, 102_400]) {
  for (const connections of [1, 10]) {
    const unit = Buffer.alloc(size)
    const figures = await rounds(peers, count, ({ at }) =>
      flood({ port: at.port, pid: at.pid, connections, depth: 1, unit, ms, connect }),
    )
    const byCpu = ratios(figures, 'tls', 'perCpu')
    for (const [name, ratio] of ratios(figures, 'tls', 'rate'))
      table[name][`${size / 1024} KiB ${connections}c`] = `${ratio.toFixed(2)} (${byCpu.get(name).toFixed(2)})`
    console.log(
      `  ${size} B ${connections}c: tls did ${Math.round(median(figures.get('tls').map(({ rate }) => rate)))} echoes/s`,
    )
  }
}
console.table(table)
for (const { at } of peers) await at.stop()
process.exit()
