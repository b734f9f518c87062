/** Memory for `n` bytes, not cleared where the platform can spare that; a Buffer on Node. */
export const allocate: (n: number) => Uint8Array =
  typeof Buffer === 'function' ? (n) => Buffer.allocUnsafeSlow(n) : (n) => new Uint8Array(n)

const encoder = new TextEncoder()

/** `data` as bytes: a string is encoded as UTF-8. Anything but a string or a Uint8Array is a TypeError. */
export function toBytes(data: Uint8Array | string): Uint8Array {
  if (typeof data === 'string') return encoder.encode(data)
  if (data instanceof Uint8Array) return data
  throw new TypeError(`data must be a Uint8Array or a string, not ${describe(data)}`)
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  return typeof value === 'object' ? (value.constructor?.name ?? 'an object') : typeof value
}
