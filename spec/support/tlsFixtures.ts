import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A certificate and its key. They are signed by {@link ca}, for a hundred years but for the one that has expired. */
export function certified(name: 'localhost' | 'other' | 'client' | 'expired'): { cert: string; key: string } {
  return { cert: read(`${name}.crt`), key: read(`${name}.key`) }
}

const read = (file: string): string => readFileSync(join(__dirname, '../fixtures/tls', file), 'utf8')

export const ca = read('ca.crt')
