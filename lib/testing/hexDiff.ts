/** Bytes for the eye: sixteen a line, in hex and as text. */
const WIDTH = 16
/** So many lines are enough to find one's place. */
const MOST_LINES = 8

/** Two runs of bytes, from the line on in which they first differ, which is marked. */
export function hexDiff(expected: Uint8Array, received: Uint8Array): string {
  let at = 0
  while (at < expected.length && at < received.length && expected[at] === received[at]) at++
  const from = at - (at % WIDTH)
  const mark = `${' '.repeat(9 + 3 * (at - from))}^^ byte ${at}`
  return `${hexLines('expected', expected, from)}\n${hexLines('received', received, from)}\n${mark}`
}

/** What is called `name`, from a byte on. */
export function hexLines(name: string, bytes: Uint8Array, from = 0): string {
  const lines: string[] = []
  for (let at = from; at < bytes.length && lines.length < MOST_LINES; at += WIDTH) {
    const row = bytes.subarray(at, at + WIDTH)
    const hex = Array.from(row, (byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const text = Array.from(row, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('')
    lines.push(`${hex.padEnd(3 * WIDTH)} ${text}`)
  }
  if (lines.length === 0) lines.push(from === 0 ? '(nothing)' : '(nothing more)')
  const rest = bytes.length - from - MOST_LINES * WIDTH
  if (rest > 0) lines.push(`and ${rest} bytes more`)
  return lines.map((line, i) => `${i === 0 ? name : ' '.repeat(name.length)} ${line}`).join('\n')
}
