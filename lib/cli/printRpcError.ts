import protobufjs from 'protobufjs'
import protojson from 'protobufjs/ext/protojson.js'
import type { Any, RpcError } from '../rpc/rpcError.ts'
import { statusName } from '../rpc/status.ts'

/** Prints why a call has failed, and its details, a line each: as JSON where `root` knows their types. */
export function printRpcError(error: RpcError, root: protobufjs.Root | undefined): void {
  const { status, message, details, path, peer } = error
  const text = path === undefined && peer === undefined ? `${statusName(status)}: ${message}` : message
  const lines = [`millrace: ${text}`, ...details.map((detail) => `detail ${detailText(detail, root)}`)]
  process.stderr.write(lines.map((line) => `${line}\n`).join(''))
}

function detailText({ typeUrl, value }: Any, root: protobufjs.Root | undefined): string {
  const found = root?.lookup(`.${typeUrl.slice(typeUrl.lastIndexOf('/') + 1)}`)
  if (found instanceof protobufjs.Type) {
    try {
      const json: unknown = protojson.toJson(found, found.decode(value))
      const isObject = typeof json === 'object' && json !== null && !Array.isArray(json)
      return JSON.stringify({ '@type': typeUrl, ...(isObject ? json : { value: json }) })
    } catch {
      // What does not decode is shown as it is.
    }
  }
  return JSON.stringify({ '@type': typeUrl, value: Buffer.from(value).toString('base64') })
}
