/** What the checks of transports are made of. */
import { ok } from 'node:assert/strict'
import { NotImplementedError } from '../errors.ts'
import type { AnyProtocol } from '../protocol.ts'
import type { AbortOptions, ReadTransport, Transport, WriteTransport } from '../transport.ts'
import { nextTurn } from '../wait.ts'
import { RecordingProtocol } from './recordingProtocol.ts'

/** What may be said of a transport besides how it is made. */
interface Traits<Make> {
  /** How many turns the transport may take to see that a write was taken; 0 if it is told at once. With TLS it is 3. */
  turnsPerWrite?: number
  /**
   * Makes a pair over which nothing gets through. Without it the checks that need one stop reading, and write until
   * nothing is taken any more.
   */
  clogged?: Make
}

/**
 * Connects two protocols through the transport under test and resolves, after both had `connectionMade`, with the two
 * ends. Errors that the protocols throw are part of some checks: let them be reported to nowhere.
 */
export interface MakePair extends Traits<MakePair> {
  (client: AnyProtocol, server: AnyProtocol): Promise<readonly [client: Transport, server: Transport]>
}

/** Like {@link MakePair}, for two ends of which one is only written to and the other is only read from. */
export interface MakeOneWay extends Traits<MakeOneWay> {
  (writer: AnyProtocol, reader: AnyProtocol): Promise<readonly [writer: WriteTransport, reader: ReadTransport]>
}

/** One check, for test runners that want each by its name. */
export interface TransportCheck<Make = MakePair> {
  readonly name: string
  run(makePair: Make): Promise<void>
}

/** Runs the checks in turn; rejects with the name of the first that fails; its AssertionError is the `cause`. */
export async function runChecks<Make>(checks: readonly TransportCheck<Make>[], makePair: Make): Promise<void> {
  for (const check of checks) {
    try {
      await check.run(makePair)
    } catch (error) {
      throw new Error(`${check.name}: ${(error as Error).message}`, { cause: error })
    }
  }
}

type Run = (client: RecordingProtocol, server: RecordingProtocol) => Promise<void>

/** A check with two recorders; for a one-way transport the client is the one who writes. */
export function check(name: string, run: Run): TransportCheck<MakeOneWay> {
  return { name, run: (makePair) => withPair(makePair, run) }
}

/** A check that wants to find the way clogged, and to leave it so. */
export function checkClogged(name: string, run: Run): TransportCheck<MakeOneWay> {
  return { name, run: (makePair) => withPair(makePair.clogged ?? makePair, run) }
}

/** Ends the connection as rudely as the transport can. */
export function hangUp({ transport }: RecordingProtocol): void {
  abort(transport, { reset: true })
}

function abort(end: WriteTransport | ReadTransport, options?: AbortOptions): void {
  try {
    if ('abort' in end) return end.abort(options)
  } catch (error) {
    if (!(error instanceof NotImplementedError)) throw error
  }
  end.close()
}

/** Writes `bytes` in pieces of all sizes. */
export function sendInPieces({ transport }: RecordingProtocol, bytes: Uint8Array): void {
  for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 3) % 70_001) {
    transport.write(bytes.subarray(at, at + size))
  }
}

/** Bytes that tell where they are. */
export function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8)) & 0xff
  return bytes
}

export async function turns(n = 5): Promise<void> {
  for (let i = 0; i < n; i++) await nextTurn()
}

/** A check does not wait longer for anything. */
const PATIENCE_MS = 20_000

/** What `run` gives; rejects where that takes longer than a check may, instead of leaving a test to hang. */
export async function patiently<T>(run: () => Promise<T>): Promise<T> {
  let late: ReturnType<typeof setTimeout> | undefined
  const never = new Promise<never>((_resolve, reject) => {
    late = setTimeout(() => reject(new Error(`did not end within ${PATIENCE_MS} ms`)), PATIENCE_MS)
  })
  try {
    return await Promise.race([run(), never])
  } finally {
    clearTimeout(late)
  }
}

/** Two connected ends with recorders, closed again whatever the check does. */
export async function withPair(
  makePair: MakeOneWay,
  check: (client: RecordingProtocol, server: RecordingProtocol) => Promise<void>,
  recorders: [RecordingProtocol, RecordingProtocol] = [new RecordingProtocol(), new RecordingProtocol()],
): Promise<void> {
  for (const recorder of recorders) turnsPerWrite.set(recorder, makePair.turnsPerWrite ?? 0)
  const ends = await makePair(...recorders)
  try {
    await patiently(() => check(...recorders))
  } finally {
    for (const end of ends) abort(end)
    await Promise.all(recorders.map((recorder) => recorder.untilEvent('connectionLost')))
  }
}

const turnsPerWrite = new WeakMap<RecordingProtocol, number>()

/** What `writer` has written, and its peer has, is known to be taken. */
export const taken = (writer: RecordingProtocol): Promise<void> => turns(turnsPerWrite.get(writer) ?? 0)

/** Stops `reader` and writes on `writer` until it is told to pause, and stays so. */
export async function clog(writer: RecordingProtocol, reader: RecordingProtocol): Promise<number> {
  reader.transport.pauseReading()
  let written = 0
  const piece = pattern(64 * 1024)
  for (;;) {
    while (!writer.events.includes('pauseWriting')) {
      writer.transport.write(piece)
      written += piece.length
      ok(
        written < 1024 * 1024 * 1024,
        'a gigabyte was written to a peer that does not read, and pauseWriting never came',
      )
      if (written % (1024 * 1024) === 0) await nextTurn()
    }
    await taken(writer)
    if (!writer.events.includes('resumeWriting')) return written
    writer.events.splice(writer.events.indexOf('pauseWriting'), 2)
  }
}

export const count = (events: readonly string[], name: string): number =>
  events.filter((event) => event === name).length
