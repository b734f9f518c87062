import { toBytes } from '../bytes/allocate.ts'
import type { ErrorHandler } from '../diagnostics.ts'
import type { AnyProtocol } from '../protocol.ts'
import { peerOf, type AbortOptions, type Transport } from '../transport.ts'
import { hexDump } from './hexDump.ts'
import type { Layer } from './layer.ts'
import { LayerTransport } from './layerTransport.ts'

export interface LogTrafficOptions {
  /** Gets one text for each event, of several lines with a dump; `console.log` by default. */
  log?: ((text: string) => void) | undefined
  /** Whether data is shown as `hexdump -C` does, in lines of its own; else it is one line of text. */
  hexDump?: boolean | undefined
  /** The most bytes of one chunk that are shown; 1024 by default, 0 for none. The length is always told. */
  maxBytes?: number | undefined
}

const DEFAULT_MAX_BYTES = 1024

/**
 * A layer that logs what happens to a connection: its beginning and its end, what comes and what is sent, the ends of
 * both directions, and when reading or writing is held back. Each text begins with the number of the connection and its
 * peer: `#7 127.0.0.1:5000 received 5 bytes: "hello"`.
 *
 * It shows what is in the bytes, secrets included: `maxBytes: 0` tells their number alone. What is sent is logged when it
 * is written. Throws a RangeError for a `maxBytes` below 0.
 * (Netty: `LoggingHandler`; Twisted: `TrafficLoggingFactory`.)
 */
export function logTraffic(options: LogTrafficOptions = {}): Layer {
  const { maxBytes = DEFAULT_MAX_BYTES } = options
  if (!(maxBytes >= 0)) throw new RangeError(`maxBytes must not be below 0: ${maxBytes}`)
  return (inner, protocol, report) => new LoggedTransport(inner, protocol, report, options).start()
}

class LoggedTransport extends LayerTransport {
  readonly #print: (text: string) => void
  readonly #hexDump: boolean
  readonly #maxBytes: number
  readonly #name: string
  #eofWritten = false

  constructor(
    inner: Transport,
    protocol: AnyProtocol,
    report: ErrorHandler<Transport> | undefined,
    options: LogTrafficOptions,
  ) {
    super(inner, protocol, report)
    this.#print = options.log ?? console.log
    this.#hexDump = options.hexDump ?? false
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES
    this.#name = `#${inner.id} ${peerOf(inner) ?? '(unknown)'}`
  }

  override start(): void {
    this.#log('connection made')
    super.start()
  }

  protected override onData(data: Uint8Array): void {
    this.#logData('received', data)
  }

  protected override onEof(): boolean | void {
    this.#log('end of the stream')
    return super.onEof()
  }

  protected override onPauseWriting(): void {
    this.#log(`writing pauses, ${this.getWriteBufferSize()} bytes unsent`)
    super.onPauseWriting()
  }

  protected override onResumeWriting(): void {
    this.#log(`writing resumes, ${this.getWriteBufferSize()} bytes unsent`)
    super.onResumeWriting()
  }

  protected override onLost(error: Error | null): void {
    this.#log(`connection lost: ${error === null ? 'clean' : error.message}`)
    super.onLost(error)
  }

  override write(data: Uint8Array | string): void {
    const bytes = toBytes(data)
    if (bytes.length > 0 && !this.#eofWritten) {
      if (this.isClosing()) this.#log(`dropping ${count(bytes.length)}: the connection is closing`)
      else this.#logData('sending', bytes)
    }
    super.write(bytes)
  }

  override writeEof(): void {
    super.writeEof()
    if (this.#eofWritten || this.isClosing()) return
    this.#eofWritten = true
    this.#log('ending the write side')
  }

  override pauseReading(): void {
    if (this.isReading()) this.#log('reading pauses')
    super.pauseReading()
  }

  override resumeReading(): void {
    if (!this.isReading() && !this.isClosing()) this.#log('reading resumes')
    super.resumeReading()
  }

  override close(): void {
    if (!this.isClosing()) this.#log(`closing, ${this.getWriteBufferSize()} bytes unsent`)
    super.close()
  }

  override abort(options?: AbortOptions): void {
    this.#log(options?.reset === true ? 'aborting with a reset' : 'aborting')
    super.abort(options)
  }

  #logData(verb: string, data: Uint8Array): void {
    const shown = data.length > this.#maxBytes ? data.subarray(0, this.#maxBytes) : data
    const more = data.length - shown.length
    const rest = more === 0 || shown.length === 0 ? '' : `and ${more} more`
    if (shown.length === 0) return this.#log(`${verb} ${count(data.length)}`)
    if (this.#hexDump) {
      return this.#log(`${verb} ${count(data.length)}\n${hexDump(shown)}${rest && `\n${rest}`}`)
    }
    this.#log(`${verb} ${count(data.length)}: ${quoted(shown)}${rest && ` ${rest}`}`)
  }

  #log(what: string): void {
    this.#print(`${this.#name} ${what}`)
  }
}

const count = (n: number): string => `${n} byte${n === 1 ? '' : 's'}`

/** As a string of JavaScript, of one character per byte. A peer must not be able to send our terminal commands. */
function quoted(data: Uint8Array): string {
  const text = Buffer.from(data.buffer, data.byteOffset, data.length).toString('latin1')
  return JSON.stringify(text).replace(/[\x7f-\x9f]/g, (control) => `\\u00${control.charCodeAt(0).toString(16)}`)
}
