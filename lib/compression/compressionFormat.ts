/**
 * Named as for the web's `CompressionStream`: `'deflate'` is zlib's format (RFC 1950), `'deflate-raw'` RFC 1951. Both
 * ends must use the same.
 */
export type CompressionFormat = 'gzip' | 'deflate' | 'deflate-raw' | 'brotli'
