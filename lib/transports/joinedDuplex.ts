import { Duplex, type Readable, type Writable } from 'node:stream'

/**
 * One stream of two, or of a Readable alone. Unlike `Duplex.from` it can be destroyed before its end without an error
 * of its own, and counts a write as done when the stream below does. Both belong to it from now on.
 */
export class JoinedDuplex extends Duplex {
  readonly #readable: Readable
  readonly #writable: Writable | undefined

  constructor(readable: Readable, writable?: Writable) {
    const sides = { writable: writable !== undefined }
    super({ ...sides, readableObjectMode: readable.readableObjectMode })
    this.#readable = readable
    this.#writable = writable
    readable.pause()
    readable.on('data', (chunk) => {
      if (!this.push(chunk)) readable.pause()
    })
    // An end that was seen before us does not come again.
    if (readable.readableEnded) this.push(null)
    else readable.on('end', () => this.push(null))
    readable.on('error', (error) => this.destroy(error))
    readable.on('close', () => {
      if (!readable.readableEnded) this.destroy()
    })
    writable?.on('error', (error) => this.destroy(error))
    writable?.on('close', () => {
      if (!writable.writableFinished) this.destroy()
    })
  }

  override _read(): void {
    this.#readable.resume()
  }

  override _write(chunk: unknown, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    // A failure comes as 'error', too.
    this.#writable!.write(chunk, encoding, callback)
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#writable!.end(callback)
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#readable.destroy()
    this.#writable?.destroy()
    callback(error)
  }
}
