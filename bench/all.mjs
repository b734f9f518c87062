// All benches, one after the other. `npm run bench` builds and runs this.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

// Those that do not take the time per cell and the number of rounds.
const args = { idle: [], slope: ['20'], redis: [], clogged: [], rpc: [] }

for (const name of [
  'framed',
  'echo',
  'bulk',
  'tls',
  'proxy',
  'idle',
  'slope',
  'clogged',
  'redis',
  'rpc',
  'structured',
]) {
  console.log(`\n${name}`)
  spawnSync(
    process.execPath,
    [fileURLToPath(new URL(`${name}.mjs`, import.meta.url)), ...(args[name] ?? process.argv.slice(2))],
    {
      stdio: 'inherit',
    },
  )
}
