import protobufjs from 'protobufjs'
import descriptor from 'protobufjs/ext/descriptor.js'
import { createClient } from '../rpc/connect.ts'
import type { Channel } from '../rpc/channel.ts'
import type { CallOptions } from '../rpc/client.ts'
import { ReflectionService, type ReflectionRequest } from '../rpc/reflectionService.ts'
import { RpcError } from '../rpc/rpcError.ts'
import { Status, statusName } from '../rpc/status.ts'
import { Waiter } from '../wait.ts'

type File = { name: string; dependency: string[] }

/**
 * What a server's reflection tells of a service and all that it needs, loaded. Rejects with the call's error, and with an
 * Error that says so if the server has no reflection or does not know the service.
 */
export async function fetchProto(channel: Channel, service: string, options: CallOptions): Promise<protobufjs.Root> {
  const files = new Map<string, File>()
  const ask = async (request: ReflectionRequest): Promise<void> => {
    for (const bytes of await fileBytes(channel, request, options)) {
      const file = descriptor.FileDescriptorProto.decode(bytes) as unknown as File
      files.set(file.name, file)
    }
  }
  // To be there it may take its time, to answer not.
  if (options.waitForReady && options.timeoutMs === undefined) await channel.ready({ waitForReady: true })
  await ask({ fileContainingSymbol: service })
  // A server may tell the imports with the file, or wait to be asked.
  for (const { dependency } of files.values()) {
    for (const name of dependency) if (!files.has(name)) await ask({ fileByFilename: name })
  }
  return protobufjs.Root.fromDescriptor({ file: [...files.values()] as object[] })
}

/** A server with reflection says so at once. Others that do not answer at all are not waited for longer. */
const HEADER_TIMEOUT_MS = 10_000

/**
 * Nothing is asked before the server's header: ttrpc for Go up to 1.2.7 ends the whole process when a message comes for a
 * call that it has refused.
 */
async function fileBytes(
  channel: Channel,
  request: ReflectionRequest,
  options: CallOptions,
): Promise<readonly Uint8Array[]> {
  const { serverReflectionInfo } = createClient(ReflectionService, channel)
  const header = new Waiter<void>()
  async function* questions(): AsyncGenerator<ReflectionRequest> {
    await header.promise
    yield request
  }
  const answers = serverReflectionInfo(questions(), {
    timeoutMs: HEADER_TIMEOUT_MS,
    ...options,
    onHeader: () => header.resolve(),
  })
  try {
    for await (const { fileDescriptorResponse, errorResponse } of answers) {
      if (fileDescriptorResponse !== undefined) return fileDescriptorResponse.fileDescriptorProto
      const { errorCode = Status.UNKNOWN, errorMessage = '' } = errorResponse ?? {}
      throw new Error(`the server's reflection answers ${statusName(errorCode)}: ${errorMessage}; give --proto FILE`)
    }
  } catch (error) {
    // Others than ours do not know of unknown services, but of wrong arguments.
    const { UNIMPLEMENTED, INVALID_ARGUMENT } = Status
    if (!(error instanceof RpcError) || ![UNIMPLEMENTED, INVALID_ARGUMENT].includes(error.status as 12)) throw error
    throw new Error(`the server has no reflection (${statusName(error.status)}): give --proto FILE`, { cause: error })
  } finally {
    header.resolve()
  }
  throw new Error("the server's reflection does not answer: give --proto FILE")
}
