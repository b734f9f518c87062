import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as errors from '../lib/errors.ts'
import * as structuredErrors from '../lib/structured/errors.ts'
import { ExceptionGroup } from '../lib/structured/exceptionGroup.ts'
import { RpcError } from '../lib/rpc/rpcError.ts'
import { Program } from './support/program.ts'

const root = join(__dirname, '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')

describe('README.md', () => {
  // Inside the project, so that 'millrace' means the built package, as it does for its users.
  const folder = join(root, 'dist/readme')
  const blocks = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code!)
  const printed = ['you said hello\n', 'set with 2 arguments\n\n', 'you said hello\na\nb\nc\n', 'you said hello\n']

  let compiler = 'it has not run'

  beforeAll(() => {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    blocks.forEach((code, i) => writeFileSync(join(folder, `block${i}.ts`), code))
    const config = {
      extends: '../../tsconfig.json',
      compilerOptions: { noEmit: false, allowImportingTsExtensions: false, types: ['node'], outDir: 'out', paths: {} },
      include: ['*.ts'],
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
    const { stdout } = spawnSync(process.execPath, ['node_modules/@typescript/native/bin/tsc', '-p', folder], {
      cwd: root,
    })
    compiler = stdout.toString()
  })

  it('has an example for each of these, which compile', () => {
    expect(compiler).toBe('')
    expect(blocks).toHaveLength(printed.length)
  })

  it.each(printed.map((output, i) => [i, output] as const))('shows example %i, which prints %j', async (i, output) => {
    const program = new Program(process.execPath, [`dist/readme/out/block${i}.js`])
    expect(await program.exit()).toBe(0)
    expect([program.stdout, program.stderr]).toEqual([output, ''])
  })

  it('links only to what is there, and to every sample', () => {
    const links = [...readme.matchAll(/\]\(([^)]+)\)/g)].map(([, path]) => path!)
    expect(links.filter((path) => !existsSync(join(root, path)))).toEqual([])
    const samples = readdirSync(join(root, 'samples')).filter((name) => name.endsWith('.ts'))
    expect(samples.filter((name) => !links.includes(`samples/${name}`))).toEqual([])
  })

  it('stands on two commands that package.json has', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    expect(readme).toMatch(/```sh\nnpm ci && npm start.*\nnpm ci && npm test/)
    expect(scripts).toHaveProperty('start')
    expect(scripts).toHaveProperty('test')
  })
})

describe('docs/errors.md', () => {
  it('has an entry for every code', () => {
    const files = ['errors.ts', 'rpc/rpcError.ts', 'structured/errors.ts', 'structured/exceptionGroup.ts']
    const source = files.map((file) => readFileSync(join(root, 'lib', file), 'utf8')).join()
    const codes = [...source.matchAll(/readonly code = '(\w+)'/g)].map(([, code]) => code!)
    const all = [...Object.values(errors), RpcError, ...Object.values(structuredErrors), ExceptionGroup]
    const classes = all.filter((each) => (each.prototype as unknown) instanceof Error)
    // Two are abstract.
    expect(codes.length).toBe(classes.length - 2)
    const entries = [...readFileSync(join(root, 'docs/errors.md'), 'utf8').matchAll(/^## (\w+)$/gm)].map(
      ([, code]) => code!,
    )
    // Two have that of an operation that was aborted.
    expect(entries.sort()).toEqual([...new Set(codes)].sort())
  })
})
