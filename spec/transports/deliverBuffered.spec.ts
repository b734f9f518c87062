import type { AnyProtocol } from '../../lib/protocol.ts'
import { deliverBuffered } from '../../lib/transports/deliverBuffered.ts'

describe('deliverBuffered', () => {
  it('of a chunk that is borrowed delivers what it was, whatever is read into its memory meanwhile', () => {
    const chunk = Buffer.from('abcdefgh')
    const block = Buffer.alloc(3)
    let text = ''
    const protocol: AnyProtocol = {
      getBuffer: () => block,
      bufferUpdated: (n) => {
        text += block.toString('latin1', 0, n)
        chunk.fill('z')
      },
    }
    const transport = { getProtocol: () => protocol, isReading: () => text.length < 6 }
    expect(String(deliverBuffered(transport, chunk, true))).toBe('gh')
    expect(text).toBe('abcdef')
  })
})
