// Calls of 50 bytes over one connection: millrace against grpc-js and Go's ttrpc, client and server in processes of
// their own, each on a CPU of its own; at one call in flight once more on the same, where nobody has to be woken up on
// another. Clients warm up before every cell, those in JavaScript for 4 s; the server's CPU time counts that in.
//   node bench/rpc.mjs [seconds per cell] [rounds]
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { cpuTime, hasTaskset, median, pin, rounds, server, startPeer } from './harness.mjs'

const seconds = Number(process.argv[2] ?? 3)
const count = Number(process.argv[3] ?? 5)
const size = 48 // with its tag and length 50

const goPeer = fileURLToPath(new URL('../spec/peers/ttrpc/bin/ttrpc-peer', import.meta.url))
const hasGo = existsSync(goPeer) && JSON.parse(execFileSync(goPeer, ['version'], { encoding: 'utf8' })).streams
if (!hasGo) console.log('without Go ttrpc: scripts/go-peer.sh builds it')

const client = fileURLToPath(new URL('clients/rpc.mjs', import.meta.url))
const script = async (name) => {
  const at = await startPeer(process.execPath, [server('rpc.mjs'), name], { cpu: 0 })
  const load = await startPeer(process.execPath, [client, name, String(at.port)], { cpu: 1 })
  return {
    name,
    pid: at.pid,
    async measure(cell) {
      pin(load.pid, cell.cpu ?? 1)
      return JSON.parse(await load.ask(JSON.stringify({ ...cell, seconds, warmup: 4, size })))
    },
    async stop() {
      await load.stop()
      await at.stop()
    },
  }
}

const go = async () => {
  const at = await startPeer(goPeer, ['bench-server'], { cpu: 0 })
  return {
    name: 'Go ttrpc',
    pid: at.pid,
    async measure({ concurrency = 1, stream = false, cpu = 1 }) {
      const args = ['bench-client', '--connect', `127.0.0.1:${at.port}`, '--concurrency', concurrency]
      args.push('--seconds', seconds, '--warmup', 1, '--size', size, `--stream=${stream}`)
      const [file, argv] = hasTaskset ? ['taskset', ['-c', cpu, goPeer, ...args]] : [goPeer, args]
      return JSON.parse(execFileSync(file, argv.map(String), { encoding: 'utf8' }))
    },
    stop: () => at.stop(),
  }
}

const cells = [
  { name: '1 call in flight', cell: { concurrency: 1 }, aims: { 'grpc-js': 10, 'Go ttrpc': 1 } },
  { name: '1 call in flight, on one CPU', cell: { concurrency: 1, cpu: 0 }, aims: {} },
  { name: '256 calls in flight', cell: { concurrency: 256 }, aims: { 'grpc-js': 50, 'Go ttrpc': 4.5 } },
  {
    name: '256 calls in flight, each with a deadline, metadata and a signal',
    cell: { concurrency: 256, full: true },
    without: 'Go ttrpc',
    aims: { 'grpc-js': 50 },
  },
  { name: 'messages of a server stream', cell: { stream: true }, aims: {} },
]

const rounded = (value, digits) => Number(value.toFixed(digits))

const peers = [await script('millrace'), await script('grpc-js'), ...(hasGo ? [await go()] : [])]
for (const { name, cell, without, aims } of cells) {
  const figures = await rounds(
    peers.filter((peer) => peer.name !== without),
    count,
    async (peer) => {
      const before = cpuTime(peer.pid)
      const figures = await peer.measure(cell)
      return { ...figures, cpu: (cpuTime(peer.pid) - before) / figures.all / 1000 }
    },
  )
  console.log(`${name}, median of ${count} rounds of ${seconds} s`)
  const ours = figures.get('millrace')
  const of = (values, key) => median(values.map((value) => value[key]))
  const table = {}
  for (const [peer, values] of figures) {
    table[peer] = { 'per second': Math.round(of(values, 'rate')), 'server, µs of CPU': rounded(of(values, 'cpu'), 2) }
    if (!cell.stream) {
      for (const key of ['p50', 'p99']) table[peer][`${key}, ms`] = rounded(of(values, key), 3)
    }
    if (values !== ours) {
      table[peer]['millrace / it'] = rounded(median(values.map(({ rate }, i) => ours[i].rate / rate)), 2)
      if (aims[peer]) table[peer]['aimed at'] = aims[peer]
    }
  }
  console.table(table)
}
for (const peer of peers) await peer.stop()
process.exit()
