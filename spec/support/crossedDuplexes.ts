import { Duplex, type DuplexOptions } from 'node:stream'

/** One of two streams of which each gives what the other was written: a wire without a system below it. */
export class CrossedDuplex extends Duplex {
  other!: CrossedDuplex
  #taken: ((error?: Error) => void) | undefined

  static pair(options: DuplexOptions = {}): [CrossedDuplex, CrossedDuplex] {
    const [a, b] = [new CrossedDuplex(options), new CrossedDuplex(options)]
    a.other = b
    b.other = a
    return [a, b]
  }

  override _read(): void {
    const taken = this.other.#taken
    this.other.#taken = undefined
    taken?.()
  }

  override _write(chunk: Buffer, _encoding: string, callback: (error?: Error) => void): void {
    const { other } = this
    if (other.destroyed) return callback(Object.assign(new Error('broken pipe'), { code: 'EPIPE' }))
    // Memory of its own, as from a real wire.
    if (other.push(Buffer.from(chunk))) callback()
    else this.#taken = callback
  }

  override _final(callback: () => void): void {
    if (!this.other.destroyed) this.other.push(null)
    callback()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const { other } = this
    callback(error)
    if (other.destroyed) return
    const code = error !== null ? 'ECONNRESET' : other.#taken !== undefined ? 'EPIPE' : undefined
    if (code !== undefined) other.destroy(Object.assign(new Error(`the other end is gone: ${code}`), { code }))
    else if (!this.writableFinished) other.push(null)
  }
}
