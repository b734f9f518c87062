import type { Transport } from '../transport.ts'
import { TransportWrapper } from './transportWrapper.ts'

/** Logs what is written and how it ends, and passes everything on: an example of stacking one transport on another. */
export class LoggingTransport extends TransportWrapper {
  readonly #log: (line: string) => void

  /** `log` gets one line for each event; it defaults to `console.log`. */
  constructor(inner: Transport, log: (line: string) => void = console.log) {
    super(inner)
    this.#log = log
  }

  override write(data: Uint8Array | string): void {
    const text =
      typeof data === 'string' ? data : Buffer.from(data.buffer, data.byteOffset, data.length).toString('latin1')
    this.#log(`sending ${data.length} bytes: ${JSON.stringify(text)}`)
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

  override abort(): void {
    this.#log('aborting')
    super.abort()
  }
}
