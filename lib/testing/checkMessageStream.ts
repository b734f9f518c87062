/** What every message stream must do, whatever it lies on, as checks that run against yours. Ours pass the same ones. */
import { deepStrictEqual, ok, rejects, strictEqual, throws } from 'node:assert/strict'
import { ConnectionLostError, InvalidStateError, TimeoutError } from '../errors.ts'
import type { MessageStream } from '../messages/messageStream.ts'
import { nextTurn } from '../wait.ts'
import { patiently, turns } from './transportCheck.ts'

/** Whatever its events are. */
type Stream<In, Out> = MessageStream<In, Out, any> // oxlint-disable-line typescript/no-explicit-any

/** Makes the two ends of a connection, and the messages to send over it. */
export interface MessageStreamsUnderTest<In, Out> {
  connect(): Promise<readonly [Stream<In, Out>, Stream<In, Out>]>
  /** A message that tells its number, of about `size` bytes, for `from` to send to the other end. */
  message(number: number, size: number, from: Stream<In, Out>): Out
  /** The number that such a message tells at the other end. */
  numberOf(message: In): number
  /** Set for datagrams: nobody is told of the end, and nobody is held back. */
  datagrams?: boolean
}

/** One check, for test runners that want each by its name. */
export interface MessageStreamCheck {
  readonly name: string
  /** Whether it is for wires of that kind; absent for all. */
  readonly datagrams?: boolean
  run<In, Out>(test: MessageStreamsUnderTest<In, Out>): Promise<void>
}

/** Runs all of {@link messageStreamChecks} that apply; rejects with the name of the first that fails, and its error as `cause`. */
export async function checkMessageStream<In, Out>(test: MessageStreamsUnderTest<In, Out>): Promise<void> {
  for (const check of messageStreamChecks) {
    if (check.datagrams !== undefined && check.datagrams !== (test.datagrams ?? false)) continue
    try {
      await check.run(test)
    } catch (error) {
      throw new Error(`${check.name}: ${(error as Error).message}`, { cause: error })
    }
  }
}

/** One end, in numbers. */
class End<In, Out> {
  readonly stream: Stream<In, Out>
  readonly #test: MessageStreamsUnderTest<In, Out>
  #sent = 0

  constructor(stream: Stream<In, Out>, test: MessageStreamsUnderTest<In, Out>) {
    this.stream = stream
    this.#test = test
  }

  write(size = 100): number {
    this.stream.writeMessage(this.#test.message(this.#sent, size, this.stream))
    return this.#sent++
  }

  numberOf(message: In | undefined): number | undefined {
    return message === undefined ? undefined : this.#test.numberOf(message)
  }

  async read(): Promise<number | undefined> {
    return this.numberOf(await this.stream.readMessage({ timeoutMs: 10_000 }))
  }

  /** Writes large messages until it would have to wait; returns how many. */
  async clog(): Promise<number> {
    let written = 0
    // What is taken within a few turns is no clog.
    for (let idle = 0; idle < 5; idle++) {
      while (!this.stream.needsDrain) {
        this.write(20_000)
        idle = 0
        ok(++written < 20_000, '400 MB were written to a peer that does not read, and needsDrain never came')
      }
      await nextTurn()
    }
    return written
  }
}

/** The checks. */
export const messageStreamChecks: readonly MessageStreamCheck[] = [
  check('carries messages both ways, in order, with their borders', async (a, b) => {
    for (let i = 0; i < 20; i++) {
      a.write(i)
      b.write(20 - i)
    }
    for (let i = 0; i < 20; i++) deepStrictEqual([await a.read(), await b.read()], [i, i])
  }),

  check('refuses a second read, and does not disturb the first', async (a, b) => {
    const first = b.stream.readMessage()
    await rejects(b.stream.readMessage(), InvalidStateError)
    throws(() => b.stream.tryReadMessage(), InvalidStateError)
    a.write()
    strictEqual(b.numberOf(await first), 0)
  }),

  check('loses nothing by a read that is cancelled', async (a, b) => {
    const cancelled = new AbortController()
    const read = b.stream.readMessage({ signal: cancelled.signal })
    cancelled.abort(new Error('enough'))
    await rejects(read, { message: 'enough' })
    await rejects(b.stream.readMessage({ timeoutMs: 1 }), TimeoutError)
    a.write()
    strictEqual(await b.read(), 0)
    a.write()
    while (b.stream.buffered === 0) await nextTurn()
    await rejects(b.stream.readMessage({ signal: cancelled.signal }), { message: 'enough' })
    strictEqual(b.numberOf(b.stream.tryReadMessage()), 1)
    strictEqual(b.stream.tryReadMessage(), undefined)
  }),

  check('has marks for reading and for writing, and refuses bad ones', async ({ stream }) => {
    stream.setReadBufferLimits({ high: 1000 })
    deepStrictEqual(stream.getReadBufferLimits(), [500, 1000])
    stream.setReadBufferLimits({ low: 1000 })
    deepStrictEqual(stream.getReadBufferLimits(), [1000, 2000])
    throws(() => stream.setReadBufferLimits({ high: 1, low: 2 }), RangeError)
    deepStrictEqual(stream.getReadBufferLimits(), [1000, 2000])
    stream.setWriteBufferLimits({ high: 1000 })
    deepStrictEqual(stream.getWriteBufferLimits(), [250, 1000])
    throws(() => stream.setWriteBufferLimits({ high: 1, low: 2 }), RangeError)
  }),

  check(
    'holds back a peer that is not read, and lets any number of drains wait',
    async (a, b) => {
      b.stream.setReadBufferLimits({ high: 1000, low: 0 })
      const written = await a.clog()
      const order: string[] = []
      const drains = ['first', 'second'].map((name) => a.stream.drain().then(() => order.push(name)))
      const cancelled = new AbortController()
      const given = a.stream.drain({ signal: cancelled.signal })
      cancelled.abort(new Error('enough'))
      await rejects(given, { message: 'enough' })
      deepStrictEqual(order, [])
      for (let i = 0; i < written; i++) strictEqual(await b.read(), i)
      await Promise.all(drains)
      deepStrictEqual(order, ['first', 'second'])
    },
    false,
  ),

  check(
    'drops the newest above the high mark, and counts them',
    async (a, b) => {
      b.stream.setReadBufferLimits({ high: 2500 })
      for (let i = 0; i < 10; i++) a.write(1000)
      while (b.stream.buffered + b.stream.dropped < 10) await nextTurn()
      const kept = b.stream.buffered
      ok(kept < 5, `${kept} of 1000 bytes are buffered, the mark is 2500`)
      for (let i = 0; i < kept; i++) strictEqual(await b.read(), i)
      a.write()
      strictEqual(await b.read(), 10)
      strictEqual(b.stream.dropped, 10 - kept)
    },
    true,
  ),

  check('a loop of drains lets the event loop run', async (a) => {
    let turns = 0
    const turn = setImmediate(() => void turns++)
    for (let i = 0; i < 5000 && turns === 0; i++) await a.stream.drain()
    clearImmediate(turn)
    ok(turns > 0, '5000 drains in a row let nothing else run')
  }),

  check(
    'sends what was written before it closes; the other end reads it all, then the end',
    async (a, b) => {
      for (let i = 0; i < 50; i++) a.write(20_000)
      a.stream.close()
      strictEqual(a.stream.isClosing(), true)
      for (let i = 0; i < 50; i++) strictEqual(await b.read(), i)
      strictEqual(await b.read(), undefined)
      strictEqual(await b.read(), undefined)
      b.stream.close()
      await Promise.all([a.stream.waitClosed(), b.stream.waitClosed()])
      deepStrictEqual([a.stream.exception(), b.stream.exception()], [null, null])
    },
    false,
  ),

  check('closed by us, gives what had come, then the end', async (a, b) => {
    a.write()
    a.write()
    while (b.stream.buffered < 2) await nextTurn()
    strictEqual(b.stream.atClosing(), false)
    b.stream.close()
    await b.stream.waitClosed()
    deepStrictEqual([b.stream.isClosing(), b.stream.atClosing()], [true, false])
    deepStrictEqual([await b.read(), await b.read(), await b.read()], [0, 1, undefined])
    strictEqual(b.stream.atClosing(), true)
    await rejects(b.stream.drain(), ConnectionLostError)
  }),

  check('closed by us, delivers nothing of what comes then', async (a, b) => {
    a.write()
    b.stream.close()
    strictEqual(await b.read(), undefined)
  }),

  check(
    'aborted, drops what is unsent',
    async (a, b) => {
      b.stream.setReadBufferLimits({ high: 1000, low: 0 })
      const written = await a.clog()
      a.stream.abort()
      await a.stream.waitClosed()
      let read = 0
      try {
        while ((await b.read()) !== undefined) read++
      } catch (error) {
        // It may be that a message was cut in two.
        if (error instanceof TimeoutError) throw error
      }
      ok(read < written, 'everything arrived in spite of abort()')
    },
    false,
  ),

  check('is told that it is lost once, and not from inside abort()', async (a) => {
    const { stream } = a
    let losses = 0
    const connectionLost = stream.connectionLost.bind(stream)
    stream.connectionLost = (error) => {
      losses++
      connectionLost(error)
    }
    stream.abort()
    stream.close()
    stream.abort()
    strictEqual(losses, 0)
    await stream.waitClosed()
    stream.abort()
    await turns()
    strictEqual(losses, 1)
  }),

  check('aborted, ends what waits: the read, the events, waitClosed', async (a) => {
    const waits = [a.stream.readMessage(), a.stream.readEvent(), a.stream.waitClosed()]
    a.stream.abort()
    deepStrictEqual(await Promise.all(waits), [undefined, undefined, undefined])
    await a.stream.waitClosed()
    strictEqual(a.stream.exception(), null)
  }),

  check(
    'lost, gives what had come, then rejects with the reason, as do drain and waitClosed',
    async (a, b) => {
      a.write()
      while (b.stream.buffered === 0) await nextTurn()
      // Something must be lost: not every transport can reset.
      a.stream.setReadBufferLimits({ high: 1000, low: 0 })
      await b.clog()
      const drain = b.stream.drain()
      a.stream.abort({ reset: true })
      await rejects(b.stream.waitClosed(), ConnectionLostError)
      await rejects(drain, ConnectionLostError)
      ok(b.stream.exception() instanceof ConnectionLostError)
      strictEqual(await b.read(), 0)
      await rejects(b.stream.readMessage(), ConnectionLostError)
      throws(() => b.stream.tryReadMessage(), ConnectionLostError)
      await rejects(b.stream.drain(), ConnectionLostError)
    },
    false,
  ),

  check('is iterated over; leaving the loop closes nothing', async (a, b) => {
    for (let i = 0; i < 3; i++) a.write()
    for await (const message of b.stream) {
      if (b.numberOf(message) === 1) break
    }
    strictEqual(await b.read(), 2)
    const rest = (async () => {
      for await (const _ of b.stream);
    })()
    b.stream.close()
    await rest
  }),

  check(
    'sends nothing of what is written while it closes',
    async (a, b) => {
      a.write()
      a.stream.close()
      a.write()
      strictEqual(await b.read(), 0)
      strictEqual(await b.read(), undefined)
    },
    false,
  ),

  check('drops what is written while it closes, and disposes of itself', async (a) => {
    a.stream.close()
    a.write()
    await a.stream[Symbol.asyncDispose]()
    a.stream.close()
    a.stream.abort()
    strictEqual(a.stream.atClosing(), true)
  }),
]

function check(
  name: string,
  run: <In, Out>(a: End<In, Out>, b: End<In, Out>) => Promise<void>,
  datagrams?: boolean,
): MessageStreamCheck {
  return {
    name,
    ...(datagrams !== undefined && { datagrams }),
    async run(test) {
      const streams = await test.connect()
      try {
        await patiently(() => run(new End(streams[0], test), new End(streams[1], test)))
      } finally {
        for (const stream of streams) stream.abort()
        await patiently(() => Promise.all(streams.map((stream) => stream.waitClosed().catch(() => {}))))
      }
    },
  }
}
