import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { Program } from './support/program.ts'

const root = join(__dirname, '..')
const pages = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'))

/** The programs of a page, and what it says that they print: the block of text behind each. */
function programs(page: string): { code: string; printed: string | undefined }[] {
  const text = readFileSync(join(root, 'docs', page), 'utf8')
  return [...text.matchAll(/```ts\n(.*?)```(?:\n\n```text\n(.*?)```)?/gs)].map(([, code, printed]) => ({
    code: code!,
    printed,
  }))
}

describe('docs', () => {
  // Inside the project, so that 'millrace' means the built package, as it does for its users.
  const folder = join(root, 'dist/docs')
  const all = pages.flatMap((page) => programs(page).map((program, i) => ({ page, name: `${page}.${i}`, ...program })))
  let compiler = 'it has not run'

  beforeAll(() => {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    for (const { name, code } of all) writeFileSync(join(folder, `${name}.ts`), code)
    const config = {
      extends: '../../tsconfig.json',
      compilerOptions: { noEmit: false, allowImportingTsExtensions: false, types: ['node'], outDir: 'out', paths: {} },
      include: ['*.ts'],
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
    const args = ['node_modules/@typescript/native/bin/tsc', '-p', folder]
    compiler = spawnSync(process.execPath, args, { cwd: root }).stdout.toString()
  })

  it('show programs that compile', () => {
    expect(all.length).toBeGreaterThan(0)
    expect(compiler).toBe('')
  })

  // Those that need a Go peer are run by rpc/goDocs.spec.ts.
  const alone = all.filter(({ page }) => page !== 'rpc-go.md')
  it.each(alone.map(({ name, printed }) => [name, printed] as const))(
    '%s prints what the page says',
    async (name, printed) => {
      expect(printed).toBeDefined()
      const program = new Program(process.execPath, [`dist/docs/out/${name}.js`])
      expect(await program.exit()).toBe(0)
      expect([program.stdout, program.stderr]).toEqual([printed, ''])
    },
  )

  it.each(pages)('%s links only to what is there', (page) => {
    const text = readFileSync(join(root, 'docs', page), 'utf8')
    const links = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, path]) => path!)
    expect(links.filter((path) => !existsSync(join(root, 'docs', path)))).toEqual([])
  })
})
