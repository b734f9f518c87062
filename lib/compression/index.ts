// Compression of all that goes over a connection.
export {
  compressDuplex,
  type CompressionBelow,
  type CompressionFormat,
  type CompressionOptions,
} from './compressDuplex.ts'
export {
  compressed,
  CompressedTransport,
  compressStreams,
  type CompressedTransportOptions,
} from './compressedTransport.ts'
