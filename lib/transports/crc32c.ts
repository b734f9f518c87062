/** By one byte: what it does to the sum. The polynomial is Castagnoli's, its bits reversed. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte
  for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0x82f63b78 : 0)
  return sum
})

/** The checksum CRC32c (RFC 3309, appendix B), as an unsigned number. */
export function crc32c(bytes: Uint8Array): number {
  let sum = 0xffffffff
  for (const byte of bytes) sum = (sum >>> 8) ^ TABLE[(sum ^ byte) & 255]!
  return (sum ^ 0xffffffff) >>> 0
}
