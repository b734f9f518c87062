import { rawBytes, ServerWireLog } from '../support/serverWireLog.ts'
import { DATA, frame, NO_DATA, REMOTE_CLOSED, REMOTE_OPEN, request, REQUEST, RESPONSE } from '../support/ttrpcRaw.ts'

const PING = 0x11
const CANCEL = 0x12
const WINDOW = 0x13
const GOAWAY = 0x14
const METADATA = 0x15
const SVC = 'millrace.test.Echo'
const INVALID_ARGUMENT = 3
const RESOURCE_EXHAUSTED = 8

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const ask = (id: number, method: string, payload = '', more: object = {}): Buffer =>
  request(id, method, { payload: bytes(payload), ...more })
const data = (id: number, text: string, flags = 0): Buffer => frame(id, DATA, flags, bytes(text))
const halfClose = (id: number): Buffer => frame(id, DATA, REMOTE_CLOSED | NO_DATA)
const u32 = (value: number): Buffer => {
  const four = Buffer.alloc(4)
  four.writeUInt32BE(value)
  return four
}
const refusal = (id: number, code: number, message: unknown): object => ({
  id,
  type: RESPONSE,
  flags: 0,
  code,
  message,
})
const offer = (features = 'cancel,window,ping,goaway,trailers,large', window = 100, max = 4194304): object => ({
  metadata: [{ key: 'millrace-ext', value: `1;${features};window=${window};max=${max}` }],
})
const containing = (text: string): unknown => expect.stringContaining(text)

/** A server whose client has offered the extension, with the first call answered. */
function extended(features?: string, window?: number, limits?: { window?: number; max?: number }): ServerWireLog {
  const server = new ServerWireLog(limits)
  server.receive(ask(1, 'Call', '', offer(features, window)))
  server.wire.respond(server.call(1), rawBytes, bytes(''))
  server.told()
  server.sent.take()
  return server
}

describe('ServerWire', () => {
  describe('calls', () => {
    // Every kind of call, one after the other on one connection.
    const session = Buffer.concat([
      ask(1, 'Call', 'one'),
      ask(3, 'Call', 'two', { timeout_nano: 1_500_000_000, metadata: [{ key: 'k', value: 'välue' }] }),
      ask(5, 'Up', '', { flags: REMOTE_OPEN | NO_DATA }),
      data(5, 'a'),
      data(5, ''),
      data(5, 'b', REMOTE_CLOSED),
      ask(7, 'Both', '', { flags: REMOTE_OPEN }),
      data(7, 'c'),
      halfClose(7),
      ask(77, 'Call', 'gap'),
      ask(0xffffffff, 'Down', 'last', { flags: REMOTE_CLOSED }),
    ])
    const told = [
      `request 1 ${SVC}/Call "one"`,
      `request 3 ${SVC}/Call "two" timeout 1500000000 [["k","välue"]] same`,
      `request 5 ${SVC}/Up "" flags ${REMOTE_OPEN | NO_DATA}`,
      'message 5 "a" costs 11',
      'message 5 "" costs 10',
      'message 5 "b" costs 11',
      'end 5',
      `request 7 ${SVC}/Both "" flags ${REMOTE_OPEN}`,
      'message 7 "c" costs 11',
      'end 7',
      `request 77 ${SVC}/Call "gap"`,
      `request 4294967295 ${SVC}/Down "last" flags ${REMOTE_CLOSED}`,
    ]

    it('are told in order, whatever the chunks', () => {
      for (let split = 0; split <= session.length; split++) {
        const server = new ServerWireLog()
        server.receive(session.subarray(0, split), session.subarray(split))
        expect(server.told()).toEqual(told)
        expect(server.sent.take()).toEqual([])
      }
    })

    it('are told in order, byte by byte', () => {
      const server = new ServerWireLog()
      for (const byte of session) server.receive(Buffer.of(byte))
      expect(server.told()).toEqual(told)
    })

    it('end with their Response', () => {
      const server = new ServerWireLog()
      server.receive(ask(1, 'Call'), ask(3, 'Call'))
      server.wire.respond(server.call(3), rawBytes, bytes('three'))
      server.wire.respond(server.call(1), rawBytes, bytes(''))
      expect(server.sent.take()).toEqual([
        { id: 3, type: RESPONSE, flags: 0, payload: bytes('three') },
        // Not even an empty payload: protobuf leaves it out.
        { id: 1, type: RESPONSE, flags: 0 },
      ])
      expect(server.wire.calls.size).toBe(0)
    })

    it('that stream end with a frame of its own, or with a Response that tells the error', () => {
      const server = new ServerWireLog()
      server.receive(ask(1, 'Down'), ask(3, 'Down'))
      server.wire.send(server.call(1), rawBytes, bytes('x'))
      server.wire.send(server.call(1), rawBytes, bytes(''))
      server.wire.end(server.call(1))
      server.wire.fail(server.call(3), 5, 'nothing there', [])
      expect(server.sent.take()).toEqual([
        { id: 1, type: DATA, flags: 0, payload: bytes('x') },
        { id: 1, type: DATA, flags: 0, payload: bytes('') },
        { id: 1, type: DATA, flags: REMOTE_CLOSED | NO_DATA, payload: bytes('') },
        refusal(3, 5, 'nothing there'),
      ])
      expect(server.wire.calls.size).toBe(0)
    })

    it('are told apart by name, though the last name is remembered', () => {
      const server = new ServerWireLog()
      const encode = (service: string, method: string): Buffer =>
        Buffer.concat([Buffer.of(10, service.length), bytes(service), Buffer.of(18, method.length), bytes(method)])
      const ab = encode('a', 'Bcd')
      server.receive(frame(1, REQUEST, 0, ab))
      // The same bytes, followed by another name: the last one counts.
      server.receive(frame(3, REQUEST, 0, Buffer.concat([ab, Buffer.of(18, 1), bytes('X')])))
      server.receive(frame(5, REQUEST, 0, ab))
      server.receive(frame(7, REQUEST, 0, ab))
      // The other way round, and a longer name that begins like the last.
      server.receive(frame(9, REQUEST, 0, Buffer.concat([Buffer.of(18, 1), bytes('M'), Buffer.of(10, 1), bytes('s')])))
      server.receive(frame(11, REQUEST, 0, encode('a', 'Bcde')))
      server.receive(frame(13, REQUEST, 0, ab))
      expect(server.told()).toEqual([
        'request 1 a/Bcd ""',
        'request 3 a/X ""',
        'request 5 a/Bcd ""',
        'request 7 a/Bcd "" same',
        'request 9 s/M ""',
        'request 11 a/Bcde ""',
        'request 13 a/Bcd ""',
      ])
    })

    it('may expire before they come, and have deadlines that no number holds exactly', () => {
      const server = new ServerWireLog()
      server.receive(
        ask(1, 'Call', '', { timeout_nano: -1 }),
        ask(3, 'Call', '', { timeout_nano: Number.MAX_SAFE_INTEGER }),
      )
      expect(server.told()).toEqual([
        `request 1 ${SVC}/Call "" timeout -1`,
        `request 3 ${SVC}/Call "" timeout 9007199254740991 same`,
      ])
    })
  })

  describe('what is wrong with one call is answered on it', () => {
    it('an even id, of any type', () => {
      const server = new ServerWireLog()
      server.receive(ask(2, 'Call'), frame(0, 99), frame(4, DATA), ask(1, 'Call'))
      expect(server.sent.take()).toEqual(
        [0, 0, 0].map((_, i) => refusal([2, 0, 4][i]!, INVALID_ARGUMENT, containing('must be odd'))),
      )
      expect(server.told()).toEqual([`request 1 ${SVC}/Call ""`])
    })

    it('an id that is used again, or decreases', () => {
      const server = new ServerWireLog()
      server.receive(ask(5, 'Call'))
      server.wire.respond(server.call(5), rawBytes, bytes('x'))
      server.receive(ask(5, 'Call'), ask(3, 'Call'), ask(7, 'Call'))
      expect(server.sent.take().slice(1)).toEqual([
        refusal(5, INVALID_ARGUMENT, containing('must increment')),
        refusal(3, INVALID_ARGUMENT, containing('must increment')),
      ])
      expect(server.told()).toEqual([`request 5 ${SVC}/Call ""`, `request 7 ${SVC}/Call ""`.concat(' same')])
    })

    it('the id of a call that is active: that call ends, with one final frame', () => {
      const server = new ServerWireLog()
      server.receive(ask(1, 'Call'), ask(1, 'Call'))
      expect(server.sent.take()).toEqual([refusal(1, INVALID_ARGUMENT, containing('must increment'))])
      expect(server.told()[1]).toMatch(/^cancelled 1 INVALID_ARGUMENT/)
      expect(server.wire.calls.size).toBe(0)
    })

    it('a Request that cannot be decoded: its id is used up', () => {
      const server = new ServerWireLog()
      server.receive(
        frame(1, REQUEST, 0, Buffer.of(10, 200)),
        frame(3, REQUEST, 0, Buffer.of(0xff)),
        ask(3, 'Call'),
        ask(5, 'Call'),
      )
      expect(server.sent.take()).toEqual([
        refusal(1, INVALID_ARGUMENT, containing('undecodable')),
        refusal(3, INVALID_ARGUMENT, containing('undecodable')),
        refusal(3, INVALID_ARGUMENT, containing('must increment')),
      ])
      expect(server.told()).toEqual([`request 5 ${SVC}/Call ""`])
    })

    it.each([
      ['a service that is not UTF-8', Buffer.of(10, 2, 0xc3, 0x28)],
      ['a field that goes beyond the end', Buffer.of(26, 5, 1)],
      ['a varint without an end', Buffer.of(32, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1)],
      ['a group', Buffer.of(0x33)],
      ['metadata that go beyond their field', Buffer.of(42, 2, 10, 9)],
      ['a fixed64 with four bytes', Buffer.of(0x39, 1, 2, 3, 4)],
    ])('%s', (_, body) => {
      const server = new ServerWireLog()
      server.receive(frame(1, REQUEST, 0, body))
      expect(server.sent.take()).toEqual([refusal(1, INVALID_ARGUMENT, containing('undecodable'))])
    })

    it('unknown fields of a Request are passed over', () => {
      const server = new ServerWireLog()
      const known = ask(1, 'Call', 'x').subarray(10)
      const unknown = Buffer.of(0x78, 0x96, 1, 0x7a, 2, 9, 9, 0x79, 1, 2, 3, 4, 5, 6, 7, 8, 0x7d, 1, 2, 3, 4)
      server.receive(frame(1, REQUEST, 0, Buffer.concat([unknown, known, unknown])))
      expect(server.told()).toEqual([`request 1 ${SVC}/Call "x"`])
    })

    it('Data on a call with one request, unless it is empty', () => {
      const server = new ServerWireLog()
      server.receive(ask(1, 'Call'), frame(1, DATA, NO_DATA), halfClose(1))
      expect(server.sent.take()).toEqual([])
      server.receive(data(1, 'x'), data(1, 'y'))
      expect(server.sent.take()).toEqual([refusal(1, INVALID_ARGUMENT, containing('takes no stream'))])
      expect(server.told()[1]).toMatch(/^cancelled 1 INVALID_ARGUMENT/)
    })

    it('Data behind the end of the client', () => {
      const server = new ServerWireLog()
      server.receive(ask(1, 'Up'), halfClose(1), halfClose(1), data(1, 'late'), data(1, 'later'))
      expect(server.sent.take()).toEqual([refusal(1, INVALID_ARGUMENT, containing('after the end'))])
      expect(server.told().slice(1)).toEqual(['end 1', expect.stringMatching(/^cancelled 1 INVALID_ARGUMENT/)])
    })

    it('Data on a stream that never was; that of one that has ended is dropped', () => {
      const server = new ServerWireLog()
      server.receive(ask(5, 'Up'))
      server.wire.respond(server.call(5), rawBytes, bytes('early'))
      server.sent.take()
      server.receive(data(5, 'x'), halfClose(5), data(7, 'y'))
      expect(server.sent.take()).toEqual([refusal(7, INVALID_ARGUMENT, containing('not active'))])
    })

    it('Responses of a client, and types that are not known, are dropped', () => {
      const server = new ServerWireLog()
      server.receive(ask(1, 'Up'))
      for (const type of [0, RESPONSE, 4, 0x10, PING, CANCEL, WINDOW, GOAWAY, METADATA, 255]) {
        server.receive(frame(1, type, 0xff, u32(1)), frame(3, type), frame(0x7fffffff, type, 0, Buffer.alloc(8)))
      }
      expect(server.sent.take()).toEqual([])
      expect(server.told()).toHaveLength(1)
      expect(server.call(1).open).toBe(true)
    })

    it('unknown flags are dropped', () => {
      const server = new ServerWireLog()
      server.receive(ask(1, 'Up', '', { flags: 0xf8 }), data(1, 'x', 0xf8))
      expect(server.told()[1]).toBe('message 1 "x" costs 11')
      expect(server.sent.take()).toEqual([])
    })
  })

  describe('sizes', () => {
    const max = 2000

    it('a frame of just the limit is taken', () => {
      const server = new ServerWireLog({ max })
      const room = max - (ask(1, 'Call', 'x'.repeat(1900)).length - 10)
      server.receive(ask(1, 'Call', 'x'.repeat(1900 + room)))
      expect(server.told()).toHaveLength(1)
      server.receive(ask(3, 'Call', 'x'.repeat(1900 + room + 1)), ask(3, 'Call', 'not used up'))
      expect(server.sent.take()).toEqual([refusal(3, RESOURCE_EXHAUSTED, containing('2001'))])
      expect(server.told()).toEqual([`request 3 ${SVC}/Call "not used up" same`])
    })

    it('one over the limit is skipped, whatever the chunks', () => {
      const long = Buffer.concat([ask(1, 'Up'), data(1, 'y'.repeat(2001)), ask(3, 'Call', 'next')])
      for (let split = 0; split <= long.length; split++) {
        const server = new ServerWireLog({ max })
        server.receive(long.subarray(0, split), long.subarray(split))
        expect(server.sent.take()).toEqual([refusal(1, RESOURCE_EXHAUSTED, containing('2001'))])
        expect(server.told()).toEqual([
          `request 1 ${SVC}/Up ""`,
          expect.stringMatching(/^cancelled 1 RESOURCE_EXHAUSTED/),
          `request 3 ${SVC}/Call "next"`,
        ])
      }
    })

    it('one that is too long even to be skipped ends the connection, after an answer', () => {
      const server = new ServerWireLog()
      const header = Buffer.concat([u32(0xffffffff), u32(9), Buffer.of(REQUEST, 0)])
      server.receive(Buffer.concat([header, ask(11, 'Call')]), ask(13, 'Call'))
      expect(server.sent.take()).toEqual([refusal(9, RESOURCE_EXHAUSTED, containing('4294967295'))])
      expect(server.told()).toEqual([expect.stringContaining('failed a frame of 4294967295 bytes')])
    })

    it('what is too large for the client is not sent, and the call goes on', () => {
      const server = new ServerWireLog()
      server.receive(ask(1, 'Call'), ask(3, 'Down'))
      const most = 4 * 1024 * 1024
      expect(() => server.wire.respond(server.call(1), rawBytes, Buffer.alloc(most - 4))).toThrow(
        /4194305 bytes.*4194304/,
      )
      expect(() => server.wire.send(server.call(3), rawBytes, Buffer.alloc(most + 1))).toThrow(/4194305 bytes.*4194304/)
      expect(server.sent.take()).toEqual([])
      server.wire.send(server.call(3), rawBytes, Buffer.alloc(most))
      server.wire.respond(server.call(1), rawBytes, Buffer.alloc(most - 5))
      expect(server.sent.take().map(({ id, payload }) => [id, payload!.length])).toEqual([
        [3, most],
        [1, most - 5],
      ])
    })

    it('an error with more details than a frame holds is sent without them', () => {
      const server = new ServerWireLog()
      server.receive(ask(1, 'Call'))
      server.wire.fail(server.call(1), 5, 'too much', [{ typeUrl: 'x', value: Buffer.alloc(5_000_000) }])
      expect(server.sent.take()).toEqual([refusal(1, 5, containing('too much (50000'))])
    })
  })

  describe('the extension', () => {
    it('is agreed on before anything is answered', () => {
      const server = new ServerWireLog({ window: 1000 })
      server.receive(ask(2, 'Call'), ask(1, 'Call', '', offer()))
      expect(server.sent.take()).toEqual([
        refusal(2, INVALID_ARGUMENT, containing('odd')),
        {
          id: 0,
          type: 0x10,
          flags: 0,
          payload: bytes('1;cancel,window,ping,goaway,trailers,large;window=1000;max=4194304'),
        },
      ])
      expect(server.wire.can('ping')).toBe(true)
    })

    it.each([
      '2;cancel;window=1;max=4194304',
      '1;cancel;window=x;max=1',
      '',
      ';;;',
      '1;cancel;window=0',
      `1;${'x'.repeat(50)}`,
    ])('is not there for an offer of %p', (value) => {
      const server = new ServerWireLog()
      server.receive(ask(1, 'Call', '', { metadata: [{ key: 'millrace-ext', value }] }))
      expect(server.sent.take()).toEqual([])
      expect(server.wire.extension).toBeNull()
    })

    it('is only offered by the first Request', () => {
      const server = new ServerWireLog()
      server.receive(ask(1, 'Call'), ask(3, 'Call', '', offer()))
      expect(server.sent.take()).toEqual([])
      expect(server.wire.extension).toBeNull()
    })

    it('leaves out what the client does not name', () => {
      const server = extended('ping,something-new')
      expect(
        ['ping', 'cancel', 'window', 'goaway', 'something-new'].map((feature) => server.wire.can(feature)),
      ).toEqual([true, false, false, false, false])
    })

    it('cancels a call, of which nothing is sent any more', () => {
      const server = extended()
      server.receive(ask(3, 'Call'), ask(5, 'Up'), frame(3, CANCEL, 0, u32(1)), frame(5, CANCEL, 0, u32(4)))
      expect(server.told().slice(2)).toEqual([
        expect.stringMatching(/^cancelled 3 CANCELLED/),
        expect.stringMatching(/^cancelled 5 DEADLINE_EXCEEDED/),
      ])
      server.receive(data(5, 'late'), halfClose(5), frame(3, CANCEL, 0, u32(1)), frame(9, CANCEL, 0, u32(1)))
      expect(server.told()).toEqual([])
      expect(server.sent.take()).toEqual([])
      expect(server.wire.calls.size).toBe(0)
    })

    it('answers pings of eight bytes', () => {
      const server = extended()
      server.receive(frame(0x7fffffff, PING, 0, bytes('12345678')), frame(0x7fffffff, PING, 0, bytes('123')))
      expect(server.sent.take()).toEqual([{ id: 0, type: PING, flags: 1, payload: bytes('12345678') }])
    })

    it('bounds what a stream may send, and may be overdrawn by one message', () => {
      const server = extended(undefined, 100)
      server.receive(ask(3, 'Down'))
      const call = server.call(3)
      server.wire.send(call, rawBytes, Buffer.alloc(89))
      expect(call.window!.maySend).toBe(true)
      server.wire.send(call, rawBytes, Buffer.alloc(200))
      expect(call.window!.maySend).toBe(false)
      server.receive(frame(3, WINDOW, 0, u32(209)))
      expect(server.told().slice(1)).toEqual([])
      server.receive(frame(3, WINDOW, 0, u32(1)), frame(3, WINDOW, 0, u32(50)))
      expect(server.told()).toEqual(['window 3'])
      expect(call.window!.maySend).toBe(true)
    })

    it('sends headers, trailers, grants, and where it goes away', () => {
      const server = extended()
      server.receive(ask(3, 'Down'))
      const call = server.call(3)
      server.wire.sendHeader(call, [['a', 'b']])
      server.wire.grant(call, 70000)
      server.wire.goAway('bye')
      server.wire.end(call, [['t', 'ü']])
      expect(server.sent.take()).toEqual([
        { id: 3, type: METADATA, flags: 0, payload: Buffer.of(42, 6, 10, 1, 97, 18, 1, 98) },
        { id: 3, type: WINDOW, flags: 0, payload: u32(70000) },
        { id: 0, type: GOAWAY, flags: 0, payload: Buffer.concat([u32(3), bytes('bye')]) },
        { id: 3, type: METADATA, flags: 1, payload: Buffer.of(42, 7, 10, 1, 116, 18, 2, 0xc3, 0xbc) },
        { id: 3, type: DATA, flags: REMOTE_CLOSED | NO_DATA, payload: bytes('') },
      ])
    })

    it('sends larger messages to a client that takes them', () => {
      const large = extended('large', 100, { max: 9_000_000 })
      large.receive(ask(3, 'Call'))
      large.wire.respond(large.call(3), rawBytes, Buffer.alloc(100))
      const most = new ServerWireLog({ max: 9_000_000 })
      most.receive(ask(1, 'Call', '', offer('large', 100, 8_000_000)))
      expect(() => most.wire.respond(most.call(1), rawBytes, Buffer.alloc(8_000_000))).toThrow(/8000005 bytes.*8000000/)
      most.wire.respond(most.call(1), rawBytes, Buffer.alloc(7_000_000))
      expect(most.sent.take()[1]!.payload!.length).toBe(7_000_000)
    })

    it('leaves out trailers of a stream for a plain client', () => {
      const server = new ServerWireLog()
      server.receive(ask(1, 'Down'))
      server.wire.end(server.call(1), [['t', 'x']])
      expect(server.sent.take()).toEqual([{ id: 1, type: DATA, flags: REMOTE_CLOSED | NO_DATA, payload: bytes('') }])
    })
  })
})
