/**
 * A file of captured packets, for Wireshark and its like.
 *
 * Strategy: records wait in a list; one write at a time takes all that wait. A capture must not slow down what it
 * watches, so what the disk is too slow for is dropped, as tcpdump does, and counted.
 */
import { open, type FileHandle } from 'node:fs/promises'
import { handled } from '../wait.ts'
import { pcapHeader, pcapRecord, type Segment } from './tcpPacket.ts'

export interface PcapFileOptions {
  /** How much may wait for the disk, in bytes; 16 MiB by default. Packets beyond it are dropped. */
  maxQueuedBytes?: number | undefined
}

const DEFAULT_MAX_QUEUED_BYTES = 16 * 1024 * 1024
/** So far may the two clocks drift apart before the finer one is set by the other. */
const MOST_DRIFT_MS = 10

/**
 * A pcap file that any number of connections are written to by `capture`:
 * `await using file = await PcapFile.create('traffic.pcap')`.
 */
export class PcapFile implements AsyncDisposable {
  readonly #handle: FileHandle
  readonly #maxQueuedBytes: number
  readonly #clock = new FineClock()
  #queue: Uint8Array[] = []
  /** Bytes that wait or are being written. */
  #unwritten = 0
  #writing: Promise<void> | undefined
  #error: unknown
  #closed: Promise<void> | undefined
  #dropped = 0
  #connections = 0

  /**
   * Creates the file, or empties the one that is there. Rejects with the system's error, and with a RangeError for a
   * limit that is not above 0.
   */
  static async create(path: string | URL, options: PcapFileOptions = {}): Promise<PcapFile> {
    const { maxQueuedBytes = DEFAULT_MAX_QUEUED_BYTES } = options
    if (!(maxQueuedBytes > 0)) throw new RangeError(`maxQueuedBytes must be above 0, not ${maxQueuedBytes}`)
    const file = new PcapFile(await open(path, 'w'), maxQueuedBytes)
    file.#add(pcapHeader())
    return file
  }

  private constructor(handle: FileHandle, maxQueuedBytes: number) {
    this.#handle = handle
    this.#maxQueuedBytes = maxQueuedBytes
  }

  /** How many packets were dropped, because the disk was too slow or has failed. Wireshark shows the gaps. */
  get dropped(): number {
    return this.#dropped
  }

  /** For `capture`: the number of a new connection, from 0 up. */
  nextConnection(): number {
    return this.#connections++
  }

  /** For `capture`: adds a packet, at the present time. After {@link close} it does nothing. */
  add(segment: Segment): void {
    if (this.#closed !== undefined) return
    if (this.#error !== undefined || this.#unwritten >= this.#maxQueuedBytes) {
      this.#dropped++
      return
    }
    this.#add(pcapRecord(this.#clock.now(), segment))
  }

  /** Resolves when all that was captured so far is in the file. Rejects with the error of the disk. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing // oxlint-disable-line no-await-in-loop -- new ones may begin
    if (this.#error !== undefined) throw this.#error
  }

  /**
   * Writes what waits, and closes the file; connections may go on, without being captured. Rejects with the error of the
   * disk, if there was one. May be called again.
   */
  close(): Promise<void> {
    this.#closed ??= handled(this.flush().finally(() => this.#handle.close()))
    return this.#closed
  }

  /** See {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #add(record: Uint8Array): void {
    this.#queue.push(record)
    this.#unwritten += record.length
    this.#writing ??= this.#write()
  }

  async #write(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const batch = this.#queue
        this.#queue = []
        await this.#writeAll(batch) // oxlint-disable-line no-await-in-loop -- in their order
      }
    } catch (error) {
      this.#error = error
      this.#dropped += this.#queue.length
      this.#queue = []
    }
    this.#writing = undefined
  }

  async #writeAll(records: Uint8Array[]): Promise<void> {
    let rest = records
    while (rest.length > 0) {
      const { bytesWritten } = await this.#handle.writev(rest) // oxlint-disable-line no-await-in-loop -- it may take a part
      this.#unwritten -= bytesWritten
      rest = without(rest, bytesWritten)
    }
  }
}

/** What is left of `parts` behind the first `n` bytes. */
function without(parts: readonly Uint8Array[], n: number): Uint8Array[] {
  let left = n
  let i = 0
  while (i < parts.length && left >= parts[i]!.length) left -= parts[i++]!.length
  const rest = parts.slice(i)
  if (left > 0) rest[0] = rest[0]!.subarray(left)
  return rest
}

/** The time of the day in milliseconds, with the fractions that `Date.now()` has not. */
class FineClock {
  #offset = Date.now() - performance.now()

  now(): number {
    const wall = Date.now()
    const fine = this.#offset + performance.now()
    if (Math.abs(fine - wall) <= MOST_DRIFT_MS) return fine
    // Somebody has set the clock.
    this.#offset = wall - performance.now()
    return wall
  }
}
