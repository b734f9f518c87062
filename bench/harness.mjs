// What the benches share: peers are servers in processes of their own, on one CPU; the load comes from this process,
// on another. Peers take turns within every round, and every figure is a ratio to the rival of the same round.
import { spawn, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import net from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export const hasTaskset = (() => {
  try {
    execFileSync('taskset', ['-c', '0', 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

/** Puts a process with all its threads on one CPU, where the system can. */
export function pin(pid, cpu) {
  if (hasTaskset) execFileSync('taskset', ['-a', '-p', '-c', String(cpu), String(pid)], { stdio: 'ignore' })
}

/** Puts this process on a CPU of its own. */
export const pinSelf = (cpu = 1) => pin(process.pid, cpu)

/** Starts `command`, which prints its port on the first line; resolves with the port and how to stop it. */
export async function startPeer(command, args, { cpu = 0 } = {}) {
  const [file, argv] = hasTaskset ? ['taskset', ['-c', String(cpu), command, ...args]] : [command, args]
  const child = spawn(file, argv, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const { value } = await lines.next()
  if (value === undefined) throw new Error(`${command} ${args.join(' ')} did not start`)
  return {
    port: Number(value),
    pid: child.pid,
    async ask(line) {
      child.stdin.write(`${line}\n`)
      return (await lines.next()).value
    },
    async stop() {
      child.kill()
      await once(child, 'exit')
    },
  }
}

export const server = (name) => fileURLToPath(new URL(`servers/${name}`, import.meta.url))

/** Nanoseconds of CPU that all threads of a process have used, where /proc tells; else NaN. */
export function cpuTime(pid) {
  try {
    const threads = readdirSync(`/proc/${pid}/task`)
    return threads.reduce(
      (sum, id) => sum + Number(readFileSync(`/proc/${pid}/task/${id}/schedstat`, 'utf8').split(' ')[0]),
      0,
    )
  } catch {
    return NaN
  }
}

/**
 * Keeps `depth` units of `unit` bytes in flight on each of `connections` for `ms`, against a server that sends every
 * byte back. Resolves with units per second, and per second of the server's CPU time: on a machine with other work
 * the second is the steadier figure. It only counts bytes, so that it costs less than any server. They are read into
 * `into`, if that is given. `connect` may be that of `node:tls`.
 */
export async function flood({
  port,
  pid,
  connections,
  depth,
  unit,
  ms,
  warmupMs = ms / 4,
  into,
  connect = net.connect,
}) {
  const size = unit.length
  const block = Buffer.concat(Array.from({ length: depth }, () => unit))
  let units = 0
  let stopped = false
  const sockets = await Promise.all(
    Array.from({ length: connections }, async () => {
      const onread = into && { buffer: into, callback: (n) => (received(n), true) }
      const socket = connect({ port, host: '127.0.0.1', noDelay: true, ...(onread && { onread }) })
      await once(socket, socket.encrypted ? 'secureConnect' : 'connect')
      let partial = 0
      const received = (length) => {
        partial += length
        const n = Math.floor(partial / size)
        partial -= n * size
        units += n
        if (n > 0 && !stopped) socket.write(block.subarray(0, n * size))
      }
      socket.on('data', (chunk) => received(chunk.length))
      socket.on('error', (error) => {
        if (!stopped) throw error
      })
      return socket
    }),
  )
  for (const socket of sockets) socket.write(block)
  // Polling instead of sleeping: what is measured is the server, not how fast this process is woken up.
  const poll = () => stopped || setImmediate(poll)
  poll()
  await new Promise((resolve) => setTimeout(resolve, warmupMs))
  const [from, start, cpu] = [units, performance.now(), cpuTime(pid)]
  await new Promise((resolve) => setTimeout(resolve, ms))
  const rate = ((units - from) / (performance.now() - start)) * 1000
  const perCpu = ((units - from) / (cpuTime(pid) - cpu)) * 1e9
  stopped = true
  for (const socket of sockets) socket.destroy()
  return { rate, perCpu }
}

export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

/** Runs every peer once per round, in rotating order; resolves with each one's figures by name. */
export async function rounds(peers, count, measure) {
  const figures = new Map(peers.map((peer) => [peer.name, []]))
  for (let round = 0; round < count; round++) {
    for (let i = 0; i < peers.length; i++) {
      const peer = peers[(i + round) % peers.length]
      figures.get(peer.name).push(await measure(peer))
    }
  }
  return figures
}

/** The median over the rounds of the ratio to the rival's figure of the same round. */
export function ratios(figures, rival, key) {
  const base = figures.get(rival)
  return new Map(
    [...figures].map(([name, values]) => [name, median(values.map((value, i) => value[key] / base[i][key]))]),
  )
}
