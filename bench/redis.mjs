// mini-redis against the redis-server of this machine, both under redis-benchmark: how many times as long it takes.
//   node bench/redis.mjs [requests] [rounds]
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hasTaskset, median } from './harness.mjs'

const requests = Number(process.argv[2] ?? 200_000)
const count = Number(process.argv[3] ?? 7)
const tests = 'set,get,incr,lpush,mset'
const modes = [
  { name: '16 in flight', depth: 16, limit: 2.5 },
  { name: '1 in flight', depth: 1, limit: 1.6 },
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

/** Requests per second by test. The load comes from CPU 1, from the one thread that redis-benchmark has by default. */
async function run(port, depth) {
  const args = ['-p', port, '-t', tests, '-n', requests, '-P', depth, '-c', 50, '--csv'].map(String)
  const child = spawn(...pinned(1, 'redis-benchmark', args), { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (errors += chunk))
  const [code] = await once(child, 'close')
  if (code !== 0 || errors !== '') throw new Error(`redis-benchmark ended with ${code}: ${errors}`)
  const lines = output.trim().split('\n').slice(1)
  return new Map(lines.map((line) => line.split(',').map((field) => JSON.parse(field))))
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
  console.log(`${requests} requests, 50 connections, median of ${count} rounds`)
  for (const { name, depth, limit } of modes) {
    const figures = servers.map(() => [])
    for (let round = 0; round < count; round++) {
      for (let i = 0; i < servers.length; i++) {
        const which = (i + round) % servers.length
        figures[which].push(await run(servers[which].port, depth))
      }
    }
    const table = {}
    for (const test of figures[0][0].keys()) {
      const [theirs, ours] = figures.map((rounds) => rounds.map((figure) => figure.get(test)))
      table[test] = {
        'redis-server, requests/s': Math.round(median(theirs)),
        'mini-redis, requests/s': Math.round(median(ours)),
        'times as long': Number(median(theirs.map((rate, i) => rate / ours[i])).toFixed(2)),
      }
    }
    console.log(`${name}: at most ${limit} times as long is aimed at`)
    console.table(table)
  }
} finally {
  for (const { child } of servers) {
    child.kill()
    await once(child, 'exit')
  }
  rmSync(directory, { recursive: true, force: true })
}
