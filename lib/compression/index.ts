// Compression of all that goes over a connection, …
export { compressDuplex, type CompressionBelow, type CompressionOptions } from './compressDuplex.ts'
export {
  compressLayer,
  compressProtocol,
  CompressedTransport,
  compressStreams,
  type CompressedTransportOptions,
} from './compressedTransport.ts'

// … and of messages, each for itself.
export { compressed, type CompressedOptions } from './compressed.ts'

export type { CompressionFormat } from './compressionFormat.ts'
