import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildIfMissing } from '../support/builtPackage.ts'
import { Program } from '../support/program.ts'

const root = join(__dirname, '../..')
const page = readFileSync(join(root, 'docs/cli.md'), 'utf8')
// Where no package.json says that modules are ES modules.
const folder = mkdtempSync(join(tmpdir(), 'millrace-page-'))

/** The files that the page shows, as they stand there: the last name in front of them is theirs. */
const files = [...page.matchAll(/`([\w.]+)`:\n\n```(?:proto|json)\n(.*?)```/gs)].map(([, name, text]) => [name!, text!])

/** The commands of its sessions, each with what it prints. */
const commands = [...page.matchAll(/```console\n(.*?)```/gs)]
  .flatMap(([, session]) => session!.split(/^\$ /m).slice(1))
  .map((text) => /^(.*)\n([^]*)$/.exec(text)!)
  .map(([, command, printed]) => ({ command: command!, printed: printed! }))

describe('docs/cli.md', () => {
  let server: Program | undefined

  beforeAll(() => {
    buildIfMissing()
    mkdirSync(join(folder, 'bin'), { recursive: true })
    const millrace = `#!/bin/sh\nexec ${process.execPath} ${join(root, 'dist/esm/cli/millrace.js')} "$@"\n`
    writeFileSync(join(folder, 'bin/millrace'), millrace, { mode: 0o755 })
    for (const [name, text] of files) writeFileSync(join(folder, name!), text!)
  })

  afterAll(() => {
    server?.child.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  })

  it('shows sessions', () => {
    expect(files.map(([name]) => name)).toEqual(['chat.proto', 'answers.json'])
    expect(commands.length).toBeGreaterThan(5)
  })

  const path = { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1', PATH: `${folder}/bin:${process.env['PATH']}` }
  let status = 0

  /** A shell for each, which knows the status of the one before. */
  async function printedBy(command: string): Promise<string> {
    const prepared = `cd '${folder}'; export PATH='${path.PATH}'; (exit ${status});`
    if (command.endsWith(' &')) {
      server = new Program('bash', ['-c', `${prepared} exec ${command.slice(0, -2)}`])
      await server.output(/\n$/)
      return server.stdout
    }
    const ran = spawnSync('bash', ['-c', `{ ${prepared} ${command}\n} 2>&1`], { encoding: 'utf8', env: path })
    status = ran.status!
    return ran.stdout
  }

  it.each(commands)('$command prints what the page says', async ({ command, printed }) => {
    expect(await printedBy(command)).toBe(printed)
  })

  it('ends its server', async () => {
    expect([await server!.interrupt(), server!.stderr]).toEqual([0, ''])
  })
})
