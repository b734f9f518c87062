// Compression of all that goes over a connection.
export {
  compressDuplex,
  type CompressionBelow,
  type CompressionFormat,
  type CompressionOptions,
} from './compressDuplex.ts'
export {
  compressProtocol,
  CompressedTransport,
  compressStreams,
  type CompressedTransportOptions,
} from './compressedTransport.ts'
