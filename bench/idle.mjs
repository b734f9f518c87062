// What an idle connection costs: the resident memory of a server with 10,000 of them, each after one echo.
// The young generation is held at 1 MiB: by itself it grows to tens of MiB while thousands connect, once per process and
// not per connection, and would be most of the figure. Collections are asked for before both readings.
//   node bench/idle.mjs [connections] [rounds]
import { once } from 'node:events'
import net from 'node:net'
import { server, startPeer } from './harness.mjs'

const COUNT = Number(process.argv[2] ?? 10_000)
const ROUNDS = Number(process.argv[3] ?? 3)
const STEP = 200

const settle = async (peer) => {
  for (let i = 0; i < 5; i++) await peer.ask('gc')
}

async function measure(style) {
  const peer = await startPeer(process.execPath, ['--expose-gc', '--max-semi-space-size=1', server('echo.mjs'), style])
  const sockets = []
  const open = async () => {
    const socket = net.connect({ port: peer.port, host: '127.0.0.1' })
    await once(socket, 'connect')
    socket.write('x')
    await once(socket, 'data')
    sockets.push(socket)
  }
  // The first connections warm the server up: code, pools and the heap's first growth are not an idle connection's.
  for (let i = 0; i < 5; i++) await Promise.all(Array.from({ length: STEP }, open))
  await settle(peer)
  const before = Number(await peer.ask('rss'))
  const start = performance.now()
  for (let i = 0; i < COUNT / STEP; i++) await Promise.all(Array.from({ length: STEP }, open))
  const rate = COUNT / ((performance.now() - start) / 1000)
  await settle(peer)
  const after = Number(await peer.ask('rss'))
  for (const socket of sockets) socket.destroy()
  await peer.stop()
  return { 'KiB/connection': (after - before) / COUNT / 1024, 'connections/s': rate }
}

const table = {}
for (let round = 0; round < ROUNDS; round++) {
  for (const style of ['net', 'protocol', 'streams']) (table[style] ??= []).push(await measure(style))
}
const middle = (style, key) => table[style].map((row) => row[key]).sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]
console.log(`${COUNT} idle connections, median of ${ROUNDS}`)
console.table(
  Object.fromEntries(
    Object.keys(table).map((style) => [
      style,
      {
        'KiB/connection': Number(middle(style, 'KiB/connection').toFixed(2)),
        'accept rate, ratio to net': Number(
          (middle(style, 'connections/s') / middle('net', 'connections/s')).toFixed(2),
        ),
      },
    ]),
  ),
)
process.exit()
