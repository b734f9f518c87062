import { runInNewContext } from 'node:vm'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { transpileModule, ModuleKind } from 'typescript'
import * as withBuffer from '../../lib/bytes/latin1.ts'

/** The module as a platform without Buffer has it. */
function withoutBuffer(): typeof withBuffer {
  const source = readFileSync(join(__dirname, '../../lib/bytes/latin1.ts'), 'utf8')
  const { outputText } = transpileModule(source, { compilerOptions: { module: ModuleKind.CommonJS, target: 9 } })
  const exports = {}
  runInNewContext(outputText, { exports })
  return exports as typeof withBuffer
}

describe.each([
  ['with Buffer', withBuffer],
  ['without Buffer', withoutBuffer()],
])('readLatin1 and writeLatin1, %s', (_, { readLatin1, writeLatin1 }) => {
  const bytes = Uint8Array.from({ length: 10_000 }, (_byte, i) => i % 256)
  const all = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')

  it('are each other’s inverse, at every length', () => {
    for (const n of [0, 1, 12, 13, 24, 25, 4095, 4096, 4097, 9000]) {
      const text = readLatin1(bytes, 7, 7 + n)
      expect(text).toBe(all.slice(7, 7 + n))
      const copy = new Uint8Array(n + 2).fill(0xee)
      writeLatin1(text, copy, 1)
      expect(copy).toEqual(Uint8Array.of(0xee, ...bytes.subarray(7, 7 + n), 0xee))
    }
  })
})
