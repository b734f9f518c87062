import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'

// Leftmost first: a file imports only from its own room and from rooms in front of it.
const street = [
  ['errors', 'clock', 'frameEvents', 'rpcEvents', 'diagnostics', 'wait', 'bytes'],
  ['tlsOptions', 'transport', 'protocol'],
  ['transports'],
  ['layers'],
  ['endpoints'],
  ['streams'],
  ['framing'],
  ['messages'],
  ['compression'],
  ['protobuf'],
  ['rpc'],
  ['structured'],
  ['index'],
  ['testing'],
  ['cli'],
]
const lib = join(__dirname, '../lib')
const files = readdirSync(lib, { recursive: true })
  .map(String)
  .filter((file) => file.endsWith('.ts'))
const roomOf = (file: string): string => file.split('/')[0]!.replace(/\.ts$/, '')

// Rooms that may use Node's own modules (of tlsOptions only the types). Framing, protobuf and rpc must also run in a browser.
const nodeRooms = new Set([
  'tlsOptions',
  'diagnostics',
  'transports',
  'layers',
  'endpoints',
  'compression',
  'structured',
  'testing',
  'cli',
])
// Folders and files of other rooms that may, too.
const nodePlaces = ['streams/interop/']
const mayUseNode = (file: string): boolean =>
  nodeRooms.has(roomOf(file)) || nodePlaces.some((place) => file.startsWith(place))

const placeOf = (file: string): number => street.findIndex((rooms) => rooms.includes(roomOf(file)))

function importsOf(file: string): string[] {
  const source = readFileSync(join(lib, file), 'utf8')
  return [...source.matchAll(/^(?:import|export)\b[^'"]*?from '([^']+)'/gms)].map(([, path]) => path!)
}

describe('the street', () => {
  it('has a place for every file', () => {
    expect(files.filter((file) => placeOf(file) === -1)).toEqual([])
    expect(files.length).toBeGreaterThan(20)
  })

  it('runs in one direction', () => {
    const backwards = files.flatMap((file) =>
      importsOf(file)
        .filter((path) => path.startsWith('.'))
        .map((path) => posix.join(posix.dirname(file), path))
        .filter((target) => placeOf(target) > placeOf(file))
        .map((target) => `${file} imports ${target}`),
    )
    expect(backwards).toEqual([])
  })

  it('keeps node: out of the rooms that a browser needs, and other packages out of all but protobuf and cli', () => {
    const foreign = files.flatMap((file) =>
      importsOf(file)
        .filter((path) => !path.startsWith('.'))
        .filter((path) => !(path.startsWith('node:') && mayUseNode(file)))
        .filter((path) => !(path === 'commander' && roomOf(file) === 'cli'))
        .filter((path) => !(path.split('/')[0] === 'protobufjs' && ['protobuf', 'cli'].includes(roomOf(file))))
        .map((path) => `${file} imports ${path}`),
    )
    expect(foreign).toEqual([])
  })

  it('keeps node: out of all that framing, protobuf and rpc load, however far down', () => {
    const seen = new Set<string>()
    const load = (file: string): void => {
      if (seen.has(file)) return
      seen.add(file)
      const source = readFileSync(join(lib, file), 'utf8')
      for (const [, path] of source.matchAll(/^(?:import|export)\b(?! type\b)[^'"]*?from '([^']+)'/gms)) {
        if (path!.startsWith('.')) load(posix.join(posix.dirname(file), path!))
        else if (path!.startsWith('node:')) seen.add(path!)
      }
    }
    load('framing/index.ts')
    load('protobuf/index.ts')
    // Of calls all but listening and connecting.
    for (const file of ['serverConnection', 'clientConnection', 'makeClient', 'service']) load(`rpc/${file}.ts`)
    expect(seen.size).toBeGreaterThan(30)
    expect([...seen].filter((path) => path.startsWith('node:'))).toEqual([])
  })

  it('has one clock: no other timers, no other readings of time', () => {
    const own = /(?<!clock\.)\b(setTimeout|setInterval|performance\.now|hrtime)\(/
    // A turn of the loop is no time.
    const turn = /\(callback\) => setTimeout\(callback, 0\)/
    const others = files
      // A capture tells the time of the day.
      .filter((file) => !['clock.ts', 'layers/pcapFile.ts'].includes(file) && roomOf(file) !== 'testing')
      .flatMap((file) =>
        readFileSync(join(lib, file), 'utf8')
          .split('\n')
          .map((line) => `${file}: ${line.trim()}`),
      )
      .filter((line) => own.test(line) && !turn.test(line))
    expect(others).toEqual([])
  })

  it('has no default exports, no utils, and files of at most 400 lines, unless their head says why', () => {
    for (const file of files) {
      const source = readFileSync(join(lib, file), 'utf8')
      expect(file).not.toMatch(/utils|helpers|common|core|types\.ts/)
      expect([file, /^export default/m.test(source)]).toEqual([file, false])
      const tooLong = source.split('\n').length > 400 && !/Above 400 lines: /.test(source)
      expect([file, tooLong]).toEqual([file, false])
    }
  })
})
