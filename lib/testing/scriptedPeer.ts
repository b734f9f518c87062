/**
 * The other end of a connection, which follows a script.
 *
 * Strategy: one loop takes the steps in turn. A step that expects looks at what has come and not been consumed; it is
 * tried again whenever more comes. The first one that fails ends the script, and the connection with it.
 */
import { AssertionError } from 'node:assert'
import { toBytes } from '../bytes/allocate.ts'
import { clock } from '../clock.ts'
import { ConnectionLostError, InvalidStateError } from '../errors.ts'
import type { AnyProtocol } from '../protocol.ts'
import {
  streamFactories,
  toStreams,
  type AnyReader,
  type StreamClasses,
  type Streams,
} from '../streams/streamClasses.ts'
import type { StreamReader } from '../streams/streamReader.ts'
import type { StreamWriter } from '../streams/streamWriter.ts'
import type { Transport } from '../transport.ts'
import type { MemoryTransport } from '../transports/memoryTransport.ts'
import { handled, nextTurn, Waiter, type WaitOptions } from '../wait.ts'
import { hexDiff, hexLines } from './hexDiff.ts'
import { memoryPair, type MemoryOptions } from './memoryPair.ts'

/** What {@link ScriptedPeer.done} waits for a step that does not come, in milliseconds. */
const PATIENCE_MS = 2000

interface Step {
  readonly name: string
  /** What it lacks, for the error; only of steps that may wait. */
  lacks?: (received: Buffer) => string
  /** Whether it is done. Throws where it can no longer be. */
  run(): boolean | Promise<void>
}

/** Made by {@link scriptedPeer}. */
export class ScriptedPeer {
  readonly #options: MemoryOptions
  readonly #steps: Step[] = []
  readonly #done = new Waiter<void>()
  #transport: Transport | undefined
  #other: MemoryTransport | undefined
  #at = 0
  #running = false
  #finishing = false
  #failure: AssertionError | undefined
  #received: Buffer = Buffer.alloc(0)
  #ended = false

  constructor(options: MemoryOptions = {}) {
    this.#options = options
    void handled(this.#done.promise)
  }

  // --- the script

  /** The code under test must send exactly these bytes next; a string stands for its UTF-8 bytes. */
  expect(bytes: Uint8Array | string): this
  /**
   * What it sends next, read as Latin-1, must match from its first byte on. The match is taken as soon as there is one:
   * let the pattern end with what ends the message.
   */
  expect(pattern: RegExp): this
  expect(expected: Uint8Array | string | RegExp): this {
    return expected instanceof RegExp ? this.#expectMatch(expected) : this.#expectBytes(toBytes(expected))
  }

  /** Sends bytes, or a string as UTF-8. */
  reply(bytes: Uint8Array | string): this {
    return this.#add({ name: 'reply', run: () => (this.#transport!.write(bytes), true) })
  }

  /** Lets `ms` milliseconds pass, of a `FakeClock` if there is one; without a number, some turns of the event loop. */
  pause(ms?: number): this {
    const run = async (): Promise<void> => {
      if (ms === undefined) for (let i = 0; i < 5; i++) await nextTurn()
      else await new Promise<void>((resolve) => void clock.setTimeout(resolve, ms, true))
    }
    return this.#add({ name: 'pause', run })
  }

  /** Ends our side; the code under test may go on sending. */
  eof(): this {
    return this.#add({ name: 'eof', run: () => (this.#transport!.writeEof(), true) })
  }

  /** The code under test must end its side, or close, having sent nothing more. */
  end(): this {
    return this.#add({
      name: 'end',
      lacks: () => 'expected the end of the stream, and it has not come',
      run: () => {
        if (this.#received.length > 0) throw new Error(`expected the end of the stream\n${this.#came()}`)
        return this.#ended
      },
    })
  }

  /** The connection is reset: the code under test gets a ConnectionLostError. */
  reset(): this {
    return this.#add({ name: 'reset', run: () => (this.#transport!.abort({ reset: true }), true) })
  }

  /** The code under test loses the connection with this error. */
  fail(error: Error = new ConnectionLostError('connection lost: as the script says')): this {
    return this.#add({ name: 'fail', run: () => (this.#other!.fail(error), true) })
  }

  // --- the code under test

  /** Connects a protocol to the peer, and gives its transport. Throws {@link InvalidStateError} the second time. */
  connect(protocol: AnyProtocol): Transport {
    if (this.#transport !== undefined) throw new InvalidStateError('a scripted peer serves one connection')
    const script: AnyProtocol = {
      connectionMade: (transport) => void (this.#transport = transport),
      dataReceived: (data: Buffer) => {
        this.#received = Buffer.concat([this.#received, data])
        void this.#advance()
      },
      eofReceived: () => {
        this.#ended = true
        void this.#advance()
        return true
      },
      connectionLost: () => {
        this.#ended = true
        void this.#advance()
      },
    }
    const [transport] = memoryPair(protocol, script, this.#options)
    this.#other = transport as MemoryTransport
    void this.#advance()
    return transport
  }

  /** Connects a reader and a writer to the peer, as `openConnection` makes them. */
  streams<R extends AnyReader = StreamReader, W extends StreamWriter = StreamWriter>(
    classes: StreamClasses<R, W> = {},
  ): Streams<R, W> {
    const { makeReader, makeProtocol, options } = streamFactories(classes)
    const reader = makeReader()
    const protocol = makeProtocol(reader, undefined, options)
    return toStreams(reader, protocol.createWriter(this.connect(protocol), reader))
  }

  /**
   * Resolves when the script is done and nothing was sent besides it. Rejects with an AssertionError that shows, in hex
   * and text, what step expected what and what came instead: also when that does not come within `timeoutMs` of real
   * time, 2,000 by default, whatever a `FakeClock` says. The reads of the code under test have rejected with the same error.
   */
  async done({ timeoutMs = PATIENCE_MS, ...options }: WaitOptions = {}): Promise<void> {
    this.#finishing = true
    void this.#advance()
    const done = new Waiter<void>(options, () => 'the script')
    void this.#done.promise.then(
      () => done.resolve(),
      (error) => done.reject(error),
    )
    // Not by the clock of the others: time must run out also where a test has stopped theirs, or waits for nothing else.
    const late = setTimeout(() => this.#fail(this.#lacking(timeoutMs)), timeoutMs)
    try {
      await done.promise
    } finally {
      clearTimeout(late)
    }
  }

  // --- inside

  #add(step: Step): this {
    if (this.#finishing) throw new InvalidStateError(`${step.name}() after done()`)
    this.#steps.push(step)
    if (this.#transport !== undefined) void this.#advance()
    return this
  }

  #expectBytes(expected: Uint8Array): this {
    return this.#add({
      name: 'expect',
      lacks: (received) => `it has not come whole\n${hexDiff(expected, received)}`,
      run: () => {
        const head = this.#received.subarray(0, expected.length)
        if (!head.equals(expected.subarray(0, head.length)) || (this.#ended && head.length < expected.length)) {
          const end = this.#ended && head.length < expected.length ? ', then the stream ended' : ''
          throw new Error(`it is not what came${end}\n${hexDiff(expected, this.#received)}`)
        }
        if (head.length < expected.length) return false
        this.#received = this.#received.subarray(expected.length)
        return true
      },
    })
  }

  #expectMatch(pattern: RegExp): this {
    const lacks = (): string => `nothing matches ${pattern}\n${this.#came()}`
    const anchored = new RegExp(pattern.source, [...new Set(pattern.flags.replace('g', '') + 'y')].join(''))
    return this.#add({
      name: 'expect',
      lacks,
      run: () => {
        anchored.lastIndex = 0
        const match = anchored.exec(this.#received.toString('latin1'))
        if (match === null && this.#ended) throw new Error(`${lacks()}\nthen the stream ended`)
        if (match !== null) this.#received = this.#received.subarray(match[0].length)
        return match !== null
      },
    })
  }

  async #advance(): Promise<void> {
    if (this.#running || this.#failure !== undefined || this.#transport === undefined) return
    this.#running = true
    try {
      for (let step = this.#steps[this.#at]; step !== undefined; step = this.#steps[this.#at]) {
        const did = step.run()
        if (did === false) return
        if (did !== true) await did
        this.#at++
      }
      if (!this.#finishing) return
      // What is on its way counts, too.
      for (let i = 0; i < 5; i++) await nextTurn()
      if (this.#at < this.#steps.length) return
      if (this.#received.length === 0) return this.#done.resolve()
      this.#fail(`more came than the script has steps for\n${this.#came()}`)
    } catch (error) {
      this.#fail((error as Error).message)
    } finally {
      this.#running = false
    }
  }

  #fail(what: string): void {
    const step = this.#steps[this.#at]
    const where =
      step === undefined ? 'after the last step' : `step ${this.#at + 1} of ${this.#steps.length}, ${step.name}`
    this.#failure = new AssertionError({ message: `${where}: ${what}`, operator: 'scriptedPeer' })
    this.#other?.fail(this.#failure)
    this.#done.reject(this.#failure)
  }

  #lacking(timeoutMs: number): string {
    if (this.#transport === undefined) return 'nobody has connected to the peer'
    return this.#steps[this.#at]?.lacks?.(this.#received) ?? `did not end within ${timeoutMs} ms`
  }

  #came(): string {
    return this.#received.length === 0 ? 'received nothing' : hexLines('received', this.#received)
  }
}

/**
 * A peer that does what its script says, connected in memory: no socket, no second program.
 *
 * ```ts
 * const peer = scriptedPeer().expect('PING\r\n').reply('PONG\r\n').end()
 * await Promise.all([client(peer.streams()), peer.done()])
 * ```
 *
 * Wait for both at once: where the client waits for an answer that its words do not lead to, it is `done()` that says so.
 *
 * Steps may also be added while it runs. (tokio: `tokio_test::io::Builder`.)
 */
export function scriptedPeer(options?: MemoryOptions): ScriptedPeer {
  return new ScriptedPeer(options)
}
