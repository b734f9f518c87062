// What clients that never read do to the others: the rate of 5,000 connections, alone and beside 5,000 clogged ones,
// and the memory that a clogged one costs. The write buffer's high mark is 16 KiB.
//   node bench/clogged.mjs [connections of each kind] [rounds] [milliseconds]
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { flood, median, pinSelf, server, startPeer } from './harness.mjs'

const COUNT = Number(process.argv[2] ?? 5000)
const ROUNDS = Number(process.argv[3] ?? 3)
const MS = Number(process.argv[4] ?? 3000)

if (spawnSync('python3', ['-c', '']).status !== 0) {
  console.log('skipped: it takes python3 to make sockets with small buffers')
  process.exit()
}
pinSelf()
const unit = Buffer.alloc(68, '.')
unit.writeUInt32BE(64)
const rows = []
for (let round = 0; round < ROUNDS; round++) {
  const peer = await startPeer(process.execPath, ['--expose-gc', server('clogged.mjs')])
  const measure = () => flood({ port: peer.port, pid: peer.pid, connections: COUNT, depth: 1, unit, ms: MS })
  const settle = async () => {
    for (let i = 0; i < 5; i++) await peer.ask('gc')
    return Number(await peer.ask('rss'))
  }
  // A server that has served that many before and lost them again is another one than one just started.
  await measure()
  const alone = await measure()
  const before = await settle()
  const clog = spawn('python3', [server('clog.py'), String(peer.port), String(COUNT)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(clog.stdout, 'data')
  // Until the memory no longer grows every one of them is clogged.
  let clogged = await settle()
  for (let last = 0; clogged - last > 1024 * 1024;) {
    await new Promise((resolve) => setTimeout(resolve, 500))
    ;[last, clogged] = [clogged, await settle()]
  }
  const beside = await measure()
  const after = await settle()
  clog.stdin.end()
  await once(clog, 'exit')
  await settle()
  const again = await measure()
  const ratio = (key) => (2 * beside[key]) / (alone[key] + again[key])
  rows.push({
    'rate beside clogged / alone, before and after': ratio('rate'),
    'by CPU time': ratio('perCpu'),
    'alone after / alone before': again.rate / alone.rate,
    'KiB per clogged connection': (clogged - before) / COUNT / 1024,
    'and after serving the others': (after - before) / COUNT / 1024,
  })
  await peer.stop()
}
const table = Object.keys(rows[0]).map((key) => [key, Number(median(rows.map((row) => row[key])).toFixed(2))])
console.log(`${COUNT} connections with one 64-byte message in flight, ${COUNT} that never read; median of ${ROUNDS}`)
console.table(Object.fromEntries(table))
process.exit()
