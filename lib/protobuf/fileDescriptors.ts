/**
 * Descriptors of proto files, for reflection: read from a FileDescriptorSet, or made of what protobufjs has loaded.
 *
 * protobufjs keeps of every type, enum and service the file that it came from. So the files come out as they were,
 * except for options of a file, and of extensions of options. Only its objects' fields are read, by their class names:
 * any copy and version of it will do.
 */
import type { Type } from 'protobufjs'
import type { IFileDescriptorProto } from 'protobufjs/ext/descriptor.js'
import { ByteQueue } from '../bytes/byteQueue.ts'
import { OutgoingBuffer } from '../bytes/outgoingBuffer.ts'
import { InvalidFrameError } from '../errors.ts'
import { readVarint, writeVarint } from '../framing/varintPrefixed.ts'
import { enumOf, fieldOf, messageOf, serviceOf, type Reflected } from './descriptorOf.ts'
import { decodeBody } from './messageType.ts'

/** One proto file. */
export interface FileDescriptor {
  /** As others import it: `chat/v1/chat.proto`. */
  readonly name: string
  /** A FileDescriptorProto. */
  readonly bytes: Uint8Array
  /** The names of the files that it imports. */
  readonly dependencies: readonly string[]
  /** The full names of all that it declares: `chat.v1.Line`, `chat.v1.Chat`, `chat.v1.Chat.Send`. */
  readonly symbols: readonly string[]
  /** The extensions that it declares: of which message, and which number. */
  readonly extensions: readonly { readonly type: string; readonly number: number }[]
}

/** protobufjs's types of descriptors, loaded when they are first needed: most programs do without. */
async function descriptors(): Promise<typeof import('protobufjs/ext/descriptor.js')> {
  const loaded = await import('protobufjs/ext/descriptor.js')
  // As CommonJS comes into an ES module.
  return (loaded as unknown as { default?: typeof loaded }).default ?? loaded
}

/**
 * The files in a FileDescriptorSet, as `protoc --include_imports --descriptor_set_out` writes it. Rejects with
 * {@link DecodeError} or {@link InvalidFrameError} for bytes that are none.
 */
export async function descriptorsOfSet(set: Uint8Array): Promise<FileDescriptor[]> {
  const { FileDescriptorProto } = await descriptors()
  return filesOf(set).map((bytes) => described(decodeBody(FileDescriptorProto, bytes) as IFileDescriptorProto, bytes))
}

/** Each file's bytes as they are: decoded and encoded again they would lose the options that are not known here. */
function filesOf(set: Uint8Array): Uint8Array[] {
  const input = new ByteQueue()
  input.push(set)
  const files: Uint8Array[] = []
  while (input.length > 0) {
    const { value: length = Infinity, size = 0 } = readVarint(input, 1) ?? {}
    const isFile = input.at(0) === FILE_TAG
    if (!isFile || length > input.length - 1 - size) throw new InvalidFrameError('this is no FileDescriptorSet')
    input.skip(1 + size)
    files.push(input.take(length))
  }
  return files
}

/** Files as a FileDescriptorSet. */
export function descriptorSet(files: readonly FileDescriptor[]): Uint8Array {
  const out = new OutgoingBuffer()
  for (const { bytes } of files) {
    out.uint(FILE_TAG, 1)
    writeVarint(out, bytes.length)
    out.append(bytes)
  }
  return out.takeCopy()
}

/** `repeated FileDescriptorProto file = 1` */
const FILE_TAG = 0x0a

/** The files of everything in a `Root` of protobufjs. Rejects for types that are nowhere. */
export async function descriptorsOfRoot(root: object): Promise<FileDescriptor[]> {
  const { FileDescriptorProto } = await descriptors()
  ;(root as { resolveAll(): void }).resolveAll()
  const objects = declared(root as Reflected)
  const names = fileNames(objects)
  const fileOf = (object: Reflected): string => names.get(topmost(object))!
  const files = new Map<string, FileDraft>()
  for (const object of objects) {
    const name = names.get(object)!
    let file = files.get(name)
    if (file === undefined) files.set(name, (file = newFile(name, object)))
    const used: Reflected[] = []
    add(file, object, used)
    for (const other of used) if (fileOf(other) !== name) file.imported.add(fileOf(other))
  }
  return [...files.values()].map(({ imported, ...file }) => {
    const dependency = [...imported].sort()
    const message = FileDescriptorProto.fromObject(fitted(FileDescriptorProto, { ...file, dependency }))
    return described(message as IFileDescriptorProto, FileDescriptorProto.encode(message).finish())
  })
}

/** An option that may be repeated is kept as one value where it is not; and custom ones are unknown here. */
function fitted(type: Type, message: object): Record<string, unknown> {
  const known = Object.entries(message).flatMap(([name, value]: [string, unknown]) => {
    const field = type.fields[name]?.resolve()
    if (field === undefined) return []
    const inner = field.resolvedType
    const fit = (one: unknown): unknown => (inner !== null && 'fields' in inner ? fitted(inner, one as object) : one)
    if (Array.isArray(value)) return [[name, value.map(fit)]]
    return [[name, field.repeated ? [fit(value)] : fit(value)]]
  })
  return Object.fromEntries(known) as Record<string, unknown>
}

interface FileDraft {
  readonly name: string
  readonly package: string
  readonly syntax?: string
  readonly edition?: string
  readonly messageType: object[]
  readonly enumType: object[]
  readonly extension: object[]
  readonly service: object[]
  readonly imported: Set<string>
}

function newFile(name: string, { parent, _edition: edition = 'proto3' }: Reflected): FileDraft {
  return {
    name,
    package: parent!.fullName.slice(1),
    ...syntaxOf(edition),
    messageType: [],
    enumType: [],
    extension: [],
    service: [],
    imported: new Set(),
  }
}

function syntaxOf(edition: string): object {
  // What is said by saying nothing.
  if (edition === 'proto2') return {}
  return edition === 'proto3' ? { syntax: edition } : { syntax: 'editions', edition: `EDITION_${edition}` }
}

function add(file: FileDraft, object: Reflected, used: Reflected[]): void {
  const kind = object.constructor.className
  if (kind === 'Type') file.messageType.push(messageOf(object, used))
  else if (kind === 'Enum') file.enumType.push(enumOf(object))
  else if (kind === 'Service') file.service.push(serviceOf(object, used))
  else file.extension.push(fieldOf(object, used))
}

/** What stands at the top of files, depth first. */
function declared(namespace: Reflected): Reflected[] {
  return (namespace.nestedArray ?? []).flatMap((object) =>
    object.constructor.className === 'Namespace' ? declared(object) : [object],
  )
}

function topmost(object: Reflected): Reflected {
  let top = object
  while (top.parent !== null && !['Namespace', 'Root'].includes(top.parent.constructor.className)) top = top.parent
  return top
}

/**
 * The file of each object: its path below the folder that all files have in common. What comes from no file (protobufjs
 * has some of google's own built in, and a root may come from JSON) gets one for its package.
 */
function fileNames(objects: readonly Reflected[]): Map<Reflected, string> {
  const isGoogle = (path: string): boolean => path.includes('google/protobuf/')
  const paths = new Set(objects.flatMap(({ filename }) => (filename && !isGoogle(filename) ? [filename] : [])))
  const folders = [...paths].map((path) => path.split('/').slice(0, -1))
  let common = folders[0] ?? []
  for (const folder of folders) {
    const different = common.findIndex((part, i) => part !== folder[i])
    if (different !== -1) common = common.slice(0, different)
  }
  const prefix = common.map((part) => `${part}/`).join('').length
  return new Map(
    objects.map((object) => {
      const { filename, parent } = object
      if (!filename)
        return [object, builtIn(object) ?? `${parent!.fullName.slice(1).replaceAll('.', '/') || 'root'}.proto`]
      return [
        object,
        isGoogle(filename) ? filename.slice(filename.lastIndexOf('google/protobuf/')) : filename.slice(prefix),
      ]
    }),
  )
}

/** The file of a type that protobufjs has built in. */
function builtIn({ fullName, name }: Reflected): string | undefined {
  if (!/^\.google\.protobuf\.\w+$/.test(fullName)) return undefined
  const plain: Record<string, string> = {
    Any: 'any',
    Duration: 'duration',
    Empty: 'empty',
    FieldMask: 'field_mask',
    Timestamp: 'timestamp',
  }
  const others = ['Struct', 'Value', 'NullValue', 'ListValue'].includes(name) ? 'struct' : 'wrappers'
  const file = plain[name] ?? (others === 'struct' || name.endsWith('Value') ? others : 'descriptor')
  return `google/protobuf/${file}.proto`
}

interface Declaration {
  readonly name?: string | null
  readonly extendee?: string | null
  readonly number?: number | null
  readonly nestedType?: Declaration[] | null
  readonly enumType?: Declaration[] | null
  readonly extension?: Declaration[] | null
  readonly method?: Declaration[] | null
}

function described(file: IFileDescriptorProto, bytes: Uint8Array): FileDescriptor {
  const { name = '', package: space = '', messageType, enumType, extension, service } = file
  const top = [messageType, enumType, extension, service].flatMap((each) => (each ?? []) as Declaration[])
  return {
    name,
    bytes,
    dependencies: [...((file.dependency as string[]) ?? [])],
    symbols: symbolsOf(top, space),
    extensions: extensionsOf(top),
  }
}

function extensionsOf(declarations: readonly Declaration[]): { type: string; number: number }[] {
  return declarations.flatMap(({ extendee, number, nestedType, extension }) => [
    ...(extendee ? [{ type: extendee.replace(/^\./, ''), number: number! }] : []),
    ...extensionsOf([...(nestedType ?? []), ...(extension ?? [])]),
  ])
}

function symbolsOf(declarations: readonly Declaration[], space: string): string[] {
  return declarations.flatMap((declaration) => {
    const name = space === '' ? declaration.name! : `${space}.${declaration.name}`
    const { nestedType, enumType, extension, method } = declaration
    const inside = [nestedType, enumType, extension, method].flatMap((each) => each ?? [])
    return [name, ...symbolsOf(inside, name)]
  })
}
