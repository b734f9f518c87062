// mini-redis against the redis-server of this machine, both under redis-benchmark: how many times as long it takes.
//   node bench/redis.mjs [requests] [rounds]
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cpuTime, hasTaskset, median, rounds } from './harness.mjs'

const requests = Number(process.argv[2] ?? 200_000)
const count = Number(process.argv[3] ?? 7)
const tests = ['set', 'get', 'incr', 'lpush', 'mset']
const modes = [
  { name: '16 in flight', depth: 16, share: 1, limit: 2.5 },
  { name: '1 in flight', depth: 1, share: 1 / 4, limit: 1.6 },
]

for (const command of ['redis-server', 'redis-benchmark']) {
  if (spawnSync(command, ['--version']).status === 0) continue
  console.log(`skipped: no ${command} on this machine`)
  process.exit()
}

const pinned = (cpu, command, args) =>
  hasTaskset ? ['taskset', ['-c', String(cpu), command, ...args]] : [command, args]

async function freePort() {
  const listener = net.createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address()
  listener.close()
  await once(listener, 'close')
  return port
}

/** Starts a server on CPU 0; resolves when its output says that it listens. */
async function start(name, command, args, listens) {
  const child = spawn(...pinned(0, command, args), { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  while (!listens.test(output)) {
    const [chunk] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit').then(() => [undefined])])
    if (chunk === undefined) throw new Error(`${name} did not start: ${output}`)
    output += chunk
  }
  child.stdout.resume()
  return { name, child, port: Number(listens.exec(output)[1]) || undefined }
}

/**
 * Requests per second, and per second of the server's CPU time. The load comes from CPU 1, from the one thread that
 * redis-benchmark has by default.
 */
async function run({ port, child: { pid } }, test, depth, n) {
  const args = ['-p', port, '-t', test, '-n', n, '-P', depth, '-c', 50, '--csv'].map(String)
  const before = cpuTime(pid)
  const child = spawn(...pinned(1, 'redis-benchmark', args), { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (errors += chunk))
  const [code] = await once(child, 'close')
  if (code !== 0 || errors !== '') throw new Error(`redis-benchmark ended with ${code}: ${errors}`)
  // The line behind the names of the columns: "SET","71428.57",…
  const [, rate] = output.split('\n')[1].split(',')
  return { rate: Number(JSON.parse(rate)), perCpu: (n / (cpuTime(pid) - before)) * 1e9 }
}

const directory = mkdtempSync(join(tmpdir(), 'millrace-redis-'))
const port = await freePort()
const settings = { port, bind: '127.0.0.1', save: '', appendonly: 'no', daemonize: 'no', dir: directory }
const servers = [
  await start(
    'redis-server',
    'redis-server',
    Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]),
    /Ready to accept connections()/,
  ),
  await start(
    'mini-redis',
    process.execPath,
    [fileURLToPath(new URL('../dist/samples/mini-redis/server.js', import.meta.url)), '--port', '0'],
    /serving on 127\.0\.0\.1,(\d+)/,
  ),
]
servers[0].port = port

try {
  for (const { name, depth, share, limit } of modes) {
    const n = Math.round(requests * share)
    console.log(`${name}: ${n} requests, 50 connections, median of ${count} rounds; at most ${limit} is aimed at`)
    const table = {}
    for (const test of tests) {
      const figures = await rounds(servers, count, (server) => run(server, test, depth, n))
      const [theirs, ours] = servers.map(({ name }) => figures.get(name))
      const times = (key) => Number(median(theirs.map((figure, i) => figure[key] / ours[i][key])).toFixed(2))
      table[test] = {
        'redis-server, requests/s': Math.round(median(theirs.map(({ rate }) => rate))),
        'mini-redis, requests/s': Math.round(median(ours.map(({ rate }) => rate))),
        'times as long': times('rate'),
        'times the CPU time': times('perCpu'),
      }
    }
    console.table(table)
  }
} finally {
  for (const { child } of servers) {
    child.kill()
    await once(child, 'exit')
  }
  rmSync(directory, { recursive: true, force: true })
}
