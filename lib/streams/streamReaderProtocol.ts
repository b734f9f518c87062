/**
 * Between a transport and a reader/writer pair: what comes goes into the reader, flow control and the end of the
 * connection go to whoever waits on the writer.
 */
import { ConnectionLostError } from '../errors.ts'
import { Protocol } from '../protocol.ts'
import { peerOf, type Transport } from '../transport.ts'
import { abortedOnEntry, DONE, rejected, Waiter, WaitList, type WaitOptions } from '../wait.ts'
import { followHandler, handlerFailed, type ServingOptions } from './serveClient.ts'
import type { StreamReader } from './streamReader.ts'
import { StreamWriter } from './streamWriter.ts'

/** What serves one client of `startServer`. */
export type ClientConnectedCallback<R, W> = (reader: R, writer: W) => unknown

/** How the writer is made: a class like `StreamWriter`, or a function with the same arguments. */
export type WriterFactory<W extends StreamWriter> =
  | (new (transport: Transport, protocol: StreamReaderProtocol, reader: StreamReader<unknown>) => W)
  | ((transport: Transport, protocol: StreamReaderProtocol, reader: StreamReader<unknown>) => W)

export interface StreamReaderProtocolOptions<W extends StreamWriter> extends ServingOptions<Transport> {
  /** Makes the writer; by default a plain `StreamWriter`. */
  makeWriter?: ((transport: Transport, protocol: StreamReaderProtocol, reader: StreamReader<unknown>) => W) | undefined
}

/**
 * Feeds a reader from a transport, and makes the writer that goes with it. Subclass it to make a writer of your own
 * in {@link createWriter}, or for callbacks that streams do not have. (asyncio: `StreamReaderProtocol`.)
 */
export class StreamReaderProtocol<
  R extends StreamReader<any> = StreamReader<any>, // oxlint-disable-line typescript/no-explicit-any -- any item
  W extends StreamWriter = StreamWriter,
> extends Protocol {
  protected readonly reader: R
  readonly #clientConnected: ClientConnectedCallback<R, W> | undefined
  readonly #options: StreamReaderProtocolOptions<W>
  #transport: Transport | undefined
  #paused = false
  #drainWaiters: WaitList | undefined
  #closedWaiters: WaitList | undefined
  /** `undefined` until the connection is lost, then the argument of `connectionLost`. */
  #lost: Error | null | undefined
  #ended = false
  #disconnected: Waiter<Error | null> | undefined

  /** With `clientConnectedCb` a writer is made on connection, and both are passed to it: the way of a server. */
  constructor(
    reader: R,
    clientConnectedCb?: ClientConnectedCallback<R, W>,
    options: StreamReaderProtocolOptions<W> = {},
  ) {
    super()
    this.reader = reader
    this.#clientConnected = clientConnectedCb
    this.#options = options
  }

  /** Makes the writer of the connection; called once, with everything in place. Meant to be overridden. */
  createWriter(transport: Transport, reader: R): W {
    const make = this.#options.makeWriter
    if (make !== undefined) return make(transport, this as unknown as StreamReaderProtocol, reader)
    return new StreamWriter(transport, this, reader) as W
  }

  override connectionMade(transport: Transport): void {
    this.#transport = transport
    this.reader.setTransport(transport)
    const clientConnected = this.#clientConnected
    if (clientConnected === undefined) return
    try {
      const writer = this.createWriter(transport, this.reader)
      followHandler(clientConnected(this.reader, writer), writer, this.#options)
    } catch (error) {
      handlerFailed(error, transport, this.#options)
    }
  }

  override dataReceived(data: Buffer): void {
    this.reader.feedData(data)
  }

  /** Keeps the transport open for writing. */
  override eofReceived(): boolean {
    this.#ended = true
    this.reader.feedEof()
    this.#disconnected?.resolve(null)
    return true
  }

  override connectionLost(error: Error | null): void {
    this.#lost = error
    if (error === null) this.reader.feedEof()
    else this.reader.setException(error)
    this.#disconnected?.resolve(error)
    for (const waiters of [this.#closedWaiters, this.#drainWaiters]) {
      if (error === null) waiters?.resolveAll()
      else waiters?.rejectAll(error)
    }
  }

  override pauseWriting(): void {
    this.#paused = true
  }

  override resumeWriting(): void {
    this.#paused = false
    this.#drainWaiters?.resolveAll()
  }

  /** Whether {@link drainHelper} would not resolve at once. */
  get needsDrain(): boolean {
    return this.#paused || this.#lost !== undefined
  }

  /** What `writer.drain()` waits for: that writing is not paused, in a connection that is not lost. */
  drainHelper(options?: WaitOptions): Promise<void> {
    if (this.#lost !== undefined) {
      const peer = peerOf(this.#transport)
      const cause = this.#lost === null ? undefined : { cause: this.#lost }
      return rejected(new ConnectionLostError(`drain on a connection with ${peer} that is closed`, peer, cause))
    }
    if (!this.#paused) return DONE
    this.#drainWaiters ??= new WaitList()
    return this.#drainWaiters.wait(options, () => {
      return `drain to ${peerOf(this.#transport)} (${this.#transport?.getWriteBufferSize()} bytes unsent)`
    })
  }

  /** What `writer.waitClosed()` waits for. */
  waitClosed(options?: WaitOptions): Promise<void> {
    const aborted = abortedOnEntry(options)
    if (aborted !== undefined) return rejected(aborted.reason)
    if (this.#lost === null) return DONE
    if (this.#lost !== undefined) return rejected(this.#lost)
    this.#closedWaiters ??= new WaitList()
    return this.#closedWaiters.wait(options, () => `waitClosed of the connection with ${peerOf(this.#transport)}`)
  }

  /** Whether the connection was accepted by a server, not dialled. */
  get serverSide(): boolean {
    return this.#clientConnected !== undefined
  }

  /** Goes on with another transport for the same connection, after `startTls`. */
  replaceTransport(transport: Transport): void {
    this.#transport = transport
    this.reader.replaceTransport(transport)
  }

  /** What `writer.disconnected` is: the reason of the loss, or `null` for an end. */
  get disconnected(): Promise<Error | null> {
    this.#disconnected ??= new Waiter()
    if (this.#lost !== undefined || this.#ended) this.#disconnected.resolve(this.#lost ?? null)
    return this.#disconnected.promise
  }
}
