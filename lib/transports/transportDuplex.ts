import { Duplex } from 'node:stream'
import type { AnyProtocol } from '../protocol.ts'
import type { Transport } from '../transport.ts'

/**
 * A stream of Node's over a transport, whose protocol it replaces: what TLS needs below it. Ended and destroyed, it
 * closes the transport; destroyed before its end, it aborts it.
 */
export class TransportDuplex extends Duplex {
  readonly transport: Transport
  #written: ((error?: Error | null) => void) | undefined
  #paused = false
  #received: Uint8Array | undefined

  /** `received` are bytes that have come already. */
  constructor(transport: Transport, received?: Uint8Array) {
    super()
    this.transport = transport
    transport.pauseReading()
    this.#received = received
    const protocol: AnyProtocol = {
      dataReceived: (data) => {
        if (!this.push(data)) transport.pauseReading()
      },
      eofReceived: () => {
        this.push(null)
        return true
      },
      pauseWriting: () => {
        this.#paused = true
      },
      resumeWriting: () => {
        this.#paused = false
        this.#goOn()
      },
      connectionLost: (error) => {
        if (error === null && !this.readableEnded) this.push(null)
        this.#goOn(error)
        if (error !== null || this.writableEnded) this.destroy(error ?? undefined)
      },
    }
    transport.setProtocol(protocol)
  }

  override _read(): void {
    const received = this.#received
    if (received === undefined) return this.transport.resumeReading()
    this.#received = undefined
    // Not at once: Node's TLS would take what is buffered in its first turn twice.
    setImmediate(() => {
      if (received.length === 0 || this.push(received)) this.transport.resumeReading()
    })
  }

  override _write(chunk: Uint8Array, _encoding: string, callback: (error?: Error | null) => void): void {
    this.#written = callback
    try {
      this.transport.write(chunk)
    } catch (error) {
      return this.#goOn(error as Error)
    }
    if (!this.#paused || this.transport.isClosing()) this.#goOn()
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.transport.canWriteEof()) this.transport.writeEof()
    callback()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (error === null && this.writableFinished) this.transport.close()
    else this.transport.abort()
    callback(error)
  }

  #goOn(error?: Error | null): void {
    const written = this.#written
    this.#written = undefined
    written?.(error)
  }
}
