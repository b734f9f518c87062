/**
 * Bytes as text of one character each: lossless, and what line protocols of numbers and keywords are made of.
 *
 * The native functions pay off from some length on; they need the Buffer's prototype only, not a Buffer.
 */
type Native = { latin1Slice(start: number, end: number): string; latin1Write(text: string, place: number): number }

const native = typeof Buffer === 'function' ? (Buffer.prototype as unknown as Native) : undefined
/** Shorter results are joined flat by V8, without a rope. */
const SHORT_READ = 12
const SHORT_WRITE = 24
/** As many arguments as any engine takes. */
const PIECE = 4096

/** The bytes of `[start, end)`, which must be there. */
export function readLatin1(bytes: Uint8Array, start: number, end: number): string {
  let text = ''
  if (end - start <= SHORT_READ) {
    for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!)
    return text
  }
  if (native !== undefined) return native.latin1Slice.call(bytes, start, end)
  for (let i = start; i < end; i += PIECE) {
    text += String.fromCharCode(...bytes.subarray(i, Math.min(end, i + PIECE)))
  }
  return text
}

/** Puts `text` at `place`, where there must be room; of characters above U+00FF the lowest byte. */
export function writeLatin1(text: string, bytes: Uint8Array, place: number): void {
  const n = text.length
  if (native !== undefined && n > SHORT_WRITE) native.latin1Write.call(bytes, text, place)
  else for (let i = 0; i < n; i++) bytes[place + i] = text.charCodeAt(i)
}
