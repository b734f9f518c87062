// The tarball as a user gets it: installed into an empty folder, imported and required by every subpath, and compiled
// against by a strict TypeScript program.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const root = process.cwd()
const folder = mkdtempSync(join(tmpdir(), 'millrace-packed-'))
const run = (command, args, options = {}) =>
  execFileSync(command, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], ...options })

try {
  const [{ filename }] = JSON.parse(
    run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: root }),
  )
  writeFileSync(join(folder, 'package.json'), '{"private":true,"type":"module"}')
  run('npm', ['install', '--no-audit', '--no-fund', `./${filename}`])

  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const subpaths = Object.keys(exports)
    .filter((path) => path !== './package.json')
    .map((path) => path.replace(/^\./, 'millrace'))
  writeFileSync(
    join(folder, 'use.mjs'),
    `import { createRequire } from 'node:module'
const require = createRequire(import.meta.url)
for (const path of ${JSON.stringify(subpaths)}) {
  const [imported, required] = [Object.keys(await import(path)), Object.keys(require(path))]
  const names = (keys) => keys.filter((key) => key !== 'default' && key !== 'module.exports' && key !== '__esModule').sort().join()
  if (names(imported) !== names(required) || imported.length === 0) throw new Error(path + ' differs')
}
const { FrameError: a } = await import('millrace')
const { FrameTooLargeError: b } = require('millrace')
if (!(new b(2, 1) instanceof a)) throw new Error('the errors of the two builds do not know each other')
console.log('import and require agree on', ${JSON.stringify(subpaths)}.join(', '))
`,
  )
  process.stdout.write(run(process.execPath, ['use.mjs']))

  console.log('the command runs, version', run(join(folder, 'node_modules/.bin/millrace'), ['--version']).trim())

  writeFileSync(
    join(folder, 'use.ts'),
    `import { startServer } from 'millrace'
import { framed, lengthPrefixed } from 'millrace/framing'
const server = await startServer(async (reader, writer) => {
  for await (const message of reader) writer.writeMessage(message.subarray(1))
}, { port: 0, ...framed(lengthPrefixed()) })
server.close()
`,
  )
  const tsc = resolve(root, 'node_modules/@typescript/native/bin/tsc')
  const types = ['--typeRoots', resolve(root, 'node_modules/@types'), '--types', 'node']
  const flags = [
    '--strict',
    '--noEmit',
    '--target',
    'es2022',
    '--lib',
    'es2023,esnext.disposable',
    '--skipLibCheck',
    'false',
  ]
  for (const module of [['nodenext'], ['esnext', '--moduleResolution', 'bundler']]) {
    run(process.execPath, [tsc, ...types, ...flags, '--module', ...module, 'use.ts'])
  }
  console.log('the declarations compile, with nodenext and with bundler')
} finally {
  rmSync(folder, { recursive: true, force: true })
}
