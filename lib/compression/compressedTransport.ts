/**
 * Compression as a transport on top of another: a sample of how layers are stacked.
 *
 * Strategy: the transport below gets a protocol that feeds a reader; reader and writer become a stream of Node, zlib
 * goes on top of it, and a `DuplexTransport` on top of that, which keeps all the rules for the protocol above.
 */
import type { Duplex } from 'node:stream'
import type { ErrorHandler } from '../diagnostics.ts'
import { toFactory, type AnyProtocol, type Protocol, type ProtocolFactory } from '../protocol.ts'
import { fromNodeStream, type FromStreamOptions } from '../streams/interop/fromNodeStream.ts'
import type { StreamPair } from '../streams/interop/halves.ts'
import { toNodeStream } from '../streams/interop/toNodeStream.ts'
import type { AnyReader, Streams } from '../streams/streamClasses.ts'
import { StreamReader } from '../streams/streamReader.ts'
import { StreamReaderProtocol } from '../streams/streamReaderProtocol.ts'
import type { StreamWriter } from '../streams/streamWriter.ts'
import { DuplexTransport } from '../transports/duplexTransport.ts'
import type { Layer } from '../layers/layer.ts'
import { clientOwner } from '../transports/transportOwner.ts'
import { peerOf, type ExtraInfo, type Transport } from '../transport.ts'
import { compressDuplex, type CompressionOptions } from './compressDuplex.ts'

export interface CompressedTransportOptions extends CompressionOptions {
  /** An error that reaches nobody else, such as one that the protocol throws. Printed to stderr by default. */
  onConnectionError?: ErrorHandler<Transport> | undefined
}

/**
 * A transport whose bytes travel compressed over the one below. Both ends must begin at the same byte.
 *
 * What is written in a turn is flushed at its end: small messages are not held back, and many in one turn share their
 * flush. `close()` completes the compressed stream, so that an end without one is known for a loss: then, and when the
 * peer's bytes are not of the format, `connectionLost` gets a ConnectionLostError. What is kept of the peer's bytes is
 * bounded, whatever they expand to.
 *
 * `id` and `getExtraInfo` are those of the transport below; its own `bytesRead` and `bytesWritten` count what the
 * protocol sees, those of {@link inner} what travels.
 */
export class CompressedTransport extends DuplexTransport {
  /** The transport below. */
  readonly inner: Transport

  /**
   * Takes the place of the protocol of `inner`: its next bytes are the first of the compressed stream. Call `start()`
   * to have `connectionMade` called on `protocol`. Throws a TypeError for an unknown format.
   */
  constructor(inner: Transport, protocol: AnyProtocol, options: CompressedTransportOptions = {}) {
    const reader = new StreamReader()
    const below = new StreamReaderProtocol(reader)
    below.connectionMade(inner)
    const writer = below.createWriter(inner, reader)
    super(layerOver({ reader, writer }, options), protocol, {
      ...clientOwner(options.onConnectionError),
      isLayer: true,
    })
    inner.setProtocol(below)
    this.inner = inner
  }

  override get id(): number {
    return this.inner.id
  }

  override getExtraInfo<K extends keyof ExtraInfo>(name: K): ExtraInfo[K] | null
  override getExtraInfo<K extends keyof ExtraInfo, D>(name: K, defaultValue: D): ExtraInfo[K] | D
  override getExtraInfo(name: string, defaultValue?: unknown): unknown
  override getExtraInfo(name: string, defaultValue?: unknown): unknown {
    return this.inner.getExtraInfo(name, defaultValue)
  }
}

/**
 * A layer for the option `layers` of all endpoints, whose transport is a {@link CompressedTransport}:
 * `createServer(Echo, { port, layers: [compressLayer({ format: 'gzip' })] })`. Errors that reach nobody else go to the
 * endpoint's `onConnectionError`, unless the options have one.
 */
export function compressLayer(options: CompressedTransportOptions = {}): Layer {
  return (inner, protocol, report) => {
    new CompressedTransport(inner, protocol, { onConnectionError: report, ...options }).start()
  }
}

/**
 * A factory for `createServer` and `createConnection`, whose protocols talk to a {@link CompressedTransport}:
 * `createServer(compressProtocol(Echo), { port })`. The transport that `createConnection` resolves with is the one below;
 * {@link compressLayer} makes it the one on top.
 */
export function compressProtocol(
  protocolFactory: ProtocolFactory,
  options?: CompressedTransportOptions,
): () => Partial<Protocol> {
  const factory = toFactory<[], AnyProtocol>(protocolFactory)
  return () => {
    const protocol = factory()
    return { connectionMade: (inner) => new CompressedTransport(inner, protocol, options).start() }
  }
}

/**
 * A reader and a writer, of the classes that are plugged in, whose bytes travel compressed over those below; leave
 * these alone from now on. Otherwise like {@link CompressedTransport}.
 */
export function compressStreams<R extends AnyReader = StreamReader, W extends StreamWriter = StreamWriter>(
  streams: StreamPair,
  options: CompressionOptions & FromStreamOptions<R, W> = {},
): Streams<R, W> {
  const { transport } = streams.writer
  const peername = transport.getExtraInfo('peername')
  const extraInfo = { ...(peername !== null && { peername }), ...options.extraInfo }
  return fromNodeStream(layerOver(streams, options), { ...options, extraInfo })
}

function layerOver(streams: StreamPair, options: CompressionOptions): Duplex {
  const { writer } = streams
  return compressDuplex(toNodeStream(streams), options, { peer: peerOf(writer.transport), flush: () => writer.flush() })
}
