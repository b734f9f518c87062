const WIDTH = 16
const NOT_PRINTABLE = '.'

/**
 * The bytes as `hexdump -C` prints them: sixteen to a line, in hexadecimal and as ASCII, lines that repeat the one above
 * as one `*`, and the length at the end. Lines are separated by newlines; no bytes are no lines.
 */
export function hexDump(data: Uint8Array): string {
  if (data.length === 0) return ''
  const lines: string[] = []
  let previous: Uint8Array | undefined
  let repeated = false
  for (let at = 0; at < data.length; at += WIDTH) {
    const row = data.subarray(at, at + WIDTH)
    if (previous !== undefined && row.length === WIDTH && equal(row, previous)) {
      if (!repeated) lines.push('*')
      repeated = true
      continue
    }
    repeated = false
    previous = row
    lines.push(`${offset(at)}  ${columns(row)}  |${ascii(row)}|`)
  }
  lines.push(offset(data.length))
  return lines.join('\n')
}

const offset = (at: number): string => at.toString(16).padStart(8, '0')

function columns(row: Uint8Array): string {
  let text = ''
  for (let i = 0; i < WIDTH; i++) {
    if (i === WIDTH / 2) text += ' '
    text += i < row.length ? row[i]!.toString(16).padStart(2, '0') : '  '
    if (i < WIDTH - 1) text += ' '
  }
  return text
}

function ascii(row: Uint8Array): string {
  let text = ''
  for (const byte of row) text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : NOT_PRINTABLE
  return text
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < WIDTH; i++) if (a[i] !== b[i]) return false
  return true
}
