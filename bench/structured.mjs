// What the structured flavour costs, each as a ratio to the same without it: an echo of 64 bytes over 32 connections, by a
// Protocol and by streams, in a nursery and outside; a wait in a scope against a bare promise; an empty nursery, a scope
// and a child against the call of an async function. On the Node that runs it: `.nodes/24/bin/node bench/structured.mjs`.
//   node bench/structured.mjs [milliseconds per cell] [rounds]
import { CancelScope, openNursery, run } from 'millrace/structured'
import { Waiter } from '../dist/esm/wait.js'
import { flood, median, pinSelf, ratios, rounds, server, startPeer } from './harness.mjs'

const ms = Number(process.argv[2] ?? 800)
const count = Number(process.argv[3] ?? 7)

pinSelf()
console.log(`Node ${process.versions.node}, median of ${count} rounds`)
// One process may be a tenth faster than another with the same program, for its whole life: so there are several of each.
const PAIRS = 5
for (const style of ['protocol', 'streams']) {
  const all = { rate: [], perCpu: [] }
  for (let pair = 0; pair < PAIRS; pair++) {
    const peers = [style, `${style}-nursery`].map((name) => ({ name, args: [server('echo.mjs'), name] }))
    for (const peer of peers) peer.at = await startPeer(process.execPath, peer.args)
    const figures = await rounds(peers, Math.ceil(count / 2), ({ at }) =>
      flood({ port: at.port, pid: at.pid, connections: 32, depth: 1, unit: Buffer.alloc(64), ms }),
    )
    for (const key of Object.keys(all)) all[key].push(ratios(figures, style, key).get(`${style}-nursery`))
    for (const { at } of peers) await at.stop()
  }
  const of = (key) => `${median(all[key]).toFixed(2)} (${all[key].map((each) => each.toFixed(2)).join(' ')})`
  console.log(`${style} in a nursery: ${of('rate')} of the echoes outside, ${of('perCpu')} by CPU time`)
}

const TIMES = 200_000
const call = async () => {}

// Parked for real: what each waits for comes in another microtask.
const soon = Promise.resolve()
let settle
const settled = () => settle(1)
let waiter
const woken = () => waiter.resolve(1)

async function bare() {
  for (let i = 0; i < TIMES; i++) {
    const promise = new Promise((resolve) => {
      settle = resolve
    })
    void soon.then(settled)
    await promise
  }
}
async function waits(options) {
  for (let i = 0; i < TIMES; i++) {
    waiter = new Waiter(options)
    void soon.then(woken)
    await waiter.promise
  }
}
async function calls() {
  for (let i = 0; i < TIMES; i++) await call()
}
async function nurseries() {
  for (let i = 0; i < TIMES; i++) await openNursery(call)
}
async function scopes() {
  for (let i = 0; i < TIMES; i++) await new CancelScope().run(call)
}
const children = () =>
  openNursery(async (nursery) => {
    for (let i = 0; i < TIMES; i++) await nursery.startSoon(call).outcome()
  })

/** Each with what it is a ratio to, in one round: where nothing is ambient, or all in `run`. */
const outside = {
  bare,
  waits: () => new CancelScope({ ambient: false }).run((scope) => waits({ scope })),
  calls,
  nurseries,
  scopes,
}
const inside = { bare, waits, calls, nurseries, scopes, children }
const rivals = { waits: 'bare', nurseries: 'calls', scopes: 'calls', children: 'calls' }

async function measure(rows) {
  const times = Object.fromEntries(Object.keys(rows).map((name) => [name, []]))
  for (let round = -1; round < count; round++) {
    for (const [name, row] of Object.entries(rows)) {
      // What the row before had in use is given up meanwhile.
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
      const started = performance.now()
      await row()
      if (round >= 0) times[name].push(performance.now() - started)
    }
  }
  for (const [name, rival] of Object.entries(rivals)) {
    if (times[name] === undefined) continue
    const ratio = median(times[name].map((time, i) => time / times[rival][i]))
    const each = (key) => `${Math.round((median(times[key]) * 1e6) / TIMES)} ns`
    console.log(`  ${name}: ${ratio.toFixed(2)} times ${rival} (${each(name)}, ${each(rival)})`)
  }
}
console.log('outside of all blocks; waits are given their scope')
await measure(outside)
console.log('inside of run')
await run(() => measure(inside))
process.exit()
