/** Peers that break every rule (docs/protocol.md, "Bad frames"): bounded memory, the right status, and no crash. */
import type { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { ChannelOptions } from '../../lib/rpc/channelOptions.ts'
import type { CallContext } from '../../lib/rpc/handlers.ts'
import { RpcServer, type RpcServerOptions } from '../../lib/rpc/rpcServer.ts'
import type { RpcError } from '../../lib/rpc/rpcError.ts'
import { Status, statusName } from '../../lib/rpc/status.ts'
import type { Transport } from '../../lib/transport.ts'
import { FakeClock } from '../../lib/testing/fakeClock.ts'
import { memoryPair } from '../../lib/testing/memoryPair.ts'
import { netDefer, netError, netTurns, netUntil } from '../support/netTools.ts'
import { Echo } from '../support/echoRpc.ts'
import { call, HOST, Line, line, openChannel, sent } from '../support/rpcChannel.ts'
import {
  CANCEL,
  DATA,
  encodeRequest,
  type FramePeer,
  GOAWAY,
  HELLO,
  METADATA,
  NO_DATA,
  OUR_OFFER,
  PING,
  rawClient,
  rawFrame,
  type RawFrame,
  rawServer,
  REMOTE_CLOSED,
  REMOTE_OPEN,
  REQUEST,
  RESPONSE,
  responseOf,
  uint32,
  WINDOW,
} from '../support/ttrpcPeer.ts'
import { ReflectedChat } from './chatServices.ts'

// Peers are played in the same process, and some send a lot.
jest.setTimeout(30_000)

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
/** Bytes of buffers that are in use. */
async function held(): Promise<number> {
  // What was found unused is given back in the background.
  for (let i = 0; i < 3; i++) {
    collect()
    await netTurns(3)
  }
  return process.memoryUsage().arrayBuffers
}

const KiB = 1024
const MiB = 1024 * KiB

const offer = [{ key: 'millrace-ext', value: OUR_OFFER }]
const request = (
  id: number,
  method: string,
  { flags = 0, ...fields }: Record<string, unknown> & { flags?: number } = {},
) => rawFrame(id, REQUEST, flags, encodeRequest({ service: 'chat.v1.Chat', method, payload: line('hello'), ...fields }))
const upload = (id: number, fields = {}): Buffer =>
  request(id, 'Upload', { flags: REMOTE_OPEN | NO_DATA, payload: new Uint8Array(0), ...fields })
const header = (length: number, id: number, type: number): Buffer => {
  const bytes = rawFrame(id, type)
  bytes.writeUInt32BE(length)
  return bytes
}

/** An answer in words: `3 NOT_FOUND`, `3 OK`, `3 Data`, `3 end`. */
function said({ id, type, flags, data }: RawFrame): string {
  if (type === DATA) return `${id} ${(flags & REMOTE_CLOSED) === 0 ? 'Data' : 'end'}`
  if (type !== RESPONSE) return `${id} type ${type}`
  const { status } = responseOf({ id, type, flags, data })
  return `${id} ${statusName(Number(status?.code ?? 0))}`
}

const bad = (id: string): string => `${id} INVALID_ARGUMENT`
const full = (id: string): string => `${id} RESOURCE_EXHAUSTED`

/** Numbers that look random, the same in every run. */
function* random(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    yield state / 2 ** 32
  }
}

/** Frames of all kinds, most of them nearly right. */
function randomFrames(seed: number, count: number, ids: number): Buffer[] {
  const numbers = random(seed)
  const upTo = (n: number): number => Math.floor(numbers.next().value * n)
  const types = [REQUEST, REQUEST, RESPONSE, DATA, DATA, DATA, HELLO, PING, CANCEL, WINDOW, GOAWAY, METADATA, 0, 200]
  const methods = ['Send', 'Watch', 'Upload', 'Talk', 'send_all', 'None']
  return Array.from({ length: count }, () => {
    const noise = Buffer.from(Array.from({ length: upTo(20) }, () => upTo(256)))
    const envelope = encodeRequest({
      service: upTo(10) === 0 ? 'none' : 'chat.v1.Chat',
      method: methods[upTo(methods.length)],
      payload: upTo(3) === 0 ? noise : line('hello'),
      ...(upTo(4) === 0 && { metadata: offer }),
      ...(upTo(8) === 0 && { timeout_nano: upTo(3) - 1 }),
    })
    const type = types[upTo(types.length)]!
    const data = [noise, envelope, line('hello'), uint32(upTo(10)), Buffer.alloc(8), Buffer.from(OUR_OFFER)][upTo(6)]!
    return rawFrame(
      upTo(ids),
      type,
      upTo(3) === 0 ? upTo(256) : upTo(8),
      type === REQUEST && upTo(5) > 0 ? envelope : data,
    )
  })
}

describe('a hostile client', () => {
  /** Calls that run now, the most there were, and all there ever were. */
  let running: number
  let most: number
  let began: number
  let produced: number
  let transport: Transport | undefined
  let errors: unknown[]
  let release: () => void

  async function serve(options: RpcServerOptions = {}): Promise<{ server: RpcServer; port: number }> {
    running = most = began = produced = 0
    transport = undefined
    errors = []
    const blocked = new Promise<void>((resolve) => (release = resolve))
    const counted = async <T>(context: CallContext, work: () => Promise<T>): Promise<T> => {
      transport = context.transport
      began++
      most = Math.max(most, ++running)
      try {
        return await work()
      } finally {
        running--
      }
    }
    const server = new RpcServer({ onError: (error) => errors.push(error), ...options }).add(ReflectedChat, {
      send: ({ text }: { text: string }) => ({ count: text.length }),
      async *watch(_query: unknown, context: CallContext) {
        transport = context.transport
        for (;;) {
          produced++
          yield { text: 'x'.repeat(KiB) }
        }
      },
      upload: (lines: AsyncIterable<unknown>, context: CallContext) =>
        counted(context, async () => {
          await blocked
          let count = 0
          for await (const _ of lines) count++
          return { count }
        }),
      async *talk(lines: AsyncIterable<{ text: string }>) {
        for await (const each of lines) yield each
      },
      // Heeds no signal.
      send_all: (_query: unknown, context: CallContext) => counted(context, () => blocked.then(() => ({ count: 1 }))),
    })
    netDefer(async () => {
      release()
      await server.forceShutdown()
    })
    await server.listen({ host: HOST, port: 0 })
    return { server, port: server.address.port }
  }

  /** What is answered to these frames, up to a call behind them that must still be served. */
  async function answersTo(frames: readonly Uint8Array[], options: RpcServerOptions = {}): Promise<string[]> {
    const { port } = await serve(options)
    const peer = await rawClient(port)
    peer.send(...frames)
    return upToSync(peer)
  }

  async function upToSync(peer: FramePeer, id = 0xffffffff): Promise<string[]> {
    peer.send(request(id, 'Send'))
    const answers: string[] = []
    for (;;) {
      const answer = said(await peer.next())
      if (answer === `${id} OK`) return answers
      answers.push(answer)
    }
  }

  it.each<[string, Buffer[], string[]]>([
    ['even ids, of whatever type', [rawFrame(0, 77), request(2, 'Send'), rawFrame(4, DATA)], ['0', '2', '4'].map(bad)],
    ['an id that was used', [request(1, 'Send'), request(1, 'Send')], ['1 OK', bad('1')]],
    ['an id that is in use', [request(1, 'send_all'), request(1, 'Send')], [bad('1')]],
    ['an id that is less than another', [request(9, 'Send'), request(7, 'Send')], ['9 OK', bad('7')]],
    ['the greatest id', [request(0xfffffffd, 'Send')], [`${0xfffffffd} OK`]],
    ['unknown types, and those of the other side', [0, 2, 4, 16, 255].map((type) => rawFrame(1, type)), []],
    ['the extension, unasked', [PING, CANCEL, WINDOW, METADATA].map((type) => rawFrame(1, type, 0, uint32(1))), []],
    ['unknown flags', [request(1, 'Send', { flags: 0xff })], ['1 OK']],
    ['a Request that is none', [rawFrame(1, REQUEST, 0, Buffer.from([0x0a, 200]))], [bad('1')]],
    ['text that is not UTF-8', [rawFrame(1, REQUEST, 0, Buffer.from([0x0a, 1, 0xff]))], [bad('1')]],
    ['a payload of another type', [request(1, 'Send', { payload: Buffer.from([0x0a, 200]) })], ['1 INTERNAL']],
    ['an unknown service', [request(1, 'Send', { service: 'None' })], ['1 UNIMPLEMENTED']],
    ['an unknown method', [request(1, 'constructor'), request(3, '')], ['1 UNIMPLEMENTED', '3 UNIMPLEMENTED']],
    ['no time', [request(1, 'Send', { timeout_nano: -1 })], ['1 DEADLINE_EXCEEDED']],
    ['Data for a call that never was', [rawFrame(7, DATA, 0, line('a'))], [bad('7')]],
    ['Data for a call that has ended', [request(1, 'Send'), rawFrame(1, DATA, 0, line('a'))], ['1 OK']],
    ['Data for a unary call', [request(1, 'send_all'), rawFrame(1, DATA, 0, line('a'))], [bad('1')]],
    ['the end of a unary call', [request(1, 'send_all'), rawFrame(1, DATA, REMOTE_CLOSED | NO_DATA)], []],
    ['Data behind the end', [upload(1), rawFrame(1, DATA, 5), rawFrame(1, DATA, 0, line('a'))], [bad('1')]],
    ['Data of another type', [upload(1), rawFrame(1, DATA, 0, Buffer.from([0x0a, 200]))], ['1 INTERNAL']],
    ['no data and no end', [upload(1), rawFrame(1, DATA, NO_DATA)], []],
    ['a frame too long', [rawFrame(1, REQUEST, 0, Buffer.alloc(4 * MiB + 1)), request(1, 'Send')], [full('1'), '1 OK']],
    ['too much for an active call', [upload(1), rawFrame(1, DATA, 0, Buffer.alloc(4 * MiB + 1))], [full('1')]],
    [
      'an empty metadata key',
      [request(1, 'Send', { metadata: [{ key: '', value: 'a' }, ...offer] })],
      ['0 type 16', '1 OK'],
    ],
    [
      'an offer without end',
      [request(1, 'Send', { metadata: [{ key: 'millrace-ext', value: `${OUR_OFFER};${'x'.repeat(MiB)}` }] })],
      ['1 OK'],
    ],
    [
      'an offer that makes no sense',
      [request(1, 'Send', { metadata: [{ key: 'millrace-ext', value: '1;;;=' }] })],
      ['1 OK'],
    ],
  ])('is answered on the call, and goes on: %s', async (_what, frames, answers) => {
    expect(await answersTo(frames)).toEqual(answers)
    expect(errors).toEqual([])
  })

  it('that makes up long names gets them back shortened', async () => {
    const { port } = await serve()
    const peer = await rawClient(port)
    const name = 'x'.repeat(4 * MiB - 100)
    peer.send(request(1, 'Send', { service: name }), request(3, name))
    for (const id of [1, 3]) {
      const answer = await peer.next()
      expect(said(answer)).toBe(`${id} UNIMPLEMENTED`)
      expect(answer.data.length).toBeLessThan(300)
    }
  })

  it('that begins a stream with a message that is none does not begin a handler', async () => {
    const { port } = await serve()
    const peer = await rawClient(port)
    peer.send(upload(1, { payload: Buffer.from([0x0a, 200]) }))
    expect(await upToSync(peer)).toEqual(['1 INTERNAL'])
    expect(began).toBe(0)
  })

  it('is let go after its last call, also if that ends with a message that is none', async () => {
    const { server, port } = await serve()
    const peer = await rawClient(port)
    peer.send(upload(1))
    await netUntil(() => began === 1)
    void server.shutdown({ graceMs: 60_000 })
    peer.send(rawFrame(1, DATA, 0, Buffer.from([0x0a, 200])))
    expect(said(await peer.next())).toBe('1 INTERNAL')
    // Its handler goes on.
    await peer.untilEnded()
    expect(running).toBe(1)
  })

  it('that is turned out by a handler gets no other one to run', async () => {
    const { server, port } = await serve()
    const ended: Promise<void>[] = []
    let calls = 0
    server.add(Echo, { one: (item) => (calls++, ended.push(server.forceShutdown()), item) })
    const peer = await rawClient(port)
    const one = (id: number): Buffer => request(id, 'One', { service: 'test.Echo', payload: new Uint8Array(0) })
    peer.send(Buffer.concat([one(1), one(3)]))
    await peer.untilEnded()
    await Promise.all(ended)
    expect(calls).toBe(1)
    expect(peer.frames.map(said)).toEqual(['1 UNAVAILABLE'])
  })

  it.each<[string, Buffer, string[]]>([
    ['cancels a stream', rawFrame(3, CANCEL, 0, uint32(1)), []],
    ['breaks its rules', rawFrame(3, DATA, 0, Buffer.from([0x0a, 200])), ['3 INTERNAL']],
  ])('that %s is given no more room for what was not taken of it', async (_what, last, answers) => {
    const { port } = await serve({ windowLength: 100 })
    const peer = await rawClient(port)
    const lines = Array.from({ length: 20 }, () => rawFrame(3, DATA, 0, line('hello')))
    peer.send(request(1, 'Send', { metadata: offer }), upload(3), ...lines, last)
    expect(await upToSync(peer)).toEqual(['0 type 16', '1 OK', ...answers])
  })

  it('that has ended its side still gets its answers, if the server wants that', async () => {
    const { server, port } = await serve({ halfOpen: true })
    const peer = await rawClient(port)
    const ended = rawFrame(5, DATA, REMOTE_CLOSED | NO_DATA)
    peer.send(request(1, 'send_all', { metadata: offer }), upload(3), rawFrame(3, DATA, 0, line('hello')), upload(5))
    peer.send(rawFrame(5, DATA, 0, line('hello')), ended)
    await netUntil(() => running === 3)
    peer.net.socket.end()
    await netTurns(20)
    expect([server.connections, running]).toEqual([1, 3])
    release()
    await peer.untilEnded()
    // What has not come whole is no stream of messages.
    expect(peer.frames.map(said).sort()).toEqual(['0 type 16', '1 OK', '3 CANCELLED', '5 OK'])
    await netUntil(() => server.connections === 0)
    // Without calls there is nothing to wait for.
    const idle = await rawClient(port)
    idle.send(request(1, 'Send'))
    expect(said(await idle.next())).toBe('1 OK')
    idle.net.socket.end()
    await idle.untilEnded()
    await netUntil(() => server.connections === 0)
  })

  it('leaves no timer behind, however it goes', async () => {
    using clock = new FakeClock()
    const { server, port } = await serve({ maxConnectionAgeMs: 60_000 })
    const late = { timeout_nano: 3_600_000_000_000 }
    for (const frames of [[], [request(1, 'send_all', late)], [header(0xffffffff, 1, DATA), Buffer.alloc(100)]]) {
      const peer = await rawClient(port)
      peer.send(...frames, request(1, 'Send'))
      await netUntil(() => clock.pending > 0)
      await netTurns(5)
      peer.net.socket.destroy()
      await netUntil(() => server.connections === 0)
      expect(clock.pending).toBe(0)
    }
  })

  it('that comes after the end gets no answer', async () => {
    const { server } = await serve()
    await server.shutdown()
    const late = openChannel({
      dial: async (factory) => {
        const protocol = factory()
        const [transport] = memoryPair(protocol, server.protocol())
        return [transport, protocol] as const
      },
      name: 'late',
    })
    await expect(late.client.send(call)).rejects.toMatchObject({ status: Status.UNAVAILABLE })
    expect(server.connections).toBe(0)
  })

  it('that uses the extension in wrong ways is ignored', async () => {
    const { port } = await serve()
    const peer = await rawClient(port)
    peer.send(request(1, 'send_all', { metadata: offer }))
    expect(said(await peer.next())).toBe('0 type 16')
    peer.send(
      rawFrame(0x7fffffff, PING, 0, Buffer.alloc(9)),
      rawFrame(0x7fffffff, PING, 0, Buffer.alloc(7)),
      rawFrame(0x7fffffff, PING, 1, Buffer.alloc(8)),
      rawFrame(1, WINDOW, 0, uint32(0xffffffff)),
      rawFrame(1, WINDOW, 0, Buffer.alloc(2)),
      rawFrame(3, WINDOW, 0, uint32(1)),
      rawFrame(3, CANCEL, 0, uint32(1)),
      rawFrame(1, CANCEL),
      rawFrame(1, GOAWAY, 0, uint32(0)),
      rawFrame(1, METADATA, 0, line('a')),
      request(3, 'Send', { metadata: offer }),
    )
    expect(await upToSync(peer)).toEqual(['3 OK'])
    // Once.
    peer.send(rawFrame(1, CANCEL, 0, uint32(1)), rawFrame(1, CANCEL, 0, uint32(1)), rawFrame(1, DATA, 0, line('a')))
    await netTurns(20)
    expect(peer.frames).toHaveLength(3)
  })

  it('that sends noise gets one final frame for each of its calls at most, and leaves nothing behind', async () => {
    const { server, port } = await serve()
    release()
    for (let seed = 1; seed <= 100; seed++) {
      const peer = await rawClient(port)
      const frames = randomFrames(seed, 60, 12)
      peer.send(...frames)
      peer.net.socket.end(header(100, 1, REQUEST))
      await peer.untilEnded()
    }
    const peer = await rawClient(port)
    expect(await upToSync(peer)).toEqual([])
    expect(server.connections).toBe(1)
    expect(running).toBe(0)
    expect(errors).toEqual([])
  })

  it('that sends noise gets one final frame for each id that it used once', async () => {
    const { port } = await serve()
    release()
    for (let seed = 1; seed <= 30; seed++) {
      const peer = await rawClient(port)
      // Each id begins one call, whatever else is sent on it.
      const seen = new Set<number>()
      const once = randomFrames(seed, 200, 100).filter((frame) => {
        const id = frame.readUInt32BE(4)
        if (frame[8] !== REQUEST) return seen.has(id)
        if (id % 2 === 0 || [...seen].some((other) => other >= id)) return false
        return seen.add(id)
      })
      peer.send(...once)
      await upToSync(peer)
      const finals = peer.frames.filter(({ type, flags }) => type === RESPONSE || (type === DATA && (flags & 1) !== 0))
      for (const id of seen) {
        const ends = finals.filter((frame) => frame.id === id).length
        expect([seed, id, ends <= 1]).toEqual([seed, id, true])
        const lastEnd = peer.frames.findLastIndex((frame) => frame.id === id && finals.includes(frame))
        const last = peer.frames.findLastIndex((frame) => frame.id === id)
        // Nothing behind it.
        expect([seed, id, lastEnd]).toEqual([seed, id, ends === 0 ? -1 : last])
      }
      peer.net.socket.destroy()
    }
  })

  it('that leaves in the middle of anything is forgotten', async () => {
    const { server, port } = await serve()
    const talk = Buffer.concat([
      request(1, 'Send', { metadata: offer }),
      upload(3),
      rawFrame(3, DATA, 0, line('a')),
      request(5, 'Watch', { flags: REMOTE_CLOSED }),
      request(7, 'send_all'),
    ])
    for (let at = 1; at <= talk.length; at += 3) {
      const peer = await rawClient(port)
      peer.send(talk.subarray(0, at))
      if (at % 2 === 0) peer.net.socket.end()
      else peer.net.socket.resetAndDestroy()
      await peer.net.until(() => peer.net.closed || peer.net.ended)
    }
    release()
    await netUntil(() => server.connections === 0 && running === 0)
    expect(errors).toEqual([])
  })

  it('that announces 4 GiB is told so and closed, nothing being kept for it', async () => {
    const { server, port } = await serve({ onError: (error) => errors.push((error as Error).message) })
    const peer = await rawClient(port)
    peer.send(request(1, 'send_all'), header(0xffffffff, 1, DATA), Buffer.alloc(MiB))
    expect(said(await peer.next())).toBe('1 RESOURCE_EXHAUSTED')
    await peer.untilEnded()
    expect(peer.frames).toHaveLength(1)
    await netUntil(() => server.connections === 0)
    expect(errors).toEqual([expect.stringMatching(/a frame of 4294967295 bytes on stream 1 is too long/)])
  })

  it('that reads nothing is turned out all the same', async () => {
    using clock = new FakeClock()
    const { server, port } = await serve()
    const peer = await rawClient(port, { reading: false })
    peer.send(request(1, 'Watch', { flags: REMOTE_CLOSED }))
    await netUntil(() => transport !== undefined && transport.getWriteBufferSize() > 0)
    const shutdown = server.shutdown({ graceMs: 1000 })
    await clock.advance(1000)
    expect(server.connections).toBe(1)
    await clock.advance(1000)
    await shutdown
    expect([server.connections, clock.pending]).toEqual([0, 0])
  })

  it('that reads nothing, and then announces 4 GiB, is closed all the same', async () => {
    using clock = new FakeClock()
    const { server } = await serve({ onError: (error) => errors.push(error) })
    const [transport] = memoryPair({ connectionMade: (made) => made.pauseReading() }, server.protocol())
    // In one piece with what clogs the server, which would not read it otherwise.
    transport.write(Buffer.concat([...Array.from({ length: 5000 }, () => rawFrame(2, 9)), header(0xffffffff, 3, DATA)]))
    await clock.advance(999)
    expect([server.connections, errors.length]).toEqual([1, 1])
    await clock.advance(1)
    expect(server.connections).toBe(0)
    transport.abort()
  })

  it('that sends 64 MiB in one frame is told so, and goes on', async () => {
    const { port } = await serve()
    const peer = await rawClient(port)
    const before = await held()
    let peak = 0
    peer.send(header(64 * MiB, 1, REQUEST))
    const block = Buffer.alloc(MiB)
    for (let i = 0; i < 64; i++) {
      if (!peer.net.socket.write(block)) await new Promise((resolve) => peer.net.socket.once('drain', resolve))
      if (i % 16 === 15) peak = Math.max(peak, (await held()) - before)
    }
    expect(await upToSync(peer)).toEqual([full('1')])
    expect(peak).toBeLessThan(8 * MiB)
  })

  it('that floods with calls runs no more than it may', async () => {
    const { port } = await serve({ maxConcurrentCalls: 100 })
    const peer = await rawClient(port)
    for (let i = 0; i < 5000; i++) peer.send(request(2 * i + 1, 'send_all'))
    await netUntil(() => peer.net.size > 0 && began === 100)
    for (let i = 0; i < 4900; i++) expect(said(await peer.next())).toMatch(/ RESOURCE_EXHAUSTED$/)
    expect(began).toBe(100)
    release()
    for (let i = 0; i < 100; i++) expect(said(await peer.next())).toMatch(/ OK$/)
    expect(await upToSync(peer)).toEqual([])
  })

  it('that gives its calls up as fast as it begins them runs no more either', async () => {
    const { port } = await serve({ maxConcurrentCalls: 100 })
    const peer = await rawClient(port)
    peer.send(request(1, 'Send', { metadata: offer }))
    for (let id = 3; id < 4000; id += 2) peer.send(request(id, 'send_all'), rawFrame(id, CANCEL, 0, uint32(1)))
    await peer.nextOf(RESPONSE)
    peer.send(request(5001, 'Send'))
    let answer = ''
    while (!answer.startsWith('5001')) answer = said(await peer.nextOf(RESPONSE))
    expect([most, answer]).toEqual([100, '5001 RESOURCE_EXHAUSTED'])
    release()
    await netUntil(() => running === 0)
    expect((await upToSync(peer)).filter((each) => !each.endsWith('RESOURCE_EXHAUSTED'))).toEqual([])
  })

  it.each<[string, Buffer]>([
    ['bad ids', rawFrame(2, 9)],
    ['ids that were used', request(1, 'None')],
    ['pings', rawFrame(0x7fffffff, PING, 0, Buffer.alloc(8))],
  ])('that sends %s, and never reads, is not read either', async (_what, frame) => {
    const { port } = await serve()
    const peer = await rawClient(port, { reading: false })
    peer.send(upload(1, { metadata: offer }))
    await netUntil(() => transport !== undefined)
    const frames = Buffer.concat(Array.from({ length: 20_000 }, () => frame))
    await stuck(peer.net.socket, () => frames)
    expect(transport!.getWriteBufferSize()).toBeLessThan(MiB)
    expect(transport!.isReading()).toBe(false)
  })

  it('that begins many streams, and never reads, is not read either', async () => {
    const { port } = await serve()
    const peer = await rawClient(port, { reading: false })
    let id = -1
    await stuck(peer.net.socket, () =>
      Buffer.concat(Array.from({ length: 1000 }, () => request((id += 2), 'Watch', { flags: REMOTE_CLOSED }))),
    )
    // A message of each that runs, and the marks of the transport.
    expect(transport!.getWriteBufferSize()).toBeLessThan(1024 * 1.1 * KiB + MiB)
    expect(transport!.isReading()).toBe(false)
  })

  it.each([
    ['plain', [], 30_000],
    ['with the extension', offer, 300],
  ])('that does not read its stream holds it back: %s', async (_name, metadata, atMost) => {
    const { port } = await serve()
    const peer = await rawClient(port, { reading: false })
    peer.send(request(1, 'Watch', { flags: REMOTE_CLOSED, metadata }))
    let before = -1
    while (produced !== before) {
      before = produced
      await netTurns(200)
    }
    // The buffers of two sockets, and ours.
    expect(transport!.getWriteBufferSize()).toBeLessThan(MiB)
    expect(produced).toBeLessThan(atMost)
  })

  it.each([
    ['plain', []],
    ['beyond its window', offer],
  ])('that sends more than the handler takes is not read: %s', async (_name, metadata) => {
    const { port } = await serve({ maxBufferedLength: 512 * KiB })
    const peer = await rawClient(port)
    peer.send(upload(1, { metadata }))
    const message = rawFrame(1, DATA, 0, Line.encode({ text: 'x'.repeat(10 * KiB) }).finish())
    await stuck(peer.net.socket, () => message)
    expect(transport!.isReading()).toBe(false)
    // What was read, and not taken: the window, with it what may be beyond it, and what came in the same piece.
    expect(transport!.bytesRead).toBeLessThan((metadata.length > 0 ? 768 : 256) * KiB + 128 * KiB)
  })

  it('that goes beyond the windows of many streams is held up as well', async () => {
    const { port } = await serve({ windowLength: 10 * KiB, maxBufferedLength: MiB })
    const peer = await rawClient(port)
    peer.send(upload(1, { metadata: offer }))
    for (let id = 3; id < 200; id += 2) peer.send(upload(id))
    const text = 'x'.repeat(10 * KiB)
    let next = 1
    await stuck(peer.net.socket, () => {
      next = next === 199 ? 1 : next + 2
      return rawFrame(next, DATA, 0, Line.encode({ text }).finish())
    })
    expect(transport!.isReading()).toBe(false)
    expect(transport!.bytesRead).toBeLessThan(100 * 10 * KiB + MiB + 256 * KiB)
    release()
    for (let id = 1; id < 200; id += 2) peer.send(rawFrame(id, DATA, REMOTE_CLOSED | NO_DATA))
    for (let done = 0; done < 100; done++) expect(said(await peer.nextOf(RESPONSE))).toMatch(/ OK$/)
  })

  it('cannot begin more streams than it may', async () => {
    const { port } = await serve({ maxConcurrentStreams: 10 })
    const peer = await rawClient(port)
    for (let id = 1; id < 100; id += 2) peer.send(upload(id))
    peer.send(request(101, 'Watch', { flags: REMOTE_CLOSED }))
    expect(await upToSync(peer)).toHaveLength(41)
    expect(began).toBe(10)
  })
})

describe('a hostile server', () => {
  /** A client with the extension on, and the server's end. */
  async function connected(options: ChannelOptions = {}, extended = true, answer = OUR_OFFER) {
    const errors: unknown[] = []
    const server = await rawServer()
    const more = { onConnectionError: (error: unknown) => errors.push(error), ...options }
    const opened = openChannel({ host: HOST, port: server.port }, more)
    const first = opened.client.send(call)
    const peer = await server.accepted()
    const { id } = await peer.nextOf(REQUEST)
    if (extended) peer.send(rawFrame(0, HELLO, 0, answer))
    peer.respond(id, sent(1))
    await first
    return { ...opened, server, peer, errors }
  }

  /** The connection is as good as ever. */
  async function stillServed(client: { send(request: unknown): Promise<unknown> }, peer: FramePeer): Promise<void> {
    const response = client.send({ text: 'sync' })
    for (;;) {
      const { id, data } = await peer.nextOf(REQUEST)
      if (!data.includes('sync')) continue
      peer.respond(id, sent(99))
      break
    }
    expect(await response).toEqual({ count: 99 })
  }

  const noMessage = Buffer.from([0x0a, 200])

  it.each<[string, (id: number) => Buffer[], string]>([
    ['Data for a unary call', (id) => [rawFrame(id, DATA, 0, line('a'))], 'INTERNAL'],
    ['a Response that is none', (id) => [rawFrame(id, RESPONSE, 0, noMessage)], 'INTERNAL'],
    ['a payload of another type', (id) => [rawFrame(id, RESPONSE, 0, Buffer.from([0x12, 2, 8, 0x80]))], 'INTERNAL'],
    ['a code that is none', (id) => [rawFrame(id, RESPONSE, 0, Buffer.from([0x0a, 2, 8, 99]))], 'status 99'],
    [
      'text that is not UTF-8',
      (id) => [rawFrame(id, RESPONSE, 0, Buffer.from([0x0a, 5, 8, 5, 0x12, 1, 0xff]))],
      'INTERNAL',
    ],
    ['a frame too long', (id) => [rawFrame(id, RESPONSE, 0, Buffer.alloc(4 * MiB + 1))], 'RESOURCE_EXHAUSTED'],
    [
      'an empty metadata key in the trailer of an error',
      (id) => [rawFrame(id, RESPONSE, 0, Buffer.from([0x0a, 2, 8, 5, 0xb2, 6, 0]))],
      'NOT_FOUND',
    ],
    ['metadata that are none', (id) => [rawFrame(id, METADATA, 0, Buffer.from([0x2a, 200]))], 'INTERNAL'],
  ])('fails that call alone: %s', async (_what, frames, status) => {
    const { client, peer, errors } = await connected()
    const failed = netError<RpcError>(client.send(call))
    const { id } = await peer.nextOf(REQUEST)
    peer.send(...frames(id))
    expect(statusName((await failed).status)).toBe(status)
    await stillServed(client, peer)
    expect(errors).toEqual([])
  })

  it.each<[string, (id: number) => Buffer[]]>([
    ['frames of nobody', () => [0, 1, 2, 77, 0xffffffff].map((id) => rawFrame(id, RESPONSE, 0, noMessage))],
    ['unknown types', (id) => [0, 4, 0x16, 255].map((type) => rawFrame(id, type))],
    ['a Request', (id) => [request(id, 'Send'), request(2, 'Send')]],
    ['another Hello', (id) => [rawFrame(0, HELLO, 0, '1;;window=1'), rawFrame(id, HELLO)]],
    ['bad frames of the extension', (id) => [rawFrame(0, PING), rawFrame(0, GOAWAY), rawFrame(id, WINDOW)]],
    ['windows of nobody', () => [rawFrame(7777, WINDOW, 0, uint32(1)), rawFrame(0, WINDOW, 0, uint32(1))]],
    ['unasked answers to pings', () => [rawFrame(0, PING, 1, Buffer.alloc(8)), rawFrame(0, PING, 1)]],
    ['unknown flags', (id) => [rawFrame(id, RESPONSE, 0xff, Buffer.from([0x12, 2, 8, 7]))]],
    [
      'two answers',
      (id) => [rawFrame(id, RESPONSE, 0, Buffer.from([0x12, 2, 8, 7])), rawFrame(id, RESPONSE, 0, noMessage)],
    ],
  ])('is ignored: %s', async (_what, frames) => {
    const { client, peer, errors } = await connected()
    const response = client.send(call)
    const { id } = await peer.nextOf(REQUEST)
    peer.send(...frames(id), rawFrame(id, RESPONSE, 0, Buffer.from([0x12, 2, 8, 7])))
    expect(await response).toEqual({ count: 7 })
    await stillServed(client, peer)
    expect(errors).toEqual([])
  })

  it.each(['', 'nonsense', '2;cancel', '1;cancel', '1;;window=0', '1;;window=99999999999', '1;large;window=9;max=1'])(
    'is a plain one if its Hello says %j',
    async (text) => {
      const server = await rawServer()
      const { client } = openChannel({ host: HOST, port: server.port })
      const first = client.send(call)
      const peer = await server.accepted()
      const { id } = await peer.nextOf(REQUEST)
      peer.send(rawFrame(0, HELLO, 0, text))
      peer.respond(id, sent(1))
      await first
      const controller = new AbortController()
      const failed = netError(client.send(call, { signal: controller.signal }))
      await peer.nextOf(REQUEST)
      controller.abort()
      await failed
      await stillServed(client, peer)
      expect(peer.frames.map(({ type }) => type)).toEqual([REQUEST, REQUEST, REQUEST])
    },
  )

  it('that sends more of a stream than its end is not listened to', async () => {
    const { client, peer } = await connected()
    const stream = client.watch({ room: 'a' })
    const first = stream.next()
    const { id } = await peer.nextOf(REQUEST)
    peer.send(
      rawFrame(id, DATA, 0, line('one')),
      rawFrame(id, DATA, REMOTE_CLOSED, line('two')),
      rawFrame(id, DATA, 0, line('three')),
      rawFrame(id, RESPONSE, 0, noMessage),
    )
    expect((await first).value).toMatchObject({ text: 'one' })
    expect((await stream.next()).value).toMatchObject({ text: 'two' })
    expect(await stream.next()).toEqual({ done: true, value: undefined })
    await stillServed(client, peer)
  })

  it('that announces 4 GiB loses its connection, and the calls on it', async () => {
    const { client, channel, peer } = await connected()
    const [one, other] = [netError<RpcError>(client.send(call)), netError<RpcError>(client.send(call))]
    const { id } = await peer.nextOf(REQUEST)
    peer.send(header(0xffffffff, id, RESPONSE))
    expect((await one).status).toBe(Status.RESOURCE_EXHAUSTED)
    expect((await other).status).toBe(Status.UNAVAILABLE)
    expect((await other).message).toMatch(/a frame of 4294967295 bytes on stream \d+ is too long/)
    await peer.untilEnded()
    expect(channel.activeCalls).toBe(0)
  })

  it('that sends noise settles every call, and no error is left over', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const { client, channel, peer, errors } = await connected({ retry: { maxAttempts: 1 } }, seed % 2 === 0)
      const lines = [{ text: 'a' }, { text: 'b' }]
      const ends = [
        client.send(call),
        drain(client.watch({ room: 'a' })),
        client.upload(lines),
        drain(client.talk(lines)),
        client.send_all({ room: 'a' }),
      ]
      const settled = Promise.allSettled(ends)
      await peer.nextOf(REQUEST)
      peer.send(...randomFrames(seed, 100, 14))
      peer.net.socket.end(header(100, 1, RESPONSE))
      channel.close().catch(() => {})
      await netTurns(5)
      peer.net.socket.destroy()
      channel.abort()
      expect((await settled).map(({ status }) => status)).toHaveLength(5)
      expect(errors).toEqual([])
    }
  })

  it('that fills a stream, and says that it never saw it, is still listened to', async () => {
    const { client, peer } = await connected({ windowLength: 100 }, true, '1;goaway;window=1000')
    const kept = client.send(call)
    const { id } = await peer.nextOf(REQUEST)
    const stream = client.watch({ room: 'a' })
    const watched = await peer.nextOf(REQUEST)
    peer.send(rawFrame(watched.id, DATA, 0, line('x'.repeat(200))), rawFrame(0, GOAWAY, 0, uint32(id)))
    await netTurns(20)
    peer.respond(id, sent(5))
    expect(await kept).toEqual({ count: 5 })
    expect((await stream.next()).value).toMatchObject({ text: 'x'.repeat(200) })
    expect(await netError(stream.next())).toMatchObject({ status: Status.UNAVAILABLE })
  })

  it('that never answers is left at the deadline, and told', async () => {
    using clock = new FakeClock()
    const { client, peer } = await connected()
    const failed = netError<RpcError>(client.send(call, { timeoutMs: 50 }))
    const { id } = await peer.nextOf(REQUEST)
    await clock.advance(50)
    expect((await failed).status).toBe(Status.DEADLINE_EXCEEDED)
    const cancel = await peer.nextOf(CANCEL)
    expect([cancel.id, cancel.data]).toEqual([id, uint32(Status.DEADLINE_EXCEEDED)])
    peer.respond(id, sent(1))
    await stillServed(client, peer)
  })

  it.each([
    ['plain', false],
    ['beyond its window', true],
  ])('that sends more of a stream than is taken is not read, and nothing is lost: %s', async (_name, extended) => {
    const { client, peer } = await connected({}, extended)
    const stream = client.watch({ room: 'a' })
    const { id } = await peer.nextOf(REQUEST)
    const { socket } = peer.net
    let count = 0
    await stuck(socket, () => {
      const text = `${count++} `.padEnd(10 * KiB, 'x')
      return rawFrame(id, DATA, 0, Line.encode({ text }).finish())
    })
    socket.write(rawFrame(id, DATA, REMOTE_CLOSED | NO_DATA))
    let got = 0
    for await (const { text } of stream) expect(Number.parseInt(text as string, 10)).toBe(got++)
    expect(got).toBe(count)
  })

  it('that asks for signs of life, and reads none, does not fill our memory', async () => {
    let transport: Transport | undefined
    const { createConnection } = await import('../../lib/endpoints/connect.ts')
    const server = await rawServer()
    const { client } = openChannel({
      dial: async (factory, options) => {
        const made = await createConnection(factory, { host: HOST, port: server.port, ...options })
        transport = made[0]
        return made
      },
    })
    const first = client.send(call)
    const peer = await server.accepted()
    peer.send(rawFrame(0, HELLO, 0, OUR_OFFER))
    peer.respond(1, sent(1))
    await first
    const { socket } = peer.net
    socket.pause()
    const pings = Buffer.concat(Array.from({ length: 5000 }, () => rawFrame(0, PING, 0, Buffer.alloc(8))))
    for (let sentBytes = 0; sentBytes < 40 * MiB; sentBytes += pings.length) {
      if (!socket.write(pings)) await netTurns(3)
    }
    await netTurns(50)
    expect(transport!.getWriteBufferSize()).toBeLessThan(MiB)
  })
})

/** Writes until the other end does not read any more. */
async function stuck(socket: Socket, make: () => Buffer): Promise<void> {
  for (let quiet = 0; quiet < 30 && !socket.destroyed;) {
    if (socket.writableLength < MiB) socket.write(make())
    const before = socket.writableLength
    await netTurns(1)
    quiet = before >= MiB && socket.writableLength === before ? quiet + 1 : 0
  }
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}
