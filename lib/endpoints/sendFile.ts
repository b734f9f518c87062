/**
 * A file, sent over a transport.
 *
 * Strategy: while the system takes one block, the next part of the file is read into another. Blocks are not used again:
 * a stream below the transport may keep what it was given. Meanwhile the transport's own methods for writing are covered
 * by ones that throw.
 */
import { open, type FileHandle } from 'node:fs/promises'
import { allocate } from '../bytes/allocate.ts'
import { ConnectionLostError, InvalidStateError, SendFileError } from '../errors.ts'
import { peerOf, type WriteTransport } from '../transport.ts'
import { abortedOnEntry, handled, rejected, UNCANCELLED, Waiter, type WaitOptions } from '../wait.ts'

export interface SendFileOptions extends WaitOptions {
  /** Where to begin, in bytes from the beginning of the file; 0 by default. */
  offset?: number | undefined
  /** How many bytes to send at most; all to the end of the file by default. */
  count?: number | undefined
  /**
   * Told how many bytes the system has taken so far, after each block of 256 KiB at most. If it throws, the sending fails
   * with that error as the cause.
   */
  onProgress?: ((bytesSent: number) => void) | undefined
}

/** What is sent over: a transport, or whatever has one, such as a writer. */
export type SendFileTarget = WriteTransport | { readonly transport: WriteTransport }

const BLOCK = 256 * 1024

/**
 * Sends a file, from what was written before on, and resolves with the number of its bytes when the system has taken
 * them all: fewer than `count` if the file is, or becomes, shorter.
 *
 * Until then every write throws {@link InvalidStateError}, and so does `writeEof()`; another `sendFile` rejects with it.
 * Receiving goes on (in asyncio it pauses), and the connection may be closed or aborted. The protocol is told to pause
 * and to resume writing as ever.
 *
 * `file` is a path, a URL, or an open file, which is read by places: its position is neither used nor moved, it stays
 * open, and several connections may send from it at once. (asyncio sets the position behind what was sent; Node cannot.)
 *
 * Rejects with the system's error if the file cannot be opened, and with {@link SendFileError}, which has the number of
 * bytes sent, if it cannot be read or the connection is closed or lost. If `signal` aborts, the connection stays open
 * and may be written to again, behind the block that is under way; `onProgress` is told once more, with that block
 * counted. Throws nothing; options that make no sense are a RangeError. (asyncio: `loop.sendfile`.)
 */
export function sendFile(
  target: SendFileTarget,
  file: string | URL | FileHandle,
  options: SendFileOptions = {},
): Promise<number> {
  const transport = 'transport' in target ? target.transport : target
  const { offset = 0, count } = options
  for (const [name, n] of Object.entries({ offset, count })) {
    if (n === undefined || (Number.isSafeInteger(n) && n >= 0)) continue
    return rejected(new RangeError(`${name} must be a whole number of bytes, not ${n}`))
  }
  const aborted = abortedOnEntry(options)
  if (aborted !== undefined) return rejected(aborted.reason)
  if (sending.has(transport))
    return rejected(new InvalidStateError(`${nameOf(transport)}: a file is being sent already`))
  if (transport.isClosing()) return rejected(new SendFileError(0, peerOf(transport), 'the connection is closed'))
  return new Sending(transport, options).run(file)
}

const sending = new WeakSet<WriteTransport>()

const nameOf = (transport: WriteTransport): string => peerOf(transport) ?? '(unknown)'

class Sending {
  readonly #transport: WriteTransport
  readonly #options: SendFileOptions
  readonly #write: (data: Uint8Array) => void
  readonly #uncover: () => void
  readonly #waiter: Waiter<number>
  #sent = 0
  /** Including what is not sent yet. */
  #written = 0

  constructor(transport: WriteTransport, options: SendFileOptions) {
    this.#transport = transport
    this.#options = options
    const operation = (): string => `sendFile to ${nameOf(transport)} (${this.#sent} bytes sent)`
    this.#waiter = new Waiter(options, operation, () => this.#cancelled())
    this.#write = transport.write.bind(transport)
    this.#uncover = coverWrites(transport)
    sending.add(transport)
  }

  run(file: string | URL | FileHandle): Promise<number> {
    this.#sendAll(file).then(
      () => {
        this.#release()
        this.#waiter.resolve(this.#sent)
      },
      (error: unknown) => {
        this.#release()
        this.#waiter.reject(error)
      },
    )
    return this.#waiter.promise
  }

  #cancelled(): void {
    this.#release()
    try {
      this.#options.onProgress?.(this.#written)
    } catch {
      // The reason of the cancellation is what is told.
    }
  }

  #release(): void {
    if (sending.delete(this.#transport)) this.#uncover()
  }

  async #sendAll(file: string | URL | FileHandle): Promise<void> {
    if (typeof file === 'object' && 'read' in file) return this.#sendFrom(file)
    const opened = await open(file, 'r')
    try {
      await this.#sendFrom(opened)
    } finally {
      // The file was only read from: what its close has to say does not matter.
      void handled(opened.close())
    }
  }

  async #sendFrom(file: FileHandle): Promise<void> {
    try {
      await this.#pump(file)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new SendFileError(this.#sent, peerOf(this.#transport), reason, { cause: error })
    }
  }

  /** Rejects with the reason, if there is one but that somebody has closed it. */
  async #closed(): Promise<never> {
    await this.#transport.flush({ scope: UNCANCELLED })
    const peer = nameOf(this.#transport)
    throw new ConnectionLostError(`connection with ${peer} closed in the middle of a file`, peer)
  }

  async #pump(file: FileHandle): Promise<void> {
    const { offset = 0, count = Infinity } = this.#options
    let place = offset
    const readNext = (): Promise<Uint8Array> => {
      const n = Math.min(BLOCK, count - (place - offset))
      const block = allocate(n)
      const read = n === 0 ? Promise.resolve({ bytesRead: 0 }) : file.read(block, 0, n, place)
      return handled(
        read.then(({ bytesRead }) => {
          place += bytesRead
          return block.subarray(0, bytesRead)
        }),
      )
    }
    for (let part = await readNext(); part.length > 0 && !this.#waiter.settled;) {
      if (this.#transport.isClosing()) return this.#closed()
      this.#write(part)
      this.#written += part.length
      const next = readNext()
      // oxlint-disable-next-line no-await-in-loop -- one block after the other
      await this.#transport.flush({ scope: UNCANCELLED })
      this.#sent = this.#written
      if (this.#waiter.settled) return
      this.#options.onProgress?.(this.#sent)
      part = await next // oxlint-disable-line no-await-in-loop
    }
  }
}

const COVERED = ['write', 'writeLines', 'writeEncoded', 'writeEof', 'startTls'] as const

/** Puts methods that throw in front of the transport's own; returns what takes them away again. */
function coverWrites(transport: WriteTransport): () => void {
  const own = COVERED.map((name) => Object.getOwnPropertyDescriptor(transport, name))
  const refuse = (): never => {
    throw new InvalidStateError(`${nameOf(transport)}: nothing can be written while a file is being sent`)
  }
  for (const name of COVERED) {
    const value = name === 'startTls' ? (): Promise<never> => rejectedBy(refuse) : refuse
    Object.defineProperty(transport, name, { value, configurable: true, writable: true })
  }
  return () => {
    // In this order, since what was added last is cheaply taken away.
    for (let i = COVERED.length - 1; i >= 0; i--) {
      const [name, descriptor] = [COVERED[i]!, own[i]]
      if (descriptor === undefined) delete (transport as Partial<WriteTransport>)[name]
      else Object.defineProperty(transport, name, descriptor)
    }
  }
}

function rejectedBy(refuse: () => never): Promise<never> {
  try {
    return refuse()
  } catch (error) {
    return rejected(error)
  }
}
