/**
 * grpc.reflection.v1.ServerReflection: tells clients that have no proto file what a server serves, and of which messages
 * it speaks.
 */
import { descriptorsOfRoot, descriptorsOfSet, type FileDescriptor } from '../protobuf/fileDescriptors.ts'
import type { CallContext, Handlers } from './handlers.ts'
import { ReflectionService, type ReflectionRequest, type ReflectionResponse } from './reflectionService.ts'
import type { Service } from './service.ts'
import { Status } from './status.ts'

/** What {@link Reflection} needs to know of a server: an `RpcServer`. */
export interface ReflectionServer {
  readonly services: readonly Service[]
}

export interface ReflectionOptions {
  /**
   * FileDescriptorSets of services that do not bring their own, such as those of ts-proto and of generated classes: what
   * `protoc --include_imports --descriptor_set_out=FILE` writes.
   */
  readonly descriptors?: readonly Uint8Array[] | undefined
}

type Answer = Omit<ReflectionResponse, 'validHost' | 'originalRequest'>

/**
 * Answers for all services of the server. Their descriptors are known if they were made of a reflected service of
 * protobufjs, by `millrace gen --descriptors`, or if they are in `options.descriptors`; the others are listed, and who
 * asks for more is told that it is not there. A file is told as a whole, with all that it imports.
 *
 * Descriptors are made when the first client asks. If they cannot be, its call ends with INTERNAL.
 */
export class Reflection implements Handlers<typeof ReflectionService> {
  readonly #server: ReflectionServer
  readonly #sets: readonly Uint8Array[]
  #index: { readonly services: number; readonly files: Promise<FileIndex> } | undefined

  constructor(server: ReflectionServer, options: ReflectionOptions = {}) {
    this.#server = server
    this.#sets = options.descriptors ?? []
  }

  /** Sends its header at once: who does not know that there is reflection may wait for it, and only then ask. */
  async *serverReflectionInfo(
    requests: AsyncIterable<ReflectionRequest>,
    context: CallContext,
  ): AsyncGenerator<ReflectionResponse> {
    context.sendHeader({ reflection: 'v1' })
    for await (const request of requests) {
      const { host = '' } = request
      yield { validHost: host, originalRequest: request, ...this.#answer(request, await this.#files()) }
    }
  }

  #answer(request: ReflectionRequest, files: FileIndex): Answer {
    if (request.listServices !== undefined) {
      return { listServicesResponse: { service: this.#server.services.map(({ name }) => ({ name })) } }
    }
    if (request.fileByFilename !== undefined) {
      return filesOrError(files.byName(request.fileByFilename), `the file ${request.fileByFilename}`)
    }
    if (request.fileContainingSymbol !== undefined) return this.#containing(request.fileContainingSymbol, files)
    if (request.fileContainingExtension !== undefined) {
      const { containingType, extensionNumber } = request.fileContainingExtension
      const what = `extension ${extensionNumber} of ${containingType}`
      return filesOrError(files.byExtension(containingType, extensionNumber), what)
    }
    if (request.allExtensionNumbersOfType !== undefined) {
      const baseTypeName = request.allExtensionNumbersOfType
      if (files.bySymbol(baseTypeName) === undefined) return missing(baseTypeName)
      return { allExtensionNumbersResponse: { baseTypeName, extensionNumber: files.extensionNumbers(baseTypeName) } }
    }
    return error(Status.INVALID_ARGUMENT, 'the request asks for nothing that is known here')
  }

  #containing(symbol: string, files: FileIndex): Answer {
    const found = files.bySymbol(symbol)
    const isServed = this.#server.services.some(({ name }) => symbol === name || symbol.startsWith(`${name}.`))
    if (found === undefined && isServed) {
      const reason = 'is served, but its descriptors are not known to the server'
      return error(Status.NOT_FOUND, `${symbol} ${reason}: give them to Reflection`)
    }
    return filesOrError(found, symbol)
  }

  /** Made again when services were added since. */
  #files(): Promise<FileIndex> {
    const { services } = this.#server
    if (this.#index?.services !== services.length) {
      const files = FileIndex.of(services, this.#sets)
      this.#index = { services: services.length, files }
    }
    return this.#index.files
  }
}

function filesOrError(files: readonly FileDescriptor[] | undefined, what: string): Answer {
  if (files === undefined) return missing(what)
  return { fileDescriptorResponse: { fileDescriptorProto: files.map(({ bytes }) => bytes) } }
}

const missing = (what: string): Answer => error(Status.NOT_FOUND, `${what} is not known`)
const error = (errorCode: Status, errorMessage: string): Answer => ({ errorResponse: { errorCode, errorMessage } })

/** All files that are known, by what they are asked for. An answer is a file, and behind it all that it imports. */
class FileIndex {
  readonly #names = new Map<string, readonly FileDescriptor[]>()
  readonly #symbols = new Map<string, readonly FileDescriptor[]>()
  readonly #extensions = new Map<string, Map<number, readonly FileDescriptor[]>>()

  static async of(services: readonly Service[], sets: readonly Uint8Array[]): Promise<FileIndex> {
    const index = new FileIndex()
    const roots = new Set<object>()
    for (const { name, source } of services) {
      const { descriptors, root } = source as { descriptors?: string; root?: object }
      if (descriptors !== undefined) index.#add(await descriptorsOfSet(bytesOf(descriptors)))
      if (root === undefined || roots.has(root)) continue
      roots.add(root)
      // Of a root with much in it only what is served, and what that needs.
      const files = await descriptorsOfRoot(root)
      const served = services.filter((each) => (each.source as { root?: object }).root === root)
      const needed = files.filter(({ symbols }) => served.some((each) => symbols.includes(each.name)))
      if (needed.length === 0) throw new Error(`the root of ${name} has no such service`)
      index.#add([...new Set(needed.flatMap((file) => withImports(file, files)))])
    }
    for (const set of sets) index.#add(await descriptorsOfSet(set))
    return index
  }

  byName(name: string): readonly FileDescriptor[] | undefined {
    return this.#names.get(name)
  }

  bySymbol(symbol: string): readonly FileDescriptor[] | undefined {
    return this.#symbols.get(symbol.replace(/^\./, ''))
  }

  byExtension(type: string, number: number): readonly FileDescriptor[] | undefined {
    return this.#extensions.get(type)?.get(number)
  }

  extensionNumbers(type: string): number[] {
    return [...(this.#extensions.get(type)?.keys() ?? [])].sort((a, b) => a - b)
  }

  /** What is there already stays. */
  #add(files: readonly FileDescriptor[]): void {
    for (const file of files) {
      const answer = withImports(file, files)
      if (!this.#names.has(file.name)) this.#names.set(file.name, answer)
      for (const symbol of file.symbols) if (!this.#symbols.has(symbol)) this.#symbols.set(symbol, answer)
      for (const { type, number } of file.extensions) {
        const numbers = this.#extensions.get(type) ?? new Map<number, readonly FileDescriptor[]>()
        this.#extensions.set(type, numbers.set(number, answer))
      }
    }
  }
}

function withImports(file: FileDescriptor, files: readonly FileDescriptor[]): FileDescriptor[] {
  const found = new Set([file])
  // Grows while it is walked.
  for (const { dependencies } of found) {
    for (const name of dependencies) {
      const imported = files.find((each) => each.name === name)
      if (imported !== undefined) found.add(imported)
    }
  }
  return [...found]
}

const bytesOf = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))
