/** The number formats of a Buffer: `reader.readNumber('UInt16BE')` reads as `buffer.readUInt16BE()` does. */
export type NumberFormat =
  'UInt8' | 'Int8' | `${'UInt16' | 'Int16' | 'UInt32' | 'Int32' | 'Float' | 'Double'}${'BE' | 'LE'}` | BigIntFormat

/** Those of 64 bits, which are read as a bigint. */
export type BigIntFormat = `${'BigUInt64' | 'BigInt64'}${'BE' | 'LE'}`

/** What a format is read as. */
export type NumberOf<F extends NumberFormat> = F extends BigIntFormat ? bigint : number

const SIZES: Readonly<Record<string, number>> = {
  UInt8: 1,
  Int8: 1,
  UInt16: 2,
  Int16: 2,
  UInt32: 4,
  Int32: 4,
  Float: 4,
  Double: 8,
  BigUInt64: 8,
  BigInt64: 8,
}

/** Its size in bytes. Throws a TypeError for what is no format. */
export function sizeOf(format: NumberFormat): number {
  const size = SIZES[format.replace(/[BL]E$/, '')]
  if (size === undefined || typeof Buffer.prototype[`read${format}`] !== 'function') {
    throw new TypeError(`${format} is not a number format`)
  }
  return size
}
