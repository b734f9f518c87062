import { GoClient, GoServer, itWithGo, itWithGoStreams } from '../support/goTtrpc.ts'
import { netListen } from '../support/netTools.ts'
import {
  bytesIn,
  bytesValue,
  DATA,
  decodeRequest,
  encodeResponse,
  frame,
  int64In,
  int64Value,
  NO_DATA,
  RawPeer,
  REMOTE_CLOSED,
  REMOTE_OPEN,
  request,
  REQUEST,
  RESPONSE,
  stringValue,
  textIn,
} from '../support/ttrpcRaw.ts'

// What Go's peers do with frames, the odd ones too: what lib/rpc may send, and must take. No code of ours runs here.
// Where the versions of Go's ttrpc differ, both ways are told.

const INVALID_ARGUMENT = 3
const DEADLINE_EXCEEDED = 4
const NOT_FOUND = 5
const RESOURCE_EXHAUSTED = 8
const ABORTED = 10
const UNIMPLEMENTED = 12
const INTERNAL = 13
const LIMIT = 4 * 1024 * 1024
const PANIC = 2

const refused = (id: number, message: unknown, code = INVALID_ARGUMENT): object => ({
  id,
  type: RESPONSE,
  flags: 0,
  code,
  message,
})
const echoed = (id: number, value: string): object => ({ id, type: RESPONSE, flags: 0, payload: bytesValue(value) })
const streamed = (id: number, value: string): object => ({ id, type: DATA, flags: 0, payload: bytesValue(value) })
const ended = (id: number): object => ({ id, type: DATA, flags: REMOTE_CLOSED | NO_DATA, payload: Buffer.alloc(0) })
const halfClose = (id: number): Buffer => frame(id, DATA, REMOTE_CLOSED | NO_DATA)

async function dialGo(): Promise<{ server: GoServer; raw: RawPeer }> {
  const server = await GoServer.start()
  return { server, raw: await RawPeer.dial(server.address) }
}

/** A Request whose frame has exactly `size` bytes of data. */
function requestOf(id: number, size: number): Buffer {
  const room = size - (request(id, 'Echo', { payload: bytesValue(Buffer.alloc(LIMIT - 100)) }).length - 10)
  return request(id, 'Echo', { payload: bytesValue(Buffer.alloc(LIMIT - 100 + room)) })
}

describe('a Go ttrpc server', () => {
  describe('identifiers', () => {
    itWithGoStreams('refuses an even one, whatever the type, and goes on', async () => {
      const { raw } = await dialGo()
      raw.send(request(0, 'Echo'), request(2, 'Echo'), frame(4, DATA), frame(6, 0x11))
      const odd = expect.stringContaining('must be odd')
      expect(await raw.answers(4)).toEqual([refused(0, odd), refused(2, odd), refused(4, odd), refused(6, odd)])
      expect(await raw.sync(1)).toEqual([])
    })

    itWithGoStreams('takes them with gaps, up to the last one', async () => {
      const { raw } = await dialGo()
      expect(await raw.sync(77)).toEqual([])
      expect(await raw.sync(0xffffffff)).toEqual([])
      raw.send(request(79, 'Echo'))
      expect(await raw.answer()).toEqual(refused(79, expect.stringContaining('cannot be re-used')))
    })

    itWithGoStreams('refuses one that is used or smaller; of an active one the real answer comes later', async () => {
      const { server, raw } = await dialGo()
      raw.send(request(5, 'Hold', { payload: stringValue('a') }))
      await server.event({ event: 'started', name: 'a' })
      raw.send(request(5, 'Echo'), request(3, 'Echo'))
      const reused = expect.stringContaining('cannot be re-used')
      expect(await raw.answers(2)).toEqual([refused(5, reused), refused(3, reused)])
      server.release('a')
      expect(await raw.answer()).toEqual({ id: 5, type: RESPONSE, flags: 0, payload: stringValue('a') })
    })
  })

  describe('types and flags', () => {
    itWithGo('ignores unknown types on odd identifiers, active or not', async () => {
      const { server, raw } = await dialGo()
      raw.send(request(1, 'Hold', { payload: stringValue('a') }))
      await server.event({ event: 'started', name: 'a' })
      for (let type = 0; type < 256; type++) {
        if (type !== REQUEST && type !== DATA)
          raw.send(frame(1, type, 0, Buffer.from('12345678')), frame(0x7fffffff, type))
      }
      expect(await raw.sync(3)).toEqual([])
      server.release('a')
      expect((await raw.answer())?.id).toBe(1)
    })

    itWithGo('does not read the flags of a Request', async () => {
      const { raw } = await dialGo()
      raw.send(request(1, 'Echo', { flags: 0xff, payload: bytesValue('a') }))
      expect(await raw.answer()).toEqual(echoed(1, 'a'))
    })

    itWithGoStreams('waits for ever where a Request says that the client half has ended', async () => {
      const { raw } = await dialGo()
      raw.send(request(1, 'Count', { flags: REMOTE_CLOSED }))
      expect(await raw.sync(3)).toEqual([])
      raw.send(halfClose(1))
      expect(int64In((await raw.answer())?.payload)).toBe(0)
    })

    itWithGoStreams(
      'takes no first message from a Request without payload, with or without the no-data flag',
      async () => {
        const { raw } = await dialGo()
        raw.send(request(1, 'Count', { flags: REMOTE_OPEN | NO_DATA }), halfClose(1))
        expect(int64In((await raw.answer())?.payload)).toBe(0)
        raw.send(request(3, 'Count', { flags: REMOTE_OPEN }), halfClose(3))
        expect(int64In((await raw.answer())?.payload)).toBe(0)
      },
    )
  })

  describe('what it cannot take', () => {
    itWithGo(
      'takes frames of exactly 4 MiB, refuses and drops those above, and does not count their identifier',
      async () => {
        const { raw } = await dialGo()
        const limit = requestOf(1, LIMIT)
        expect(limit.length).toBe(LIMIT + 10)
        raw.send(limit)
        expect((await raw.answer())?.payload?.length).toBeGreaterThan(LIMIT - 100)
        raw.send(requestOf(3, LIMIT + 1))
        expect(await raw.answer()).toEqual(refused(3, expect.stringContaining('4194305'), RESOURCE_EXHAUSTED))
        expect(await raw.sync(3)).toEqual([])
      },
    )

    itWithGoStreams(
      'tells an undecodable Request from an undecodable payload, and unknown services and methods',
      async () => {
        const { raw } = await dialGo()
        raw.send(frame(1, REQUEST, 0, Buffer.of(0xff)), request(3, 'Echo', { payload: Buffer.of(0xff) }))
        const answers = (await raw.answers(2)).sort((a, b) => a.id - b.id)
        expect(answers[0]).toEqual(refused(1, expect.stringContaining('unmarshal')))
        expect(answers[1]).toEqual(refused(3, expect.stringContaining('unmarshal'), INTERNAL))
        raw.send(request(5, 'Echo', { service: 'no.Service' }), request(7, 'NoMethod'))
        expect(await raw.answers(2)).toEqual([
          refused(5, 'service no.Service', UNIMPLEMENTED),
          refused(7, 'method NoMethod', UNIMPLEMENTED),
        ])
        expect(await raw.sync(9)).toEqual([])
      },
    )

    itWithGoStreams('Data after the final frame: refused, or, before 1.2.8, the end of its process', async () => {
      const { server, raw } = await dialGo()
      expect(await raw.sync(1)).toEqual([])
      raw.send(frame(1, DATA, 0, bytesValue('late')))
      const answer = await raw.answer()
      if (answer !== undefined) expect(answer).toEqual(refused(1, expect.stringContaining('no longer active')))
      else {
        expect(await server.exit()).toBe(PANIC)
        expect(server.stderr).toContain('panic')
      }
    })

    itWithGoStreams('Data on a unary call: the end of its process; without data and end it is harmless', async () => {
      const { server, raw } = await dialGo()
      raw.send(request(1, 'Hold', { payload: stringValue('a') }))
      await server.event({ event: 'started', name: 'a' })
      raw.send(frame(1, DATA, NO_DATA))
      expect(await raw.sync(3)).toEqual([])
      raw.send(frame(1, DATA, 0, bytesValue('more')))
      expect(await raw.answer()).toBeUndefined()
      expect(await server.exit()).toBe(PANIC)
    })

    itWithGoStreams('Data after the half-close: refused, and the result comes as well', async () => {
      const { server, raw } = await dialGo()
      raw.send(request(1, 'TalkLater', { flags: REMOTE_OPEN | NO_DATA }))
      await server.event({ event: 'started' })
      raw.send(halfClose(1), frame(1, DATA, 0, bytesValue('late')))
      expect(await raw.answer()).toEqual(refused(1, expect.stringContaining('data handling error')))
      server.release('talk')
      expect(await raw.answer()).toEqual(ended(1))
    })

    itWithGoStreams('a half-close with data: the data is taken, and refused as well', async () => {
      const { raw } = await dialGo()
      raw.send(request(1, 'Concat', { flags: REMOTE_OPEN | NO_DATA }))
      raw.send(frame(1, DATA, 0, bytesValue('a')), frame(1, DATA, REMOTE_CLOSED, bytesValue('b')))
      const answers = await raw.answers(2)
      expect(answers).toContainEqual(refused(1, expect.stringContaining('cannot include data')))
      expect(answers).toContainEqual(echoed(1, 'ab'))
    })
  })

  describe('streams', () => {
    itWithGoStreams('ends a server stream by a frame of its own', async () => {
      const { raw } = await dialGo()
      raw.send(request(1, 'Range', { flags: REMOTE_CLOSED, payload: stringValue('{"count":2,"size":1}') }))
      expect(await raw.answers(3)).toEqual([streamed(1, '\0'), streamed(1, '\0'), ended(1)])
      raw.send(request(3, 'Nothing', { flags: REMOTE_CLOSED }))
      expect(await raw.answer()).toEqual(ended(3))
    })

    itWithGoStreams('ends one that fails by a Response', async () => {
      const { raw } = await dialGo()
      const payload = stringValue('{"count":1,"size":1,"fail":"no more"}')
      raw.send(request(1, 'Range', { flags: REMOTE_CLOSED, payload }))
      expect(await raw.answers(2)).toEqual([streamed(1, '\0'), refused(1, 'no more', ABORTED)])
    })

    itWithGoStreams('takes Data of no length as an empty message, and one without data as none', async () => {
      const { raw } = await dialGo()
      raw.send(request(1, 'Count', { flags: REMOTE_OPEN | NO_DATA }))
      raw.send(frame(1, DATA), frame(1, DATA, NO_DATA), frame(1, DATA, 0, bytesValue('a')), halfClose(1))
      expect(int64In((await raw.answer())?.payload)).toBe(2)
    })

    itWithGoStreams('may end before the client has', async () => {
      const { raw } = await dialGo()
      raw.send(request(1, 'Talk', { flags: REMOTE_OPEN | NO_DATA }), frame(1, DATA, 0, bytesValue('stop')))
      expect(await raw.answer()).toEqual(ended(1))
      raw.send(request(3, 'First', { flags: REMOTE_OPEN | NO_DATA }), frame(3, DATA, 0, bytesValue('a')))
      expect(await raw.answer()).toEqual(echoed(3, 'a'))
    })

    itWithGoStreams('does not read on where a handler is slower than its stream', async () => {
      const { server, raw } = await dialGo()
      raw.send(request(1, 'TalkLater', { flags: REMOTE_OPEN | NO_DATA }))
      await server.event({ event: 'started' })
      // More than 1.2.4 keeps (5), less than 1.2.9 does (64), which then gives the stream up after a second.
      for (let i = 0; i < 50; i++) raw.send(frame(1, DATA, 0, bytesValue(String(i))))
      raw.send(halfClose(1), request(3, 'Echo', { payload: bytesValue('beside') }))
      server.release('talk')
      const answers = await raw.answers(52)
      expect(answers.filter(({ id }) => id === 1).map(({ payload }) => payload && String(bytesIn(payload)))).toEqual([
        ...Array.from({ length: 50 }, (_, i) => String(i)),
        '',
      ])
      expect(answers).toContainEqual(echoed(3, 'beside'))
    })
  })

  describe('the end', () => {
    itWithGo('of a deadline is an answer, also where it has passed before', async () => {
      const { server, raw } = await dialGo()
      raw.send(request(1, 'Wait', { timeout_nano: 20_000_000, payload: stringValue('a') }))
      expect(await raw.answer()).toEqual(refused(1, expect.stringContaining('deadline'), DEADLINE_EXCEEDED))
      expect((await server.event({ event: 'ended', name: 'a' }))['error']).toBe('context deadline exceeded')
      raw.send(request(3, 'Wait', { timeout_nano: -1, payload: stringValue('b') }))
      expect((await raw.answer())?.code).toBe(DEADLINE_EXCEEDED)
    })

    itWithGoStreams('of a deadline ends streams as well', async () => {
      const { raw } = await dialGo()
      raw.send(request(1, 'Watch', { flags: REMOTE_CLOSED, timeout_nano: 20_000_000, payload: stringValue('a') }))
      expect((await raw.answers(2)).map(({ type, code }) => [type, code])).toEqual([
        [DATA, undefined],
        [RESPONSE, DEADLINE_EXCEEDED],
      ])
    })

    itWithGo('of the client’s half of the socket cancels its handlers; their answers are lost', async () => {
      const { server, raw } = await dialGo()
      raw.send(request(1, 'Wait', { payload: stringValue('a') }))
      await server.event({ event: 'started', name: 'a' })
      raw.peer.socket.end()
      expect((await server.event({ event: 'ended', name: 'a' }))['error']).toBe('context canceled')
      expect(await raw.answer()).toBeUndefined()
    })

    itWithGo('of the connection cancels its handlers', async () => {
      const { server, raw } = await dialGo()
      raw.send(request(1, 'Wait', { payload: stringValue('a') }))
      await server.event({ event: 'started', name: 'a' })
      raw.destroy()
      expect((await server.event({ event: 'ended', name: 'a' }))['error']).toBe('context canceled')
    })

    itWithGo('by shutdown forgets calls on a connection that had no answer since', async () => {
      const { server, raw } = await dialGo()
      raw.send(request(1, 'Hold', { payload: stringValue('a') }))
      await server.event({ event: 'started', name: 'a' })
      server.say('shutdown')
      if (server.streams) {
        expect(await raw.answer()).toBeUndefined()
        await server.event({ event: 'shutdown' })
      } else {
        server.release('a')
        expect(await raw.answer()).toMatchObject({ id: 1 })
      }
    })

    itWithGoStreams('by shutdown waits for calls after an answer, and takes new ones', async () => {
      const { server, raw } = await dialGo()
      raw.send(request(1, 'Hold', { payload: stringValue('a') }))
      await server.event({ event: 'started', name: 'a' })
      expect(await raw.sync(3)).toEqual([])
      // The first answer may be seen here before the connection counts as active there.
      expect(await raw.sync(5)).toEqual([])
      server.say('shutdown')
      await server.event({ event: 'served', error: 'ttrpc: server closed' })
      expect(await raw.sync(7)).toEqual([])
      server.release('a')
      expect((await raw.answer())?.id).toBe(1)
      expect(await raw.answer()).toBeUndefined()
      expect((await server.event({ event: 'shutdown' }))['error']).toBeNull()
    })

    itWithGoStreams('by shutdown forgets calls also when an unknown method was called meanwhile', async () => {
      const { server, raw } = await dialGo()
      raw.send(request(1, 'Hold', { payload: stringValue('a') }))
      await server.event({ event: 'started', name: 'a' })
      expect(await raw.sync(3)).toEqual([])
      raw.send(request(5, 'NoMethod'))
      expect((await raw.answer())?.code).toBe(UNIMPLEMENTED)
      server.say('shutdown')
      expect(await raw.answer()).toBeUndefined()
    })
  })

  itWithGo('hands over metadata as it came; fields it does not know are nothing to it', async () => {
    const { raw } = await dialGo()
    const metadata = [
      { key: 'millrace-ext', value: '1;cancel,window' },
      { key: 'Mixed', value: 'a' },
      { key: 'Mixed', value: 'b' },
    ]
    const known = request(1, 'Context', { metadata }).subarray(10)
    raw.send(frame(1, REQUEST, 0, Buffer.concat([known, Buffer.of(0xaa, 0x06, 1, 0x41)])))
    expect(JSON.parse(textIn((await raw.answer())?.payload))).toEqual({
      metadata: { 'millrace-ext': ['1;cancel,window'], Mixed: ['a', 'b'] },
      deadlineMs: null,
    })
  })

  itWithGo('sends a response above 4 MiB, or, from 1.2.6 on, closes the connection', async () => {
    const { raw } = await dialGo()
    raw.send(request(1, 'Big', { payload: int64Value(LIMIT) }))
    const answer = await raw.answer()
    if (answer === undefined) expect(raw.peer.ended).toBe(true)
    else expect(bytesIn(answer.payload)).toHaveLength(LIMIT)
  })
})

describe('a Go ttrpc client', () => {
  async function accept(): Promise<{ client: GoClient; raw: RawPeer }> {
    const { address, accepted } = await netListen()
    const client = await GoClient.connect(address)
    return { client, raw: new RawPeer(await accepted()) }
  }
  const response = (id: number, value: string): Buffer =>
    frame(id, RESPONSE, 0, encodeResponse({ payload: bytesValue(value) }))
  /** So many calls, one after the other: Go's goroutines would mix their identifiers. */
  async function calls(client: GoClient, raw: RawPeer, count: number): Promise<ReturnType<GoClient['unary']>[]> {
    const begun: ReturnType<GoClient['unary']>[] = []
    for (let i = 0; i < count; i++) {
      begun.push(client.unary('Echo'))
      await raw.frame()
    }
    return begun
  }

  itWithGo('counts odd identifiers from 1, and sends deadline and metadata with a unary call', async () => {
    const { client, raw } = await accept()
    const first = client.unary('Echo', { payload: bytesValue('a'), metadata: { Key: ['v', 'w'] }, timeoutMs: 60_000 })
    const sent = (await raw.frame())!
    expect(sent).toMatchObject({ id: 1, type: REQUEST, flags: 0 })
    const { timeout_nano: timeout, payload, ...fields } = decodeRequest(sent.data)
    expect(fields).toEqual({
      service: 'millrace.test.Echo',
      method: 'Echo',
      metadata: [
        { key: 'Key', value: 'v' },
        { key: 'Key', value: 'w' },
      ],
    })
    expect(bytesIn(payload).toString()).toBe('a')
    expect(Number(timeout)).toBeGreaterThan(0)
    expect(Number(timeout)).toBeLessThanOrEqual(60e9)
    raw.send(response(1, 'b'))
    expect(bytesIn((await first.outcome).payload).toString()).toBe('b')
    client.unary('Echo')
    expect((await raw.frame())?.id).toBe(3)
  })

  itWithGoStreams('sends streams without deadline and metadata, and its half-close in a frame of its own', async () => {
    const { client, raw } = await accept()
    const stream = client.open('Talk', {
      clientStreams: true,
      serverStreams: true,
      timeoutMs: 60_000,
      metadata: { key: ['v'] },
    })
    await stream.opened()
    const opening = (await raw.frame())!
    expect(opening).toMatchObject({ id: 1, type: REQUEST, flags: REMOTE_OPEN })
    expect(decodeRequest(opening.data)).toEqual({ service: 'millrace.test.Echo', method: 'Talk' })
    await stream.send(new Uint8Array(0))
    await stream.closeSend()
    expect(await raw.frame()).toEqual({ id: 1, type: DATA, flags: 0, data: Buffer.alloc(0) })
    expect(await raw.frame()).toEqual({ id: 1, type: DATA, flags: REMOTE_CLOSED | NO_DATA, data: Buffer.alloc(0) })
    await client.open('Watch', { serverStreams: true, payload: stringValue('a') }).opened()
    expect(await raw.frame()).toMatchObject({ id: 3, type: REQUEST, flags: REMOTE_CLOSED })
  })

  itWithGoStreams('ignores frames for identifiers that it does not have, and logs them', async () => {
    const { client, raw } = await accept()
    const call = client.unary('Echo')
    await raw.frame()
    raw.send(response(0, 'a'), response(2, 'a'), response(99, 'a'), frame(0, 0x10, 0, Buffer.from('1;cancel')))
    raw.send(response(1, 'b'))
    expect(bytesIn((await call.outcome).payload).toString()).toBe('b')
    raw.send(response(1, 'again'))
    await client.logged(/inactive stream" stream=1/)
    expect(client.stderr.match(/inactive stream" stream=\d+/g)).toHaveLength(5)
  })

  itWithGoStreams('fails the call that gets an unknown type, or Data where a Response belongs', async () => {
    const { client, raw } = await accept()
    const failing = await calls(client, raw, 2)
    raw.send(frame(1, 0x15), frame(3, DATA, 0, bytesValue('a')))
    for (const { outcome } of failing) {
      expect(await outcome).toMatchObject({ kind: 'protocol', error: expect.stringContaining('unexpected') })
    }
    const stream = client.open('Concat', { clientStreams: true })
    await stream.opened()
    raw.send(frame(5, DATA, 0, bytesValue('a')))
    expect(await stream.receive()).toMatchObject({ kind: 'protocol' })
    const next = client.unary('Echo')
    raw.send(response(7, 'b'))
    expect(bytesIn((await next.outcome).payload).toString()).toBe('b')
  })

  itWithGoStreams(
    'takes a Response with fields that it does not know, and a payload in the frame that ends a stream',
    async () => {
      const { client, raw } = await accept()
      const call = client.unary('Echo')
      await raw.frame()
      const known = encodeResponse({ payload: bytesValue('a') })
      raw.send(frame(1, RESPONSE, 0, Buffer.concat([known, Buffer.of(0xaa, 0x06, 2, 0x0a, 0, 0xb2, 0x06, 2, 0x0a, 0)])))
      expect(bytesIn((await call.outcome).payload).toString()).toBe('a')
      const stream = client.open('Range', { serverStreams: true, payload: stringValue('{}') })
      await raw.frame()
      raw.send(frame(3, DATA, 0, bytesValue('a')), frame(3, DATA, REMOTE_CLOSED | NO_DATA, bytesValue('b')))
      await stream.opened()
      expect(await stream.rest()).toEqual([{ payload: bytesValue('a') }, { end: true }])
    },
  )

  itWithGo('takes a status of OK, and the details of others', async () => {
    const { client, raw } = await accept()
    const [good, bad] = await calls(client, raw, 2)
    raw.send(frame(1, RESPONSE, 0, encodeResponse({ status: { code: 0 }, payload: bytesValue('a') })))
    expect(bytesIn((await good!.outcome).payload).toString()).toBe('a')
    if (!client.streams) return
    const details = [{ type_url: 'type.googleapis.com/some.Type', value: Buffer.of(1, 2) }]
    raw.send(frame(3, RESPONSE, 0, encodeResponse({ status: { code: NOT_FOUND, message: 'not here', details } })))
    expect(await bad!.outcome).toMatchObject({
      code: NOT_FOUND,
      message: 'not here',
      details: [{ typeUrl: 'type.googleapis.com/some.Type', value: Buffer.of(1, 2) }],
    })
  })

  itWithGoStreams('drops a Response above 4 MiB: that call fails, the connection lives', async () => {
    const { client, raw } = await accept()
    const [big, small] = await calls(client, raw, 2)
    raw.send(frame(1, RESPONSE, 0, Buffer.alloc(LIMIT + 1)), response(3, 'a'))
    expect(await big!.outcome).toMatchObject({ kind: 'status', code: RESOURCE_EXHAUSTED })
    expect(bytesIn((await small!.outcome).payload).toString()).toBe('a')
  })

  itWithGo('sends nothing when a context is cancelled, and ignores the answer', async () => {
    const { client, raw } = await accept()
    const call = client.unary('Echo')
    expect((await raw.frame())?.id).toBe(1)
    call.cancel()
    expect((await call.outcome).kind).toBe('cancelled')
    const next = client.unary('Echo')
    expect(await raw.frame()).toMatchObject({ id: 3, type: REQUEST })
    raw.send(response(1, 'late'), response(3, 'a'))
    expect(bytesIn((await next.outcome).payload).toString()).toBe('a')
  })

  itWithGoStreams('does not read on where a stream is not read; nothing is lost', async () => {
    const { client, raw } = await accept()
    const stream = client.open('Range', { serverStreams: true, payload: stringValue('{}') })
    await stream.opened()
    const call = client.unary('Echo')
    await raw.frame()
    await raw.frame()
    // Below the 64 that 1.2.9 keeps before it gives the stream up.
    for (let i = 0; i < 60; i++) raw.send(frame(1, DATA, 0, bytesValue(String(i))))
    raw.send(frame(1, DATA, REMOTE_CLOSED | NO_DATA), response(3, 'a'))
    const outcomes = await stream.rest()
    expect(outcomes.map(({ payload }) => payload && String(bytesIn(payload)))).toEqual([
      ...Array.from({ length: 60 }, (_, i) => String(i)),
      undefined,
    ])
    expect(bytesIn((await call.outcome).payload).toString()).toBe('a')
  })

  itWithGo('fails all its calls at the end of the connection, and does not connect again', async () => {
    const { client, raw } = await accept()
    const failing = await calls(client, raw, 2)
    raw.peer.socket.end()
    for (const { outcome } of failing) expect((await outcome).kind).toBe('closed')
    await client.event({ event: 'closed' })
    expect((await client.unary('Echo').outcome).kind).toBe('closed')
  })
})
