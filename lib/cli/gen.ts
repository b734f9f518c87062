import type { Command } from 'commander'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { descriptorSet, descriptorsOfRoot } from '../protobuf/fileDescriptors.ts'
import { loadProto, servicesOf } from './loadProto.ts'
import { requirePbjs } from './packages.ts'
import { readJson } from './readJson.ts'
import { serviceModule } from './serviceModule.ts'

interface GenOptions {
  out: string
  include: string[]
  keepCase?: true
  forceLong?: true
  forceNumber?: true
  nullSemantics?: true
  descriptors?: true
}

/** For options that may be given several times. */
export const collect = (value: string, before: string[] = []): string[] => [...before, value]

/** Adds `millrace gen`: messages as classes, services as typed definitions. */
export function addGen(program: Command): void {
  program
    .command('gen')
    .description('write typed messages, clients and handlers for proto files')
    .argument('<file...>', 'proto files')
    .requiredOption('-o, --out <dir>', 'the folder to write to; it is made if it is not there')
    .option('-I, --include <dir>', 'where imports are looked for; may be given several times', collect, [])
    .option('--keep-case', 'keep the names of fields as they are, instead of camelCase')
    .option('--force-long', '64-bit fields are Long objects')
    .option('--force-number', '64-bit fields are numbers, exact up to 2^53')
    .option('--null-semantics', 'fields without presence are never null in the types')
    .option('--descriptors', 'also write what reflection tells of the services')
    .action(gen)
}

async function gen(files: string[], options: GenOptions): Promise<void> {
  const pbjs = requirePbjs()
  const { out, include, keepCase } = options
  // Before anything is written: what does not load leaves the folder as it was.
  const root = loadProto(files, { include, keepCase })
  const makesModules = needsPackageJson(out)
  mkdirSync(out, { recursive: true })
  await writeMessages(pbjs, files, rootName(files, root.files), options)
  const { code, types } = serviceModule(servicesOf(root), files, options.descriptors === true)
  writeFileSync(join(out, 'index.js'), code)
  writeFileSync(join(out, 'index.d.ts'), types)
  const written = ['messages.js', 'messages.d.ts', 'index.js', 'index.d.ts']
  if (options.descriptors) {
    const set = Buffer.from(descriptorSet(await descriptorsOfRoot(root))).toString('base64')
    writeFileSync(join(out, 'descriptors.js'), `export const descriptors =\n  '${set}'\n`)
    written.push('descriptors.js')
  }
  if (makesModules) {
    writeFileSync(join(out, 'package.json'), '{ "type": "module" }\n')
    written.push('package.json')
  }
  process.stdout.write(written.map((name) => `${relative('', join(out, name))}\n`).join(''))
}

/** Of what is in the files, not only of what they are called: all modules of a program share protobufjs's roots. */
function rootName(files: string[], loaded: readonly string[]): string {
  const hash = createHash('sha256')
  for (const file of loaded) if (existsSync(file)) hash.update(readFileSync(file))
  return [...files, hash.digest('hex').slice(0, 16)].join(' ')
}

function writeMessages(
  pbjs: ReturnType<typeof requirePbjs>,
  files: string[],
  name: string,
  options: GenOptions,
): Promise<void> {
  const { out, include, keepCase, forceLong, forceNumber, nullSemantics } = options
  const args = [
    ...['--target', 'static-module', '--wrap', 'esm', '--dts', '--no-service'],
    // A namespace of its own: modules of one name would overwrite each other's classes.
    ...['--root', name],
    ...['--out', join(out, 'messages.js')],
    ...include.flatMap((folder) => ['--path', folder]),
    ...(keepCase ? ['--keep-case'] : []),
    ...(forceLong ? ['--force-long'] : []),
    ...(forceNumber ? ['--force-number'] : []),
    ...(nullSemantics ? ['--null-semantics'] : []),
  ]
  return new Promise((done, failed) => {
    pbjs.main([...args, '--', ...files], (error) => (error === null ? done() : failed(error)))
  })
}

/**
 * Whether the folder needs a package.json for its `.js` files to be ES modules: the nearest one says what they are.
 * Throws if it has one that says otherwise.
 */
function needsPackageJson(folder: string): boolean {
  for (let place = resolve(folder); ; place = dirname(place)) {
    const file = join(place, 'package.json')
    if (existsSync(file)) {
      if ((readJson(file) as { type?: string }).type === 'module') return false
      if (place !== resolve(folder)) return true
      throw new Error(`${file} says that its modules are CommonJS, and these are ES modules: give another folder`)
    }
    if (dirname(place) === place) return true
  }
}
