// One huge frame through every decoder, in chunks of 1 byte to 64 KiB: the time must grow with the frame, not with its
// square. Prints the seconds for a quarter, a half and the whole, and by how much doubling the frame multiplies the time:
// 2 is linear, 4 is quadratic.
//   node bench/slope.mjs [megabytes] [part of a decoder's name]
import { performance } from 'node:perf_hooks'
import * as framing from '../dist/esm/framing/index.js'

const megabytes = Number(process.argv[2] ?? 100)
const wanted = process.argv[3] ?? ''

const maxFrameLength = 2 ** 30
const maxLength = maxFrameLength
const onTooLong = 'discard'
const u32 = (n) => Buffer.from([n >>> 24, n >>> 16, n >>> 8, n])
const varint = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...varint(n >>> 7)])
const text = (each) => Buffer.from(each)
const a = 0x61

/** What comes before `n` bytes, which byte these are, and what comes after. */
const decoders = [
  ['lengthPrefixed', framing.lengthPrefixed({ maxFrameLength }), u32, a, ''],
  ['lengthPrefixed, discarding', framing.lengthPrefixed({ maxFrameLength: 10, onTooLong }), u32, a, ''],
  ['varintPrefixed', framing.varintPrefixed({ maxFrameLength }), (n) => Buffer.from(varint(n)), a, ''],
  ['netstrings', framing.netstrings({ maxFrameLength }), (n) => text(`${n}:`), a, ','],
  ['grpcPrefixed', framing.grpcPrefixed({ maxFrameLength }), (n) => Buffer.concat([text('\0'), u32(n)]), a, ''],
  ['delimited', framing.delimited({ maxFrameLength }), () => text(''), a, '\n'],
  [
    'three delimiters',
    framing.delimited({ maxFrameLength, delimiter: ['\r\n', '\n', 'END'] }),
    () => text(''),
    a,
    'END',
  ],
  [
    'delimited, discarding',
    framing.delimited({ maxFrameLength: 10, onTooLong, delimiter: '\r\n' }),
    () => text(''),
    a,
    '\r\n',
  ],
  ['lines', framing.lines({ maxLength }), () => text(''), a, '\n'],
  ['jsonLines', framing.jsonLines({ maxLength }), () => text('"'), a, '"\n'],
  ['jsonObjects', framing.jsonObjects({ maxFrameLength }), () => text('["'), a, '"]'],
  ['cobs', framing.cobs({ maxFrameLength }), () => text('\x01'), 1, '\0'],
  ['slip', framing.slip({ maxFrameLength }), () => Buffer.from([0xdb, 0xdc]), a, Buffer.from([0xc0])],
  ['FramedReader', framing.lengthPrefixed({ maxFrameLength }), u32, a, ''],
]

/** Feeds one frame of `n` bytes; returns the seconds until it is out. */
async function run([name, codec, head, byte, tail], n, size) {
  const chunk = Buffer.alloc(size, byte)
  const start = performance.now()
  let done = false
  let push
  if (name === 'FramedReader') {
    const reader = new framing.FramedReader(codec)
    const message = reader.readMessage().then(() => (done = true))
    push = (bytes) => reader.feedData(bytes)
    await feed()
    await message
  } else {
    const decoder = new framing.MessageDecoder(codec)
    push = (bytes) => {
      decoder.push(bytes)
      try {
        if (decoder.next() !== undefined) done = true
      } catch (error) {
        if (!error.recoverable) throw error
        done = true
      }
    }
    await feed()
  }
  if (!done) throw new Error(`${name} found no frame`)
  return (performance.now() - start) / 1000

  function feed() {
    push(head(n))
    for (let left = n; left > 0; left -= size) push(left < size ? chunk.subarray(0, left) : chunk)
    push(Buffer.from(tail))
  }
}

const sizes = [1, 64, 1024, 64 * 1024]
const parts = [megabytes / 4, megabytes / 2, megabytes]
console.log(`seconds for one frame of ${parts.join(', ')} MB, and the factor of the last doubling`)
const table = {}
for (const decoder of decoders) {
  const [name] = decoder
  if (!name.includes(wanted)) continue
  table[name] = {}
  for (const size of sizes) {
    // Once before it counts, to have it compiled.
    await run(decoder, 1e5, size)
    const times = []
    for (const part of parts) times.push(await run(decoder, Math.round(part * 1e6), size))
    const factor = (times[2] / times[1]).toFixed(1)
    table[name][`in ${size} B`] = `${times.map((time) => time.toFixed(2)).join(' ')} ×${factor}`
  }
}
console.table(table)
