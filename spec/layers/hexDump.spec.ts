import { spawnSync } from 'node:child_process'
import { hexDump } from '../../lib/layers/hexDump.ts'
import { itWith } from '../support/program.ts'

const bytes = (n: number): Buffer => Buffer.from(Array.from({ length: n }, (_, i) => i & 0xff))

const itWithHexdump = itWith('hexdump')

describe('hexDump', () => {
  it('shows sixteen bytes to a line, as numbers and as ASCII, and the length', () => {
    expect(hexDump(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n'))).toBe(
      [
        '00000000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  |GET / HTTP/1.1..|',
        '00000010  48 6f 73 74 3a 20 78 0d  0a                       |Host: x..|',
        '00000019',
      ].join('\n'),
    )
  })

  it('shows lines that repeat as one star', () => {
    expect(hexDump(Buffer.alloc(70)).split('\n').slice(1)).toEqual([
      '*',
      '00000040  00 00 00 00 00 00                                 |......|',
      '00000046',
    ])
  })

  it('shows nothing of nothing', () => {
    expect(hexDump(Buffer.alloc(0))).toBe('')
  })

  itWithHexdump('prints what hexdump -C prints', async () => {
    const inputs = [1, 7, 8, 9, 15, 16, 17, 256, 1000].map(bytes)
    inputs.push(
      Buffer.alloc(64),
      Buffer.alloc(65),
      Buffer.alloc(16, 'a'),
      Buffer.concat([bytes(16), bytes(48), bytes(16)]),
    )
    for (const input of inputs) {
      const { stdout } = spawnSync('hexdump', ['-C'], { input })
      expect(`${hexDump(input)}\n`).toBe(stdout.toString())
    }
  })
})
