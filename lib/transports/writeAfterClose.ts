import { peerOf, type BaseTransport } from '../transport.ts'

const WRITES_BEFORE_WARNING = 5

/** To be called for the `n`th write that is dropped because the transport is closing: from the fifth on it warns. */
export function writeAfterClose(transport: Pick<BaseTransport, 'getExtraInfo'>, n: number): void {
  if (n < WRITES_BEFORE_WARNING) return
  const message = `write number ${n} to ${peerOf(transport) ?? '(unknown)'} after its close: dropped`
  process.emitWarning(message, { code: 'MILLRACE_WRITE_AFTER_CLOSE' })
}
