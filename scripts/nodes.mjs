// Runs the specs on several versions of Node, one after the other, and tells in a line how it went on each:
//
//   node scripts/nodes.mjs [--install] [VERSION...] [-- ARGUMENTS OF JEST]
//
// The versions are majors; without any, 20 22 24 26 and the one that runs this. The others are looked for in .nodes/, or
// the folder that NODES names, as MAJOR/bin/node, or as --install puts them there with npm. The package must be built.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = resolve(process.env.NODES ?? join(root, '.nodes'))
const published = `node-${process.platform}-${process.arch}`
/** How long jest may take to end when it has told its results; after twice that it is ended. */
const PATIENCE_MS = 10_000
const running = process.versions.node.split('.')[0]

const args = process.argv.slice(2)
const end = args.includes('--') ? args.indexOf('--') : args.length
const own = args.slice(0, end)
const forJest = args.slice(end + 1)
const asked = own.filter((each) => each !== '--install')
if (!asked.every((each) => /^\d+$/.test(each))) {
  console.error('usage: nodes.mjs [--install] [VERSION...] [-- ARGUMENTS OF JEST], with majors such as 22 for VERSION')
  process.exit(2)
}
const versions = asked.length > 0 ? asked : [...new Set(['20', '22', '24', '26', running])]

const find = (major) => {
  const places = [`${major}/bin/node`, `${major}/node_modules/${published}/bin/node`].map((path) => join(folder, path))
  return major === running ? process.execPath : places.find((path) => existsSync(path))
}

const install = (major) => {
  const prefix = join(folder, major)
  mkdirSync(prefix, { recursive: true })
  const flags = ['--prefix', prefix, '--no-save', '--no-audit', '--no-fund']
  spawnSync('npm', ['install', ...flags, `${published}@${major}`], { stdio: 'inherit' })
}

const runSpecs = async (node) => {
  const scratch = mkdtempSync(join(tmpdir(), 'millrace-nodes-'))
  const report = join(scratch, 'report.json')
  try {
    // What the specs start by the name of node is to be this one, too.
    const env = { ...process.env, PATH: dirname(node) + delimiter + process.env.PATH }
    const command = [join(root, 'node_modules/jest/bin/jest.js'), '--json', `--outputFile=${report}`, ...forJest]
    const jest = spawn(node, command, { cwd: root, env, stdio: ['ignore', 'ignore', 'inherit'] })
    // What a spec that failed has left open may keep jest from ending; the next version is to have its turn.
    let stuck = false
    const look = setInterval(() => {
      if (stuck) jest.kill('SIGKILL')
      stuck = existsSync(report)
    }, PATIENCE_MS)
    const [status, signal] = await once(jest, 'exit')
    clearInterval(look)
    if (!existsSync(report)) return { ok: false, line: `no results: jest ended with ${signal ?? status}` }
    const told = JSON.parse(readFileSync(report, 'utf8'))
    const parts = [`${told.numPassedTests} passed, ${told.numFailedTests} failed, ${told.numPendingTests} skipped`]
    if (told.numRuntimeErrorTestSuites > 0) parts.push(`${told.numRuntimeErrorTestSuites} files that could not be run`)
    if (signal !== null) parts.push('and did not end by itself')
    return { ok: status === 0, line: parts.join(', ') }
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

const lines = []
for (const major of versions) {
  if (own.includes('--install') && find(major) === undefined) install(major)
  const node = find(major)
  const version = node && spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout?.trim()
  if (node === undefined) {
    lines.push(`${major}: skipped, it is not in ${folder} (--install ${major} puts it there)`)
  } else if (!version) {
    lines.push(`${major}: skipped, ${node} does not run`)
  } else {
    console.error(`\nNode ${version}`)
    const { ok, line } = await runSpecs(node)
    if (!ok) process.exitCode = 1
    lines.push(`${version}: ${line}`)
  }
  console.log(lines.at(-1))
}
if (lines.length > 1) console.log(`\n${lines.join('\n')}`)
