import { readFileSync } from 'node:fs'

/** What a JSON file says. Throws if it cannot be read, and an Error that names it if it is none. */
export function readJson(file: string): unknown {
  const text = readFileSync(file, 'utf8')
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`${file} is no JSON: ${(error as Error).message}`, { cause: error })
  }
}
