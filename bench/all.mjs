// All benches, one after the other. `npm run bench` builds and runs this.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

// The figures that some take from the command line are milliseconds and rounds.
const timed = ['framed', 'echo']
for (const name of [...timed, 'idle', 'redis']) {
  console.log(`\n${name}`)
  spawnSync(
    process.execPath,
    [fileURLToPath(new URL(`${name}.mjs`, import.meta.url)), ...(timed.includes(name) ? process.argv.slice(2) : [])],
    {
      stdio: 'inherit',
    },
  )
}
