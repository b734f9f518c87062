// Builds both module formats (tsc twice) and then the samples, which import the built package by its name.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'

const tsc = (...args) => {
  const { status } = spawnSync(process.execPath, ['node_modules/@typescript/native/bin/tsc', ...args], {
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
}

rmSync('dist', { recursive: true, force: true })
tsc('-p', 'tsconfig.build.json')
tsc(
  '-p',
  'tsconfig.build.json',
  '--module',
  'commonjs',
  '--moduleResolution',
  'bundler',
  '--verbatimModuleSyntax',
  'false',
  '--outDir',
  'dist/cjs',
)
mkdirSync('dist/cjs', { recursive: true })
writeFileSync('dist/cjs/package.json', '{"type":"commonjs"}\n')
tsc('-p', 'tsconfig.samples.json')
cpSync('samples', 'dist/samples', { recursive: true, filter: (path) => !path.endsWith('.ts') })
