import { ClientWireLog } from '../support/clientWireLog.ts'
import { everySplit } from '../support/everySplit.ts'
import {
  DATA,
  decodeRequest,
  encodeResponse,
  frame,
  NO_DATA,
  REMOTE_CLOSED,
  REMOTE_OPEN,
  REQUEST,
  RESPONSE,
} from '../support/ttrpcRaw.ts'

const HELLO = 0x10
const PING = 0x11
const CANCEL = 0x12
const WINDOW = 0x13
const GOAWAY = 0x14
const METADATA = 0x15

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const answer = (id: number, payload: string): Buffer =>
  frame(id, RESPONSE, 0, encodeResponse({ payload: bytes(payload) }))
const failure = (id: number, code: number, message: string): Buffer =>
  frame(id, RESPONSE, 0, encodeResponse({ status: { code, message } }))
const data = (id: number, text: string, flags = 0): Buffer => frame(id, DATA, flags, bytes(text))
const u32 = (value: number): Buffer => {
  const four = Buffer.alloc(4)
  four.writeUInt32BE(value)
  return four
}
const hello = (features = 'cancel,window,ping,goaway,trailers,large', window = 100, max = 4194304): Buffer =>
  frame(0, HELLO, 0, bytes(`1;${features};window=${window};max=${max}`))

/** A client whose server knows of the extension. */
function extended(features?: string, window?: number): ClientWireLog {
  const client = new ClientWireLog({ offer: true })
  client.start('Call')
  client.receive(hello(features, window), answer(1, ''))
  client.told()
  client.sent()
  return client
}

describe('ClientWire', () => {
  describe('what it sends', () => {
    it('is a Request for a call with one request, with all that it has', () => {
      const client = new ClientWireLog()
      client.start('Call', bytes('hi'), { timeoutMs: 1.5, metadata: [['k', 'ü'], ['k', 'w']] }) // prettier-ignore
      client.start('Down', bytes(''), { timeoutMs: 0 })
      const [first, second] = client.sent()
      expect(first).toMatchObject({ id: 1, type: REQUEST, flags: 0 })
      expect(decodeRequest(first!.data)).toEqual({
        service: 's.S',
        method: 'Call',
        payload: bytes('hi'),
        timeout_nano: 1_500_000,
        metadata: [
          { key: 'k', value: 'ü' },
          { key: 'k', value: 'w' },
        ],
      })
      expect(second).toMatchObject({ id: 3, type: REQUEST, flags: REMOTE_CLOSED })
      // 0 would be no deadline at all.
      expect(decodeRequest(second!.data)).toEqual({ service: 's.S', method: 'Down', timeout_nano: 1 })
    })

    it('is a Request, messages, and an end of its own for a stream', () => {
      const client = new ClientWireLog()
      const call = client.start('Up')
      client.wire.send(call, bytes('a'))
      client.wire.send(call, bytes(''))
      client.wire.end(call)
      client.wire.end(call)
      expect(client.sent().map(({ type, flags, data: { length } }) => [type, flags, length])).toEqual([
        [REQUEST, REMOTE_OPEN | NO_DATA, 9],
        [DATA, 0, 1],
        [DATA, 0, 0],
        [DATA, REMOTE_CLOSED | NO_DATA, 0],
      ])
    })

    it.each([300_000, 2 ** 31 / 1e6, 2 ** 32 / 1e6, 9_007_199_254])('tells a deadline of %d ms', (timeoutMs) => {
      const client = new ClientWireLog()
      client.start('Call', bytes(''), { timeoutMs })
      expect(decodeRequest(client.sent()[0]!.data)['timeout_nano']).toBe(Math.round(timeoutMs * 1e6))
    })

    it.each([1, 127, 128, 16383, 16384, 2097151, 2097152])('tells a payload of %d bytes', (length) => {
      const client = new ClientWireLog()
      client.start('Call', Buffer.alloc(length, 7))
      const payload = decodeRequest(client.sent()[0]!.data)['payload'] as Uint8Array
      // To be compared as bytes: as values, millions take a minute.
      expect(Buffer.compare(payload, Buffer.alloc(length, 7))).toBe(0)
    })

    it('offers the extension once', () => {
      const client = new ClientWireLog({ offer: true, window: 5000, max: 4194304 })
      client.start('Call', bytes(''), { metadata: [['a', 'b']] })
      client.start('Call')
      expect(client.sent().map((frame) => decodeRequest(frame.data)['metadata'])).toEqual([
        [
          { key: 'a', value: 'b' },
          { key: 'millrace-ext', value: '1;cancel,window,ping,goaway,trailers,large;window=5000;max=4194304' },
        ],
        undefined,
      ])
    })

    it('is nothing that is too large', () => {
      const client = new ClientWireLog({ offer: true })
      expect(() => client.start('Call', Buffer.alloc(4194304))).toThrow(/over the peer's limit of 4194304/)
      expect(client.sent()).toEqual([])
      expect(client.wire.calls.size).toBe(0)
      // The offer is still to be made.
      const call = client.start('Up')
      expect(call.id).toBe(3)
      expect(decodeRequest(client.sent()[0]!.data)['metadata']).toHaveLength(1)
      expect(() => client.wire.send(call, Buffer.alloc(4194305))).toThrow(/4194305 bytes.*4194304/)
      client.wire.send(call, Buffer.alloc(4194304))
      expect(client.sent()).toHaveLength(1)
    })

    it('is never Data on a stream that has ended', () => {
      const client = new ClientWireLog()
      const call = client.start('Both')
      client.receive(frame(1, DATA, REMOTE_CLOSED | NO_DATA))
      client.sent()
      client.wire.end(call)
      client.wire.cancel(call, 1)
      expect(call.open).toBe(false)
      expect(client.sent()).toEqual([])
    })

    it('passes over the id of the connection, and ends with the last', () => {
      const client = new ClientWireLog()
      expect(client.wire.hasIds).toBe(true)
      const ids: number[] = []
      // As if 2^30 calls had been made before.
      client.wire.skipTo(0x7ffffffd)
      for (let i = 0; i < 2; i++) ids.push(client.start('Call').id)
      client.wire.skipTo(0xfffffffd)
      for (let i = 0; i < 2; i++) ids.push(client.start('Call').id)
      expect(ids).toEqual([0x7ffffffd, 0x80000001, 0xfffffffd, 0xffffffff])
      expect(client.wire.hasIds).toBe(false)
      client.receive(answer(0xffffffff, 'last'))
      expect(client.told()).toEqual(['response 4294967295 "last"'])
    })
  })

  describe('what it is sent', () => {
    it('is told, whatever the chunks', () => {
      const session = Buffer.concat([
        answer(1, 'one'),
        data(3, 'a'),
        data(3, ''),
        data(3, 'b', REMOTE_CLOSED),
        failure(5, 5, 'nothing'),
        data(7, 'x'),
        frame(7, DATA, REMOTE_CLOSED | NO_DATA),
        frame(9, RESPONSE),
      ])
      for (const { chunks } of everySplit(session)) {
        const client = new ClientWireLog()
        for (const name of ['Call', 'Down', 'Down', 'Both', 'Up']) client.start(name)
        client.receive(...chunks)
        expect(client.told()).toEqual([
          'response 1 "one"',
          'message 3 "a" costs 11',
          'message 3 "" costs 10',
          'message 3 "b" costs 11',
          'end 3',
          'response 5 5 nothing 0',
          'message 7 "x" costs 11',
          'end 7',
          'response 9 ""',
        ])
        expect(client.wire.calls.size).toBe(0)
      }
    })

    it('is dropped if it is for no call that there is', () => {
      const client = new ClientWireLog()
      client.start('Call')
      client.receive(answer(0, 'x'), answer(2, 'x'), answer(99, 'x'), data(3, 'x'), frame(1, 77), frame(1, REQUEST))
      client.receive(answer(1, 'yes'), answer(1, 'again'), failure(1, 5, 'again'))
      expect(client.told()).toEqual(['response 1 "yes"'])
    })

    it('ends a call with one response if it is Data', () => {
      const client = new ClientWireLog()
      client.start('Call')
      client.start('Up')
      client.sent()
      client.receive(data(1, 'x'), data(3, 'x'), answer(3, 'late'))
      expect(client.told()).toEqual([expect.stringMatching(/^violated 1 /), expect.stringMatching(/^violated 3 /)])
      // Nothing can be said of it.
      expect(client.sent()).toEqual([])
    })

    it('ends the call if it cannot be decoded', () => {
      const client = new ClientWireLog()
      client.start('Call')
      client.start('Call')
      client.receive(frame(1, RESPONSE, 0, Buffer.of(18, 9)), answer(3, 'next'))
      expect(client.told()).toEqual([expect.stringContaining('violated 1 undecodable'), 'response 3 "next"'])
    })

    it('ends the call if it is too large, and the connection if it is far too large', () => {
      const client = new ClientWireLog({ max: 1000 })
      client.start('Call')
      client.start('Call')
      client.receive(answer(1, 'x'.repeat(1000)), answer(3, 'next'))
      expect(client.told()).toEqual([expect.stringMatching(/^response 1 8 .*1003.*1000/), 'response 3 "next"'])
      client.receive(Buffer.concat([u32(0xffffffff), u32(9), Buffer.of(RESPONSE, 0)]), answer(5, 'x'))
      expect(client.told()).toEqual([expect.stringContaining('failed a frame of 4294967295 bytes')])
    })

    it('that is the last one of a call has nothing sent behind it, whatever is wrong with it', () => {
      const client = new ClientWireLog({ max: 1000 })
      for (const name of ['Up', 'Both', 'Up', 'Both', 'Up', 'Both']) client.start(name)
      client.sent()
      client.receive(frame(1, RESPONSE, 0, Buffer.alloc(1001)), frame(3, RESPONSE, 0, Buffer.of(18, 9)))
      client.receive(data(5, 'x', REMOTE_CLOSED), frame(7, DATA, REMOTE_CLOSED, Buffer.alloc(1001)))
      expect(client.told()).toHaveLength(4)
      expect(client.sent()).toEqual([])
      // What is not the last is answered, as far as that can be.
      client.receive(data(9, 'x'), frame(11, DATA, 0, Buffer.alloc(1001)))
      expect(client.told()).toHaveLength(2)
      expect(client.sent().map(({ id, flags }) => [id, flags])).toEqual([[11, REMOTE_CLOSED | NO_DATA]])
    })

    it('tells status 0 as success, and details', () => {
      const client = new ClientWireLog()
      client.start('Call')
      client.start('Call')
      const details = [{ type_url: 'a/b', value: bytes('x') }, {}]
      client.receive(
        frame(1, RESPONSE, 0, encodeResponse({ status: { message: 'fine' }, payload: bytes('p') })),
        frame(3, RESPONSE, 0, encodeResponse({ status: { code: 99, details } })),
      )
      expect(client.told()).toEqual(['response 1 "p"', 'response 3 99  2'])
    })
  })

  describe('the extension', () => {
    it('is there with a Hello in front of everything else', () => {
      const client = new ClientWireLog({ offer: true })
      client.start('Call')
      client.receive(hello(), answer(1, 'x'))
      expect(client.told()).toEqual(['negotiated the extension', 'response 1 "x"'])
      expect(client.wire.can('ping')).toBe(true)
    })

    it.each([
      ['another frame', [] as Buffer[]],
      ['a Hello that is none', [frame(0, HELLO, 0, bytes('nonsense'))]],
      ['a Hello of another version', [frame(0, HELLO, 0, bytes('9;ping;window=1;max=4194304'))]],
      ['a Hello on a call', [frame(1, HELLO, 0, hello().subarray(10))]],
    ])('is not there with %s', (_, frames) => {
      const client = new ClientWireLog({ offer: true })
      client.start('Call')
      client.start('Down')
      client.receive(...frames, answer(1, 'x'), hello())
      expect(client.told()).toEqual(['negotiated nothing', 'response 1 "x"'])
      client.wire.cancel(client.start('Down'), 1)
      expect(client.sent().filter(({ type }) => type > 3)).toEqual([])
    })

    it('is not taken up where it was not offered', () => {
      const client = new ClientWireLog()
      client.start('Call')
      client.receive(hello(), frame(0, PING, 0, Buffer.alloc(8)), frame(0, GOAWAY, 0, u32(0)), answer(1, 'x'))
      expect(client.told()).toEqual(['response 1 "x"'])
      expect(client.sent()).toHaveLength(1)
    })

    it('tells the server why a call was given up; what still comes is dropped', () => {
      const client = extended()
      client.wire.cancel(client.start('Call'), 4)
      client.wire.cancel(client.start('Both'), 1)
      expect(client.sent().filter(({ type }) => type !== REQUEST)).toEqual([
        { id: 3, type: CANCEL, flags: 0, data: u32(4) },
        { id: 5, type: CANCEL, flags: 0, data: u32(1) },
      ])
      client.receive(answer(3, 'x'), data(5, 'x'), frame(5, METADATA, 1, bytes('')))
      expect(client.told()).toEqual([])
    })

    describe('tells the server of calls that were given up before it was known', () => {
      const begun = (): ClientWireLog => {
        const client = new ClientWireLog({ offer: true })
        client.start('Call')
        client.wire.cancel(client.start('Down'), 4)
        client.wire.cancel(client.start('Both'), 1)
        client.wire.cancel(client.start('Up'), 1)
        client.wire.cancel(client.start('Both'), 1)
        expect(client.sent().map(({ id, type }) => [id, type])).toEqual([1, 3, 5, 7, 9].map((id) => [id, REQUEST]))
        return client
      }

      it('with the extension, why', () => {
        const client = begun()
        client.receive(hello(), answer(1, 'x'))
        expect(client.sent()).toEqual([
          { id: 3, type: CANCEL, flags: 0, data: u32(4) },
          ...[5, 7, 9].map((id) => ({ id, type: CANCEL, flags: 0, data: u32(1) })),
        ])
      })

      it('without it, that no more messages come, but where that would make a part the whole', () => {
        const client = begun()
        client.receive(data(5, 'x'), answer(1, 'x'), answer(7, 'x'))
        client.wire.cancel(client.start('Up'), 1)
        client.wire.cancel(client.start('Both'), 1)
        const sent = client.sent().filter(({ type }) => type !== REQUEST)
        const end = { type: DATA, flags: REMOTE_CLOSED | NO_DATA, data: bytes('') }
        expect(sent).toEqual([5, 9, 13].map((id) => ({ id, ...end })))
      })

      it.each([
        ['an answer', answer(5, 'x')],
        ['the end of its stream', frame(5, DATA, REMOTE_CLOSED | NO_DATA)],
      ])('but nothing behind %s', (_, final) => {
        const client = begun()
        client.receive(final)
        expect(client.sent().map(({ id }) => id)).toEqual([9])
      })
    })

    it('counts what was sent before it was known', () => {
      const client = new ClientWireLog({ offer: true })
      const call = client.start('Up')
      client.wire.send(call, Buffer.alloc(90))
      expect(call.window!.maySend).toBe(true)
      client.receive(hello(undefined, 100))
      expect(call.window!.maySend).toBe(false)
      client.receive(frame(1, WINDOW, 0, u32(1)), frame(3, WINDOW, 0, u32(1)), frame(1, WINDOW, 0, bytes('123')))
      expect(client.told()).toEqual(['negotiated the extension', 'window 1'])
      expect(call.window!.maySend).toBe(true)
    })

    it('answers pings, and tells of answers', () => {
      const client = extended()
      client.receive(
        frame(0, PING, 0, bytes('12345678')),
        frame(0, PING, 0, bytes('1')),
        frame(0, PING, 1, Buffer.alloc(8)),
      )
      client.wire.ping()
      expect(client.told()).toEqual(['pong'])
      expect(client.sent()).toEqual([
        { id: 0x7fffffff, type: PING, flags: 1, data: bytes('12345678') },
        { id: 0x7fffffff, type: PING, flags: 0, data: Buffer.alloc(8) },
      ])
    })

    it('tells which calls a server that goes away has not seen', () => {
      const client = extended()
      for (const name of ['Call', 'Down', 'Up', 'Call']) client.start(name)
      client.receive(frame(0, GOAWAY, 0, Buffer.concat([u32(5), bytes('bye')])), answer(3, 'x'), answer(7, 'never'))
      expect(client.told()).toEqual(['going away: bye, without 7,9', 'response 3 "x"'])
      client.receive(frame(0, GOAWAY, 0, bytes('xx')))
      expect(client.told()).toEqual([])
    })

    it('tells headers and trailers, also those in a Response', () => {
      const client = extended()
      client.start('Down')
      client.start('Call')
      const pair = Buffer.of(42, 6, 10, 1, 97, 18, 1, 98)
      const inResponse = Buffer.of(0xaa, 6, 6, 10, 1, 97, 18, 1, 98, 0xb2, 6, 3, 10, 1, 116)
      client.receive(frame(3, METADATA, 0, pair), frame(3, METADATA, 1, Buffer.concat([pair, pair])))
      client.receive(frame(5, RESPONSE, 0, inResponse))
      expect(client.told()).toEqual([
        'headers 3 [["a","b"]]',
        'trailers 3 [["a","b"],["a","b"]]',
        'response 5 "" [[["a","b"]],[["t",""]]]',
      ])
    })

    it('ends a call whose metadata cannot be decoded', () => {
      const client = extended()
      client.start('Down')
      client.sent()
      client.receive(frame(3, METADATA, 0, Buffer.of(42, 9)), data(3, 'x'))
      expect(client.told()).toEqual([expect.stringContaining('violated 3 undecodable')])
      expect(client.sent()).toEqual([{ id: 3, type: CANCEL, flags: 0, data: u32(1) }])
    })

    it('sends larger messages to a server that takes them', () => {
      const client = new ClientWireLog({ offer: true })
      client.start('Call')
      client.receive(hello('large', 100, 6_000_000))
      client.start('Call', Buffer.alloc(5_000_000))
      expect(() => client.start('Call', Buffer.alloc(6_000_000))).toThrow(/6000000/)
    })
  })
})
