import { toBytes } from '../bytes/allocate.ts'
import type { AbortOptions, Transport } from '../transport.ts'
import { TransportWrapper } from '../transports/transportWrapper.ts'

/** Logs what is written and how it ends, and passes everything on: an example of stacking one transport on another. */
export class LoggingTransport extends TransportWrapper {
  readonly #log: (line: string) => void

  /** `log` gets one line for each event; it defaults to `console.log`. */
  constructor(inner: Transport, log: (line: string) => void = console.log) {
    super(inner)
    this.#log = log
  }

  override write(data: Uint8Array | string): void {
    const bytes = toBytes(data)
    this.#log(`sending ${bytes.length} bytes: ${JSON.stringify(Buffer.from(bytes).toString('latin1'))}`)
    super.write(data)
  }

  override writeEof(): void {
    this.#log('ending the write side')
    super.writeEof()
  }

  override close(): void {
    this.#log('closing')
    super.close()
  }

  override abort(options?: AbortOptions): void {
    this.#log('aborting')
    super.abort(options)
  }
}
