import { realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** Where packages are looked for: beside the command, as it is installed, and then where the user is. */
function requires(): NodeJS.Require[] {
  const command = process.argv[1]
  return [...(command === undefined ? [] : [realpathSync(command)]), join(process.cwd(), 'package.json')].map((place) =>
    createRequire(place),
  )
}

function find<T>(name: string, use: (require: NodeJS.Require) => T): T | undefined {
  for (const require of requires()) {
    try {
      return use(require)
    } catch (error) {
      // What is there and does not load is another matter.
      const { code, message } = error as NodeJS.ErrnoException
      if (code !== 'MODULE_NOT_FOUND' || !message.includes(`'${name}'`)) throw error
    }
  }
  return undefined
}

/** The version of this package. */
export function packageVersion(): string {
  const found = find('millrace/package.json', (require) => require('millrace/package.json') as { version: string })
  return found?.version ?? 'unknown'
}

/** The folder of protobufjs, which has the files of `google/` in it; undefined if it is not where it should be. */
export function protobufjsFolder(): string | undefined {
  return find('protobufjs/package.json', (require) => dirname(require.resolve('protobufjs/package.json')))
}

/** What protobufjs-cli is used for: `pbjs` as a function. */
export interface Pbjs {
  main(args: readonly string[], callback: (error: Error | null) => void): unknown
}

/** Throws if it is not installed, and says how to mend that. */
export function requirePbjs(): Pbjs {
  const found = find('protobufjs-cli', (require) => require('protobufjs-cli') as { pbjs: Pbjs })
  if (found !== undefined) return found.pbjs
  throw new Error('`millrace gen` needs protobufjs-cli, which is not installed: npm install --save-dev protobufjs-cli')
}
