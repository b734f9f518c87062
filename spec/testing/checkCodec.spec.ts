import { lengthPrefixed, varintPrefixed, type Codec } from '../../lib/framing/index.ts'
import { checkCodec } from '../../lib/testing/index.ts'

const frames = ['a', '', 'three', 'x'.repeat(200)].map((text) => Buffer.from(text))

describe('checkCodec', () => {
  it('passes our own frame codecs', () => {
    checkCodec(lengthPrefixed() as Codec<Uint8Array>, frames)
    checkCodec(lengthPrefixed({ lengthFieldLength: 1, littleEndian: true }) as Codec<Uint8Array>, frames)
    checkCodec(varintPrefixed() as Codec<Uint8Array>, frames)
  })

  const sound = lengthPrefixed({ lengthFieldLength: 1 }) as Codec<Uint8Array>
  const wrong = (decode: Codec<Uint8Array>['decode']): Codec<Uint8Array> => ({
    encode: sound.encode.bind(sound),
    decode,
  })

  it('tells a codec that takes the header before the body is there', () => {
    let length: number | undefined
    const careless = wrong((input) => {
      if (length === undefined) {
        length = input.at(0)
        input.skip(1)
      }
      if (input.length < length) return undefined
      const frame = input.take(length)
      length = undefined
      return frame
    })
    expect(() => checkCodec(careless, frames)).toThrow(/cut off/)
  })

  it('tells a codec that throws for want of bytes, and one that loses some', () => {
    expect(() =>
      checkCodec(
        wrong((input) => input.take(1 + input.at(0)).subarray(1)),
        frames,
      ),
    ).toThrow(RangeError)
    const losing = wrong((input) => {
      const frame = sound.decode(input)
      if (frame !== undefined) input.clear()
      return frame
    })
    expect(() => checkCodec(losing, frames)).toThrow(/all at once/)
  })
})
