import { chooseProtocol, type ChooseProtocolOptions } from '../../lib/endpoints/chooseProtocol.ts'
import { IncompleteReadError, LimitOverrunError, TimeoutError } from '../../lib/errors.ts'
import { BufferedProtocol, type AnyProtocol } from '../../lib/protocol.ts'
import { memoryPair, RecordingProtocol } from '../../lib/testing/index.ts'
import type { Transport } from '../../lib/transport.ts'
import { everySplit } from '../support/everySplit.ts'
import { netDefer, netDial, NetRecorder, netRoundTrip, netServe, netTurns } from '../support/netTools.ts'

/** Which of two words comes first. */
const words =
  (protocols: Record<'GET ' | 'PING', AnyProtocol>) =>
  (bytes: Buffer): AnyProtocol | undefined =>
    bytes.length < 4 ? undefined : protocols[bytes.toString('latin1', 0, 4) as 'PING']

/** A pair in memory whose server chooses; what reaches the error handler of both. */
function pair(decide: (bytes: Buffer) => AnyProtocol | undefined, options?: ChooseProtocolOptions, chunkSize?: number) {
  const errors: unknown[] = []
  const client = new RecordingProtocol()
  const [dialled, accepted] = memoryPair(client, chooseProtocol(decide, options), {
    onConnectionError: (error) => errors.push(error),
    chunkSize,
  })
  netDefer(() => dialled.abort())
  netDefer(() => accepted.abort())
  return { client, dialled, accepted, errors }
}

/** Reads into four bytes at a time, and pauses after each. */
class Sips extends BufferedProtocol {
  readonly #memory = new Uint8Array(4)
  transport!: Transport
  text = ''
  override connectionMade(transport: Transport): void {
    this.transport = transport
    transport.pauseReading()
  }
  override getBuffer(): Uint8Array {
    return this.#memory
  }
  override bufferUpdated(n: number): void {
    this.text += Buffer.from(this.#memory.subarray(0, n)).toString()
    this.transport.pauseReading()
  }
}

describe('chooseProtocol', () => {
  it('hands over at every split: connectionMade, the bytes in order, what comes behind, the end', async () => {
    for (const { name, chunks } of everySplit(Buffer.from('PING and more'))) {
      const [get, ping] = [new RecordingProtocol(), new RecordingProtocol()]
      const { dialled, accepted, client, errors } = pair(words({ 'GET ': get, PING: ping }))
      for (const chunk of chunks) {
        dialled.write(chunk)
        await netTurns(3)
      }
      await ping.untilBytes(13)
      expect([name, ping.data.toString()]).toEqual([name, 'PING and more'])
      expect(ping.transport).toBe(accepted)
      accepted.write('PONG')
      await client.untilBytes(4)
      dialled.close()
      await ping.untilEvent('connectionLost')
      expect(ping.events.filter((each) => each !== 'dataReceived')).toEqual([
        'connectionMade',
        'eofReceived',
        'connectionLost',
      ])
      expect([get.events, errors]).toEqual([[], []])
    }
  })

  it('on a socket; a server-side choice per connection', async () => {
    const made: NetRecorder[] = []
    const { address } = await netServe(() =>
      chooseProtocol((bytes) => {
        if (bytes.length < 2) return undefined
        made.push(new NetRecorder())
        return made.at(-1)!
      }),
    )
    const [one, two] = [await netDial(address), await netDial(address)]
    one.socket.write('a')
    two.socket.end('xyz')
    await netRoundTrip()
    expect(made.map((each) => each.text)).toEqual(['xyz'])
    one.socket.end('b')
    await netRoundTrip()
    expect(made.map((each) => each.text)).toEqual(['xyz', 'ab'])
    expect(made.map((each) => each.log)).toEqual(Array(2).fill(['made', 'data', 'eof', 'lost']))
  })

  describe('when the protocol pauses in connectionMade', () => {
    it.each(['memory', 'socket'])('gets nothing until it reads again, then all in order (%s)', async (kind) => {
      const next = new NetRecorder()
      next.keepOpen = true
      const made = next.connectionMade.bind(next)
      next.connectionMade = (transport) => {
        made(transport)
        transport.pauseReading()
      }
      const send = await sender(kind, () => chooseProtocol(() => next))
      send('first ')
      await next.untilEvent('made')
      send('second')
      await netRoundTrip()
      expect(next.log).toEqual(['made'])
      next.transport.resumeReading()
      next.transport.pauseReading()
      await netRoundTrip()
      expect(next.log).toEqual(['made'])
      next.transport.resumeReading()
      expect(next.log).toEqual(['made'])
      await next.until(() => next.size === 12)
      expect(next.text).toBe('first second')
      send('')
      await next.untilEvent('eof')
      expect(Object.hasOwn(next.transport, 'resumeReading')).toBe(false)
    })

    it('a BufferedProtocol gets it in pieces, a pause between each', async () => {
      const sips = new Sips()
      const { dialled } = pair(() => sips)
      dialled.write('abcdefghij')
      await netTurns(9)
      const seen: string[] = []
      for (let i = 0; i < 4; i++) {
        dialled.write(String(i))
        sips.transport.resumeReading()
        await netTurns(9)
        seen.push(sips.text)
      }
      expect(seen).toEqual(['abcd', 'abcdefgh', 'abcdefghij', 'abcdefghij0123'])
    })

    it('what it throws later is reported, and it learns of it', async () => {
      const lost: unknown[] = []
      let transport!: Transport
      const { dialled, client, errors } = pair(() => ({
        connectionMade(made) {
          transport = made
          made.pauseReading()
        },
        dataReceived() {
          throw new Error('cannot read this')
        },
        connectionLost: (error) => void lost.push(error),
      }))
      dialled.write('x')
      await netTurns(9)
      transport.resumeReading()
      await client.untilEvent('eofReceived')
      await netTurns()
      expect(errors.map(String)).toEqual(['Error: cannot read this'])
      expect(lost).toEqual(errors)
    })

    it('closing drops what was kept', async () => {
      const next = new RecordingProtocol()
      const { dialled, accepted } = pair(() => ({
        connectionMade: (made) => {
          made.pauseReading()
          made.setProtocol(next)
        },
      }))
      dialled.write('x')
      await netTurns(9)
      accepted.close()
      accepted.resumeReading()
      await next.untilEvent('connectionLost')
      expect(next.events).toEqual(['connectionLost'])
    })
  })

  describe('without a choice', () => {
    it('within maxBytes: closed, and reported', async () => {
      const seen: number[] = []
      const decide = (bytes: Buffer): undefined => void seen.push(bytes.length)
      const { dialled, client, errors } = pair(decide, { maxBytes: 8 }, 3)
      dialled.write('0123456789')
      await client.untilEvent('eofReceived')
      expect(seen).toEqual([3, 6, 9])
      expect(errors).toHaveLength(1)
      expect(errors[0]).toBeInstanceOf(LimitOverrunError)
      expect((errors[0] as Error).message).toMatch(/^the first 9 bytes from memory:\d+ do not tell the protocol$/)
    })

    it('before the end of the stream: reported if anything had come', async () => {
      const { dialled, client, errors } = pair(() => undefined)
      dialled.write('abc')
      dialled.writeEof()
      await client.untilEvent('eofReceived')
      expect(errors.map((error) => error instanceof IncompleteReadError)).toEqual([true])
      const quiet = pair(() => undefined)
      quiet.dialled.writeEof()
      await quiet.client.untilEvent('eofReceived')
      expect(quiet.errors).toEqual([])
    })

    it('in time: closed, and reported', async () => {
      const { dialled, client, errors } = pair(() => undefined, { timeoutMs: 20 })
      dialled.write('abc')
      await client.untilEvent('eofReceived')
      await netTurns()
      expect(errors).toHaveLength(1)
      expect(errors[0]).toBeInstanceOf(TimeoutError)
      expect((errors[0] as Error).message).toMatch(
        /^the choice of a protocol for memory:\d+ \(3 bytes so far\) took longer than 20 ms$/,
      )
    })

    it('since decide throws: closed, and reported', async () => {
      const { dialled, client, errors } = pair(() => {
        throw new Error('what is this?')
      })
      dialled.write('abc')
      await client.untilEvent('eofReceived')
      expect(errors.map(String)).toEqual(['Error: what is this?'])
    })
  })

  it('has no time limit once the choice is made', async () => {
    const next = new RecordingProtocol()
    const { dialled, errors } = pair(() => next, { timeoutMs: 20 })
    dialled.write('abc')
    await next.untilBytes(3)
    // One that began later, and has run out.
    await pair(() => undefined, { timeoutMs: 20 }).client.untilEvent('eofReceived')
    dialled.write('d')
    await next.untilBytes(4)
    expect(errors).toEqual([])
  })

  it('refuses limits that are not above 0', () => {
    expect(() => chooseProtocol(() => undefined, { maxBytes: 0 })).toThrow(RangeError)
    expect(() => chooseProtocol(() => undefined, { timeoutMs: NaN })).toThrow(RangeError)
  })
})

/** How the other end sends; nothing for its end. */
async function sender(kind: string, factory: () => AnyProtocol): Promise<(text: string) => void> {
  if (kind === 'memory') {
    const [client] = memoryPair({}, factory())
    netDefer(() => client.abort())
    return (text) => (text === '' ? client.writeEof() : client.write(text))
  }
  const { address } = await netServe(factory)
  const { socket } = await netDial(address)
  return (text) => (text === '' ? void socket.end() : void socket.write(text))
}
