export { compressed, type CompressedOptions, type CompressionFormat } from './compressed.ts'
