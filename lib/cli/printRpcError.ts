import type { Root } from 'protobufjs'
import type { Any, RpcError } from '../rpc/rpcError.ts'
import { statusName } from '../rpc/status.ts'
import { anyType, messageToJson } from './messageJson.ts'

/** Prints why a call has failed, and its details, a line each: as JSON where `root` knows their types. */
export function printRpcError(error: RpcError, root: Root | undefined): void {
  const { status, message, details, path, peer } = error
  const text = path === undefined && peer === undefined ? `${statusName(status)}: ${message}` : message
  const lines = [`millrace: ${text}`, ...details.map((detail) => `detail ${detailText(detail, root)}`)]
  process.stderr.write(lines.map((line) => `${line}\n`).join(''))
}

function detailText(detail: Any, root: Root | undefined): string {
  if (root !== undefined) {
    try {
      return messageToJson(anyType(root), detail)
    } catch {
      // What is not known, or does not decode, is shown as it is.
    }
  }
  return JSON.stringify({ '@type': detail.typeUrl, value: Buffer.from(detail.value).toString('base64') })
}
