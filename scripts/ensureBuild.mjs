// For specs that run the built package: builds it if it is not there. `npm test` has built it afresh before.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

export default function ensureBuild() {
  if (existsSync('dist/samples/qbp/play.js')) return
  const { status } = spawnSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' })
  if (status !== 0) throw new Error('the build failed')
}
