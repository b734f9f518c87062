import protobufjs from 'protobufjs'
import { existsSync } from 'node:fs'
import { protobufjsFolder } from './packages.ts'

export interface ProtoOptions {
  /** Folders in which imports are looked for, after that of the importing file; the current one by default. */
  readonly include?: readonly string[] | undefined
  readonly keepCase?: boolean | undefined
}

/**
 * Loads proto files with all that they import, google's own files included, as `pbjs` does it.
 *
 * Throws if a file is not there or no proto file, and for types that are nowhere.
 */
export function loadProto(files: readonly string[], options: ProtoOptions = {}): protobufjs.Root {
  const { include = [], keepCase = false } = options
  const root = new protobufjs.Root()
  const google = protobufjsFolder()
  const folders = [...(include.length === 0 ? ['.'] : include), ...(google === undefined ? [] : [google])]
  root.resolvePath = (origin, target) => {
    const beside = protobufjs.util.path.resolve(origin, target)
    if (existsSync(beside)) return beside
    return folders.map((folder) => protobufjs.util.path.resolve(`${folder}/`, target)).find(existsSync) ?? beside
  }
  try {
    root.loadSync([...files], { keepCase, alternateCommentMode: true })
  } catch (error) {
    // protobufjs tells the line; where it stops at a missing file, the system tells the name.
    throw new Error(`cannot load ${files.join(', ')}: ${(error as Error).message}`, { cause: error })
  }
  return root
}

/** All services below, those of imported files too, by their full names. */
export function servicesOf(root: protobufjs.NamespaceBase): protobufjs.Service[] {
  const found = root.nestedArray.flatMap((nested) => {
    if (nested instanceof protobufjs.Service) return [nested]
    return nested instanceof protobufjs.Namespace ? servicesOf(nested) : []
  })
  return found.sort((a, b) => (a.fullName < b.fullName ? -1 : 1))
}
