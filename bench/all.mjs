// All benches, one after the other. `npm run bench` builds and runs this.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

for (const name of ['framed', 'echo', 'idle']) {
  console.log(`\n${name}`)
  spawnSync(
    process.execPath,
    [fileURLToPath(new URL(`${name}.mjs`, import.meta.url)), ...(name === 'idle' ? [] : process.argv.slice(2))],
    {
      stdio: 'inherit',
    },
  )
}
